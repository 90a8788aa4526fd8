/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "match_priv.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <hs.h>

#define WORD_BYTES_MAX 8
#define EVERY_BYTE     0x0101010101010101ull
#define PATTERN_FLAGS  (HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH)

/* Hyperscan compiles words without operators ten times faster where they are alone: the 300 lines of
 * config/banners.conf took 210 ms as three databases and take 30 ms as six. The second scan is seldom made:
 * only where its rows, or some of them, stand before the one that the first has found. A table with so many
 * plain rows is split; the small ones are not. */
#define PLAIN_ROWS_MIN 24

/* Hyperscan 5.4 reads up to a vector's width past the end of what it scans (seen with AVX-512 VBMI and a
 * large set of words); the like is reported of Vectorscan, and of very short lines. The bytes do not
 * change the result, but the page they are in may not exist. A line that near to the edge of a page is
 * scanned in a copy: three lines of a hundred. */
#define PAGE_BYTES   4096 /* the smallest there is */
#define MARGIN_BYTES 64	  /* the widest vector */

/* The first byte of a line is the lowest of the number it is loaded into. */
mt_static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are compared in little-endian order");

/* A word of n bytes, shifted up until nothing stands behind it; a line's first bytes are shifted alike,
 * and one comparison tells. Four rows a cache line. */
struct word {
	uint64_t shifted;
	uint32_t id;
	uint8_t shift;	/* bits: 64 - 8 * length */
	uint8_t length; /* bytes, 1..8 */
};
mt_static_assert(sizeof(struct word) == 16, "four words a cache line");

/* Patterns without an operator, and all others; of a small table all are among the others. */
enum kind { PLAIN, OTHER, KIND_COUNT };

struct mt_match_set {
	hs_database_t *databases[KIND_COUNT]; /* NULL where no row has a pattern of the kind */
	uint32_t first_row[KIND_COUNT]; /* of those in the database; MT_MATCH_NONE where there is none */
	struct word *words;		/* by first byte, within one first byte in the order of the table */
	uint32_t *ids;			/* what row i of the table returns; Hyperscan knows rows by index */
	uint32_t begin[257]; /* words whose first byte is c: begin[c] up to, not including, begin[c + 1] */
};

struct mt_match_scratch {
	hs_scratch_t *hs; /* NULL until grown for a set that has a database */
	uint8_t copy[MARGIN_BYTES + MT_MATCH_SCAN_MAX + MARGIN_BYTES]; /* zero unless a scan is running */
};

/* The first eight bytes, zeros behind a shorter line. Two reads that overlap stay inside the line where
 * one read of eight would not; where they overlap they agree, so OR joins them. */
static inline uint64_t load_first_bytes(struct mt_span line)
{
	const uint8_t *data = line.data;
	size_t len = line.len;

	if (mt_likely(len >= 8)) {
		uint64_t all;

		memcpy(&all, data, sizeof(all));
		return all;
	}
	if (len >= 4) {
		uint32_t head, tail;

		memcpy(&head, data, sizeof(head));
		memcpy(&tail, data + len - 4, sizeof(tail));
		return head | (uint64_t)tail << (8 * (len - 4));
	}
	return data[0] | (uint64_t)data[len / 2] << (8 * (len / 2)) |
	       (uint64_t)data[len - 1] << (8 * (len - 1));
}

/* Upper case for ASCII letters alone, eight bytes at once: a sum per byte carries into its high bit where
 * the byte is at least 'a', another where it is past 'z'; clearing bit 7 first keeps sums inside a byte. */
static inline uint64_t fold_case(uint64_t bytes)
{
	uint64_t low = bytes & (EVERY_BYTE * 0x7f);
	uint64_t from_a = low + EVERY_BYTE * (0x80 - 'a');
	uint64_t past_z = low + EVERY_BYTE * (0x80 - 'z' - 1);
	uint64_t letters = from_a & ~past_z & ~bytes & (EVERY_BYTE * 0x80);

	return bytes ^ (letters >> 2); /* 0x80 >> 2 is the bit between 'A' and 'a' */
}

static inline bool ends_word(uint8_t c)
{
	return mt_is_blank(c) || c == '\r' || c == '\n';
}

static uint32_t match_word(const struct mt_match_set *set, struct mt_span line)
{
	uint64_t first_bytes = fold_case(load_first_bytes(line));
	uint8_t first_byte = (uint8_t)first_bytes;

	for (uint32_t i = set->begin[first_byte]; i < set->begin[first_byte + 1]; i++) {
		const struct word *word = &set->words[i];

		/* Zeros behind a short line equal no byte of a word. */
		if (first_bytes << word->shift == word->shifted &&
		    (line.len == word->length || ends_word(line.data[word->length])))
			return word->id;
	}
	return MT_MATCH_NONE;
}

/* Matches of one scan come in no order between patterns: keep the smallest row. */
static int keep_first(unsigned int row, unsigned long long from, unsigned long long to, unsigned int flags,
		      void *context)
{
	uint32_t *first = context;

	(void)from;
	(void)to;
	(void)flags;
	if (row < *first)
		*first = row;
	return 0;
}

static bool is_near_page_edge(struct mt_span line)
{
	uintptr_t first = (uintptr_t)line.data % PAGE_BYTES;
	uintptr_t last = (uintptr_t)(line.data + line.len - 1) % PAGE_BYTES;

	return first < MARGIN_BYTES || last >= PAGE_BYTES - MARGIN_BYTES;
}

static uint32_t scan_all(const struct mt_match_set *set, struct mt_match_scratch *scratch,
			 const uint8_t *data, size_t len)
{
	uint32_t first = MT_MATCH_NONE;

	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		/* What was found stands before all rows of this database. */
		if (set->first_row[kind] >= first)
			continue;
		hs_error_t result = hs_scan(set->databases[kind], (const char *)data, (unsigned int)len, 0,
					    scratch->hs, keep_first, &first);

		/* A scan fails only for a scratch that is in use or was not grown for this set. */
		assert(result == HS_SUCCESS);
		(void)result;
	}
	return first == MT_MATCH_NONE ? MT_MATCH_NONE : set->ids[first];
}

static uint32_t match_pattern(const struct mt_match_set *set, struct mt_match_scratch *scratch,
			      struct mt_span line)
{
	uint8_t *copy = scratch->copy + MARGIN_BYTES;
	uint32_t id;

	line = mt_span_first(line, MT_MATCH_SCAN_MAX);
	if (mt_likely(!is_near_page_edge(line)))
		return scan_all(set, scratch, line.data, line.len);
	memcpy(copy, line.data, line.len);
	id = scan_all(set, scratch, copy, line.len);
	mt_wipe(copy, line.len); /* a line may hold a password */
	return id;
}

static inline bool has_patterns(const struct mt_match_set *set)
{
	return set->databases[PLAIN] != NULL || set->databases[OTHER] != NULL;
}

uint32_t mt_match_first(const struct mt_match_set *set, struct mt_match_scratch *scratch, struct mt_span line)
{
	uint32_t id;

	if (line.len == 0)
		return MT_MATCH_NONE;
	id = match_word(set, line);
	if (id != MT_MATCH_NONE || !has_patterns(set))
		return id;
	return match_pattern(set, scratch, line);
}

static bool is_word(const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if (mt_upper((uint8_t)text[i]) != (uint8_t)text[i])
			return false;
	return length >= 1 && length <= WORD_BYTES_MAX;
}

static struct word make_word(const struct mt_match_row *row)
{
	size_t length = strlen(row->word);
	unsigned shift = (unsigned)(64 - 8 * length);

	return (struct word){
	    .shifted = load_first_bytes(mt_span(row->word, length)) << shift,
	    .id = row->id,
	    .shift = (uint8_t)shift,
	    .length = (uint8_t)length,
	};
}

/* Words into buckets by their first byte; going through the table once a bucket keeps its order. */
static int place_words(struct mt_match_set *set, const struct mt_match_row *rows, size_t count,
		       struct mt_match_fault *fault)
{
	uint32_t placed = 0;

	for (size_t i = 0; i < count; i++) {
		if (rows[i].word != NULL && !is_word(rows[i].word)) {
			fault->row = i;
			snprintf(fault->reason, sizeof(fault->reason),
				 "the word \"%s\" is not 1 to 8 upper-case bytes", rows[i].word);
			return -EINVAL;
		}
	}
	for (unsigned c = 0; c < 256; c++) {
		set->begin[c] = placed;
		for (size_t i = 0; i < count; i++)
			if (rows[i].word != NULL && (uint8_t)rows[i].word[0] == c)
				set->words[placed++] = make_word(&rows[i]);
	}
	set->begin[256] = placed;
	return 0;
}

/* True if every byte stands for itself: none is an operator, and an escape is \xHH or punctuation. */
static bool is_plain(const char *pattern)
{
	for (; *pattern != 0; pattern++) {
		if (strchr("^$.*+?()[]{}|", *pattern) != NULL)
			return false;
		if (*pattern != '\\')
			continue;
		pattern++;
		if (*pattern == 0 || (isalnum((unsigned char)*pattern) && *pattern != 'x'))
			return false;
	}
	return true;
}

static bool is_worth_splitting(const struct mt_match_row *rows, size_t count)
{
	size_t plain = 0;

	for (size_t i = 0; i < count; i++)
		plain += rows[i].pattern != NULL && is_plain(rows[i].pattern);
	return plain >= PLAIN_ROWS_MIN;
}

/* What Hyperscan wants: one array each of expressions, flags and row numbers. */
struct patterns {
	const char **expressions;
	unsigned *flags;
	unsigned *rows;
	unsigned count;
};

static void release_patterns(struct patterns *patterns)
{
	free(patterns->expressions);
	free(patterns->flags);
	free(patterns->rows);
}

static int make_room(struct patterns *patterns, size_t count)
{
	*patterns = (struct patterns){
	    .expressions = calloc(count + 1, sizeof(*patterns->expressions)),
	    .flags = calloc(count + 1, sizeof(*patterns->flags)),
	    .rows = calloc(count + 1, sizeof(*patterns->rows)),
	};
	if (patterns->expressions != NULL && patterns->flags != NULL && patterns->rows != NULL)
		return 0;
	release_patterns(patterns);
	return -ENOMEM;
}

static int compile_patterns(hs_database_t **ret, const struct patterns *patterns,
			    struct mt_match_fault *fault)
{
	hs_compile_error_t *error;
	hs_database_t *database;

	if (patterns->count == 0)
		return 0;
	if (hs_compile_multi(patterns->expressions, patterns->flags, patterns->rows, patterns->count,
			     HS_MODE_BLOCK, NULL, &database, &error) == HS_SUCCESS) {
		*ret = database;
		return 0;
	}
	if (error->expression >= 0 && (unsigned)error->expression < patterns->count)
		fault->row = patterns->rows[error->expression];
	snprintf(fault->reason, sizeof(fault->reason), "%s", error->message);
	hs_free_compile_error(error);
	return -EINVAL;
}

static int compile_kind(struct mt_match_set *set, enum kind kind, const struct mt_match_row *rows,
			size_t count, struct mt_match_fault *fault)
{
	bool is_split = is_worth_splitting(rows, count);
	struct patterns patterns;
	int result = make_room(&patterns, count);

	if (result != 0)
		return result;
	for (size_t i = 0; i < count; i++) {
		if (rows[i].pattern == NULL ||
		    kind != (is_split && is_plain(rows[i].pattern) ? PLAIN : OTHER))
			continue;
		patterns.expressions[patterns.count] = rows[i].pattern;
		patterns.flags[patterns.count] = PATTERN_FLAGS;
		patterns.rows[patterns.count++] = (unsigned)i;
	}
	set->first_row[kind] = patterns.count > 0 ? patterns.rows[0] : MT_MATCH_NONE;
	result = compile_patterns(&set->databases[kind], &patterns, fault);
	release_patterns(&patterns);
	return result;
}

int mt_match_compile(struct mt_match_set **ret, const struct mt_match_row *rows, size_t count,
		     struct mt_match_fault *fault)
{
	struct mt_match_set *set;
	int result = -ENOMEM;

	fault->row = count;
	if (hs_valid_platform() != HS_SUCCESS) {
		snprintf(fault->reason, sizeof(fault->reason),
			 "Hyperscan cannot run on this processor (it needs SSSE3)");
		return -EINVAL;
	}
	set = calloc(1, sizeof(*set));
	if (set == NULL)
		return -ENOMEM;
	set->words = calloc(count + 1, sizeof(*set->words));
	set->ids = calloc(count + 1, sizeof(*set->ids));
	if (set->words == NULL || set->ids == NULL)
		goto destroy_set;
	for (size_t i = 0; i < count; i++)
		set->ids[i] = rows[i].id;
	result = place_words(set, rows, count, fault);
	for (unsigned kind = 0; result == 0 && kind < KIND_COUNT; kind++)
		result = compile_kind(set, kind, rows, count, fault);
	if (result != 0)
		goto destroy_set;
	*ret = set;
	return 0;

destroy_set:
	mt_match_destroy(set);
	return result;
}

int mt_match_create(struct mt_match_set **ret, const struct mt_match_row *rows, size_t count, char *error,
		    size_t error_size)
{
	struct mt_match_fault fault;
	int result = mt_match_compile(ret, rows, count, &fault);

	if (result != -EINVAL)
		return result;
	if (fault.row < count && rows[fault.row].pattern != NULL)
		snprintf(error, error_size, "pattern \"%s\": %s", rows[fault.row].pattern, fault.reason);
	else
		snprintf(error, error_size, "%s", fault.reason);
	return result;
}

void mt_match_destroy(struct mt_match_set *set)
{
	if (set == NULL)
		return;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		hs_free_database(set->databases[kind]);
	free(set->ids);
	free(set->words);
	free(set);
}

int mt_match_scratch_grow(struct mt_match_scratch **scratch, const struct mt_match_set *set)
{
	struct mt_match_scratch *grown = *scratch;

	if (grown == NULL)
		grown = calloc(1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	*scratch = grown;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		if (set->databases[kind] != NULL &&
		    hs_alloc_scratch(set->databases[kind], &grown->hs) != HS_SUCCESS)
			return -ENOMEM;
	return 0;
}

void mt_match_scratch_destroy(struct mt_match_scratch *scratch)
{
	if (scratch == NULL)
		return;
	hs_free_scratch(scratch->hs);
	free(scratch);
}
