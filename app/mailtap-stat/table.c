/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "stat.h"

#include <inttypes.h>
#include <time.h>

#define NAME_COLUMN 58 /* the longest name with its labels is a little shorter */

const char *mt_stat_name(char ret[MT_STAT_NAME_SIZE], const struct mt_counters_view *series)
{
	const char *name = series->name;
	size_t len, used;

	if (strncmp(name, "mailtap_", strlen("mailtap_")) == 0)
		name += strlen("mailtap_");
	len = strlen(name);
	if (len > strlen("_total") && strcmp(name + len - strlen("_total"), "_total") == 0)
		len -= strlen("_total");
	used = (size_t)snprintf(ret, MT_STAT_NAME_SIZE, "%.*s", (int)len, name);
	for (uint32_t i = 0; used < MT_STAT_NAME_SIZE && i < series->label_count; i++)
		used += (size_t)snprintf(ret + used, MT_STAT_NAME_SIZE - used, " %s", series->label[i].value);
	return ret;
}

/* The first bound under which so large a share of a histogram's count lies. */
static void name_quantile(char ret[16], const struct mt_counters_view *series, const uint64_t *cells,
			  uint64_t count, unsigned percent)
{
	const char *bound = series->bounds;
	uint64_t below = 0;

	for (uint32_t i = 0; i + 2 < series->cells; i++) {
		size_t len = strcspn(bound, " ");

		below += cells[i];
		if (below * 100 >= count * percent) {
			snprintf(ret, 16, "<= %.*s", (int)len, bound);
			return;
		}
		bound += len + (bound[len] == ' ');
	}
	snprintf(ret, 16, "longer");
}

bool mt_stat_times(struct mt_stat_times *ret, const struct mt_counters_view *series, const uint64_t *cells)
{
	ret->count = 0;
	for (uint32_t i = 0; i + 1 < series->cells; i++)
		ret->count += cells[i];
	if (ret->count == 0)
		return false;
	ret->mean = (double)cells[series->cells - 1] / (double)series->divisor / (double)ret->count;
	name_quantile(ret->half, series, cells, ret->count, 50);
	name_quantile(ret->most, series, cells, ret->count, 99);
	return true;
}

static void write_histogram(FILE *out, const char *name, const struct mt_counters_view *series,
			    const uint64_t *cells)
{
	struct mt_stat_times times;

	if (mt_stat_times(&times, series, cells))
		fprintf(out, "  %-*s %15" PRIu64 "  mean %.6f, half %s, 99%% %s %s\n", NAME_COLUMN, name,
			times.count, times.mean, times.half, times.most, series->unit);
}

/* Result  whether the series has anything to show */
static bool is_zero(const struct mt_counters_view *series, const uint64_t *total)
{
	for (uint32_t i = 0; i < series->cells; i++)
		if (total[series->cell + i] != 0)
			return false;
	return true;
}

static void write_series(FILE *out, const struct mt_counters_view *series, const uint64_t *total)
{
	char name[MT_STAT_NAME_SIZE];

	mt_stat_name(name, series);
	if (series->kind == MT_COUNTERS_HISTOGRAM)
		write_histogram(out, name, series, total + series->cell);
	else if (series->divisor == 1)
		fprintf(out, "  %-*s %15" PRIu64 "\n", NAME_COLUMN, name, total[series->cell]);
	else
		fprintf(out, "  %-*s %15.3f %s\n", NAME_COLUMN, name,
			(double)total[series->cell] / (double)series->divisor, series->unit);
}

static bool is_first_of_topic(const struct mt_counters_snapshot *snapshot, uint32_t index)
{
	for (uint32_t i = 0; i < index; i++)
		if (strcmp(snapshot->series[i].topic, snapshot->series[index].topic) == 0)
			return false;
	return true;
}

static void write_topic(FILE *out, const struct mt_counters_snapshot *snapshot, const char *topic)
{
	bool has_heading = false;

	for (uint32_t i = 0; i < snapshot->series_count; i++) {
		const struct mt_counters_view *series = &snapshot->series[i];

		if (strcmp(series->topic, topic) != 0 || is_zero(series, snapshot->total))
			continue;
		if (!has_heading)
			fprintf(out, "\n%s\n", topic);
		has_heading = true;
		write_series(out, series, snapshot->total);
	}
}

static void write_workers(FILE *out, const struct mt_counters_snapshot *snapshot)
{
	fprintf(out, "\nThreads\n");
	for (uint32_t i = 0; i < snapshot->block_count; i++) {
		double busy = mt_counters_busy_ratio(snapshot, i);

		fprintf(out, "  %-8s last heard of %.3f s ago", snapshot->block[i].worker,
			mt_counters_heartbeat_age(snapshot, i));
		if (busy >= 0)
			fprintf(out, ", busy %.1f %%", busy * 100);
		fprintf(out, "%s\n", snapshot->block[i].is_stale ? ", values are stale" : "");
	}
}

void mt_stat_write_table(FILE *out, const struct mt_counters_snapshot *snapshot)
{
	time_t start = (time_t)(snapshot->run_start_ns / MT_NS_PER_SECOND);
	struct tm utc;
	char text[64] = "?";

	if (gmtime_r(&start, &utc) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &utc);
	fprintf(out, "%s: mailtap %s, process %u, since %s, %s%s\n", snapshot->name, snapshot->version,
		snapshot->pid, text, mt_counters_state_name(snapshot),
		snapshot->has_writer ? "" : ", no writer: last values");
	write_workers(out, snapshot);
	for (uint32_t i = 0; i < snapshot->series_count; i++)
		if (is_first_of_topic(snapshot, i))
			write_topic(out, snapshot, snapshot->series[i].topic);
}
