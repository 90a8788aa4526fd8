/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/** What the files of this folder share. */
#ifndef MT_RECORD_PRIV_H
#define MT_RECORD_PRIV_H

#include "record.h"

/**
 * Make text from the wire printable: record.h says how.
 * ret       room for ret_size bytes; zero-terminated. What finds no room is left out, from the first
 *           character that does not fit whole.
 * Result    bytes written, without the zero
 */
size_t printable_text(struct mt_span wire, char *ret, size_t ret_size);

/** One kind of sink. Each function does what that of its name in record.h says. */
struct sink_kind {
	/** line: never NULL, unless nothing is written */
	void (*write)(struct mt_record_sink *sink, const struct mt_mail_ends *ends, const char *line);
	int (*reopen)(struct mt_record_sink *sink);
	int (*flush)(struct mt_record_sink *sink);
	void (*finish)(struct mt_record_sink *sink);
	int (*close)(struct mt_record_sink *sink);
};

enum trouble { TROUBLE_WAITING, TROUBLE_LOSING, TROUBLE_COUNT };

/** What a sink of every kind begins with. */
struct mt_record_sink {
	const struct sink_kind *kind;
	uint64_t *cells; /* the caller's; NULL until mt_record_sink_count_in() */
	struct {
		bool is_noted, is_fetched; /* since it began */
		char sentence[512];
	} troubles[TROUBLE_COUNT];
	uint64_t noted_ms; /* the monotonic clock's, of the latest */
};

/** Keep a sentence for mt_record_sink_trouble(), unless the like was noted since the last success. */
void note_trouble(struct mt_record_sink *sink, enum trouble trouble, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** A record was written: later troubles are new ones, a minute after the last was noted at the earliest. */
void note_success(struct mt_record_sink *sink);
uint64_t monotonic_ms(void);

/** A file, or standard output. Result 0 or -errno. */
int open_file_sink(struct mt_record_sink **ret, const char *path);

/** A path that begins with kafka://. */
bool is_kafka_path(const char *path);
/** error: a reason, or left empty where the result says it. Result 0 or -errno. */
int check_kafka_target(const struct mt_record_target *target, char *error, size_t error_size);
int open_kafka_sink(struct mt_record_sink **ret, const struct mt_record_target *target, char *error,
		    size_t error_size);

#endif
