/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * How mailtap-stat shows counters to people; other programs are lib/exposition's.
 */
#ifndef MT_STAT_H
#define MT_STAT_H

#include "base.h"
#include "mailtap-counters.h"

struct mt_follow;

/** A table for people, by topic; series that are zero are left out. */
void mt_stat_write_table(FILE *out, const struct mt_counters_snapshot *snapshot);

/**
 * Write a line of rates a second until a signal asks for the end.
 * Result  0, or -errno with a sentence: the object cannot be read any more, nobody takes the lines
 */
int mt_stat_watch(FILE *out, struct mt_follow *follow, char *error, size_t error_size);

/**
 * The full-screen view, until a key or a signal asks for the end.
 * Result  0, or -errno with a sentence: -ENOTTY (no terminal to show it on), the object cannot be read any
 * more
 */
int mt_stat_live(struct mt_follow *follow, char *error, size_t error_size);

/** Catch the signals that ask for an end, and whether one has come. */
void mt_stat_catch_end(void);
bool mt_stat_is_ending(void);

#define MT_STAT_NAME_SIZE 512

/** "mailtap_sessions_total" with its labels as "sessions imap starttls". Result  ret */
const char *mt_stat_name(char ret[MT_STAT_NAME_SIZE], const struct mt_counters_view *series);

/** What a histogram comes to. */
struct mt_stat_times {
	uint64_t count;
	double mean;		 /* in the metric's unit */
	char half[16], most[16]; /* "<= 0.002": under which bound half and 99 % lie */
};

/** Result  false where nothing was counted */
bool mt_stat_times(struct mt_stat_times *ret, const struct mt_counters_view *series, const uint64_t *cells);

#define MT_STAT_NUMBER_SIZE 16

/** At most five characters: 0, 0.02, 1.5, 1234, 12.3k, 4.56M; "-" for what is negative, that is not known. */
const char *mt_stat_number(char ret[MT_STAT_NUMBER_SIZE], double value);

#endif
