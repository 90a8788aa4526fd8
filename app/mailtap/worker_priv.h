/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What the files of a worker share. In the order of a packet's way: receive.c (bursts from the ports), look.c
 * (a packet read, and the engine fed), handover.c (what is another worker's, and what is put together of
 * fragments), ageing.c (what is behind all of them), clock.c (which time it is), worker.c (the loop, and its
 * making).
 */
#ifndef MT_WORKER_PRIV_H
#define MT_WORKER_PRIV_H

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include "worker.h"

/* Of a chained frame that is put together: IP's longest, and link headers. */
#define MT_FRAME_MAX (65536 + 256)

struct mt_outbox {
	struct rte_mbuf *mbufs[MT_BURST];
	uint32_t count;
};

static inline void count_verdict(struct mt_worker *worker, enum mt_verdict verdict)
{
	worker->cells[MT_CELL1(PACKETS, verdict)]++;
}

static inline enum mt_phase phase_of(const struct mt_run *run)
{
	return atomic_load_explicit(&run->phase, memory_order_acquire);
}

static inline void advance_clock(struct mt_worker *worker, uint64_t ns)
{
	if (ns > worker->clock_ns)
		worker->clock_ns = ns;
}

/*
 * The time at which flows are aged. A capture's time stamps may go back; ageing stays as far behind as
 * they ever do, so that no flow ends before its next packet has come.
 */
static inline uint64_t ageing_clock(const struct mt_worker *worker)
{
	uint64_t behind = worker->run->capture != NULL ? worker->run->capture->backstep_ns : 0;

	return worker->clock_ns > behind ? worker->clock_ns - behind : 0;
}

/* An mbuf's time in nanoseconds, once the receiving worker has put it there. */
static inline uint64_t *stamp_of(const struct mt_worker *worker, struct rte_mbuf *mbuf)
{
	return RTE_MBUF_DYNFIELD(mbuf, worker->run->ports->stamp_offset, uint64_t *);
}

static inline uint32_t owner_of(const struct mt_worker *worker, const struct mt_packet *packet)
{
	struct mt_flow_key key;

	if (worker->run->plan->workers == 1)
		return 0;
	mt_flow_key_make(&key, packet, worker->run->vlan_in_key);
	return mt_flow_owner(&worker->run->owners, &key);
}

/* clock.c: which time it is, and how to spend it where there is nothing to do. */
void mt_worker_anchor_clock(struct mt_worker *worker);
uint64_t mt_worker_wall_clock(const struct mt_worker *worker);
void mt_worker_stamp(struct mt_worker *worker, struct rte_mbuf *mbuf, uint64_t burst_ns);
void mt_worker_rest(const struct mt_worker *worker, uint32_t times);
void mt_worker_wait(struct mt_worker *worker, uint32_t times);

/* look.c: worker->packets[place] is filled from the mbuf; the first so many of them are given to the engine.
 */
enum mt_verdict mt_worker_decode(struct mt_worker *worker, struct rte_mbuf *mbuf, unsigned place);
enum mt_verdict mt_worker_judge(struct mt_worker *worker, struct rte_mbuf *mbuf, unsigned place);
void mt_worker_analyse(struct mt_worker *worker, unsigned count);

/* receive.c: a burst from a queue. */
unsigned mt_worker_receive(struct mt_worker *worker, struct mt_queue queue);

/* handover.c: from one worker to another, and the pieces of a datagram to one place. */
void mt_worker_put_together(struct mt_worker *worker, struct rte_mbuf *mbuf, unsigned place);
void mt_worker_analyse_wholes(struct mt_worker *worker);
void mt_worker_send_outboxes(struct mt_worker *worker);
unsigned mt_worker_serve_inbox(struct mt_worker *worker);
unsigned mt_worker_forward_late(struct mt_worker *worker);

/* ageing.c: up to when all is known, and what has been silent for too long by then. */
void mt_worker_advance_horizon(struct mt_worker *worker);
void mt_worker_sweep(struct mt_worker *worker, unsigned packets);

#endif
