/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * One direction of a TCP connection: segments in any order go in, bytes in order come out, once;
 * what is missing is named. The reader pulls: it looks at what stands next, takes as much as it
 * wants, and may stop in the middle of a segment; the rest is kept for later.
 *
 * Not here: how the two directions are ordered (lib/session does that, from the acknowledgement
 * numbers that each chunk carries), FIN and RST, timeouts.
 * A stream belongs to one worker; its held bytes come from that worker's pool and are wiped on return.
 */
#ifndef MT_STREAM_H
#define MT_STREAM_H

#include "base.h"
#include "pool.h"

#define MT_STREAM_PIECE_BYTES	512	    /* piece of the pool; a longer segment takes several */
#define MT_STREAM_HELD_MAX	(256 * 1024) /* default limit of pool bytes held, one direction */
#define MT_STREAM_SEEN	      4	    /* delivered segments remembered to compare repeats with */

/** A segment's payload and what orders it. */
struct mt_segment {
	struct mt_span payload; /* borrowed until mt_stream_settle() */
	uint32_t seq;		/* of payload.data[0] */
	uint32_t ack;		/* what the sender had received from the other side, where has_ack */
	bool has_ack;
	uint64_t time_ns;
};

/** The bytes that stand next. */
struct mt_chunk {
	struct mt_span bytes; /* borrowed until the next consume, put or settle */
	uint32_t seq;	      /* of bytes.data[0]: always the stream's next */
	uint32_t ack;	      /* of the segment they came in */
	bool has_ack;
	uint64_t time_ns;
};

struct mt_stream {
	uint32_t next;		    /* sequence number of the next byte to deliver */
	uint32_t held_first;	    /* piece with the lowest sequence number, MT_POOL_NONE if none */
	uint32_t held_bytes;	    /* pool bytes taken: pieces * MT_STREAM_PIECE_BYTES */
	uint32_t held_limit;	    /* at most so many */
	struct mt_segment current;  /* the segment being read in place; payload.len 0 if none */
	struct {
		uint32_t seq;
		uint32_t len;
		uint32_t sum;	    /* checksum of the bytes */
	} seen[MT_STREAM_SEEN];	    /* ring of the last segments that were delivered whole */
	uint8_t seen_next;
	bool has_base;		    /* next is meaningful */
	bool is_base_soft;	    /* next was guessed: bytes a little below may still come first */
	bool is_inconsistent;	    /* a repeat carried other bytes than were seen first */
	uint64_t delivered_bytes;   /* consumed */
	uint64_t repeated_bytes;    /* seen again, ignored */
	uint64_t missing_bytes;	    /* skipped over */
	uint64_t refused_bytes;	    /* dropped over the limit or for want of pool */
};

/** What became of a segment. */
enum mt_stream_put {
	MT_STREAM_NOTHING, /* no new byte in it */
	MT_STREAM_NEXT,	   /* it holds the next byte: peek returns it in place */
	MT_STREAM_HELD,	   /* a copy waits for what is missing before it */
	MT_STREAM_LIMIT,   /* not kept: over held_limit */
	MT_STREAM_EMPTY,   /* not kept: the pool has nothing left */
};

/** Empty, without a base. */
void mt_stream_init(struct mt_stream *stream, uint32_t held_limit);

/** Wipe and give back everything held. The stream can be used again after init. */
void mt_stream_clear(struct mt_stream *stream, struct mt_pool *pool);

/**
 * Say where the stream begins.
 * is_soft  the number is a guess from the first payload seen: until the first byte is consumed, a
 *          segment that begins up to 64 KiB lower moves the base down
 */
void mt_stream_set_base(struct mt_stream *stream, uint32_t seq, bool is_soft);

/**
 * Offer a segment. Bytes already delivered are cut off; of bytes held already the first seen win,
 * and a difference sets is_inconsistent. A repeat of a remembered segment is compared by checksum.
 * Only one segment is in place at a time: settle before the next put.
 * Cost     no lock, no allocation; linear in held pieces
 */
enum mt_stream_put mt_stream_put(struct mt_stream *stream, struct mt_pool *pool, const struct mt_segment *segment);

/** Look at the next bytes. Result  false where none are in hand. */
bool mt_stream_peek(const struct mt_stream *stream, const struct mt_pool *pool, struct mt_chunk *ret);

/** Take n bytes of what peek showed. n is at most its length. */
void mt_stream_consume(struct mt_stream *stream, struct mt_pool *pool, size_t n);

/**
 * The packet is about to be freed: copy what was not consumed of the segment in place to the pool.
 * Result  MT_STREAM_NOTHING where nothing was left, else _HELD, _LIMIT or _EMPTY
 */
enum mt_stream_put mt_stream_settle(struct mt_stream *stream, struct mt_pool *pool);

/** Sequence number behind the last byte in hand without a hole, from next on. */
uint32_t mt_stream_in_hand(const struct mt_stream *stream, const struct mt_pool *pool);

/** Where the first held byte behind a hole stands. Result  false where nothing is held behind next. */
bool mt_stream_first_held(const struct mt_stream *stream, const struct mt_pool *pool, uint32_t *ret_seq);

/**
 * Give up on the bytes before seq: they count as missing, next moves there (bytes in hand on the
 * way are counted as missing too; the caller skips only over holes).
 * Result  bytes skipped
 */
uint32_t mt_stream_skip(struct mt_stream *stream, struct mt_pool *pool, uint32_t seq);

#endif
