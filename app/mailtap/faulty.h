/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Packet buffers that are refused on demand (fault.h): a mempool whose every so-manieth buffer is not given.
 * Called by ports.c when it makes a pool; an ordinary build has nothing of it.
 */
#ifndef MT_FAULTY_H
#define MT_FAULTY_H

#include "fault.h"

#ifdef MT_FAULTS
/** Result  the mempool's way to keep buffers, by DPDK's name; NULL where none is to be refused */
const char *mt_faulty_ops(void);
#else
static inline const char *mt_faulty_ops(void)
{
	return NULL;
}
#endif

#endif
