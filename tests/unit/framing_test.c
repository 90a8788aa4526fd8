/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

#include <stdio.h>

#include "framing.h"

#define LIMIT 64
#define ROOM  8192
#define CHUNK 2048	  /* no input is longer */
#define BASE  0xffffffe0u /* so that numbers wrap within the first lines */

/** A framer, and what it said: a line of text an event, so that two ways of cutting can be compared. */
struct reading {
	struct mt_framer framer;
	uint8_t buffer[LIMIT];
	char said[ROOM];
	uint32_t seq;
};

static void begin(struct reading *reading, enum mt_direction direction)
{
	memset(reading, 0, sizeof(*reading));
	mt_framer_init(&reading->framer, direction, reading->buffer, LIMIT);
	reading->seq = BASE;
}

/* The bytes, ending at a page that nobody may touch; until the next call. */
static struct mt_span at_edge(const void *bytes, size_t len)
{
	static struct mt_span area;
	static const uint8_t nothing[CHUNK];

	if (area.data == NULL)
		area = guarded(nothing, sizeof(nothing));
	assert_true(len <= CHUNK);
	uint8_t *copy = (uint8_t *)area.data + CHUNK - len;
	memcpy(copy, bytes, len);
	return mt_span(copy, len);
}

static void say(struct reading *reading, const struct mt_line *line)
{
	size_t used = strlen(reading->said);
	int n = snprintf(reading->said + used, ROOM - used, "[%.*s]%s%s", (int)line->text.len,
			 (const char *)line->text.data, line->is_cut ? " cut" : "",
			 line->is_over_limit ? " over" : "");

	assert_true(n >= 0 && (size_t)n < ROOM - used);
	used += (size_t)n;
	if (line->has_literal)
		used += (size_t)snprintf(reading->said + used, ROOM - used, " %s{%llu}",
					 line->is_literal_sync ? "sync" : "now",
					 (unsigned long long)line->literal_bytes);
	snprintf(reading->said + used, ROOM - used, " +%u..%u (%u)\n", line->seq - BASE, line->end_seq - BASE,
		 line->bytes);
}

/* Feed all of it, at most piece bytes at a time. Result  bytes that were not taken. */
static size_t feed(struct reading *reading, struct mt_span input, size_t piece)
{
	while (input.len > 0) {
		struct mt_span chunk = at_edge(input.data, input.len < piece ? input.len : piece);
		struct mt_line line = {0};
		size_t taken;
		enum mt_framing_event event =
		    mt_framer_read(&reading->framer, chunk, reading->seq, 7, true, 99, &taken, &line);

		assert_true(taken <= chunk.len);
		if (event == MT_FRAMING_LINE) {
			assert_int_equal(line.ack, 7);
			assert_int_equal(line.time_ns, 99);
			say(reading, &line);
		} else if (event == MT_FRAMING_SKIPPED) {
			strncat(reading->said, "skipped\n", ROOM - strlen(reading->said) - 1);
		} else if (taken == 0) {
			break;
		}
		reading->seq += (uint32_t)taken;
		input = mt_span_after(input, taken);
	}
	return input.len;
}

/** How a framer starts out. */
struct start {
	enum mt_direction direction;
	enum mt_framing_mode mode;
	uint64_t count;
	uint8_t words_shown;
	bool has_literals;
};

static void begin_as(struct reading *reading, const struct start *start)
{
	begin(reading, start->direction);
	reading->framer.has_literals = start->has_literals;
	reading->framer.words_shown = start->words_shown;
	mt_framer_set(&reading->framer, start->mode, start->count);
}

/* What is said is as expected, whatever the pieces, and in every cut in two. */
static void expect_bytes(struct start start, struct mt_span input, const char *expected)
{
	static struct reading reading;

	for (size_t piece = 1; piece <= input.len; piece++) {
		begin_as(&reading, &start);
		feed(&reading, input, piece);
		assert_string_equal(reading.said, expected);
	}
	for (size_t first = 1; first < input.len; first++) {
		begin_as(&reading, &start);
		assert_int_equal(feed(&reading, mt_span_first(input, first), first), 0);
		feed(&reading, mt_span_after(input, first), input.len);
		assert_string_equal(reading.said, expected);
	}
}

static void expect(struct start start, const char *input, const char *expected)
{
	expect_bytes(start, mt_span_text(input), expected);
}

static const struct start to_server = {.direction = MT_TO_SERVER};
static const struct start to_client = {.direction = MT_TO_CLIENT};

static void lines_end_at_lf_and_lose_their_crs(void **state)
{
	(void)state;
	/* G3 and G5: CRLF, lone LF, CRCRLF; a CR alone ends nothing. */
	expect(to_server, "EHLO a\r\nNOOP\nQUIT\r\r\n\r\n\nA\rB\r\n",
	       "[EHLO a] +0..8 (8)\n[NOOP] +8..13 (5)\n[QUIT] +13..20 (7)\n[] +20..22 (2)\n[] +22..23 (1)\n"
	       "[A\rB] +23..28 (5)\n");
}

static void lone_lfs_are_counted(void **state)
{
	(void)state;
	struct reading reading;

	for (size_t piece = 1; piece < 12; piece++) {
		begin(&reading, MT_TO_SERVER);
		feed(&reading, mt_span_text("a\r\nb\nc\r\r\nd\n\n"), piece);
		assert_int_equal(reading.framer.lone_lf, 3);
	}
}

static void a_line_over_the_limit_is_shown_to_the_limit_and_read_to_its_lf(void **state)
{
	(void)state;
	char input[LIMIT + 40], expected[LIMIT + 200];
	struct reading reading;

	for (int over = -1; over <= 2; over++) {
		int len = LIMIT + over;

		memset(input, 'x', sizeof(input));
		memcpy(input + len, "\r\nEND\r\n", 8);
		snprintf(expected, sizeof(expected), "[%.*s]%s +0..%d (%d)\n[END] +%d..%d (5)\n",
			 over < 0 ? len : LIMIT, input, over > 0 ? " cut over" : "", len + 2, len + 2,
			 len + 2, len + 7);
		expect(to_client, input, expected);
		begin(&reading, MT_TO_CLIENT);
		feed(&reading, mt_span_text(input), 3);
		assert_int_equal(reading.framer.over_limit, over > 0);
	}
}

/* G6, mistake-9: nothing of a line grows with it, and its length never comes round to that of a short one. */
static void an_endless_line_is_over_the_limit_and_stays_so(void **state)
{
	(void)state;
	struct reading reading;

	begin(&reading, MT_TO_SERVER);
	reading.framer.has_literals = true;
	feed(&reading, mt_span_text("NOOP "), 5);
	assert_false(mt_framer_is_over_limit(&reading.framer));
	for (unsigned i = 0; i < LIMIT; i++)
		feed(&reading, mt_span_text("x\r"), 2);
	assert_true(mt_framer_is_over_limit(&reading.framer));
	reading.framer.line_bytes = (1u << 31) - 3;
	for (unsigned i = 0; i < 5; i++)
		feed(&reading, mt_span_text("xx\r"), 3);
	assert_false(mt_framer_at_line_start(&reading.framer));
	assert_int_equal(reading.framer.line_bytes, 1u << 31);
	feed(&reading, mt_span_text("{3}\r\n"), 5);
	assert_non_null(strstr(reading.said, "cut over sync{3}"));
	assert_true(mt_framer_at_line_start(&reading.framer));
}

static void a_zero_byte_is_a_byte(void **state)
{
	(void)state;
	struct reading reading;
	struct mt_line line;
	size_t taken;

	begin(&reading, MT_TO_SERVER);
	assert_int_equal(
	    mt_framer_read(&reading.framer, at_edge("N\0P\r\n", 5), 1, 0, false, 0, &taken, &line),
	    MT_FRAMING_LINE);
	assert_int_equal(line.text.len, 3);
	assert_false(line.has_ack);
}

static void literals_are_named_by_their_sort(void **state)
{
	(void)state;
	struct start imap = {.direction = MT_TO_CLIENT, .has_literals = true};

	/* I6: RFC 9051 4.3, RFC 7888, RFC 3516; none of the others is one. */
	expect(imap, "a {12}\r\nb {3+}\r\nc {4-}\r\nd ~{5}\r\n{0}\r\n",
	       "[a {12}] sync{12} +0..8 (8)\n[b {3+}] now{3} +8..16 (8)\n[c {4-}] now{4} +16..24 (8)\n"
	       "[d ~{5}] sync{5} +24..32 (8)\n[{0}] sync{0} +32..37 (5)\n");
	expect(imap, "a {}\r\nb {x}\r\nc {5} \r\nd {5\r\ne {+}\r\nf {5++}\r\ng {5}}\r\nh {-5}\r\n",
	       "[a {}] +0..6 (6)\n[b {x}] +6..13 (7)\n[c {5} ] +13..21 (8)\n[d {5] +21..27 (6)\n"
	       "[e {+}] +27..34 (7)\n[f {5++}] +34..43 (9)\n[g {5}}] +43..51 (8)\n[h {-5}] +51..59 (8)\n");
	expect(imap, "{3+}{4}\r\n{{7}\r\n{8}\r\r\n{9}\n",
	       "[{3+}{4}] sync{4} +0..9 (9)\n[{{7}] sync{7} +9..15 (6)\n[{8}] sync{8} +15..21 (6)\n"
	       "[{9}] sync{9} +21..25 (4)\n");
	expect(to_client, "a {12}\r\n", "[a {12}] +0..8 (8)\n");
}

static void a_literal_is_seen_however_long_its_number_and_its_line(void **state)
{
	(void)state;
	struct start imap = {.direction = MT_TO_CLIENT, .has_literals = true};
	char line[400];

	expect(imap, "a {000000000000000000000000000000000000000010}\r\n",
	       "[a {000000000000000000000000000000000000000010}] sync{10} +0..48 (48)\n");
	expect(imap, "a {5}\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\n",
	       "[a {5}] sync{5} +0..42 (42)\n");
	memset(line, 'x', sizeof(line));
	memcpy(line + 300, "{77+}\r\n", 8);
	struct reading reading;
	for (size_t piece = 1; piece < 310; piece++) {
		begin_as(&reading, &imap);
		feed(&reading, mt_span_text(line), piece);
		assert_non_null(strstr(reading.said, " cut over now{77} +0..307 (307)"));
	}
}

static void an_absurd_literal_never_becomes_a_small_one(void **state)
{
	(void)state;
	struct start imap = {.direction = MT_TO_CLIENT, .has_literals = true};
	/* 2^64 + 1 would wrap to 1. */
	static const char *const inputs[] = {"{18446744073709551617}\r\n", "{184467440737095516170}\r\n",
					     "{99999999999999999999999999999}\r\n"};

	for (size_t i = 0; i < MT_ARRAY_LEN(inputs); i++)
		for (size_t piece = 1; piece < 30; piece++) {
			struct reading reading;
			unsigned long long n = 0;

			begin_as(&reading, &imap);
			feed(&reading, mt_span_text(inputs[i]), piece);
			assert_int_equal(sscanf(strstr(reading.said, "sync{"), "sync{%llu}", &n), 1);
			assert_true(n > 1ull << 59);
		}
}

/* S12, P5: RFC 5321 4.1.1.4 and 4.5.2, RFC 1939 3. */
static void a_body_ends_at_its_dot_and_nowhere_else(void **state)
{
	(void)state;
	struct start body = {.direction = MT_TO_SERVER, .mode = MT_FRAMING_BODY};

	expect(body, ".\r\nQUIT\r\n", "skipped\n[QUIT] +3..9 (6)\n");
	expect(body, "text\r\n.\r\nQUIT\r\n", "skipped\n[QUIT] +9..15 (6)\n");
	expect(body, "..\r\n. \r\n.x\r\n..x\r\n x.\r\n\r\r\n\r.\r\n\r\n.\r\nQUIT\r\n",
	       "skipped\n[QUIT] +34..40 (6)\n");
	/* What a server takes for the end or not (X8): towards it only CRLF.CRLF is one. */
	expect(body, "a\n.\nb\n.\r\nc\r\n.\nd\r.\re\r\n.\r\rf\r.\r\ng\r\n.\r\nQUIT\r\n",
	       "skipped\n[QUIT] +35..41 (6)\n");
	expect(body, "no end\r\nSTARTTLS\r\n", "");
}

/* X8: the sequences of SEC Consult's scanner (2023), the rest of the cross product, and what is none. */
static void dots_that_look_like_the_end_are_counted(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		unsigned look_alikes;
	} bodies[] = {
#define BODY(text, look_alikes) {text, sizeof(text) - 1, look_alikes}
	    BODY("a\n.\nb", 1),
	    BODY("a\n.\rb", 1),
	    BODY("a\n.\r\nb", 1),
	    BODY("a\r.\nb", 1),
	    BODY("a\r.\rb", 1),
	    BODY("a\r.\r\nb", 1),
	    BODY("a\r\n.\nb", 1),
	    BODY("a\r\n.\rb", 1),
	    BODY("a\r\n.\r\r\nb", 1),
	    BODY("a\r\r\n.\r\r\nb", 1),
	    BODY("a\r\n\0.\r\nb", 1),
	    BODY("a\r\n.\0\r\nb", 1),
	    BODY(".\nb", 1),
	    BODY("a\n.\n.\r.\r\nb", 3),
	    BODY("a\r\n..\r\nb", 0), /* 4.5.2: stuffed, safe */
	    BODY("a\n..\nb\r..\rc", 0),
	    BODY("a\r\n.b\r\n. \r\n.\t\n", 0),
	    BODY("a.\nb .\r\nc\t.\n", 0),
	    BODY("a\n\n\r\r\n\r", 0),
#undef BODY
	};

	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(bodies); i++)
		for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
			struct reading reading;

			begin(&reading, direction);
			mt_framer_set(&reading.framer, MT_FRAMING_BODY, 0);
			feed(&reading, mt_span(bodies[i].bytes, bodies[i].len), CHUNK);
			assert_int_equal(reading.framer.look_alikes,
					 direction == MT_TO_SERVER ? bodies[i].look_alikes : 0);
		}
}

/** What a body comes to, looked at with all of it in hand. */
struct body_end {
	size_t end; /* behind the end of data; 0 where there is none */
	unsigned look_alikes;
};

static bool is_same(struct body_end a, struct body_end b)
{
	return a.end == b.end && a.look_alikes == b.look_alikes;
}

enum { NO_BREAK, CRLF, LF, CR };

static unsigned break_before(struct mt_span body, size_t at)
{
	if (at == 0)
		return CRLF;
	if (body.data[at - 1] == '\n')
		return at > 1 && body.data[at - 2] == '\r' ? CRLF : LF;
	return body.data[at - 1] == '\r' ? CR : NO_BREAK;
}

static unsigned break_behind(struct mt_span body, size_t at)
{
	if (at < body.len && body.data[at] == '\n')
		return LF;
	if (at + 1 >= body.len || body.data[at] != '\r')
		return NO_BREAK;
	return body.data[at + 1] == '\n' ? CRLF : CR;
}

static struct body_end look_at(struct mt_span body)
{
	struct body_end result = {0};

	for (size_t dot = 0; dot < body.len; dot++) {
		bool has_nul = dot > 0 && body.data[dot - 1] == 0;
		unsigned before = break_before(body, dot - has_nul);
		bool has_nul_behind = !has_nul && dot + 1 < body.len && body.data[dot + 1] == 0;
		unsigned behind = break_behind(body, dot + 1 + has_nul_behind);

		if (body.data[dot] != '.' || before == NO_BREAK || behind == NO_BREAK)
			continue;
		if (before == CRLF && behind == CRLF && !has_nul && !has_nul_behind) {
			result.end = dot + 3;
			return result;
		}
		result.look_alikes++;
	}
	return result;
}

/* What the framer makes of it, cut in two. */
static struct body_end read_body(struct mt_span body, size_t first)
{
	struct mt_framer framer;
	uint8_t buffer[LIMIT];
	struct mt_line line;
	size_t taken, more = 0;

	mt_framer_init(&framer, MT_TO_SERVER, buffer, LIMIT);
	mt_framer_set(&framer, MT_FRAMING_BODY, 0);
	mt_framer_read(&framer, mt_span_first(body, first), 0, 0, false, 0, &taken, &line);
	if (framer.mode == MT_FRAMING_BODY)
		mt_framer_read(&framer, mt_span_after(body, first), 0, 0, false, 0, &more, &line);
	return (struct body_end){framer.mode == MT_FRAMING_BODY ? 0 : taken + more, framer.look_alikes};
}

/* X8: every short body of the bytes that matter, alone and between blocks of text, cut at every place. */
static void every_short_body_comes_to_what_a_look_at_all_of_it_says(void **state)
{
	static const char bytes[] = {'\r', '\n', '.', 0, 'a'};
	enum { FREE = 6, TEXT = 20 };
	char body[TEXT + FREE + TEXT];
	unsigned count = 1;

	(void)state;
	for (unsigned i = 0; i < FREE; i++)
		count *= sizeof(bytes);
	memset(body, 'a', sizeof(body));
	for (unsigned number = 0; number < count; number++) {
		unsigned rest = number;

		for (size_t i = TEXT; i < TEXT + FREE; i++, rest /= sizeof(bytes))
			body[i] = bytes[rest % sizeof(bytes)];
		struct mt_span short_one = mt_span(body + TEXT, FREE), long_one = mt_span(body, sizeof(body));
		for (size_t first = 0; first <= FREE; first++) {
			struct body_end alone = read_body(short_one, first),
					within = read_body(long_one, TEXT + first);

			if (!is_same(alone, look_at(short_one)) || !is_same(within, look_at(long_one)))
				fail_msg("body %u, cut at %zu", number, first);
		}
	}
}

static void a_list_towards_the_client_may_end_at_lone_lfs(void **state)
{
	(void)state;
	struct start body = {.direction = MT_TO_CLIENT, .mode = MT_FRAMING_BODY};

	expect(body, "1 2\n.\n+OK\r\n", "skipped\n[+OK] +6..11 (5)\n");
	expect(body, ".\n+OK\r\n", "skipped\n[+OK] +2..7 (5)\n");
	expect(body, "x\n..\n.\r\n+OK\r\n", "skipped\n[+OK] +8..13 (5)\n");
	expect(body, "x.\n.x\n\n.\n+OK\r\n", "skipped\n[+OK] +9..14 (5)\n");
}

static void counted_bytes_are_no_lines(void **state)
{
	(void)state;
	struct start count = {.direction = MT_TO_SERVER, .mode = MT_FRAMING_COUNT, .count = 12};

	expect(count, "a\r\nSTARTTLS\nQUIT\r\n", "skipped\n[QUIT] +12..18 (6)\n");
	count.count = 0;
	expect(count, "QUIT\r\n", "[QUIT] +0..6 (6)\n");
}

static void missing_bytes_are_counted_off(void **state)
{
	(void)state;
	struct reading reading;

	begin(&reading, MT_TO_SERVER);
	mt_framer_set(&reading.framer, MT_FRAMING_COUNT, 10);
	feed(&reading, mt_span_text("abcd"), 2);
	mt_framer_gap(&reading.framer, 3);
	reading.seq += 3;
	feed(&reading, mt_span_text("efgQUIT\r\n"), 4);
	assert_string_equal(reading.said, "skipped\n[QUIT] +10..16 (6)\n");

	/* All that was left is missing: the next byte begins a line, and the end is told. */
	begin(&reading, MT_TO_SERVER);
	mt_framer_set(&reading.framer, MT_FRAMING_COUNT, 10);
	mt_framer_gap(&reading.framer, 10);
	reading.seq += 10;
	feed(&reading, mt_span_text("QUIT\r\n"), 4);
	assert_string_equal(reading.said, "skipped\n[QUIT] +10..16 (6)\n");

	/* More than was left: where the next line begins is not known. */
	begin(&reading, MT_TO_SERVER);
	mt_framer_set(&reading.framer, MT_FRAMING_COUNT, 10);
	mt_framer_gap(&reading.framer, 11);
	reading.seq += 11;
	feed(&reading, mt_span_text("IT\r\nNOOP\r\n"), 4);
	assert_string_equal(reading.said, "[NOOP] +15..21 (6)\n");
}

static void a_gap_drops_the_line_that_it_cuts(void **state)
{
	(void)state;
	struct reading reading;

	for (size_t piece = 1; piece < 8; piece++) {
		begin(&reading, MT_TO_SERVER);
		feed(&reading, mt_span_text("EHLO a\r\nMAIL FR"), piece);
		assert_false(mt_framer_at_line_start(&reading.framer));
		mt_framer_gap(&reading.framer, 5);
		assert_false(mt_framer_at_line_start(&reading.framer));
		for (size_t i = 0; i < LIMIT; i++)
			assert_int_equal(reading.buffer[i], 0);
		feed(&reading, mt_span_text("x> STARTTLS\r\nQUIT\r\n"), piece);
		assert_string_equal(reading.said, "[EHLO a] +0..8 (8)\n[QUIT] +28..34 (6)\n");
		assert_true(mt_framer_at_line_start(&reading.framer));
	}
	/* A gap inside a body stays inside it, and no dot is put together across it. */
	begin(&reading, MT_TO_SERVER);
	mt_framer_set(&reading.framer, MT_FRAMING_BODY, 0);
	feed(&reading, mt_span_text("text\r\n"), 2);
	mt_framer_gap(&reading.framer, 100);
	feed(&reading, mt_span_text(".\r\nSTARTTLS\r\n.\r\nQUIT\r\n"), 3);
	assert_string_equal(reading.said, "skipped\n[QUIT] +22..28 (6)\n");
}

static void waiting_takes_nothing_and_skipping_takes_all(void **state)
{
	(void)state;
	struct reading reading;

	begin(&reading, MT_TO_SERVER);
	mt_framer_set(&reading.framer, MT_FRAMING_WAIT, 0);
	assert_int_equal(feed(&reading, mt_span_text("QUIT\r\n"), 6), 6);
	mt_framer_set(&reading.framer, MT_FRAMING_SKIP, 0);
	assert_int_equal(feed(&reading, mt_span_text("QUIT\r\n.\r\n"), 6), 0);
	assert_string_equal(reading.said, "");
}

/* Privacy. The word that matters is SESAME; the rest of each line is public. */
static const struct {
	const char *line, *shown;
} secrets[] = {
    {"PASS SESAME", "PASS"},
    {"pass \tSESAME SESAME", "pass"},
    {"\t PaSs\tSESAME", "\t PaSs"},
    {"USER SESAME", "USER"},
    {"user  SESAME", "user"},
    {"APOP SESAME c4c9334bac560ecc979e58001b3e22fb", "APOP"},
    {"aPoP\tSESAME", "aPoP"},
    {"AUTH PLAIN SESAME", "AUTH PLAIN"},
    {"auth  plain\tSESAME", "auth  plain"},
    {"Auth LOGIN  SESAME SESAME", "Auth LOGIN"},
    {"X-EXPS NTLM SESAME", "X-EXPS NTLM"},
    {"x-exps GSSAPI SESAME", "x-exps GSSAPI"},
    {"XCLIENT LOGIN=SESAME NAME=x", "XCLIENT"},
    {"xclient ADDR=1.2.3.4 LOGIN=SESAME", "xclient"},
    {"a1 LOGIN SESAME SESAME", "a1 LOGIN"},
    {"  a1\tlogin \t\"SESAME\" SESAME", "  a1\tlogin"},
    {"* LoGiN SESAME SESAME", "* LoGiN"},
    {"a1 AUTHENTICATE PLAIN SESAME", "a1 AUTHENTICATE PLAIN"},
    {" A authenticate\tcram-md5 SESAME", " A authenticate\tcram-md5"},
};

static bool holds(const uint8_t *bytes, size_t len, const char *word)
{
	return memmem(bytes, len, word, strlen(word)) != NULL;
}

static void the_announcing_word_ends_what_is_shown(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(secrets); i++) {
		struct mt_span line = guarded(secrets[i].line, strlen(secrets[i].line));

		assert_int_equal(mt_framing_shown(line), strlen(secrets[i].shown));
		/* What is allowed of a beginning is allowed of the whole. */
		for (size_t n = 0; n < line.len; n++) {
			size_t shown = mt_framing_shown(mt_span_first(line, n));

			assert_int_equal(shown, n <= strlen(secrets[i].shown) ? n : strlen(secrets[i].shown));
		}
	}
}

static void no_byte_of_a_credential_reaches_the_buffer(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(secrets); i++) {
		size_t len = strlen(secrets[i].line), shown = strlen(secrets[i].shown);
		char input[128], expected[160];
		struct reading reading;

		snprintf(input, sizeof(input), "%s\r\n", secrets[i].line);
		snprintf(expected, sizeof(expected), "[%s] cut +0..%zu (%zu)\n", secrets[i].shown, len + 2,
			 len + 2);
		for (size_t piece = 1; piece <= len + 2; piece++) {
			begin(&reading, MT_TO_SERVER);
			for (size_t at = 0; at < len + 2; at += piece) {
				feed(&reading, mt_span_first(mt_span(input + at, len + 2 - at), piece),
				     piece);
				for (size_t b = shown; b < LIMIT; b++)
					assert_int_equal(reading.buffer[b], 0);
			}
			assert_string_equal(reading.said, expected);
		}
	}
}

static void a_short_line_that_follows_a_long_one_leaves_no_room_for_a_credential(void **state)
{
	(void)state;
	struct reading reading;

	/* The long line's bytes may stay: they were shown. The secret's may not come after them. */
	begin(&reading, MT_TO_SERVER);
	feed(&reading, mt_span_text("MAIL FROM:<someone@example.org> SIZE=1000\r\nPASS SESAME\r\n"), 1);
	assert_false(holds(reading.buffer, LIMIT, "SESA"));
}

static void words_that_only_look_alike_hide_nothing(void **state)
{
	(void)state;
	static const char *const lines[] = {"PASSWORD x", "USERS x",	 "EHLO PASS x",	  "a b LOGIN x",
					    "LOGIN x",	  "NOOP AUTH x", "AUTHENTICATE x"};

	for (size_t i = 0; i < MT_ARRAY_LEN(lines); i++)
		assert_int_equal(mt_framing_shown(mt_span_text(lines[i])), strlen(lines[i]));
	assert_int_equal(mt_framing_shown(mt_span(NULL, 0)), 0);
}

static void a_secret_line_has_no_text(void **state)
{
	(void)state;
	struct start secret = {.direction = MT_TO_SERVER, .mode = MT_FRAMING_SECRET, .has_literals = true};
	struct reading reading;

	expect(secret, "SESAME\r\nQUIT\r\n", "[] cut +0..8 (8)\n[QUIT] +8..14 (6)\n");
	expect(secret, "SESAME {6}\r\n", "[] cut sync{6} +0..12 (12)\n");
	expect(secret, "*\r\n", "[] cut +0..3 (3)\n");
	expect(secret, "\r\n", "[] +0..2 (2)\n");
	begin_as(&reading, &secret);
	for (const char *c = "SESAME SESAME\r\n"; *c != 0; c++) {
		feed(&reading, mt_span(c, 1), 1);
		for (size_t i = 0; i < LIMIT; i++)
			assert_int_equal(reading.buffer[i], 0);
	}
}

static void an_answer_to_a_credential_shows_its_first_words(void **state)
{
	(void)state;
	struct start one = {.direction = MT_TO_CLIENT, .words_shown = 1};
	struct start two = {.direction = MT_TO_CLIENT, .words_shown = 2};
	struct reading reading;

	/* RFC 1939 7: "+OK mrose's maildrop has 2 messages". */
	expect(one, "+OK SESAME has 2 messages\r\n-ERR SESAME\r\n+OK\r\n",
	       "[+OK] cut +0..27 (27)\n[-ERR] cut +27..40 (13)\n[+OK] +40..45 (5)\n");
	expect(two, "a1 OK SESAME authenticated\r\na2 NO\r\n",
	       "[a1 OK] cut +0..28 (28)\n[a2 NO] +28..35 (7)\n");
	begin_as(&reading, &two);
	for (const char *c = "a1  OK\tSESAME {3}\r\n"; *c != 0; c++) {
		feed(&reading, mt_span(c, 1), 1);
		assert_false(holds(reading.buffer, LIMIT, "S"));
	}
}

static void wiping_leaves_zeros(void **state)
{
	(void)state;
	struct reading reading;

	begin(&reading, MT_TO_CLIENT);
	feed(&reading, mt_span_text("250 half a li"), 5);
	mt_framer_wipe(&reading.framer);
	for (size_t i = 0; i < LIMIT; i++)
		assert_int_equal(reading.buffer[i], 0);
	assert_true(mt_framer_at_line_start(&reading.framer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_end_at_lf_and_lose_their_crs),
	    cmocka_unit_test(lone_lfs_are_counted),
	    cmocka_unit_test(a_line_over_the_limit_is_shown_to_the_limit_and_read_to_its_lf),
	    cmocka_unit_test(an_endless_line_is_over_the_limit_and_stays_so),
	    cmocka_unit_test(a_zero_byte_is_a_byte),
	    cmocka_unit_test(literals_are_named_by_their_sort),
	    cmocka_unit_test(a_literal_is_seen_however_long_its_number_and_its_line),
	    cmocka_unit_test(an_absurd_literal_never_becomes_a_small_one),
	    cmocka_unit_test(a_body_ends_at_its_dot_and_nowhere_else),
	    cmocka_unit_test(dots_that_look_like_the_end_are_counted),
	    cmocka_unit_test(every_short_body_comes_to_what_a_look_at_all_of_it_says),
	    cmocka_unit_test(a_list_towards_the_client_may_end_at_lone_lfs),
	    cmocka_unit_test(counted_bytes_are_no_lines),
	    cmocka_unit_test(missing_bytes_are_counted_off),
	    cmocka_unit_test(a_gap_drops_the_line_that_it_cuts),
	    cmocka_unit_test(waiting_takes_nothing_and_skipping_takes_all),
	    cmocka_unit_test(the_announcing_word_ends_what_is_shown),
	    cmocka_unit_test(no_byte_of_a_credential_reaches_the_buffer),
	    cmocka_unit_test(a_short_line_that_follows_a_long_one_leaves_no_room_for_a_credential),
	    cmocka_unit_test(words_that_only_look_alike_hide_nothing),
	    cmocka_unit_test(a_secret_line_has_no_text),
	    cmocka_unit_test(an_answer_to_a_credential_shows_its_first_words),
	    cmocka_unit_test(wiping_leaves_zeros),
	};
	return cmocka_run_group_tests_name("framing", tests, NULL, NULL);
}
