/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * The fingerprint. Nearly every processor has instructions for AES, which make of it the quickest hash that
 * nobody without the key can foresee: ten for IPv4, and those of one packet overlap with those of the next.
 * Where they are missing it is SipHash, at some eight times the cost.
 */
#include "flow_priv.h"

#include <wmmintrin.h>

static inline uint64_t never_zero(uint64_t hash)
{
	return hash != 0 ? hash : 1; /* 0 marks a free place */
}

/* ---- SipHash ---- */

#define KEY_WORDS (sizeof(struct mt_flow_key) / sizeof(uint64_t))

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

static uint64_t siphash(const struct mt_flow_key *key, const struct mt_flow_secret *secret)
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
		sip_absorb(&s, mt_flow_read_word(bytes + i * sizeof(uint64_t)));
	sip_absorb(&s, (uint64_t)sizeof(*key) << 56); /* no bytes remain, so the last word holds the length */
	s.c ^= 0xff;
	for (unsigned i = 0; i < 3; i++)
		sip_round(&s);

	return s.a ^ s.b ^ s.c ^ s.d;
}

/* ---- AES ---- */

#define AES __attribute__((target("aes")))

/* FIPS 197 5.2, figure 11: a round key's words are sums of those before and of the last one, substituted. */
AES static inline __m128i next_round_key(__m128i key, __m128i substituted)
{
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
	return _mm_xor_si128(key, _mm_shuffle_epi32(substituted, 0xff));
}

AES static void expand_key(struct mt_flow_secret *secret)
{
	__m128i *round = (__m128i *)secret->round_key;

	round[0] = _mm_set_epi64x((long long)secret->word[1], (long long)secret->word[0]);
	/* The constant is part of the instruction. */
#define NEXT(n, constant)                                                                                    \
	round[n] = next_round_key(round[(n)-1], _mm_aeskeygenassist_si128(round[(n)-1], constant))
	NEXT(1, 0x01), NEXT(2, 0x02), NEXT(3, 0x04), NEXT(4, 0x08), NEXT(5, 0x10);
	NEXT(6, 0x20), NEXT(7, 0x40), NEXT(8, 0x80), NEXT(9, 0x1b), NEXT(10, 0x36);
#undef NEXT
}

AES static inline __m128i encrypt(__m128i block, const __m128i *round)
{
	block = _mm_xor_si128(block, round[0]);
	for (unsigned i = 1; i < MT_FLOW_AES_ROUNDS; i++)
		block = _mm_aesenc_si128(block, round[i]);
	return _mm_aesenclast_si128(block, round[MT_FLOW_AES_ROUNDS]);
}

/*
 * Of IPv4 one block says all: two addresses, then ports and the rest of the key. IPv6's addresses follow
 * whole.
 */
AES static inline uint64_t aes_hash(const uint8_t *low, const uint8_t *high, uint64_t rest, bool is_v4,
				    const struct mt_flow_secret *secret)
{
	const __m128i *round = (const __m128i *)secret->round_key;
	uint32_t begin[2];
	__m128i block;

	memcpy(&begin[0], low, sizeof(begin[0]));
	memcpy(&begin[1], high, sizeof(begin[1]));
	block =
	    encrypt(_mm_set_epi64x((long long)rest, (long long)((uint64_t)begin[1] << 32 | begin[0])), round);
	if (mt_unlikely(!is_v4)) {
		block = encrypt(_mm_xor_si128(block, _mm_loadu_si128((const __m128i *)low)), round);
		block = encrypt(_mm_xor_si128(block, _mm_loadu_si128((const __m128i *)high)), round);
	}
	return never_zero((uint64_t)_mm_cvtsi128_si64(block));
}

AES static uint64_t aes_fingerprint(const struct mt_flow_key *key, const struct mt_flow_secret *secret)
{
	return aes_hash(key->addr[0], key->addr[1], mt_flow_read_word((const uint8_t *)key->port),
			key->ip_version == 4, secret);
}

/* ---- Either ---- */

void mt_flow_secret_init(struct mt_flow_secret *ret, uint64_t word0, uint64_t word1)
{
	*ret = (struct mt_flow_secret){.word = {word0, word1}, .has_aes = __builtin_cpu_supports("aes") != 0};
	if (ret->has_aes)
		expand_key(ret);
}

uint64_t mt_flow_fingerprint(const struct mt_flow_key *key, const struct mt_flow_secret *secret)
{
	return secret->has_aes ? aes_fingerprint(key, secret) : never_zero(siphash(key, secret));
}

static __attribute__((noinline)) struct mt_flow_name
name_slowly(const struct mt_packet *packet, bool vlan_in_key, const struct mt_flow_secret *secret)
{
	struct mt_flow_key key;
	unsigned side = mt_flow_key_make(&key, packet, vlan_in_key);

	return (struct mt_flow_name){mt_flow_fingerprint(&key, secret), side};
}

/* Without making the key: the packet's ends are put in order on the way. */
AES struct mt_flow_name mt_flow_name(const struct mt_packet *packet, bool vlan_in_key,
				     const struct mt_flow_secret *secret)
{
	unsigned side;
	const uint8_t *low, *high;

	if (mt_unlikely(!secret->has_aes))
		return name_slowly(packet, vlan_in_key, secret);
	side = mt_flow_side(packet);
	low = side == 0 ? packet->src : packet->dst;
	high = side == 0 ? packet->dst : packet->src;
	return (struct mt_flow_name){
	    aes_hash(low, high, mt_flow_key_rest(packet, side, vlan_in_key), packet->ip_version == 4, secret),
	    side};
}
