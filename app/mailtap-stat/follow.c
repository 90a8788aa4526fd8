/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "follow.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* ---- Reading ---- */

/* Room for what is read of this run. Nothing was read of it before. */
static int forget(struct mt_follow *follow)
{
	const struct mt_counters_snapshot *now = follow->now;

	free(follow->before);
	free(follow->before_ns);
	follow->before = calloc((size_t)now->block_count * now->cell_count + 1, sizeof(uint64_t));
	follow->before_ns = calloc(now->block_count, sizeof(uint64_t));
	return follow->before != NULL && follow->before_ns != NULL ? 0 : -ENOMEM;
}

static void remember(struct mt_follow *follow)
{
	const struct mt_counters_snapshot *now = follow->now;

	for (uint32_t i = 0; i < now->block_count; i++) {
		memcpy(follow->before + (size_t)i * now->cell_count, now->block[i].cells,
		       now->cell_count * sizeof(uint64_t));
		follow->before_ns[i] = now->block[i].heartbeat_ns;
	}
}

int mt_follow_open(struct mt_follow *ret, const char *name, uid_t trusted_uid, char *error, size_t error_size)
{
	struct mt_follow follow = {0};
	int result = mt_counters_reader_open(&follow.reader, name, trusted_uid, error, error_size);

	if (result != 0)
		return result;
	result = mt_counters_read(follow.reader, &follow.now, error, error_size);
	if (result == 0 && forget(&follow) != 0) {
		result = -ENOMEM;
		snprintf(error, error_size, "no memory");
	}
	if (result != 0)
		mt_follow_close(&follow);
	else
		*ret = follow;
	return result;
}

void mt_follow_close(struct mt_follow *follow)
{
	mt_counters_reader_close(follow->reader);
	free(follow->before);
	free(follow->before_ns);
	*follow = (struct mt_follow){0};
}

int mt_follow_read(struct mt_follow *follow, char *error, size_t error_size)
{
	int renewed, result;

	remember(follow);
	follow->problem[0] = 0;
	renewed = mt_counters_reader_renew(&follow->reader, follow->problem, sizeof(follow->problem));
	result = mt_counters_read(follow->reader, &follow->now, error, error_size);
	if (result == 0 && renewed == 1 && forget(follow) != 0) {
		snprintf(error, error_size, "no memory");
		return -ENOMEM;
	}
	return result;
}

/* ---- Amounts ---- */

/* What a block says was true at its heartbeat: that is the time to divide by. */
static void add_block(const struct mt_follow *follow, uint32_t block, const struct mt_counters_view *series,
		      struct mt_amount *amount)
{
	const struct mt_counters_snapshot *now = follow->now;
	uint64_t count = mt_counters_count_of(series, now->block[block].cells);
	uint64_t before = mt_counters_count_of(series, follow->before + (size_t)block * now->cell_count);
	uint64_t heartbeat_ns = now->block[block].heartbeat_ns, before_ns = follow->before_ns[block];

	amount->total += count;
	if (before_ns == 0 || heartbeat_ns <= before_ns || count < before || !mt_counters_is_up(now))
		return;
	if (amount->per_second < 0)
		amount->per_second = 0;
	amount->per_second += (double)(count - before) * 1e9 / (double)(heartbeat_ns - before_ns);
}

static void add_series(const struct mt_follow *follow, uint32_t block, const struct mt_counters_view *series,
		       struct mt_amount *amount)
{
	for (uint32_t i = 0; i < follow->now->block_count; i++)
		if (block == MT_FOLLOW_ALL || block == i)
			add_block(follow, i, series, amount);
}

struct mt_amount mt_follow_amount(const struct mt_follow *follow, uint32_t block,
				  const struct mt_counters_view *series)
{
	struct mt_amount amount = {.per_second = MT_FOLLOW_LOST};

	add_series(follow, block, series, &amount);
	return amount;
}

static bool has_labels(const struct mt_counters_view *series, const struct mt_counters_label *where,
		       size_t where_count)
{
	for (size_t i = 0; i < where_count; i++) {
		const char *value = mt_counters_label_of(series, where[i].key);

		if (value == NULL || strcmp(value, where[i].value) != 0)
			return false;
	}
	return true;
}

struct mt_amount mt_follow_sum(const struct mt_follow *follow, uint32_t block, const char *metric,
			       const struct mt_counters_label *where, size_t where_count)
{
	struct mt_amount amount = {.per_second = MT_FOLLOW_LOST};

	for (uint32_t i = 0; i < follow->now->series_count; i++) {
		const struct mt_counters_view *series = &follow->now->series[i];

		if (strcmp(series->name, metric) == 0 && has_labels(series, where, where_count))
			add_series(follow, block, series, &amount);
	}
	return amount;
}

struct mt_amount mt_follow_losses(const struct mt_follow *follow, uint32_t block)
{
	struct mt_amount amount = {.per_second = MT_FOLLOW_LOST};

	for (uint32_t i = 0; i < follow->now->series_count; i++)
		if (strcmp(follow->now->series[i].topic, "Losses") == 0)
			add_series(follow, block, &follow->now->series[i], &amount);
	return amount;
}

double mt_follow_busy(const struct mt_follow *follow, uint32_t block)
{
	static const struct mt_counters_label busy = {"state", "busy"};
	double all = mt_follow_sum(follow, block, "mailtap_cycles_total", NULL, 0).per_second;

	if (all <= 0)
		return MT_FOLLOW_LOST;
	return mt_follow_sum(follow, block, "mailtap_cycles_total", &busy, 1).per_second / all;
}

/* ---- Condition ---- */

static uint32_t thread_by_age(const struct mt_counters_snapshot *now, bool is_oldest)
{
	uint32_t found = 0;

	for (uint32_t i = 1; i < now->block_count; i++) {
		bool is_older = mt_counters_heartbeat_age(now, i) > mt_counters_heartbeat_age(now, found);

		if (is_older == is_oldest)
			found = i;
	}
	return found;
}

/* "12:03:04, 5 s ago"; with the day where that was not today's or last night's. */
static void say_when(char ret[64], double seconds)
{
	static const struct {
		double most, unit;
		const char *name;
	} units[] = {{180, 1, "s"}, {3 * 3600, 60, "min"}, {3 * 86400, 3600, "h"}, {1e18, 86400, "d"}};
	time_t then = time(NULL) - (time_t)seconds;
	struct tm local;
	size_t used = 0, i = 0;

	if (localtime_r(&then, &local) != NULL)
		used = strftime(ret, 64, seconds < 43200 ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &local);
	while (seconds > units[i].most)
		i++;
	snprintf(ret + used, 64 - used, ", %.0f %s", seconds / units[i].unit, units[i].name);
}

void mt_follow_condition(const struct mt_follow *follow, struct mt_condition *ret)
{
	const struct mt_counters_snapshot *now = follow->now;
	uint32_t silent = thread_by_age(now, true), last = thread_by_age(now, false);
	double silence = mt_counters_heartbeat_age(now, silent);
	char when[64];

	if (mt_counters_is_up(now) && silence * 1e9 <= MT_COUNTERS_SILENT_NS) {
		struct timespec wall;

		clock_gettime(CLOCK_REALTIME, &wall);
		ret->kind = MT_CONDITION_LIVE;
		ret->seconds = (double)wall.tv_sec - (double)now->run_start_ns / 1e9;
		say_when(when, ret->seconds);
		snprintf(ret->text, sizeof(ret->text), "live since %s", when);
	} else if (mt_counters_is_up(now)) {
		bool is_control = silent + 1 == now->block_count;

		ret->kind = MT_CONDITION_STUCK;
		ret->seconds = silence;
		say_when(when, silence);
		snprintf(ret->text, sizeof(ret->text), "STUCK: %s%s silent since %s",
			 is_control ? "control thread" : "worker ",
			 is_control ? "" : now->block[silent].worker, when);
	} else {
		ret->kind = now->state == MT_COUNTERS_CLOSED ? MT_CONDITION_ENDED : MT_CONDITION_DIED;
		ret->seconds = mt_counters_heartbeat_age(now, last);
		say_when(when, ret->seconds);
		snprintf(ret->text, sizeof(ret->text), "%s at %s ago: last values",
			 ret->kind == MT_CONDITION_ENDED ? "ENDED" : "DIED", when);
	}
}
