/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * The full-screen view: read once a second, draw whatever the screen has become, obey keys at once. Curses
 * sends only what has changed, so that nothing flickers.
 */
#include "stat.h"

#include <errno.h>
#include <ncurses.h>
#include <stdlib.h>

#include "view.h"

#define OVERVIEW    MT_PANEL_COUNT /* the view that shows several panels at once */
#define VIEW_COUNT  (MT_PANEL_COUNT + 1)
#define MS_PER_TICK 1000

/* What the keys have chosen. */
struct choice {
	unsigned view;	/* a panel, or OVERVIEW */
	int first;	/* row that it begins with */
	int most_first; /* where there is no more to scroll */
	bool is_over;
};

/* ---- Drawing ---- */

static void draw_head(const struct mt_view *view, const struct mt_area *screen)
{
	static const enum mt_style styles[] = {[MT_CONDITION_LIVE] = MT_STYLE_GOOD,
					       [MT_CONDITION_STUCK] = MT_STYLE_BAD,
					       [MT_CONDITION_ENDED] = MT_STYLE_WARN,
					       [MT_CONDITION_DIED] = MT_STYLE_BAD};
	const struct mt_counters_snapshot *now = view->follow->now;
	struct mt_condition condition;
	time_t wall = time(NULL);
	char at[16] = "";
	struct tm local;

	if (localtime_r(&wall, &local) != NULL)
		strftime(at, sizeof(at), "%H:%M:%S", &local);
	mt_screen_fill(screen, 0, MT_STYLE_BAR);
	mt_screen_put(screen, 0, 1, MT_STYLE_BAR, "%s: mailtap %s, process %u", now->name, now->version,
		      now->pid);
	mt_screen_put(screen, 0, screen->cols - 9, MT_STYLE_BAR, "%s", at);
	mt_follow_condition(view->follow, &condition);
	mt_screen_put(screen, 1, 1, styles[condition.kind], "%s", condition.text);
	if (view->follow->problem[0] != 0)
		mt_screen_put(screen, 1, 40, MT_STYLE_BAD, "%s", view->follow->problem);
}

static void draw_foot(const struct mt_area *screen, const struct choice *choice)
{
	int row = screen->rows - 1, col = 0;

	for (unsigned i = 0; i < VIEW_COUNT; i++) {
		const char *name = i == 0 ? "Overview" : mt_panels[i - 1].name;
		bool is_chosen = choice->view == (i == 0 ? (unsigned)OVERVIEW : i - 1);

		mt_screen_put(screen, row, col, is_chosen ? MT_STYLE_BAR : MT_STYLE_PLAIN, "%s", name);
		col += (int)strlen(name) + 1;
	}
	mt_screen_put(screen, row, col, MT_STYLE_DIM, "tab q quit");
}

/* Draw a panel into the next rows. */
static void stack(const struct mt_view *view, struct mt_area *rest, enum mt_panel_number number, int rows)
{
	struct mt_area area = *rest;

	area.rows = rows < rest->rows ? rows : rest->rows;
	mt_panels[number].draw(view, &area, 0);
	rest->top += area.rows;
	rest->rows -= area.rows;
}

static int least(int a, int b)
{
	return a < b ? a : b;
}

/*
 * Workers, sessions, STARTTLS beside software, anomalies. Each gets what it needs on a tall screen; on one of
 * 24 rows the workers have four, outcomes and products five, and what is left is the anomalies'.
 */
static void draw_overview(const struct mt_view *view, const struct mt_area *body)
{
	struct mt_area rest = *body, beside;
	int workers = 1 + least((int)view->follow->now->block_count + 1, body->rows / 5), middle;

	stack(view, &rest, MT_PANEL_WORKERS, workers);
	stack(view, &rest, MT_PANEL_SESSIONS, 4);
	middle = least(9, rest.rows / 2 + 1);
	beside = (struct mt_area){.top = rest.top,
				  .left = rest.left + rest.cols / 2 + 2,
				  .rows = least(middle, rest.rows),
				  .cols = rest.cols - rest.cols / 2 - 2};
	mt_panels[MT_PANEL_SOFTWARE].draw(view, &beside, 0);
	rest.cols = rest.cols / 2;
	stack(view, &rest, MT_PANEL_STARTTLS, middle);
	rest.cols = body->cols;
	stack(view, &rest, MT_PANEL_ANOMALIES, rest.rows);
}

static void draw(const struct mt_view *view, struct choice *choice)
{
	const struct mt_area screen = mt_screen_area();
	const struct mt_area body = {.top = 2, .rows = screen.rows - 3, .cols = screen.cols};

	mt_screen_begin();
	draw_head(view, &screen);
	choice->most_first = 0;
	if (choice->view == OVERVIEW) {
		draw_overview(view, &body);
	} else {
		int rows = mt_panels[choice->view].draw(view, &body, choice->first);

		choice->most_first = rows > body.rows - 1 ? rows - body.rows + 1 : 0;
	}
	draw_foot(&screen, choice);
	mt_screen_show();
}

/* ---- Keys ---- */

static void choose_view(struct choice *choice, unsigned position)
{
	choice->view = position % VIEW_COUNT == 0 ? OVERVIEW : position % VIEW_COUNT - 1;
	choice->first = 0;
}

static void obey(struct choice *choice, int key)
{
	unsigned position = choice->view == OVERVIEW ? 0 : choice->view + 1;
	int page = LINES > 4 ? LINES - 4 : 1;

	switch (key) {
	case 'q':
		choice->is_over = true;
		break;
	case '\t':
	case KEY_RIGHT:
		choose_view(choice, position + 1);
		break;
	case KEY_BTAB:
	case KEY_LEFT:
		choose_view(choice, position + VIEW_COUNT - 1);
		break;
	case KEY_DOWN:
		choice->first++;
		break;
	case KEY_UP:
		choice->first--;
		break;
	case KEY_NPAGE:
		choice->first += page;
		break;
	case KEY_PPAGE:
		choice->first -= page;
		break;
	default: /* KEY_RESIZE too: whatever it is, all is drawn anew */
		break;
	}
	if (choice->first > choice->most_first)
		choice->first = choice->most_first;
	if (choice->first < 0)
		choice->first = 0;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Obey keys and draw until the next reading is due. */
static void wait_for_tick(const struct mt_view *view, struct choice *choice, long tick_ms)
{
	while (!choice->is_over && !mt_stat_is_ending()) {
		long left_ms = tick_ms - now_ms();

		draw(view, choice);
		if (left_ms <= 0)
			return;
		obey(choice, mt_screen_key((int)left_ms));
	}
}

int mt_stat_live(struct mt_follow *follow, char *error, size_t error_size)
{
	struct choice choice = {.view = OVERVIEW};
	struct mt_view *view;
	int result = 0;

	if (mt_screen_open() != 0) {
		snprintf(error, error_size, "--live needs a terminal that curses knows; TERM is '%s'",
			 getenv("TERM") != NULL ? getenv("TERM") : "");
		return -ENOTTY;
	}
	view = calloc(1, sizeof(*view));
	if (view == NULL) {
		mt_screen_close();
		snprintf(error, error_size, "no memory");
		return -ENOMEM;
	}
	view->follow = follow;
	mt_stat_catch_end();
	for (long tick_ms = now_ms() + MS_PER_TICK;; tick_ms += MS_PER_TICK) {
		mt_view_update(view);
		wait_for_tick(view, &choice, tick_ms);
		if (choice.is_over || mt_stat_is_ending())
			break;
		result = mt_follow_read(follow, error, error_size);
		if (result != 0)
			break;
		/* A machine that slept is not to catch up. */
		if (now_ms() > tick_ms + MS_PER_TICK)
			tick_ms = now_ms();
	}
	mt_screen_close();
	free(view);
	return result;
}
