/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "bypass.h"
#include "fragments.h"
#include "worker.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_mempool.h>
#include <rte_pause.h>
#include <rte_prefetch.h>
#include <rte_ring.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "fault.h"

#define FRAME_MAX                                                                                            \
	(65536 + 256) /* of a chained frame that is put together: IP's longest, and link headers             \
		       */
#define ROUND_NS	  (250 * MT_NS_PER_MS) /* a sweep of the flow table takes so long, if polls are frequent */
#define SWEEP_PLACES_MIN  8		       /* of the table, at a time: what one look brings closer */
#define SWEEP_PLACES_MAX  32		       /* ... so that a large table does not hold up a poll, ... */
#define SWEEP_PLACES_IDLE 8192		       /* ... which nobody waits for where nothing came */
#define FILTER_PERIOD_NS  (600 * MT_NS_PER_SECOND) /* a server that greeted is remembered for one to two */
#define SILENCE_NS	  MT_NS_PER_SECOND
#define DRY_POLLS_MAX	  10000 /* a file that gives nothing so often, though packets are due, is at its end */
#define PAUSE_POLLS	  64	/* idle polls before the CPU is yielded, ... */
#define YIELD_POLLS	  512	/* ... and before the thread sleeps */

struct mt_outbox {
	struct rte_mbuf *mbufs[MT_BURST];
	uint32_t count;
};

static void count_verdict(struct mt_worker *worker, enum mt_verdict verdict)
{
	worker->cells[MT_CELL1(PACKETS, verdict)]++;
}

static enum mt_phase phase_of(const struct mt_run *run)
{
	return atomic_load_explicit(&run->phase, memory_order_acquire);
}

static void set_state(struct mt_worker *worker, enum mt_worker_state state)
{
	atomic_store_explicit(&worker->state, state, memory_order_release);
}

/* ---- Time ---- */

static void anchor_clock(struct mt_worker *worker)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now); /* no system call: the kernel's shared page */
	worker->anchor_tsc = rte_rdtsc();
	worker->anchor_ns = (uint64_t)now.tv_sec * MT_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static uint64_t wall_clock(const struct mt_worker *worker)
{
	return worker->anchor_ns +
	       (uint64_t)((double)(rte_rdtsc() - worker->anchor_tsc) * worker->ns_per_cycle);
}

static void advance_clock(struct mt_worker *worker, uint64_t ns)
{
	if (ns > worker->clock_ns)
		worker->clock_ns = ns;
}

/*
 * The time at which flows are aged. A capture's time stamps may go back; ageing stays as far behind as
 * they ever do, so that no flow ends before its next packet has come.
 */
static uint64_t ageing_clock(const struct mt_worker *worker)
{
	uint64_t behind = worker->run->capture != NULL ? worker->run->capture->backstep_ns : 0;

	return worker->clock_ns > behind ? worker->clock_ns - behind : 0;
}

/* An mbuf's time in nanoseconds, once the receiving worker has put it there. */
static uint64_t *stamp_of(const struct mt_worker *worker, struct rte_mbuf *mbuf)
{
	return RTE_MBUF_DYNFIELD(mbuf, worker->run->ports->stamp_offset, uint64_t *);
}

static void stamp(struct mt_worker *worker, struct rte_mbuf *mbuf, uint64_t burst_ns)
{
	uint64_t *field = stamp_of(worker, mbuf);

	if (mbuf->ol_flags & worker->run->ports->stamp_flag) {
		*field = mt_capture_ns(*field);
	} else {
		*field = burst_ns;
		worker->is_wall_clock = true;
	}
	advance_clock(worker, *field);
}

/* Nothing to do, so many times in a row: leave the CPU to others, as long as the ports allow. */
static void rest(const struct mt_worker *worker, uint32_t times)
{
	const struct timespec nap = {.tv_nsec = (long)worker->run->ports->nap_ns};

	if (nap.tv_nsec == 0 || times < PAUSE_POLLS)
		rte_pause();
	else if (times < YIELD_POLLS)
		sched_yield();
	else
		nanosleep(&nap, NULL);
}

/* Others have to move before this worker can go on: time that is not spent on packets. */
static void wait_for_others(struct mt_worker *worker, uint32_t times)
{
	uint64_t begin = rte_rdtsc(), waited;

	rest(worker, times);
	waited = rte_rdtsc() - begin;
	worker->cells[MT_CELL1(CYCLES, MT_POLL_IDLE)] += waited;
	worker->poll_tsc += waited;
}

/* ---- The engine's side ---- */

/* A frame in one piece; one that is a chain is put together in the scratch place of its number. */
static struct mt_span frame_of(struct mt_worker *worker, struct rte_mbuf *mbuf, unsigned place)
{
	uint32_t len = mbuf->pkt_len;

	if (mt_likely(mbuf->nb_segs == 1))
		return mt_span(rte_pktmbuf_mtod(mbuf, const uint8_t *), len);
	len = len < FRAME_MAX ? len : FRAME_MAX;
	if (len > worker->scratch_bytes[place])
		worker->scratch_bytes[place] = len;
	worker->has_scratch = true;
	return mt_span(rte_pktmbuf_read(mbuf, 0, len, worker->scratch + (size_t)place * FRAME_MAX), len);
}

static enum mt_verdict decode(struct mt_worker *worker, struct rte_mbuf *mbuf, unsigned place)
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
		mt_wipe(worker->scratch + (size_t)i * FRAME_MAX, worker->scratch_bytes[i]);
		worker->scratch_bytes[i] = 0;
	}
	worker->has_scratch = false;
}

/* Feed the engine the packets that are its own. */
static void analyse(struct mt_worker *worker, unsigned count)
{
	mt_engine_burst(worker->engine, worker->packets, count);
	if (mt_unlikely(worker->has_scratch))
		wipe_scratch(worker);
}

/* Decode and first look. Result  MT_VERDICT_DIALOGUE where the packet goes on. */
static __attribute__((noinline)) enum mt_verdict judge(struct mt_worker *worker, struct rte_mbuf *mbuf,
						       unsigned place)
{
	enum mt_verdict verdict = decode(worker, mbuf, place);

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
	return judge(worker, mbuf, (unsigned)(packet - worker->packets));
}

/* ---- Fragments ---- */

static uint32_t owner_of(const struct mt_worker *worker, const struct mt_packet *packet)
{
	struct mt_flow_key key;

	if (worker->run->plan->workers == 1)
		return 0;
	mt_flow_key_make(&key, packet, worker->run->vlan_in_key);
	return mt_flow_owner(&worker->run->owners, &key);
}

/* A fragment of this worker's, decoded at its place. Transferred. */
static void put_together(struct mt_worker *worker, struct rte_mbuf *mbuf, unsigned place)
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
static unsigned forward_late(struct mt_worker *worker)
{
	void *mbuf;

	for (unsigned n = rte_ring_count(worker->late); n > 0; n--)
		if (rte_ring_sc_dequeue(worker->late, &mbuf) == 0)
			forward(worker, ((struct rte_mbuf *)mbuf)->hash.usr, mbuf);
	return rte_ring_count(worker->late);
}

/* The datagrams that the burst completed. The burst itself is done with: its places are free. */
static void analyse_wholes(struct mt_worker *worker)
{
	struct rte_mbuf *done[MT_BURST];
	unsigned own = 0, done_count = 0;

	for (unsigned i = 0; i < worker->whole_count; i++) {
		struct rte_mbuf *mbuf = worker->wholes[i];
		enum mt_verdict verdict = judge(worker, mbuf, own);
		uint32_t owner;

		worker->packets[own].time_ns = *stamp_of(worker, mbuf);

		if (verdict == MT_VERDICT_FRAGMENT) {
			put_together(worker, mbuf, own); /* nested: counted and gone */
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
	analyse(worker, own);
	rte_pktmbuf_free_bulk(done, done_count);
}

/* Take a burst from the inbox. Its packets have passed the first look; they are decoded anew. */
static unsigned serve_inbox(struct mt_worker *worker)
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
		enum mt_verdict verdict = decode(worker, mbufs[i], own);

		worker->packets[own].time_ns = *stamp_of(worker, mbufs[i]);
		worker->is_wall_clock |= (mbufs[i]->ol_flags & worker->run->ports->stamp_flag) == 0;
		advance_clock(worker, *stamp_of(worker, mbufs[i]));
		if (verdict == MT_VERDICT_FRAGMENT) {
			put_together(worker, mbufs[i], own);
			continue;
		}
		if (verdict == MT_VERDICT_DIALOGUE)
			own++;
		else
			count_verdict(worker, verdict);
		done[done_count++] = mbufs[i];
	}
	analyse(worker, own);
	rte_pktmbuf_free_bulk(done, done_count);
	analyse_wholes(worker);
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
		if (serve_inbox(worker) == 0)
			wait_for_others(worker, times++);
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

static void send_outboxes(struct mt_worker *worker)
{
	const struct mt_run *run = worker->run;

	for (uint32_t i = 0; i < run->plan->workers; i++)
		if (worker->outboxes[i].count > 0)
			send_outbox(worker, run->workers[i], &worker->outboxes[i]);
}

/* ---- Receiving ---- */

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

/** What was received at once. */
mt_static_assert(MT_BURST <= 64, "a burst's packets have a bit each");
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
	burst->time_ns = wall_clock(worker);
	if (burst->has_stamps) {
		for (unsigned i = 0; i < burst->count; i++)
			stamp(worker, burst->mbufs[i], burst->time_ns);
	} else {
		worker->is_wall_clock = true;
		advance_clock(worker, burst->time_ns);
	}
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
		put_together(worker, mbuf, (unsigned)(packet - worker->packets));
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
static unsigned receive(struct mt_worker *worker, struct mt_queue queue)
{
	struct burst burst;
	unsigned n = rte_eth_rx_burst(queue.port, queue.queue, burst.mbufs, due(worker));

	if (n == 0)
		return 0;
	burst.count = n;
	take_in(worker, &burst);
	tell_time(worker, &burst);
	analyse(worker, sort_out(worker, &burst));
	free_burst(&burst);
	analyse_wholes(worker);
	send_outboxes(worker);
	worker->received += n;
	return n;
}

/* ---- What lies behind ---- */

/* The earliest of a time that every worker publishes. Acquire: what it handed over before is in the inbox. */
static uint64_t earliest(const struct mt_run *run, size_t member)
{
	uint64_t earliest_ns = UINT64_MAX;

	for (uint32_t w = 0; w < run->plan->workers; w++) {
		uint64_t ns = atomic_load_explicit((_Atomic uint64_t *)((char *)run->workers[w] + member),
						   memory_order_acquire);

		earliest_ns = ns < earliest_ns ? ns : earliest_ns;
	}
	return earliest_ns;
}

/*
 * Empty the inbox of what stood in it when this began. Live the time is too short for one that is more than a
 * burst deep.
 * Result  true where all of it was served
 */
static bool catch_up(struct mt_worker *worker)
{
	bool is_lossless = worker->run->is_lossless;
	uint32_t served = 0;
	unsigned n;

	do {
		n = serve_inbox(worker);
		served += n;
	} while (n == MT_BURST && served < worker->run->plan->inbox && is_lossless);
	return n < MT_BURST || is_lossless;
}

/*
 * What all others have received and handed over, and what stood in the inbox by then, is behind this worker
 * too, whether or not any of it was its own: the worker that gets few packets holds nobody up. Twice so,
 * since a packet may travel twice: its fragments to the worker that puts them together, the datagram to its
 * owner.
 */
static void advance_horizon(struct mt_worker *worker)
{
	uint64_t received_ns, forwarded_ns;

	if (worker->queue_count > 0)
		atomic_store_explicit(&worker->received_ns, ageing_clock(worker), memory_order_release);
	received_ns = earliest(worker->run, offsetof(struct mt_worker, received_ns));
	forwarded_ns = earliest(worker->run, offsetof(struct mt_worker, forwarded_ns));
	if (!catch_up(worker) || received_ns == UINT64_MAX)
		return;
	worker->horizon_ns = forwarded_ns;
	if (rte_ring_count(worker->late) == 0)
		atomic_store_explicit(&worker->forwarded_ns, received_ns, memory_order_release);
}

/* Every session that was over before the round's beginning has been reported at its end, but those that were
 * reset just then. */
static void finish_round(struct mt_worker *worker)
{
	uint64_t mark_ns = worker->round_ns > MT_SESSION_LATE_NS ? worker->round_ns - MT_SESSION_LATE_NS : 0;

	/* Release: the reports stand in the ring. */
	atomic_store_explicit(&worker->mark_ns, mark_ns, memory_order_release);
	worker->round_ns = worker->horizon_ns;
}

/*
 * How many places of the table are to be looked at now. Each is a cache line from memory: a small table is
 * not swept more often than anybody needs.
 */
static uint32_t places_due(struct mt_worker *worker, unsigned packets)
{
	uint32_t most = packets > 0 ? SWEEP_PLACES_MAX : SWEEP_PLACES_IDLE;
	double places = (double)(worker->poll_tsc - worker->swept_tsc) * worker->places_per_cycle;

	if (places < SWEEP_PLACES_MIN)
		return 0;
	worker->swept_tsc = worker->poll_tsc;
	return places < most ? (uint32_t)places : most;
}

/*
 * A replay's mark comes from whole rounds alone, at the control thread's wish: between the parts of a round a
 * flow may move from a place in front of the sweep to one behind it, and be reported late. Live that is a
 * record behind its place, once in a very long while.
 */
static void sweep(struct mt_worker *worker, unsigned packets)
{
	unsigned wanted = atomic_load_explicit(&worker->run->rounds_wanted, memory_order_relaxed);
	bool is_wanted = wanted != atomic_load_explicit(&worker->rounds_done, memory_order_relaxed);
	uint32_t places = is_wanted ? MT_ENGINE_WHOLE : places_due(worker, packets);
	uint64_t now_ns;
	bool is_round;

	if (places == 0)
		return;
	if (mt_unlikely(is_wanted)) {
		advance_horizon(worker);
		worker->round_ns = worker->horizon_ns;
	}
	now_ns = ageing_clock(worker);
	now_ns = now_ns > worker->horizon_ns ? now_ns : worker->horizon_ns;
	is_round = mt_engine_sweep(worker->engine, places, now_ns);
	if (is_wanted || (is_round && !worker->run->is_lossless))
		finish_round(worker);
	if (is_wanted)
		atomic_store_explicit(&worker->rounds_done, wanted, memory_order_release);
}

/* ---- The loop ---- */

/* What devices drop lives. A word is as wide as a pointer. */
static void hear_of_unseen(struct mt_worker *worker)
{
	void *words[MT_BURST];
	unsigned n = rte_ring_sc_dequeue_burst(worker->unseen, words, MT_BURST, NULL);

	for (unsigned i = 0; i < n; i++)
		mt_engine_note_unseen(worker->engine, (uintptr_t)words[i], worker->clock_ns);
}

/* About once a millisecond: what is not worth a look at every poll. */
static void publish(struct mt_worker *worker, uint64_t tsc)
{
	struct timespec now;

	worker->cells[MT_CELL0(RECEIVED)] = worker->received;
	worker->cells[MT_CELL0(RECEIVED_BYTES)] = worker->received_bytes;
	clock_gettime(CLOCK_MONOTONIC, &now); /* as in anchor_clock() */
	mt_counters_publish(worker->block, worker->cells,
			    (uint64_t)now.tv_sec * MT_NS_PER_SECOND + (uint64_t)now.tv_nsec);
	worker->published_tsc = tsc;
	atomic_store_explicit(&worker->beat_tsc, tsc, memory_order_relaxed);
	mt_fragments_expire(worker->fragments, worker->clock_ns);
	if (worker->unseen != NULL)
		hear_of_unseen(worker);
	anchor_clock(worker);
	advance_horizon(worker);
}

/*
 * Where packets bring their time, live, it stands still on a port that has fallen silent: what waits for time
 * to pass would wait for ever. A short silence is none: the other direction may be on its way.
 */
static void pass_time(struct mt_worker *worker, uint64_t cycles)
{
	worker->silent_cycles += cycles;
	if (!worker->is_wall_clock && worker->run->capture == NULL && worker->clock_ns > 0 &&
	    (double)worker->silent_cycles * worker->ns_per_cycle > SILENCE_NS)
		worker->clock_ns += (uint64_t)((double)cycles * worker->ns_per_cycle);
}

/* What follows every poll: where the cycles went, and what others may see. */
static void account_poll(struct mt_worker *worker, unsigned packets)
{
	enum mt_poll poll = packets > 0 ? MT_POLL_BUSY : MT_POLL_IDLE;
	uint64_t tsc;

	worker->idle_polls = packets > 0 ? 0 : worker->idle_polls + 1;
	if (packets == 0)
		rest(worker, worker->idle_polls);
	tsc = rte_rdtsc();
	worker->cells[MT_CELL1(CYCLES, poll)] += tsc - worker->poll_tsc;
	if (packets == 0)
		pass_time(worker, tsc - worker->poll_tsc);
	else
		worker->silent_cycles = 0;
	worker->poll_tsc = tsc;
	if ((double)(tsc - worker->published_tsc) * worker->ns_per_cycle >= MT_NS_PER_MS)
		publish(worker, tsc);
}

static unsigned poll_once(struct mt_worker *worker)
{
	unsigned packets = 0;

	for (uint32_t i = 0; i < worker->queue_count; i++)
		packets += receive(worker, worker->queues[i]);
	packets += serve_inbox(worker);
	forward_late(worker);
	if (packets == 0 && worker->is_wall_clock)
		advance_clock(worker, wall_clock(worker));
	sweep(worker, packets);
	return packets;
}

/* net_pcap never says that it is at the end of the file: count, and do not wait for what does not come. */
static bool is_exhausted(const struct mt_worker *worker)
{
	return worker->run->capture != NULL &&
	       (worker->queue_count == 0 || worker->received >= worker->run->capture->packets ||
		worker->idle_polls > DRY_POLLS_MAX);
}

int mt_worker_run(void *context)
{
	struct mt_worker *worker = context;
	struct mt_run *run = worker->run;

	anchor_clock(worker);
	if (worker->queue_count == 0)
		atomic_store_explicit(&worker->received_ns, UINT64_MAX, memory_order_release);
	worker->first_tsc = worker->poll_tsc = worker->published_tsc = worker->swept_tsc = rte_rdtsc();
	mt_patterns_enter(run->patterns, worker->index);
	while (phase_of(run) == MT_PHASE_RECEIVE) {
		mt_patterns_renew(run->patterns, worker->index, worker->engine);
		account_poll(worker, poll_once(worker));
		if (is_exhausted(worker))
			set_state(worker, MT_WORKER_EXHAUSTED);
	}
	atomic_store_explicit(&worker->stopped_ns, worker->clock_ns, memory_order_relaxed);
	set_state(worker, MT_WORKER_STOPPED);
	while (phase_of(run) == MT_PHASE_DRAIN) {
		account_poll(worker, serve_inbox(worker));
		forward_late(worker);
	}
	for (unsigned n; (n = serve_inbox(worker)) > 0 || forward_late(worker) > 0;)
		account_poll(worker, n);
	mt_fragments_expire(worker->fragments, UINT64_MAX);
	set_state(worker, MT_WORKER_GATHERED);
	while (phase_of(run) == MT_PHASE_GATHER)
		account_poll(worker, serve_inbox(worker));
	for (unsigned n; (n = serve_inbox(worker)) > 0;)
		account_poll(worker, n);
	worker->last_tsc = rte_rdtsc();
	worker->is_finishing = true;
	mt_engine_finish(worker->engine, atomic_load_explicit(&run->finish_ns, memory_order_acquire));
	mt_patterns_leave(run->patterns, worker->index);
	publish(worker, rte_rdtsc());
	set_state(worker, MT_WORKER_FINISHED);
	return 0;
}

/* ---- Making one ---- */

/* The engine's way out: a block to the control thread. */
static bool emit(void *context, const struct mt_report *report)
{
	struct mt_worker *worker = context;
	void *block;

	for (uint32_t times = 0; mt_fault(MT_FAULT_REPORT) || rte_mempool_get(worker->blocks, &block) != 0;
	     times++) {
		if (!worker->run->is_lossless && !worker->is_finishing)
			return false;
		wait_for_others(worker, times);
	}
	memcpy(block, report, mt_report_bytes(report));
	rte_ring_sp_enqueue(worker->reports, block); /* has a place for every block */
	return true;
}

static int create_engine(struct mt_worker *worker)
{
	const struct mt_run *run = worker->run;
	struct mt_engine_config config = {
	    .shared = run->shared,
	    .banners = mt_patterns_banners(run->patterns),
	    .secret = run->secret,
	    .cells = worker->cells,
	    .emit = emit,
	    .emit_context = worker,
	    .flows = run->plan->flows,
	    .dialogues = run->plan->dialogues,
	    .reassembly_bytes = run->plan->reassembly_bytes,
	    .timeout_ns = run->timeout_ns,
	    .vlan_in_key = run->vlan_in_key,
	};

	return mt_engine_create(&worker->engine, &config);
}

static bool create_rings(struct mt_worker *worker)
{
	const struct mt_plan *plan = worker->run->plan;
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "inbox%u", worker->index);
	worker->inbox = rte_ring_create(name, plan->inbox, SOCKET_ID_ANY, RING_F_SC_DEQ | RING_F_EXACT_SZ);
	snprintf(name, sizeof(name), "reports%u", worker->index);
	worker->reports = rte_ring_create(name, plan->reports, SOCKET_ID_ANY,
					  RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	snprintf(name, sizeof(name), "late%u", worker->index);
	worker->late = rte_ring_create(name, worker->run->is_lossless ? plan->mbufs : 1, SOCKET_ID_ANY,
				       RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	snprintf(name, sizeof(name), "blocks%u", worker->index);
	worker->blocks =
	    rte_mempool_create(name, plan->reports, sizeof(struct mt_report), 0, 0, NULL, NULL, NULL, NULL,
			       SOCKET_ID_ANY, RTE_MEMPOOL_F_SP_PUT | RTE_MEMPOOL_F_SC_GET);
	snprintf(name, sizeof(name), "unseen%u", worker->index);
	if (worker->run->has_bypass)
		worker->unseen = rte_ring_create(name, MT_BYPASS_MAX, SOCKET_ID_ANY,
						 RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	return (worker->unseen != NULL || !worker->run->has_bypass) && worker->inbox != NULL &&
	       worker->late != NULL && worker->reports != NULL && worker->blocks != NULL;
}

static bool create_memory(struct mt_worker *worker)
{
	worker->cells = mt_counters_cells_create(worker->run->layout);
	worker->outboxes = calloc(worker->run->plan->workers, sizeof(*worker->outboxes));
	worker->filter = calloc(1, sizeof(*worker->filter));
	/* Resident only where a chained frame was put together. */
	worker->scratch = mmap(NULL, (size_t)MT_BURST * FRAME_MAX, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (worker->scratch == MAP_FAILED)
		worker->scratch = NULL;
	return worker->cells != NULL && worker->outboxes != NULL && worker->filter != NULL &&
	       worker->scratch != NULL;
}

int mt_worker_create(struct mt_worker **ret, struct mt_run *run, uint32_t index,
		     struct mt_counters_block *block, char *error, size_t error_size)
{
	struct mt_worker *worker = aligned_alloc(alignof(struct mt_worker), sizeof(*worker));
	int rc;

	if (worker == NULL) {
		snprintf(error, error_size, "no memory for worker %u", index);
		return -ENOMEM;
	}
	memset(worker, 0, sizeof(*worker));
	worker->run = run;
	worker->index = index;
	worker->block = block;
	worker->ns_per_cycle = (double)MT_NS_PER_SECOND / (double)rte_get_tsc_hz();
	worker->places_per_cycle = run->plan->flows * worker->ns_per_cycle / ROUND_NS;
	rc = create_memory(worker) && create_rings(worker) ? create_engine(worker) : -ENOMEM;
	if (rc == 0)
		rc = mt_fragments_create(&worker->fragments, run->plan->fragments, &run->secret,
					 worker->cells);
	if (rc != 0) {
		snprintf(error, error_size, "worker %u: %s", index, strerror(-rc));
		mt_worker_destroy(worker);
		return rc;
	}
	*ret = worker;
	return 0;
}

void mt_worker_destroy(struct mt_worker *worker)
{
	if (worker == NULL)
		return;
	mt_fragments_destroy(worker->fragments);
	mt_engine_destroy(worker->engine);
	rte_mempool_free(worker->blocks);
	rte_ring_free(worker->reports);
	rte_ring_free(worker->unseen);
	rte_ring_free(worker->late);
	rte_ring_free(worker->inbox);
	if (worker->scratch != NULL)
		munmap(worker->scratch, (size_t)MT_BURST * FRAME_MAX);
	free(worker->filter);
	free(worker->outboxes);
	free(worker->cells);
	free(worker);
}

void mt_worker_add_queue(struct mt_worker *worker, struct mt_queue queue)
{
	if (worker->queue_count < MT_ARRAY_LEN(worker->queues))
		worker->queues[worker->queue_count++] = queue;
}
