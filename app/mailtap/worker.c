/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "bypass.h"
#include "fragments.h"
#include "worker_priv.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "fault.h"

#define ROUND_NS      (250 * MT_NS_PER_MS) /* a sweep of the flow table takes so long, if polls are frequent */
#define SILENCE_NS    MT_NS_PER_SECOND
#define DRY_POLLS_MAX 10000 /* a file that gives nothing so often, though packets are due, is at its end */

static void set_state(struct mt_worker *worker, enum mt_worker_state state)
{
	atomic_store_explicit(&worker->state, state, memory_order_release);
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
	clock_gettime(CLOCK_MONOTONIC, &now); /* as in mt_worker_anchor_clock() */
	mt_counters_publish(worker->block, worker->cells,
			    (uint64_t)now.tv_sec * MT_NS_PER_SECOND + (uint64_t)now.tv_nsec);
	worker->published_tsc = tsc;
	atomic_store_explicit(&worker->beat_tsc, tsc, memory_order_relaxed);
	mt_fragments_expire(worker->fragments, worker->clock_ns);
	if (worker->unseen != NULL)
		hear_of_unseen(worker);
	mt_worker_anchor_clock(worker);
	mt_worker_advance_horizon(worker);
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
		mt_worker_rest(worker, worker->idle_polls);
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
		packets += mt_worker_receive(worker, worker->queues[i]);
	packets += mt_worker_serve_inbox(worker);
	mt_worker_forward_late(worker);
	if (packets == 0 && worker->is_wall_clock)
		advance_clock(worker, mt_worker_wall_clock(worker));
	mt_worker_sweep(worker, packets);
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

	mt_worker_anchor_clock(worker);
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
		account_poll(worker, mt_worker_serve_inbox(worker));
		mt_worker_forward_late(worker);
	}
	for (unsigned n; (n = mt_worker_serve_inbox(worker)) > 0 || mt_worker_forward_late(worker) > 0;)
		account_poll(worker, n);
	mt_fragments_expire(worker->fragments, UINT64_MAX);
	set_state(worker, MT_WORKER_GATHERED);
	while (phase_of(run) == MT_PHASE_GATHER)
		account_poll(worker, mt_worker_serve_inbox(worker));
	for (unsigned n; (n = mt_worker_serve_inbox(worker)) > 0;)
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
		mt_worker_wait(worker, times);
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
	worker->scratch = mmap(NULL, (size_t)MT_BURST * MT_FRAME_MAX, PROT_READ | PROT_WRITE,
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
		munmap(worker->scratch, (size_t)MT_BURST * MT_FRAME_MAX);
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
