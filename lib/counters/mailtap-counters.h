/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Read the counters of a running or ended mailtap: what mailtap-stat and mailtap-exporter do, and what any
 * other program may do that links with `pkg-config --cflags --libs mailtap-counters`.
 *
 * A reader needs read access to the object and nothing else. It knows only what the object says of itself:
 * names, labels, units and kinds come from its directory, so that it shows counters which were unheard of
 * when it was built. It cannot disturb the writer, and nothing that stands in the object can harm it.
 */
#ifndef MAILTAP_COUNTERS_H
#define MAILTAP_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define MT_COUNTERS_NAME_MAX 64 /* of an object: [A-Za-z0-9._-]{1,64}, but not "." or ".." */

enum mt_counters_kind { MT_COUNTERS_SUM, MT_COUNTERS_GAUGE, MT_COUNTERS_HISTOGRAM, MT_COUNTERS_KIND_COUNT };

enum mt_counters_state { MT_COUNTERS_BUILDING = 1, MT_COUNTERS_LIVE, MT_COUNTERS_CLOSED };

struct mt_counters_label {
	const char *key, *value;
};

/**
 * One metric under one set of labels, as the directory describes it. Every text is printable ASCII without
 * quote or backslash: it needs no escape in any output.
 */
struct mt_counters_view {
	const char *name, *help, *unit, *topic;
	const char *labels;		       /* key="value",... or empty */
	const struct mt_counters_label *label; /* the same, one by one; label_count of them */
	const char *bounds;   /* a histogram's, in its unit, one blank between; cells - 2 of them */
	uint64_t divisor;     /* a cell divided by it is of the unit; 1 to 10^9 */
	uint32_t cell, cells; /* within every block: one, or a histogram's buckets and their sum */
	uint32_t label_count;
	uint8_t kind;	   /* enum mt_counters_kind */
	bool is_by_worker; /* to be shown block by block, with a label `worker`; else added up */
};

/** One thread's last values. */
struct mt_counters_view_block {
	char worker[12]; /* "0", "1", ... or "control" */
	bool is_stale;	 /* no consistent copy could be had this time: these are older, or 0 for none yet */
	uint64_t heartbeat_ns; /* CLOCK_MONOTONIC of its last publication */
	const uint64_t *cells;
};

/** All values of one moment of one run. Borrowed: valid until the reader reads again, is renewed or closed.
 */
struct mt_counters_snapshot {
	const char *name, *version;
	uint32_t pid;
	uint64_t process_start; /* of that pid, clock ticks since boot (proc(5), stat, 22) */
	uint64_t run_start_ns;	/* wall clock */
	uint64_t taken_ns;	/* CLOCK_MONOTONIC */
	enum mt_counters_state state;
	bool has_writer; /* a living process holds it; else these are the last values */
	uint32_t block_count, series_count, cell_count; /* cells of each block */
	const struct mt_counters_view_block *block;	/* the workers', then the control thread's */
	const struct mt_counters_view *series;		/* those of a metric stand together */
	const uint64_t *total;				/* cells, all blocks added up */
};

struct mt_counters_reader;

/**
 * Open an object read-only and check its directory against its size. The reader stays with this object: one
 * run, whatever happens to the name.
 * trusted_uid  an owner to accept besides root and oneself; (uid_t)-1 for none
 * error        on failure one sentence that names the object
 * Result       0, -EINVAL (the name), -ENOENT, -EPERM (the owner), -EBADMSG (no object of counters),
 *              -EPROTONOSUPPORT (of another major version), or another -errno
 * Owner        one thread a reader
 */
int mt_counters_reader_open(struct mt_counters_reader **ret, const char *name, uid_t trusted_uid, char *error,
			    size_t error_size);
void mt_counters_reader_close(struct mt_counters_reader *reader); /* NULL is legal */

/**
 * Where the name has come to lead to another object, the next run's, open that one and close the old. Keep a
 * reader and renew it before each reading: that is cheaper than to open it, and keeps the last good values.
 * reader  replaced on 1, else as it was
 * Result  1 (another run's), 0 (the same, or the name is gone: the last values stay), or as in _open()
 */
int mt_counters_reader_renew(struct mt_counters_reader **reader, char *error, size_t error_size);

/**
 * Read all blocks. A block that is being written is tried again, for at most ten milliseconds.
 * Result  0, or -errno with a sentence in error: the object shrank or cannot be read
 */
int mt_counters_read(struct mt_counters_reader *reader, const struct mt_counters_snapshot **ret, char *error,
		     size_t error_size);

/** How many a series has counted, in one block's cells or the total: of a histogram all that was observed. */
uint64_t mt_counters_count_of(const struct mt_counters_view *series, const uint64_t *cells);

/** The value of a label, or NULL where the series has none of that key. */
const char *mt_counters_label_of(const struct mt_counters_view *series, const char *key);

/* ---- What a snapshot means ---- */

/** "building", "live", "closed" or "unknown". */
const char *mt_counters_state_name(const struct mt_counters_snapshot *snapshot);

/** Whether a living process writes them. */
bool mt_counters_is_up(const struct mt_counters_snapshot *snapshot);

/** Seconds since a block's last publication. */
double mt_counters_heartbeat_age(const struct mt_counters_snapshot *snapshot, uint32_t block);

/** Share of its cycles in which a block's polls brought packets, since the start; negative where it does not
 * poll. */
double mt_counters_busy_ratio(const struct mt_counters_snapshot *snapshot, uint32_t block);

/* Threads publish every millisecond: one that is silent for so long is stuck. */
#define MT_COUNTERS_SILENT_NS	5000000000u
#define MT_COUNTERS_HEALTH_SIZE 160

/**
 * Whether somebody who relies on these values may: a process writes them and every thread of it was heard of
 * within MT_COUNTERS_SILENT_NS.
 * ret  a sentence that says so, or what is wrong
 */
bool mt_counters_health(const struct mt_counters_snapshot *snapshot, char ret[MT_COUNTERS_HEALTH_SIZE]);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
