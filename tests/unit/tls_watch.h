/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * A TLS connection under test: bytes go in at the edge of a page nobody may touch, what they brought is
 * noted.
 */
#ifndef MT_TESTS_TLS_WATCH_H
#define MT_TESTS_TLS_WATCH_H

#include <stdio.h>

#include "unit.h"

#include "tls.h"
#include "tls_samples.h"

#define PIECES	  256
#define PIECE_MAX 2048
#define INPUT_MAX (40 * 1024)

/* One monitor of one connection, and what it has said so far. */
struct watch {
	struct mt_tls tls;
	struct mt_pool pool;
	struct mt_tls_hello client, first_server, server; /* of the last event of each kind */
	unsigned client_hellos, server_hellos, not_tls, done;
	size_t refused; /* bytes that NOT_TLS left */
	bool is_seen[MT_DIRECTION_COUNT];
};

static _Alignas(64) uint8_t pool_area[PIECES * PIECE_MAX];

static inline void begin(struct watch *watch, uint32_t piece_bytes, uint32_t pieces)
{
	memset(watch, 0, sizeof(*watch));
	mt_pool_init(&watch->pool, pool_area, piece_bytes, pieces);
	mt_tls_init(&watch->tls);
}

/* Every piece comes back, whatever happened. */
static inline void end(struct watch *watch)
{
	mt_tls_clear(&watch->tls, &watch->pool);
	assert_int_equal(watch->pool.free_pieces, watch->pool.pieces);
}

/* The bytes with a page behind them that nobody may touch; overwritten by the next call. */
static struct mt_span at_edge(struct mt_span bytes)
{
	static uint8_t nothing[INPUT_MAX];
	static struct mt_span room;

	if (room.data == NULL)
		room = guarded(nothing, sizeof(nothing));
	assert_true(bytes.len <= room.len);

	uint8_t *place = (uint8_t *)(uintptr_t)room.data + room.len - bytes.len;

	if (bytes.len > 0)
		memmove(place, bytes.data, bytes.len);
	return mt_span(place, bytes.len);
}

static inline void note(struct watch *watch, enum mt_tls_event event, const struct mt_tls_hello *hello,
			size_t left)
{
	switch (event) {
	case MT_TLS_CLIENT_HELLO:
		memcpy(&watch->client, hello, sizeof(*hello));
		watch->client_hellos++;
		break;
	case MT_TLS_SERVER_HELLO:
		if (watch->server_hellos++ == 0)
			memcpy(&watch->first_server, hello, sizeof(*hello));
		memcpy(&watch->server, hello, sizeof(*hello));
		break;
	case MT_TLS_NOT_TLS:
		watch->not_tls++;
		watch->refused = left;
		break;
	case MT_TLS_DONE:
		watch->done = 1;
		assert_int_equal(left, 0);
		break;
	case MT_TLS_MORE:
		assert_int_equal(left, 0);
		break;
	}
}

static inline void feed(struct watch *watch, enum mt_direction direction, struct mt_span bytes)
{
	static struct mt_tls_hello hello;
	struct mt_span rest = at_edge(bytes);

	watch->is_seen[direction] = true;
	while (rest.len > 0) {
		size_t consumed;
		enum mt_tls_event event =
		    mt_tls_feed(&watch->tls, &watch->pool, direction, rest, &consumed, &hello);

		assert_true(consumed <= rest.len);
		rest = mt_span_after(rest, consumed);
		note(watch, event, &hello, rest.len);
		if (event == MT_TLS_NOT_TLS)
			return;
	}
}

static inline bool is_established(const struct watch *watch)
{
	return mt_tls_is_established(&watch->tls, watch->is_seen);
}

static inline uint8_t hex_digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Bytes of a string of hexadecimal digits, behind those that are there. */
static inline void add_hex(uint8_t *bytes, size_t *len, const char *hex)
{
	for (; hex[0] != 0; hex += 2)
		bytes[(*len)++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
}

static inline void feed_hex(struct watch *watch, enum mt_direction direction, const char *hex)
{
	static uint8_t bytes[INPUT_MAX];
	size_t len = 0;

	add_hex(bytes, &len, hex);
	feed(watch, direction, mt_span(bytes, len));
}

static inline const struct tls_sample *sample_of(const char *name)
{
	for (size_t i = 0; i < MT_ARRAY_LEN(TLS_SAMPLES); i++)
		if (strcmp(TLS_SAMPLES[i].name, name) == 0)
			return &TLS_SAMPLES[i];
	fail_msg("no sample %s", name);
	return NULL;
}

/* How the bytes of a sample are cut: everywhere, or once, counted over the flights of the sample. */
struct cuts {
	bool is_everywhere;
	size_t at;
};

static inline void feed_flight(struct watch *watch, enum mt_direction direction, struct mt_span flight,
			       struct cuts cuts, size_t before)
{
	if (cuts.is_everywhere) {
		for (size_t i = 0; i < flight.len; i++)
			feed(watch, direction, mt_span(flight.data + i, 1));
	} else if (cuts.at > before && cuts.at < before + flight.len) {
		feed(watch, direction, mt_span_first(flight, cuts.at - before));
		feed(watch, direction, mt_span_after(flight, cuts.at - before));
	} else {
		feed(watch, direction, flight);
	}
}

/* Feed the sample's flights of the wanted directions. Result  bytes fed */
static inline size_t feed_sample(struct watch *watch, const struct tls_sample *sample, struct cuts cuts,
				 const bool wanted[MT_DIRECTION_COUNT])
{
	static uint8_t bytes[INPUT_MAX];
	size_t total = 0;

	for (const struct tls_flight *flight = sample->flights; flight->hex != NULL; flight++) {
		size_t len = 0;

		if (!wanted[flight->direction])
			continue;
		add_hex(bytes, &len, flight->hex);
		feed_flight(watch, flight->direction, mt_span(bytes, len), cuts, total);
		total += len;
	}
	return total;
}

static const bool BOTH[MT_DIRECTION_COUNT] = {true, true};
static const bool CLIENT_ONLY[MT_DIRECTION_COUNT] = {[MT_TO_SERVER] = true};
static const bool SERVER_ONLY[MT_DIRECTION_COUNT] = {[MT_TO_CLIENT] = true};

/* The comma-separated names of tshark; a longer name than is kept is compared as far as it is kept. */
static inline void check_alpns(const struct mt_tls_hello *hello, const char *names)
{
	uint8_t count = 0;

	while (*names != 0) {
		size_t len = strcspn(names, ",");
		size_t kept = len < MT_TLS_ALPN_MAX ? len : MT_TLS_ALPN_MAX;

		assert_true(count < hello->alpn_count);
		assert_int_equal(hello->alpn[count].len, kept);
		assert_memory_equal(hello->alpn[count].name, names, kept);
		count++;
		names += len + (names[len] == ',');
	}
	assert_int_equal(hello->alpn_count, count);
}

/* A ServerHello laid out by hand after RFC 8446 4.1.3: version, the end of its random, the suite. */
static inline void feed_server_hello(struct watch *watch, const char *version, const char *random_end,
				     const char *cipher)
{
	char hex[256];

	snprintf(hex, sizeof(hex), "16030300320200002e0303%048d%s00%s000006002b0002%s", 0, random_end, cipher,
		 version);
	feed_hex(watch, MT_TO_CLIENT, hex);
	assert_false(watch->server.is_malformed);
}

#endif
