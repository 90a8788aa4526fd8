/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* What all sinks have in common, and the one that writes nothing. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "record_priv.h"

static void write_nowhere(struct mt_record_sink *sink, const struct mt_mail_ends *ends, const char *line)
{
	(void)ends;
	(void)line;
	sink->cells[MT_CELL0(RECORDS_WRITTEN)]++; /* all that was wanted of it */
}

static int do_nothing(struct mt_record_sink *sink)
{
	(void)sink;
	return 0;
}

static void finish_nothing(struct mt_record_sink *sink)
{
	(void)sink;
}

static int forget(struct mt_record_sink *sink)
{
	free(sink);
	return 0;
}

static const struct sink_kind none_kind = {write_nowhere, do_nothing, do_nothing, finish_nothing, forget};

static int open_none(struct mt_record_sink **ret)
{
	struct mt_record_sink *sink = calloc(1, sizeof(*sink));

	if (sink == NULL)
		return -ENOMEM;
	sink->kind = &none_kind;
	*ret = sink;
	return 0;
}

static int say_why(int rc, const struct mt_record_target *target, const char *reason, char *error,
		   size_t error_size)
{
	if (rc != 0)
		snprintf(error, error_size, "records cannot be written to %s: %s", target->path,
			 reason[0] != 0 ? reason : strerror(-rc));
	return rc;
}

int mt_record_target_check(const struct mt_record_target *target, char *error, size_t error_size)
{
	char reason[256] = "";
	int rc = 0;

	if (is_kafka_path(target->path))
		rc = check_kafka_target(target, reason, sizeof(reason));
	return say_why(rc, target, reason, error, error_size);
}

int mt_record_sink_open(struct mt_record_sink **ret, const struct mt_record_target *target, char *error,
			size_t error_size)
{
	char reason[256] = "";
	int rc;

	if (strcmp(target->path, "none") == 0)
		rc = open_none(ret);
	else if (is_kafka_path(target->path))
		rc = open_kafka_sink(ret, target, reason, sizeof(reason));
	else
		rc = open_file_sink(ret, target->path);
	return say_why(rc, target, reason, error, error_size);
}

/* ---- Troubles ---- */

#define QUIET_MS 60000 /* a broker that comes and goes is worth a line a minute */

uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / MT_NS_PER_MS;
}

void note_trouble(struct mt_record_sink *sink, enum trouble trouble, const char *format, ...)
{
	va_list values;

	if (sink->troubles[trouble].is_noted)
		return;
	sink->troubles[trouble].is_noted = true;
	sink->noted_ms = monotonic_ms();
	va_start(values, format);
	vsnprintf(sink->troubles[trouble].sentence, sizeof(sink->troubles[trouble].sentence), format, values);
	va_end(values);
}

void note_success(struct mt_record_sink *sink)
{
	if (sink->noted_ms == 0 || monotonic_ms() - sink->noted_ms < QUIET_MS)
		return;
	memset(sink->troubles, 0, sizeof(sink->troubles));
	sink->noted_ms = 0;
}

const char *mt_record_sink_trouble(struct mt_record_sink *sink)
{
	for (unsigned i = 0; i < TROUBLE_COUNT; i++)
		if (sink->troubles[i].is_noted && !sink->troubles[i].is_fetched) {
			sink->troubles[i].is_fetched = true;
			return sink->troubles[i].sentence;
		}
	return NULL;
}

/* ---- What all kinds share ---- */

bool mt_record_sink_is_none(const struct mt_record_sink *sink)
{
	return sink->kind == &none_kind;
}

void mt_record_sink_count_in(struct mt_record_sink *sink, uint64_t *cells)
{
	sink->cells = cells;
}

void mt_record_sink_write(struct mt_record_sink *sink, const struct mt_mail_ends *ends, const char *line)
{
	if (line != NULL || mt_record_sink_is_none(sink))
		sink->kind->write(sink, ends, line);
	else
		sink->cells[MT_CELL1(LOST, MT_LOSS_RECORD_SINK)]++;
}

int mt_record_sink_reopen(struct mt_record_sink *sink)
{
	return sink->kind->reopen(sink);
}

int mt_record_sink_flush(struct mt_record_sink *sink)
{
	return sink->kind->flush(sink);
}

void mt_record_sink_finish(struct mt_record_sink *sink)
{
	sink->kind->finish(sink);
}

uint64_t mt_record_sink_lost(const uint64_t *cells)
{
	return cells[MT_CELL1(LOST, MT_LOSS_RECORD_SINK)] + cells[MT_CELL1(LOST, MT_LOSS_RECORD_KAFKA_FULL)] +
	       cells[MT_CELL1(LOST, MT_LOSS_RECORD_KAFKA_FAILED)];
}

int mt_record_sink_close(struct mt_record_sink *sink)
{
	return sink != NULL ? sink->kind->close(sink) : 0;
}
