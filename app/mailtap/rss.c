/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "rss.h"

#include <rte_thash.h>
#include <stdlib.h>

#include "flow.h"

#define SAMPLES	     64
#define WANTED_TYPES (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP)
#define NEEDED_TYPES (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)
#define RETA_MAX     (RTE_ETH_RSS_RETA_SIZE_512 * 4)

uint32_t mt_rss_buckets(const struct rte_eth_dev_info *info)
{
	uint32_t size = info->reta_size;

	if ((info->flow_type_rss_offloads & NEEDED_TYPES) != NEEDED_TYPES || size < 2 || size > RETA_MAX ||
	    (size & (size - 1)) != 0 || info->hash_key_size > MT_RSS_KEY_MAX)
		return 0;
	return size < MT_FLOW_BUCKETS_MAX ? size : MT_FLOW_BUCKETS_MAX;
}

static uint8_t key_bytes(const struct rte_eth_dev_info *info)
{
	return info->hash_key_size != 0 ? info->hash_key_size : 40;
}

void mt_rss_configure(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info,
		      uint8_t key[MT_RSS_KEY_MAX])
{
	/* The key of mt_flow_rss_hash(), at the length that the device wants. */
	for (unsigned i = 0; i < MT_RSS_KEY_MAX; i++)
		key[i] = i % 2 == 0 ? 0x6d : 0x5a;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
	    .rss_key = key,
	    .rss_key_len = key_bytes(info),
	    .rss_hf = info->flow_type_rss_offloads & WANTED_TYPES,
	};
}

/* Result  false where the device does not take or does not give back the table. */
static bool direct_buckets(uint16_t port, uint16_t size, uint32_t buckets, uint16_t queues)
{
	struct rte_eth_rss_reta_entry64 table[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};

	for (unsigned i = 0; i < size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= 1ull << i % RTE_ETH_RETA_GROUP_SIZE;
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(i % buckets % queues);
	}
	if (rte_eth_dev_rss_reta_update(port, table, size) != 0 ||
	    rte_eth_dev_rss_reta_query(port, table, size) != 0)
		return false;
	for (unsigned i = 0; i < size; i++)
		if (table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] !=
		    i % buckets % queues)
			return false;
	return true;
}

static uint32_t random_word(unsigned *seed)
{
	return (uint32_t)rand_r(seed) << 16 ^ (uint32_t)rand_r(seed);
}

/* A tuple of addr_words a side; both directions must hash alike, and as mt_flow_rss_hash() says. */
static bool is_symmetric(unsigned addr_words, const uint8_t *key, unsigned *seed)
{
	uint32_t there[9], back[9], ports = random_word(seed);
	struct mt_flow_key tuple = {.ip_version = addr_words == 1 ? 4 : 6,
				    .port = {(uint16_t)(ports >> 16), (uint16_t)ports}};

	for (unsigned i = 0; i < 2 * addr_words; i++) {
		uint32_t wire;

		there[i] = random_word(seed);
		back[(i + addr_words) % (2 * addr_words)] = there[i];
		wire = __builtin_bswap32(there[i]);
		memcpy(&tuple.addr[i / addr_words][i % addr_words * sizeof(wire)], &wire, sizeof(wire));
	}
	there[2 * addr_words] = ports;
	back[2 * addr_words] = ports << 16 | ports >> 16;
	return rte_softrss(there, 2 * addr_words + 1, key) == rte_softrss(back, 2 * addr_words + 1, key) &&
	       rte_softrss(there, 2 * addr_words + 1, key) == mt_flow_rss_hash(&tuple);
}

enum mt_rss mt_rss_prove(uint16_t port, const struct rte_eth_dev_info *info, uint32_t buckets,
			 uint16_t queues)
{
	uint8_t key[MT_RSS_KEY_MAX] = {0};
	struct rte_eth_conf wanted = {0};
	unsigned seed = 1;

	mt_rss_configure(&wanted, info, key);
	/* Some drivers take the key with the configuration, some only so. */
	if (rte_eth_dev_rss_hash_update(port, &wanted.rx_adv_conf.rss_conf) != 0)
		return MT_RSS_ASYMMETRIC;
	memset(key, 0, sizeof(key));
	if (rte_eth_dev_rss_hash_conf_get(port, &wanted.rx_adv_conf.rss_conf) != 0 ||
	    (wanted.rx_adv_conf.rss_conf.rss_hf & NEEDED_TYPES) != NEEDED_TYPES ||
	    !direct_buckets(port, info->reta_size, buckets, queues))
		return MT_RSS_ASYMMETRIC;
	for (unsigned i = 0; i < SAMPLES; i++)
		if (!is_symmetric(i % 2 == 0 ? 1 : 4, key, &seed))
			return MT_RSS_ASYMMETRIC;
	return MT_RSS_SYMMETRIC;
}

const char *mt_rss_phrase(enum mt_rss rss)
{
	static const char *const phrases[] = {
	    [MT_RSS_NONE] = "no RSS, packets are handed over",
	    [MT_RSS_SYMMETRIC] = "RSS symmetric, as proven on sample tuples",
	    [MT_RSS_ASYMMETRIC] = "RSS not symmetric, packets are handed over",
	};

	return phrases[rss];
}
