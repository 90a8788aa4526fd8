/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* What all sinks have in common, and the one that writes nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "record_priv.h"

static void write_nowhere(struct mt_record_sink *sink, const char *line)
{
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

int mt_record_sink_open(struct mt_record_sink **ret, const char *path, char *error, size_t error_size)
{
	int rc = strcmp(path, "none") == 0 ? open_none(ret) : open_file_sink(ret, path);

	if (rc != 0)
		snprintf(error, error_size, "records cannot be written to %s: %s", path, strerror(-rc));
	return rc;
}

bool mt_record_sink_is_none(const struct mt_record_sink *sink)
{
	return sink->kind == &none_kind;
}

void mt_record_sink_count_in(struct mt_record_sink *sink, uint64_t *cells)
{
	sink->cells = cells;
}

void mt_record_sink_write(struct mt_record_sink *sink, const char *line)
{
	if (line != NULL || mt_record_sink_is_none(sink))
		sink->kind->write(sink, line);
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

int mt_record_sink_close(struct mt_record_sink *sink)
{
	return sink != NULL ? sink->kind->close(sink) : 0;
}
