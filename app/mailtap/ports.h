/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * EAL and the ports: where packets come from. Not here: who polls which queue (worker.h).
 * Called by main before the workers start and after they have ended.
 */
#ifndef MT_PORTS_H
#define MT_PORTS_H

#include "base.h"
#include "capture.h"
#include "flow.h"
#include "kernel.h"
#include "options.h"
#include "placement.h"
#include "plan.h"
#include "rss.h"

struct rte_mempool;

#define MT_PORTS_MAX	    32
#define MT_PORTS_QUEUES_MAX 256

/** A receive queue. */
struct mt_queue {
	uint16_t port;	/* DPDK's number */
	uint16_t queue; /* of the port */
};

/** One device; its place in struct mt_ports is the number that users see. */
struct mt_port {
	uint16_t id; /* DPDK's number */
	uint16_t queues;
	int node; /* NUMA's; MT_NODE_ANY where the device has no place of its own */
	enum mt_rss rss;
	bool is_scattering;	  /* frames longer than a buffer come in several */
	bool has_stamps;	  /* packets bring their time, in microseconds since the epoch */
	struct mt_kernel *kernel; /* NULL where the kernel has no part in it */
};

struct mt_ports {
	struct rte_mempool *pool[MT_PORTS_MAX]; /* of each node that has a device, NULL behind the last */
	int pool_node[MT_PORTS_MAX];
	struct mt_port port[MT_PORTS_MAX];
	uint16_t count;
	uint16_t started;     /* of them, from the first on */
	uint16_t queue_count; /* in queue */
	struct mt_queue queue[MT_PORTS_QUEUES_MAX];
	uint32_t buckets; /* by which devices spread packets, see mt_flow_owners_init(); 0 where none does */
	uint64_t nap_ns;  /* that a worker may sleep without loss, when nothing comes; 0: it must poll on */
	int stamp_offset; /* of the time stamp in an mbuf */
	uint64_t stamp_flag; /* set in ol_flags where a time stamp is there: net_pcap's, in microseconds */
};

/**
 * Start EAL. Without EAL options a replay or a live run on a kernel interface gets what lets it run as
 * an ordinary user, beside others, without huge pages, its threads floating over the allowed CPUs.
 * argc, argv  the EAL options, without the program's name; none where argc is 0
 * capture     NULL where the run is live
 * error       a sentence, where the result is not 0
 */
int mt_ports_start_eal(const struct mt_settings *settings, const struct mt_capture *capture,
		       const struct mt_plan *plan, int argc, char **argv, char *error, size_t error_size);

/** Receive queues that mt_ports_open() will make of the ports that are there, as far as can be told. */
uint32_t mt_ports_count_queues(uint32_t workers);

/**
 * Configure and start every port. No port at all is an error. Receive offloads of the kernel's that join
 * packets are switched off until _close() where keep_offloads is false. Result  0 or -errno with a sentence
 * that names the port; close in every case
 */
int mt_ports_open(struct mt_ports *ret, const struct mt_plan *plan, bool keep_offloads, char *error,
		  size_t error_size);

/** One port in a line, without its end: driver, queues, RSS, MTU and so on. */
void mt_ports_describe(const struct mt_port *port, char *ret, size_t size);
/** A line for each port, of what it is and how it was set up, to standard error. */
void mt_ports_print(const struct mt_ports *ports);
void mt_ports_close(struct mt_ports *ports);

#endif
