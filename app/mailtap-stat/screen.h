/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The terminal, as the panels see it: rectangles to write into, a few styles, bars and sparklines. What does
 * not fit is cut off; what stands outside the terminal is not drawn.
 */
#ifndef MT_STAT_SCREEN_H
#define MT_STAT_SCREEN_H

#include "base.h"

struct mt_area {
	int top, left, rows, cols; /* rows and cols may be 0 or less: nothing is drawn */
};

enum mt_style {
	MT_STYLE_PLAIN,
	MT_STYLE_HEAD, /* names of columns */
	MT_STYLE_BAR,  /* the line at the top, the view that is chosen */
	MT_STYLE_DIM,
	MT_STYLE_GOOD,
	MT_STYLE_WARN,
	MT_STYLE_BAD,
	MT_STYLE_COUNT
};

/** Result  0, or -ENOTTY where standard output is no terminal, or one that is not known */
int mt_screen_open(void);
void mt_screen_close(void);

/** The whole of it; it may have changed since the last time. */
struct mt_area mt_screen_area(void);

/** Wipe what is to be shown next; nothing is seen of it before mt_screen_show(). */
void mt_screen_begin(void);
void mt_screen_show(void);

/** Wait so long for a key. Result  a key of curses, or -1 */
int mt_screen_key(int milliseconds);

__attribute__((format(printf, 5, 6))) void mt_screen_put(const struct mt_area *area, int row, int col,
							 enum mt_style style, const char *format, ...);

/** A row of the area in one style from edge to edge. */
void mt_screen_fill(const struct mt_area *area, int row, enum mt_style style);

/** A share from 0 to 1 of so many columns. */
void mt_screen_bar(const struct mt_area *area, int row, int col, int cols, enum mt_style style, double share);

/**
 * Values side by side, the last at the right edge, as high as they are beside the highest.
 * values  at least cols of them; the last is the newest; a negative one is not known and leaves a gap
 */
void mt_screen_sparkline(const struct mt_area *area, int row, int col, int cols, enum mt_style style,
			 const double *values);

#endif
