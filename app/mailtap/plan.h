/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * How large everything is: settings and the capture's numbers become sizes, before anything is allocated.
 * A replay is sized so that nothing can run out; a live run has bounds that hold whatever the traffic does.
 */
#ifndef MT_PLAN_H
#define MT_PLAN_H

#include "base.h"
#include "capture.h"
#include "options.h"

#define MT_BURST     32	  /* packets of one poll; a bench has not yet chosen it */
#define MT_DATA_ROOM 2048 /* bytes of a frame that one mbuf takes; longer frames are chains */

struct mt_plan {
	uint32_t workers;
	uint32_t fragments;  /* datagrams that a worker puts together at a time, at most */
	uint32_t inbox;	     /* packets that wait for a worker, at most */
	uint32_t reports;    /* reports of a worker that wait for the control thread, at most */
	uint32_t mbufs;	     /* in the pool of each NUMA node that has a port */
	uint32_t mbuf_cache; /* mbufs that a worker keeps at hand */
	uint32_t flows;	     /* a worker's, as are the next two */
	uint32_t dialogues;
	size_t reassembly_bytes;
	size_t parked_bytes; /* of decided sessions, with the control thread */
	size_t heap_bytes;   /* what EAL must have where it has no huge pages */
};

/**
 * capture  NULL where the run is live
 * queues   receive queues in all, as far as they are known
 */
void mt_plan_make(struct mt_plan *ret, const struct mt_settings *settings, const struct mt_capture *capture,
		  uint32_t workers, uint32_t queues);

#endif
