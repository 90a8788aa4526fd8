/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Preloaded into mailtap by bypass_test.py: rules of rte_flow for drivers that have none. What a rule matches
 * is dropped behind the driver and in front of mailtap, and counted. It is software of the test's own, takes
 * what it is given, and says nothing about any device: it proves what mailtap asks for, and what it makes of
 * it.
 *
 * Patterns are Ethernet without tags, IPv4 without options or IPv6 without extensions, and TCP; an item is
 * compared as bytes under its mask. Actions are count and drop, which is checked.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_mbuf.h>

#define LINK_BYTES 14

/* An item of a rule: bytes from somewhere in the frame on. */
struct match {
	uint8_t spec[64], mask[64];
	size_t len;
};

struct rte_flow {
	struct rte_flow *next;
	uint16_t port, ether_type;
	size_t ip_bytes;
	struct match ip, tcp;
	uint64_t packets, bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rte_flow *rules;
static bool is_watched[RTE_MAX_ETHPORTS];

static void set(struct match *match, const struct rte_flow_item *item, size_t len)
{
	memcpy(match->spec, item->spec, len);
	memcpy(match->mask, item->mask, len);
	match->len = len;
}

static bool agrees(const struct match *match, const uint8_t *bytes)
{
	for (size_t i = 0; i < match->len; i++)
		if ((bytes[i] & match->mask[i]) != (match->spec[i] & match->mask[i]))
			return false;
	return true;
}

static bool is_of(const struct rte_flow *rule, uint16_t port, const struct rte_mbuf *mbuf)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);

	return rule->port == port && mbuf->data_len >= LINK_BYTES + rule->ip_bytes + rule->tcp.len &&
	       (frame[12] << 8 | frame[13]) == rule->ether_type && agrees(&rule->ip, frame + LINK_BYTES) &&
	       agrees(&rule->tcp, frame + LINK_BYTES + rule->ip_bytes);
}

static uint16_t drop(uint16_t port, uint16_t queue, struct rte_mbuf *mbufs[], uint16_t count, uint16_t max,
		     void *context)
{
	uint16_t kept = 0;

	(void)queue, (void)max, (void)context;
	pthread_mutex_lock(&lock);
	for (uint16_t i = 0; i < count; i++) {
		struct rte_flow *rule = rules;

		while (rule != NULL && !is_of(rule, port, mbufs[i]))
			rule = rule->next;
		if (rule == NULL) {
			mbufs[kept++] = mbufs[i];
			continue;
		}
		rule->packets++;
		rule->bytes += mbufs[i]->pkt_len;
		rte_pktmbuf_free(mbufs[i]);
	}
	pthread_mutex_unlock(&lock);
	return kept;
}

static bool is_count_and_drop(const struct rte_flow_action actions[])
{
	return actions[0].type == RTE_FLOW_ACTION_TYPE_COUNT &&
	       actions[1].type == RTE_FLOW_ACTION_TYPE_DROP && actions[2].type == RTE_FLOW_ACTION_TYPE_END;
}

/* The first question comes before anybody polls. */
int rte_flow_validate(uint16_t port, const struct rte_flow_attr *attr, const struct rte_flow_item pattern[],
		      const struct rte_flow_action actions[], struct rte_flow_error *error)
{
	struct rte_eth_dev_info info;

	(void)pattern, (void)error;
	if (!attr->ingress || !is_count_and_drop(actions) || rte_eth_dev_info_get(port, &info) != 0)
		return -ENOTSUP;
	for (uint16_t queue = 0; !is_watched[port] && queue < info.nb_rx_queues; queue++)
		if (rte_eth_add_rx_callback(port, queue, drop, NULL) == NULL)
			return -ENOTSUP;
	is_watched[port] = true;
	return 0;
}

struct rte_flow *rte_flow_create(uint16_t port, const struct rte_flow_attr *attr,
				 const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
				 struct rte_flow_error *error)
{
	struct rte_flow *rule = calloc(1, sizeof(*rule));
	bool is_ipv4 = pattern[1].type == RTE_FLOW_ITEM_TYPE_IPV4;

	if (rule == NULL || rte_flow_validate(port, attr, pattern, actions, error) != 0 ||
	    pattern[0].type != RTE_FLOW_ITEM_TYPE_ETH || pattern[0].spec != NULL ||
	    (!is_ipv4 && pattern[1].type != RTE_FLOW_ITEM_TYPE_IPV6) ||
	    pattern[2].type != RTE_FLOW_ITEM_TYPE_TCP || pattern[3].type != RTE_FLOW_ITEM_TYPE_END) {
		free(rule);
		return NULL;
	}
	rule->port = port;
	rule->ether_type = is_ipv4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;
	rule->ip_bytes = is_ipv4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	set(&rule->ip, &pattern[1], rule->ip_bytes);
	set(&rule->tcp, &pattern[2], sizeof(struct rte_tcp_hdr));
	pthread_mutex_lock(&lock);
	rule->next = rules;
	rules = rule;
	pthread_mutex_unlock(&lock);
	return rule;
}

int rte_flow_query(uint16_t port, struct rte_flow *rule, const struct rte_flow_action *action, void *data,
		   struct rte_flow_error *error)
{
	struct rte_flow_query_count *count = data;

	(void)port, (void)error;
	if (action->type != RTE_FLOW_ACTION_TYPE_COUNT || count->reset)
		return -ENOTSUP;
	pthread_mutex_lock(&lock);
	*count = (struct rte_flow_query_count){
	    .hits_set = 1, .bytes_set = 1, .hits = rule->packets, .bytes = rule->bytes};
	pthread_mutex_unlock(&lock);
	return 0;
}

int rte_flow_destroy(uint16_t port, struct rte_flow *rule, struct rte_flow_error *error)
{
	struct rte_flow **link = &rules;

	(void)port, (void)error;
	pthread_mutex_lock(&lock);
	while (*link != rule)
		link = &(*link)->next;
	*link = rule->next;
	pthread_mutex_unlock(&lock);
	free(rule);
	return 0;
}

/* What is left at the end was forgotten. */
int rte_flow_flush(uint16_t port, struct rte_flow_error *error)
{
	(void)port, (void)error;
	if (rules != NULL)
		abort();
	return 0;
}
