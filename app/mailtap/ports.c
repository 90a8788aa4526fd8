/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "ports.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_kvargs.h>
#include <rte_mbuf_dyn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "faulty.h"
#include "log.h"

#define DESCRIPTORS   1024 /* of a receive queue; the driver may have its own mind */
#define EAL_ARGUMENTS 20   /* of ours, at most */

/* The ring that a worker shares with the kernel: 10 ms of a million packets a second, in 20 MB. */
#define KERNEL_FRAME_BYTES MT_DATA_ROOM
#define KERNEL_FRAMES	   10240
#define KERNEL_BLOCK_BYTES (1u << 18)

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
			       const struct mt_plan *plan, char *text, size_t size)
{
	if (capture != NULL)
		snprintf(text, size, "net_pcap0,rx_pcap=/proc/self/fd/%d", capture->fd);
	else if (settings->interface != NULL)
		snprintf(text, size, "net_af_packet0,iface=%s,qpairs=%u,framesz=%u,framecnt=%u,blocksz=%u",
			 settings->interface, plan->workers, KERNEL_FRAME_BYTES, KERNEL_FRAMES,
			 KERNEL_BLOCK_BYTES);
	else
		return NULL;
	return text;
}

/* Result  the process that has the runtime folder of the file prefix, or 0 */
static pid_t find_primary(void)
{
	const char *folder = rte_eal_get_runtime_dir();
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/config", folder != NULL ? folder : "");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) != 0)
		lock.l_type = F_UNLCK;
	close(fd);
	return lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

/* EAL has said in its own words what it met, and does not always leave a number. */
static int explain_eal(char *error, size_t error_size)
{
	int rc = rte_errno > 0 ? -rte_errno : -EIO;
	pid_t other = rte_errno == 0 ? find_primary() : 0; /* a lock that is held leaves none */

	if (other != 0)
		return FAIL(rc,
			    "DPDK does not start: process %d has %s; give this one a file prefix of its own, "
			    "such as --file-prefix mailtap2 in front of `--`",
			    (int)other, rte_eal_get_runtime_dir());
	return FAIL(rc, "DPDK does not start: %s", rte_errno > 0 ? rte_strerror(rte_errno) : "see above");
}

int mt_ports_start_eal(const struct mt_settings *settings, const struct mt_capture *capture,
		       const struct mt_plan *plan, int argc, char **argv, char *error, size_t error_size)
{
	static char cpus[4096], lcores[4200], heap[32], device[300]; /* EAL keeps pointers */
	char **arguments = calloc((size_t)argc + EAL_ARGUMENTS, sizeof(*arguments));
	const char *device_name = name_device(settings, capture, plan, device, sizeof(device));
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
	return rc < 0 ? explain_eal(error, error_size) : 0;
}

/* ---- Ports ---- */

/*
 * Drivers whose bound is their own and says nothing of sources, and that want as many queues to send from as
 * to receive from, though nothing is ever sent.
 */
static const struct paired {
	const char *driver;
	uint32_t queues; /* at most */
} paired[] = {
    {"net_memif", 1}, /* one that the other side does not use shows what came to the first once more */
    {"net_tap", MT_WORKERS_MAX},
    {"net_tun", MT_WORKERS_MAX},
};

static const struct paired *find_paired(const struct rte_eth_dev_info *info)
{
	for (size_t i = 0; i < MT_ARRAY_LEN(paired); i++)
		if (strcmp(info->driver_name, paired[i].driver) == 0)
			return &paired[i];
	return NULL;
}

/*
 * A device that spreads packets gets a queue per worker. One that cannot has as many queues as it has sources
 * (a file, a ring, a socket each), and all of them must be read.
 */
static uint16_t count_queues(const struct rte_eth_dev_info *info, uint32_t workers)
{
	const struct paired *driver = find_paired(info);
	uint32_t queues = info->max_rx_queues;

	if (driver != NULL && queues > driver->queues)
		queues = driver->queues;
	if ((mt_rss_buckets(info) > 0 || driver != NULL) && queues > workers)
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

/* The workers' owner knows one number of buckets: that of the device which has the fewest. */
static uint32_t common_buckets(const struct mt_ports *ports, uint32_t workers)
{
	uint32_t common = 0;

	for (uint16_t i = 0; i < ports->count && workers > 1; i++) {
		struct rte_eth_dev_info info;
		uint32_t buckets =
		    rte_eth_dev_info_get(ports->port[i].id, &info) == 0 ? mt_rss_buckets(&info) : 0;

		if (buckets >= workers && (common == 0 || buckets < common))
			common = buckets;
	}
	return common;
}

/* A file, a ring, an interface of the kernel's: where the driver says it stands is where EAL began. */
static bool is_virtual(const struct rte_eth_dev_info *info)
{
	return strcmp(rte_bus_name(rte_dev_bus(info->device)), "vdev") == 0;
}

/* How long nobody needs to look: half of what the ring holds, of the smallest packets at the device's speed.
 */
static uint64_t safe_nap_ns(const struct mt_port *port, const struct rte_eth_dev_info *info)
{
	const uint64_t of_memory_ns = 50000, of_kernel_ns = 500000, bits = (64 + 20) * 8;
	struct rte_eth_link link = {0};
	uint64_t nap_ns;

	if (port->kernel != NULL)
		return of_kernel_ns; /* a twentieth of what its ring takes at a million packets a second */
	if (is_virtual(info))
		return of_memory_ns;
	if (rte_eth_link_get_nowait(port->id, &link) != 0 || link.link_speed == 0 ||
	    link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN)
		return 0;
	nap_ns = DESCRIPTORS / 2 * bits * 1000 / link.link_speed;
	return nap_ns >= 10000 ? nap_ns : 0; /* shorter is no sleep */
}

/* ---- Packet buffers ---- */

/* Result  NULL, with rte_errno, where there is no memory */
static struct rte_mempool *create_pool(const struct mt_plan *plan, int node)
{
	const char *ops = mt_faulty_ops(); /* NULL: DPDK's own */
	unsigned cache = ops != NULL ? 0 : plan->mbuf_cache;
	char name[RTE_MEMPOOL_NAMESIZE] = "packets";
	struct rte_mempool *pool;

	if (node != MT_NODE_ANY)
		snprintf(name, sizeof(name), "packets-node%d", node);
	pool = rte_pktmbuf_pool_create_by_ops(name, plan->mbufs, cache, 0,
					      MT_DATA_ROOM + RTE_PKTMBUF_HEADROOM, node, ops);
	if (pool == NULL && node != MT_NODE_ANY) {
		warnx("no memory for packet buffers on NUMA node %d, where a device stands: any node's serve",
		      node);
		return rte_pktmbuf_pool_create_by_ops(
		    name, plan->mbufs, cache, 0, MT_DATA_ROOM + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY, ops);
	}
	return pool;
}

/* Devices of one node share their buffers. */
static struct rte_mempool *pool_of(struct mt_ports *ports, const struct mt_plan *plan, int node)
{
	unsigned i = 0;

	while (ports->pool[i] != NULL && ports->pool_node[i] != node)
		i++;
	if (ports->pool[i] == NULL) {
		ports->pool[i] = create_pool(plan, node);
		ports->pool_node[i] = node;
		MT_LOG(ports, DEBUG, "%s%u packet buffers for node %d, %u of them at hand for each worker",
		       ports->pool[i] == NULL ? "no memory for " : "", plan->mbufs, node, plan->mbuf_cache);
	}
	return ports->pool[i];
}

/* ---- One port ---- */

static int open_senders(const struct mt_port *port, uint16_t count)
{
	int rc = 0;

	for (uint16_t queue = 0; queue < count && rc == 0; queue++)
		rc = rte_eth_tx_queue_setup(port->id, queue, DESCRIPTORS,
					    (unsigned)rte_eth_dev_socket_id(port->id), NULL);
	return rc;
}

static int open_queues(struct mt_ports *ports, const struct mt_port *port, struct rte_mempool *pool)
{
	for (uint16_t queue = 0; queue < port->queues; queue++) {
		int rc = rte_eth_rx_queue_setup(port->id, queue, DESCRIPTORS,
						(unsigned)rte_eth_dev_socket_id(port->id), NULL, pool);

		if (rc != 0)
			return rc;
		ports->queue[ports->queue_count++] = (struct mt_queue){port->id, queue};
	}
	return 0;
}

/* The driver copies a frame of the kernel's ring into one buffer, whatever its room. */
static int check_frame_bytes(const struct rte_eth_dev_info *info, char *error, size_t error_size)
{
	const struct rte_devargs *arguments = rte_dev_devargs(info->device);
	struct rte_kvargs *list =
	    arguments != NULL && arguments->args != NULL ? rte_kvargs_parse(arguments->args, NULL) : NULL;
	const char *text = list != NULL ? rte_kvargs_get(list, "framesz") : NULL;
	unsigned long bytes = text != NULL ? strtoul(text, NULL, 10) : 0;

	rte_kvargs_free(list);
	return bytes <= MT_DATA_ROOM
		   ? 0
		   : FAIL(-EINVAL, "framesz=%lu is more than a packet buffer takes, %u bytes", bytes,
			  MT_DATA_ROOM);
}

static int watch_kernel(struct mt_port *port, const struct rte_eth_dev_info *info, bool keep_offloads,
			char *error, size_t error_size)
{
	int rc = check_frame_bytes(info, error, error_size);

	if (rc != 0)
		return rc;
	rc = mt_kernel_open(&port->kernel, info->if_index);
	if (rc == 0 && !keep_offloads)
		rc = mt_kernel_switch_offloads_off(port->kernel);
	return rc == 0 ? 0 : FAIL(rc, "%s", strerror(-rc));
}

static int configure(struct mt_ports *ports, struct mt_port *port, const struct rte_eth_dev_info *info,
		     struct rte_mempool *pool)
{
	uint16_t senders = find_paired(info) != NULL ? port->queues : 0;
	bool has_rss = port->queues > 1 && ports->buckets > 0 && mt_rss_buckets(info) >= ports->buckets;
	struct rte_eth_conf conf = {0};
	uint8_t key[MT_RSS_KEY_MAX];
	int rc;

	conf.rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	port->is_scattering = conf.rxmode.offloads != 0;
	/* A card's would be ticks of a clock of its own: none is asked for. */
	port->has_stamps = strcmp(info->driver_name, "net_pcap") == 0;
	if (has_rss)
		mt_rss_configure(&conf, info, key);
	rc = rte_eth_dev_configure(port->id, port->queues, senders, &conf);
	if (rc == 0)
		rc = open_senders(port, senders);
	if (rc == 0)
		rc = open_queues(ports, port, pool);
	if (rc == 0 && has_rss)
		port->rss = mt_rss_prove(port->id, info, ports->buckets, port->queues);
	return rc;
}

static int start(struct mt_ports *ports, struct mt_port *port)
{
	int rc = rte_eth_dev_start(port->id);

	if (rc != 0)
		return rc;
	ports->started++;
	if (port->kernel != NULL)
		mt_kernel_started(port->kernel);
	else /* a device of memory or of a file has no such mode, and needs none */
		rte_eth_promiscuous_enable(port->id);
	return 0;
}

static int open_port(struct mt_ports *ports, struct mt_port *port, const struct mt_plan *plan,
		     bool keep_offloads, char *error, size_t error_size)
{
	char name[RTE_ETH_NAME_MAX_LEN] = "?", reason[256] = "";
	struct rte_eth_dev_info info;
	struct rte_mempool *pool;
	uint64_t nap_ns;
	int rc;

	rte_eth_dev_get_name_by_port(port->id, name);
	rc = rte_eth_dev_info_get(port->id, &info);
	if (rc != 0)
		return FAIL(rc, "port %s: %s", name, rte_strerror(-rc));
	port->node = is_virtual(&info) ? MT_NODE_ANY : rte_eth_dev_socket_id(port->id);
	pool = pool_of(ports, plan, port->node);
	if (pool == NULL)
		return FAIL(-rte_errno, "no memory for %u packet buffers (--mbufs; -m or huge pages): %s",
			    plan->mbufs, rte_strerror(rte_errno));
	port->queues = count_queues(&info, plan->workers);
	if (port->queues == 0 || ports->queue_count + port->queues > MT_PORTS_QUEUES_MAX)
		return FAIL(-ENOSPC, "port %s: %s", name,
			    port->queues == 0 ? "nothing to receive from" : "too many queues");
	if (strcmp(info.driver_name, "net_af_packet") == 0)
		rc = watch_kernel(port, &info, keep_offloads, reason, sizeof(reason));
	if (rc == 0)
		rc = configure(ports, port, &info, pool);
	if (rc == 0)
		rc = start(ports, port);
	if (rc != 0)
		return FAIL(rc, "port %s: %s", name, reason[0] != 0 ? reason : rte_strerror(-rc));
	nap_ns = safe_nap_ns(port, &info);
	ports->nap_ns = nap_ns < ports->nap_ns ? nap_ns : ports->nap_ns;
	MT_LOG(ports, DEBUG,
	       "%s: %u of at most %u queues, redirection table of %u, hash types %#" PRIx64
	       ", receive offloads %#" PRIx64 ", a nap of at most %" PRIu64 " ns",
	       name, port->queues, info.max_rx_queues, info.reta_size, info.flow_type_rss_offloads,
	       info.rx_offload_capa, nap_ns);
	return 0;
}

/* ---- All ports ---- */

int mt_ports_open(struct mt_ports *ret, const struct mt_plan *plan, bool keep_offloads, char *error,
		  size_t error_size)
{
	struct mt_ports *ports = ret;
	uint16_t port;
	int rc;

	*ports = (struct mt_ports){.stamp_offset = -1, .nap_ns = MT_NS_PER_MS};
	RTE_ETH_FOREACH_DEV(port)
	if (ports->count < MT_PORTS_MAX)
		ports->port[ports->count++].id = port;
	if (ports->count == 0)
		return FAIL(-ENODEV, "DPDK found no port to receive from");
	if (rte_mbuf_dyn_rx_timestamp_register(&ports->stamp_offset, &ports->stamp_flag) != 0)
		return FAIL(-rte_errno, "no place for time stamps: %s", rte_strerror(rte_errno));
	ports->buckets = common_buckets(ports, plan->workers);
	for (uint16_t i = 0; i < ports->count; i++) {
		rc = open_port(ports, &ports->port[i], plan, keep_offloads, error, error_size);
		if (rc != 0)
			return rc;
	}
	return 0;
}

void mt_ports_close(struct mt_ports *ports)
{
	for (uint16_t i = 0; i < ports->count; i++) {
		const struct mt_port *port = &ports->port[i];

		if (i < ports->started && port->kernel == NULL)
			rte_eth_promiscuous_disable(port->id);
		if (i < ports->started)
			rte_eth_dev_stop(port->id);
		rte_eth_dev_close(port->id);
		mt_kernel_close(port->kernel);
	}
	for (unsigned i = 0; i < MT_PORTS_MAX && ports->pool[i] != NULL; i++)
		rte_mempool_free(ports->pool[i]);
}

void mt_ports_describe(const struct mt_port *port, char *ret, size_t size)
{
	char name[RTE_ETH_NAME_MAX_LEN] = "?", node[24] = "";
	struct rte_eth_dev_info info = {.driver_name = "?"};
	bool is_promiscuous = port->kernel != NULL || rte_eth_promiscuous_get(port->id) == 1;
	uint16_t mtu = 0;

	rte_eth_dev_get_name_by_port(port->id, name);
	rte_eth_dev_get_mtu(port->id, &mtu);
	rte_eth_dev_info_get(port->id, &info);
	if (port->node != MT_NODE_ANY)
		snprintf(node, sizeof(node), ", NUMA node %d", port->node);
	snprintf(ret, size, "%s, driver %s, %u queue%s, %s, MTU %u, %spromiscuous%s", name, info.driver_name,
		 port->queues, port->queues == 1 ? "" : "s", mt_rss_phrase(port->rss), mtu,
		 is_promiscuous ? "" : "not ", node);
}

static void print_port(const struct mt_port *port, unsigned number)
{
	char line[256];

	mt_ports_describe(port, line, sizeof(line));
	fprintf(stderr, "port %u: %s, receive offloads: %s, time stamps: %s\n", number, line,
		port->is_scattering ? "scatter" : "none",
		port->has_stamps ? "the packets' own, where they bring any" : "our clock");
	if (port->kernel != NULL && mt_kernel_offloads(port->kernel)[0] != 0)
		fprintf(stderr,
			"port %u: %s is on: frames longer than %u bytes come cut; switch it off with ethtool "
			"-K, or "
			"with --receive-offloads off for this run\n",
			number, mt_kernel_offloads(port->kernel), KERNEL_FRAME_BYTES);
}

void mt_ports_print(const struct mt_ports *ports)
{
	for (uint16_t i = 0; i < ports->count; i++)
		print_port(&ports->port[i], i);
}
