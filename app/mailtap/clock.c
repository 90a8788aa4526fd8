/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "worker_priv.h"

#include <rte_cycles.h>
#include <rte_pause.h>
#include <sched.h>
#include <time.h>

#define PAUSE_POLLS 64	/* idle polls before the CPU is yielded, ... */
#define YIELD_POLLS 512 /* ... and before the thread sleeps */

void mt_worker_anchor_clock(struct mt_worker *worker)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now); /* no system call: the kernel's shared page */
	worker->anchor_tsc = rte_rdtsc();
	worker->anchor_ns = (uint64_t)now.tv_sec * MT_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t mt_worker_wall_clock(const struct mt_worker *worker)
{
	return worker->anchor_ns +
	       (uint64_t)((double)(rte_rdtsc() - worker->anchor_tsc) * worker->ns_per_cycle);
}

void mt_worker_stamp(struct mt_worker *worker, struct rte_mbuf *mbuf, uint64_t burst_ns)
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
void mt_worker_rest(const struct mt_worker *worker, uint32_t times)
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
void mt_worker_wait(struct mt_worker *worker, uint32_t times)
{
	uint64_t begin = rte_rdtsc(), waited;

	mt_worker_rest(worker, times);
	waited = rte_rdtsc() - begin;
	worker->cells[MT_CELL1(CYCLES, MT_POLL_IDLE)] += waited;
	worker->poll_tsc += waited;
}
