/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/** What programs that measure have in common: a clock, and the figure of many rounds. */
#ifndef MT_TESTS_BENCH_FIGURES_H
#define MT_TESTS_BENCH_FIGURES_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline int compare_figures(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/** count  at least 1. Puts them in order. */
static inline double median(double *figures, unsigned count)
{
	qsort(figures, count, sizeof(figures[0]), compare_figures);
	return count % 2 != 0 ? figures[count / 2] : (figures[count / 2 - 1] + figures[count / 2]) / 2;
}

#endif
