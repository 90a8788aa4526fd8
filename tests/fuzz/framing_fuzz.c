/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * Input: how the framer is set, what is done at each event, where bytes are missing, how the bytes are cut;
 * then the bytes. They are read whole, cut as the input says, and a byte at a time: every way must give the
 * same events.
 */
#include "framing.h"
#include "fuzz.h"

#define EVENTS_MAX 4096
#define TEXT_MAX   (128 * 1024)

struct setting {
	enum mt_direction direction;
	bool has_literals;
	uint8_t words_shown;
	uint16_t limit;
	uint32_t seq;		  /* of the first byte */
	size_t gap_at, gap_bytes; /* missing; 0 of them for none */
	uint8_t reactions[8];	  /* to one event after the other, round and round */
};

/** What came of the bytes, one way. */
struct telling {
	unsigned count;
	size_t text_len;
	uint64_t lone_lf, over_limit;
	struct {
		enum mt_framing_event event;
		size_t end, text_at;
		struct mt_line line;
	} event[EVENTS_MAX];
	uint8_t text[TEXT_MAX];
};

static struct telling whole, other;

/* The same event is answered the same way, however the bytes were cut. */
static void react(struct mt_framer *framer, const struct setting *setting, unsigned nth,
		  const struct mt_line *line)
{
	uint8_t reaction = setting->reactions[nth % sizeof(setting->reactions)];

	switch (reaction % 16) {
	case 1:
		mt_framer_set(framer, MT_FRAMING_BODY, 0);
		break;
	case 2:
		mt_framer_set(framer, MT_FRAMING_COUNT, reaction / 16);
		break;
	case 3:
		mt_framer_set(framer, MT_FRAMING_SECRET, 0);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		if (line != NULL && line->has_literal)
			mt_framer_set(framer, MT_FRAMING_COUNT, line->literal_bytes);
		break;
	case 8:
		framer->words_shown = reaction / 64;
		break;
	case 9:
		mt_framer_set(framer, MT_FRAMING_WAIT, 0);
		break;
	case 10:
		if (reaction == 0xaa)
			mt_framer_set(framer, MT_FRAMING_SKIP, 0);
		break;
	}
}

/* Nothing that must not be shown was shown. raw is the whole line with its end. */
static void check_line(const struct setting *setting, const struct mt_line *line, struct mt_span raw)
{
	struct mt_span content = raw;

	while (content.len > 0 &&
	       (content.data[content.len - 1] == '\n' || content.data[content.len - 1] == '\r'))
		content.len--;
	FUZZ_MUST(line->bytes == raw.len && line->end_seq == line->seq + line->bytes);
	FUZZ_MUST(line->text.len <= setting->limit && line->text.len <= content.len);
	FUZZ_MUST(line->text.len == 0 || memcmp(line->text.data, raw.data, line->text.len) == 0);
	FUZZ_MUST(line->is_cut == (line->text.len < content.len));
	FUZZ_MUST(line->is_over_limit == (content.len > setting->limit));
	if (setting->direction == MT_TO_SERVER)
		FUZZ_MUST(line->text.len <= mt_framing_shown(content));
}

static void note(struct telling *telling, enum mt_framing_event event, size_t end, const struct mt_line *line)
{
	if (telling->count == EVENTS_MAX)
		return;
	telling->event[telling->count].event = event;
	telling->event[telling->count].end = end;
	memset(&telling->event[telling->count].line, 0, sizeof(*line));
	if (event == MT_FRAMING_LINE) {
		telling->event[telling->count].line = *line;
		FUZZ_MUST(telling->text_len + line->text.len <= TEXT_MAX);
		memcpy(telling->text + telling->text_len, line->text.data, line->text.len);
		telling->event[telling->count].text_at = telling->text_len;
		telling->text_len += line->text.len;
	}
	telling->count++;
}

/* Read a stretch without a gap, in pieces as cuts say, 0 for whole. Result  where the next cut is found */
static void read_stretch(struct mt_framer *framer, const struct setting *setting, struct mt_span bytes,
			 size_t from, size_t to, struct mt_span cuts, struct telling *telling)
{
	size_t at = from, cut = 0;

	while (at < to) {
		size_t piece_end = to, taken;
		struct mt_line line;

		if (cuts.len > 0) {
			size_t len = 1 + cuts.data[cut++ % cuts.len];

			piece_end = at + len < to ? at + len : to;
		}
		while (at < piece_end) {
			enum mt_framing_event event =
			    mt_framer_read(framer, mt_span(bytes.data + at, piece_end - at),
					   setting->seq + (uint32_t)at, 7, true, 9, &taken, &line);

			FUZZ_MUST(taken <= piece_end - at);
			at += taken;
			if (event == MT_FRAMING_MORE && taken > 0)
				continue;
			if (event == MT_FRAMING_MORE) {
				FUZZ_MUST(framer->mode == MT_FRAMING_WAIT);
				mt_framer_set(framer, MT_FRAMING_LINES, 0);
				continue;
			}
			if (event == MT_FRAMING_LINE) {
				FUZZ_MUST(line.bytes <= at - from || setting->gap_bytes == 0);
				check_line(setting, &line, mt_span(bytes.data + at - line.bytes, line.bytes));
			}
			note(telling, event, at, &line);
			react(framer, setting, telling->count, event == MT_FRAMING_LINE ? &line : NULL);
		}
	}
}

static void read_all(const struct setting *setting, struct mt_span bytes, struct mt_span cuts,
		     struct telling *telling)
{
	static uint8_t buffer[MT_FRAMING_LINE_TO_CLIENT];
	struct mt_framer framer;
	size_t gap_at = setting->gap_bytes > 0 ? setting->gap_at : bytes.len;

	telling->count = 0;
	telling->text_len = 0;
	memset(buffer, 0, sizeof(buffer)); /* what is written there must be wiped, the rest is not */
	mt_framer_init(&framer, setting->direction, buffer, setting->limit);
	framer.has_literals = setting->has_literals;
	framer.words_shown = setting->words_shown;
	read_stretch(&framer, setting, bytes, 0, gap_at, cuts, telling);
	if (gap_at < bytes.len) {
		mt_framer_gap(&framer, (uint32_t)setting->gap_bytes);
		read_stretch(&framer, setting, bytes, gap_at + setting->gap_bytes, bytes.len, cuts, telling);
	}
	telling->lone_lf = framer.lone_lf;
	telling->over_limit = framer.over_limit;
	mt_framer_wipe(&framer);
	for (size_t i = 0; i < setting->limit; i++)
		FUZZ_MUST(buffer[i] == 0);
}

static void compare(const struct telling *a, const struct telling *b)
{
	FUZZ_MUST(a->count == b->count && a->lone_lf == b->lone_lf && a->over_limit == b->over_limit);
	for (unsigned i = 0; i < a->count; i++) {
		const struct mt_line *x = &a->event[i].line, *y = &b->event[i].line;

		FUZZ_MUST(a->event[i].event == b->event[i].event && a->event[i].end == b->event[i].end);
		FUZZ_MUST(x->bytes == y->bytes && x->seq == y->seq && x->end_seq == y->end_seq);
		FUZZ_MUST(x->is_cut == y->is_cut && x->is_over_limit == y->is_over_limit);
		FUZZ_MUST(x->has_literal == y->has_literal && x->is_literal_sync == y->is_literal_sync);
		FUZZ_MUST(!x->has_literal || x->literal_bytes == y->literal_bytes);
		FUZZ_MUST(x->text.len == y->text.len);
	}
	FUZZ_MUST(a->text_len == b->text_len && memcmp(a->text, b->text, a->text_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct mt_span rest = fuzz_input(data, len);
	uint8_t flags = fuzz_byte(&rest), cuts[4];
	struct setting setting = {.direction = flags & 1, .has_literals = (flags & 2) != 0};

	setting.words_shown = setting.direction == MT_TO_CLIENT ? flags >> 2 & 3 : 0;
	setting.limit = (flags & 16) != 0		    ? 1 + fuzz_byte(&rest)
			: setting.direction == MT_TO_SERVER ? MT_FRAMING_LINE_TO_SERVER
							    : MT_FRAMING_LINE_TO_CLIENT;
	setting.seq = (flags & 32) != 0 ? UINT32_MAX - fuzz_byte(&rest) : 1;
	if ((flags & 64) != 0) {
		setting.gap_at = fuzz_word(&rest);
		setting.gap_bytes = fuzz_byte(&rest);
	}
	for (size_t i = 0; i < sizeof(cuts); i++)
		cuts[i] = fuzz_byte(&rest);
	for (size_t i = 0; i < sizeof(setting.reactions); i++)
		setting.reactions[i] = (flags & 128) != 0 ? fuzz_byte(&rest) : 0;
	if (setting.gap_at + setting.gap_bytes > rest.len)
		setting.gap_bytes = 0;
	read_all(&setting, rest, mt_span(NULL, 0), &whole);
	read_all(&setting, rest, mt_span(cuts, sizeof(cuts)), &other);
	compare(&whole, &other);
	read_all(&setting, rest, mt_span("", 1), &other);
	compare(&whole, &other);
	return 0;
}
