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
	void (*write)(struct mt_record_sink *sink,
		      const char *line); /* never NULL, but where nothing is written */
	int (*reopen)(struct mt_record_sink *sink);
	int (*flush)(struct mt_record_sink *sink);
	void (*finish)(struct mt_record_sink *sink);
	int (*close)(struct mt_record_sink *sink);
};

/** What a sink of every kind begins with. */
struct mt_record_sink {
	const struct sink_kind *kind;
	uint64_t *cells; /* the caller's; NULL until mt_record_sink_count_in() */
};

/** A file, or standard output. Result 0 or -errno. */
int open_file_sink(struct mt_record_sink **ret, const char *path);

#endif
