/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * scan MILLISECONDS BANNERS CAPTURE...: lib/match beside Hyperscan alone, on the lines that real sessions
 * look up.
 *
 * For each of the program's sets two comparisons, in turn on the same lines:
 * - all lines: mt_match_first() against one hs_scan() a line of a database of all rows, words as patterns;
 * - the lines that no word decides: mt_match_first() against hs_scan() of a database of the set's patterns.
 * Both have to find the same in every line. Prints one JSON object; figures are nanoseconds a line, the
 * median of passes over all the lines.
 */
#include <err.h>
#include <hs.h>
#include <stdio.h>
#include <stdlib.h>

#include "calls.h"
#include "figures.h"

#define PASSES_MAX 10000
#define PASSES_MIN 5

/** Lines of one set, and what they are looked up with. */
struct bench {
	const struct mt_match_set *set;
	struct mt_match_scratch *scratch;
	hs_database_t *database;
	hs_scratch_t *hs;
	const struct mt_span *lines;
	size_t count;
	uint64_t sum; /* of what was found: so that no look-up is left out */
};

struct figures {
	size_t lines;
	double ours_ns, raw_ns;
};

/* ---- Hyperscan alone ---- */

/* A row's word, followed by what may follow it. Every byte is written as a number: none is an operator. */
static void write_word(char *pattern, const char *word)
{
	*pattern++ = '^';
	for (; *word != 0; word++)
		pattern += sprintf(pattern, "\\x%02x", (unsigned char)*word);
	strcpy(pattern, "(?:[ \\t\\r\\n]|$)");
}

/* A database of the set's patterns, and of its words where they are wanted: these are rows 0 to n - 1, its
 * patterns n to 2n - 1, so that the lowest row found is what the set finds. NULL where nothing is wanted. */
static hs_database_t *compile(const struct call_set *set, bool has_words)
{
	size_t room = 2 * set->row_count + 1;
	char(*words)[64] = calloc(room, sizeof(*words));
	const char **expressions = calloc(room, sizeof(*expressions));
	unsigned *flags = calloc(room, sizeof(*flags)), *rows = calloc(room, sizeof(*rows)), count = 0;
	hs_database_t *database = NULL;
	hs_compile_error_t *error;

	for (size_t i = 0; i < 2 * set->row_count; i++) {
		const struct mt_match_row *row = &set->rows[i % set->row_count];
		bool is_word = i < set->row_count;

		if (is_word ? !has_words || row->word == NULL : row->pattern == NULL)
			continue;
		if (is_word)
			write_word(words[i], row->word);
		expressions[count] = is_word ? words[i] : row->pattern;
		flags[count] = HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH;
		rows[count++] = (unsigned)i;
	}
	if (count > 0 && hs_compile_multi(expressions, flags, rows, count, HS_MODE_BLOCK, NULL, &database,
					  &error) != HS_SUCCESS)
		errx(1, "%s: %s", set->name, error->message);
	free(rows);
	free(flags);
	free(expressions);
	free(words);
	return database;
}

static int keep_first(unsigned row, unsigned long long from, unsigned long long to, unsigned flags,
		      void *context)
{
	uint32_t *first = context;

	(void)from;
	(void)to;
	(void)flags;
	if (row < *first)
		*first = row;
	return 0;
}

static inline uint32_t scan(const struct bench *bench, struct mt_span line)
{
	uint32_t first = MT_MATCH_NONE;

	hs_scan(bench->database, (const char *)line.data, (unsigned)line.len, 0, bench->hs, keep_first,
		&first);
	return first;
}

/* ---- Passes ---- */

static double pass_ours(struct bench *bench)
{
	uint64_t begin = now_ns();

	for (size_t i = 0; i < bench->count; i++)
		bench->sum += mt_match_first(bench->set, bench->scratch, bench->lines[i]);
	return (double)(now_ns() - begin) / (double)bench->count;
}

static double pass_raw(struct bench *bench)
{
	uint64_t begin = now_ns();

	for (size_t i = 0; i < bench->count; i++)
		bench->sum += scan(bench, bench->lines[i]);
	return (double)(now_ns() - begin) / (double)bench->count;
}

static struct figures measure(struct bench *bench, uint64_t budget_ns)
{
	static double ours[PASSES_MAX], raw[PASSES_MAX];
	uint64_t end;
	unsigned n = 0;

	if (bench->count == 0)
		return (struct figures){0};
	pass_ours(bench); /* warm */
	pass_raw(bench);
	end = now_ns() + budget_ns;
	while (n < PASSES_MAX && (n < PASSES_MIN || now_ns() < end)) {
		/* Which goes first alternates: what the machine does meanwhile falls on both. */
		if (n % 2 == 0)
			ours[n] = pass_ours(bench);
		raw[n] = pass_raw(bench);
		if (n % 2 != 0)
			ours[n] = pass_ours(bench);
		n++;
	}
	return (struct figures){bench->count, median(ours, n), median(raw, n)};
}

/* ---- One set ---- */

static bool has_patterns(const struct call_set *set)
{
	for (size_t i = 0; i < set->row_count; i++)
		if (set->rows[i].pattern != NULL)
			return true;
	return false;
}

/* Both must find the same. Result  whether a word decided the line */
static bool check_line(const struct bench *bench, const struct call_set *set, size_t i)
{
	uint32_t row = scan(bench, set->lines[i]);
	uint32_t found = row == MT_MATCH_NONE ? row : set->rows[row % set->row_count].id;

	if (found != set->found[i])
		errx(1, "%s: \"%.*s\" is %d here and was %d: no figures", set->name, (int)set->lines[i].len,
		     (const char *)set->lines[i].data, (int)found, (int)set->found[i]);
	return row < set->row_count;
}

static void print_figures(const char *name, struct figures figures)
{
	printf("\"%s\": {\"lines\": %zu, \"ours_ns\": %.2f, \"raw_ns\": %.2f}", name, figures.lines,
	       figures.ours_ns, figures.raw_ns);
}

static void measure_set(struct calls *calls, const struct call_set *set, uint64_t budget_ns)
{
	struct mt_span *undecided = calloc(set->line_count, sizeof(*undecided));
	struct bench bench = {.set = set->set,
			      .scratch = calls->scratch,
			      .database = compile(set, true),
			      .lines = set->lines,
			      .count = set->line_count};
	struct bench patterns = bench;

	patterns.database = compile(set, false);
	patterns.lines = undecided;
	patterns.count = 0;
	if (hs_alloc_scratch(bench.database, &bench.hs) != HS_SUCCESS ||
	    (patterns.database != NULL && hs_alloc_scratch(patterns.database, &patterns.hs) != HS_SUCCESS))
		errx(1, "no memory");
	for (size_t i = 0; i < set->line_count; i++)
		if (!check_line(&bench, set, i) && has_patterns(set))
			undecided[patterns.count++] = set->lines[i];
	printf("\"%s\": {\"rows\": %zu, \"bytes\": %zu, ", set->name, set->row_count, set->byte_count);
	print_figures("all", measure(&bench, budget_ns));
	printf(", ");
	print_figures("scanned", measure(&patterns, budget_ns));
	printf("}");
	hs_free_scratch(bench.hs);
	hs_free_scratch(patterns.hs);
	hs_free_database(bench.database);
	hs_free_database(patterns.database);
	free(undecided);
}

int main(int argc, char **argv)
{
	static struct calls calls; /* until the program ends */
	uint64_t budget_ns;
	bool is_first = true;

	if (argc < 4)
		errx(2, "usage: scan MILLISECONDS BANNERS CAPTURE...");
	budget_ns = strtoull(argv[1], NULL, 10) * MT_NS_PER_MS;
	calls_collect(&calls, argv[2], argv + 3, argc - 3);
	printf("{\"hyperscan\": \"%s\", \"sessions\": %zu, \"sets\": {", hs_version(), calls.sessions);
	for (size_t i = 0; i < calls.set_count; i++) {
		if (calls.sets[i].line_count == 0)
			continue;
		printf("%s", is_first ? "" : ", ");
		measure_set(&calls, &calls.sets[i], budget_ns);
		is_first = false;
	}
	printf("}}\n");
	return 0;
}
