/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "fragments.h"
#include "worker_priv.h"

#include <rte_prefetch.h>
#include <rte_ring.h>

#include "fault.h"

/* ---- Fragments ---- */

/* A fragment of this worker's, decoded at its place. Transferred. */
void mt_worker_put_together(struct mt_worker *worker, struct rte_mbuf *mbuf, unsigned place)
{
	uint64_t time_ns = *stamp_of(worker, mbuf);
	struct rte_mbuf *whole;

	if (mt_fragments_is_whole(worker->fragments, mbuf)) {
		worker->cells[MT_CELL1(LOST, MT_LOSS_FRAGMENT_NESTED)]++;
		count_verdict(worker, MT_VERDICT_FRAGMENT);
		rte_pktmbuf_free(mbuf);
		return;
	}
	whole = mt_fragments_take(worker->fragments, mbuf, &worker->packets[place].packet, worker->clock_ns);
	if (whole == NULL) {
		count_verdict(worker, MT_VERDICT_FRAGMENT);
		return;
	}
	/* The first fragment's mbuf leads, but the datagram was there only when the last had come. */
	*stamp_of(worker, whole) = time_ns;
	worker->wholes[worker->whole_count++] = whole;
}

/* A datagram goes to the worker that its ports, now known, say. In a replay it waits for a place. */
static void forward(struct mt_worker *worker, uint32_t owner, struct rte_mbuf *mbuf)
{
	if (!mt_fault(MT_FAULT_INBOX) && rte_ring_mp_enqueue(worker->run->workers[owner]->inbox, mbuf) == 0) {
		worker->cells[MT_CELL0(HANDED_OVER)]++;
	} else if (worker->run->is_lossless) {
		mbuf->hash.usr = owner;
		rte_ring_sp_enqueue(worker->late, mbuf); /* has a place for every mbuf */
	} else {
		worker->cells[MT_CELL1(LOST, MT_LOSS_HANDOFF_FULL)]++;
		count_verdict(worker, MT_VERDICT_LOST);
		rte_pktmbuf_free(mbuf);
	}
}

/* Result  how many still wait. */
unsigned mt_worker_forward_late(struct mt_worker *worker)
{
	void *mbuf;

	for (unsigned n = rte_ring_count(worker->late); n > 0; n--)
		if (rte_ring_sc_dequeue(worker->late, &mbuf) == 0)
			forward(worker, ((struct rte_mbuf *)mbuf)->hash.usr, mbuf);
	return rte_ring_count(worker->late);
}

/* The datagrams that the burst completed. The burst itself is done with: its places are free. */
void mt_worker_analyse_wholes(struct mt_worker *worker)
{
	struct rte_mbuf *done[MT_BURST];
	unsigned own = 0, done_count = 0;

	for (unsigned i = 0; i < worker->whole_count; i++) {
		struct rte_mbuf *mbuf = worker->wholes[i];
		enum mt_verdict verdict = mt_worker_judge(worker, mbuf, own);
		uint32_t owner;

		worker->packets[own].time_ns = *stamp_of(worker, mbuf);

		if (verdict == MT_VERDICT_FRAGMENT) {
			mt_worker_put_together(worker, mbuf, own); /* nested: counted and gone */
			continue;
		}
		if (verdict != MT_VERDICT_DIALOGUE) {
			count_verdict(worker, verdict);
			done[done_count++] = mbuf;
			continue;
		}
		owner = owner_of(worker, &worker->packets[own].packet);
		if (owner != worker->index) {
			forward(worker, owner, mbuf);
			continue;
		}
		own++;
		done[done_count++] = mbuf;
	}
	worker->whole_count = 0;
	mt_worker_analyse(worker, own);
	rte_pktmbuf_free_bulk(done, done_count);
}

/* Take a burst from the inbox. Its packets have passed the first look; they are decoded anew. */
unsigned mt_worker_serve_inbox(struct mt_worker *worker)
{
	struct rte_mbuf *mbufs[MT_BURST], *done[MT_BURST];
	unsigned n = rte_ring_sc_dequeue_burst(worker->inbox, (void **)mbufs, MT_BURST, NULL), own = 0,
		 done_count = 0;

	if (n == 0)
		return 0;
	worker->cells[MT_CELL0(TAKEN_OVER)] += n;
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (unsigned i = 0; i < n; i++) {
		enum mt_verdict verdict = mt_worker_decode(worker, mbufs[i], own);

		worker->packets[own].time_ns = *stamp_of(worker, mbufs[i]);
		worker->is_wall_clock |= (mbufs[i]->ol_flags & worker->run->ports->stamp_flag) == 0;
		advance_clock(worker, *stamp_of(worker, mbufs[i]));
		if (verdict == MT_VERDICT_FRAGMENT) {
			mt_worker_put_together(worker, mbufs[i], own);
			continue;
		}
		if (verdict == MT_VERDICT_DIALOGUE)
			own++;
		else
			count_verdict(worker, verdict);
		done[done_count++] = mbufs[i];
	}
	mt_worker_analyse(worker, own);
	rte_pktmbuf_free_bulk(done, done_count);
	mt_worker_analyse_wholes(worker);
	return n;
}

/* ---- Handing over ---- */

/*
 * A replay waits for a place, and serves its own inbox meanwhile: two workers that wait for each other go on.
 */
static uint32_t wait_and_send(struct mt_worker *worker, struct mt_worker *owner, struct mt_outbox *outbox,
			      uint32_t sent)
{
	uint32_t times = 0;

	while (sent < outbox->count) {
		if (mt_worker_serve_inbox(worker) == 0)
			mt_worker_wait(worker, times++);
		sent += rte_ring_mp_enqueue_burst(owner->inbox, (void **)&outbox->mbufs[sent],
						  outbox->count - sent, NULL);
	}
	return sent;
}

/* Live, a full inbox is a loss with a name. */
static void send_outbox(struct mt_worker *worker, struct mt_worker *owner, struct mt_outbox *outbox)
{
	uint32_t sent = 0;

	if (!mt_fault(MT_FAULT_INBOX))
		sent = rte_ring_mp_enqueue_burst(owner->inbox, (void **)outbox->mbufs, outbox->count, NULL);

	if (worker->run->is_lossless)
		sent = wait_and_send(worker, owner, outbox, sent);
	worker->cells[MT_CELL0(HANDED_OVER)] += sent;
	worker->cells[MT_CELL1(LOST, MT_LOSS_HANDOFF_FULL)] += outbox->count - sent;
	worker->cells[MT_CELL1(PACKETS, MT_VERDICT_LOST)] += outbox->count - sent;
	rte_pktmbuf_free_bulk(&outbox->mbufs[sent], outbox->count - sent);
	outbox->count = 0;
}

void mt_worker_send_outboxes(struct mt_worker *worker)
{
	const struct mt_run *run = worker->run;

	for (uint32_t i = 0; i < run->plan->workers; i++)
		if (worker->outboxes[i].count > 0)
			send_outbox(worker, run->workers[i], &worker->outboxes[i]);
}
