/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * A line a second, as vmstat has it: for a terminal, a log or a pipe. What happens to the capture process
 * stands between the lines.
 */
#include "stat.h"

#include <errno.h>
#include <time.h>

#include "follow.h"

#define LINES_PER_HEAD 20

static double rate_of(const struct mt_follow *follow, const char *metric)
{
	return mt_follow_sum(follow, MT_FOLLOW_ALL, metric, NULL, 0).per_second;
}

static double sessions_of(const struct mt_follow *follow, const char *security)
{
	const struct mt_counters_label where = {"security", security};

	return mt_follow_sum(follow, MT_FOLLOW_ALL, "mailtap_sessions_total", &where, 1).per_second;
}

static void write_head(FILE *out)
{
	fprintf(out, "%8s %7s %6s %8s %6s %8s %8s %9s %6s %5s\n", "", "packets", "flows", "sessions", "clear",
		"starttls", "implicit", "anomalies", "lost", "busy");
	fprintf(out, "%8s %7s %6s %8s %6s %8s %8s %9s %6s %5s\n", "time", "/s", "now", "/s", "/s", "/s", "/s",
		"/s", "/s", "%");
}

static void write_line(FILE *out, const struct mt_follow *follow, const char *at)
{
	const double values[] = {
	    rate_of(follow, "mailtap_received_packets_total"),
	    (double)mt_follow_sum(follow, MT_FOLLOW_ALL, "mailtap_flows", NULL, 0).total,
	    rate_of(follow, "mailtap_sessions_total"),
	    sessions_of(follow, "cleartext"),
	    sessions_of(follow, "starttls"),
	    sessions_of(follow, "implicit_tls"),
	    rate_of(follow, "mailtap_anomalies_total"),
	    mt_follow_losses(follow, MT_FOLLOW_ALL).per_second,
	    mt_follow_busy(follow, MT_FOLLOW_ALL) * 100,
	};
	static const int widths[MT_ARRAY_LEN(values)] = {7, 6, 8, 6, 8, 8, 9, 6, 5};
	char number[MT_STAT_NUMBER_SIZE];

	fprintf(out, "%8s", at);
	for (size_t i = 0; i < MT_ARRAY_LEN(values); i++)
		fprintf(out, " %*s", widths[i], mt_stat_number(number, values[i]));
	fputc('\n', out);
}

/* Sleep until so many seconds have gone by since the beginning, however long reading took. */
static void wait_until(const struct timespec *begin, time_t seconds)
{
	const struct timespec next = {.tv_sec = begin->tv_sec + seconds, .tv_nsec = begin->tv_nsec};

	while (!mt_stat_is_ending() && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
		;
}

/* The process and what is to be thought of it; said when that changes. */
static void write_condition(FILE *out, const struct mt_follow *follow, const char *at,
			    struct mt_condition *condition, uint32_t *pid)
{
	struct mt_condition now;

	mt_follow_condition(follow, &now);
	if (now.kind != condition->kind || follow->now->pid != *pid)
		fprintf(out, "%8s %s: process %u, %s\n", at, follow->now->name, follow->now->pid, now.text);
	*condition = now;
	*pid = follow->now->pid;
}

int mt_stat_watch(FILE *out, struct mt_follow *follow, char *error, size_t error_size)
{
	struct mt_condition condition = {.kind = MT_CONDITION_LIVE};
	uint32_t pid = 0;
	struct timespec begin;
	int result = 0;

	mt_stat_catch_end();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (unsigned line = 0, second = 1; result == 0; second++) {
		time_t now = time(NULL);
		struct tm local;
		char at[16] = "?";

		if (localtime_r(&now, &local) != NULL)
			strftime(at, sizeof(at), "%H:%M:%S", &local);
		write_condition(out, follow, at, &condition, &pid);
		if (condition.kind <= MT_CONDITION_STUCK && second > 1) {
			if (line++ % LINES_PER_HEAD == 0)
				write_head(out);
			write_line(out, follow, at);
		}
		if (fflush(out) != 0) {
			snprintf(error, error_size, "standard output: %s", strerror(errno));
			return -EIO;
		}
		wait_until(&begin, second);
		/* Before the end too: how it ends says whether somebody writes now, not a second ago. */
		result = mt_follow_read(follow, error, error_size);
		if (mt_stat_is_ending())
			break;
	}
	return result;
}
