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
 * CRC32C has an instruction, and the key is the same from both sides. It is linear, so its bits are
 * folded together by a multiplication (by 2^64 over the golden ratio) before its upper ones choose.
 * Somebody who picks tuples can load one worker; RSS allows the same.
 */
unsigned mt_flow_owner(const struct mt_flow_key *key, unsigned workers)
{
	const uint8_t *bytes = (const uint8_t *)key;
	uint64_t crc = 0xffffffff, mixed;

	assert(workers > 0);
	for (size_t i = 0; i < KEY_WORDS; i++)
		crc = _mm_crc32_u64(crc, read_word(bytes + i * sizeof(uint64_t)));
	mixed = (crc ^ crc >> 15) * 0x9e3779b97f4a7c15;
	return (unsigned)((mixed >> 32) * workers >> 32);
}
