/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <stdio.h>

#include "record_priv.h"

/*
 * Characters that are valid and still no good in a log: they show nothing, break the line for some
 * readers, or turn the direction of what follows, so that a record looks like another one.
 */
static const struct {
	uint32_t first, last;
} hidden[] = {
    {0x0000, 0x001f},	/* C0 controls */
    {0x007f, 0x009f},	/* DEL and C1 controls */
    {0x200b, 0x200f},	/* zero width, left-to-right and right-to-left marks */
    {0x2028, 0x202e},	/* line and paragraph separators, embeddings and overrides */
    {0x2060, 0x206f},	/* invisible operators, isolates */
    {0xfeff, 0xfeff},	/* byte order mark */
    {0xfff9, 0xfffb},	/* interlinear annotation */
    {0xe0000, 0xe007f}, /* tags */
};

static bool is_hidden(uint32_t character)
{
	for (size_t i = 0; i < MT_ARRAY_LEN(hidden); i++)
		if (character >= hidden[i].first && character <= hidden[i].last)
			return true;
	return false;
}

/* The forms of UTF-8 (RFC 3629 3): how it begins, how many bytes follow, the lowest character that needs
 * them. */
static const struct {
	uint8_t mask, lead, followers;
	uint32_t lowest;
} forms[] = {
    {0x80, 0x00, 0, 0x0},
    {0xe0, 0xc0, 1, 0x80},
    {0xf0, 0xe0, 2, 0x800},
    {0xf8, 0xf0, 3, 0x10000},
};

/* Bytes of the character at the front of text, which is not empty; 0 where it is no UTF-8 or hidden. */
static size_t printable_bytes(struct mt_span text)
{
	for (size_t i = 0; i < MT_ARRAY_LEN(forms); i++) {
		size_t len = 1u + forms[i].followers;

		if ((text.data[0] & forms[i].mask) != forms[i].lead)
			continue;
		if (text.len < len)
			return 0;
		uint32_t character = text.data[0] & (uint8_t)~forms[i].mask;
		for (size_t follower = 1; follower < len; follower++) {
			if ((text.data[follower] & 0xc0) != 0x80)
				return 0;
			character = character << 6 | (text.data[follower] & 0x3f);
		}
		bool is_character = character >= forms[i].lowest && character <= 0x10ffff &&
				    (character < 0xd800 || character > 0xdfff);
		return is_character && !is_hidden(character) ? len : 0;
	}
	return 0;
}

size_t printable_text(struct mt_span wire, char *ret, size_t ret_size)
{
	size_t used = 0;

	while (wire.len > 0) {
		size_t bytes = printable_bytes(wire);
		size_t needed = bytes > 0 ? bytes : 4;

		if (used + needed + 1 > ret_size)
			break;
		if (bytes > 0)
			memcpy(ret + used, wire.data, bytes);
		else
			snprintf(ret + used, ret_size - used, "\\x%02X", wire.data[0]);
		used += needed;
		wire = mt_span_after(wire, bytes > 0 ? bytes : 1);
	}
	ret[used] = 0;
	return used;
}
