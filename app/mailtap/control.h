/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The control thread: takes the workers' reports, reads certificates, joins what was parked with its end,
 * judges each session by what its server offered before, writes records, watches the devices, and leads the
 * run to its end. It sleeps between; nothing waits for it but a worker of a replay whose ring is full.
 */
#ifndef MT_CONTROL_H
#define MT_CONTROL_H

#include "base.h"
#include "bypass.h"
#include "certificate.h"
#include "parked.h"
#include "record.h"
#include "servers_file.h"
#include "supervisor.h"
#include "worker.h"

struct mt_control {
	struct mt_run *run;
	struct mt_record_sink *sink;
	struct mt_servers_file *memory; /* of what servers offered */
	struct mt_parked *parked;
	struct mt_certificates *certificates;
	struct mt_certificate_parts *parts; /* by worker */
	uint64_t *cells;		    /* the control thread's own counters */
	struct mt_counters_block *block;    /* where they are published; NULL for nowhere */
	struct mt_bypass *bypass;	    /* set before _run, and not ours; NULL: no device drops for us */
	uint64_t duration_ns;		    /* 0: no end */
	uint64_t next_flow_id;		    /* of the next record; the first has 1 */
	struct mt_record_queue *queue;	    /* finished sessions that wait for their place in order */
	uint64_t *marks;		    /* by worker: all its sessions that were over before are here */
	size_t enough;	     /* sessions in the queue at which a replay's workers are asked for a round */
	bool is_asking;	     /* ... and have been */
	uint64_t latest_ns;  /* over_ns of the latest session in the queue, ever */
	uint64_t old_ns;     /* latest_ns a tick ago: what is older has waited long enough */
	uint64_t tick_tsc;   /* when that was */
	uint64_t written_ns; /* over_ns of the latest session written */
	uint64_t stats_tsc;  /* when the devices were last asked */
	uint64_t shown_tsc;  /* when the counters were last published */
	struct mt_supervisor supervisor;
	bool is_interrupted; /* a signal ended the run */
};

/** Result  0 or -ENOMEM. sink, memory and block are kept, and stay the caller's; block may be NULL. */
int mt_control_init(struct mt_control *control, struct mt_run *run, struct mt_record_sink *sink,
		    struct mt_servers_file *memory, struct mt_counters_block *block, uint64_t duration_ns);
void mt_control_fini(struct mt_control *control);

/** Signals end or reopen from here on. */
void mt_control_catch_signals(void);

/** Lead the run of workers that were started to its end: every session is written when it returns. */
void mt_control_run(struct mt_control *control);

#endif
