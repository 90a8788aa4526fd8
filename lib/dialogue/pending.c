/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "dialogue.h"

static unsigned place(const struct mt_pending *pending, unsigned i)
{
	return (pending->first + i) % MT_DIALOGUE_PENDING_MAX;
}

/* end_seq: behind the command; ack: what the client had of the server when it sent it. */
static void add(struct mt_pending *pending, const struct mt_turn *turn, uint8_t verb, uint32_t end_seq,
		uint32_t ack)
{
	unsigned last = place(pending, pending->count - 1u);

	if (turn->mail->is_absent[MT_TO_CLIENT])
		return;
	if (pending->count == 0 || pending->entry[last].verb != verb ||
	    pending->entry[last].times == UINT16_MAX) {
		if (pending->count == MT_DIALOGUE_PENDING_MAX) {
			pending->is_uncertain = true;
			turn->env->cells[MT_CELL1(LOST, MT_LOSS_PENDING_LIMIT)]++;
			return;
		}
		last = place(pending, pending->count++);
		pending->entry[last].verb = verb;
		pending->entry[last].times = 0;
		pending->entry[last].begin_seq = end_seq;
	}
	pending->entry[last].times++;
	pending->entry[last].end_seq = end_seq;
	pending->entry[last].ack = ack;
}

void mt_pending_push(struct mt_pending *pending, const struct mt_turn *turn, uint8_t verb)
{
	add(pending, turn, verb, turn->line->end_seq, turn->line->ack);
}

void mt_pending_expect(struct mt_pending *pending, const struct mt_turn *turn, uint8_t verb)
{
	if (turn->line != NULL)
		add(pending, turn, verb, turn->line->ack, turn->line->end_seq);
	else
		pending->is_uncertain = true;
}

static void drop_first(struct mt_pending *pending)
{
	pending->count--;
	pending->first = pending->count > 0 ? (uint8_t)place(pending, 1) : 0;
}

/* What the client sent before it had something of the server that a later command shows it had: that
 * command was answered, if the two speak in turn. Replies lost on the way leave such commands behind. */
static bool is_settled(const struct mt_pending *pending, const struct mt_line *reply)
{
	for (unsigned i = 1; i < pending->count; i++)
		if (mt_seq_diff(pending->entry[place(pending, i)].end_seq, reply->ack) <= 0 &&
		    mt_seq_diff(pending->entry[place(pending, i)].ack, pending->entry[pending->first].ack) >
			0)
			return true;
	return false;
}

/* Whoever sends a reply acknowledges what it answers (9293 3.10.7.4): one that left before the oldest known
 * command had come answers something that was lost, or nothing, like 421. Captures that somebody wrote need
 * not be so. */
static bool is_too_early(struct mt_pending *pending, const struct mt_line *reply)
{
	bool is_early = mt_seq_diff(reply->ack, pending->entry[pending->first].begin_seq) < 0;

	pending->has_proof |= !is_early;
	return is_early && (pending->has_proof || pending->is_uncertain);
}

bool mt_pending_pop(struct mt_pending *pending, const struct mt_line *reply, uint8_t *ret_verb)
{
	if (reply->has_ack) {
		while (pending->is_uncertain && pending->count > 1 && is_settled(pending, reply))
			drop_first(pending);
		if (pending->count > 0 && is_too_early(pending, reply))
			return false;
		pending->is_uncertain &= pending->count > 1;
	}
	if (pending->count == 0)
		return false;
	*ret_verb = pending->entry[pending->first].verb;
	pending->answered_ack = pending->entry[pending->first].ack;
	if (--pending->entry[pending->first].times == 0)
		drop_first(pending);
	return true;
}

bool mt_pending_has(const struct mt_pending *pending, uint8_t verb)
{
	for (unsigned i = 0; i < pending->count; i++)
		if (pending->entry[place(pending, i)].verb == verb)
			return true;
	return false;
}
