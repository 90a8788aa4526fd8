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

#define MT_STREAM_PIECE_BYTES 512	   /* piece of the pool; a longer segment takes several */
#define MT_STREAM_HELD_MAX    (256 * 1024) /* default limit of pool bytes held, one direction */
#define MT_STREAM_SEEN	      16 /* segments remembered to compare repeats with: more than a first window */
#define MT_STREAM_COPY_US     10000 /* a copy that comes so soon is another tap's (CONTRACT.md 2) */

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

/* What every packet looks at comes first, so that it shares a line with what the owner puts before it. */
struct mt_stream {
	uint32_t next;	      /* sequence number of the next byte to deliver */
	uint32_t held_first;  /* piece with the lowest sequence number, MT_POOL_NONE if none */
	uint32_t held_last;   /* piece with the highest, MT_POOL_NONE if none */
	uint32_t held_bytes;  /* pool bytes taken: pieces * MT_STREAM_PIECE_BYTES */
	uint8_t seen_next;    /* the entry to overwrite */
	uint8_t seen_count;   /* entries that were written since the beginning */
	bool has_base;	      /* next is meaningful */
	bool has_current;     /* a segment is in place, and something of it is left */
	bool is_base_soft;    /* next was guessed: bytes a little below may still come first */
	bool is_inconsistent; /* a repeat carried other bytes than were seen first */
	uint32_t copies; /* segments that came again, byte for byte, within MT_STREAM_COPY_US of the first */
	uint64_t missing_bytes;	   /* never in hand, given up by skip or clear */
	struct mt_segment current; /* the segment being read in place, from next on; payload.len 0 if none */
	/* Bytes put = delivered + repeated + refused + unread + those still in hand, after every call. */
	uint64_t delivered_bytes; /* consumed */
	uint64_t repeated_bytes;  /* seen again, or from before the base: ignored */
	uint64_t refused_bytes;	  /* dropped: over the limit, for want of pool, or far from the window */
	uint64_t unread_bytes;	  /* in hand, but given up by skip or clear */
	uint32_t held_limit;	  /* at most so many pool bytes */
	uint32_t soft_room;	  /* how far a soft base may still move down */
	struct {
		uint32_t seq;
		uint32_t len;	  /* 0 if nothing is remembered here */
		uint32_t sum;	  /* checksum of the bytes; not enough to tell them */
		uint32_t time_us; /* of the segment, modulo 2^32 */
	} seen[MT_STREAM_SEEN];	  /* ring of the last segments of which every byte kept was new; those from
				     seen_count on are not touched, nor need they be zero */
};

/** What became of a segment. */
enum mt_stream_put {
	MT_STREAM_NOTHING, /* no new byte in it, or more than 2^30 bytes from next (those count as refused) */
	MT_STREAM_NEXT,	   /* it holds the next byte: peek returns it in place */
	MT_STREAM_HELD,	   /* a copy waits for what is missing before it */
	MT_STREAM_LIMIT,   /* not kept, or only its beginning: over held_limit */
	MT_STREAM_EMPTY,   /* not kept, or only its beginning: the pool has nothing left */
};

/** Empty, without a base. */
void mt_stream_init(struct mt_stream *stream, uint32_t held_limit);

/**
 * Wipe and give back everything held; what was in hand counts as unread, holes before it as missing.
 * The counts can still be read; the stream can be used again after init.
 */
void mt_stream_clear(struct mt_stream *stream, struct mt_pool *pool);

/**
 * Say where the stream begins. A sure base stays. A soft one is replaced as long as nothing is held;
 * after that, until the first byte is consumed, only by a base at or a little below it.
 * Not while a segment is in place.
 *
 * is_soft  the number is a guess from the first payload seen: until the first byte is consumed, a
 *          segment that begins up to 64 KiB lower (all moves together) moves the base down
 */
void mt_stream_set_base(struct mt_stream *stream, uint32_t seq, bool is_soft);

/**
 * Offer a segment. Bytes already delivered are cut off; of bytes held already the first seen win,
 * and a difference sets is_inconsistent. What was delivered is known by its checksum only: where a
 * segment covers all of a remembered one, that part is compared. A segment is remembered when it is
 * put, with the bytes that were new, if nothing of them was held before and nothing was refused.
 * A lone zero byte that repeats the last byte seen is a keep-alive and no difference.
 * Only one segment is in place at a time: settle before the next put.
 * Without a base, the segment's number becomes a soft one.
 *
 * Cost     no lock, no allocation; where it is next and nothing is held, a few compares and one pass
 *          for the checksum; else linear in held pieces, constant if it lies behind them all
 * Source   RFC 9293 3.4 (numbers), 3.8.4 (keep-alive)
 */
enum mt_stream_put mt_stream_put(struct mt_stream *stream, struct mt_pool *pool,
				 const struct mt_segment *segment);

/** True where peek would find nothing because nothing is in hand or held; false does not say that it would.
 */
static inline bool mt_stream_is_idle(const struct mt_stream *stream)
{
	return !stream->has_current && stream->held_first == MT_POOL_NONE;
}

/**
 * Look at the next bytes: what stands contiguous in the segment in place, up to the first byte that
 * was held before it, or one held piece. More may follow once they are consumed.
 * Result  false where none are in hand
 */
bool mt_stream_peek(const struct mt_stream *stream, const struct mt_pool *pool, struct mt_chunk *ret);

/**
 * Copy the next bytes in hand, as many as there are without a hole, whatever pieces they stand in: for a
 * reader that must see more than peek shows before it takes anything.
 * Result  how many, at most size
 */
size_t mt_stream_look(const struct mt_stream *stream, const struct mt_pool *pool, uint8_t *ret, size_t size);

/** Take n bytes of what peek showed. n is at most its length. */
void mt_stream_consume(struct mt_stream *stream, struct mt_pool *pool, size_t n);

/**
 * The packet is about to be freed: copy what was not consumed of the segment in place to the pool.
 * Result  MT_STREAM_NOTHING where nothing was left, else _HELD, _LIMIT or _EMPTY
 */
enum mt_stream_put mt_stream_settle(struct mt_stream *stream, struct mt_pool *pool);

/** Sequence number behind the last byte in hand without a hole, from next on. Linear in those pieces. */
uint32_t mt_stream_in_hand(const struct mt_stream *stream, const struct mt_pool *pool);

/** Where the first held byte behind a hole stands. Result  false where nothing is held behind next. */
bool mt_stream_first_held(const struct mt_stream *stream, const struct mt_pool *pool, uint32_t *ret_seq);

/**
 * Give up on the bytes before seq: next moves there. What was not in hand counts as missing, what
 * was as unread (a caller skips only over holes, so that there is none).
 * Result  bytes skipped; 0 where seq is not ahead of next
 */
uint32_t mt_stream_skip(struct mt_stream *stream, struct mt_pool *pool, uint32_t seq);

#endif
