/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "exposition.h"

#include <inttypes.h>

/** What is written for every source or block, and is no cell. */
struct family {
	const char *name, *type, *unit, *help;
	void (*write)(FILE *out, const char *base, const struct mt_exposition_source *source);
};

#define LABELS_SIZE 96 /* counters="NAME" */
#define MOST_LABELS 4

/* The label that tells sources apart, or nothing. */
static const char *base_labels(char ret[LABELS_SIZE], const struct mt_exposition_source *source)
{
	ret[0] = 0;
	if (source->name != NULL)
		snprintf(ret, LABELS_SIZE, "counters=\"%s\"", source->name);
	return ret;
}

/* A sample's name and labels; parts that are empty leave no comma. */
static void write_name(FILE *out, const char *name, const char *suffix, const char *const parts[MOST_LABELS])
{
	char before = '{';

	fprintf(out, "%s%s", name, suffix);
	for (unsigned i = 0; i < MOST_LABELS; i++)
		if (parts[i] != NULL && parts[i][0] != 0) {
			fprintf(out, "%c%s", before, parts[i]);
			before = ',';
		}
	fputs(before == ',' ? "} " : " ", out);
}

static void write_value(FILE *out, uint64_t value, uint64_t divisor)
{
	if (divisor == 1)
		fprintf(out, "%" PRIu64 "\n", value);
	else
		fprintf(out, "%" PRIu64 ".%09" PRIu64 "\n", value / divisor,
			(uint64_t)(value % divisor * MT_NS_PER_SECOND / divisor));
}

static bool ends_in(const char *name, size_t len, const char *tail)
{
	size_t tail_len = strlen(tail);

	return len > tail_len && strncmp(name + len - tail_len, tail, tail_len) == 0;
}

/*
 * OpenMetrics names a family without the suffix of its samples, and a unit only where that name ends in it.
 * The older format knows neither units nor the type info.
 */
static void write_head(FILE *out, enum mt_exposition_format format, const char *name, const char *type,
		       const char *unit, const char *help)
{
	size_t len = strlen(name), unit_len = strlen(unit);
	const char *suffix = strcmp(type, "info") == 0	    ? "_info"
			     : strcmp(type, "counter") == 0 ? "_total"
							    : "";

	if (format == MT_EXPOSITION_TEXT) {
		fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
			strcmp(type, "info") == 0 ? "gauge" : type);
		return;
	}
	if (ends_in(name, len, suffix))
		len -= strlen(suffix);
	fprintf(out, "# TYPE %.*s %s\n", (int)len, name, type);
	if (unit_len > 0 && ends_in(name, len, unit) && name[len - unit_len - 1] == '_')
		fprintf(out, "# UNIT %.*s %s\n", (int)len, name, unit);
	fprintf(out, "# HELP %.*s %s\n", (int)len, name, help);
}

/* ---- What no cell holds ---- */

static void write_build(FILE *out, const char *base, const struct mt_exposition_source *source)
{
	char version[64];

	if (source->snapshot == NULL)
		return;
	snprintf(version, sizeof(version), "version=\"%s\"", source->snapshot->version);
	write_name(out, "mailtap_build_info", "", (const char *const[MOST_LABELS]){base, version});
	fputs("1\n", out);
}

static void write_start(FILE *out, const char *base, const struct mt_exposition_source *source)
{
	if (source->snapshot == NULL)
		return;
	write_name(out, "mailtap_start_time_seconds", "", (const char *const[MOST_LABELS]){base});
	write_value(out, source->snapshot->run_start_ns, MT_NS_PER_SECOND);
}

static void write_up(FILE *out, const char *base, const struct mt_exposition_source *source)
{
	write_name(out, "mailtap_up", "", (const char *const[MOST_LABELS]){base});
	fprintf(out, "%d\n", source->snapshot != NULL && mt_counters_is_up(source->snapshot));
}

static const char *worker_label(char ret[32], const struct mt_counters_view_block *block)
{
	snprintf(ret, 32, "worker=\"%s\"", block->worker);
	return ret;
}

static void write_heartbeat(FILE *out, const char *base, const struct mt_exposition_source *source)
{
	const struct mt_counters_snapshot *snapshot = source->snapshot;
	char worker[32];

	for (uint32_t i = 0; snapshot != NULL && i < snapshot->block_count; i++) {
		write_name(out, "mailtap_heartbeat_age_seconds", "",
			   (const char *const[MOST_LABELS]){base, worker_label(worker, &snapshot->block[i])});
		fprintf(out, "%.9f\n", mt_counters_heartbeat_age(snapshot, i));
	}
}

static void write_stale(FILE *out, const char *base, const struct mt_exposition_source *source)
{
	const struct mt_counters_snapshot *snapshot = source->snapshot;
	char worker[32];

	for (uint32_t i = 0; snapshot != NULL && i < snapshot->block_count; i++) {
		write_name(out, "mailtap_stale", "",
			   (const char *const[MOST_LABELS]){base, worker_label(worker, &snapshot->block[i])});
		fprintf(out, "%d\n", snapshot->block[i].is_stale);
	}
}

static void write_busy(FILE *out, const char *base, const struct mt_exposition_source *source)
{
	const struct mt_counters_snapshot *snapshot = source->snapshot;
	char worker[32];

	for (uint32_t i = 0; snapshot != NULL && i < snapshot->block_count; i++) {
		double ratio = mt_counters_busy_ratio(snapshot, i);

		if (ratio < 0)
			continue;
		write_name(out, "mailtap_poll_busy_ratio", "",
			   (const char *const[MOST_LABELS]){base, worker_label(worker, &snapshot->block[i])});
		fprintf(out, "%.6f\n", ratio);
	}
}

static const struct family made[] = {
    {"mailtap_build_info", "info", "", "The program that writes these counters.", write_build},
    {"mailtap_start_time_seconds", "gauge", "seconds", "When the run began, since 1970.", write_start},
    {"mailtap_up", "gauge", "", "1 where a living process writes these counters.", write_up},
    {"mailtap_heartbeat_age_seconds", "gauge", "seconds", "Time since a worker last published.",
     write_heartbeat},
    {"mailtap_stale", "gauge", "", "1 where a worker's values could not be read whole: they are older ones.",
     write_stale},
    {"mailtap_poll_busy_ratio", "gauge", "ratio",
     "Share of cycles in polls that brought packets, since the start.", write_busy},
};

/* ---- Cells ---- */

static void write_histogram(FILE *out, const struct mt_counters_view *series, const uint64_t *cells,
			    const char *parts[MOST_LABELS])
{
	const char *bound = series->bounds;
	uint64_t count = 0;

	cells += series->cell;
	for (uint32_t i = 0; i + 1 < series->cells; i++) {
		int len = (int)strcspn(bound, " ");
		char le[64];

		if (i + 2 < series->cells)
			snprintf(le, sizeof(le), "le=\"%.*s\"", len, bound);
		else
			snprintf(le, sizeof(le), "le=\"+Inf\"");
		parts[MOST_LABELS - 1] = le;
		count += cells[i];
		write_name(out, series->name, "_bucket", parts);
		write_value(out, count, 1);
		bound += len + (bound[len] == ' ');
	}
	parts[MOST_LABELS - 1] = NULL;
	write_name(out, series->name, "_count", parts);
	write_value(out, count, 1);
	write_name(out, series->name, "_sum", parts);
	write_value(out, cells[series->cells - 1], series->divisor);
}

static void write_one(FILE *out, const struct mt_counters_view *series, const uint64_t *cells,
		      const char *base, const char *worker)
{
	const char *parts[MOST_LABELS] = {base, worker, series->labels};

	if (series->kind == MT_COUNTERS_HISTOGRAM) {
		write_histogram(out, series, cells, parts);
		return;
	}
	write_name(out, series->name, "", parts);
	write_value(out, cells[series->cell], series->divisor);
}

/*
 * The control thread holds nothing by itself: of its gauges only what is not zero is shown. Its sums are
 * there from the beginning: Prometheus sees no increase in what appears with its first loss.
 */
static void write_series(FILE *out, const struct mt_counters_view *series,
			 const struct mt_counters_snapshot *snapshot, const char *base)
{
	char worker[32];

	if (!series->is_by_worker) {
		write_one(out, series, snapshot->total, base, NULL);
		return;
	}
	for (uint32_t i = 0; i < snapshot->block_count; i++)
		if (i + 1 < snapshot->block_count || series->kind != MT_COUNTERS_GAUGE ||
		    snapshot->block[i].cells[series->cell] != 0)
			write_one(out, series, snapshot->block[i].cells, base,
				  worker_label(worker, &snapshot->block[i]));
}

/* The first source before this one that has the metric has written it for all. */
static bool is_written(const struct mt_exposition_source *sources, size_t source, uint32_t series)
{
	const struct mt_counters_view *all = sources[source].snapshot->series;

	if (series > 0 && strcmp(all[series - 1].name, all[series].name) == 0)
		return true;
	for (size_t s = 0; s <= source; s++) {
		uint32_t count = s == source		       ? series
				 : sources[s].snapshot == NULL ? 0
							       : sources[s].snapshot->series_count;

		for (uint32_t i = 0; i < count; i++)
			if (strcmp(sources[s].snapshot->series[i].name, all[series].name) == 0)
				return true;
	}
	return false;
}

/* A metric of all sources; one that another source declares with another kind is left out there. */
static void write_metric(FILE *out, enum mt_exposition_format format,
			 const struct mt_exposition_source *sources, size_t count,
			 const struct mt_counters_view *model)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	char base[LABELS_SIZE];

	write_head(out, format, model->name, types[model->kind], model->unit, model->help);
	for (size_t s = 0; s < count; s++) {
		const struct mt_counters_snapshot *snapshot = sources[s].snapshot;

		base_labels(base, &sources[s]);
		for (uint32_t i = 0; snapshot != NULL && i < snapshot->series_count; i++)
			if (strcmp(snapshot->series[i].name, model->name) == 0 &&
			    snapshot->series[i].kind == model->kind)
				write_series(out, &snapshot->series[i], snapshot, base);
	}
}

void mt_exposition_write_metrics(FILE *out, enum mt_exposition_format format,
				 const struct mt_exposition_source *sources, size_t count)
{
	char base[LABELS_SIZE];

	for (size_t i = 0; i < MT_ARRAY_LEN(made); i++) {
		write_head(out, format, made[i].name, made[i].type, made[i].unit, made[i].help);
		for (size_t s = 0; s < count; s++)
			made[i].write(out, base_labels(base, &sources[s]), &sources[s]);
	}
	for (size_t s = 0; s < count; s++)
		for (uint32_t i = 0; sources[s].snapshot != NULL && i < sources[s].snapshot->series_count;
		     i++)
			if (!is_written(sources, s, i))
				write_metric(out, format, sources, count, &sources[s].snapshot->series[i]);
	if (format == MT_EXPOSITION_OPENMETRICS)
		fputs("# EOF\n", out);
}
