/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "faulty.h"

#ifdef MT_FAULTS

#include <errno.h>
#include <rte_mempool.h>

#define ORDINARY "ring_mp_mc"

static struct rte_mempool_ops ordinary; /* set before a pool is made, then constant */

static int dequeue(struct rte_mempool *pool, void **objects, unsigned count)
{
	return mt_fault(MT_FAULT_BUFFER) ? -ENOBUFS : ordinary.dequeue(pool, objects, count);
}

const char *mt_faulty_ops(void)
{
	struct rte_mempool_ops ops;

	if (!mt_fault_is_set(MT_FAULT_BUFFER))
		return NULL;
	for (unsigned i = 0; ordinary.dequeue == NULL && i < rte_mempool_ops_table.num_ops; i++)
		if (strcmp(rte_mempool_ops_table.ops[i].name, ORDINARY) == 0)
			ordinary = ops = rte_mempool_ops_table.ops[i];
	if (ordinary.dequeue == NULL)
		return NULL;
	ops = ordinary;
	snprintf(ops.name, sizeof(ops.name), "mailtap_faulty");
	ops.dequeue = dequeue;
	rte_mempool_register_ops(&ops); /* again is refused, and needless */
	return "mailtap_faulty";
}

#endif
