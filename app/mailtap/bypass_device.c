/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "bypass_device.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_flow.h>
#include <rte_ring.h>
#include <stdio.h>

#include "flow.h"

static const struct rte_flow_attr receiving = {.ingress = 1};

/* Counted first: some drivers read actions in order. */
static const struct rte_flow_action count_and_drop[] = {
    {.type = RTE_FLOW_ACTION_TYPE_COUNT, .conf = &(const struct rte_flow_action_count){0}},
    {.type = RTE_FLOW_ACTION_TYPE_DROP},
    {.type = RTE_FLOW_ACTION_TYPE_END},
};

/* What a rule's packets look like; the items point into it. */
struct pattern {
	struct rte_flow_item_ipv4 ipv4, ipv4_mask;
	struct rte_flow_item_ipv6 ipv6, ipv6_mask;
	struct rte_flow_item_tcp tcp, tcp_mask;
	struct rte_flow_item items[4];
};

/* ---- What a rule looks like ---- */

static void match_ipv4(struct pattern *pattern, const uint8_t *src, const uint8_t *dst)
{
	memcpy(&pattern->ipv4.hdr.src_addr, src, sizeof(pattern->ipv4.hdr.src_addr));
	memcpy(&pattern->ipv4.hdr.dst_addr, dst, sizeof(pattern->ipv4.hdr.dst_addr));
	pattern->ipv4_mask.hdr.src_addr = pattern->ipv4_mask.hdr.dst_addr = UINT32_MAX;
	pattern->items[1] = (struct rte_flow_item){
	    .type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &pattern->ipv4, .mask = &pattern->ipv4_mask};
}

static void match_ipv6(struct pattern *pattern, const uint8_t *src, const uint8_t *dst)
{
	memcpy(pattern->ipv6.hdr.src_addr, src, sizeof(pattern->ipv6.hdr.src_addr));
	memcpy(pattern->ipv6.hdr.dst_addr, dst, sizeof(pattern->ipv6.hdr.dst_addr));
	memset(pattern->ipv6_mask.hdr.src_addr, 0xff, sizeof(pattern->ipv6_mask.hdr.src_addr));
	memset(pattern->ipv6_mask.hdr.dst_addr, 0xff, sizeof(pattern->ipv6_mask.hdr.dst_addr));
	pattern->items[1] = (struct rte_flow_item){
	    .type = RTE_FLOW_ITEM_TYPE_IPV6, .spec = &pattern->ipv6, .mask = &pattern->ipv6_mask};
}

/* Tags are not looked at: mailtap does not either, without --vlan-in-key. */
static void make_pattern(struct pattern *ret, const struct mt_mail_ends *ends, enum mt_direction direction)
{
	bool is_to_server = direction == MT_TO_SERVER;
	const uint8_t *src = is_to_server ? ends->client_addr : ends->server_addr;
	const uint8_t *dst = is_to_server ? ends->server_addr : ends->client_addr;

	*ret = (struct pattern){
	    .items[0].type = RTE_FLOW_ITEM_TYPE_ETH,
	    .items[2] = {.type = RTE_FLOW_ITEM_TYPE_TCP, .spec = &ret->tcp, .mask = &ret->tcp_mask},
	    .items[3].type = RTE_FLOW_ITEM_TYPE_END};
	if (ends->ip_version == 4)
		match_ipv4(ret, src, dst);
	else
		match_ipv6(ret, src, dst);
	ret->tcp.hdr.src_port = rte_cpu_to_be_16(is_to_server ? ends->client_port : ends->server_port);
	ret->tcp.hdr.dst_port = rte_cpu_to_be_16(is_to_server ? ends->server_port : ends->client_port);
	ret->tcp_mask.hdr.src_port = ret->tcp_mask.hdr.dst_port = UINT16_MAX;
	ret->tcp_mask.hdr.tcp_flags = MT_TCP_SYN | MT_TCP_FIN | MT_TCP_RST; /* which the rule wants to be 0 */
}

/* ---- The calls ---- */

static int create_rule(void *context, unsigned port, const struct mt_mail_ends *ends,
		       enum mt_direction direction, void **ret)
{
	const struct mt_bypass_device *device = context;
	struct rte_flow_error error = {0};
	struct pattern pattern;

	if (!device->port[port].takes[ends->ip_version == 6])
		return -ENOTSUP;
	make_pattern(&pattern, ends, direction);
	*ret = rte_flow_create(device->port[port].id, &receiving, pattern.items, count_and_drop, &error);
	return *ret != NULL ? 0 : -EIO; /* whatever the driver calls it: it has promised */
}

static int query_rule(void *context, unsigned port, void *rule, struct mt_bypass_count *ret)
{
	const struct mt_bypass_device *device = context;
	struct rte_flow_query_count count = {0};
	struct rte_flow_error error = {0};
	int rc = rte_flow_query(device->port[port].id, rule, &count_and_drop[0], &count, &error);

	if (rc != 0 || !count.hits_set)
		return rc != 0 ? rc : -ENODATA;
	*ret = (struct mt_bypass_count){.packets = count.hits, .bytes = count.bytes_set ? count.bytes : 0};
	return 0;
}

static int destroy_rule(void *context, unsigned port, void *rule)
{
	const struct mt_bypass_device *device = context;
	struct rte_flow_error error = {0};

	return rte_flow_destroy(device->port[port].id, rule, &error);
}

/* The connection's name in the worker's table, made of its ends as of a packet's. */
static bool tell_worker(void *context, uint32_t worker, const struct mt_mail_ends *ends)
{
	const struct mt_bypass_device *device = context;
	struct mt_packet packet = {
	    .ip_version = ends->ip_version, .src_port = ends->client_port, .dst_port = ends->server_port};

	memcpy(packet.src, ends->client_addr, sizeof(packet.src));
	memcpy(packet.dst, ends->server_addr, sizeof(packet.dst));
	struct mt_flow_name name = mt_flow_name(&packet, false, &device->run->secret);

	return rte_ring_sp_enqueue(device->run->workers[worker]->unseen,
				   (void *)(uintptr_t)name.fingerprint) == 0;
}

static uint64_t read_clock(void *context)
{
	(void)context;
	return (uint64_t)((double)rte_rdtsc() * MT_NS_PER_SECOND / (double)rte_get_tsc_hz());
}

const struct mt_bypass_hands mt_bypass_device_hands = {
    .create = create_rule,
    .query = query_rule,
    .destroy = destroy_rule,
    .tell = tell_worker,
    .clock_ns = read_clock,
};

/* ---- What drivers take ---- */

/* A rule for addresses and ports that nobody has (RFC 5737, RFC 3849). Result  true, or false with a reason.
 */
static bool ask_driver(uint16_t port, uint8_t ip_version, char *reason, size_t reason_size)
{
	static const struct mt_mail_ends samples[] = {
	    {.ip_version = 4,
	     .client_addr = {192, 0, 2, 1},
	     .server_addr = {192, 0, 2, 2},
	     .client_port = 49152,
	     .server_port = 993},
	    {.ip_version = 6,
	     .client_addr = {0x20, 0x01, 0x0d, 0xb8, [15] = 1},
	     .server_addr = {0x20, 0x01, 0x0d, 0xb8, [15] = 2},
	     .client_port = 49152,
	     .server_port = 993},
	};
	struct rte_flow_error error = {0};
	struct pattern pattern;
	int rc;

	make_pattern(&pattern, &samples[ip_version == 6], MT_TO_SERVER);
	rc = rte_flow_validate(port, &receiving, pattern.items, count_and_drop, &error);
	if (rc != 0)
		snprintf(reason, reason_size, "%s",
			 error.message != NULL ? error.message : rte_strerror(-rc));
	return rc == 0;
}

static void ask_port(struct mt_bypass_device *device, unsigned number)
{
	uint16_t id = device->run->ports->port[number].id;
	char reason[128] = "";
	bool takes_ipv4 = ask_driver(id, 4, reason, sizeof(reason));
	bool takes_ipv6 = ask_driver(id, 6, reason, sizeof(reason));

	if (!takes_ipv4 && !takes_ipv6) {
		fprintf(stderr, "port %u: no bypass, the driver does not take its rules: %s\n", number,
			reason);
		return;
	}
	fprintf(stderr, "port %u: bypass, the device drops decided encrypted connections over %s\n", number,
		!takes_ipv6   ? "IPv4"
		: !takes_ipv4 ? "IPv6"
			      : "IPv4 and IPv6");
	device->port[device->count].id = id;
	device->port[device->count].takes[0] = takes_ipv4;
	device->port[device->count++].takes[1] = takes_ipv6;
}

void mt_bypass_device_open(struct mt_bypass_device *ret, const struct mt_run *run)
{
	*ret = (struct mt_bypass_device){.run = run};
	for (unsigned i = 0; i < run->ports->count; i++)
		ask_port(ret, i);
}

void mt_bypass_device_close(struct mt_bypass_device *device)
{
	struct rte_flow_error error = {0};

	for (unsigned i = 0; i < device->count; i++)
		rte_flow_flush(device->port[i].id, &error);
}
