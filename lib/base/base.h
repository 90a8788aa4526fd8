/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The ground every module stands on: byte spans, wire-order reads, sequence arithmetic, directions.
 * Nothing here allocates, locks or keeps state; any core may call anything here.
 */
#ifndef MT_BASE_H
#define MT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "vocabulary.h"

#define MT_CACHE_LINE	 64
#define MT_ARRAY_LEN(a)	 (sizeof(a) / sizeof((a)[0]))
#define MT_NS_PER_SECOND 1000000000ull
#define MT_NS_PER_MS	 1000000ull
#define mt_static_assert _Static_assert
#define mt_likely(x)	 __builtin_expect(!!(x), 1)
#define mt_unlikely(x)	 __builtin_expect(!!(x), 0)

/** Which way bytes travel. Never "in" or "out": a tap stands between the two. */
enum mt_direction { MT_TO_SERVER, MT_TO_CLIENT, MT_DIRECTION_COUNT };

static inline enum mt_direction mt_opposite(enum mt_direction direction)
{
	return direction == MT_TO_SERVER ? MT_TO_CLIENT : MT_TO_SERVER;
}

/** Bytes that belong to somebody else: borrowed, valid as long as the owner says. */
struct mt_span {
	const uint8_t *data; /* may be NULL where len is 0 */
	size_t len;	     /* bytes */
};

static inline struct mt_span mt_span(const void *data, size_t len)
{
	return (struct mt_span){data, len};
}

/** The span of a string without its terminating zero. */
static inline struct mt_span mt_span_text(const char *text)
{
	return mt_span(text, strlen(text));
}

/** The first n bytes; all of them where there are fewer. */
static inline struct mt_span mt_span_first(struct mt_span span, size_t n)
{
	return mt_span(span.data, n < span.len ? n : span.len);
}

/** What remains after the first n bytes; empty where there are fewer. */
static inline struct mt_span mt_span_after(struct mt_span span, size_t n)
{
	n = n < span.len ? n : span.len;
	/* To no pointer nothing may be added, not even 0 (C11 6.5.6). */
	return n == 0 ? span : mt_span(span.data + n, span.len - n);
}

/* Wire-order reads. The caller has checked that the bytes are there. */
static inline uint16_t mt_read_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t mt_read_be24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t mt_read_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

/** Signed distance from b to a on the circle of TCP sequence numbers (RFC 9293 3.4). */
static inline int32_t mt_seq_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

/* ASCII only, whatever the locale: protocol words are ASCII (RFC 5234 B.1). */
static inline uint8_t mt_upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
}

static inline bool mt_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static inline bool mt_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/** True if the span begins with the upper-case ASCII word, in any case of its own. */
static inline bool mt_span_begins(struct mt_span span, const char *upper_word)
{
	size_t i = 0;

	for (; upper_word[i] != 0; i++)
		if (i >= span.len || mt_upper(span.data[i]) != (uint8_t)upper_word[i])
			return false;
	return true;
}

/** True if the span is the upper-case ASCII word, in any case of its own. */
static inline bool mt_span_is(struct mt_span span, const char *upper_word)
{
	return span.len == strlen(upper_word) && mt_span_begins(span, upper_word);
}

/** Without blanks, CR and LF at either end: clients pad their lines in every way (BEHAVIOURS G5). */
static inline struct mt_span mt_span_trim(struct mt_span span)
{
	while (span.len > 0 && (mt_is_blank(span.data[0]) || span.data[0] == '\r' || span.data[0] == '\n'))
		span = mt_span_after(span, 1);
	while (span.len > 0 && (mt_is_blank(span.data[span.len - 1]) || span.data[span.len - 1] == '\r' ||
				span.data[span.len - 1] == '\n'))
		span.len--;
	return span;
}

/** Take the next word (up to blanks) off the front of *rest; empty at the end. */
static inline struct mt_span mt_span_word(struct mt_span *rest)
{
	size_t begin = 0, end;

	while (begin < rest->len && mt_is_blank(rest->data[begin]))
		begin++;
	for (end = begin; end < rest->len && !mt_is_blank(rest->data[end]);)
		end++;
	struct mt_span word = mt_span(rest->data + begin, end - begin);
	*rest = mt_span_after(*rest, end);
	return word;
}

/** Overwrite memory that may have held somebody's secret; the compiler may not leave it out. */
static inline void mt_wipe(void *memory, size_t len)
{
	explicit_bzero(memory, len);
}

#endif
