/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "stream.h"

#include <assert.h>
#include <nmmintrin.h>

#include "fault.h"

/* Further from next than this is no disorder but another connection or rubbish. A quarter of the circle
   keeps every held byte within half of it, where mt_seq_diff() still tells before from behind. */
#define FAR_BYTES	(1 << 30)
#define SOFT_ROOM_BYTES (64 * 1024) /* the largest window without scaling: no more can be in flight below */

/* 24 bytes of header leave 488: a full Ethernet segment of 1460 bytes takes three pieces, not four. */
#define PIECE_ROOM (MT_STREAM_PIECE_BYTES - 24)

/* Held bytes. Pieces are linked by rising sequence number and never overlap. */
struct piece {
	uint64_t time_ns;    /* of the segment of the first byte */
	uint32_t next;	     /* MT_POOL_NONE at the end */
	uint32_t seq;	     /* of the first byte not consumed */
	uint32_t ack;	     /* of the segment of every byte in it */
	uint32_t begin : 15; /* where the first byte not consumed stands in bytes[] */
	uint32_t len : 16;   /* not consumed; never 0 between calls */
	uint32_t has_ack : 1;
	uint8_t bytes[PIECE_ROOM];
};
mt_static_assert(sizeof(struct piece) == MT_STREAM_PIECE_BYTES, "a piece fills its place in the pool");

/* A spot in the list: new bytes go between these two, either of which may be MT_POOL_NONE. */
struct place {
	uint32_t left;
	uint32_t right;
};

static struct piece *piece_at(const struct mt_pool *pool, uint32_t index)
{
	return index == MT_POOL_NONE ? NULL : mt_pool_at(pool, index);
}

static uint32_t piece_end(const struct piece *piece)
{
	return piece->seq + piece->len;
}

static bool is_before(uint32_t a, uint32_t b)
{
	return mt_seq_diff(a, b) < 0;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Cut n bytes, or all there are, off the front. */
static void cut(struct mt_segment *segment, size_t n)
{
	segment->payload = mt_span_after(segment->payload, n);
	segment->seq += (uint32_t)n;
}

/*
 * CRC32C in four stripes, because one instruction waits three cycles for the one before it. The value is
 * no standard one and is only ever compared with its like. It can be forged; what it guards is a flag.
 */
static uint32_t sum_bytes(struct mt_span bytes)
{
	uint64_t lane[4] = {bytes.len, 1, 2, 3}, word[4];

	for (; bytes.len >= sizeof(word); bytes = mt_span_after(bytes, sizeof(word))) {
		memcpy(word, bytes.data, sizeof(word));
		for (unsigned i = 0; i < 4; i++)
			lane[i] = _mm_crc32_u64(lane[i], word[i]);
	}
	memset(word, 0, sizeof(word));
	if (bytes.len > 0)
		memcpy(word, bytes.data, bytes.len);
	for (unsigned i = 0; i < 4; i++)
		lane[i] = _mm_crc32_u64(lane[i], word[i]);
	mt_wipe(word, sizeof(word));
	return (uint32_t)_mm_crc32_u64(_mm_crc32_u64(lane[0], lane[1] << 32 | lane[2]), lane[3]);
}

static void remember(struct mt_stream *stream, const struct mt_segment *segment)
{
	unsigned entry = stream->seen_next;

	stream->seen[entry].seq = segment->seq;
	stream->seen[entry].len = (uint32_t)segment->payload.len;
	stream->seen[entry].sum = sum_bytes(segment->payload);
	stream->seen[entry].time_us = (uint32_t)(segment->time_ns / 1000);
	stream->seen_next = (uint8_t)((entry + 1) % MT_STREAM_SEEN);
	if (stream->seen_count <= entry)
		stream->seen_count = (uint8_t)(entry + 1);
}

/* A keep-alive may repeat the last byte with rubbish (RFC 9293 3.8.4). Those who send one send zero, which
   no mail dialogue has; any other value stays a difference, or one-byte repeats would be a way around it. */
static bool is_keep_alive(const struct mt_stream *stream, const struct mt_pool *pool,
			  const struct mt_segment *segment)
{
	const struct piece *last = piece_at(pool, stream->held_last);

	return segment->payload.len == 1 && segment->payload.data[0] == 0 &&
	       segment->seq + 1 == (last != NULL ? piece_end(last) : stream->next);
}

/* Compare with what is remembered of the delivered bytes. Those of the segment end at next at the latest. */
static bool differs_from_seen(const struct mt_stream *stream, struct mt_segment old)
{
	old.payload = mt_span_first(old.payload, stream->next - old.seq);
	for (unsigned i = 0; i < stream->seen_count; i++) {
		uint32_t begin = stream->seen[i].seq - old.seq, len = stream->seen[i].len;

		if (len == 0 || begin > old.payload.len || len > old.payload.len - begin)
			continue;
		if (sum_bytes(mt_span(old.payload.data + begin, len)) != stream->seen[i].sum)
			return true;
	}
	return false;
}

/* The segment is a remembered one once more, as another tap delivers it. Each repeat is compared with all
 * that is remembered: a sender's own comes later, and need not be cut alike. */
static bool is_copy(const struct mt_stream *stream, const struct mt_segment *segment)
{
	uint32_t time_us = (uint32_t)(segment->time_ns / 1000);

	for (unsigned i = 0; i < stream->seen_count; i++) {
		int32_t apart_us = (int32_t)(time_us - stream->seen[i].time_us);

		if (stream->seen[i].seq == segment->seq && stream->seen[i].len == segment->payload.len &&
		    apart_us <= MT_STREAM_COPY_US && apart_us >= -MT_STREAM_COPY_US &&
		    stream->seen[i].sum == sum_bytes(segment->payload))
			return true;
	}
	return false;
}

static struct place find_place(const struct mt_stream *stream, const struct mt_pool *pool, uint32_t seq)
{
	struct place place = {MT_POOL_NONE, stream->held_first};
	const struct piece *piece = piece_at(pool, stream->held_last);

	if (piece != NULL && !is_before(seq, piece_end(piece)))
		return (struct place){stream->held_last, MT_POOL_NONE};
	while ((piece = piece_at(pool, place.right)) != NULL && !is_before(seq, piece_end(piece)))
		place = (struct place){place.right, piece->next};
	return place;
}

/* Result  how many bytes of the segment are held already; *ret_differs is set where one is another. */
static size_t compare_held(const struct mt_stream *stream, const struct mt_pool *pool,
			   const struct mt_segment *segment, bool *ret_differs)
{
	size_t len = segment->payload.len, overlap = 0;
	const struct piece *piece = piece_at(pool, find_place(stream, pool, segment->seq).right);

	for (; piece != NULL; piece = piece_at(pool, piece->next)) {
		int32_t distance = mt_seq_diff(piece->seq, segment->seq);
		size_t in_piece = distance < 0 ? (size_t)-distance : 0;
		size_t in_segment = distance > 0 ? (size_t)distance : 0;

		if (in_segment >= len)
			break;
		size_t n = least(piece->len - in_piece, len - in_segment);
		if (memcmp(piece->bytes + piece->begin + in_piece, segment->payload.data + in_segment, n) !=
		    0)
			*ret_differs = true;
		overlap += n;
	}
	return overlap;
}

static void give_piece(struct mt_stream *stream, struct mt_pool *pool, struct piece *piece)
{
	mt_pool_give(pool, piece);
	stream->held_bytes -= MT_STREAM_PIECE_BYTES;
}

/* A piece of one's own for the segment's first bytes. Result  NULL, and why in *ret_result, if there is none.
 */
static struct piece *add_piece(struct mt_stream *stream, struct mt_pool *pool, struct place *place,
			       const struct mt_segment *segment, enum mt_stream_put *ret_result)
{
	struct piece *left = piece_at(pool, place->left), *piece = NULL;

	if (stream->held_limit < MT_STREAM_PIECE_BYTES ||
	    stream->held_bytes > stream->held_limit - MT_STREAM_PIECE_BYTES) {
		*ret_result = MT_STREAM_LIMIT;
		return NULL;
	}
	piece = mt_fault(MT_FAULT_REASSEMBLY) ? NULL : mt_pool_take(pool);
	if (piece == NULL) {
		*ret_result = MT_STREAM_EMPTY;
		return NULL;
	}
	piece->next = place->right;
	piece->seq = segment->seq;
	piece->ack = segment->ack;
	piece->has_ack = segment->has_ack;
	piece->time_ns = segment->time_ns;
	place->left = mt_pool_index(pool, piece);
	if (place->right == MT_POOL_NONE)
		stream->held_last = place->left;
	if (left != NULL)
		left->next = place->left;
	else
		stream->held_first = place->left;
	stream->held_bytes += MT_STREAM_PIECE_BYTES;
	return piece;
}

static bool can_extend(const struct piece *piece, uint32_t seq, uint32_t ack, bool has_ack, size_t n)
{
	return piece_end(piece) == seq && piece->ack == ack && piece->has_ack == has_ack &&
	       n <= PIECE_ROOM - (size_t)piece->begin - piece->len;
}

static void extend(struct piece *piece, const uint8_t *bytes, size_t n)
{
	memcpy(piece->bytes + piece->begin + piece->len, bytes, n);
	piece->len += (uint32_t)n;
}

/* Take the right neighbour into the left piece where it fits: else one-byte segments that come in falling
   order would eat a piece each. */
static void join_right(struct mt_stream *stream, struct mt_pool *pool, struct place *place)
{
	struct piece *left = piece_at(pool, place->left), *right = piece_at(pool, place->right);

	if (right == NULL || !can_extend(left, right->seq, right->ack, right->has_ack, right->len))
		return;
	extend(left, right->bytes + right->begin, right->len);
	left->next = right->next;
	if (stream->held_last == place->right)
		stream->held_last = place->left;
	place->right = right->next;
	give_piece(stream, pool, right);
}

/*
 * Copy what is not held yet. What no piece is found for is refused, with all that follows it, so that
 * what was kept is always the beginning.
 * Result  MT_STREAM_NOTHING where every byte was held, else _HELD, _LIMIT or _EMPTY
 */
static enum mt_stream_put hold(struct mt_stream *stream, struct mt_pool *pool, struct mt_segment rest)
{
	enum mt_stream_put result = MT_STREAM_NOTHING;
	struct place place = find_place(stream, pool, rest.seq);
	bool is_full = false;

	while (rest.payload.len > 0) {
		struct piece *left = piece_at(pool, place.left), *right = piece_at(pool, place.right);
		size_t n = rest.payload.len;

		if (right != NULL && !is_before(rest.seq, right->seq)) {
			cut(&rest, piece_end(right) - rest.seq);
			place = (struct place){place.right, right->next};
			continue;
		}
		if (right != NULL)
			n = least(n, right->seq - rest.seq);
		if (!is_full) {
			result = MT_STREAM_HELD;
			if (left == NULL || !can_extend(left, rest.seq, rest.ack, rest.has_ack, 1))
				left = add_piece(stream, pool, &place, &rest, &result);
			is_full = left == NULL;
		}
		if (is_full) {
			stream->refused_bytes += n;
			cut(&rest, n);
			continue;
		}
		extend(left, rest.payload.data, least(n, PIECE_ROOM - (size_t)left->begin - left->len));
		join_right(stream, pool, &place);
		cut(&rest, piece_end(left) - rest.seq);
	}
	return result;
}

/* Move next over n bytes that peek showed. */
static void advance(struct mt_stream *stream, struct mt_pool *pool, size_t n)
{
	struct piece *first = piece_at(pool, stream->held_first);

	if (first != NULL && first->seq == stream->next) {
		assert(n <= first->len);
		first->begin += (uint32_t)n;
		first->seq += (uint32_t)n;
		first->len -= (uint32_t)n;
		if (first->len == 0) {
			stream->held_first = first->next;
			if (stream->held_first == MT_POOL_NONE)
				stream->held_last = MT_POOL_NONE;
			give_piece(stream, pool, first);
		}
	} else {
		assert(n <= stream->current.payload.len);
	}
	cut(&stream->current, n);
	stream->has_current = stream->current.payload.len > 0;
	stream->next += (uint32_t)n;
	stream->is_base_soft = false;
}

/* Result  where the bytes in hand from next on end; *ret_behind is the first piece behind that hole. */
static uint32_t find_hole(const struct mt_stream *stream, const struct mt_pool *pool,
			  const struct piece **ret_behind)
{
	uint32_t end = stream->next + (uint32_t)stream->current.payload.len;
	const struct piece *piece = piece_at(pool, stream->held_first);

	for (; piece != NULL && !is_before(end, piece->seq); piece = piece_at(pool, piece->next))
		if (is_before(end, piece_end(piece)))
			end = piece_end(piece);
	*ret_behind = piece;
	return end;
}

static void set_current(struct mt_stream *stream, const struct mt_segment *segment)
{
	stream->current = *segment;
	stream->has_current = true;
}

/* A segment that is not simply the next one. */
static enum mt_stream_put put_disordered(struct mt_stream *stream, struct mt_pool *pool,
					 struct mt_segment segment)
{
	int32_t distance = mt_seq_diff(segment.seq, stream->next);
	const struct piece *first = piece_at(pool, stream->held_first);
	bool differs = false;

	if (distance < -FAR_BYTES || distance + (int64_t)segment.payload.len > FAR_BYTES) {
		stream->refused_bytes += segment.payload.len;
		return MT_STREAM_NOTHING;
	}
	if (distance < 0 && stream->is_base_soft && (uint32_t)-distance <= stream->soft_room) {
		stream->soft_room -= (uint32_t)-distance;
		stream->next = segment.seq;
		distance = 0;
	}
	const struct mt_segment whole = segment;
	if (distance < 0) {
		differs = differs_from_seen(stream, whole);
		stream->repeated_bytes += least((size_t)-distance, segment.payload.len);
		cut(&segment, (size_t)-distance);
	}
	size_t overlap = compare_held(stream, pool, &segment, &differs);
	stream->repeated_bytes += overlap;
	if (differs && !is_keep_alive(stream, pool, &whole))
		stream->is_inconsistent = true;
	if (overlap == segment.payload.len) {
		stream->copies += is_copy(stream, &whole);
		return MT_STREAM_NOTHING;
	}

	enum mt_stream_put result = MT_STREAM_NEXT;
	if (segment.seq == stream->next && (first == NULL || first->seq != stream->next))
		set_current(stream, &segment);
	else
		result = hold(stream, pool, segment);
	if (overlap == 0 && (result == MT_STREAM_NEXT || result == MT_STREAM_HELD))
		remember(stream, &segment);
	return result;
}

void mt_stream_init(struct mt_stream *stream, uint32_t held_limit)
{
	memset(stream, 0, offsetof(struct mt_stream, seen));
	stream->held_first = MT_POOL_NONE;
	stream->held_last = MT_POOL_NONE;
	stream->held_limit = held_limit;
}

void mt_stream_clear(struct mt_stream *stream, struct mt_pool *pool)
{
	const struct piece *last = piece_at(pool, stream->held_last);
	uint32_t end = stream->next + (uint32_t)stream->current.payload.len;

	if (last != NULL && is_before(end, piece_end(last)))
		end = piece_end(last);
	mt_stream_skip(stream, pool, end);
	mt_wipe(stream->seen, stream->seen_count * sizeof(stream->seen[0]));
	stream->seen_next = stream->seen_count = 0;
	mt_wipe(&stream->current, sizeof(stream->current));
	stream->has_current = false;
}

void mt_stream_set_base(struct mt_stream *stream, uint32_t seq, bool is_soft)
{
	uint32_t lower = stream->next - seq;

	assert(stream->current.payload.len == 0);
	if (stream->has_base && !stream->is_base_soft)
		return;
	/* What is held stands at or above the old base: a higher one would contradict it. */
	if (stream->held_first != MT_POOL_NONE && lower > stream->soft_room)
		return;
	if (stream->held_first != MT_POOL_NONE)
		stream->soft_room -= lower;
	else
		stream->soft_room = SOFT_ROOM_BYTES;
	stream->next = seq;
	stream->has_base = true;
	stream->is_base_soft = is_soft;
}

enum mt_stream_put mt_stream_put(struct mt_stream *stream, struct mt_pool *pool,
				 const struct mt_segment *segment)
{
	assert(stream->current.payload.len == 0);
	if (segment->payload.len == 0)
		return MT_STREAM_NOTHING;
	if (mt_unlikely(!stream->has_base))
		mt_stream_set_base(stream, segment->seq, true);
	if (mt_unlikely(segment->seq != stream->next || stream->held_first != MT_POOL_NONE))
		return put_disordered(stream, pool, *segment);
	set_current(stream, segment);
	remember(stream, segment);
	return MT_STREAM_NEXT;
}

bool mt_stream_peek(const struct mt_stream *stream, const struct mt_pool *pool, struct mt_chunk *ret)
{
	const struct mt_segment *current = &stream->current;
	const struct piece *first = piece_at(pool, stream->held_first);

	if (first != NULL && first->seq == stream->next) {
		*ret = (struct mt_chunk){
		    .bytes = mt_span(first->bytes + first->begin, first->len),
		    .seq = first->seq,
		    .ack = first->ack,
		    .has_ack = first->has_ack,
		    .time_ns = first->time_ns,
		};
		return true;
	}
	if (current->payload.len == 0)
		return false;
	*ret = (struct mt_chunk){
	    .bytes =
		first == NULL ? current->payload : mt_span_first(current->payload, first->seq - stream->next),
	    .seq = current->seq,
	    .ack = current->ack,
	    .has_ack = current->has_ack,
	    .time_ns = current->time_ns,
	};
	return true;
}

size_t mt_stream_look(const struct mt_stream *stream, const struct mt_pool *pool, uint8_t *ret, size_t size)
{
	const struct mt_span current = stream->current.payload;
	const struct piece *piece = piece_at(pool, stream->held_first);
	size_t len = 0, n;

	/* Held bytes go before those of the segment in place: the first seen win. */
	while (len < size) {
		size_t to_piece = piece != NULL ? piece->seq - (stream->next + (uint32_t)len) : size;

		if (to_piece == 0) {
			n = least(piece->len, size - len);
			memcpy(ret + len, piece->bytes + piece->begin, n);
			piece = piece_at(pool, piece->next);
		} else if (len < current.len) {
			n = least(least(to_piece, current.len - len), size - len);
			memcpy(ret + len, current.data + len, n);
		} else {
			break;
		}
		len += n;
	}
	return len;
}

void mt_stream_consume(struct mt_stream *stream, struct mt_pool *pool, size_t n)
{
	if (n == 0)
		return;
	advance(stream, pool, n);
	stream->delivered_bytes += n;
}

enum mt_stream_put mt_stream_settle(struct mt_stream *stream, struct mt_pool *pool)
{
	struct mt_segment rest = stream->current;

	if (mt_likely(!stream->has_current))
		return MT_STREAM_NOTHING;
	stream->has_current = false;
	stream->current.payload = mt_span(NULL, 0);
	return hold(stream, pool, rest);
}

uint32_t mt_stream_in_hand(const struct mt_stream *stream, const struct mt_pool *pool)
{
	const struct piece *behind;

	return find_hole(stream, pool, &behind);
}

bool mt_stream_first_held(const struct mt_stream *stream, const struct mt_pool *pool, uint32_t *ret_seq)
{
	const struct piece *behind;

	find_hole(stream, pool, &behind);
	if (behind == NULL)
		return false;
	*ret_seq = behind->seq;
	return true;
}

uint32_t mt_stream_skip(struct mt_stream *stream, struct mt_pool *pool, uint32_t seq)
{
	uint32_t from = stream->next;
	struct mt_chunk chunk;

	if (!stream->has_base || !is_before(from, seq))
		return 0;
	while (is_before(stream->next, seq)) {
		const struct piece *first = piece_at(pool, stream->held_first);
		size_t n = seq - stream->next;

		if (mt_stream_peek(stream, pool, &chunk)) {
			n = least(n, chunk.bytes.len);
			stream->unread_bytes += n;
			advance(stream, pool, n);
			continue;
		}
		if (first != NULL)
			n = least(n, first->seq - stream->next);
		stream->missing_bytes += n;
		stream->next += (uint32_t)n;
	}
	stream->is_base_soft = false;
	return seq - from;
}
