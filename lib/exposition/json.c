/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "exposition.h"

#include <errno.h>
#include <jansson.h>

/*
 * Every json_..._new() takes over what it is given, NULL included, and fails as a whole where it is NULL:
 * so that one look at the end finds any want of memory.
 */
static const char *const kinds[] = {"counter", "gauge", "histogram"};

static json_t *make_number(uint64_t value, uint64_t divisor)
{
	return divisor == 1 ? json_integer((json_int_t)value) : json_real((double)value / (double)divisor);
}

/* Result  the labels as an object, the worker among them where one is given */
static json_t *make_labels(const struct mt_counters_view *series, const char *worker)
{
	json_t *labels = json_object();
	int failed = labels == NULL;

	if (worker != NULL)
		failed |= json_object_set_new(labels, "worker", json_string(worker));
	for (uint32_t i = 0; i < series->label_count; i++)
		failed |=
		    json_object_set_new(labels, series->label[i].key, json_string(series->label[i].value));
	if (failed == 0)
		return labels;
	json_decref(labels);
	return NULL;
}

/* Buckets as they are kept: what lies between a bound and the one before; the last has none (null). */
static json_t *make_buckets(const struct mt_counters_view *series, const uint64_t *cells)
{
	json_t *buckets = json_array();
	const char *bound = series->bounds;
	int failed = buckets == NULL;

	for (uint32_t i = 0; i + 1 < series->cells; i++) {
		size_t len = strcspn(bound, " ");
		json_t *up_to = i + 2 < series->cells ? json_real(strtod(bound, NULL)) : json_null();

		failed |= json_array_append_new(
		    buckets, json_pack("{s:o, s:I}", "up_to", up_to, "count", (json_int_t)cells[i]));
		bound += len + (bound[len] == ' ');
	}
	if (failed == 0)
		return buckets;
	json_decref(buckets);
	return NULL;
}

static json_t *make_sample(const struct mt_counters_view *series, const uint64_t *block, const char *worker)
{
	const uint64_t *cells = block + series->cell;
	uint64_t count = 0;

	if (series->kind != MT_COUNTERS_HISTOGRAM)
		return json_pack("{s:o, s:o}", "labels", make_labels(series, worker), "value",
				 make_number(cells[0], series->divisor));
	for (uint32_t i = 0; i + 1 < series->cells; i++)
		count += cells[i];
	return json_pack("{s:o, s:I, s:o, s:o}", "labels", make_labels(series, worker), "count",
			 (json_int_t)count, "sum", make_number(cells[series->cells - 1], series->divisor),
			 "buckets", make_buckets(series, cells));
}

static int add_series(json_t *samples, const struct mt_counters_view *series,
		      const struct mt_counters_snapshot *snapshot)
{
	int failed = 0;

	if (!series->is_by_worker)
		return json_array_append_new(samples, make_sample(series, snapshot->total, NULL));
	for (uint32_t i = 0; i < snapshot->block_count; i++)
		failed |= json_array_append_new(
		    samples, make_sample(series, snapshot->block[i].cells, snapshot->block[i].worker));
	return failed;
}

static json_t *make_metrics(const struct mt_counters_snapshot *snapshot)
{
	json_t *metrics = json_object();
	int failed = metrics == NULL;

	for (uint32_t i = 0; i < snapshot->series_count; i++) {
		const struct mt_counters_view *series = &snapshot->series[i];

		if (json_object_get(metrics, series->name) == NULL)
			failed |= json_object_set_new(metrics, series->name,
						      json_pack("{s:s, s:s, s:s, s:[]}", "type",
								kinds[series->kind], "unit", series->unit,
								"help", series->help, "series"));
		failed |= add_series(json_object_get(json_object_get(metrics, series->name), "series"),
				     series, snapshot);
	}
	if (failed == 0)
		return metrics;
	json_decref(metrics);
	return NULL;
}

static json_t *make_threads(const struct mt_counters_snapshot *snapshot)
{
	json_t *threads = json_array();
	int failed = threads == NULL;

	for (uint32_t i = 0; i < snapshot->block_count; i++) {
		double busy = mt_counters_busy_ratio(snapshot, i);

		failed |= json_array_append_new(
		    threads, json_pack("{s:s, s:f, s:b, s:o}", "worker", snapshot->block[i].worker,
				       "heartbeat_age_seconds", mt_counters_heartbeat_age(snapshot, i),
				       "stale", (int)snapshot->block[i].is_stale, "poll_busy_ratio",
				       busy < 0 ? json_null() : json_real(busy)));
	}
	if (failed == 0)
		return threads;
	json_decref(threads);
	return NULL;
}

/* Takes all over. */
static int write_line(FILE *out, json_t *all)
{
	int result;

	if (all == NULL)
		return -ENOMEM;
	result = json_dumpf(all, out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15)) == 0 &&
			 fputc('\n', out) != EOF
		     ? 0
		     : -EIO;
	json_decref(all);
	return result;
}

int mt_exposition_write_json(FILE *out, const struct mt_counters_snapshot *snapshot)
{
	char health[MT_COUNTERS_HEALTH_SIZE];
	bool is_healthy = mt_counters_health(snapshot, health);

	return write_line(
	    out, json_pack("{s:s, s:s, s:I, s:s, s:b, s:b, s:s, s:f, s:f, s:o, s:o}", "counters",
			   snapshot->name, "version", snapshot->version, "pid", (json_int_t)snapshot->pid,
			   "state", mt_counters_state_name(snapshot), "up", (int)mt_counters_is_up(snapshot),
			   "healthy", (int)is_healthy, "health", health, "start_time_seconds",
			   (double)snapshot->run_start_ns / (double)MT_NS_PER_SECOND, "taken_seconds",
			   (double)snapshot->taken_ns / (double)MT_NS_PER_SECOND, "threads",
			   make_threads(snapshot), "metrics", make_metrics(snapshot)));
}

int mt_exposition_write_json_absent(FILE *out, const char *name, const char *reason)
{
	return write_line(out,
			  json_pack("{s:s, s:s, s:b, s:b, s:s, s:[], s:{}}", "counters", name, "state",
				    "absent", "up", 0, "healthy", 0, "health", reason, "threads", "metrics"));
}
