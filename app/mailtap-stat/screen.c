/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "screen.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <stdarg.h>
#include <stdio.h>
#include <term.h>
#include <unistd.h>

#define TEXT_SIZE 512 /* of a line, more than any terminal shows */

static SCREEN *screen;
static bool has_utf8;
static attr_t attributes[MT_STYLE_COUNT];

/* Without colours what matters is told from the rest by weight. */
static void choose_styles(void)
{
	static const struct {
		short colour;
		attr_t with, without;
	} rows[MT_STYLE_COUNT] = {
	    [MT_STYLE_PLAIN] = {-1, A_NORMAL, A_NORMAL},     [MT_STYLE_HEAD] = {COLOR_CYAN, A_BOLD, A_BOLD},
	    [MT_STYLE_BAR] = {-1, A_REVERSE, A_REVERSE},     [MT_STYLE_DIM] = {-1, A_DIM, A_NORMAL},
	    [MT_STYLE_GOOD] = {COLOR_GREEN, 0, A_NORMAL},    [MT_STYLE_WARN] = {COLOR_YELLOW, A_BOLD, A_BOLD},
	    [MT_STYLE_BAD] = {COLOR_RED, A_BOLD, A_REVERSE},
	};
	bool has_colours = has_colors() && start_color() == OK && use_default_colors() == OK;

	for (short i = 0; i < MT_STYLE_COUNT; i++) {
		attributes[i] = has_colours ? rows[i].with : rows[i].without;
		if (has_colours && rows[i].colour >= 0 && init_pair(i, rows[i].colour, -1) == OK)
			attributes[i] |= (attr_t)COLOR_PAIR(i);
	}
}

void mt_screen_close(void)
{
	endwin();
	delscreen(screen);
}

int mt_screen_open(void)
{
	/* Numbers stay as C writes them: exporters share this process's locale. */
	setlocale(LC_CTYPE, "");
	has_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return -ENOTTY;
	screen = newterm(NULL, stdout, stdin);
	if (screen == NULL)
		return -ENOTTY;
	set_term(screen);
	if (tigetstr("cup") == NULL) {
		mt_screen_close(); /* it cannot even move its cursor */
		return -ENOTTY;
	}
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);
	choose_styles();
	return 0;
}

struct mt_area mt_screen_area(void)
{
	return (struct mt_area){.rows = LINES, .cols = COLS};
}

void mt_screen_begin(void)
{
	erase();
}

void mt_screen_show(void)
{
	refresh();
}

int mt_screen_key(int milliseconds)
{
	timeout(milliseconds);
	int key = getch();

	return key == ERR ? -1 : key;
}

/* Result  the columns that are left in the area from there; 0 where nothing may be drawn */
static int room_at(const struct mt_area *area, int row, int col)
{
	int room = area->cols - col;

	if (row < 0 || row >= area->rows || col < 0 || room <= 0 || area->top + row >= LINES)
		return 0;
	return room < COLS - area->left - col ? room : COLS - area->left - col;
}

/* As ASCII has one byte a column, so many columns are so many bytes. */
void mt_screen_put(const struct mt_area *area, int row, int col, enum mt_style style, const char *format, ...)
{
	int room = room_at(area, row, col);
	char text[TEXT_SIZE];
	va_list values;

	if (room <= 0)
		return;
	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	attrset(attributes[style]);
	mvaddnstr(area->top + row, area->left + col, text, room);
	attrset(A_NORMAL);
}

void mt_screen_fill(const struct mt_area *area, int row, enum mt_style style)
{
	int room = room_at(area, row, 0);

	for (int col = 0; col < room; col++)
		mvaddch(area->top + row, area->left + col, ' ' | attributes[style]);
}

/* One column of a bar or a sparkline: level 0 is nothing. */
static void put_glyph(const struct mt_area *area, int row, int col, enum mt_style style,
		      const char *const *glyphs, int level)
{
	if (room_at(area, row, col) <= 0)
		return;
	attrset(attributes[style]);
	mvaddstr(area->top + row, area->left + col, glyphs[level]);
	attrset(A_NORMAL);
}

void mt_screen_bar(const struct mt_area *area, int row, int col, int cols, enum mt_style style, double share)
{
	static const char *const fine[] = {" ",	     "\u258f", "\u258e", "\u258d", "\u258c",
					   "\u258b", "\u258a", "\u2589", "\u2588"};
	static const char *const coarse[] = {" ", "#"};
	int steps = has_utf8 ? 8 : 1;
	int filled = (int)(share * cols * steps + 0.5);

	for (int i = 0; i < cols; i++, filled -= steps)
		put_glyph(area, row, col + i, style, has_utf8 ? fine : coarse,
			  filled <= 0	   ? 0
			  : filled < steps ? filled
					   : steps);
}

void mt_screen_sparkline(const struct mt_area *area, int row, int col, int cols, enum mt_style style,
			 const double *values)
{
	static const char *const fine[] = {" ",	     "\u2581", "\u2582", "\u2583", "\u2584",
					   "\u2585", "\u2586", "\u2587", "\u2588"};
	static const char *const coarse[] = {" ", "_", ".", ":", "-", "=", "+", "*", "#"};
	double highest = 0;

	for (int i = 0; i < cols; i++)
		highest = values[i] > highest ? values[i] : highest;
	/* Level 1 is nought; whatever is more than that is seen to be more. */
	for (int i = 0; i < cols; i++) {
		int level = values[i] < 0 ? 0 : values[i] == 0 ? 1 : 2 + (int)(values[i] / highest * 6);

		put_glyph(area, row, col + i, values[i] > 0 ? style : MT_STYLE_DIM, has_utf8 ? fine : coarse,
			  level);
	}
}
