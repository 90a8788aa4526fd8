/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "base.h"
#include "mailtap-counters.h"

uint64_t mt_counters_count_of(const struct mt_counters_view *series, const uint64_t *cells)
{
	/* All buckets, which stand in front of the sum. */
	uint32_t n = series->kind == MT_COUNTERS_HISTOGRAM ? series->cells - 1 : 1;
	uint64_t count = 0;

	for (uint32_t i = 0; i < n; i++)
		count += cells[series->cell + i];
	return count;
}

const char *mt_counters_state_name(const struct mt_counters_snapshot *snapshot)
{
	static const char *const names[] = {[MT_COUNTERS_BUILDING] = "building",
					    [MT_COUNTERS_LIVE] = "live",
					    [MT_COUNTERS_CLOSED] = "closed"};

	return snapshot->state < MT_ARRAY_LEN(names) && names[snapshot->state] != NULL
		   ? names[snapshot->state]
		   : "unknown";
}

bool mt_counters_is_up(const struct mt_counters_snapshot *snapshot)
{
	return snapshot->has_writer && snapshot->state == MT_COUNTERS_LIVE;
}

/* A block that was published after the snapshot's moment is no age old. */
static uint64_t age_ns(const struct mt_counters_snapshot *snapshot, uint32_t block)
{
	uint64_t heartbeat_ns = snapshot->block[block].heartbeat_ns;

	return snapshot->taken_ns > heartbeat_ns ? snapshot->taken_ns - heartbeat_ns : 0;
}

double mt_counters_heartbeat_age(const struct mt_counters_snapshot *snapshot, uint32_t block)
{
	return (double)age_ns(snapshot, block) / (double)MT_NS_PER_SECOND;
}

const char *mt_counters_label_of(const struct mt_counters_view *series, const char *key)
{
	for (uint32_t i = 0; i < series->label_count; i++)
		if (strcmp(series->label[i].key, key) == 0)
			return series->label[i].value;
	return NULL;
}

double mt_counters_busy_ratio(const struct mt_counters_snapshot *snapshot, uint32_t block)
{
	const uint64_t *cells = snapshot->block[block].cells;
	double busy = 0, all = 0;

	for (uint32_t i = 0; i < snapshot->series_count; i++) {
		const struct mt_counters_view *series = &snapshot->series[i];

		const char *state = mt_counters_label_of(series, "state");

		if (strcmp(series->name, "mailtap_cycles_total") != 0 || state == NULL)
			continue;
		all += (double)cells[series->cell];
		if (strcmp(state, "busy") == 0)
			busy += (double)cells[series->cell];
	}
	return all > 0 ? busy / all : -1;
}

static uint32_t longest_silent(const struct mt_counters_snapshot *snapshot)
{
	uint32_t found = 0;

	for (uint32_t i = 1; i < snapshot->block_count; i++)
		if (age_ns(snapshot, i) > age_ns(snapshot, found))
			found = i;
	return found;
}

bool mt_counters_health(const struct mt_counters_snapshot *snapshot, char ret[MT_COUNTERS_HEALTH_SIZE])
{
	const char *end = snapshot->state == MT_COUNTERS_CLOSED ? "ended" : "died";
	uint32_t silent = longest_silent(snapshot);
	bool is_worker = silent + 1 < snapshot->block_count;

	if (!mt_counters_is_up(snapshot)) {
		snprintf(ret, MT_COUNTERS_HEALTH_SIZE,
			 "the capture process %u has %s; these are its last values", snapshot->pid, end);
		return false;
	}
	if (age_ns(snapshot, silent) > MT_COUNTERS_SILENT_NS) {
		snprintf(ret, MT_COUNTERS_HEALTH_SIZE, "%s%s has not been heard of for %.1f seconds",
			 is_worker ? "worker " : "the control thread",
			 is_worker ? snapshot->block[silent].worker : "",
			 mt_counters_heartbeat_age(snapshot, silent));
		return false;
	}
	snprintf(ret, MT_COUNTERS_HEALTH_SIZE, "process %u captures, all %u threads are heard of",
		 snapshot->pid, snapshot->block_count);
	return true;
}
