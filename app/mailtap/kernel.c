/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "kernel.h"

#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS_MAX 64 /* queues of one port */

/* An offload that joins packets: how it is asked for and set. */
enum offload { GRO, LRO, OFFLOAD_COUNT };
static const struct {
	const char *name;
	uint32_t get, set;
	uint32_t flag; /* of a set of flags; 0 where the value is the offload's alone */
} offloads[OFFLOAD_COUNT] = {
    [GRO] = {"generic-receive-offload", ETHTOOL_GGRO, ETHTOOL_SGRO, 0},
    [LRO] = {"large-receive-offload", ETHTOOL_GFLAGS, ETHTOOL_SFLAGS, ETH_FLAG_LRO},
};

struct mt_kernel {
	unsigned interface;
	char name[IF_NAMESIZE];
	int watcher; /* a socket that asks for packets for others, and for calls about the interface */
	bool is_promiscuous;		 /* the operator's own flag, before the port was started */
	bool is_switched[OFFLOAD_COUNT]; /* off, by us */
	char words[64];			 /* see mt_kernel_offloads() */
	int sockets[SOCKETS_MAX];	 /* the port's, borrowed */
	unsigned socket_count;
	uint64_t drops; /* taken from the sockets so far: a look sets theirs to zero */
};

/* ---- Calls about the interface ---- */

static struct ifreq request_for(const struct mt_kernel *kernel)
{
	struct ifreq request = {0};

	memcpy(request.ifr_name, kernel->name, sizeof(request.ifr_name));
	return request;
}

static bool has_promiscuous_flag(const struct mt_kernel *kernel)
{
	struct ifreq request = request_for(kernel);

	return ioctl(kernel->watcher, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_PROMISC) != 0;
}

static void set_promiscuous_flag(const struct mt_kernel *kernel, bool is_set)
{
	struct ifreq request = request_for(kernel);

	if (ioctl(kernel->watcher, SIOCGIFFLAGS, &request) != 0 ||
	    ((request.ifr_flags & IFF_PROMISC) != 0) == is_set)
		return;
	request.ifr_flags ^= IFF_PROMISC;
	ioctl(kernel->watcher, SIOCSIFFLAGS, &request);
}

/* Result  0 or -errno: an interface may not know the question. */
static int ask_ethtool(const struct mt_kernel *kernel, uint32_t command, uint32_t *value)
{
	struct ethtool_value call = {.cmd = command, .data = *value};
	struct ifreq request = request_for(kernel);

	request.ifr_data = (char *)&call;
	if (ioctl(kernel->watcher, SIOCETHTOOL, &request) != 0)
		return -errno;
	*value = call.data;
	return 0;
}

static bool is_on(const struct mt_kernel *kernel, enum offload offload)
{
	uint32_t value = 0;

	if (ask_ethtool(kernel, offloads[offload].get, &value) != 0)
		return false;
	return (offloads[offload].flag != 0 ? value & offloads[offload].flag : value) != 0;
}

static int set_offload(const struct mt_kernel *kernel, enum offload offload, bool is_wanted)
{
	uint32_t flag = offloads[offload].flag, value = 0;
	int rc = flag != 0 ? ask_ethtool(kernel, offloads[offload].get, &value) : 0;

	if (rc != 0)
		return rc;
	value = flag == 0 ? is_wanted : is_wanted ? value | flag : value & ~flag;
	return ask_ethtool(kernel, offloads[offload].set, &value);
}

const char *mt_kernel_offloads(const struct mt_kernel *kernel)
{
	return kernel->words;
}

static void name_offloads(struct mt_kernel *kernel)
{
	size_t len = 0;

	kernel->words[0] = 0;
	for (unsigned i = 0; i < OFFLOAD_COUNT; i++)
		if (is_on(kernel, i))
			len += (size_t)snprintf(kernel->words + len, sizeof(kernel->words) - len, "%s%s",
						len > 0 ? " and " : "", offloads[i].name);
}

int mt_kernel_switch_offloads_off(struct mt_kernel *kernel)
{
	int rc = 0;

	for (unsigned i = 0; i < OFFLOAD_COUNT && rc == 0; i++)
		if (is_on(kernel, i)) {
			rc = set_offload(kernel, i, false);
			kernel->is_switched[i] = rc == 0;
		}
	name_offloads(kernel);
	return rc;
}

/* ---- The port's sockets ---- */

static bool is_port_socket(const struct mt_kernel *kernel, int fd)
{
	struct sockaddr_ll address = {0};
	socklen_t size = sizeof(address);

	return fd != kernel->watcher && getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
	       address.sll_family == AF_PACKET && address.sll_ifindex == (int)kernel->interface;
}

/* The driver keeps its descriptors to itself; the process can look through its own. */
static void find_sockets(struct mt_kernel *kernel)
{
	DIR *folder = opendir("/proc/self/fd");

	if (folder == NULL)
		return;
	for (struct dirent *entry; (entry = readdir(folder)) != NULL && kernel->socket_count < SOCKETS_MAX;) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && is_port_socket(kernel, fd))
			kernel->sockets[kernel->socket_count++] = fd;
	}
	closedir(folder);
}

void mt_kernel_started(struct mt_kernel *kernel)
{
	find_sockets(kernel);
	mt_kernel_drops(kernel); /* what was dropped between the socket and here was not ours to take */
	kernel->drops = 0;
	set_promiscuous_flag(kernel, kernel->is_promiscuous);
}

uint64_t mt_kernel_drops(struct mt_kernel *kernel)
{
	for (unsigned i = 0; i < kernel->socket_count; i++) {
		struct tpacket_stats stats = {0};
		socklen_t size = sizeof(stats);

		if (getsockopt(kernel->sockets[i], SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
			kernel->drops += stats.tp_drops;
	}
	return kernel->drops;
}

/* ---- Making one ---- */

int mt_kernel_open(struct mt_kernel **ret, unsigned interface)
{
	struct packet_mreq others = {.mr_ifindex = (int)interface, .mr_type = PACKET_MR_PROMISC};
	struct mt_kernel *kernel = calloc(1, sizeof(*kernel));
	int rc = -ENOMEM;

	if (kernel == NULL)
		return rc;
	kernel->interface = interface;
	/* Protocol 0: this socket itself receives nothing. */
	kernel->watcher = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (kernel->watcher < 0 || if_indextoname(interface, kernel->name) == NULL ||
	    setsockopt(kernel->watcher, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &others, sizeof(others)) != 0) {
		rc = -errno;
		mt_kernel_close(kernel);
		return rc;
	}
	kernel->is_promiscuous = has_promiscuous_flag(kernel);
	name_offloads(kernel);
	*ret = kernel;
	return 0;
}

void mt_kernel_close(struct mt_kernel *kernel)
{
	if (kernel == NULL)
		return;
	for (unsigned i = 0; i < OFFLOAD_COUNT; i++)
		if (kernel->is_switched[i])
			set_offload(kernel, i, true);
	if (kernel->watcher >= 0)
		close(kernel->watcher);
	free(kernel);
}
