/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What the full-screen view knows, and the panels that show it. A panel draws itself into any rectangle: the
 * overview has several, every other view one that fills the screen.
 */
#ifndef MT_STAT_VIEW_H
#define MT_STAT_VIEW_H

#include <time.h>

#include "follow.h"
#include "screen.h"

#define MT_VIEW_SECONDS 120 /* of history */
#define MT_VIEW_ROWS	64  /* histories kept: protocols by securities, and a few more */
#define MT_VIEW_EVENTS	256 /* anomalies remembered */

/** The rates of one series, a second each; the last is the newest. */
struct mt_view_history {
	char labels[96];
	double rate[MT_VIEW_SECONDS];
};

/** Anomalies of a kind that came within a second. */
struct mt_view_event {
	time_t at;
	char protocol[16], kind[48];
	uint64_t count;
	bool is_old; /* they had come before anybody looked */
};

struct mt_view {
	struct mt_follow *follow;
	struct mt_view_history history[MT_VIEW_ROWS];
	unsigned history_count;
	struct mt_view_event event[MT_VIEW_EVENTS]; /* a ring */
	unsigned event_count;			    /* of all that ever were */
};

/** Take what the last reading brought into history and events. Once a second. */
void mt_view_update(struct mt_view *view);

/** The history of a series of sessions, or NULL. */
const double *mt_view_history_of(const struct mt_view *view, const char *labels);

struct mt_panel {
	const char *name;
	/*
	 * Draw what fits: a heading, then the rows from the first on.
	 * Result  how many rows there are, without the heading
	 */
	int (*draw)(const struct mt_view *view, const struct mt_area *area, int first);
};

enum mt_panel_number {
	MT_PANEL_WORKERS,
	MT_PANEL_SESSIONS,
	MT_PANEL_STARTTLS,
	MT_PANEL_SOFTWARE,
	MT_PANEL_ANOMALIES,
	MT_PANEL_LOSSES,
	MT_PANEL_TIMES,
	MT_PANEL_COUNT
};

extern const struct mt_panel mt_panels[MT_PANEL_COUNT];

#endif
