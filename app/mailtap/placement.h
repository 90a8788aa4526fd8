/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Who works where: which lcores become workers and who polls which queue, so that packets, the memory they
 * lie in and their worker are of one NUMA node as far as the lcores allow it. Arithmetic alone, without DPDK:
 * main asks it once, when lcores and ports are known.
 */
#ifndef MT_PLACEMENT_H
#define MT_PLACEMENT_H

#include "base.h"

#define MT_NODE_ANY (-1) /* of a device without a place of its own: a file, a ring, a kernel's interface */

/** An lcore that may become a worker. */
struct mt_place_lcore {
	unsigned lcore; /* DPDK's number */
	int node;
};

/** A receive queue. */
struct mt_place_queue {
	int node;	 /* of its device; or MT_NODE_ANY */
	uint32_t fixed;	 /* the worker that owns what comes there, modulo workers; or MT_PLACE_FREE */
	uint32_t worker; /* set by mt_place_queues() */
};
#define MT_PLACE_FREE UINT32_MAX

/**
 * Choose the workers' lcores: each time one of the node that has the most queues a worker, so that nodes get
 * workers as they have queues. Where that says nothing they come in their order.
 * lcores   count of them; the first workers of them are the chosen ones, in the order of the workers
 * Owner    main
 */
void mt_place_workers(struct mt_place_lcore *lcores, uint32_t count, uint32_t workers,
		      const struct mt_place_queue *queues, uint32_t queue_count);

/**
 * Give queues that are nobody's in particular to the workers that have the fewest of those, of these to one
 * of the queue's node, of these to the first: a worker of another node costs less than one that has too much
 * to do.
 */
void mt_place_queues(struct mt_place_queue *queues, uint32_t count, const struct mt_place_lcore *lcores,
		     uint32_t workers);

/** True where packets of the queue cross from one node to another. */
static inline bool mt_place_crosses(const struct mt_place_queue *queue, const struct mt_place_lcore *lcores)
{
	return queue->node != MT_NODE_ANY && queue->node != lcores[queue->worker].node;
}

#endif
