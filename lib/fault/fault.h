/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Faults on demand: where something may be refused, ask whether it is to be, so that a test sees what becomes
 * of it. Only where MT_FAULTS is defined (debug builds, and one program of the tests); elsewhere the question
 * is a constant and costs nothing.
 */
#ifndef MT_FAULT_H
#define MT_FAULT_H

#include "base.h"

/** What may be refused, and the loss that names it. */
enum mt_fault {
	MT_FAULT_BUFFER,     /* to a device, for a packet: rx_nombuf */
	MT_FAULT_FLOW,	     /* a place in the table of connections: table_full */
	MT_FAULT_DIALOGUE,   /* to a connection, what it takes to read it: sessions_full */
	MT_FAULT_REASSEMBLY, /* room for a segment that has to wait: reassembly_full */
	MT_FAULT_INBOX,	     /* to packets, their way to their owner: handoff_full */
	MT_FAULT_REPORT,     /* to a session, its way to the control thread: record_ring_full */
	MT_FAULT_RECORD,     /* by the disk, to records: record_sink */
	MT_FAULT_COUNT
};

#ifdef MT_FAULTS
/** Result  true for each so-manieth question about one thing, where that was asked for */
bool mt_fault(enum mt_fault fault);
/** True where a fault of this kind was asked for. */
bool mt_fault_is_set(enum mt_fault fault);
#else
static inline bool mt_fault(enum mt_fault fault)
{
	(void)fault;
	return false;
}
#endif

/**
 * Ask for faults, before anything runs.
 * text    NAME or NAME=N: every time, or every Nth
 * error   a sentence, where the result is not 0
 * Result  0, or -EINVAL: no such thing, or a program without faults
 */
int mt_fault_set(const char *text, char *error, size_t error_size);

#endif
