/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "session_priv.h"

#define PROOF_MAX (256 * 1024 * 1024) /* bytes ahead of what was read that an acknowledgement may prove */

void mt_session_prove(struct session *session, enum mt_direction direction, uint32_t ack)
{
	struct side *other = &session->side[mt_opposite(direction)];

	/* No window is as wide as PROOF_MAX: an acknowledgement from beyond would blind the session. */
	if (!other->stream.has_base || mt_seq_diff(ack, other->stream.next) > PROOF_MAX ||
	    (other->has_proof && mt_seq_diff(ack, other->proven) <= 0))
		return;
	other->proven = ack;
	other->has_proof = true;
}

/* Sequence number up to which bytes are known to exist: acknowledged, or held behind a hole. */
static bool find_hole(const struct mt_engine *engine, const struct side *side, uint32_t *ret_end)
{
	/* Nearly always: what was acknowledged has been read. */
	if (!side->has_proof || mt_seq_diff(side->proven, side->stream.next) <= 0)
		return false;
	uint32_t in_hand = mt_stream_in_hand(&side->stream, &engine->pieces), held;
	bool is_proven = mt_seq_diff(side->proven, in_hand) > 0;

	/* A FIN takes a number of its own, and may not have been seen: one byte beyond the stream is no hole.
	 */
	if (is_proven && side->proven == in_hand + 1)
		is_proven = false;
	if (!is_proven)
		return false;
	*ret_end = side->proven;
	if (mt_stream_first_held(&side->stream, &engine->pieces, &held) && mt_seq_diff(held, *ret_end) < 0)
		*ret_end = held;
	return true;
}

static void skip_hole(struct mt_engine *engine, struct session *session, enum mt_direction direction,
		      uint32_t end)
{
	struct side *side = &session->side[direction];
	uint32_t skipped = mt_stream_skip(&side->stream, &engine->pieces, end);

	side->lacking_ns = 0;
	if (skipped == 0)
		return;
	/* What a direction that is not in the capture would have said is no gap in what was seen. */
	if (side->is_seen) {
		if (side->stream.delivered_bytes == 0)
			session->mail.facts.is_midstream = true;
		session->mail.facts.has_gap = true;
	}
	mt_session_lost(engine, session, direction, skipped);
}

/* Bytes in hand are read first; only then is a hole in front of the others worth a look. */
static bool has_unread(const struct mt_engine *engine, const struct side *side)
{
	struct mt_chunk chunk;

	return side->stream.has_base && !mt_stream_is_idle(&side->stream) &&
	       mt_stream_peek(&side->stream, &engine->pieces, &chunk);
}

static void look_for_lack(struct mt_engine *engine, struct session *session, enum mt_direction direction)
{
	struct side *side = &session->side[direction];
	uint32_t end;

	if (!side->stream.has_base || !find_hole(engine, side, &end)) {
		side->lacking_ns = 0;
		return;
	}
	/* Nobody waits for a direction that is not there. */
	if (session->mail.is_absent[direction] && !has_unread(engine, side))
		skip_hole(engine, session, direction, end);
	else if (side->lacking_ns == 0)
		side->lacking_ns = session->now_ns;
}

/* The other direction's next bytes acknowledge this one's, which acknowledge them: no two honest ends send
 * such, and each would wait for the other for ever. */
static bool is_contradiction(const struct mt_engine *engine, const struct side *side,
			     const struct side *other)
{
	struct mt_chunk chunk;

	return mt_stream_peek(&other->stream, &engine->pieces, &chunk) && chunk.has_ack &&
	       mt_seq_diff(chunk.ack, side->stream.next) > 0;
}

/* Everything that the bytes acknowledge has been read. */
static inline bool is_settled(const struct session *session, enum mt_direction direction,
			      const struct mt_chunk *chunk)
{
	const struct mt_stream *other = &session->side[mt_opposite(direction)].stream;

	return chunk->has_ack && other->has_base && mt_seq_diff(chunk->ack, other->next) <= 0;
}

/* The next bytes of a direction may be read once everything they acknowledge has been. */
static bool is_due(const struct mt_engine *engine, const struct session *session, enum mt_direction direction,
		   const struct mt_chunk *chunk)
{
	enum mt_direction opposite = mt_opposite(direction);
	const struct side *other = &session->side[opposite];

	if (session->is_hasty || !chunk->has_ack || !other->stream.has_base ||
	    session->mail.is_absent[opposite])
		return true;
	/* The other direction has them in hand and waits for just this answer; or they are its FIN. */
	uint32_t in_hand = mt_stream_in_hand(&other->stream, &engine->pieces);
	if (mt_seq_diff(chunk->ack, in_hand) > (other->has_fin ? 1 : 0))
		return false;
	return mt_session_is_waiting(session, opposite) || other->is_stuck || in_hand == other->stream.next ||
	       is_contradiction(engine, &session->side[direction], other);
}

static bool read_next(struct mt_engine *engine, struct session *session, enum mt_direction direction)
{
	struct side *side = &session->side[direction];
	struct mt_chunk chunk;

	if (!side->stream.has_base || mt_stream_is_idle(&side->stream) ||
	    !mt_stream_peek(&side->stream, &engine->pieces, &chunk))
		return false;
	bool settled = is_settled(session, direction, &chunk);
	if (!settled && !is_due(engine, session, direction, &chunk))
		return false;
	session->is_again = false;
	size_t taken = mt_session_read(engine, session, direction, &chunk, settled);
	side->is_stuck = taken == 0 && !session->is_again;
	/* What the other side waited for may just have come. */
	if (taken > 0)
		session->side[mt_opposite(direction)].is_stuck = false;
	mt_stream_consume(&side->stream, &engine->pieces, taken);
	return taken > 0 || session->is_again;
}

/* Read whatever is due, either direction as long as it goes on. */
static void read_all(struct mt_engine *engine, struct session *session)
{
	bool is_moving = true;

	while (is_moving && !mt_session_is_decided(session)) {
		is_moving = false;
		for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
			while (!mt_session_is_decided(session) && read_next(engine, session, direction))
				is_moving = true;
		for (unsigned direction = 0; direction < MT_DIRECTION_COUNT && !is_moving; direction++) {
			struct side *side = &session->side[direction];
			uint64_t missing = side->stream.missing_bytes;

			look_for_lack(engine, session, direction);
			is_moving = side->stream.missing_bytes != missing;
		}
	}
}

static void count_put(struct mt_engine *engine, struct session *session, enum mt_stream_put put)
{
	if (put != MT_STREAM_LIMIT && put != MT_STREAM_EMPTY)
		return;
	engine->env.cells[MT_CELL1(LOST, put == MT_STREAM_LIMIT ? MT_LOSS_REASSEMBLY_LIMIT
								: MT_LOSS_REASSEMBLY_FULL)]++;
	/* What waits for an answer has filled its room: go on as if the answer had been the usual one. */
	if (mt_session_is_waiting(session, MT_TO_SERVER) && session->mail.dialogue != NULL)
		mt_dialogue_assume(&session->mail, &engine->env);
}

void mt_session_offer(struct mt_engine *engine, struct session *session, enum mt_direction direction,
		      const struct mt_segment *segment)
{
	struct side *side = &session->side[direction];

	session->mail.is_absent[direction] = false;
	side->has_payload = true;
	count_put(engine, session, mt_stream_put(&side->stream, &engine->pieces, segment));
	read_all(engine, session);
	if (!mt_session_is_decided(session))
		count_put(engine, session, mt_stream_settle(&side->stream, &engine->pieces));
	if (side->stream.is_inconsistent)
		mt_dialogue_flag(&session->mail, MT_ANOMALY_INCONSISTENT_RETRANSMISSION);
}

void mt_session_give_up(struct mt_engine *engine, struct session *session)
{
	bool is_moving = false;

	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		struct side *side = &session->side[direction];
		uint32_t end;

		if (side->lacking_ns == 0 || session->now_ns < side->lacking_ns + LACK_NS ||
		    !find_hole(engine, side, &end))
			continue;
		if (!side->is_seen)
			session->mail.is_absent[direction] = true;
		if (!has_unread(engine, side))
			skip_hole(engine, session, direction, end);
		is_moving = true;
	}
	if (is_moving)
		read_all(engine, session);
}

/* A hole, held bytes behind it or not. Behind it may be the very answer that the other direction waits for,
 * and what acknowledges bytes in it comes after it. */
static bool skip_one(struct mt_engine *engine, struct session *session)
{
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		struct side *side = &session->side[direction];
		uint32_t end;

		if (!side->stream.has_base || has_unread(engine, side) ||
		    (!mt_stream_first_held(&side->stream, &engine->pieces, &end) &&
		     !find_hole(engine, side, &end)))
			continue;
		skip_hole(engine, session, direction, end);
		return true;
	}
	return false;
}

/* Where nothing moves any more, skip one hole or assume one answer. Result: false where neither is left. */
static bool force(struct mt_engine *engine, struct session *session)
{
	if (skip_one(engine, session))
		return true;
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		if (!has_unread(engine, &session->side[direction]) ||
		    !mt_session_is_waiting(session, direction) || session->mail.dialogue == NULL)
			continue;
		mt_dialogue_assume(&session->mail, &engine->env);
		if (!mt_session_is_waiting(session, direction))
			return true;
	}
	return false;
}

/* The last resort against numbers that contradict each other: read what is in hand in any order. */
static bool hurry(struct session *session)
{
	bool is_new = !session->is_hasty;

	session->is_hasty = true;
	return is_new;
}

void mt_session_drain(struct mt_engine *engine, struct session *session)
{
	session->is_draining = true;
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		session->mail.is_absent[direction] |= !session->side[direction].is_seen;
	do {
		read_all(engine, session);
	} while (!mt_session_is_decided(session) && (force(engine, session) || hurry(session)));
}

bool mt_session_is_settled(const struct mt_engine *engine, const struct session *session)
{
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		const struct side *side = &session->side[direction];
		uint32_t end;

		if (side->stream.held_bytes > 0 || (side->stream.has_base && find_hole(engine, side, &end)))
			return false;
	}
	return true;
}
