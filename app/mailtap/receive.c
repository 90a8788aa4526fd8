/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "worker_priv.h"

#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_prefetch.h>

/*
 * How many packets may be asked for. Of a capture no more than libpcap could read: behind the damage of a
 * damaged file net_pcap goes on with rubbish.
 */
static uint16_t due(const struct mt_worker *worker)
{
	uint64_t left =
	    worker->run->capture != NULL ? worker->run->capture->packets - worker->received : MT_BURST;

	return (uint16_t)(left < MT_BURST ? left : MT_BURST);
}

mt_static_assert(MT_BURST <= 64, "a burst's packets have a bit each");

/** What was received at once. */
struct burst {
	struct rte_mbuf *mbufs[MT_BURST];
	struct mt_span frames[MT_BURST]; /* for the glance: empty where it would see nothing */
	uint32_t count;
	struct rte_mempool *pool; /* of the first mbuf */
	bool is_simple;		  /* every mbuf is a whole frame of that pool, held by nobody else */
	bool has_stamps;	  /* the device says when each came */
	uint64_t time_ns;	  /* when they came, where it does not */
};

/* What the mbufs alone tell. A frame in pieces, or of another link than Ethernet, shows nothing at a glance.
 */
static void take_in(struct mt_worker *worker, struct burst *burst)
{
	const struct rte_mempool *pool = burst->pool = burst->mbufs[0]->pool;
	bool is_ethernet = worker->run->link == MT_PACKET_LINK_ETHERNET;
	uint64_t flags = 0, bytes = 0;
	uint32_t odd = 0, count = burst->count;

	for (unsigned i = 0; i < count; i++) {
		const struct rte_mbuf *mbuf = burst->mbufs[i];
		uint32_t pieces = mbuf->nb_segs, holders = rte_mbuf_refcnt_read(mbuf);

		burst->frames[i] = mt_span(rte_pktmbuf_mtod(mbuf, const uint8_t *),
					   is_ethernet && pieces == 1 ? mbuf->data_len : 0);
		rte_prefetch0(burst->frames[i].data);
		bytes += mbuf->pkt_len;
		flags |= mbuf->ol_flags;
		odd |= (pieces ^ 1) | (holders ^ 1) | (mbuf->pool != pool);
	}
	worker->received_bytes += bytes;
	burst->is_simple = odd == 0 && (flags & (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)) == 0;
	burst->has_stamps = (flags & worker->run->ports->stamp_flag) != 0;
}

/* The burst's time, and that of each packet where it has its own. */
static void tell_time(struct mt_worker *worker, struct burst *burst)
{
	burst->time_ns = mt_worker_wall_clock(worker);
	if (burst->has_stamps) {
		for (unsigned i = 0; i < burst->count; i++)
			mt_worker_stamp(worker, burst->mbufs[i], burst->time_ns);
	} else {
		worker->is_wall_clock = true;
		advance_clock(worker, burst->time_ns);
	}
}

/* The same where the frame is plain to see, and without decoding what a glance is enough for. */
static inline enum mt_verdict judge_quickly(struct mt_worker *worker, struct rte_mbuf *mbuf,
					    struct mt_span frame, struct mt_engine_packet *packet)
{
	struct mt_packet_usual usual;

	if (mt_likely(mt_packet_is_usual(frame, &usual))) {
		enum mt_verdict verdict =
		    mt_identify_glance(worker->filter, &worker->run->shared->ports, &usual);

		if (verdict == MT_VERDICT_NOT_TCP || verdict == MT_VERDICT_NOT_MAIL)
			return verdict;
		if (verdict == MT_VERDICT_DIALOGUE &&
		    mt_likely(mt_packet_fill(&packet->packet, frame, &usual)))
			return verdict;
	}
	return mt_worker_judge(worker, mbuf, (unsigned)(packet - worker->packets));
}

/*
 * What goes on is not always the worker's own to analyse: another one's goes to the outbox, a part is put
 * together with others.
 * Result  true where the mbuf is somebody else's now
 */
static __attribute__((noinline)) bool give(struct mt_worker *worker, struct rte_mbuf *mbuf,
					   enum mt_verdict verdict, const struct mt_engine_packet *packet)
{
	/* A fragment's owner goes by addresses alone: of its ports only the first one knows. */
	uint32_t owner = owner_of(worker, &packet->packet);

	*stamp_of(worker, mbuf) = packet->time_ns;
	if (owner != worker->index) {
		struct mt_outbox *outbox = &worker->outboxes[owner];

		outbox->mbufs[outbox->count++] = mbuf;
		return true;
	}
	if (verdict == MT_VERDICT_FRAGMENT)
		mt_worker_put_together(worker, mbuf, (unsigned)(packet - worker->packets));
	return verdict == MT_VERDICT_FRAGMENT;
}

/* Move together those mbufs of a burst that are still its own. */
static void close_gaps(struct burst *burst, uint64_t given)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < burst->count; i++)
		if (!(given >> i & 1))
			burst->mbufs[kept++] = burst->mbufs[i];
	burst->count = kept;
}

/* Result  packets that the engine is to see. */
static unsigned sort_out(struct mt_worker *worker, struct burst *burst)
{
	bool is_alone = worker->run->plan->workers == 1;
	uint32_t count = burst->count, not_tcp = 0, not_mail = 0;
	struct mt_engine_packet *packet = worker->packets;
	uint64_t given = 0;

	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *mbuf = burst->mbufs[i];
		enum mt_verdict verdict = judge_quickly(worker, mbuf, burst->frames[i], packet);

		/* Counted in registers: a count in memory waits for the one before. */
		if (verdict == MT_VERDICT_NOT_TCP) {
			not_tcp++;
			continue;
		}
		if (verdict == MT_VERDICT_NOT_MAIL) {
			not_mail++;
			continue;
		}
		if (mt_unlikely(verdict != MT_VERDICT_DIALOGUE && verdict != MT_VERDICT_FRAGMENT)) {
			count_verdict(worker, verdict);
			continue;
		}
		packet->time_ns = burst->has_stamps ? *stamp_of(worker, mbuf) : burst->time_ns;
		if ((is_alone && verdict == MT_VERDICT_DIALOGUE) || !give(worker, mbuf, verdict, packet))
			packet++;
		else
			given |= 1ull << i;
	}
	worker->cells[MT_CELL1(PACKETS, MT_VERDICT_NOT_TCP)] += not_tcp;
	worker->cells[MT_CELL1(PACKETS, MT_VERDICT_NOT_MAIL)] += not_mail;
	if (given != 0)
		close_gaps(burst, given);
	return (unsigned)(packet - worker->packets);
}

/* As the library's own way, without reading each mbuf once more: take_in() has. */
static void free_burst(struct burst *burst)
{
	if (mt_likely(burst->is_simple))
		rte_mempool_put_bulk(burst->pool, (void **)burst->mbufs, burst->count);
	else
		rte_pktmbuf_free_bulk(burst->mbufs, burst->count);
}

/* Result  packets that the queue gave. */
unsigned mt_worker_receive(struct mt_worker *worker, struct mt_queue queue)
{
	struct burst burst;
	unsigned n = rte_eth_rx_burst(queue.port, queue.queue, burst.mbufs, due(worker));

	if (n == 0)
		return 0;
	burst.count = n;
	take_in(worker, &burst);
	tell_time(worker, &burst);
	mt_worker_analyse(worker, sort_out(worker, &burst));
	free_burst(&burst);
	mt_worker_analyse_wholes(worker);
	mt_worker_send_outboxes(worker);
	worker->received += n;
	return n;
}
