/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "flow_priv.h"

#include <assert.h>
#include <nmmintrin.h>

#define KEY_WORDS (sizeof(struct mt_flow_key) / sizeof(uint64_t))

unsigned mt_flow_key_make(struct mt_flow_key *ret, const struct mt_packet *packet, bool vlan_in_key)
{
	unsigned side = mt_flow_side(packet);
	uint64_t rest = mt_flow_key_rest(packet, side, vlan_in_key);

	memcpy(ret->addr[side], packet->src, sizeof(packet->src));
	memcpy(ret->addr[side ^ 1], packet->dst, sizeof(packet->dst));
	memcpy((uint8_t *)ret + offsetof(struct mt_flow_key, port), &rest, sizeof(rest));
	return side;
}

/*
 * The key's 32 bits at any place are those 16 places on: what a bit of the input adds depends on its place
 * modulo 16 alone. So the input's 16-bit words may be added up first, and no direction is left in the sum.
 */
static uint16_t fold_tuple(const struct mt_flow_key *key)
{
	uint64_t sum = mt_flow_read_word(key->addr[0]) ^ mt_flow_read_word(key->addr[0] + 8) ^
		       mt_flow_read_word(key->addr[1]) ^ mt_flow_read_word(key->addr[1] + 8);

	sum ^= sum >> 32;
	sum ^= sum >> 16;
	return __builtin_bswap16((uint16_t)sum) ^ key->port[0] ^ key->port[1];
}

uint32_t mt_flow_rss_hash(const struct mt_flow_key *key)
{
	uint16_t sum = fold_tuple(key);
	uint32_t window = 0x6d5a6d5a, hash = 0;

	for (unsigned bit = 0; bit < 16; bit++) {
		hash ^= window & -(uint32_t)(sum >> (15 - bit) & 1);
		window = window << 1 | window >> 31;
	}
	return hash;
}

/*
 * CRC32C has an instruction, and the key is the same from both sides. It is linear, so its bits are
 * folded together by a multiplication (by 2^64 over the golden ratio) before its upper ones choose.
 * Somebody who picks tuples can load one worker; RSS allows the same.
 */
static unsigned owner_by_crc(const struct mt_flow_key *key, unsigned workers)
{
	const uint8_t *bytes = (const uint8_t *)key;
	uint64_t crc = 0xffffffff, mixed;

	for (size_t i = 0; i < KEY_WORDS; i++)
		crc = _mm_crc32_u64(crc, mt_flow_read_word(bytes + i * sizeof(uint64_t)));
	mixed = (crc ^ crc >> 15) * 0x9e3779b97f4a7c15;
	return (unsigned)((mixed >> 32) * workers >> 32);
}

void mt_flow_owners_init(struct mt_flow_owners *ret, unsigned workers, unsigned buckets)
{
	assert(workers > 0 && workers <= UINT16_MAX && buckets <= MT_FLOW_BUCKETS_MAX);
	assert(buckets != 1 && (buckets & (buckets - 1)) == 0);
	*ret = (struct mt_flow_owners){.workers = (uint16_t)workers,
				       .bucket_mask = (uint16_t)(buckets > 0 ? buckets - 1 : 0)};
	for (unsigned i = 0; i < buckets; i++)
		ret->worker_of[i] = (uint16_t)(i % workers);
}

unsigned mt_flow_owner(const struct mt_flow_owners *owners, const struct mt_flow_key *key)
{
	if (owners->workers == 1)
		return 0;
	/* A NIC's hash is poor, and where there is no NIC nobody has to live with it. */
	if (owners->bucket_mask == 0)
		return owner_by_crc(key, owners->workers);
	return owners->worker_of[mt_flow_rss_hash(key) & owners->bucket_mask];
}
