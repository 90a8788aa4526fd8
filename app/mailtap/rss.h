/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Receive-side scaling: have a device spread packets so that both directions of a connection come to the
 * queue of the worker that owns it (mt_flow_owner()), and prove that it does. Called by ports.c before the
 * device is started.
 */
#ifndef MT_RSS_H
#define MT_RSS_H

#include <rte_ethdev.h>

#include "base.h"

/** How a device's packets find their worker. */
enum mt_rss {
	MT_RSS_NONE,	   /* the device does not spread them: they are handed over */
	MT_RSS_SYMMETRIC,  /* it does as the workers' owner does, proven on sample tuples */
	MT_RSS_ASYMMETRIC, /* it spreads them in another way: they are handed over */
};

/** Entries of the redirection table that are worth a bucket; 0 where the device cannot spread TCP by its
 * ports. */
uint32_t mt_rss_buckets(const struct rte_eth_dev_info *info);

/** Ask for spreading in the configuration of a device that has buckets. key: kept until the device is
 * configured. */
#define MT_RSS_KEY_MAX 64
void mt_rss_configure(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info,
		      uint8_t key[MT_RSS_KEY_MAX]);

/**
 * Direct buckets to queues, of a device that is configured, and compare what it says it does with what we do:
 * key, hash types, redirection table, and the hash of both directions of sample tuples, computed by DPDK's
 * software. buckets  a power of two; bucket b goes to queue b modulo queues
 */
enum mt_rss mt_rss_prove(uint16_t port, const struct rte_eth_dev_info *info, uint32_t buckets,
			 uint16_t queues);

/** A phrase for the table of ports. */
const char *mt_rss_phrase(enum mt_rss rss);

#endif
