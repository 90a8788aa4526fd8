/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Counters as text for other programs: OpenMetrics 1.0, Prometheus' older text format 0.0.4, JSON. What no
 * cell holds is made here: build, start, up, heartbeat, busy share. mailtap-stat and mailtap-exporter call
 * it; it knows no file and no socket.
 */
#ifndef MT_EXPOSITION_H
#define MT_EXPOSITION_H

#include "base.h"
#include "mailtap-counters.h"

/** An object to expose. */
struct mt_exposition_source {
	const char *name;			     /* the label `counters`; NULL for no such label */
	const struct mt_counters_snapshot *snapshot; /* NULL: nothing to read, it is only said to be down */
};

/** The two that Prometheus reads. */
enum mt_exposition_format {
	MT_EXPOSITION_TEXT,	   /* text format 0.0.4: a counter's family has its whole name */
	MT_EXPOSITION_OPENMETRICS, /* 1.0: families without their suffix, with units, `# EOF` at the end */
};

/**
 * Write all metrics of all sources, families whole. A metric that two sources declare with different kinds
 * is the first one's.
 */
void mt_exposition_write_metrics(FILE *out, enum mt_exposition_format format,
				 const struct mt_exposition_source *sources, size_t count);

/**
 * Write a snapshot as one JSON object with every series, zeros included, on one line.
 * Result  0, -ENOMEM, or -EIO where out took it not
 */
int mt_exposition_write_json(FILE *out, const struct mt_counters_snapshot *snapshot);

/** Write what is known of an object that cannot be read: its name, and why. Result  as above */
int mt_exposition_write_json_absent(FILE *out, const char *name, const char *reason);

#endif
