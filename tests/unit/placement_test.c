/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

#include "placement.h"

#define PLACES 8
#define ANY    MT_NODE_ANY
#define RSS    0x100 /* beside a node: the device spreads packets, and queue q is worker q's */

/* A machine, what is asked of it, and the plan. Lists end at -9. */
struct example {
	const char *name;
	uint32_t workers;
	int lcore_nodes[PLACES]; /* of lcores 1, 2, ... */
	int queues[PLACES];	 /* each the node of its device, and perhaps RSS */
	int lcores[PLACES];	 /* the workers' */
	int polled_by[PLACES];	 /* the queues' workers */
	int crossings;
};

static const struct example examples[] = {
    {"one node: in their order", 2, {0, 0, 0, -9}, {0, 0, 0, -9}, {1, 2, -9}, {0, 1, 0, -9}, 0},
    {"no NUMA at all", 3, {0, 0, 0, -9}, {ANY, ANY, ANY, ANY, -9}, {1, 2, 3, -9}, {0, 1, 2, 0, -9}, 0},
    {"one worker polls all, wherever it is", 1, {1, -9}, {0, 1, ANY, -9}, {1, -9}, {0, 0, 0, -9}, 1},
    {"the device's node comes first", 2, {0, 0, 1, 1, -9}, {1, 1, -9}, {3, 4, -9}, {0, 1, -9}, 0},
    {"a device of each node, each with its worker",
     2,
     {0, 0, 1, 1, -9},
     {1, 0, -9},
     {1, 3, -9},
     {1, 0, -9},
     0},
    {"workers as there are queues: three to one",
     4,
     {0, 0, 0, 0, 1, 1, 1, -9},
     {1, 1, 1, 0, -9},
     {5, 6, 1, 7, -9},
     {0, 1, 3, 2, -9},
     0},
    {"more than the node has lcores for", 3, {0, 0, 1, -9}, {1, 1, 1, -9}, {3, 1, 2, -9}, {0, 1, 2, -9}, 2},
    {"rather far than overworked", 2, {0, 1, -9}, {0, 0, 0, 0, -9}, {1, 2, -9}, {0, 1, 0, 1, -9}, 2},
    {"RSS: queue q is worker q's",
     2,
     {0, 1, -9},
     {0 | RSS, 0 | RSS, 1 | RSS, 1 | RSS, -9},
     {1, 2, -9},
     {0, 1, 0, 1, -9},
     2},
    {"RSS: the workers go to the node",
     2,
     {0, 0, 1, 1, -9},
     {1 | RSS, 1 | RSS, -9},
     {3, 4, -9},
     {0, 1, -9},
     0},
    {"RSS and a file: the file goes to him who has no other",
     2,
     {0, 0, -9},
     {0 | RSS, 0 | RSS, ANY, -9},
     {1, 2, -9},
     {0, 1, 0, -9},
     0},
};

static uint32_t length(const int *list)
{
	uint32_t n = 0;

	while (list[n] != -9)
		n++;
	return n;
}

static void check(const struct example *example)
{
	uint32_t lcore_count = length(example->lcore_nodes), queue_count = length(example->queues);
	struct mt_place_lcore lcores[PLACES];
	struct mt_place_queue queues[PLACES];
	uint32_t spread = 0;
	int crossings = 0;

	for (uint32_t i = 0; i < lcore_count; i++)
		lcores[i] = (struct mt_place_lcore){i + 1, example->lcore_nodes[i]};
	for (uint32_t i = 0; i < queue_count; i++) {
		bool has_rss = example->queues[i] != ANY && (example->queues[i] & RSS) != 0;

		queues[i].node = has_rss ? example->queues[i] & ~RSS : example->queues[i];
		queues[i].fixed = has_rss ? spread++ : MT_PLACE_FREE;
	}
	mt_place_workers(lcores, lcore_count, example->workers, queues, queue_count);
	mt_place_queues(queues, queue_count, lcores, example->workers);
	for (uint32_t w = 0; w < example->workers; w++)
		if ((int)lcores[w].lcore != example->lcores[w])
			fail_msg("%s: worker %u on lcore %u", example->name, w, lcores[w].lcore);
	for (uint32_t i = 0; i < queue_count; i++) {
		if ((int)queues[i].worker != example->polled_by[i])
			fail_msg("%s: queue %u by worker %u", example->name, i, queues[i].worker);
		crossings += mt_place_crosses(&queues[i], lcores);
	}
	if (crossings != example->crossings)
		fail_msg("%s: %d crossings", example->name, crossings);
	/* No lcore is lost or taken twice. */
	uint32_t seen = 0;
	for (uint32_t i = 0; i < lcore_count; i++)
		seen |= 1u << lcores[i].lcore;
	assert_int_equal(seen, (1u << (lcore_count + 1)) - 2);
}

static void every_machine_gets_its_plan(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(examples); i++)
		check(&examples[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_machine_gets_its_plan)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
