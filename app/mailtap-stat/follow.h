/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Counters followed over time: from reading to reading, through restarts of the capture process. What was
 * read before is kept, so that there are rates; between two runs there are none.
 */
#ifndef MT_STAT_FOLLOW_H
#define MT_STAT_FOLLOW_H

#include "base.h"
#include "mailtap-counters.h"

#define MT_FOLLOW_ALL  UINT32_MAX /* all blocks */
#define MT_FOLLOW_LOST (-1.0)	  /* a rate that is not known */

struct mt_follow {
	struct mt_counters_reader *reader;
	const struct mt_counters_snapshot *now; /* never NULL once it is open */
	uint64_t *before;			/* cells of all blocks, as they were read before */
	uint64_t *before_ns;			/* their heartbeats; 0 where there was no reading before */
	char problem[256]; /* why the object that has the name now is not read, or empty */
};

/** A sum of series. */
struct mt_amount {
	uint64_t total;
	double
	    per_second; /* MT_FOLLOW_LOST where the process is gone or silent, or at a run's first reading */
};

enum mt_condition_kind { MT_CONDITION_LIVE, MT_CONDITION_STUCK, MT_CONDITION_ENDED, MT_CONDITION_DIED };

/** What is to be thought of the capture process. */
struct mt_condition {
	enum mt_condition_kind kind;
	double seconds; /* since when, where it is not live; since its start where it is */
	char text[128]; /* a sentence, with the time on the clock */
};

/**
 * Open the object of a name and read it for the first time; arguments and errors are those of
 * mt_counters_reader_open().
 * Result  0, or -errno with a sentence
 */
int mt_follow_open(struct mt_follow *ret, const char *name, uid_t trusted_uid, char *error,
		   size_t error_size);
void mt_follow_close(struct mt_follow *follow);

/**
 * Read again, from the next run where there is one.
 * Result  0, or -errno with a sentence: this object cannot be read any more
 */
int mt_follow_read(struct mt_follow *follow, char *error, size_t error_size);

/** A series in one block or in all. Of a histogram it is the count. */
struct mt_amount mt_follow_amount(const struct mt_follow *follow, uint32_t block,
				  const struct mt_counters_view *series);

/** All series of a metric that have these labels, added up. */
struct mt_amount mt_follow_sum(const struct mt_follow *follow, uint32_t block, const char *metric,
			       const struct mt_counters_label *where, size_t where_count);

/** Everything under the heading of losses, ours and the devices'. */
struct mt_amount mt_follow_losses(const struct mt_follow *follow, uint32_t block);

/** Share of its cycles in which a block's polls brought packets, since the last reading; negative: unknown.
 */
double mt_follow_busy(const struct mt_follow *follow, uint32_t block);

void mt_follow_condition(const struct mt_follow *follow, struct mt_condition *ret);

#endif
