/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What every fuzzer needs: input that ends at a protected page, small readers of it, and a way to say that
 * something does not hold. A fuzzer is one file, <parser>_fuzz.c; what it reads of its input beyond the
 * parser's own bytes stands at its head.
 */
#ifndef MT_TESTS_FUZZ_H
#define MT_TESTS_FUZZ_H

#include <stdio.h>

#include "../unit/guard.h"

#define FUZZ_INPUT_MAX (64 * 1024) /* bytes; what libFuzzer gives beyond is left alone */

/* libFuzzer calls these. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/** A finding: say what does not hold, and end as a crash does. */
#define FUZZ_MUST(holds)                                                                                     \
	do {                                                                                                 \
		if (!(holds)) {                                                                              \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds);           \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

/** The input in front of a protected page. */
static inline struct mt_span fuzz_input(const uint8_t *data, size_t len)
{
	static struct guard guard;

	if (guard.end == NULL)
		guard = guard_make(FUZZ_INPUT_MAX);
	return guard_copy(&guard, data, len < FUZZ_INPUT_MAX ? len : FUZZ_INPUT_MAX);
}

/** Take a number off the front of the input; 0 where there is nothing left. */
static inline uint8_t fuzz_byte(struct mt_span *rest)
{
	uint8_t byte = rest->len > 0 ? rest->data[0] : 0;

	*rest = mt_span_after(*rest, 1);
	return byte;
}

static inline uint16_t fuzz_word(struct mt_span *rest)
{
	uint8_t high = fuzz_byte(rest);

	return (uint16_t)(high << 8 | fuzz_byte(rest));
}

/*
 * Input that is a conversation: bytes, and between them FF and an op that says how what follows travels. An
 * FF among the bytes is doubled, so that any bytes can be written, and whatever is cut out or put in leaves
 * the rest what it was.
 */
#define FUZZ_MARK   0xff
#define FUZZ_SECRET 0xfe /* no op: here stands a password */

/**
 * Take the next piece: its op, and its bytes with FUZZ_SECRET still marked in them.
 * Result  false at the end
 */
static inline bool fuzz_piece(struct mt_span *rest, uint8_t *ret_op, struct mt_span *ret_marked)
{
	size_t len = 0;

	if (rest->len == 0)
		return false;
	*ret_op = 0;
	if (rest->len >= 2 && rest->data[0] == FUZZ_MARK && rest->data[1] < FUZZ_SECRET) {
		*ret_op = rest->data[1];
		*rest = mt_span_after(*rest, 2);
	}
	while (len < rest->len &&
	       !(rest->data[len] == FUZZ_MARK && (len + 1 == rest->len || rest->data[len + 1] < FUZZ_SECRET)))
		len += rest->data[len] == FUZZ_MARK ? 2 : 1;
	*ret_marked = mt_span(rest->data, len);
	*rest = mt_span_after(*rest, len);
	/* A mark that is the input's last byte stands for nothing. */
	if (rest->len == 1)
		*rest = mt_span_after(*rest, 1);
	return true;
}

#endif
