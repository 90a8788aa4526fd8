/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * A worker: polls its queues, hands over what is not its own, feeds its engine, reports to the control
 * thread. It shares nothing but rings and a few words whose order is written down here.
 *
 * The run goes through phases that the control thread sets and every worker acknowledges by its state, so
 * that nobody hands over to a worker that has ended, and nothing in flight is forgotten.
 */
#ifndef MT_WORKER_H
#define MT_WORKER_H

#include <stdalign.h>
#include <stdatomic.h>

#include "base.h"
#include "capture.h"
#include "counters.h"
#include "patterns.h"
#include "plan.h"
#include "ports.h"
#include "session.h"

struct mt_fragments;
struct rte_mbuf;
struct rte_mempool;
struct rte_ring;

enum mt_phase {
	MT_PHASE_RECEIVE, /* poll, hand over, analyse */
	MT_PHASE_DRAIN,	  /* receive no more; others may still hand over what they received */
	MT_PHASE_GATHER,  /* nobody does: what was put together of fragments is handed over for the last time
			   */
	MT_PHASE_FINISH,  /* nobody hands over any more: empty the inbox, end every session */
};

enum mt_worker_state {
	MT_WORKER_RECEIVING,
	MT_WORKER_EXHAUSTED, /* its part of the capture has come; still serves its inbox */
	MT_WORKER_STOPPED,   /* receives no more */
	MT_WORKER_GATHERED,  /* hands over no more */
	MT_WORKER_FINISHED,  /* its last report is in the ring */
};

struct mt_worker;

/** What all threads of the process share. */
struct mt_run {
	/* Constant after start. Read by all. */
	const struct mt_plan *plan;
	const struct mt_ports *ports;
	const struct mt_capture *capture; /* NULL where the run is live */
	const struct mt_counters_layout *layout;
	const struct mt_session_shared *shared;
	struct mt_patterns *patterns; /* has an order of its own */
	struct mt_flow_owners owners;
	struct mt_flow_secret secret;
	uint64_t timeout_ns;
	enum mt_packet_link link; /* what frames begin with */
	bool vlan_in_key;
	bool is_lossless;	    /* a replay: waits where it would lose */
	bool has_bypass;	    /* devices are to drop what is decided and encrypted */
	struct mt_worker **workers; /* plan->workers of them */

	/* Written by the control thread, rarely. Release; the workers' loads acquire. */
	alignas(MT_CACHE_LINE) atomic_uint phase; /* enum mt_phase */
	atomic_uint rounds_wanted;  /* of the flow table, each at once; only a replay is asked for any */
	_Atomic uint64_t finish_ns; /* before MT_PHASE_FINISH: the time at which sessions are ended */
};

struct mt_outbox; /* packets on their way to one other worker */

struct mt_worker {
	/* Constant after start. Read by the loop; inbox, reports and blocks by others too. */
	alignas(MT_CACHE_LINE) struct mt_run *run;
	struct mt_engine *engine;
	uint64_t *cells;		 /* written by the loop, read by the control thread at the end */
	struct mt_counters_block *block; /* where they are published; NULL for nowhere */
	struct rte_ring *inbox;		 /* mbufs from other workers */
	struct rte_ring *reports;	 /* blocks to the control thread, each a struct mt_report */
	struct rte_mempool *blocks;	 /* taken by the worker, given back by the control thread */
	struct rte_ring *unseen;	 /* fingerprints of what devices drop; NULL without has_bypass */
	struct mt_outbox *outboxes;	 /* by worker */
	struct mt_fragments *fragments;
	struct rte_ring *late; /* a replay's datagrams, put together here, whose owner's inbox was full */
	struct mt_identify_filter *filter;
	uint8_t *scratch; /* where chained frames are put together, one place for each packet of a burst */
	struct mt_queue queues[MT_PORTS_QUEUES_MAX];
	uint32_t queue_count;
	uint32_t index;
	double ns_per_cycle;
	double places_per_cycle; /* of the flow table, that the sweep is to look at */

	/* Written each burst, by the loop. */
	alignas(MT_CACHE_LINE) uint64_t clock_ns; /* latest time seen; never goes back */
	uint64_t received;			  /* packets taken from devices */
	uint64_t received_bytes;
	uint64_t horizon_ns;	/* all that is older and its own has been analysed */
	uint64_t round_ns;	/* horizon_ns when the sweep's present round began */
	uint64_t poll_tsc;	/* end of the poll before */
	uint64_t swept_tsc;	/* ... after which the table was swept last */
	uint64_t silent_cycles; /* since the last packet */
	uint32_t idle_polls;	/* in a row */
	bool has_scratch;	/* the burst under way has used scratch places */
	bool is_wall_clock;	/* packets without time stamps were seen: the clock goes on when idle */
	bool is_finishing;	/* no report may be lost now */

	/* Written sometimes, by the loop. */
	alignas(MT_CACHE_LINE) uint64_t first_tsc; /* of its first poll */
	uint64_t last_tsc;			   /* when its inbox was empty for the last time */
	uint64_t anchor_tsc;			   /* a moment by the TSC ... */
	uint64_t anchor_ns;			   /* ... and by CLOCK_REALTIME */
	uint64_t published_tsc;

	/* Written by the loop, read by the control thread. Release after cells and reports. */
	alignas(MT_CACHE_LINE) atomic_uint state; /* enum mt_worker_state */
	_Atomic uint64_t stopped_ns;		  /* clock_ns when it stopped to receive */
	_Atomic uint64_t mark_ns;  /* reports that follow are of sessions that were over then, or later */
	atomic_uint rounds_done;   /* of run->rounds_wanted; after mark_ns */
	_Atomic uint64_t beat_tsc; /* when it last showed that it polls; relaxed */

	/* Written by the loop, read by every worker's. Release after packets were handed over. */
	_Atomic uint64_t received_ns;  /* it receives nothing older any more; UINT64_MAX: nothing at all */
	_Atomic uint64_t forwarded_ns; /* nor hands over anything older that came to it in fragments */

	struct rte_mbuf *wholes[MT_BURST]; /* datagrams that the burst under way completed */
	uint32_t whole_count;
	struct mt_engine_packet packets[MT_BURST]; /* of the burst under way */
	uint32_t scratch_bytes[MT_BURST];	   /* of the scratch places, used by that burst */
};

/**
 * block   kept; NULL where counters are not published
 * Result  0 or -errno with a sentence
 * Owner   main, before the worker runs
 */
int mt_worker_create(struct mt_worker **ret, struct mt_run *run, uint32_t index,
		     struct mt_counters_block *block, char *error, size_t error_size);
void mt_worker_destroy(struct mt_worker *worker); /* NULL is legal */

/** Poll this queue too. Before the worker runs. */
void mt_worker_add_queue(struct mt_worker *worker, struct mt_queue queue);

/** The worker's life, from the first poll to its last report. Takes a struct mt_worker; returns 0. */
int mt_worker_run(void *worker);

#endif
