/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "mail.h"

static unsigned place(const struct mt_pending *pending, unsigned i)
{
	return (pending->first + i) % MT_MAIL_PENDING_MAX;
}

bool mt_pending_push(struct mt_pending *pending, const struct mt_mail_env *env, uint8_t verb, uint8_t note,
		     uint32_t end_seq)
{
	if (pending->count > 0) {
		unsigned last = place(pending, pending->count - 1u);

		if (pending->entry[last].verb == verb && pending->entry[last].note == note &&
		    pending->entry[last].times < UINT16_MAX) {
			pending->entry[last].times++;
			pending->entry[last].end_seq = end_seq;
			return true;
		}
	}
	if (pending->count == MT_MAIL_PENDING_MAX) {
		pending->is_uncertain = true;
		env->cells[MT_CELL1(LOST, MT_LOSS_PENDING_LIMIT)]++;
		return false;
	}
	unsigned next = place(pending, pending->count++);
	pending->entry[next].verb = verb;
	pending->entry[next].note = note;
	pending->entry[next].times = 1;
	pending->entry[next].end_seq = end_seq;
	return true;
}

static void drop_first(struct mt_pending *pending)
{
	pending->first = (uint8_t)place(pending, 1);
	pending->count--;
}

bool mt_pending_pop(struct mt_pending *pending, const struct mt_line *reply, uint8_t *ret_verb,
		    uint8_t *ret_note)
{
	if (pending->count == 0)
		return false;
	if (pending->is_uncertain && reply->has_ack) {
		unsigned last = place(pending, pending->count - 1u);

		/* Sent before the oldest known command arrived: it answers something that was lost. */
		if (mt_seq_diff(reply->ack, pending->entry[pending->first].end_seq) < 0)
			return false;
		/* The last command is the last thing the server had: the reply is its answer. */
		if (reply->ack == pending->entry[last].end_seq) {
			while (pending->count > 1)
				drop_first(pending);
			pending->entry[pending->first].times = 1;
			pending->is_uncertain = false;
		}
	}
	*ret_verb = pending->entry[pending->first].verb;
	*ret_note = pending->entry[pending->first].note;
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
