/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The control thread: takes the workers' reports, reads certificates, joins what was parked with its end,
 * writes records, watches the devices, and leads the run to its end. It sleeps between; nothing waits for
 * it but a worker of a replay whose ring is full.
 */
#ifndef MT_CONTROL_H
#define MT_CONTROL_H

#include "base.h"
#include "certificate.h"
#include "parked.h"
#include "record.h"
#include "worker.h"

/** A finished session that waits for the others, so that the order depends on no count of workers. */
struct mt_waiting {
	struct mt_report *report; /* a copy as long as it must be */
	uint64_t arrival;	  /* breaks ties: one worker's reports come in its order */
};

struct mt_control {
	struct mt_run *run;
	struct mt_record_sink *sink;
	struct mt_parked *parked;
	struct mt_certificates *certificates;
	struct mt_certificate_parts *parts;   /* by worker */
	uint64_t *cells;		      /* the control thread's own counters */
	struct mt_counters_block *block;      /* where they are published; NULL for nowhere */
	uint64_t duration_ns;		      /* 0: no end */
	uint64_t next_flow_id;		      /* of the next record; the first has 1 */
	uint64_t evidence[MT_EVIDENCE_COUNT]; /* sessions by it, for the report */
	struct mt_waiting *waiting;	      /* in a replay: sessions in order of arrival */
	size_t waiting_count, waiting_room;
	uint64_t stats_tsc;  /* when the devices were last asked */
	bool is_interrupted; /* a signal ended the run */
};

/** Result  0 or -ENOMEM. sink and block are kept, and stay the caller's; block may be NULL. */
int mt_control_init(struct mt_control *control, struct mt_run *run, struct mt_record_sink *sink,
		    struct mt_counters_block *block, uint64_t duration_ns);
void mt_control_fini(struct mt_control *control);

/** Signals end or reopen from here on. */
void mt_control_catch_signals(void);

/** Lead the run of workers that were started to its end: every session is written when it returns. */
void mt_control_run(struct mt_control *control);

#endif
