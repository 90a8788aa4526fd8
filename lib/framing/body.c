/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * The end of a body: a dot alone on its line. Servers disagree about what ends a line, and where two of them
 * do, one message becomes two of which nobody has checked the second (SMTP smuggling, SEC Consult 2023). So
 * every dot that stands alone for some server is looked at, and only one sort of them ends the data.
 */
#include <emmintrin.h>

#include "framing_priv.h"

/* What ends a line, for some server or other. */
enum line_break { BREAK_CRLF, BREAK_LF, BREAK_CR, BREAK_COUNT };

enum meaning {
	MEANS_END,     /* the end of data, to everybody */
	MEANS_LENIENT, /* the end of a server's list, which must not swallow the session; looks alike to a
			  server */
	MEANS_NOTHING, /* no end; looks alike to a server */
};

/*
 * A dot by what stands before and behind it. A CR before a CRLF, as in CRCRLF.CRCRLF, is a break of its own
 * and needs no row. A NUL beside the dot makes any of them one that means nothing but looks alike: some
 * servers strip it (CRLF NUL.CRLF; RFC 5321 2.3.8 forbids a lone CR or LF, 4.5.2 is what a dot means).
 */
static const uint8_t meanings[BREAK_COUNT][BREAK_COUNT] = {
    [BREAK_CRLF][BREAK_CRLF] = MEANS_END,   /* RFC 5321 4.1.1.4, RFC 1939 3 */
    [BREAK_CRLF][BREAK_LF] = MEANS_LENIENT, /* RFC 5321 2.3.8: taken by servers that take LF for CRLF */
    [BREAK_CRLF][BREAK_CR] = MEANS_NOTHING, /* SEC Consult 2023: CRLF.CR, CRLF.CRCRLF, CRCRLF.CRCRLF */
    [BREAK_LF][BREAK_CRLF] = MEANS_LENIENT, /* SEC Consult 2023: LF.CRLF, let out and taken by the largest */
    [BREAK_LF][BREAK_LF] = MEANS_LENIENT,   /* SEC Consult 2023: LF.LF */
    [BREAK_LF][BREAK_CR] = MEANS_NOTHING,   /* SEC Consult 2023: LF.CR, of its scanner */
    [BREAK_CR][BREAK_CRLF] = MEANS_NOTHING, /* SEC Consult 2023: CR.CRLF, of its scanner */
    [BREAK_CR][BREAK_LF] = MEANS_NOTHING,   /* SEC Consult 2023: CR.LF, of its scanner */
    [BREAK_CR][BREAK_CR] = MEANS_NOTHING,   /* SEC Consult 2023: CR.CR, mended into CRLF.CRLF on its way */
};

/* What the last bytes read are. */
enum place {
	PLACE_TEXT,
	PLACE_BREAK,  /* a line break, framer->body.before, and perhaps a NUL */
	PLACE_DOT,    /* such a break and a dot, and perhaps a NUL */
	PLACE_DOT_CR, /* such a break, a dot and a CR, which may yet become CRLF */
};

#define LOOK_BACK 2 /* bytes before a dot that decide what it is: CR and LF, or one of them and a NUL */

void mt_framing_begin_body(struct mt_framer *framer)
{
	framer->body.place = PLACE_BREAK;
	framer->body.before = BREAK_CRLF;
	framer->body.is_padded = false;
	framer->body.is_at_look_alike = false;
}

void mt_framing_lose_body(struct mt_framer *framer)
{
	framer->body.place = PLACE_TEXT;
	framer->body.is_at_look_alike = false;
}

static void enter_break(struct mt_framer *framer, enum line_break line_break)
{
	framer->body.place = PLACE_BREAK;
	framer->body.before = (uint8_t)line_break;
	framer->body.is_padded = false;
}

/* The dot is closed by a line break. Result  true where that is the end. */
static bool close_dot(struct mt_framer *framer, enum line_break behind)
{
	enum meaning meaning = framer->body.is_padded ? MEANS_NOTHING : meanings[framer->body.before][behind];

	enter_break(framer, behind);
	if (framer->direction == MT_TO_CLIENT)
		return meaning != MEANS_NOTHING;
	if (meaning == MEANS_END)
		return true;
	framer->look_alikes += framer->look_alikes < UINT32_MAX;
	framer->body.is_at_look_alike = true;
	return false;
}

/* One byte on. Result  true where it is the last of the body. */
static bool step(struct mt_framer *framer, uint8_t c)
{
	uint8_t place = framer->body.place;

	if (place == PLACE_DOT_CR) {
		if (c == '\n')
			return close_dot(framer, BREAK_CRLF);
		close_dot(framer, BREAK_CR);
		place = PLACE_BREAK;
	}
	framer->body.is_at_look_alike = false;
	if (c == '\r') {
		if (place == PLACE_DOT)
			framer->body.place = PLACE_DOT_CR;
		else
			enter_break(framer, BREAK_CR);
	} else if (c == '\n') {
		bool is_crlf =
		    place == PLACE_BREAK && framer->body.before == BREAK_CR && !framer->body.is_padded;

		if (place == PLACE_DOT)
			return close_dot(framer, BREAK_LF);
		enter_break(framer, is_crlf ? BREAK_CRLF : BREAK_LF);
	} else if (c == 0 && place != PLACE_TEXT && !framer->body.is_padded) {
		framer->body.is_padded = true;
	} else if (c == '.' && place == PLACE_BREAK) {
		framer->body.place = PLACE_DOT;
	} else {
		framer->body.place = PLACE_TEXT;
	}
	return false;
}

/*
 * Where the next dot stands that a control character precedes; len where there is none. The byte before from
 * is text. Bodies are most of all bytes: sixteen at a time cost the same whatever is in them.
 */
static size_t find_dot(const uint8_t *bytes, size_t from, size_t len)
{
	const __m128i dots = _mm_set1_epi8('.'), controls = _mm_set1_epi8('\r');
	size_t i = from + 1;

	for (; i + sizeof(__m128i) <= len; i += sizeof(__m128i)) {
		__m128i here = _mm_loadu_si128((const __m128i *)(const void *)(bytes + i));
		__m128i before = _mm_loadu_si128((const __m128i *)(const void *)(bytes + i - 1));
		__m128i is_control = _mm_cmpeq_epi8(_mm_min_epu8(before, controls), before);
		int found = _mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(here, dots), is_control));

		if (found != 0)
			return i + (size_t)__builtin_ctz((unsigned)found);
	}
	for (; i < len; i++)
		if (bytes[i] == '.' && bytes[i - 1] <= '\r')
			return i;
	return len;
}

/* Where the next byte that decides anything stands, from i on; what is stepped over changes nothing. */
static size_t next_dot(const struct mt_framer *framer, struct mt_span bytes, size_t i)
{
	if (framer->body.place > PLACE_BREAK || (framer->body.place == PLACE_BREAK && bytes.data[i] == '.'))
		return i;
	return find_dot(bytes.data, i, bytes.len);
}

enum mt_framing_event mt_framing_read_body(struct mt_framer *framer, struct mt_span bytes, size_t *taken)
{
	size_t i = 0;

	while (i < bytes.len) {
		size_t dot = next_dot(framer, bytes, i), until = dot < bytes.len ? dot + 1 : dot;

		if (dot > i + LOOK_BACK) {
			mt_framing_lose_body(framer);
			i = dot - LOOK_BACK;
		}
		for (; i < until; i++) {
			if (!step(framer, bytes.data[i]))
				continue;
			framer->mode = MT_FRAMING_LINES;
			*taken = i + 1;
			return MT_FRAMING_SKIPPED;
		}
	}
	*taken = bytes.len;
	return MT_FRAMING_MORE;
}
