/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "flow.h"

#include <assert.h>
#include <nmmintrin.h>

#define KEY_WORDS (sizeof(struct mt_flow_key) / sizeof(uint64_t))

static inline uint64_t read_word(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word)); /* little-endian, as SipHash wants it: x86-64 only */
	return word;
}

/* memcmp() in two steps: the addresses of a flow differ early, and the call would cost more than both. */
static inline int compare_addresses(const uint8_t *a, const uint8_t *b)
{
	uint64_t high_a = __builtin_bswap64(read_word(a)), low_a = __builtin_bswap64(read_word(a + 8));
	uint64_t high_b = __builtin_bswap64(read_word(b)), low_b = __builtin_bswap64(read_word(b + 8));

	if (high_a != high_b)
		return high_a < high_b ? -1 : 1;
	return low_a == low_b ? 0 : low_a < low_b ? -1 : 1;
}

unsigned mt_flow_key_make(struct mt_flow_key *ret, const struct mt_packet *packet, bool vlan_in_key)
{
	int order = compare_addresses(packet->src, packet->dst);
	unsigned side = order > 0 || (order == 0 && packet->src_port > packet->dst_port);

	memcpy(ret->addr[side], packet->src, sizeof(packet->src));
	memcpy(ret->addr[side ^ 1], packet->dst, sizeof(packet->dst));
	ret->port[side] = packet->src_port;
	ret->port[side ^ 1] = packet->dst_port;
	ret->vlan = vlan_in_key ? packet->vlan[0] : 0;
	ret->ip_version = packet->ip_version;
	ret->pad = 0;
	return side;
}

struct sip {
	uint64_t a, b, c, d;
};

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

/* Aumasson and Bernstein 2012, figure 2.1 */
static inline void sip_round(struct sip *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = rotate(s->b, 13) ^ s->a;
	s->d = rotate(s->d, 16) ^ s->c;
	s->a = rotate(s->a, 32) + s->d;
	s->c += s->b;
	s->d = rotate(s->d, 21) ^ s->a;
	s->b = rotate(s->b, 17) ^ s->c;
	s->c = rotate(s->c, 32);
}

/* One round for each word: enough for a table, whose hashes nobody outside ever sees. */
static inline void sip_absorb(struct sip *s, uint64_t word)
{
	s->d ^= word;
	sip_round(s);
	s->a ^= word;
}

uint64_t mt_flow_fingerprint(const struct mt_flow_key *key, const struct mt_flow_secret *secret)
{
	const uint8_t *bytes = (const uint8_t *)key;
	struct sip s = {
	    /* "somepseudorandomlygeneratedbytes", section 2.1 */
	    .a = secret->word[0] ^ 0x736f6d6570736575,
	    .b = secret->word[1] ^ 0x646f72616e646f6d,
	    .c = secret->word[0] ^ 0x6c7967656e657261,
	    .d = secret->word[1] ^ 0x7465646279746573,
	};

	for (size_t i = 0; i < KEY_WORDS; i++)
		sip_absorb(&s, read_word(bytes + i * sizeof(uint64_t)));
	sip_absorb(&s, (uint64_t)sizeof(*key) << 56); /* no bytes remain, so the last word holds the length */
	s.c ^= 0xff;
	for (unsigned i = 0; i < 3; i++)
		sip_round(&s);

	uint64_t hash = s.a ^ s.b ^ s.c ^ s.d;
	return hash != 0 ? hash : 1; /* 0 marks a free place */
}

/*
 * The key's 32 bits at any place are those 16 places on: what a bit of the input adds depends on its place
 * modulo 16 alone. So the input's 16-bit words may be added up first, and no direction is left in the sum.
 */
static uint16_t fold_tuple(const struct mt_flow_key *key)
{
	uint64_t sum = read_word(key->addr[0]) ^ read_word(key->addr[0] + 8) ^ read_word(key->addr[1]) ^
		       read_word(key->addr[1] + 8);

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
		crc = _mm_crc32_u64(crc, read_word(bytes + i * sizeof(uint64_t)));
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
