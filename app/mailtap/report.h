/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The summary at the end of a run, for eyes or as JSON (CONTRACT.md 3), and the check that every packet
 * stands under exactly one verdict. Called by main when all workers have ended.
 */
#ifndef MT_REPORT_H
#define MT_REPORT_H

#include <stdio.h>

#include "base.h"
#include "control.h"

struct mt_summary {
	const struct mt_run *run;
	uint64_t *total;  /* all threads' counters, added up */
	uint64_t packets; /* received, and the sum of all verdicts */
	uint64_t bytes;	  /* received */
	uint64_t nombuf;  /* receptions without an mbuf */
	double seconds;	  /* from the first poll to the last */
};

/** Add everything up. Result 0 or -ENOMEM. */
int mt_summary_init(struct mt_summary *ret, const struct mt_run *run, const struct mt_control *control);
void mt_summary_fini(struct mt_summary *summary);

/**
 * Hold the accounts against each other.
 * error   a sentence that says which do not agree, where the result is false
 */
bool mt_summary_agrees(const struct mt_summary *summary, char *error, size_t error_size);

void mt_report_text(const struct mt_summary *summary, FILE *out);
/** Result 0 or -ENOMEM. */
int mt_report_json(const struct mt_summary *summary, FILE *out);

#endif
