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

/** Bytes of a line that patterns see; more than any line that a session keeps (BEHAVIOURS G6). */
#define MT_MATCH_SCAN_MAX 16384

/** One row: a word for the masked compare, a pattern for Hyperscan, or both. */
struct mt_match_row {
	uint32_t id;	     /* what a match returns; several rows may share one */
	const char *word;    /* upper case, at most 8 bytes, matched in any case at the very beginning and
				followed by the end of the line, a blank, CR or LF; NULL for none */
	const char *pattern; /* PCRE subset of Hyperscan, anchored by itself where it should be; NULL for
				none. Compiled caseless, single-match, dot does not match line ends */
};

/**
 * Compile a table.
 * rows    borrowed for the call
 * ret     written on success; destroy with mt_match_destroy()
 * error   buffer for a sentence that names the bad pattern, where the result is -EINVAL
 * Result  0, -EINVAL (a pattern does not compile or could match nothing at all, a word is longer than
 *         8 bytes or not upper case, or the processor lacks SSSE3), -ENOMEM
 * Owner   any thread, at start
 */
int mt_match_create(struct mt_match_set **ret, const struct mt_match_row *rows, size_t count, char *error,
		    size_t error_size);
void mt_match_destroy(struct mt_match_set *set);

/**
 * Make or grow a worker's scratch so that it serves the set too.
 * scratch *scratch is NULL the first time; after a failure it serves no set and waits to be destroyed
 * Result  0 or -ENOMEM
 * Owner   any thread while no scan uses the scratch: at start, or before a worker is given it
 */
int mt_match_scratch_grow(struct mt_match_scratch **scratch, const struct mt_match_set *set);
void mt_match_scratch_destroy(struct mt_match_scratch *scratch);

/**
 * The id of the first row of the table that matches the line, by masked compare, else by scan.
 * Where several words match, or several patterns, the one whose row stands first in the table wins.
 * line    borrowed; of length 0 it never matches. `$` means its end, or before a single LF that ends it
 * scratch may be NULL for a set that has words alone
 * Result  an id or MT_MATCH_NONE
 * Owner   the worker that owns the scratch
 * Cost    no allocation; one compare, or one block-mode scan; two scans where the table is large
 */
uint32_t mt_match_first(const struct mt_match_set *set, struct mt_match_scratch *scratch,
			struct mt_span line);

/**
 * A banner file: one pattern a line, `protocol <blanks> product <blanks> regular expression`, the rest of
 * the line without blanks at its end being the expression; `#` begins a comment line; empty lines are
 * skipped. protocol is one of the closed list, in lower case; product is [A-Za-z0-9._+-]{1,32}. Rows keep
 * the file's order: the first match wins. A row may name the product "unknown", to hide what follows it.
 */
struct mt_banners {
	struct mt_match_set *set[MT_PROTOCOL_COUNT]; /* never NULL once loaded; grow every scratch for each */
	char (*products)[33];	/* every product once, in order of first appearance; [0] is "unknown" */
	uint32_t product_count; /* at least 1 */
	uint32_t serial;	/* another one with each reading of the file */
};

/**
 * Read and compile a banner file.
 * ret     written on success; unload with mt_banners_unload()
 * error   on failure a sentence: `FILE:LINE: reason`, or `FILE: reason` where no line is to blame
 * Result  0, or -errno of the file, or -EINVAL
 * Owner   any thread; about 30 ms for the file in config/
 */
int mt_banners_load(struct mt_banners *ret, const char *path, char *error, size_t error_size);

/**
 * Read and compile a banner file again.
 * previous  borrowed for the call: its products keep their numbers, whether or not the file still names them,
 * so that a number means the same in either Otherwise as mt_banners_load().
 */
int mt_banners_reload(struct mt_banners *ret, const struct mt_banners *previous, const char *path,
		      char *error, size_t error_size);

/** Give everything back; *banners is empty afterwards, and unloading it again is legal. */
void mt_banners_unload(struct mt_banners *banners);

/**
 * The product (index into products) that a greeting names; 0, "unknown", where none does.
 * greeting  borrowed: the server's first line without `220 `, `220-`, `* OK ` or `+OK `; blanks and line
 *           ends at either end do not matter
 * Owner     the worker that owns the scratch
 */
uint32_t mt_banners_identify(const struct mt_banners *banners, struct mt_match_scratch *scratch,
			     enum mt_protocol protocol, struct mt_span greeting);

#endif
