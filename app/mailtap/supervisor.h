/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What a service manager is told (sd_notify(3)): that the run has begun, that it ends, and, again and again,
 * that every worker polls. Without a service manager nothing is said. Called by the control thread.
 */
#ifndef MT_SUPERVISOR_H
#define MT_SUPERVISOR_H

#include "worker.h"

struct mt_supervisor {
	uint64_t period_cycles;	  /* between two signs of life; 0: nobody waits for any */
	uint64_t patience_cycles; /* that a worker may go without one */
	uint64_t said_tsc;
};

/** Workers run: say so, and ask how often signs of life are wanted ($WATCHDOG_USEC). */
void mt_supervisor_begin(struct mt_supervisor *supervisor);
/** Say that all is well, if it is time to, and if every worker has given a sign of its own. */
void mt_supervisor_watch(struct mt_supervisor *supervisor, const struct mt_run *run);
/** The run ends: sessions are being written. */
void mt_supervisor_end(void);
/** Around a reload, so that the manager knows when it is done. */
void mt_supervisor_reload(bool is_done);

#endif
