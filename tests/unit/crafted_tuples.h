/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * A million connections to port 25 that somebody picked so that a hash without a key gives one value for all
 * of them.
 *
 * Both hashes are linear but for a constant: what a bit of the tuple changes in the hash does not depend on
 * the others. So tuples that collide are not searched for but solved for: differences whose changes cancel
 * out, by Gaussian elimination over the bits that may be picked: 31 of each address, 16 of the client's port.
 * Any sum of such differences is one again; twenty of them make 2^20 tuples.
 */
#ifndef MT_TESTS_CRAFTED_TUPLES_H
#define MT_TESTS_CRAFTED_TUPLES_H

#include <nmmintrin.h>
#include <stdlib.h>

#include "flow.h"

#define CRAFTED_BITS  20
#define CRAFTED_COUNT (1u << CRAFTED_BITS)

/** What the tuples collide under. */
enum crafted_hash {
	CRAFTED_CRC32C,	  /* of the sorted tuple's bytes */
	CRAFTED_TOEPLITZ, /* with the key 6d 5a again and again, as NICs spread packets */
	CRAFTED_BOTH,
	CRAFTED_RANDOM, /* under nothing: tuples drawn at random, of the same bits */
	CRAFTED_COUNT_OF_HASHES
};

struct crafted {
	struct mt_flow_key base;
	struct mt_flow_key low[1 << CRAFTED_BITS / 2]; /* differences: sums of the first ten */
	struct mt_flow_key high[1 << CRAFTED_BITS / 2];
};

/* The bits that may be picked. The highest bit of an address says which side it is: the key stays sorted. */
static const struct mt_flow_key crafted_bits = {.addr = {{0x7f, 0xff, 0xff, 0xff}, {0x7f, 0xff, 0xff, 0xff}},
						.port = {0, 0xffff}};

static inline void crafted_add(struct mt_flow_key *key, const struct mt_flow_key *difference)
{
	uint64_t a[5], b[5];

	memcpy(a, key, sizeof(a));
	memcpy(b, difference, sizeof(b));
	for (unsigned i = 0; i < 5; i++)
		a[i] ^= b[i];
	memcpy(key, a, sizeof(a));
}

static inline uint32_t crafted_crc32c(const struct mt_flow_key *key)
{
	uint64_t words[5], crc = 0xffffffff;

	memcpy(words, key, sizeof(words));
	for (unsigned i = 0; i < 5; i++)
		crc = _mm_crc32_u64(crc, words[i]);
	return (uint32_t)crc;
}

/** The hash that is attacked; none where tuples are random. */
static inline uint64_t crafted_hash_of(enum crafted_hash hash, const struct mt_flow_key *key)
{
	bool has_crc = hash == CRAFTED_CRC32C || hash == CRAFTED_BOTH;
	bool has_toeplitz = hash == CRAFTED_TOEPLITZ || hash == CRAFTED_BOTH;

	return (uint64_t)(has_crc ? crafted_crc32c(key) : 0) << 32 |
	       (has_toeplitz ? mt_flow_rss_hash(key) : 0);
}

/* Differences that change nothing in the hash, as many as are wanted. Result  how many there were */
static inline unsigned crafted_solve(enum crafted_hash hash, const struct mt_flow_key *base,
				     struct mt_flow_key *differences, unsigned wanted)
{
	struct {
		uint64_t change;
		struct mt_flow_key difference;
	} pivots[64] = {0}; /* by the highest bit that changes */
	unsigned found = 0;

	for (unsigned bit = 0; bit < 8 * sizeof(*base) && found < wanted; bit++) {
		struct mt_flow_key difference = {0}, changed = *base;
		uint64_t change;

		((uint8_t *)&difference)[bit / 8] = (uint8_t)(1u << bit % 8);
		if ((((const uint8_t *)&crafted_bits)[bit / 8] >> bit % 8 & 1) == 0)
			continue;
		crafted_add(&changed, &difference);
		change = crafted_hash_of(hash, &changed) ^ crafted_hash_of(hash, base);
		while (change != 0) {
			unsigned highest = 63 - (unsigned)__builtin_clzll(change);

			if (pivots[highest].change == 0) {
				pivots[highest].change = change;
				pivots[highest].difference = difference;
				break;
			}
			change ^= pivots[highest].change;
			crafted_add(&difference, &pivots[highest].difference);
		}
		if (change == 0)
			differences[found++] = difference;
	}
	return found;
}

static inline void crafted_sums(struct mt_flow_key *sums, const struct mt_flow_key *differences)
{
	for (unsigned i = 0; i < 1u << CRAFTED_BITS / 2; i++) {
		sums[i] = (struct mt_flow_key){0};
		for (unsigned bit = 0; bit < CRAFTED_BITS / 2; bit++)
			if (i >> bit & 1)
				crafted_add(&sums[i], &differences[bit]);
	}
}

/** Result  NULL where no such tuples exist, or memory; to be freed */
static inline struct crafted *crafted_create(enum crafted_hash hash)
{
	struct crafted *crafted = calloc(1, sizeof(*crafted));
	struct mt_flow_key differences[CRAFTED_BITS];

	if (crafted == NULL)
		return NULL;
	crafted->base = (struct mt_flow_key){
	    .addr = {{10, 1, 2, 3}, {192, 4, 5, 6}}, .port = {25, 40000}, .ip_version = 4};
	if (crafted_solve(hash, &crafted->base, differences, CRAFTED_BITS) < CRAFTED_BITS) {
		free(crafted);
		return NULL;
	}
	crafted_sums(crafted->low, differences);
	crafted_sums(crafted->high, differences + CRAFTED_BITS / 2);
	return crafted;
}

/* Vigna 2015 */
static inline uint64_t crafted_splitmix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/** The tuple of this number, one of 2^31: an odd multiplier permutes, so the server tells them apart. */
static inline struct mt_flow_key random_tuple(uint32_t number)
{
	uint64_t drawn = crafted_splitmix(number);
	uint32_t server = __builtin_bswap32(number * 0x9e3779b1u & 0x7fffffff);
	uint32_t client = __builtin_bswap32((uint32_t)drawn | 0x80000000);
	struct mt_flow_key key = {.port = {25, (uint16_t)(drawn >> 32)}, .ip_version = 4};

	memcpy(key.addr[0], &server, sizeof(server));
	memcpy(key.addr[1], &client, sizeof(client));
	return key;
}

/** number  modulo CRAFTED_COUNT; NULL for crafted gives random ones, with no such bound */
static inline struct mt_flow_key crafted_tuple(const struct crafted *crafted, uint32_t number)
{
	struct mt_flow_key key;

	if (crafted == NULL)
		return random_tuple(number);
	key = crafted->base;
	crafted_add(&key, &crafted->low[number % (1 << CRAFTED_BITS / 2)]);
	crafted_add(&key, &crafted->high[number % CRAFTED_COUNT >> CRAFTED_BITS / 2]);
	return key;
}

#endif
