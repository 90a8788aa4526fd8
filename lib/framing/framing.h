/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * One direction's byte stream into lines, and over what is no line: bodies up to their dot, literals and
 * chunks by their length. A whole line is given in place; only a line that straddles is copied, to a
 * small bounded buffer, and the result is the same for every way of cutting the input.
 *
 * Privacy is decided here: of a client's line nothing behind the word that announces a credential
 * (PASS, USER, LOGIN, AUTH MECH ...) is ever copied or shown; of a server's line only its first words
 * are, while a credential is being answered (answers repeat user names).
 */
#ifndef MT_FRAMING_H
#define MT_FRAMING_H

#include "base.h"

#define MT_FRAMING_LINE_TO_SERVER 384  /* bytes of a client's line shown at most; EHLO and 255 fit */
#define MT_FRAMING_LINE_TO_CLIENT 1024 /* bytes of a server's line shown at most; a long IMAP list fits */

enum mt_framing_mode {
	MT_FRAMING_LINES,
	MT_FRAMING_BODY,  /* skip up to CRLF.CRLF (RFC 5321 4.1.1.4, RFC 1939 3), and note what looks alike */
	MT_FRAMING_COUNT, /* skip so many bytes */
	MT_FRAMING_WAIT,  /* take nothing: an answer of the other side decides how to read on */
	MT_FRAMING_SECRET, /* the next line is given with no text at all, then LINES: a SASL response */
	MT_FRAMING_SKIP,   /* skip everything */
};

struct mt_line {
	struct mt_span text; /* what may be seen, without CR and LF; borrowed until the next call */
	uint32_t bytes;	     /* length on the wire, end included */
	bool is_cut;	     /* text is shorter than the line: over the limit, or a secret */
	bool is_over_limit;  /* ... over the limit */
	bool has_literal;    /* IMAP: ends in {n}, {n+}, {n-} or the same behind ~ (RFC 9051 4.3, RFC 7888) */
	bool is_literal_sync; /* ... {n}: the client waits for the server's go-ahead */
	uint64_t literal_bytes;
	uint32_t seq;	  /* of the line's first byte */
	uint32_t end_seq; /* behind its LF */
	uint32_t ack;	  /* of the segment its last byte came in */
	bool has_ack;
	uint64_t time_ns; /* of that segment */
};

struct mt_framer {
	uint8_t mode;	      /* enum mt_framing_mode */
	uint8_t direction;    /* enum mt_direction */
	uint8_t words_shown;  /* to_client: words shown of a line; 0 all */
	bool has_literals;    /* IMAP: look for {n} at line ends */
	bool is_resyncing;    /* a gap: what comes before the next line end is dropped */
	bool is_at_gap;	      /* ... and nothing has been read behind it */
	bool is_sealed;	      /* nothing more of the straddling line may be shown */
	uint8_t brace;	      /* how much of {n} the straddling line ends in */
	bool has_sign;	      /* ... with a + or - before the closing brace */
	uint16_t cr_run;      /* CRs that the straddling line ends in so far */
	uint64_t count;	      /* COUNT: bytes left */
	uint64_t literal;     /* n of the literal being read */
	uint32_t line_bytes;  /* of the straddling line, so far; at most 2^31 */
	uint32_t line_seq;    /* of its first byte */
	uint16_t len;	      /* bytes in buffer */
	uint16_t limit;	      /* of them at most */
	uint16_t used;	      /* most of them that stood there since the buffer was wiped */
	uint32_t lone_lf;     /* lines that ended without CR, since the owner last took the number */
	uint32_t over_limit;  /* lines over the limit, likewise */
	uint32_t look_alikes; /* to_server: dots in bodies that some server takes for the end of data */
	struct {
		uint8_t place;	       /* what the last bytes are: see body.c */
		uint8_t before;	       /* the line break before the dot, or the last bytes themselves */
		bool is_padded;	       /* ... with a NUL beside the dot */
		bool is_at_look_alike; /* the last byte read completed one of look_alikes */
	} body;
	uint8_t *buffer; /* kept: limit bytes */
};

enum mt_framing_event {
	MT_FRAMING_MORE,    /* all was taken, nothing is complete */
	MT_FRAMING_LINE,    /* *ret_line holds a line */
	MT_FRAMING_SKIPPED, /* a body's dot line or the last counted byte was taken; mode is LINES again */
};

/**
 * Begin with lines.
 * buffer   kept; limit bytes, zero; what was used of it is wiped by mt_framer_wipe()
 * limit    the longest text of a line that is shown
 */
void mt_framer_init(struct mt_framer *framer, enum mt_direction direction, uint8_t *buffer, uint16_t limit);

/**
 * Read on. Returns after the first event; call again with what was not taken.
 * bytes   borrowed; seq is that of bytes.data[0]; ack, has_ack and time_ns of its segment
 * taken   always written
 * Owner   the worker that owns the flow
 */
enum mt_framing_event mt_framer_read(struct mt_framer *framer, struct mt_span bytes, uint32_t seq,
				     uint32_t ack, bool has_ack, uint64_t time_ns, size_t *taken,
				     struct mt_line *ret_line);

/**
 * A line of a server's that is like most: whole, ended as it should be, shown as it stands.
 * line    text and bytes are written; all else that mt_framer_read() would write but for the numbers is false
 * Result  its bytes; 0 where nothing was done, and mt_framer_read() is to be asked
 */
static inline size_t mt_framer_plain_line(const struct mt_framer *framer, struct mt_span bytes,
					  struct mt_line *line)
{
	const uint8_t *lf, *begin = bytes.data;
	size_t len;

	if (framer->mode != MT_FRAMING_LINES || framer->line_bytes > 0 || framer->is_resyncing ||
	    framer->words_shown > 0 || framer->direction != MT_TO_CLIENT)
		return 0;
	lf = memchr(begin, '\n', bytes.len);
	if (lf == NULL || lf - begin < 2 || lf[-1] != '\r' || lf[-2] == '\r' || lf[-2] == '}')
		return 0;
	len = (size_t)(lf - begin) - 1;
	if (len > framer->limit)
		return 0;
	line->text = mt_span(begin, len);
	line->bytes = (uint32_t)len + 2;
	return len + 2;
}

/** True where the next byte begins a line. */
static inline bool mt_framer_at_line_start(const struct mt_framer *framer)
{
	return framer->line_bytes == 0 && !framer->is_resyncing;
}

/** True where the line under way is over the limit already. */
bool mt_framer_is_over_limit(const struct mt_framer *framer);

/** Bytes are missing: drop the line under way and the rest of it. In COUNT mode missing bytes are counted
 * off. */
void mt_framer_gap(struct mt_framer *framer, uint32_t missing_bytes);

/** What stands behind the gap is known to begin a line: nothing is dropped. Only where is_at_gap. */
void mt_framer_resume(struct mt_framer *framer);

/** How to read from here on. count is for MT_FRAMING_COUNT; 0 of it skips nothing and stays with lines. */
void mt_framer_set(struct mt_framer *framer, enum mt_framing_mode mode, uint64_t count);

/** Wipe what a straddling line left. */
void mt_framer_wipe(struct mt_framer *framer);

/**
 * How many bytes at the front of a client's line may be shown: all, or up to the end of the word that a
 * credential follows. Case is ignored, leading blanks are stepped over, any of the three protocols' words.
 * Works on any beginning of the line too: what it allows of a beginning it allows of the whole.
 */
size_t mt_framing_shown(struct mt_span line);

#endif
