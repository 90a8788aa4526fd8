/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What key and fingerprint are both made of. Files: key.c (a connection's name, and its owner), hash.c (the
 * fingerprint), table.c (connections by fingerprint), syn.c (handshakes by fingerprint).
 */
#ifndef MT_FLOW_PRIV_H
#define MT_FLOW_PRIV_H

#include "flow.h"

static inline uint64_t mt_flow_read_word(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word)); /* little-endian, as SipHash wants it: x86-64 only */
	return word;
}

/* memcmp() in two steps: the addresses of a flow differ early, and the call would cost more than both. */
static inline int mt_flow_compare(const uint8_t *a, const uint8_t *b)
{
	uint64_t high_a = __builtin_bswap64(mt_flow_read_word(a)),
		 low_a = __builtin_bswap64(mt_flow_read_word(a + 8));
	uint64_t high_b = __builtin_bswap64(mt_flow_read_word(b)),
		 low_b = __builtin_bswap64(mt_flow_read_word(b + 8));

	if (high_a != high_b)
		return high_a < high_b ? -1 : 1;
	return low_a == low_b ? 0 : low_a < low_b ? -1 : 1;
}

/* The side that sent the packet. IPv4's address and port are one number, compared without a branch. */
static inline unsigned mt_flow_side(const struct mt_packet *packet)
{
	int order;

	if (mt_likely(packet->ip_version == 4))
		return ((uint64_t)mt_read_be32(packet->src) << 16 | packet->src_port) >
		       ((uint64_t)mt_read_be32(packet->dst) << 16 | packet->dst_port);
	order = mt_flow_compare(packet->src, packet->dst);
	return order > 0 || (order == 0 && packet->src_port > packet->dst_port);
}

mt_static_assert(offsetof(struct mt_flow_key, vlan) == offsetof(struct mt_flow_key, port) + 4 &&
		     offsetof(struct mt_flow_key, ip_version) == offsetof(struct mt_flow_key, port) + 6 &&
		     sizeof(struct mt_flow_key) == offsetof(struct mt_flow_key, port) + sizeof(uint64_t),
		 "all behind the addresses is one word, little-endian");

/* What stands in a key behind the addresses. In one piece: read at once, it may not lie in several stores. */
static inline uint64_t mt_flow_key_rest(const struct mt_packet *packet, unsigned side, bool vlan_in_key)
{
	uint32_t ports = (uint32_t)packet->dst_port << 16 | packet->src_port;
	uint64_t vlan = vlan_in_key ? packet->vlan[0] : 0;

	ports = side == 0 ? ports : ports << 16 | ports >> 16;
	return ports | vlan << 32 | (uint64_t)packet->ip_version << 48;
}

#endif
