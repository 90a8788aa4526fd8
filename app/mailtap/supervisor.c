/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "supervisor.h"

#include <inttypes.h>
#include <rte_cycles.h>
#include <systemd/sd-daemon.h>
#include <time.h>

void mt_supervisor_begin(struct mt_supervisor *supervisor)
{
	uint64_t watchdog_us = 0;

	*supervisor = (struct mt_supervisor){0};
	/* A quarter: that one word is late must not matter. Half: a stuck worker is found within the whole.
	 */
	if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
		supervisor->period_cycles = (uint64_t)((double)watchdog_us / 4e6 * (double)rte_get_tsc_hz());
		supervisor->patience_cycles = 2 * supervisor->period_cycles;
	}
	sd_notify(0, "READY=1");
}

static bool do_all_poll(const struct mt_run *run, uint64_t now_tsc, uint64_t patience_cycles)
{
	for (uint32_t w = 0; w < run->plan->workers; w++) {
		uint64_t beat_tsc = atomic_load_explicit(&run->workers[w]->beat_tsc, memory_order_relaxed);

		if (now_tsc > beat_tsc && now_tsc - beat_tsc > patience_cycles)
			return false;
	}
	return true;
}

void mt_supervisor_watch(struct mt_supervisor *supervisor, const struct mt_run *run)
{
	uint64_t now_tsc = rte_rdtsc();

	if (supervisor->period_cycles == 0 || now_tsc - supervisor->said_tsc < supervisor->period_cycles ||
	    !do_all_poll(run, now_tsc, supervisor->patience_cycles))
		return;
	supervisor->said_tsc = now_tsc;
	sd_notify(0, "WATCHDOG=1");
}

void mt_supervisor_end(void)
{
	sd_notify(0, "STOPPING=1");
}

void mt_supervisor_reload(bool is_done)
{
	struct timespec now;

	if (is_done) {
		sd_notify(0, "READY=1");
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		   (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}
