/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The tables behind the counters, and the bytes of the shared object as README.md draws them.
 * For the layout, the publisher, the reader and the generator of COUNTERS.md.
 */
#ifndef MT_COUNTERS_PRIV_H
#define MT_COUNTERS_PRIV_H

#include "counters.h"

#define LABEL(LIST, ...)	  LABEL_##LIST,
#define LABEL_AT_START(LIST, ...) LABEL_##LIST,
enum {
	LABEL_NONE,
#include "counters.def"
	LABEL_COUNT
};

/** A row of the table of labels. */
struct mt_counters_label_row {
	const char *key;		     /* as users see it */
	uint32_t count;			     /* values; 0 where only the start knows */
	const char *(*word)(unsigned value); /* NULL where only the start knows */
};
extern const struct mt_counters_label_row mt_counters_labels[LABEL_COUNT];

/** The upper bound of a bucket, inclusive. */
struct mt_counters_bound {
	uint64_t ns;
	const char *text; /* in seconds, as the label `le` shows it */
};
extern const struct mt_counters_bound mt_counters_bounds[MT_COUNTERS_BOUNDS];

static inline uint32_t mt_counters_cells_of(unsigned kind)
{
	return kind == MT_COUNTERS_HISTOGRAM ? MT_COUNTERS_EACH_HISTOGRAM : 1;
}

/** The next multiple of a power of two. */
static inline size_t mt_counters_round_up(size_t bytes, size_t to)
{
	return (bytes + to - 1) & ~(to - 1);
}

#endif
