/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

#include "stream.h"

#define PIECES	64
#define ROOM	488	    /* payload bytes in one piece: 512 less the header */
#define BASE	0xfffffff0u /* sixteen bytes before the numbers wrap: every case crosses over */
#define SEGMENT 4096

static _Alignas(64) uint8_t area[PIECES * MT_STREAM_PIECE_BYTES];
static struct mt_pool pool;
static struct mt_stream stream;
static struct mt_span room; /* SEGMENT bytes that end at a page nobody may touch */

static void begin(uint32_t pieces, uint32_t limit)
{
	memset(area, 0, sizeof(area));
	mt_pool_init(&pool, area, MT_STREAM_PIECE_BYTES, pieces);
	mt_stream_init(&stream, limit);
	if (room.data == NULL) {
		static const uint8_t zeros[SEGMENT];

		room = guarded(zeros, sizeof(zeros));
	}
}

static void begin_based(void)
{
	begin(PIECES, MT_STREAM_HELD_MAX);
	mt_stream_set_base(&stream, BASE, false);
}

/* The payload in the guarded room, as long as the next put or settle. */
static struct mt_segment make(uint32_t seq, const void *bytes, size_t len, uint32_t ack)
{
	uint8_t *payload = (uint8_t *)room.data + SEGMENT - len;

	memcpy(payload, bytes, len);
	return (struct mt_segment){mt_span(payload, len), seq, ack, true, 1000 + ack};
}

static enum mt_stream_put put(uint32_t offset, const char *text)
{
	struct mt_segment segment = make(BASE + offset, text, strlen(text), 7);

	return mt_stream_put(&stream, &pool, &segment);
}

/* The packet is freed: what the stream still shows must be its own. */
static enum mt_stream_put settle(void)
{
	enum mt_stream_put result = mt_stream_settle(&stream, &pool);

	memset((uint8_t *)room.data, 0xee, SEGMENT);
	return result;
}

static enum mt_stream_put put_settled(uint32_t offset, const char *text)
{
	enum mt_stream_put result = put(offset, text);

	settle();
	return result;
}

static void must_peek(const char *text)
{
	struct mt_chunk chunk;

	assert_true(mt_stream_peek(&stream, &pool, &chunk));
	assert_int_equal(chunk.seq, stream.next);
	assert_int_equal(chunk.bytes.len, strlen(text));
	assert_memory_equal(chunk.bytes.data, text, strlen(text));
}

/* A look shows all that is in hand, or as much as was asked for. */
static void must_look(const char *text)
{
	uint8_t looked[SEGMENT];
	size_t len = strlen(text);

	for (size_t size = 0; size <= len; size++) {
		assert_int_equal(mt_stream_look(&stream, &pool, looked, size), size);
		assert_memory_equal(looked, text, size);
	}
	assert_int_equal(mt_stream_look(&stream, &pool, looked, len + 1), len);
}

static void must_read(const char *text)
{
	struct mt_chunk chunk;

	must_look(text);
	while (*text != 0) {
		assert_true(mt_stream_peek(&stream, &pool, &chunk));
		assert_int_equal(chunk.seq, stream.next);
		assert_true(chunk.bytes.len > 0 && chunk.bytes.len <= strlen(text));
		assert_memory_equal(chunk.bytes.data, text, chunk.bytes.len);
		mt_stream_consume(&stream, &pool, chunk.bytes.len);
		text += chunk.bytes.len;
	}
	assert_false(mt_stream_peek(&stream, &pool, &chunk));
}

static void must_count(uint64_t delivered, uint64_t repeated, uint64_t missing, uint64_t refused,
		       uint64_t unread)
{
	assert_int_equal(stream.delivered_bytes, delivered);
	assert_int_equal(stream.repeated_bytes, repeated);
	assert_int_equal(stream.missing_bytes, missing);
	assert_int_equal(stream.refused_bytes, refused);
	assert_int_equal(stream.unread_bytes, unread);
}

/* After clear every piece is back, and nothing but the links of the free list is left in the area. */
static void must_clear(void)
{
	mt_stream_clear(&stream, &pool);
	assert_int_equal(pool.free_pieces, pool.pieces);
	assert_int_equal(stream.held_bytes, 0);
	for (uint32_t i = 0; i < pool.pieces; i++) {
		const uint8_t *piece = mt_pool_at(&pool, i);
		uint32_t link;

		memcpy(&link, piece, sizeof(link));
		assert_true(link <= pool.pieces);
		for (size_t k = sizeof(link); k < MT_STREAM_PIECE_BYTES; k++)
			assert_int_equal(piece[k], 0);
	}
	for (unsigned i = 0; i < MT_STREAM_SEEN; i++)
		assert_int_equal(stream.seen[i].sum, 0);
}

static void the_next_segment_is_read_in_place(void **state)
{
	(void)state;
	struct mt_chunk chunk;

	begin_based();
	assert_int_equal(put(0, "220 mx.example ESMTP\r\n"), MT_STREAM_NEXT);
	assert_true(mt_stream_peek(&stream, &pool, &chunk));
	assert_ptr_equal(chunk.bytes.data, room.data + SEGMENT - 22);
	assert_int_equal(chunk.bytes.len, 22);
	assert_int_equal(chunk.seq, BASE);
	assert_int_equal(chunk.ack, 7);
	assert_true(chunk.has_ack);
	assert_int_equal(chunk.time_ns, 1007);
	assert_int_equal(mt_stream_in_hand(&stream, &pool), BASE + 22);
	must_read("220 mx.example ESMTP\r\n");
	assert_int_equal(settle(), MT_STREAM_NOTHING);
	assert_int_equal(pool.untouched, 0);
	assert_int_equal(stream.next, 6); /* 0xfffffff0 + 22, modulo 2^32 */
	must_count(22, 0, 0, 0, 0);
	must_clear();
}

static void disorder_is_put_in_order_across_the_wrap(void **state)
{
	(void)state;
	uint32_t seq;

	begin_based();
	assert_int_equal(put_settled(20, "uvwx"), MT_STREAM_HELD);
	assert_int_equal(put_settled(10, "klmno"), MT_STREAM_HELD);
	assert_true(mt_stream_first_held(&stream, &pool, &seq));
	assert_int_equal(seq, BASE + 10);
	assert_int_equal(put_settled(15, "pqrst"), MT_STREAM_HELD);
	assert_int_equal(mt_stream_in_hand(&stream, &pool), BASE);
	assert_int_equal(put(0, "abcdefghij"), MT_STREAM_NEXT);
	assert_int_equal(mt_stream_in_hand(&stream, &pool), BASE + 24);
	assert_false(mt_stream_first_held(&stream, &pool, &seq));
	must_read("abcdefghijklmnopqrstuvwx");
	assert_int_equal(settle(), MT_STREAM_NOTHING);
	assert_false(stream.is_inconsistent);
	must_count(24, 0, 0, 0, 0);
	must_clear();
}

/* G8. Each row: what is held at 10..14, then a segment around it with other bytes where it overlaps. */
static void of_overlapping_bytes_the_first_seen_wins(void **state)
{
	(void)state;
	static const struct {
		uint32_t offset;
		const char *text;
		bool differs;
		const char *read; /* from offset 8 on, where "89" stands unless the segment brought it */
		unsigned repeated;
	} rows[] = {
	    {8, "xxxxxxxxxx", true, "xxABCDExxx", 5}, {8, "xxABCDExxx", false, "xxABCDExxx", 5},
	    {8, "xxxx", true, "xxABCDE", 2},	      {8, "xxAB", false, "xxABCDE", 2},
	    {13, "xxxx", true, "89ABCDExx", 2},	      {13, "DExx", false, "89ABCDExx", 2},
	    {11, "xx", true, "89ABCDE", 2},	      {11, "BC", false, "89ABCDE", 2},
	    {10, "ABCDE", false, "89ABCDE", 5},	      {10, "ABCDx", true, "89ABCDE", 5},
	    {15, "xx", false, "89ABCDExx", 0},	      {8, "xx", false, "xxABCDE", 0},
	};

	for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++) {
		begin_based();
		put_settled(10, "ABCDE");
		put_settled(rows[i].offset, rows[i].text);
		assert_int_equal(stream.is_inconsistent, rows[i].differs);
		assert_int_equal(stream.repeated_bytes, rows[i].repeated);
		put_settled(0, "01234567");
		if (rows[i].offset != 8)
			put_settled(8, "89");
		struct mt_chunk chunk;
		assert_true(mt_stream_peek(&stream, &pool, &chunk));
		mt_stream_consume(&stream, &pool, 8);
		must_read(rows[i].read);
		must_clear();
	}
}

static void a_segment_over_several_held_ones_fills_only_the_holes(void **state)
{
	(void)state;
	begin_based();
	put_settled(2, "CD");
	put_settled(6, "GH");
	put_settled(10, "KL");
	assert_int_equal(put_settled(1, "bxxefxxijxxm"), MT_STREAM_HELD);
	assert_true(stream.is_inconsistent);
	must_count(0, 6, 0, 0, 0);
	assert_int_equal(put(0, "a"), MT_STREAM_NEXT);
	must_read("abCDefGHijKLm");
	must_clear();
}

static void bytes_in_place_give_way_to_those_held_before(void **state)
{
	(void)state;
	begin_based();
	put_settled(4, "EF");
	assert_int_equal(put(0, "abcdxxgh"), MT_STREAM_NEXT);
	assert_true(stream.is_inconsistent);
	must_peek("abcd");
	mt_stream_consume(&stream, &pool, 4);
	must_peek("EF");
	mt_stream_consume(&stream, &pool, 1);
	must_peek("F");
	mt_stream_consume(&stream, &pool, 1);
	must_peek("gh");
	mt_stream_consume(&stream, &pool, 1);
	assert_int_equal(settle(), MT_STREAM_HELD);
	must_read("h");
	must_count(8, 2, 0, 0, 0);
	must_clear();
}

static void a_segment_left_in_the_middle_is_kept(void **state)
{
	(void)state;
	struct mt_chunk chunk;

	begin_based();
	assert_int_equal(put(0, "EHLO a\r\nSTARTTLS\r\n"), MT_STREAM_NEXT);
	mt_stream_consume(&stream, &pool, 8);
	mt_stream_consume(&stream, &pool, 0);
	assert_int_equal(settle(), MT_STREAM_HELD);
	assert_true(mt_stream_peek(&stream, &pool, &chunk));
	assert_int_equal(chunk.ack, 7);
	assert_true(chunk.has_ack);
	assert_int_equal(chunk.time_ns, 1007);
	/* More of it comes, in a longer repeat: old, in hand and new bytes in one. */
	assert_int_equal(put_settled(0, "EHLO a\r\nSTARTTLS\r\nx"), MT_STREAM_HELD);
	must_read("STARTTLS\r\nx");
	must_count(19, 18, 0, 0, 0);
	assert_false(stream.is_inconsistent);
	must_clear();
}

static void a_long_segment_takes_several_pieces(void **state)
{
	(void)state;
	char text[1461];
	struct mt_chunk chunk;

	for (unsigned i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i % 26);
	text[sizeof(text) - 1] = 0;
	begin_based();
	assert_int_equal(put_settled(1, text), MT_STREAM_HELD);
	assert_int_equal(pool.pieces - pool.free_pieces, 3);
	assert_int_equal(stream.held_bytes, 3 * MT_STREAM_PIECE_BYTES);
	assert_int_equal(put(0, "_"), MT_STREAM_NEXT);
	must_peek("_");
	mt_stream_consume(&stream, &pool, 1);
	for (unsigned at = 0; at < 1460; at += ROOM) {
		assert_true(mt_stream_peek(&stream, &pool, &chunk));
		assert_int_equal(chunk.bytes.len, at + ROOM < 1460 ? ROOM : 1460 - at);
		assert_memory_equal(chunk.bytes.data, text + at, chunk.bytes.len);
		assert_int_equal(chunk.ack, 7);
		mt_stream_consume(&stream, &pool, chunk.bytes.len);
	}
	assert_int_equal(pool.free_pieces, pool.pieces);
	must_clear();
}

/* G4: one byte per segment, rising, falling, and every second one first. */
static void one_byte_segments_share_a_piece(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 3; order++) {
		begin_based();
		for (unsigned i = 0; i < 100; i++) {
			unsigned at = order == 0   ? i
				      : order == 1 ? 99 - i
				      : i < 50	   ? 2 * i
						   : 2 * (i - 50) + 1;
			const char text[] = {(char)('A' + at % 26), 0};

			assert_int_equal(put_settled(1 + at, text), MT_STREAM_HELD);
			if (order < 2)
				assert_int_equal(pool.pieces - pool.free_pieces, 1);
		}
		assert_int_equal(pool.pieces - pool.free_pieces, 1);
		assert_int_equal(stream.held_first, stream.held_last);
		must_clear();
	}
}

static void bytes_of_different_acknowledgement_stay_apart(void **state)
{
	(void)state;
	struct mt_chunk chunk;
	struct mt_segment segment;

	begin_based();
	segment = make(BASE + 1, "b", 1, 50);
	mt_stream_put(&stream, &pool, &segment);
	segment = make(BASE + 2, "c", 1, 51);
	mt_stream_put(&stream, &pool, &segment);
	segment = make(BASE + 3, "d", 1, 51);
	segment.has_ack = false;
	mt_stream_put(&stream, &pool, &segment);
	segment = make(BASE + 4, "e", 1, 51);
	segment.has_ack = false;
	segment.time_ns = 9999; /* of one kind with the one before: the first one's time stands for both */
	mt_stream_put(&stream, &pool, &segment);
	put_settled(0, "a");
	static const struct mt_chunk expected[] = {
	    {{(const uint8_t *)"a", 1}, BASE, 7, true, 1007},
	    {{(const uint8_t *)"b", 1}, BASE + 1, 50, true, 1050},
	    {{(const uint8_t *)"c", 1}, BASE + 2, 51, true, 1051},
	    {{(const uint8_t *)"de", 2}, BASE + 3, 51, false, 1051},
	};
	for (unsigned i = 0; i < MT_ARRAY_LEN(expected); i++) {
		assert_true(mt_stream_peek(&stream, &pool, &chunk));
		assert_int_equal(chunk.seq, expected[i].seq);
		assert_int_equal(chunk.ack, expected[i].ack);
		assert_int_equal(chunk.has_ack, expected[i].has_ack);
		assert_int_equal(chunk.time_ns, expected[i].time_ns);
		assert_int_equal(chunk.bytes.len, expected[i].bytes.len);
		assert_memory_equal(chunk.bytes.data, expected[i].bytes.data, chunk.bytes.len);
		mt_stream_consume(&stream, &pool, chunk.bytes.len);
	}
	must_clear();
}

/* G9: what was dropped is a gap afterwards. Two pieces may be held; three are needed. */
static void over_the_limit_only_the_beginning_is_kept(void **state)
{
	(void)state;
	static char text[2 * ROOM + 31];
	uint32_t seq;

	memset(text, 'x', sizeof(text) - 1);
	for (unsigned is_pool = 0; is_pool < 2; is_pool++) {
		begin(is_pool ? 2 : PIECES, is_pool ? MT_STREAM_HELD_MAX : 2 * MT_STREAM_PIECE_BYTES);
		mt_stream_set_base(&stream, BASE, false);
		assert_int_equal(put_settled(1, text), is_pool ? MT_STREAM_EMPTY : MT_STREAM_LIMIT);
		must_count(0, 0, 0, 30, 0);
		assert_int_equal(put_settled(5000, "far"), is_pool ? MT_STREAM_EMPTY : MT_STREAM_LIMIT);
		must_count(0, 0, 0, 33, 0);
		/* The next byte needs no piece as long as it is read in place. */
		assert_int_equal(put(0, "y"), MT_STREAM_NEXT);
		assert_int_equal(settle(), is_pool ? MT_STREAM_EMPTY : MT_STREAM_LIMIT);
		must_count(0, 0, 0, 34, 0);
		assert_int_equal(put(0, "y"), MT_STREAM_NEXT);
		mt_stream_consume(&stream, &pool, 1);
		assert_int_equal(mt_stream_in_hand(&stream, &pool), BASE + 1 + 2 * ROOM);
		assert_false(mt_stream_first_held(&stream, &pool, &seq));
		assert_false(stream.is_inconsistent);
		must_clear();
		must_count(1, 0, 0, 34, 2 * ROOM);
	}
	begin(PIECES, 0);
	mt_stream_set_base(&stream, BASE, false);
	assert_int_equal(put_settled(1, "x"), MT_STREAM_LIMIT);
	assert_int_equal(put(0, "abc"), MT_STREAM_NEXT);
	must_read("abc");
	must_clear();
}

static void a_soft_base_moves_down_until_the_first_byte_is_taken(void **state)
{
	(void)state;
	begin(PIECES, MT_STREAM_HELD_MAX);
	/* Without a base the first payload is the guess; one without payload guesses nothing. */
	assert_int_equal(put(0, ""), MT_STREAM_NOTHING);
	assert_false(stream.has_base);
	assert_int_equal(put_settled(0, "cd"), MT_STREAM_NEXT);
	assert_true(stream.has_base && stream.is_base_soft);
	assert_int_equal(put_settled(0u - 65537, "x"), MT_STREAM_NOTHING); /* one too far below */
	must_count(0, 1, 0, 0, 0);
	assert_int_equal(put_settled(0u - 2, "ab"), MT_STREAM_NEXT);
	assert_int_equal(put_settled(0u - 65536, "_"), MT_STREAM_NEXT); /* as low as it goes */
	assert_int_equal(put_settled(0u - 65537, "x"), MT_STREAM_NOTHING);
	assert_int_equal(mt_stream_skip(&stream, &pool, BASE - 2), 65534);
	must_count(0, 2, 65533, 0, 1);
	assert_false(stream.is_base_soft);
	must_read("abcd");
	must_clear();

	begin(PIECES, MT_STREAM_HELD_MAX);
	mt_stream_set_base(&stream, BASE, true);
	put_settled(0, "cd");
	mt_stream_consume(&stream, &pool, 1);
	assert_int_equal(put_settled(0u - 2, "ab"), MT_STREAM_NOTHING);
	must_read("d");
	must_clear();
}

static void a_sure_base_replaces_a_soft_one_and_stays(void **state)
{
	(void)state;
	begin(PIECES, MT_STREAM_HELD_MAX);
	mt_stream_set_base(&stream, BASE + 100, true);
	mt_stream_set_base(&stream, BASE + 200, true); /* nothing is held: the later guess counts */
	assert_int_equal(stream.next, BASE + 200);
	put_settled(200, "c");
	mt_stream_set_base(&stream, BASE + 201, false); /* would contradict what is held */
	assert_int_equal(stream.next, BASE + 200);
	assert_true(stream.is_base_soft);
	mt_stream_set_base(&stream, BASE + 199, false);
	assert_int_equal(stream.next, BASE + 199);
	assert_false(stream.is_base_soft);
	mt_stream_set_base(&stream, BASE, true);
	assert_int_equal(stream.next, BASE + 199);
	assert_int_equal(put_settled(198, "ab"), MT_STREAM_NEXT);
	must_read("bc");
	must_clear();

	begin(PIECES, MT_STREAM_HELD_MAX);
	put_settled(0, "x");
	mt_stream_set_base(&stream, BASE - 65535, true);
	assert_int_equal(put_settled(0u - 65536, "a"), MT_STREAM_NEXT); /* 64 KiB in all, whoever moves it */
	mt_stream_set_base(&stream, BASE - 65537, false);
	assert_int_equal(stream.next, BASE - 65536);
	must_clear();
}

static void a_segment_far_from_the_window_is_refused(void **state)
{
	(void)state;
	const uint32_t far = 1u << 30;

	begin_based();
	assert_int_equal(put_settled(far, "x"), MT_STREAM_NOTHING); /* its end is too far */
	assert_int_equal(put_settled(2 * far, "xy"), MT_STREAM_NOTHING);
	assert_int_equal(put_settled(0u - far - 1, "xyz"), MT_STREAM_NOTHING);
	must_count(0, 0, 0, 6, 0);
	assert_int_equal(put_settled(far - 1, "x"), MT_STREAM_HELD);
	assert_int_equal(put_settled(0u - far, "xy"), MT_STREAM_NOTHING); /* old */
	must_count(0, 2, 0, 6, 0);
	must_clear();
	must_count(0, 2, far - 1, 6, 1);
}

static void holes_are_named_and_skipped(void **state)
{
	(void)state;
	uint32_t seq;

	begin_based();
	assert_int_equal(mt_stream_skip(&stream, &pool, BASE), 0);
	assert_int_equal(mt_stream_skip(&stream, &pool, BASE - 5), 0);
	put_settled(5, "fgh");
	put_settled(10, "kl");
	assert_true(mt_stream_first_held(&stream, &pool, &seq));
	assert_int_equal(mt_stream_skip(&stream, &pool, seq), 5);
	must_count(0, 0, 5, 0, 0);
	assert_int_equal(mt_stream_in_hand(&stream, &pool), BASE + 8);
	assert_true(mt_stream_first_held(&stream, &pool, &seq));
	assert_int_equal(seq, BASE + 10);
	must_read("fgh");
	/* Late: the hole was given up, its bytes are old now. */
	assert_int_equal(put_settled(0, "abcde"), MT_STREAM_NOTHING);
	must_count(3, 5, 5, 0, 0);
	/* Over a hole, bytes in hand and in place, into the middle of a piece. */
	assert_int_equal(put(8, "ijkl"), MT_STREAM_NEXT);
	assert_int_equal(mt_stream_skip(&stream, &pool, BASE + 11), 3);
	must_count(3, 7, 5, 0, 3);
	must_read("l");
	/* Beyond everything in hand. */
	put_settled(15, "p");
	assert_int_equal(mt_stream_skip(&stream, &pool, BASE + 20), 8);
	must_count(4, 7, 12, 0, 4);
	assert_false(mt_stream_first_held(&stream, &pool, &seq));
	assert_int_equal(stream.next, BASE + 20);
	must_clear();

	begin(PIECES, MT_STREAM_HELD_MAX);
	assert_int_equal(mt_stream_skip(&stream, &pool, 5), 0); /* no base: nothing to count from */
	must_clear();
	must_count(0, 0, 0, 0, 0);
}

static void clear_leaves_no_byte_and_counts_what_was_in_hand(void **state)
{
	(void)state;
	begin_based();
	put_settled(3, "secret");
	put_settled(20, "password");
	assert_int_equal(put(0, "abcXXXXXXhello"), MT_STREAM_NEXT);
	mt_stream_consume(&stream, &pool, 2);
	must_clear();
	/* In hand were c, secret, hello and password; missing 14..19. */
	must_count(2, 6, 6, 0, 20);
	assert_null(stream.current.payload.data);
	must_clear();
	must_count(2, 6, 6, 0, 20);
	mt_stream_init(&stream, MT_STREAM_HELD_MAX);
	assert_false(stream.has_base);
}

static void deliver(uint32_t offset, const char *text)
{
	struct mt_chunk chunk;

	assert_int_equal(put(offset, text), MT_STREAM_NEXT);
	assert_true(mt_stream_peek(&stream, &pool, &chunk));
	mt_stream_consume(&stream, &pool, chunk.bytes.len);
	settle();
}

/* G8 */
static void a_repeat_of_delivered_bytes_is_compared(void **state)
{
	(void)state;
	enum { OLD = 8, LAST = OLD + MT_STREAM_SEEN };
	static const struct {
		uint32_t offset;
		const char *text;
		bool differs;
	} rows[] = {
	    {LAST + 8, "MAIL", false},
	    {LAST + 8, "MAIX", true},
	    {LAST + 8, "MAILDATA", false},
	    {LAST + 8, "MAILxATA", true},
	    {OLD, "RCPT", false}, /* too many segments ago: forgotten, so it cannot differ ... */
	    {OLD, "xxxx", false}, /* ... and is not flagged */
	    {LAST, "NOOPRSETMAILDATA", false},
	    {LAST, "NOOPRSxTMAILDATA", true},
	    {LAST + 1, "OOPxSET", true}, /* covers all of RSET */
	    {LAST + 9, "xxx", false},	 /* covers nothing whole */
	    {LAST + 8, "MAILDATAnew", false},
	    {LAST + 8, "MAxLDATAnew", true},
	};

	for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++) {
		begin_based();
		mt_stream_skip(&stream, &pool, BASE + OLD);
		deliver(OLD, "RCPT");
		for (unsigned k = OLD + 4; k < LAST; k++)
			deliver(k, "-");
		deliver(LAST, "NOOP");
		deliver(LAST + 4, "RSET");
		deliver(LAST + 8, "MAIL");
		deliver(LAST + 12, "DATA");
		put_settled(rows[i].offset, rows[i].text);
		assert_int_equal(stream.is_inconsistent, rows[i].differs);
		must_clear();
	}
}

/* G19, CONTRACT.md 2: the same bytes within 10 ms are another tap's copy, and repeated like any others. */
static void a_copy_that_comes_soon_is_counted(void **state)
{
	(void)state;
	static const struct {
		uint32_t offset;
		const char *text;
		int32_t later_us;
		unsigned copies;
	} rows[] = {
	    {4, "RSET", 0, 1},	    {4, "RSET", 10000, 1},  {4, "RSET", 10001, 0},
	    {4, "RSET", -10000, 1}, {4, "RSET", -10001, 0}, {4, "RSEX", 0, 0}, /* another content */
	    {4, "RSETNOOP", 0, 0},					       /* a sender's own repeat */
	    {5, "SET", 0, 0},	    {20, "held", 5000, 1},		       /* not read yet */
	    {20, "helx", 5000, 0},
	};

	for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++) {
		begin_based();
		/* Microseconds wrap between the two. */
		const uint64_t time_ns = ((1ull << 32) * 7 + 3) * 1000;
		const struct {
			uint32_t offset;
			const char *text;
		} sent[] = {{0, "NOOP"}, {4, "RSET"}, {8, "NOOP"}, {20, "held"}};

		for (unsigned k = 0; k < MT_ARRAY_LEN(sent); k++) {
			struct mt_segment segment = make(BASE + sent[k].offset, sent[k].text, 4, 7);
			struct mt_chunk chunk;

			segment.time_ns = time_ns;
			mt_stream_put(&stream, &pool, &segment);
			if (k < 3 && mt_stream_peek(&stream, &pool, &chunk))
				mt_stream_consume(&stream, &pool, chunk.bytes.len);
			settle();
		}
		struct mt_segment again = make(BASE + rows[i].offset, rows[i].text, strlen(rows[i].text), 7);
		again.time_ns = time_ns + (uint64_t)(rows[i].later_us * INT64_C(1000));
		assert_int_equal(mt_stream_put(&stream, &pool, &again), MT_STREAM_NOTHING);
		assert_int_equal(stream.copies, rows[i].copies);
		assert_int_equal(stream.repeated_bytes, strlen(rows[i].text));
		must_clear();
	}
}

/* G8: one byte changed anywhere, in a segment of any length, that was read in place or held. */
static void any_changed_byte_of_a_repeat_is_seen(void **state)
{
	(void)state;
	char text[101];

	for (unsigned len = 2; len < sizeof(text); len++) {
		for (unsigned i = 0; i <= len; i++) {
			begin_based();
			memset(text, 'a', len);
			text[len] = 0;
			put(0, text);
			if (len % 2)
				mt_stream_consume(&stream, &pool, len);
			settle();
			if (i < len)
				text[i] ^= 1;
			assert_int_equal(put_settled(0, text), MT_STREAM_NOTHING);
			assert_int_equal(stream.is_inconsistent, i < len);
			mt_stream_clear(&stream, &pool);
		}
	}
}

/* RFC 9293 3.8.4: a keep-alive carries no byte or one byte of rubbish, one below the next number. */
static void a_keep_alive_is_no_inconsistency(void **state)
{
	(void)state;
	static const struct {
		uint32_t offset;
		uint8_t byte;
		bool is_held, differs;
	} rows[] = {
	    {1, 0, false, false}, {1, 'x', false, true}, {1, 'b', false, false},
	    {11, 0, true, false}, {11, 'x', true, true}, {10, 0, true, true},
	};

	for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++) {
		begin_based();
		put(0, "a");
		mt_stream_consume(&stream, &pool, 1);
		put(1, "b");
		mt_stream_consume(&stream, &pool, 1);
		if (rows[i].is_held)
			put_settled(10, "cd");
		struct mt_segment segment = make(BASE + rows[i].offset, &rows[i].byte, 1, 7);
		assert_int_equal(mt_stream_put(&stream, &pool, &segment), MT_STREAM_NOTHING);
		assert_int_equal(stream.is_inconsistent, rows[i].differs);
		must_clear();
	}
}

/*
 * A naive model: one cell per byte, and the first one seen stays. The stream must agree with it after
 * every call. Only what was dropped for want of room is taken from the stream's own count, because the
 * model has no pieces; that it was dropped for a reason, and from the end, is checked.
 */
enum cell { UNSEEN, HELD, IN_PLACE };

#define CELLS 20000

static struct {
	enum cell cell[CELLS];
	uint8_t byte[CELLS];
	uint32_t ack[CELLS];
	uint32_t start;	    /* sequence number of cell 0 */
	unsigned next, end; /* first cell not passed; behind the last cell ever touched */
	bool is_soft, is_inconsistent;
	uint64_t put, delivered, repeated, missing, refused, unread;
	struct {
		unsigned at, len;
		uint8_t bytes[SEGMENT];
	} seen[MT_STREAM_SEEN];
	unsigned seen_next;
} model;

static uint32_t dice;

/* xorshift (Marsaglia 2003): the same run for the same seed on every machine. */
static uint32_t throw_dice(uint32_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 17;
	dice ^= dice << 5;
	return dice % sides;
}

static void model_agrees(void)
{
	struct mt_chunk chunk;
	unsigned at = model.next;
	uint64_t in_hand = 0;
	uint32_t seq = 0;

	assert_int_equal(stream.next, model.start + model.next);
	assert_int_equal(stream.is_inconsistent, model.is_inconsistent);
	must_count(model.delivered, model.repeated, model.missing, model.refused, model.unread);
	for (unsigned i = model.next; i < model.end; i++)
		in_hand += model.cell[i] != UNSEEN;
	assert_int_equal(model.put,
			 model.delivered + model.repeated + model.refused + model.unread + in_hand);
	assert_int_equal(stream.held_bytes, (pool.pieces - pool.free_pieces) * MT_STREAM_PIECE_BYTES);
	assert_true(stream.held_bytes <= stream.held_limit);

	if (mt_stream_peek(&stream, &pool, &chunk)) {
		assert_int_equal(chunk.seq, stream.next);
		assert_true(chunk.bytes.len > 0);
		for (unsigned i = 0; i < chunk.bytes.len; i++) {
			assert_int_not_equal(model.cell[model.next + i], UNSEEN);
			assert_int_equal(chunk.bytes.data[i], model.byte[model.next + i]);
			assert_int_equal(chunk.ack, model.ack[model.next + i]);
			assert_int_equal(chunk.has_ack, chunk.ack % 2);
		}
	} else {
		assert_int_equal(model.cell[model.next], UNSEEN);
	}
	while (model.cell[at] != UNSEEN)
		at++;
	assert_int_equal(mt_stream_in_hand(&stream, &pool), model.start + at);
	while (at < model.end && model.cell[at] == UNSEEN)
		at++;
	assert_int_equal(mt_stream_first_held(&stream, &pool, &seq), at < model.end);
	if (at < model.end)
		assert_int_equal(seq, model.start + at);
}

/* Dropped were the last bytes of the kind, all behind from; and there was no room for them. */
static void model_drops(enum mt_stream_put result, uint64_t dropped, unsigned from, unsigned to)
{
	assert_int_equal(result == MT_STREAM_LIMIT || result == MT_STREAM_EMPTY, dropped > 0);
	if (result == MT_STREAM_LIMIT)
		assert_true(stream.held_bytes + MT_STREAM_PIECE_BYTES > stream.held_limit);
	if (result == MT_STREAM_EMPTY)
		assert_int_equal(pool.free_pieces, 0);
	for (unsigned i = to; i-- > from && dropped > 0;) {
		if (model.cell[i] != IN_PLACE)
			continue;
		model.cell[i] = UNSEEN;
		model.refused++;
		dropped--;
	}
	assert_int_equal(dropped, 0);
	for (unsigned i = from; i < to; i++)
		if (model.cell[i] == IN_PLACE)
			model.cell[i] = HELD;
}

static void model_compares_seen(unsigned at, const uint8_t *bytes, unsigned len)
{
	for (unsigned k = 0; k < MT_STREAM_SEEN; k++) {
		unsigned seen_at = model.seen[k].at, seen_len = model.seen[k].len;

		if (seen_len > 0 && seen_at >= at && seen_at + seen_len <= at + len &&
		    seen_at + seen_len <= model.next &&
		    memcmp(model.seen[k].bytes, bytes + (seen_at - at), seen_len) != 0)
			model.is_inconsistent = true;
	}
}

static void model_remembers(unsigned at, const uint8_t *bytes, unsigned len)
{
	model.seen[model.seen_next].at = at;
	model.seen[model.seen_next].len = len;
	memcpy(model.seen[model.seen_next].bytes, bytes, len);
	model.seen_next = (model.seen_next + 1) % MT_STREAM_SEEN;
}

static void put_both(unsigned at, const uint8_t *bytes, unsigned len, uint32_t ack)
{
	struct mt_segment segment = make(model.start + at, bytes, len, ack);
	uint64_t refused = stream.refused_bytes;
	unsigned from, fresh = 0, overlap = 0;

	segment.has_ack = ack % 2;
	enum mt_stream_put result = mt_stream_put(&stream, &pool, &segment);

	model.put += len;
	if (at < model.next && model.is_soft)
		model.next = at;
	if (at < model.next)
		model_compares_seen(at, bytes, len);
	from = at > model.next ? at : model.next < at + len ? model.next : at + len;
	model.repeated += from - at;
	bool is_next = from == model.next && from < at + len && model.cell[from] == UNSEEN;
	for (unsigned i = from; i < at + len; i++) {
		if (model.cell[i] != UNSEEN) {
			model.is_inconsistent |= model.byte[i] != bytes[i - at];
			overlap++;
			continue;
		}
		model.cell[i] = IN_PLACE;
		model.byte[i] = bytes[i - at];
		model.ack[i] = ack;
		fresh++;
	}
	model.repeated += overlap;
	model.end = at + len > model.end ? at + len : model.end;
	if (fresh == 0)
		assert_int_equal(result, MT_STREAM_NOTHING);
	else if (is_next)
		assert_int_equal(result, MT_STREAM_NEXT);
	else
		assert_true(result == MT_STREAM_HELD || result == MT_STREAM_LIMIT ||
			    result == MT_STREAM_EMPTY);
	if (!is_next)
		model_drops(result, stream.refused_bytes - refused, from, at + len);
	if (fresh > 0 && overlap == 0 && (result == MT_STREAM_NEXT || result == MT_STREAM_HELD))
		model_remembers(from, bytes + (from - at), at + len - from);
	model_agrees();
}

static void settle_both(void)
{
	uint64_t refused = stream.refused_bytes;
	bool has_any = false;

	for (unsigned i = model.next; i < model.end; i++)
		has_any |= model.cell[i] == IN_PLACE;
	enum mt_stream_put result = settle();
	assert_int_not_equal(result, MT_STREAM_NEXT);
	assert_int_equal(result == MT_STREAM_NOTHING, !has_any);
	model_drops(result, stream.refused_bytes - refused, model.next, model.end);
	model_agrees();
}

static void consume_both(void)
{
	struct mt_chunk chunk;

	while (throw_dice(4) != 0 && mt_stream_peek(&stream, &pool, &chunk)) {
		unsigned n =
		    throw_dice(3) ? (unsigned)chunk.bytes.len : throw_dice((uint32_t)chunk.bytes.len + 1);

		mt_stream_consume(&stream, &pool, n);
		model.next += n;
		model.delivered += n;
		model.is_soft &= n == 0;
		model_agrees();
	}
}

static void skip_both(unsigned to)
{
	unsigned skipped = to > model.next ? to - model.next : 0;

	assert_int_equal(mt_stream_skip(&stream, &pool, model.start + to), skipped);
	model.is_soft &= skipped == 0;
	for (; model.next < to; model.next++)
		*(model.cell[model.next] == UNSEEN ? &model.missing : &model.unread) += 1;
	model.end = to > model.end ? to : model.end;
	model_agrees();
}

/* A segment around next: mostly as a good sender would send it, sometimes with other bytes. */
static void put_something(void)
{
	static const unsigned lengths[] = {1, 1, 8, 60, 300, 489, 1460, 1460};
	unsigned len = 1 + throw_dice(lengths[throw_dice(MT_ARRAY_LEN(lengths))]);
	unsigned back = throw_dice(4) ? 0 : throw_dice(900), ahead = throw_dice(3) ? 0 : throw_dice(3000);
	unsigned at = (throw_dice(2) ? model.next : model.end) + ahead;
	uint8_t bytes[SEGMENT];

	at = at > back ? at - back : 0;
	if (throw_dice(8) == 0) { /* a plain repeat */
		at = model.seen[0].at;
		len = model.seen[0].len ? model.seen[0].len : 1;
	}
	at = at > model.next + 4000 ? model.next + 4000 : at;
	for (unsigned i = 0; i < len; i++)
		bytes[i] = (uint8_t)('a' + ((at + i) * 7 + (at + i) / 26) % 26);
	if (throw_dice(6) == 0)
		bytes[throw_dice(len)] = '#';
	put_both(at, bytes, len, throw_dice(3));
}

static void run_model(uint32_t seed)
{
	uint32_t pieces;

	dice = seed * 2654435761u | 1;
	pieces = 1 + throw_dice(throw_dice(2) ? 4 : PIECES);
	begin(pieces, throw_dice(3) ? MT_STREAM_HELD_MAX : throw_dice(12 * MT_STREAM_PIECE_BYTES));
	memset(&model, 0, sizeof(model));
	model.next = model.end = 1000;
	model.start = throw_dice(2) ? 0u - throw_dice(6000) : dice;
	model.is_soft = throw_dice(2);
	mt_stream_set_base(&stream, model.start + model.next, model.is_soft);
	for (unsigned i = 0; i < 200 && model.next < CELLS - 10000; i++) {
		put_something();
		consume_both();
		if (throw_dice(12) == 0)
			skip_both(model.next + throw_dice(throw_dice(2) ? 20 : 3000));
		settle_both();
		consume_both();
		uint32_t seq;
		if (throw_dice(4) == 0 && mt_stream_first_held(&stream, &pool, &seq))
			skip_both(model.next + (seq - stream.next));
	}
	if (throw_dice(2))
		put_something(); /* clear with a segment in place */
	must_clear();
	must_count(model.delivered, model.repeated, stream.missing_bytes, model.refused,
		   model.put - model.delivered - model.repeated - model.refused);
}

static void it_agrees_with_a_naive_model(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 150; seed++) {
		print_message("seed %u\n", seed);
		run_model(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_next_segment_is_read_in_place),
	    cmocka_unit_test(disorder_is_put_in_order_across_the_wrap),
	    cmocka_unit_test(of_overlapping_bytes_the_first_seen_wins),
	    cmocka_unit_test(a_segment_over_several_held_ones_fills_only_the_holes),
	    cmocka_unit_test(bytes_in_place_give_way_to_those_held_before),
	    cmocka_unit_test(a_segment_left_in_the_middle_is_kept),
	    cmocka_unit_test(a_long_segment_takes_several_pieces),
	    cmocka_unit_test(one_byte_segments_share_a_piece),
	    cmocka_unit_test(bytes_of_different_acknowledgement_stay_apart),
	    cmocka_unit_test(over_the_limit_only_the_beginning_is_kept),
	    cmocka_unit_test(a_soft_base_moves_down_until_the_first_byte_is_taken),
	    cmocka_unit_test(a_sure_base_replaces_a_soft_one_and_stays),
	    cmocka_unit_test(a_segment_far_from_the_window_is_refused),
	    cmocka_unit_test(holes_are_named_and_skipped),
	    cmocka_unit_test(clear_leaves_no_byte_and_counts_what_was_in_hand),
	    cmocka_unit_test(a_repeat_of_delivered_bytes_is_compared),
	    cmocka_unit_test(a_copy_that_comes_soon_is_counted),
	    cmocka_unit_test(any_changed_byte_of_a_repeat_is_seen),
	    cmocka_unit_test(a_keep_alive_is_no_inconsistency),
	    cmocka_unit_test(it_agrees_with_a_naive_model),
	};
	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
