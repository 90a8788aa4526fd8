/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * tables_test LIB: what every protocol's table must hold. LIB is the folder of the modules: which events the
 * code itself brings about is looked up in its source. That no action is unused the compiler proves: an
 * action is a static function.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"

#define STATES_MAX 32

/** A row; state is NULL for a row of every state. */
struct row {
	const char *state, *event, *next, *act;
};

#define TABLE_DEF   "smtp.def"
#define NAMED(part) smtp_##part
#include "table_parts.h"
#undef TABLE_DEF
#undef NAMED
#define TABLE_DEF   "imap.def"
#define NAMED(part) imap_##part
#include "table_parts.h"
#undef TABLE_DEF
#undef NAMED
#define TABLE_DEF   "pop3.def"
#define NAMED(part) pop3_##part
#include "table_parts.h"

#define TABLE(name)                                                                                          \
	{                                                                                                    \
#name, name##_states, name##_events, name##_verbs, name##_rows, MT_ARRAY_LEN(name##_states), \
		    MT_ARRAY_LEN(name##_events), MT_ARRAY_LEN(name##_verbs), MT_ARRAY_LEN(name##_rows)       \
	}

static const struct table {
	const char *name;
	const char *const *states, *const *events;
	const char *const *verbs; /* the rows of VERB as written, without the id */
	const struct row *rows;
	size_t state_count, event_count, verb_count, row_count;
} tables[] = {TABLE(smtp), TABLE(imap), TABLE(pop3)};

static const char *lib;

static size_t state_of(const struct table *table, const char *name)
{
	for (size_t i = 0; i < table->state_count; i++)
		if (strcmp(table->states[i], name) == 0)
			return i;
	fail_msg("%s: no state %s", table->name, name);
	return 0;
}

static bool is_event(const struct table *table, const char *name)
{
	for (size_t i = 0; i < table->event_count; i++)
		if (strcmp(table->events[i], name) == 0)
			return true;
	return false;
}

/* The row that decides a cell: its own, else the one of every state. */
static const struct row *cell_of(const struct table *table, const char *state, const char *event)
{
	const struct row *any = NULL;

	for (size_t i = 0; i < table->row_count; i++) {
		const struct row *row = &table->rows[i];

		if (strcmp(row->event, event) != 0)
			continue;
		if (row->state == NULL)
			any = row;
		else if (strcmp(row->state, state) == 0)
			return row;
	}
	return any;
}

/* Rows name what exists. */
static void rows_name_states_and_events(void **unused)
{
	(void)unused;
	for (const struct table *table = tables; table < tables + MT_ARRAY_LEN(tables); table++)
		for (size_t i = 0; i < table->row_count; i++) {
			const struct row *row = &table->rows[i];

			if (row->state != NULL)
				state_of(table, row->state);
			if (strcmp(row->next, "SAME") != 0)
				state_of(table, row->next);
			assert_true(is_event(table, row->event));
		}
}

/* Every event has exactly one row of every state, in front of what overrides it: later rows win. */
static void every_cell_is_resolved(void **unused)
{
	(void)unused;
	for (const struct table *table = tables; table < tables + MT_ARRAY_LEN(tables); table++) {
		bool is_any_over = false;

		for (size_t i = 0; i < table->row_count; i++) {
			is_any_over |= table->rows[i].state != NULL;
			if (is_any_over && table->rows[i].state == NULL)
				fail_msg("%s: the row of every state for %s comes late", table->name,
					 table->rows[i].event);
		}
		for (size_t i = 0; i < table->event_count; i++) {
			unsigned rows = 0;

			for (size_t j = 0; j < table->row_count; j++)
				rows += table->rows[j].state == NULL &&
					strcmp(table->rows[j].event, table->events[i]) == 0;
			if (rows != 1)
				fail_msg("%s: %u rows of every state for %s", table->name, rows,
					 table->events[i]);
		}
	}
}

static void no_cell_has_two_rows(void **unused)
{
	(void)unused;
	for (const struct table *table = tables; table < tables + MT_ARRAY_LEN(tables); table++)
		for (size_t i = 0; i < table->row_count; i++)
			for (size_t j = 0; j < i; j++) {
				const struct row *a = &table->rows[i], *b = &table->rows[j];

				if (a->state != NULL && b->state != NULL && strcmp(a->state, b->state) == 0 &&
				    strcmp(a->event, b->event) == 0)
					fail_msg("%s: two rows for %s, %s", table->name, a->state, a->event);
			}
}

static void every_state_is_reachable(void **unused)
{
	(void)unused;
	for (const struct table *table = tables; table < tables + MT_ARRAY_LEN(tables); table++) {
		bool is_reached[STATES_MAX] = {true}, is_moving = true;

		assert_true(table->state_count <= STATES_MAX);
		while (is_moving) {
			is_moving = false;
			for (size_t i = 0; i < table->state_count * table->event_count; i++) {
				size_t from = i % table->state_count;
				const struct row *row = cell_of(table, table->states[from],
								table->events[i / table->state_count]);

				if (!is_reached[from] || strcmp(row->next, "SAME") == 0)
					continue;
				is_moving |= !is_reached[state_of(table, row->next)];
				is_reached[state_of(table, row->next)] = true;
			}
		}
		for (size_t i = 0; i < table->state_count; i++)
			if (!is_reached[i])
				fail_msg("%s: no way to %s", table->name, table->states[i]);
	}
}

/* None of these tables has a final state: TLS takes the dialogue over from outside. */
static void every_state_has_a_way_out(void **unused)
{
	(void)unused;
	for (const struct table *table = tables; table < tables + MT_ARRAY_LEN(tables); table++)
		for (size_t i = 0; i < table->state_count; i++) {
			bool is_left = false;

			for (size_t j = 0; j < table->event_count; j++) {
				const struct row *row = cell_of(table, table->states[i], table->events[j]);

				is_left |= strcmp(row->next, "SAME") != 0 &&
					   strcmp(row->next, table->states[i]) != 0;
			}
			if (!is_left)
				fail_msg("%s: no way out of %s", table->name, table->states[i]);
		}
}

static char *read_source(const struct table *table)
{
	char path[1024], *text = calloc(1, 1 << 20);
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s.c", lib, table->name, table->name);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
	fclose(file);
	return text;
}

/* True where the text has the word, with nothing of a word around it. */
static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
		if ((at == text || strchr(" ,.;:()[]{}=\t\n?", at[-1]) != NULL) &&
		    (at[len] == 0 || strchr(" ,.;:()[]{}=\t\n?", at[len]) != NULL))
			return true;
	return false;
}

/* An event is brought about by a command's row or by the code; a row for one that never comes is dead. */
static void every_event_is_used(void **unused)
{
	(void)unused;
	for (const struct table *table = tables; table < tables + MT_ARRAY_LEN(tables); table++) {
		char *source = read_source(table);

		for (size_t i = 0; i < table->event_count; i++) {
			char word[64];
			bool is_used = false;

			snprintf(word, sizeof(word), "EVENT_%s", table->events[i]);
			is_used = has_word(source, word);
			for (size_t j = 0; j < table->verb_count; j++)
				is_used |= has_word(table->verbs[j], table->events[i]);
			if (!is_used)
				fail_msg("%s: nothing brings %s about", table->name, table->events[i]);
		}
		free(source);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_name_states_and_events), cmocka_unit_test(every_cell_is_resolved),
	    cmocka_unit_test(no_cell_has_two_rows),	   cmocka_unit_test(every_state_is_reachable),
	    cmocka_unit_test(every_state_has_a_way_out),   cmocka_unit_test(every_event_is_used),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s LIB\n", argv[0]);
		return 2;
	}
	lib = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
