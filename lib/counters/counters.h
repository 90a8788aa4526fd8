/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Counters: declared in counters.def, counted in a plain array of each worker's own, published into
 * self-describing shared memory (README.md draws it). The capture process's side.
 *
 * Three users. A worker counts, `cells[MT_CELL2(SESSIONS, protocol, security)]++`, and publishes at most
 * once a millisecond. The control thread does the same with a block of its own. The report adds the
 * arrays up and walks the layout's series. Whoever reads needs mailtap-counters.h and none of this.
 */
#ifndef MT_COUNTERS_H
#define MT_COUNTERS_H

#include "base.h"
#include "mailtap-counters.h" /* the kinds and states that both sides know */

/* ---- The table as numbers ---- */

#define COUNTER(ID, ...) MT_COUNTER_##ID,
enum mt_counter {
#include "counters.def"
	MT_COUNTER_COUNT
};

#define BUCKET(ns, text) +1
enum {
	MT_COUNTERS_BOUNDS = 0
#include "counters.def"
	,			  /* bounds of a histogram's buckets */
	MT_COUNTERS_EACH_SUM = 1, /* cells of one series, by kind */
	MT_COUNTERS_EACH_GAUGE = 1,
	MT_COUNTERS_EACH_HISTOGRAM =
	    MT_COUNTERS_BOUNDS + 2, /* a bucket per bound, one above, the sum in ns */
};

/* Values of a label; 0 where only the start knows. */
#define LABEL(LIST, ...)	  MT_COUNTERS_SIZE_##LIST = MT_##LIST##_COUNT,
#define LABEL_AT_START(LIST, ...) MT_COUNTERS_SIZE_##LIST = 0,
enum {
	MT_COUNTERS_SIZE_NONE = 1,
#include "counters.def"
};

#define COUNTER_AT_START(...)
#define COUNTER(ID, name, KIND, UNIT, TOPIC, SCOPE, A, B, C, help)                                           \
	MT_COUNTERS_B_##ID = MT_COUNTERS_SIZE_##B, MT_COUNTERS_C_##ID = MT_COUNTERS_SIZE_##C,                \
	MT_COUNTERS_EACH_OF_##ID = MT_COUNTERS_EACH_##KIND,                                                  \
	MT_COUNTERS_LABELS_##ID =                                                                            \
	    (MT_COUNTERS_SIZE_##A != 1) + (MT_COUNTERS_SIZE_##B != 1) + (MT_COUNTERS_SIZE_##C != 1),
enum {
#include "counters.def"
};

/* The first cell of each counter: MT_CELL_SESSIONS ... */
#define COUNTER_AT_START(...)
#define COUNTER(ID, name, KIND, UNIT, TOPIC, SCOPE, A, B, C, help)                                           \
	MT_CELL_##ID,                                                                                        \
	    MT_CELL_##ID##_LAST = MT_CELL_##ID - 1 +                                                         \
				  MT_COUNTERS_EACH_##KIND * MT_COUNTERS_SIZE_##A * MT_COUNTERS_SIZE_##B *    \
				      MT_COUNTERS_SIZE_##C,
enum {
#include "counters.def"
	MT_COUNTERS_FIXED_CELLS /* cells known to the compiler; the others follow */
};

/*
 * The cell of a counter by its labels, in the order of its row; a constant where they are. The macro's
 * number is the number of labels: another one does not compile. Values must be members of their lists.
 */
#define MT_CELL0(id) (MT_CELL_##id + 0 * sizeof(char[MT_COUNTERS_LABELS_##id == 0 ? 1 : -1]))
#define MT_CELL1(id, a)                                                                                      \
	(MT_CELL_##id + (size_t)(a)*MT_COUNTERS_EACH_OF_##id +                                               \
	 0 * sizeof(char[MT_COUNTERS_LABELS_##id == 1 ? 1 : -1]))
#define MT_CELL2(id, a, b)                                                                                   \
	(MT_CELL_##id + ((size_t)(a)*MT_COUNTERS_B_##id + (size_t)(b)) * MT_COUNTERS_EACH_OF_##id +          \
	 0 * sizeof(char[MT_COUNTERS_LABELS_##id == 2 ? 1 : -1]))
#define MT_CELL3(id, a, b, c)                                                                                \
	(MT_CELL_##id +                                                                                      \
	 (((size_t)(a)*MT_COUNTERS_B_##id + (size_t)(b)) * MT_COUNTERS_C_##id + (size_t)(c)) +               \
	 0 * sizeof(char[MT_COUNTERS_LABELS_##id == 3 ? 1 : -1]))

/* ---- The layout: what only the start knows ---- */

#define MT_COUNTERS_LABELS_MAX	 3
#define MT_COUNTERS_PRODUCT_SIZE 33  /* a product's name, its end included; as in struct mt_banners */
#define MT_COUNTERS_TEXT_SIZE	 160 /* a series' labels as text, at most */

/** A row of counters.def. Lives as long as the program. */
struct mt_counters_metric {
	const char *name;  /* "mailtap_sessions_total" */
	const char *help;  /* one sentence */
	const char *unit;  /* "seconds", "bytes", "cycles"; empty for plain numbers */
	const char *topic; /* heading under which a table shows it */
	uint64_t divisor;  /* cells are divided by it to be of the unit; 1 but for times, counted in ns */
	uint8_t kind;	   /* enum mt_counters_kind */
	bool is_by_worker; /* every block is a series of its own */
	uint8_t label[MT_COUNTERS_LABELS_MAX]; /* rows of the table of labels, 0 for none */
};
extern const struct mt_counters_metric mt_counters_metrics[MT_COUNTER_COUNT];

/** One metric under one set of labels. */
struct mt_counters_series {
	const struct mt_counters_metric *metric;
	const char
	    *value[MT_COUNTERS_LABELS_MAX]; /* by label: its word; NULL from the first missing label on */
	uint32_t cell;			    /* its first cell */
	uint32_t cells;			    /* MT_COUNTERS_EACH_... of its kind */
	char labels[MT_COUNTERS_TEXT_SIZE]; /* as an exporter writes them: protocol="smtp",security="starttls"
					     */
};

/** Where every cell is. Immutable after its creation: all threads read it. */
struct mt_counters_layout {
	uint32_t cell_count;		  /* length of every array of cells */
	uint32_t first[MT_COUNTER_COUNT]; /* a counter's first cell */
	uint32_t size[MT_COUNTER_COUNT]
		     [MT_COUNTERS_LABELS_MAX]; /* values of each of its labels, 1 for none */
	uint32_t
	    series_of[MT_COUNTER_COUNT + 1]; /* a counter's first series; its last is before the next's */
	struct mt_counters_series *series;   /* series_of[MT_COUNTER_COUNT] of them, in the table's order */
	void *words;			     /* names of products, ports and queues */
};

/**
 * Lay the cells out.
 * products  borrowed for the call, not written; each [A-Za-z0-9._+-]{1,32}; [0] is "unknown"
 * ports     devices received from, numbered from 0
 * queues    receive queues of the port that has most of them
 * ret       written on success; destroy with mt_counters_layout_destroy()
 * Result    0, -EINVAL (a product's name), -ENOMEM
 * Owner     any thread, at start
 */
int mt_counters_layout_create(struct mt_counters_layout **ret, char (*products)[MT_COUNTERS_PRODUCT_SIZE],
			      uint32_t product_count, uint32_t ports, uint32_t queues);
void mt_counters_layout_destroy(struct mt_counters_layout *layout);

/** Result  zeroed cells, cell_count of them, aligned to a cache line, for one thread; free() ends them. NULL
 * without memory. */
uint64_t *mt_counters_cells_create(const struct mt_counters_layout *layout);

/**
 * The cell of any counter, those known only at the start included; 0 for labels it does not have.
 * A value out of its range counts under the first: a product that a reload brought is "unknown".
 */
static inline uint32_t mt_counters_cell(const struct mt_counters_layout *layout, enum mt_counter counter,
					uint32_t a, uint32_t b, uint32_t c)
{
	const uint32_t *size = layout->size[counter];

	a = a < size[0] ? a : 0;
	b = b < size[1] ? b : 0;
	c = c < size[2] ? c : 0;
	return layout->first[counter] +
	       ((a * size[1] + b) * size[2] + c) * (mt_counters_metrics[counter].kind == MT_COUNTERS_HISTOGRAM
							? MT_COUNTERS_EACH_HISTOGRAM
							: 1);
}

/** The number that the layout gives a product, whatever order a reloaded file has; 0 where it has none. */
uint32_t mt_counters_product(const struct mt_counters_layout *layout, const char *name);

/** Count a duration: mt_counters_observe(cells, MT_CELL1(GREETING, protocol), ns). A bound is inclusive. */
void mt_counters_observe(uint64_t *cells, size_t histogram, uint64_t ns);

/** Add one thread's cells to a total. */
void mt_counters_sum(const struct mt_counters_layout *layout, uint64_t *total, const uint64_t *cells);

/**
 * Every series of a metric: series[0] to series[count - 1], values in cells[series[i].cell].
 * Result  the first, or NULL where no metric has the name (then *ret_count is 0)
 */
const struct mt_counters_series *mt_counters_find(const struct mt_counters_layout *layout, const char *name,
						  uint32_t *ret_count);

/* ---- The publisher: own cells into shared memory ---- */

struct mt_counters_publisher; /* the object, held open and locked */
struct mt_counters_block;     /* one thread's part of it */

/** What a reader is told of this run. */
struct mt_counters_start {
	const char *name;      /* of the object, see MT_COUNTERS_NAME_MAX */
	const char *version;   /* of the program */
	uint32_t workers;      /* one block each; the control thread has one more */
	uint64_t run_start_ns; /* wall clock, since 1970 */
};

/**
 * Make the object, whole, and show it under its name. A dead run's object of that name is marked closed
 * and replaced; its readers keep what they have.
 * layout   borrowed for the call
 * ret      written on success; close with mt_counters_publisher_close()
 * Result   0, -EINVAL (the name), -EBUSY (a live instance has it), -EEXIST or -ELOOP (something that is no
 *          object of counters stands there), or another -errno (no room, no permission)
 * Owner    any thread, at start
 */
int mt_counters_publisher_open(struct mt_counters_publisher **ret, const struct mt_counters_layout *layout,
			       const struct mt_counters_start *start);

/** Mark the object closed and let go of it; it stays for readers. NULL is legal. */
void mt_counters_publisher_close(struct mt_counters_publisher *publisher);

/** The block of worker 0, 1, ..., and of the control thread behind them. NULL without a publisher. */
struct mt_counters_block *mt_counters_publisher_block(struct mt_counters_publisher *publisher,
						      uint32_t index);

/**
 * Show what has changed in the cells. At most once a millisecond, and when idle: the caller sees to it.
 * block    NULL (no publisher) does nothing
 * now_ns   CLOCK_MONOTONIC, the heartbeat
 * Owner    the thread that owns the block
 * Cost     no call, no lock; one pass over the cells
 */
void mt_counters_publish(struct mt_counters_block *block, const uint64_t *cells, uint64_t now_ns);

#endif
