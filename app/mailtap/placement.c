/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "placement.h"

static uint32_t queues_of(int node, const struct mt_place_queue *queues, uint32_t count)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < count; i++)
		found += queues[i].node == node;
	return found;
}

static uint32_t workers_of(int node, const struct mt_place_lcore *lcores, uint32_t count)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < count; i++)
		found += lcores[i].node == node;
	return found;
}

void mt_place_workers(struct mt_place_lcore *lcores, uint32_t count, uint32_t workers,
		      const struct mt_place_queue *queues, uint32_t queue_count)
{
	for (uint32_t w = 0; w < workers; w++) {
		uint32_t best = w, best_queues = 0, best_workers = 1;

		for (uint32_t i = w; i < count; i++) {
			uint32_t wanted = queues_of(lcores[i].node, queues, queue_count);
			uint32_t has = workers_of(lcores[i].node, lcores, w) + 1;

			/* wanted / has > best_queues / best_workers, in whole numbers */
			if (wanted * best_workers > best_queues * has) {
				best = i;
				best_queues = wanted;
				best_workers = has;
			}
		}
		/* Those that are passed over keep their order. */
		struct mt_place_lcore chosen = lcores[best];
		for (uint32_t i = best; i > w; i--)
			lcores[i] = lcores[i - 1];
		lcores[w] = chosen;
	}
}

static uint32_t load_of(uint32_t worker, const struct mt_place_queue *queues, uint32_t count)
{
	uint32_t load = 0;

	for (uint32_t i = 0; i < count; i++)
		load += queues[i].fixed == MT_PLACE_FREE && queues[i].worker == worker;
	return load;
}

void mt_place_queues(struct mt_place_queue *queues, uint32_t count, const struct mt_place_lcore *lcores,
		     uint32_t workers)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t best = 0, best_load = UINT32_MAX;
		bool is_near = false;

		if (queues[i].fixed != MT_PLACE_FREE) {
			queues[i].worker = queues[i].fixed % workers;
			continue;
		}
		for (uint32_t w = 0; w < workers; w++) {
			uint32_t load = load_of(w, queues, i);
			bool is_at_home = lcores[w].node == queues[i].node;

			if (load < best_load || (load == best_load && is_at_home && !is_near)) {
				best = w;
				best_load = load;
				is_near = is_at_home;
			}
		}
		queues[i].worker = best;
	}
}
