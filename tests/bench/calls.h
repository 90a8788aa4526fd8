/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What the engine asks of lib/match while it reads captures: every set with the rows it was made of, and
 * every line looked up in it, in order. The linker puts these in the place of mt_match_create(),
 * mt_match_compile() and mt_match_first() (--wrap), so that sets and lines are those of the program, whatever
 * they become.
 */
#ifndef MT_TESTS_BENCH_CALLS_H
#define MT_TESTS_BENCH_CALLS_H

#include "match.h"

/** One set, and what was looked up in it. */
struct call_set {
	char name[32];		   /* such as "smtp commands" or "imap banners" */
	struct mt_match_set *set;  /* as the program has it */
	struct mt_match_row *rows; /* as it was made of */
	size_t row_count;
	uint8_t *bytes; /* of all lines, one behind the other */
	size_t byte_count;
	struct mt_span *lines; /* into bytes, once calls_collect() has returned */
	uint32_t *found;       /* what the program was answered, by line */
	size_t line_count;
};

struct calls {
	struct call_set *sets;
	size_t set_count;
	size_t sessions;		  /* that were recorded */
	struct mt_match_scratch *scratch; /* serves all sets */
};

/**
 * Read the captures with the engine, as the banner file and the three dialogues have it.
 * Ends the program with a sentence where something fails.
 */
void calls_collect(struct calls *ret, const char *banners, char *const *captures, int count);

#endif
