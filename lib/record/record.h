/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * A session's report becomes its record: one JSON object on a line (CONTRACT.md 2), counted once, written
 * to a sink. Runs on the control thread; allocates, formats and writes as it likes.
 *
 * Text from the wire is shown as UTF-8. What is no UTF-8, controls, and characters that show nothing or
 * turn the direction of writing become \xNN, a byte each, written with a backslash, an x and two
 * hexadecimal digits in upper case. A backslash of the wire's own is left as it is.
 */
#ifndef MT_RECORD_H
#define MT_RECORD_H

#include "base.h"
#include "counters.h"
#include "mail.h"
#include "match.h"

/**
 * Format a record.
 * report    has_facts and has_end are set; facts.protocol is a member of its list
 * banners   gives the software's name for facts.software; NULL where no patterns are loaded
 * Result    a line without its end, zero-terminated, to be freed with free(); NULL without memory
 */
char *mt_record_format(const struct mt_report *report, uint64_t flow_id, const struct mt_banners *banners);

/** Community ID 1.0 with seed 0 of the session's tuple, zero-terminated. */
#define MT_RECORD_COMMUNITY_SIZE 32
void mt_record_community_id(const struct mt_mail_ends *ends, char ret[MT_RECORD_COMMUNITY_SIZE]);

/**
 * Count a finished session: sessions, starttls, evidence, auth, anomalies, banners, messages, TLS,
 * certificates, histograms.
 * Flows, reasons and losses are the worker's to count.
 * report   as mt_record_format() takes it
 * layout   says where a product's cell is
 * banners  as mt_record_format() takes them
 * cells    the control thread's own
 */
void mt_record_count(const struct mt_report *report, const struct mt_counters_layout *layout,
		     const struct mt_banners *banners, uint64_t *cells);

/**
 * The order of records: by the time at which the session was known to be over, then by its last packet's
 * time, then by the client's and the server's address and port; VLAN and start time decide between what is
 * left. The last packet's time alone would do for a replay that keeps everything; but a session that falls
 * silent is known to be over only a timeout after its last packet, and nobody can wait so long live.
 * Result  below, at or above 0, as qsort() wants it
 */
int mt_record_compare(const struct mt_report *a, const struct mt_report *b);

/**
 * Finished sessions that wait for their place in that order, as workers bring them in any other.
 * Grows with what waits, and is the caller's to bound.
 */
struct mt_record_queue;

struct mt_record_queue *mt_record_queue_create(void);	     /* NULL without memory */
void mt_record_queue_destroy(struct mt_record_queue *queue); /* NULL is legal; what waits is forgotten */
/** Keep a copy of a report that is whole. Result  false without memory */
bool mt_record_queue_put(struct mt_record_queue *queue, const struct mt_report *report);
/**
 * Take the first in order, if its session was over before that time; equals come as they were put.
 * Result  transferred, to be freed with free(); NULL where none is ripe
 */
struct mt_report *mt_record_queue_take(struct mt_record_queue *queue, uint64_t before_ns);
size_t mt_record_queue_count(const struct mt_record_queue *queue);

/**
 * Where records go: a file of mode 0640 that is appended to, standard output (`-`), or nothing (`none`).
 * A path may be a symbolic link. Lines are gathered and written whole: a file never ends in the middle of
 * a line, not even where the disk is full. SIGPIPE is the caller's to ignore.
 * The sink counts what becomes of its records: each is written, or lost under a name, or still waits;
 * after mt_record_sink_finish() none waits.
 */
struct mt_record_sink;

/** error: a sentence that names the path. Result 0 or -errno. */
int mt_record_sink_open(struct mt_record_sink **ret, const char *path, char *error, size_t error_size);
/** True where every line goes nowhere: it need not be made. */
bool mt_record_sink_is_none(const struct mt_record_sink *sink);
/** Count in these cells, which outlive the last record; called before the first. */
void mt_record_sink_count_in(struct mt_record_sink *sink, uint64_t *cells);
/** line: NULL where none could be made, which is a record lost, or where the sink is none. */
void mt_record_sink_write(struct mt_record_sink *sink, const char *line);
/** Open the path again, after it was moved away. Result 0 or -errno: the old file stays in use. */
int mt_record_sink_reopen(struct mt_record_sink *sink);
/**
 * Write out what is gathered; called when idle.
 * Result  0 or -errno: what could not be written stays and is tried again
 */
int mt_record_sink_flush(struct mt_record_sink *sink);
/** Write out what can be, for the last time; what still waits then is lost. */
void mt_record_sink_finish(struct mt_record_sink *sink);
/** NULL is legal. Result 0 or -errno. */
int mt_record_sink_close(struct mt_record_sink *sink);

#endif
