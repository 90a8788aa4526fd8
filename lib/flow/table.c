/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * Open addressing with linear probing. A flow stands at its home, fingerprint & mask, or behind it with
 * no free place between. Removal keeps that true by moving flows back, so that there are no tombstones
 * and a look-up's cost depends on the flows that are there, not on those that were.
 */
#include "flow.h"

#include <assert.h>

/*
 * Places for each three flows. At a load of 3/4 a look-up that finds passes 2.5 places on average, one
 * that does not 8.5 (Knuth, volume 3, 6.4); at 9/10 it would be 5.5 and 50.
 */
#define PLACES_PER_THREE_FLOWS 4

static uint32_t capacity_for(uint32_t flows)
{
	uint64_t wanted = ((uint64_t)flows * PLACES_PER_THREE_FLOWS + 2) / 3;
	uint64_t capacity = 2;

	while (capacity < wanted)
		capacity *= 2;
	return (uint32_t)capacity;
}

/* Whole cache lines: what follows in the caller's memory begins on one. */
static size_t taken_bytes(uint32_t flows)
{
	return ((size_t)capacity_for(flows) / 8 + MT_CACHE_LINE) / MT_CACHE_LINE * MT_CACHE_LINE;
}

size_t mt_flow_table_bytes(uint32_t flows)
{
	assert(flows <= MT_FLOW_FLOWS_MAX);
	return (size_t)capacity_for(flows) * sizeof(struct mt_flow) + taken_bytes(flows);
}

void mt_flow_table_init(struct mt_flow_table *table, void *memory, uint32_t flows)
{
	assert((uintptr_t)memory % MT_CACHE_LINE == 0 && flows <= MT_FLOW_FLOWS_MAX);
	*table = (struct mt_flow_table){.slots = memory, .mask = capacity_for(flows) - 1, .limit = flows};
	table->taken = (uint64_t *)(table->slots + capacity_for(flows));
}

static inline void mark(struct mt_flow_table *table, uint32_t place, bool is_taken)
{
	uint64_t bit = 1ull << place % 64;

	table->taken[place / 64] =
	    is_taken ? table->taken[place / 64] | bit : table->taken[place / 64] & ~bit;
}

struct mt_flow *mt_flow_insert(struct mt_flow_table *table, uint64_t fingerprint)
{
	struct mt_flow *flow;

	if (table->used >= table->limit)
		return NULL;
	assert(fingerprint != 0);
	flow = mt_flow_probe(table, fingerprint);
	assert(flow->fingerprint == 0);
	flow->fingerprint = fingerprint;
	mark(table, (uint32_t)(flow - table->slots), true);
	table->used++;
	return flow;
}

void mt_flow_remove(struct mt_flow_table *table, struct mt_flow *flow)
{
	uint32_t hole = (uint32_t)(flow - table->slots);
	uint32_t place = hole;

	for (;;) {
		place = (place + 1) & table->mask;
		const struct mt_flow *next = &table->slots[place];
		if (next->fingerprint == 0)
			break;
		/* It may move into the hole if that is no further back than its home; all modulo the size. */
		uint32_t from_home = (place - (uint32_t)next->fingerprint) & table->mask;
		uint32_t from_hole = (place - hole) & table->mask;
		if (from_home >= from_hole) {
			table->slots[hole] = *next;
			hole = place;
		}
	}
	table->slots[hole] = (struct mt_flow){0};
	mark(table, hole, false);
	table->used--;
}

/* How many places from here on hold no flow, as far as one word tells. */
static inline uint32_t free_run(const struct mt_flow_table *table, uint32_t place)
{
	uint64_t word = table->taken[place / 64] >> place % 64;
	uint32_t in_word = table->mask < 63 ? table->mask + 1 - place : 64 - place % 64;

	return word != 0 ? (uint32_t)__builtin_ctzll(word) : in_word;
}

bool mt_flow_sweep(struct mt_flow_table *table, uint32_t places, mt_flow_visit *visit, void *context)
{
	bool has_passed_end = false;

	while (places > 0) {
		uint32_t run = free_run(table, table->sweep), passed = run < places ? run : places;

		if (passed == 0) {
			struct mt_flow *flow = &table->slots[table->sweep];

			while (flow->fingerprint != 0 && visit(context, flow))
				mt_flow_remove(table, flow);
			passed = 1;
		}
		places -= passed;
		table->sweep = (table->sweep + passed) & table->mask;
		has_passed_end |= table->sweep == 0;
	}
	return has_passed_end;
}
