/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "ports.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define DESCRIPTORS   1024 /* of a receive queue; the driver may have its own mind */
#define EAL_ARGUMENTS 20   /* of ours, at most */

#define FAIL(rc, ...) (snprintf(error, error_size, __VA_ARGS__), (rc))

/* ---- EAL ---- */

/* The CPUs that the process may use, as `0,1,5`: threads float over them instead of all sitting on the first.
 */
static void name_cpus(char *text, size_t size)
{
	cpu_set_t set;
	size_t len = 0;

	text[0] = 0;
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		CPU_ZERO(&set);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && len + 8 < size; cpu++)
		if (CPU_ISSET(cpu, &set))
			len += (size_t)snprintf(text + len, size - len, "%s%u", len > 0 ? "," : "", cpu);
	if (len == 0)
		snprintf(text, size, "0");
}

/*
 * A file's name may hold commas, which would end it in a device argument; its descriptor's name does not,
 * and is the very file that was looked at.
 */
static const char *name_device(const struct mt_settings *settings, const struct mt_capture *capture,
			       char *text, size_t size)
{
	if (capture != NULL)
		snprintf(text, size, "net_pcap0,rx_pcap=/proc/self/fd/%d", capture->fd);
	else if (settings->interface != NULL)
		snprintf(text, size, "net_af_packet0,iface=%s", settings->interface);
	else
		return NULL;
	return text;
}

int mt_ports_start_eal(const struct mt_settings *settings, const struct mt_capture *capture,
		       const struct mt_plan *plan, int argc, char **argv, char *error, size_t error_size)
{
	static char cpus[4096], lcores[4200], heap[32], device[300]; /* EAL keeps pointers */
	char **arguments = calloc((size_t)argc + EAL_ARGUMENTS, sizeof(*arguments));
	const char *device_name = name_device(settings, capture, device, sizeof(device));
	int n = 0, rc;

	if (arguments == NULL)
		return FAIL(-ENOMEM, "no memory");
	arguments[n++] = (char *)"mailtap";
	for (int i = 0; i < argc; i++)
		arguments[n++] = argv[i];
	if (argc == 0 && device_name != NULL) {
		name_cpus(cpus, sizeof(cpus));
		snprintf(lcores, sizeof(lcores), "(0-%u)@(%s)", plan->workers, cpus);
		snprintf(heap, sizeof(heap), "%zu", (plan->heap_bytes >> 20) + 1);
		char *const own[] = {(char *)"--no-pci",
				     (char *)"--no-shconf",
				     (char *)"--no-telemetry",
				     (char *)"--no-huge",
				     (char *)"--log-level=*:error",
				     (char *)"-m",
				     heap,
				     (char *)"--lcores",
				     lcores};
		for (size_t i = 0; i < MT_ARRAY_LEN(own); i++)
			arguments[n++] = own[i];
	}
	if (device_name != NULL) {
		arguments[n++] = (char *)"--vdev";
		arguments[n++] = device;
	}
	rc = rte_eal_init(n, arguments);
	free(arguments);
	return rc < 0 ? FAIL(-rte_errno, "DPDK does not start: %s", rte_strerror(rte_errno)) : 0;
}

/* ---- Ports ---- */

/*
 * A device that spreads packets by their hash gets a queue per worker. One that cannot has as many queues
 * as it has sources (a file, a ring, a socket each), and all of them must be read.
 */
static uint16_t count_queues(const struct rte_eth_dev_info *info, uint32_t workers)
{
	uint32_t queues = info->max_rx_queues;

	if (info->flow_type_rss_offloads != 0 && queues > workers)
		queues = workers;
	return (uint16_t)(queues < MT_PORTS_QUEUES_MAX ? queues : MT_PORTS_QUEUES_MAX);
}

uint32_t mt_ports_count_queues(uint32_t workers)
{
	uint32_t total = 0;
	uint16_t port;

	RTE_ETH_FOREACH_DEV(port)
	{
		struct rte_eth_dev_info info;

		if (rte_eth_dev_info_get(port, &info) == 0)
			total += count_queues(&info, workers);
	}
	return total;
}

/* Symmetric in the two directions, and taken by every driver (Woo and Park 2012). It chooses a queue, no
 * more. */
static void set_rss(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info, uint8_t key[64])
{
	uint8_t len = info->hash_key_size != 0 ? info->hash_key_size : 40;

	if (info->flow_type_rss_offloads == 0 || len > 64)
		return;
	for (unsigned i = 0; i < len; i++)
		key[i] = i % 2 == 0 ? 0x6d : 0x5a;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
	    .rss_key = key,
	    .rss_key_len = len,
	    .rss_hf = info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP),
	};
}

static int open_queues(struct mt_ports *ports, uint16_t port, uint16_t queues)
{
	for (uint16_t queue = 0; queue < queues; queue++) {
		int rc = rte_eth_rx_queue_setup(port, queue, DESCRIPTORS,
						(unsigned)rte_eth_dev_socket_id(port), NULL, ports->pool);

		if (rc != 0)
			return rc;
		ports->queue[ports->queue_count++] = (struct mt_queue){port, queue};
	}
	return 0;
}

static int open_port(struct mt_ports *ports, uint16_t port, const struct mt_plan *plan, char *error,
		     size_t error_size)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	char name[RTE_ETH_NAME_MAX_LEN] = "?";
	uint8_t key[64];
	uint16_t queues;
	int rc;

	rte_eth_dev_get_name_by_port(port, name);
	rc = rte_eth_dev_info_get(port, &info);
	if (rc != 0)
		return FAIL(rc, "port %s: %s", name, rte_strerror(-rc));
	queues = count_queues(&info, plan->workers);
	if (queues == 0 || ports->queue_count + queues > MT_PORTS_QUEUES_MAX)
		return FAIL(-ENOSPC, "port %s: %s", name,
			    queues == 0 ? "nothing to receive from" : "too many queues");
	set_rss(&conf, &info, key);
	conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	rc = rte_eth_dev_configure(port, queues, 0, &conf);
	if (rc == 0)
		rc = open_queues(ports, port, queues);
	if (rc == 0)
		rc = rte_eth_dev_start(port);
	if (rc != 0)
		return FAIL(rc, "port %s: %s", name, rte_strerror(-rc));
	ports->started++;
	/* A device of memory or of a file has no such mode, and needs none. */
	rte_eth_promiscuous_enable(port);
	ports->queues_of[ports->started - 1] = queues;
	return 0;
}

int mt_ports_open(struct mt_ports *ret, const struct mt_plan *plan, char *error, size_t error_size)
{
	struct mt_ports *ports = ret;
	uint16_t port;
	int rc;

	*ports = (struct mt_ports){.stamp_offset = -1};
	RTE_ETH_FOREACH_DEV(port)
	if (ports->count < MT_PORTS_MAX)
		ports->id[ports->count++] = port;
	if (ports->count == 0)
		return FAIL(-ENODEV, "DPDK found no port to receive from");
	if (rte_mbuf_dyn_rx_timestamp_register(&ports->stamp_offset, &ports->stamp_flag) != 0)
		return FAIL(-rte_errno, "no place for time stamps: %s", rte_strerror(rte_errno));
	ports->pool = rte_pktmbuf_pool_create("packets", plan->mbufs, plan->mbuf_cache, 0,
					      MT_DATA_ROOM + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	if (ports->pool == NULL)
		return FAIL(-rte_errno, "no memory for %u packet buffers (--mbufs; -m or huge pages): %s",
			    plan->mbufs, rte_strerror(rte_errno));
	for (uint16_t i = 0; i < ports->count; i++) {
		rc = open_port(ports, ports->id[i], plan, error, error_size);
		if (rc != 0)
			return rc;
	}
	return 0;
}

void mt_ports_close(struct mt_ports *ports)
{
	for (uint16_t i = 0; i < ports->count; i++) {
		if (i < ports->started) {
			rte_eth_promiscuous_disable(ports->id[i]);
			rte_eth_dev_stop(ports->id[i]);
		}
		rte_eth_dev_close(ports->id[i]);
	}
	rte_mempool_free(ports->pool);
}
