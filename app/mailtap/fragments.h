/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * IP fragments become datagrams again, by rte_ip_frag. All fragments between two addresses come to one
 * worker, which puts them together here; the datagram then goes its way like any packet.
 *
 * Kept within bounds: datagrams under way, fragments of each, and their time. What is given up is a loss with
 * a name, counted in fragments. A fragment seen twice (two taps) is dropped before it can spoil its datagram.
 */
#ifndef MT_FRAGMENTS_H
#define MT_FRAGMENTS_H

#include "base.h"
#include "flow.h"
#include "packet.h"

struct rte_mbuf;
struct mt_fragments;

#define MT_FRAGMENTS_EACH 8 /* of one datagram at most: RTE_LIBRTE_IP_FRAG_MAX_FRAG of Debian's build */

/**
 * datagrams   under way at most
 * secret      keys the memory of what was seen
 * cells       the worker's counters
 * Result      0, -ENOMEM; -ENOTSUP where DPDK has no flag left for whole datagrams
 */
int mt_fragments_create(struct mt_fragments **ret, uint32_t datagrams, const struct mt_flow_secret *secret,
			uint64_t *cells);
void mt_fragments_destroy(struct mt_fragments *fragments); /* NULL is legal */

/**
 * Take a fragment.
 * mbuf     transferred
 * packet   what mt_packet_decode() said of it
 * now_ns   the worker's clock, which never goes back
 * Result   the whole datagram that it completes, as an Ethernet frame that mt_fragments_is_whole() knows,
 * with the VLANs that the fragment had; else NULL Owner    the worker
 */
struct rte_mbuf *mt_fragments_take(struct mt_fragments *fragments, struct rte_mbuf *mbuf,
				   const struct mt_packet *packet, uint64_t now_ns);

/** True for a datagram that was put together here or by another worker. */
bool mt_fragments_is_whole(const struct mt_fragments *fragments, const struct rte_mbuf *mbuf);

/** Give up datagrams that have waited too long; UINT64_MAX: all of them. */
void mt_fragments_expire(struct mt_fragments *fragments, uint64_t now_ns);

#endif
