/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * Input: origin of the sequence numbers (4 bytes), limit of held pieces, pieces of the pool, then operations.
 * Beside the stream runs a model that is too simple to be wrong: one big array with a place for every
 * sequence number, each of which is unseen, in hand or done. After every operation both must agree.
 */
#include "fuzz.h"
#include "stream.h"

#define PLACES	    (1 << 18)
#define BEGIN	    (PLACES / 2) /* where a stream begins: a soft base may move down from there */
#define FAR_BYTES   (1 << 30)	 /* stream.h: more than that from next is refused */
#define SOFT_ROOM   (64 * 1024)	 /* stream.h: set_base */
#define PIECES_MAX  64
#define PAYLOAD_MAX 2048

enum place { UNSEEN, IN_PLACE, HELD, DONE };

static struct {
	uint8_t state[PLACES]; /* enum place */
	uint8_t byte[PLACES];  /* the first one seen, where was_put */
	bool was_put[PLACES];  /* whatever became of it */
	bool has_ack[PLACES];
	uint32_t ack[PLACES];
	int low, high; /* places outside are as they were at the beginning */
	int next;
	uint32_t origin; /* sequence number of place 0 */
	bool has_base, is_soft;
	int soft_room;
	bool was_contradicted; /* some place was put with two values */
	bool must_notice;      /* ... of which one was still held */
	uint64_t put, delivered, repeated, missing, unread;
} model;

static struct mt_stream stream;
static struct mt_pool pool;
static struct guard payload;
static _Alignas(MT_CACHE_LINE) uint8_t area[PIECES_MAX * MT_STREAM_PIECE_BYTES];

static void forget(uint32_t origin)
{
	for (int p = model.low; p < model.high; p++) {
		model.state[p] = UNSEEN;
		model.was_put[p] = false;
	}
	model.low = model.high = model.next = BEGIN;
	model.origin = origin;
	model.has_base = model.is_soft = model.was_contradicted = model.must_notice = false;
	model.put = model.delivered = model.repeated = model.missing = model.unread = 0;
}

/* Of a far segment no place is kept. */
static bool is_in_model(int64_t from, int64_t len)
{
	return from >= 0 && from + len <= PLACES;
}

static void touch(int from, int len)
{
	model.low = from < model.low ? from : model.low;
	model.high = from + len > model.high ? from + len : model.high;
}

static bool is_in_hand(int place)
{
	return model.state[place] == HELD || model.state[place] == IN_PLACE;
}

/* Below next nothing is in hand. */
static int count(enum place state)
{
	int n = 0;

	for (int p = model.next; p < model.high; p++)
		n += model.state[p] == state;
	return n;
}

/* Of the new bytes that were offered, the last ones were refused, if any. */
static void keep(enum place from, enum place to, uint64_t refused)
{
	uint64_t kept = (uint64_t)count(from) - refused;

	for (int p = model.next; p < model.high; p++)
		if (model.state[p] == from)
			model.state[p] = kept > 0 ? (kept--, to) : UNSEEN;
}

static void check_refusal(enum mt_stream_put result, uint64_t refused)
{
	FUZZ_MUST((refused > 0) == (result == MT_STREAM_LIMIT || result == MT_STREAM_EMPTY));
	if (result == MT_STREAM_LIMIT)
		FUZZ_MUST(stream.held_bytes + MT_STREAM_PIECE_BYTES > stream.held_limit);
	if (result == MT_STREAM_EMPTY)
		FUZZ_MUST(pool.free_pieces == 0);
}

static void settle(void)
{
	uint64_t refused = stream.refused_bytes;
	bool is_left = count(IN_PLACE) > 0;
	enum mt_stream_put result = mt_stream_settle(&stream, &pool);

	/* Who frees the packet now leaves nothing to read in it. */
	memset(payload.end - PAYLOAD_MAX, 0xee, PAYLOAD_MAX);
	refused = stream.refused_bytes - refused;
	FUZZ_MUST(is_left || result == MT_STREAM_NOTHING);
	check_refusal(result, refused);
	keep(IN_PLACE, HELD, refused);
}

/* What the model makes of a segment. Result  new bytes in it, marked IN_PLACE */
static int model_put(int from, struct mt_span bytes, const struct mt_segment *segment)
{
	bool is_keep_alive = bytes.len == 1 && bytes.data[0] == 0;
	int fresh = 0;

	touch(from, (int)bytes.len);
	for (int i = 0; i < (int)bytes.len; i++) {
		int p = from + i;

		if (model.was_put[p] && model.byte[p] != bytes.data[i]) {
			model.was_contradicted = true;
			model.must_notice |= is_in_hand(p) && p >= model.next && !is_keep_alive;
		}
		if (!model.was_put[p])
			model.byte[p] = bytes.data[i];
		model.was_put[p] = true;
		if (p < model.next || is_in_hand(p)) {
			model.repeated++;
			continue;
		}
		model.byte[p] = bytes.data[i];
		model.state[p] = IN_PLACE;
		model.ack[p] = segment->ack;
		model.has_ack[p] = segment->has_ack;
		fresh++;
	}
	return fresh;
}

static void put(struct mt_span *rest)
{
	uint8_t how = fuzz_byte(rest), bytes[PAYLOAD_MAX];
	int from = model.next + (int16_t)fuzz_word(rest) / ((how & 16) != 0 ? 1 : 4);
	size_t len = (how & 1) != 0 ? fuzz_word(rest) % (PAYLOAD_MAX + 1) : fuzz_byte(rest) % 32u;
	struct mt_segment segment = {.has_ack = (how & 2) != 0, .ack = how >> 5, .time_ns = model.put};
	uint64_t refused;

	if (!is_in_model(from, (int64_t)len))
		return;
	settle();
	/* The bytes of a place are always the same, unless somebody contradicts. */
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)((from + (int)i) * 7 + ((how & 4) != 0 && i % 8 == 7));
	if ((how & 8) != 0 && len == 1)
		bytes[0] = 0;
	segment.seq = model.origin + (uint32_t)from;
	segment.payload = guard_copy(&payload, bytes, len);
	if (len > 0 && !model.has_base) {
		model.has_base = model.is_soft = true;
		model.soft_room = SOFT_ROOM;
		model.next = from;
	}
	if (len > 0 && model.is_soft && from < model.next && model.next - from <= model.soft_room) {
		model.soft_room -= model.next - from;
		model.next = from;
	}
	bool may_stand_next = from <= model.next && from + (int)len > model.next && !is_in_hand(model.next);
	int fresh = model_put(from, mt_span(bytes, len), &segment);
	refused = stream.refused_bytes;
	enum mt_stream_put result = mt_stream_put(&stream, &pool, &segment);
	refused = stream.refused_bytes - refused;
	model.put += len;
	if (fresh == 0)
		FUZZ_MUST(result == MT_STREAM_NOTHING);
	else if (may_stand_next)
		FUZZ_MUST(result == MT_STREAM_NEXT && refused == 0);
	else
		check_refusal(result, refused);
	if (result != MT_STREAM_NEXT)
		keep(IN_PLACE, HELD, refused);
	FUZZ_MUST(!stream.is_inconsistent || model.was_contradicted);
	FUZZ_MUST(stream.is_inconsistent || !model.must_notice);
}

static void put_far(struct mt_span *rest)
{
	int32_t distance = FAR_BYTES + 1 + fuzz_word(rest);
	struct mt_segment segment = {.time_ns = model.put};
	uint64_t refused;

	if (!model.has_base)
		return;
	settle();
	refused = stream.refused_bytes;
	segment.payload = guard_copy(&payload, "far away", 8);
	segment.seq = stream.next + (uint32_t)((distance & 1) != 0 ? distance : -distance);
	FUZZ_MUST(mt_stream_put(&stream, &pool, &segment) == MT_STREAM_NOTHING);
	FUZZ_MUST(stream.refused_bytes == refused + 8);
	model.put += 8;
}

static void consume(struct mt_span *rest)
{
	struct mt_chunk chunk;
	bool has_bytes = mt_stream_peek(&stream, &pool, &chunk);

	FUZZ_MUST(has_bytes == (model.has_base && is_in_hand(model.next)));
	if (!has_bytes)
		return;
	FUZZ_MUST(chunk.bytes.len > 0 && chunk.seq == model.origin + (uint32_t)model.next);
	for (size_t i = 0; i < chunk.bytes.len; i++) {
		int p = model.next + (int)i;

		FUZZ_MUST(is_in_hand(p) && model.byte[p] == chunk.bytes.data[i]);
		FUZZ_MUST(model.has_ack[p] == chunk.has_ack && model.ack[p] == chunk.ack);
	}
	int n = fuzz_word(rest) % (int)(chunk.bytes.len + 1);
	mt_stream_consume(&stream, &pool, (size_t)n);
	for (int i = 0; i < n; i++)
		model.state[model.next++] = DONE;
	model.delivered += (uint64_t)n;
	model.is_soft &= n == 0;
}

static int end_in_hand(void)
{
	int p = model.next;

	while (p < PLACES && is_in_hand(p))
		p++;
	return p;
}

static void look(struct mt_span *rest)
{
	uint8_t bytes[PAYLOAD_MAX];
	size_t wanted = fuzz_word(rest) % sizeof(bytes);
	size_t in_hand = (size_t)(end_in_hand() - model.next);
	size_t n = mt_stream_look(&stream, &pool, bytes, wanted);

	FUZZ_MUST(n == (wanted < in_hand ? wanted : in_hand));
	FUZZ_MUST(memcmp(bytes, model.byte + model.next, n) == 0);
}

static void skip(struct mt_span *rest)
{
	int to = model.next + (int16_t)fuzz_word(rest) / 8;

	if (to < 0 || to >= PLACES)
		return;
	bool is_ahead = model.has_base && to > model.next;
	uint32_t skipped = mt_stream_skip(&stream, &pool, model.origin + (uint32_t)to);
	FUZZ_MUST(skipped == (is_ahead ? (uint32_t)(to - model.next) : 0));
	if (!is_ahead)
		return;
	touch(model.next, to - model.next);
	for (; model.next < to; model.next++) {
		bool was_in_hand = is_in_hand(model.next);

		model.unread += was_in_hand;
		model.missing += !was_in_hand;
		model.state[model.next] = DONE;
	}
	model.is_soft = false;
}

static void set_base(struct mt_span *rest)
{
	bool is_soft = fuzz_byte(rest) & 1;
	int to = model.next + (int16_t)fuzz_word(rest) / 4;

	if (to < 0 || to >= PLACES)
		return;
	settle();
	mt_stream_set_base(&stream, model.origin + (uint32_t)to, is_soft);
	if (model.has_base && !model.is_soft)
		return;
	if (count(HELD) > 0) {
		if (to > model.next || model.next - to > model.soft_room)
			return;
		model.soft_room -= model.next - to;
	} else {
		model.soft_room = SOFT_ROOM;
	}
	model.next = to;
	model.has_base = true;
	model.is_soft = is_soft;
}

static void clear(struct mt_span *rest)
{
	uint64_t in_hand = (uint64_t)(count(HELD) + count(IN_PLACE)), unread = stream.unread_bytes;

	(void)rest;
	mt_stream_clear(&stream, &pool);
	FUZZ_MUST(stream.unread_bytes == unread + in_hand);
	FUZZ_MUST(stream.held_bytes == 0 && pool.free_pieces == pool.pieces);
	mt_stream_init(&stream, stream.held_limit);
	forget(model.origin);
}

static void compare(void)
{
	const struct mt_stream *s = &stream;
	uint64_t in_hand = (uint64_t)(count(HELD) + count(IN_PLACE));
	uint32_t held_seq;
	int hole = end_in_hand(), behind = hole;

	FUZZ_MUST(s->delivered_bytes == model.delivered && s->repeated_bytes == model.repeated);
	FUZZ_MUST(s->missing_bytes == model.missing && s->unread_bytes == model.unread);
	FUZZ_MUST(model.put ==
		  s->delivered_bytes + s->repeated_bytes + s->refused_bytes + s->unread_bytes + in_hand);
	FUZZ_MUST(s->held_bytes <= s->held_limit && s->held_bytes % MT_STREAM_PIECE_BYTES == 0);
	FUZZ_MUST(pool.free_pieces + s->held_bytes / MT_STREAM_PIECE_BYTES == pool.pieces);
	FUZZ_MUST(s->has_base == model.has_base);
	if (!model.has_base)
		return;
	FUZZ_MUST(s->next == model.origin + (uint32_t)model.next && s->is_base_soft == model.is_soft);
	FUZZ_MUST(mt_stream_in_hand(s, &pool) == model.origin + (uint32_t)hole);
	while (behind < model.high && model.state[behind] != HELD)
		behind++;
	FUZZ_MUST(mt_stream_first_held(s, &pool, &held_seq) == (behind < model.high));
	FUZZ_MUST(behind >= model.high || held_seq == model.origin + (uint32_t)behind);
}

static void settle_now(struct mt_span *rest)
{
	(void)rest;
	settle();
}

static void (*const operations[])(struct mt_span *rest) = {put,	    put,     consume, put,	settle_now,
							   look,    skip,    put,     set_base, put,
							   put_far, consume, put,     clear,	consume};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct mt_span rest = fuzz_input(data, len);
	uint32_t origin = (uint32_t)fuzz_word(&rest) << 16 | fuzz_word(&rest);
	uint32_t limit = fuzz_byte(&rest) % PIECES_MAX * MT_STREAM_PIECE_BYTES;

	if (payload.end == NULL)
		payload = guard_make(PAYLOAD_MAX);
	mt_pool_init(&pool, area, MT_STREAM_PIECE_BYTES, fuzz_byte(&rest) % PIECES_MAX + 1);
	mt_stream_init(&stream, limit);
	forget(origin);
	while (rest.len > 0) {
		operations[fuzz_byte(&rest) % MT_ARRAY_LEN(operations)](&rest);
		compare();
	}
	clear(&rest);
	return 0;
}
