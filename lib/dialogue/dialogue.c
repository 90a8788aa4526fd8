/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "dialogue.h"

void mt_dialogue_begin(struct mt_mail *mail, const struct mt_dialogue *dialogue)
{
	mail->dialogue = dialogue;
	mail->facts.protocol = (uint8_t)dialogue->protocol;
	mail->position = 0;
	/* Before the protocol was known, lines were searched for literals: they might have been IMAP's. */
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		mail->framer[direction].has_literals = false;
	if (dialogue->begin != NULL)
		dialogue->begin(mail);
}

uint32_t mt_dialogue_keyword(const struct mt_keyword *keywords, size_t count, struct mt_span word)
{
	for (size_t i = 0; i < count; i++)
		if (keywords[i].length == word.len && mt_span_begins(word, keywords[i].word))
			return keywords[i].id;
	return MT_MATCH_NONE;
}

bool mt_dialogue_is_mask(struct mt_span word)
{
	uint8_t last;

	if (word.len != 8 || !mt_span_begins(word, "XXXXXXX"))
		return false;
	last = mt_upper(word.data[7]);
	return last >= 'A' && last <= 'Z';
}

enum mt_seen mt_dialogue_begins_word(struct mt_span begun, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < len && i < begun.len; i++)
		if (mt_upper(begun.data[i]) != (uint8_t)word[i])
			return MT_SEEN_NO;
	if (begun.len <= len)
		return MT_SEEN_NEVER;
	uint8_t next = begun.data[len];
	return mt_is_blank(next) || next == '\r' || next == '\n' ? MT_SEEN_YES : MT_SEEN_NO;
}

enum mt_seen mt_dialogue_either(enum mt_seen a, enum mt_seen b)
{
	if (a == MT_SEEN_YES || b == MT_SEEN_YES)
		return MT_SEEN_YES;
	return a == MT_SEEN_NO ? b : a;
}

void mt_dialogue_step(struct mt_turn *turn, unsigned event)
{
	const struct mt_dialogue *dialogue = turn->mail->dialogue;

	if (event == MT_EVENT_NONE)
		return;
	struct mt_transition cell = dialogue->table[turn->mail->position * dialogue->events + event];
	if (cell.next != MT_STATE_SAME)
		turn->mail->position = cell.next;
	cell.act(turn);
}

void mt_dialogue_skipped(struct mt_mail *mail, const struct mt_mail_env *env, enum mt_direction direction,
			 const struct mt_line *end)
{
	struct mt_turn turn = {.mail = mail, .env = env, .line = end};

	mt_dialogue_step(&turn, mail->dialogue->skipped[direction]);
}

void mt_dialogue_gap(struct mt_mail *mail, const struct mt_mail_env *env, enum mt_direction direction)
{
	struct mt_turn turn = {.mail = mail, .env = env};

	/* Counted bytes go on behind a gap: those that are missing were counted off. */
	if (mail->framer[direction].mode != MT_FRAMING_COUNT)
		mt_dialogue_step(&turn, mail->dialogue->gap[direction]);
}

void mt_dialogue_assume(struct mt_mail *mail, const struct mt_mail_env *env)
{
	struct mt_turn turn = {.mail = mail, .env = env};

	mt_dialogue_step(&turn, mail->dialogue->assume);
}
