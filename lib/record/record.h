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
/** Keep a report that is whole. report: from malloc(), transferred. Result  false without memory: it is the
 * caller's still */
bool mt_record_queue_put(struct mt_record_queue *queue, struct mt_report *report);
/**
 * Take the first in order, if its session was over before that time; equals come as they were put.
 * Result  transferred, to be freed with free(); NULL where none is ripe
 */
struct mt_report *mt_record_queue_take(struct mt_record_queue *queue, uint64_t before_ns);
size_t mt_record_queue_count(const struct mt_record_queue *queue);

/**
 * Where records go. A file is appended to, with mode 0640; its path may be a symbolic link. Lines are
 * gathered and written whole: it never ends in the middle of a line, not even where the disk is full. Where a
 * program that was killed has left a part of a line, that line is ended before anything follows.
 *
 * To a topic of Kafka's each record is a message whose key is its community ID, so that a connection stays
 * in one partition. A broker that is not there is waited for.
 *
 * The sink counts what becomes of its records: each is written (a line in the file, or acknowledged by a
 * broker), or lost under a name, or still waits; after mt_record_sink_finish() none waits.
 * SIGPIPE is the caller's to ignore. All calls come from one thread.
 */
struct mt_record_sink;

struct rd_kafka_conf_s; /* librdkafka's properties */

struct mt_record_target {
	const char *path;		     /* of a file; `-`, `none`, kafka://BROKER[:PORT][,...]/TOPIC */
	bool is_patient;		     /* rather waits for room than lose a record */
	const struct rd_kafka_conf_s *kafka; /* of mt_record_kafka_set(); NULL where none was set */
};

/**
 * Set a property of librdkafka's for a sink on Kafka.
 * properties  the first call makes them; they end with mt_record_kafka_forget()
 * error       a reason that may leave the property's name out, and shows nothing of a password
 * Result      0 or -EINVAL
 */
int mt_record_kafka_set(struct rd_kafka_conf_s **properties, const char *name, const char *value, char *error,
			size_t error_size);
void mt_record_kafka_forget(struct rd_kafka_conf_s *properties); /* NULL is legal */

/** Find what is wrong with a target before it is opened. error: a sentence that names it. Result 0 or -errno.
 */
int mt_record_target_check(const struct mt_record_target *target, char *error, size_t error_size);
/**
 * Open a sink. One on Kafka starts threads, which run where the caller may.
 * target  borrowed for the call
 * error   a sentence that names the path
 * Result  0 or -errno
 */
int mt_record_sink_open(struct mt_record_sink **ret, const struct mt_record_target *target, char *error,
			size_t error_size);
/** True where every line goes nowhere: it need not be made. */
bool mt_record_sink_is_none(const struct mt_record_sink *sink);
/** Count in these cells, which outlive the last record; called before the first. */
void mt_record_sink_count_in(struct mt_record_sink *sink, uint64_t *cells);
/** line: NULL where none could be made, which is a record lost, or where the sink is none. */
void mt_record_sink_write(struct mt_record_sink *sink, const struct mt_mail_ends *ends, const char *line);
/**
 * Open the path again, after it was moved away; or begin anew with brokers that turned us away.
 * Result  0 or -errno: what was in use stays in use
 */
int mt_record_sink_reopen(struct mt_record_sink *sink);
/**
 * Write out what is gathered, and learn what became of what was sent; called when idle.
 * Result  0 or -errno: what could not be written stays and is tried again
 */
int mt_record_sink_flush(struct mt_record_sink *sink);
/**
 * What keeps records from being written: once when it begins, and again when it begins anew.
 * Result  a sentence, valid until the next call; NULL where there is nothing to say
 */
const char *mt_record_sink_trouble(struct mt_record_sink *sink);
/** Write out what can be, as long as brokers acknowledge within ten seconds. What still waits then is lost.
 */
void mt_record_sink_finish(struct mt_record_sink *sink);
/** Records that were given to a sink and lost, of the cells it counted in. */
uint64_t mt_record_sink_lost(const uint64_t *cells);
/** NULL is legal. Result 0 or -errno. */
int mt_record_sink_close(struct mt_record_sink *sink);

#endif
