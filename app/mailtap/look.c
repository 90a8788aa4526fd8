/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "fragments.h"
#include "worker_priv.h"

#define FILTER_PERIOD_NS (600 * MT_NS_PER_SECOND) /* a server that greeted is remembered for one to two */

/* A frame in one piece; one that is a chain is put together in the scratch place of its number. */
static struct mt_span frame_of(struct mt_worker *worker, struct rte_mbuf *mbuf, unsigned place)
{
	uint32_t len = mbuf->pkt_len;

	if (mt_likely(mbuf->nb_segs == 1))
		return mt_span(rte_pktmbuf_mtod(mbuf, const uint8_t *), len);
	len = len < MT_FRAME_MAX ? len : MT_FRAME_MAX;
	if (len > worker->scratch_bytes[place])
		worker->scratch_bytes[place] = len;
	worker->has_scratch = true;
	return mt_span(rte_pktmbuf_read(mbuf, 0, len, worker->scratch + (size_t)place * MT_FRAME_MAX), len);
}

enum mt_verdict mt_worker_decode(struct mt_worker *worker, struct rte_mbuf *mbuf, unsigned place)
{
	struct mt_engine_packet *packet = &worker->packets[place];

	return mt_packet_decode(mt_fragments_is_whole(worker->fragments, mbuf) ? MT_PACKET_LINK_ETHERNET
									       : worker->run->link,
				frame_of(worker, mbuf, place), &packet->packet);
}

/* The copies may hold a password. One place more than was analysed: a packet that did not go on may have used
 * it. */
static void wipe_scratch(struct mt_worker *worker)
{
	for (unsigned i = 0; i < MT_BURST; i++) {
		mt_wipe(worker->scratch + (size_t)i * MT_FRAME_MAX, worker->scratch_bytes[i]);
		worker->scratch_bytes[i] = 0;
	}
	worker->has_scratch = false;
}

/* Feed the engine the packets that are its own. */
void mt_worker_analyse(struct mt_worker *worker, unsigned count)
{
	mt_engine_burst(worker->engine, worker->packets, count);
	if (mt_unlikely(worker->has_scratch))
		wipe_scratch(worker);
}

/* Decode and first look. Result  MT_VERDICT_DIALOGUE where the packet goes on. */
enum mt_verdict mt_worker_judge(struct mt_worker *worker, struct rte_mbuf *mbuf, unsigned place)
{
	enum mt_verdict verdict = mt_worker_decode(worker, mbuf, place);

	if (verdict != MT_VERDICT_DIALOGUE)
		return verdict;
	switch (mt_identify_first_look(worker->filter, &worker->run->shared->ports,
				       &worker->packets[place].packet, worker->clock_ns, FILTER_PERIOD_NS)) {
	case MT_IDENTIFY_DROP:
		return MT_VERDICT_NOT_MAIL;
	case MT_IDENTIFY_KNOWN:
		worker->cells[MT_CELL0(FILTER_PASSES)]++;
		return MT_VERDICT_DIALOGUE;
	default:
		return MT_VERDICT_DIALOGUE;
	}
}
