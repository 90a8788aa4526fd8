/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <assert.h>

#include "framing_priv.h"

/* A line may be endless: its length stops here, so that it never comes round to that of another. */
#define LINE_BYTES_MAX (1u << 31)

enum brace { BRACE_NONE, BRACE_OPEN, BRACE_DIGITS, BRACE_SIGN, BRACE_CLOSED };

/** What the words at the front of a client's line say about the rest of it. */
struct credential {
	const char *word;
	uint8_t length;	  /* of the word */
	uint8_t position; /* of the word in the line, from 0 */
	uint8_t shown;	  /* words that may be shown */
};

#define CREDENTIAL(word, position, shown)                                                                    \
	{                                                                                                    \
		word, sizeof(word) - 1, position, shown                                                      \
	}
static const struct credential credentials[] = {
    CREDENTIAL("PASS", 0, 1),	      /* RFC 1939 7 */
    CREDENTIAL("USER", 0, 1),	      /* RFC 1939 7 */
    CREDENTIAL("APOP", 0, 1),	      /* RFC 1939 7 */
    CREDENTIAL("AUTH", 0, 2),	      /* RFC 4954 4, RFC 5034 4: the mechanism is no secret */
    CREDENTIAL("X-EXPS", 0, 2),	      /* Exchange's AUTH */
    CREDENTIAL("XCLIENT", 0, 1),      /* Postfix: LOGIN= names a user */
    CREDENTIAL("LOGIN", 1, 2),	      /* RFC 9051 6.2.3, behind the tag */
    CREDENTIAL("AUTHENTICATE", 1, 3), /* RFC 9051 6.2.2, behind the tag */
};

/* Bytes up to the end of so many words; the whole line where it has no more than that. */
static size_t words_end(struct mt_span line, unsigned words)
{
	struct mt_span rest = line;
	struct mt_span word = mt_span(line.data, 0);

	for (unsigned i = 0; i < words; i++) {
		word = mt_span_word(&rest);
		if (rest.len == 0)
			return line.len;
	}
	return (size_t)(word.data + word.len - line.data);
}

size_t mt_framing_shown(struct mt_span line)
{
	struct mt_span rest = line;

	for (unsigned position = 0; position < 2; position++) {
		struct mt_span word = mt_span_word(&rest);

		/* A word is complete only once a blank follows it. */
		if (rest.len == 0)
			break;
		for (size_t i = 0; i < MT_ARRAY_LEN(credentials); i++)
			if (credentials[i].length == word.len && credentials[i].position == position &&
			    mt_span_begins(word, credentials[i].word))
				return words_end(line, credentials[i].shown);
	}
	return line.len;
}

static size_t shown_bytes(const struct mt_framer *framer, struct mt_span line)
{
	if (framer->mode == MT_FRAMING_SECRET)
		return 0;
	if (framer->direction == MT_TO_SERVER)
		return mt_framing_shown(line);
	return framer->words_shown == 0 ? line.len : words_end(line, framer->words_shown);
}

static uint8_t step_brace(uint8_t brace, uint8_t c, uint64_t *literal)
{
	if (c == '{') {
		*literal = 0;
		return BRACE_OPEN;
	}
	if ((brace == BRACE_OPEN || brace == BRACE_DIGITS) && mt_is_digit(c)) {
		/* An absurd number saturates: it is skipped for ever rather than wrapped into a small one. */
		*literal = *literal > UINT64_MAX / 16 ? UINT64_MAX / 16 : *literal * 10 + (c - '0');
		return BRACE_DIGITS;
	}
	if (brace == BRACE_DIGITS && (c == '+' || c == '-'))
		return BRACE_SIGN;
	if ((brace == BRACE_DIGITS || brace == BRACE_SIGN) && c == '}')
		return BRACE_CLOSED;
	return brace == BRACE_CLOSED && c == '\r' ? BRACE_CLOSED : BRACE_NONE;
}

/* Follow {n}, {n+}, {n-} at the end of a line, a byte at a time. */
static void follow_literal(struct mt_framer *framer, uint8_t c)
{
	framer->brace = step_brace(framer->brace, c, &framer->literal);
	framer->has_sign = framer->brace == BRACE_SIGN || (framer->brace == BRACE_CLOSED && framer->has_sign);
}

static void note_literal(const struct mt_framer *framer, struct mt_line *line)
{
	line->has_literal = framer->brace == BRACE_CLOSED;
	line->is_literal_sync = line->has_literal && !framer->has_sign;
	line->literal_bytes = framer->literal;
}

/* A line that lies whole in the bytes: nothing is copied. */
static void read_in_place(struct mt_framer *framer, struct mt_span raw, struct mt_line *line)
{
	struct mt_span content = raw;

	while (content.len > 0 && content.data[content.len - 1] == '\r')
		content.len--;
	framer->lone_lf += content.len == raw.len;
	struct mt_span limited = mt_span_first(content, framer->limit);
	line->text = mt_span_first(limited, shown_bytes(framer, limited));
	line->is_over_limit = content.len > framer->limit;
	line->is_cut = line->text.len < content.len;
	/* What stands before the last { changes nothing, so that this is what a straddling line comes to. */
	if (framer->has_literals && content.len > 0 && content.data[content.len - 1] == '}') {
		const uint8_t *brace = memrchr(content.data, '{', content.len);

		for (; brace != NULL && brace < content.data + content.len; brace++)
			follow_literal(framer, *brace);
		note_literal(framer, line);
	}
}

/* Only a blank right behind a word can end what may be shown; looking at every byte would cost the square
 * of a long word's length. */
static bool may_seal(const struct mt_framer *framer)
{
	const uint8_t *end = framer->buffer + framer->len;

	return framer->mode == MT_FRAMING_SECRET ||
	       (framer->len > 1 && mt_is_blank(end[-1]) && !mt_is_blank(end[-2]));
}

/* Keep what may be shown. */
static void keep(struct mt_framer *framer, struct mt_span bytes)
{
	for (size_t i = 0; i < bytes.len && framer->len < framer->limit && !framer->is_sealed; i++) {
		framer->buffer[framer->len++] = bytes.data[i];
		if (framer->used < framer->len)
			framer->used = framer->len;
		if (!may_seal(framer))
			continue;
		size_t shown = shown_bytes(framer, mt_span(framer->buffer, framer->len));
		if (shown < framer->len) {
			mt_wipe(framer->buffer + shown, framer->len - shown);
			framer->len = (uint16_t)shown;
			framer->is_sealed = true;
		}
	}
}

/* Follow what the line ends in. Only its last bytes matter, and what was begun before them. */
static void follow_end(struct mt_framer *framer, struct mt_span bytes)
{
	size_t crs = 0, run;

	while (crs < bytes.len && bytes.data[bytes.len - 1 - crs] == '\r')
		crs++;
	run = crs == bytes.len ? framer->cr_run + crs : crs;
	framer->cr_run = (uint16_t)(run < UINT16_MAX ? run : UINT16_MAX);
	if (!framer->has_literals)
		return;
	const uint8_t *brace = memrchr(bytes.data, '{', bytes.len);
	if (brace != NULL) {
		bytes = mt_span_after(bytes, (size_t)(brace - bytes.data) + 1);
		follow_literal(framer, '{');
	}
	for (size_t i = 0; i < bytes.len && framer->brace != BRACE_NONE; i++)
		follow_literal(framer, bytes.data[i]);
}

/* Bytes of a line that straddles segments. */
static void append(struct mt_framer *framer, struct mt_span bytes)
{
	size_t room = LINE_BYTES_MAX - framer->line_bytes;

	keep(framer, bytes);
	follow_end(framer, bytes);
	framer->line_bytes += (uint32_t)(bytes.len < room ? bytes.len : room);
}

static void read_straddling(struct mt_framer *framer, struct mt_line *line)
{
	uint32_t content = framer->line_bytes - framer->cr_run;

	framer->lone_lf += framer->cr_run == 0;
	line->text = mt_span(framer->buffer, framer->len < content ? framer->len : content);
	line->is_over_limit = content > framer->limit;
	line->is_cut = line->text.len < content;
	if (framer->has_literals)
		note_literal(framer, line);
}

static void begin_line(struct mt_framer *framer)
{
	framer->line_bytes = 0;
	framer->len = 0;
	framer->cr_run = 0;
	framer->brace = BRACE_NONE;
	framer->has_sign = false;
	framer->is_sealed = false;
}

/* Up to and with the next LF; everything where there is none. */
static enum mt_framing_event read_line(struct mt_framer *framer, struct mt_span bytes, size_t *taken,
				       struct mt_line *line)
{
	const uint8_t *lf = memchr(bytes.data, '\n', bytes.len);
	struct mt_span raw = mt_span(bytes.data, lf == NULL ? bytes.len : (size_t)(lf - bytes.data));

	*taken = lf == NULL ? bytes.len : raw.len + 1;
	framer->is_at_gap = false;
	if (framer->is_resyncing) {
		framer->is_resyncing = lf == NULL;
		return lf == NULL ? MT_FRAMING_MORE : MT_FRAMING_SKIPPED;
	}
	if (lf == NULL) {
		append(framer, raw);
		return MT_FRAMING_MORE;
	}
	if (framer->line_bytes == 0) {
		read_in_place(framer, raw, line);
		line->bytes = (uint32_t)*taken;
	} else {
		append(framer, raw);
		read_straddling(framer, line);
		line->bytes = framer->line_bytes + 1;
		line->seq = framer->line_seq;
	}
	framer->over_limit += line->is_over_limit;
	begin_line(framer);
	framer->mode = MT_FRAMING_LINES;
	return MT_FRAMING_LINE;
}

static enum mt_framing_event read_count(struct mt_framer *framer, struct mt_span bytes, size_t *taken)
{
	*taken = bytes.len < framer->count ? bytes.len : (size_t)framer->count;
	framer->count -= *taken;
	if (framer->count > 0)
		return MT_FRAMING_MORE;
	framer->mode = MT_FRAMING_LINES;
	return MT_FRAMING_SKIPPED;
}

void mt_framer_init(struct mt_framer *framer, enum mt_direction direction, uint8_t *buffer, uint16_t limit)
{
	*framer = (struct mt_framer){.direction = (uint8_t)direction, .buffer = buffer, .limit = limit};
}

enum mt_framing_event mt_framer_read(struct mt_framer *framer, struct mt_span bytes, uint32_t seq,
				     uint32_t ack, bool has_ack, uint64_t time_ns, size_t *taken,
				     struct mt_line *ret_line)
{
	enum mt_framing_event event = MT_FRAMING_MORE;

	*taken = 0;
	if (bytes.len == 0)
		return event;
	switch ((enum mt_framing_mode)framer->mode) {
	case MT_FRAMING_WAIT:
		return event;
	case MT_FRAMING_SKIP:
		*taken = bytes.len;
		return event;
	case MT_FRAMING_BODY:
		return mt_framing_read_body(framer, bytes, taken);
	case MT_FRAMING_COUNT:
		return read_count(framer, bytes, taken);
	case MT_FRAMING_LINES:
	case MT_FRAMING_SECRET:
		break;
	}
	*ret_line = (struct mt_line){.seq = seq, .ack = ack, .has_ack = has_ack, .time_ns = time_ns};
	if (framer->line_bytes == 0)
		framer->line_seq = seq;
	event = read_line(framer, bytes, taken, ret_line);
	ret_line->end_seq = seq + (uint32_t)*taken;
	/* The end of a line that a gap cut is nobody's event. */
	return event == MT_FRAMING_SKIPPED ? MT_FRAMING_MORE : event;
}

bool mt_framer_is_over_limit(const struct mt_framer *framer)
{
	return framer->line_bytes - framer->cr_run > framer->limit;
}

void mt_framer_gap(struct mt_framer *framer, uint32_t missing_bytes)
{
	if (framer->mode == MT_FRAMING_COUNT && missing_bytes <= framer->count) {
		framer->count -= missing_bytes;
		return;
	}
	if (framer->mode == MT_FRAMING_BODY) {
		mt_framing_lose_body(framer);
		return;
	}
	if (framer->mode == MT_FRAMING_COUNT)
		framer->mode = MT_FRAMING_LINES;
	mt_framer_wipe(framer);
	framer->is_resyncing = true;
	framer->is_at_gap = true;
}

void mt_framer_resume(struct mt_framer *framer)
{
	framer->is_resyncing = false;
	framer->is_at_gap = false;
}

void mt_framer_set(struct mt_framer *framer, enum mt_framing_mode mode, uint64_t count)
{
	framer->mode = (uint8_t)(mode == MT_FRAMING_COUNT && count == 0 ? MT_FRAMING_LINES : mode);
	framer->count = count;
	mt_framing_begin_body(framer);
}

void mt_framer_wipe(struct mt_framer *framer)
{
	if (framer->used > 0)
		mt_wipe(framer->buffer, framer->used);
	framer->used = 0;
	begin_line(framer);
}
