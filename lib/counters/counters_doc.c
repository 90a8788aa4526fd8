/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Prints COUNTERS.md from the table. A test compares the committed file with this output.
 */
#include "counters_priv.h"

static void print_labels(const struct mt_counters_metric *metric)
{
	const char *before = "";

	if (metric->is_by_worker) {
		printf("`worker`");
		before = ", ";
	}
	for (unsigned i = 0; i < MT_COUNTERS_LABELS_MAX && metric->label[i] != LABEL_NONE; i++) {
		printf("%s`%s`", before, mt_counters_labels[metric->label[i]].key);
		before = ", ";
	}
	fputs(before[0] == 0 ? "-" : "", stdout);
}

static void print_topic(const char *topic)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};

	printf("\n## %s\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n", topic);
	for (unsigned id = 0; id < MT_COUNTER_COUNT; id++) {
		const struct mt_counters_metric *metric = &mt_counters_metrics[id];

		if (strcmp(metric->topic, topic) != 0)
			continue;
		printf("| `%s` | %s | ", metric->name, kinds[metric->kind]);
		print_labels(metric);
		printf(" | %s |\n", metric->help);
	}
}

static bool is_first_of_topic(unsigned id)
{
	for (unsigned i = 0; i < id; i++)
		if (strcmp(mt_counters_metrics[i].topic, mt_counters_metrics[id].topic) == 0)
			return false;
	return true;
}

/* A key may stand over several lists; each metric says by its labels which one it has. */
static void print_words(unsigned label)
{
	const struct mt_counters_label_row *row = &mt_counters_labels[label];

	printf("| `%s` of", row->key);
	for (unsigned id = 0; id < MT_COUNTER_COUNT; id++)
		for (unsigned i = 0; i < MT_COUNTERS_LABELS_MAX; i++)
			if (mt_counters_metrics[id].label[i] == label)
				printf(" `%s`", mt_counters_metrics[id].name);
	printf(" |");
	for (unsigned value = 0; value < row->count; value++)
		printf(" `%s`", row->word(value));
	puts(row->word == NULL ? " known when the program starts |" : " |");
}

int main(void)
{
	printf("# Counters\n\n"
	       "Made from `counters.def` by `counters_doc`; a test compares. `README.md` says how they are "
	       "shared.\n"
	       "The label `worker` is the worker's number, or `control`.\n");
	for (unsigned id = 0; id < MT_COUNTER_COUNT; id++)
		if (is_first_of_topic(id))
			print_topic(mt_counters_metrics[id].topic);
	printf(
	    "\n## Made by the reader\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n"
	    "| `mailtap_build_info` | info | `version` | The program that writes these counters. |\n"
	    "| `mailtap_start_time_seconds` | gauge | - | When the run began, since 1970. |\n"
	    "| `mailtap_up` | gauge | - | 1 where a living process writes these counters. |\n"
	    "| `mailtap_heartbeat_age_seconds` | gauge | `worker` | Time since a worker last published. |\n"
	    "| `mailtap_stale` | gauge | `worker` | 1 where a worker's values could not be read whole: they "
	    "are "
	    "older ones. |\n"
	    "| `mailtap_poll_busy_ratio` | gauge | `worker` | Share of cycles in polls that brought packets, "
	    "since the start. |\n");
	printf("\n## Values of the labels\n\n| label | values |\n|---|---|\n");
	for (unsigned label = LABEL_NONE + 1; label < LABEL_COUNT; label++)
		print_words(label);
	printf("\n## Buckets of the histograms\n\nUpper bounds, inclusive, in seconds:");
	for (unsigned i = 0; i < MT_COUNTERS_BOUNDS; i++)
		printf(" %s", mt_counters_bounds[i].text);
	printf(" +Inf\n");
	return 0;
}
