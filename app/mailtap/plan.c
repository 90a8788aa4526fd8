/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "plan.h"

#include "fragments.h"
#include "mail.h"

#define FRAGMENTED                                                                                           \
	1024 /* datagrams being put together, of all workers: fragments follow each other closely */

#define LIVE_FLOWS	 (1u << 20)
#define LIVE_DIALOGUES	 (1u << 17) /* of the flows; a dialogue lasts a second, a flow may last an hour */
#define LIVE_REASSEMBLY	 (256u << 20)
#define LIVE_INBOX	 4096
#define LIVE_REPORTS	 1024
#define LIVE_DESCRIPTORS 1024 /* of a receive queue, see ports.c */
#define LIVE_PARKED_EACH 512  /* bytes of a parked record, on average (a goal of the design) */

#define REPLAY_FLOWS	   (1u << 24)
#define REPLAY_DIALOGUES   (1u << 18)
#define REPLAY_REASSEMBLY  (1u << 30)
#define REPLAY_INBOX	   512
#define REPLAY_INBOX_LEAST 64 /* where frames are large, each of them many mbufs */
#define REPLAY_REPORTS	   256

/*
 * Without huge pages a mempool lets no object cross a page of 4 KiB: an mbuf (2 KiB of room, 128 of headroom,
 * 128 of its own, the mempool's header) takes one alone, and so does a report.
 */
#define OBJECT_BYTES 4096
mt_static_assert(sizeof(struct mt_report) + 192 <= OBJECT_BYTES, "a report and the mempool's header");
#define HEAP_SPARE (12u << 20) /* EAL's own, the devices, rounding */

static uint64_t at_most(uint64_t value, uint64_t bound)
{
	return value < bound ? value : bound;
}

static uint64_t at_least(uint64_t value, uint64_t bound)
{
	return value > bound ? value : bound;
}

static uint32_t share(uint64_t total, uint32_t workers)
{
	return (uint32_t)((total + workers - 1) / workers);
}

/*
 * A packet opens at most one flow, so a replay that has a place for each packet refuses none. Each worker
 * has all of it: how connections fall to workers must not decide what is lost. Untouched memory costs
 * nothing.
 */
static void size_replay(struct mt_plan *plan, const struct mt_capture *capture)
{
	uint32_t chain = capture->frame_bytes / MT_DATA_ROOM + 1;

	plan->flows = (uint32_t)at_least(at_most(capture->packets, REPLAY_FLOWS), 64);
	plan->dialogues = (uint32_t)at_most(plan->flows, REPLAY_DIALOGUES);
	plan->reassembly_bytes = at_most(2 * capture->file_bytes + (1u << 20), REPLAY_REASSEMBLY);
	plan->parked_bytes = SIZE_MAX;
	plan->reports = REPLAY_REPORTS;
	plan->inbox = REPLAY_INBOX;
	while (plan->inbox > REPLAY_INBOX_LEAST && plan->inbox * chain > REPLAY_INBOX)
		plan->inbox /= 2;
	plan->mbuf_cache = 64;
	/* One burst being read; with several workers also what waits in each inbox, and what each works on.
	 */
	plan->mbufs =
	    chain * (2 * MT_BURST + (plan->workers > 1 ? plan->workers * (plan->inbox + MT_BURST) : 0));
}

static void size_live(struct mt_plan *plan, uint32_t queues)
{
	plan->flows = share(LIVE_FLOWS, plan->workers);
	plan->dialogues = share(LIVE_DIALOGUES, plan->workers);
	plan->reassembly_bytes = LIVE_REASSEMBLY / plan->workers;
	plan->inbox = LIVE_INBOX;
	plan->reports = LIVE_REPORTS;
	plan->mbuf_cache = 256;
	/* Every descriptor holds one; then as above. */
	plan->mbufs = queues * LIVE_DESCRIPTORS + plan->workers * 2 * MT_BURST +
		      (plan->workers > 1 ? plan->workers * plan->inbox : 0);
}

/* What a worker holds back until the rest of a datagram comes: in a replay no more than there is. */
static uint32_t fragment_mbufs(const struct mt_plan *plan, const struct mt_capture *capture)
{
	uint64_t held = (uint64_t)plan->fragments * plan->workers * MT_FRAGMENTS_EACH;

	if (capture == NULL)
		return (uint32_t)held;
	return (uint32_t)at_most(held, capture->packets) * (capture->frame_bytes / MT_DATA_ROOM + 1);
}

/*
 * The operator's own number. What waits for the rest of a datagram, or in a worker's cache, must leave some
 * to receive the next packets with: without those nothing would go on.
 */
static void divide_mbufs(struct mt_plan *plan, uint32_t mbufs)
{
	plan->mbufs = mbufs;
	plan->mbuf_cache = (uint32_t)at_most(plan->mbuf_cache, mbufs / 6 / (plan->workers + 1));
	plan->fragments =
	    (uint32_t)at_least(at_most(plan->fragments, mbufs / 4 / MT_FRAGMENTS_EACH / plan->workers), 1);
}

void mt_plan_make(struct mt_plan *ret, const struct mt_settings *settings, const struct mt_capture *capture,
		  uint32_t workers, uint32_t queues)
{
	struct mt_plan plan = {.workers = workers};

	if (capture != NULL)
		size_replay(&plan, capture);
	else
		size_live(&plan, queues);
	plan.fragments = share(FRAGMENTED, workers);
	plan.mbufs += fragment_mbufs(&plan, capture);
	if (settings->flows != 0) {
		plan.flows = capture != NULL ? (uint32_t)settings->flows : share(settings->flows, workers);
		plan.dialogues = (uint32_t)at_most(plan.dialogues, plan.flows);
	}
	if (settings->reassembly_bytes != 0)
		plan.reassembly_bytes = settings->reassembly_bytes / (capture != NULL ? 1 : workers);
	if (capture == NULL)
		plan.parked_bytes = at_least((uint64_t)plan.flows * workers * LIVE_PARKED_EACH, 64u << 20);
	/* A worker's cache may hold half as much again as its size before it gives some back. */
	plan.mbufs += 2 * plan.mbuf_cache * (workers + 1);
	if (settings->mbufs != 0)
		divide_mbufs(&plan, (uint32_t)settings->mbufs);
	plan.heap_bytes = (size_t)plan.mbufs * OBJECT_BYTES +
			  workers * (plan.reports * OBJECT_BYTES + plan.inbox * sizeof(void *)) + HEAP_SPARE;
	*ret = plan;
}
