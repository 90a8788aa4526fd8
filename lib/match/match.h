/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Finding words: a table of patterns becomes a Hyperscan database, a line becomes a row's number.
 * In front of the scan stands a masked compare of the line's first eight bytes, which decides nearly
 * every command and reply without a call (FACTS.md: the call is what costs, not the bytes).
 *
 * Sets are made at start and shared read-only; each worker scans with a scratch of its own.
 * hs_* appears in this module alone.
 */
#ifndef MT_MATCH_H
#define MT_MATCH_H

#include "base.h"

struct mt_match_set;	 /* patterns, compiled; immutable */
struct mt_match_scratch; /* working memory of one worker, for every set it was grown for */

/** No row matched. */
#define MT_MATCH_NONE UINT32_MAX

/** One row: a word for the masked compare, a pattern for Hyperscan, or both. */
struct mt_match_row {
	uint32_t id;	     /* what a match returns; several rows may share one */
	const char *word;    /* upper case, at most 8 bytes, matched in any case at the very beginning and
				followed by the end of the line, a blank, CR or LF; NULL for none */
	const char *pattern; /* PCRE subset of Hyperscan, anchored by itself where it should be; NULL for none.
				Compiled caseless, single-match, dot does not match line ends */
};

/**
 * Compile a table.
 * rows    borrowed for the call
 * ret     written on success; destroy with mt_match_destroy()
 * error   buffer for a sentence that names the bad pattern, where the result is -EINVAL
 * Result  0, -EINVAL (a pattern does not compile, or the processor lacks SSSE3), -ENOMEM
 * Owner   any thread, at start
 */
int mt_match_create(struct mt_match_set **ret, const struct mt_match_row *rows, size_t count, char *error,
		    size_t error_size);
void mt_match_destroy(struct mt_match_set *set);

/** Make or grow a worker's scratch so that it serves the set too. *scratch is NULL the first time. */
int mt_match_scratch_grow(struct mt_match_scratch **scratch, const struct mt_match_set *set);
void mt_match_scratch_destroy(struct mt_match_scratch *scratch);

/**
 * The id of the first row of the table that matches the line, by masked compare, else by scan.
 * Where several patterns match, the one whose row stands first in the table wins.
 * Result  an id or MT_MATCH_NONE
 * Owner   the worker that owns the scratch
 * Cost    no allocation; one compare, or one block-mode scan
 */
uint32_t mt_match_first(const struct mt_match_set *set, struct mt_match_scratch *scratch, struct mt_span line);

/**
 * A banner file: one pattern a line, `protocol <blanks> product <blanks> regular expression`, the rest of
 * the line being the expression; `#` begins a comment line; empty lines are skipped. protocol is one of
 * the closed list; product is [A-Za-z0-9._+-]{1,32}. Rows keep the file's order: the first match wins.
 */
struct mt_banners {
	struct mt_match_set *set[MT_PROTOCOL_COUNT];
	char (*products)[33];  /* every product once, in order of first appearance; [0] is "unknown" */
	uint32_t product_count;
};

/**
 * Read and compile a banner file.
 * error   on failure a sentence: `FILE:LINE: reason`
 * Result  0, or -errno of the file, or -EINVAL
 */
int mt_banners_load(struct mt_banners *ret, const char *path, char *error, size_t error_size);
void mt_banners_unload(struct mt_banners *banners);

/** The product (index into products) that a greeting names; 0, "unknown", where none does. */
uint32_t mt_banners_identify(const struct mt_banners *banners, struct mt_match_scratch *scratch,
			     enum mt_protocol protocol, struct mt_span greeting);

#endif
