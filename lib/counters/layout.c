/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "counters.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "counters_priv.h"

#define UNIT_COUNT   .unit = "", .divisor = 1
#define UNIT_BYTES   .unit = "bytes", .divisor = 1
#define UNIT_CYCLES  .unit = "cycles", .divisor = 1
#define UNIT_SECONDS .unit = "seconds", .divisor = MT_NS_PER_SECOND

#define TOPIC_TRAFFIC "Traffic"
#define TOPIC_LOSSES  "Losses"
#define TOPIC_FLOWS   "Flows"
#define TOPIC_STREAMS "Streams"
#define TOPIC_MAIL    "Mail"
#define TOPIC_TLS     "TLS"
#define TOPIC_TIMES   "Times"
#define TOPIC_RECORDS "Records"
#define TOPIC_WORK    "Work"

#define SCOPE_WORKER true
#define SCOPE_ALL    false

#define COUNTER(ID, NAME, KIND, UNIT, TOPIC, SCOPE, A, B, C, HELP)                                           \
	{.name = NAME,                                                                                       \
	 .help = HELP,                                                                                       \
	 UNIT_##UNIT,                                                                                        \
	 .topic = TOPIC_##TOPIC,                                                                             \
	 .kind = MT_COUNTERS_##KIND,                                                                         \
	 .is_by_worker = SCOPE_##SCOPE,                                                                      \
	 .label = {LABEL_##A, LABEL_##B, LABEL_##C}},
const struct mt_counters_metric mt_counters_metrics[MT_COUNTER_COUNT] = {
#include "counters.def"
};

#define LABEL(LIST, KEY, list)	  {.key = KEY, .count = MT_##LIST##_COUNT, .word = mt_##list##_name},
#define LABEL_AT_START(LIST, KEY) {.key = KEY},
const struct mt_counters_label_row mt_counters_labels[LABEL_COUNT] = {
    [LABEL_NONE] = {.key = "", .count = 1},
#include "counters.def"
};

#define BUCKET(ns, text) {ns, text},
const struct mt_counters_bound mt_counters_bounds[MT_COUNTERS_BOUNDS] = {
#include "counters.def"
};

#define NUMBER_SIZE 12 /* a 32-bit number as text */

/* The words of the labels that only the start knows. */
struct words {
	uint32_t count[LABEL_COUNT];
	char (*text[LABEL_COUNT])[MT_COUNTERS_PRODUCT_SIZE];
	char room[][MT_COUNTERS_PRODUCT_SIZE];
};

/* Such a name needs no escape in any output. */
static bool is_product(const char *name)
{
	size_t len = strnlen(name, MT_COUNTERS_PRODUCT_SIZE);

	return len > 0 && len < MT_COUNTERS_PRODUCT_SIZE &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-") == len;
}

static struct words *create_words(char (*products)[MT_COUNTERS_PRODUCT_SIZE], uint32_t product_count,
				  uint32_t ports, uint32_t queues)
{
	struct words *words =
	    calloc(1, sizeof(*words) + ((size_t)product_count + ports + queues) * sizeof(words->room[0]));

	if (words == NULL)
		return NULL;
	words->count[LABEL_SOFTWARE] = product_count;
	words->count[LABEL_PORT] = ports;
	words->count[LABEL_QUEUE] = queues;
	words->text[LABEL_SOFTWARE] = words->room;
	words->text[LABEL_PORT] = words->room + product_count;
	words->text[LABEL_QUEUE] = words->text[LABEL_PORT] + ports;
	for (uint32_t i = 0; i < product_count; i++)
		memcpy(words->text[LABEL_SOFTWARE][i], products[i], strlen(products[i]) + 1);
	for (uint32_t i = 0; i < ports; i++)
		snprintf(words->text[LABEL_PORT][i], NUMBER_SIZE, "%u", i);
	for (uint32_t i = 0; i < queues; i++)
		snprintf(words->text[LABEL_QUEUE][i], NUMBER_SIZE, "%u", i);
	return words;
}

static uint32_t label_size(const struct words *words, unsigned label)
{
	return words->text[label] != NULL ? words->count[label] : mt_counters_labels[label].count;
}

static const char *label_word(const struct words *words, unsigned label, uint32_t value)
{
	if (label == LABEL_NONE)
		return NULL;
	return words->text[label] != NULL ? words->text[label][value] : mt_counters_labels[label].word(value);
}

static void name_series(struct mt_counters_series *series, const struct words *words,
			const uint32_t value[MT_COUNTERS_LABELS_MAX])
{
	size_t used = 0;

	for (unsigned i = 0; i < MT_COUNTERS_LABELS_MAX; i++) {
		unsigned label = series->metric->label[i];

		series->value[i] = label_word(words, label, value[i]);
		if (series->value[i] != NULL)
			used += (size_t)snprintf(series->labels + used, sizeof(series->labels) - used,
						 "%s%s=\"%s\"", used > 0 ? "," : "",
						 mt_counters_labels[label].key, series->value[i]);
		assert(used < sizeof(series->labels));
	}
}

/* Fill the series of one counter. Result  how many there are. */
static uint32_t name_counter(const struct mt_counters_layout *layout, enum mt_counter counter,
			     struct mt_counters_series *series, const struct words *words)
{
	const uint32_t *size = layout->size[counter];
	uint32_t value[MT_COUNTERS_LABELS_MAX], n = 0;

	for (value[0] = 0; value[0] < size[0]; value[0]++)
		for (value[1] = 0; value[1] < size[1]; value[1]++)
			for (value[2] = 0; value[2] < size[2]; value[2]++, n++) {
				series[n].metric = &mt_counters_metrics[counter];
				series[n].cell =
				    mt_counters_cell(layout, counter, value[0], value[1], value[2]);
				series[n].cells = mt_counters_cells_of(mt_counters_metrics[counter].kind);
				name_series(&series[n], words, value);
			}
	return n;
}

/* Cells in the table's order: the compiler counted them the same way (MT_CELL_...). */
static void place_cells(struct mt_counters_layout *layout, const struct words *words)
{
	for (unsigned id = 0; id < MT_COUNTER_COUNT; id++) {
		const struct mt_counters_metric *metric = &mt_counters_metrics[id];
		uint32_t series = 1;

		for (unsigned i = 0; i < MT_COUNTERS_LABELS_MAX; i++) {
			layout->size[id][i] = label_size(words, metric->label[i]);
			series *= layout->size[id][i];
		}
		layout->first[id] = layout->cell_count;
		layout->series_of[id + 1] = layout->series_of[id] + series;
		layout->cell_count += series * mt_counters_cells_of(metric->kind);
	}
}

int mt_counters_layout_create(struct mt_counters_layout **ret, char (*products)[MT_COUNTERS_PRODUCT_SIZE],
			      uint32_t product_count, uint32_t ports, uint32_t queues)
{
	for (uint32_t i = 0; i < product_count; i++)
		if (!is_product(products[i]))
			return -EINVAL;

	struct mt_counters_layout *layout = calloc(1, sizeof(*layout));
	if (layout == NULL)
		return -ENOMEM;
	struct words *words = create_words(products, product_count, ports, queues);
	if (words == NULL)
		goto free_layout;
	layout->words = words;
	place_cells(layout, words);
	layout->series = calloc(layout->series_of[MT_COUNTER_COUNT], sizeof(*layout->series));
	if (layout->series == NULL)
		goto free_words;
	for (unsigned id = 0; id < MT_COUNTER_COUNT; id++)
		name_counter(layout, id, layout->series + layout->series_of[id], words);
	*ret = layout;
	return 0;

free_words:
	free(words);
free_layout:
	free(layout);
	return -ENOMEM;
}

void mt_counters_layout_destroy(struct mt_counters_layout *layout)
{
	if (layout == NULL)
		return;
	free(layout->series);
	free(layout->words);
	free(layout);
}

uint64_t *mt_counters_cells_create(const struct mt_counters_layout *layout)
{
	size_t bytes = mt_counters_round_up(layout->cell_count * sizeof(uint64_t), MT_CACHE_LINE);
	uint64_t *cells = aligned_alloc(MT_CACHE_LINE, bytes);

	if (cells != NULL)
		memset(cells, 0, bytes);
	return cells;
}

uint32_t mt_counters_product(const struct mt_counters_layout *layout, const char *name)
{
	const struct words *words = layout->words;

	for (uint32_t i = 0; i < words->count[LABEL_SOFTWARE]; i++)
		if (strcmp(words->text[LABEL_SOFTWARE][i], name) == 0)
			return i;
	return 0;
}

void mt_counters_observe(uint64_t *cells, size_t histogram, uint64_t ns)
{
	unsigned bucket = 0;

	while (bucket < MT_COUNTERS_BOUNDS && ns > mt_counters_bounds[bucket].ns)
		bucket++;
	cells[histogram + bucket]++;
	cells[histogram + MT_COUNTERS_BOUNDS + 1] += ns;
}

void mt_counters_sum(const struct mt_counters_layout *layout, uint64_t *total, const uint64_t *cells)
{
	for (uint32_t i = 0; i < layout->cell_count; i++)
		total[i] += cells[i];
}

const struct mt_counters_series *mt_counters_find(const struct mt_counters_layout *layout, const char *name,
						  uint32_t *ret_count)
{
	*ret_count = 0;
	for (unsigned id = 0; id < MT_COUNTER_COUNT; id++)
		if (strcmp(mt_counters_metrics[id].name, name) == 0) {
			*ret_count = layout->series_of[id + 1] - layout->series_of[id];
			return layout->series + layout->series_of[id];
		}
	return NULL;
}
