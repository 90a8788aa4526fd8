/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "worker_priv.h"

#include <rte_ring.h>

#define SWEEP_PLACES_MIN  8    /* of the table, at a time: what one look brings closer */
#define SWEEP_PLACES_MAX  32   /* ... so that a large table does not hold up a poll, ... */
#define SWEEP_PLACES_IDLE 8192 /* ... which nobody waits for where nothing came */

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
		n = mt_worker_serve_inbox(worker);
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
void mt_worker_advance_horizon(struct mt_worker *worker)
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
void mt_worker_sweep(struct mt_worker *worker, unsigned packets)
{
	unsigned wanted = atomic_load_explicit(&worker->run->rounds_wanted, memory_order_relaxed);
	bool is_wanted = wanted != atomic_load_explicit(&worker->rounds_done, memory_order_relaxed);
	uint32_t places = is_wanted ? MT_ENGINE_WHOLE : places_due(worker, packets);
	uint64_t now_ns;
	bool is_round;

	if (places == 0)
		return;
	if (mt_unlikely(is_wanted)) {
		mt_worker_advance_horizon(worker);
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
