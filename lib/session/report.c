/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "session_priv.h"

/* The first bytes of a direction that was seen are missing. */
static bool is_midstream(const struct session *session)
{
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		if (session->side[direction].has_payload && !session->side[direction].is_start_known)
			return true;
	return false;
}

/* In TLS 1.3, and in the drafts that have larger numbers, a certificate is encrypted; where the keys of an
 * earlier session are taken up there is none. */
static enum mt_certificate certificate_of(const struct mt_tls *tls)
{
	if (tls->side[MT_TO_CLIENT].has_certificate)
		return MT_CERTIFICATE_SEEN;
	return tls->version >= 0x0304 && !mt_tls_is_resumed(tls) ? MT_CERTIFICATE_OPAQUE
								 : MT_CERTIFICATE_NONE;
}

static void conclude_tls(struct session *session, const bool is_seen[MT_DIRECTION_COUNT])
{
	const struct mt_tls *tls = &session->tls;
	struct mt_facts *facts = &session->mail.facts;

	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		facts->has_alert[direction] = tls->side[direction].has_alert;
		facts->alert[direction] = tls->side[direction].alert_code;
	}
	if (!facts->has_tls_client && !facts->has_tls_server)
		return;
	facts->is_established = mt_tls_is_established(tls, is_seen);
	facts->is_unfinished = session->mail.stage == MT_STAGE_TLS && !facts->is_established;
	facts->is_resumed = facts->is_established && mt_tls_is_resumed(tls);
	facts->certificate = (uint8_t)certificate_of(tls);
}

/* What only the end, or the decision, can say. */
static void conclude(struct mt_engine *engine, struct session *session)
{
	struct mt_facts *facts = &session->mail.facts;
	const bool is_seen[] = {
	    [MT_TO_SERVER] = session->side[MT_TO_SERVER].is_seen,
	    [MT_TO_CLIENT] = session->side[MT_TO_CLIENT].is_seen,
	};

	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		mt_session_leave_line(engine, session, direction);
	conclude_tls(session, is_seen);
	if (session->mail.framer[MT_TO_SERVER].look_alikes > 0)
		mt_dialogue_flag(&session->mail, MT_ANOMALY_SMUGGLING_END_OF_DATA);
	/* CONTRACT.md 2: a line of the server, or of the only side seen; a client's alone says nothing on a
	 * port of implicit TLS. */
	facts->is_dialogue_seen =
	    facts->has_server_line ||
	    (facts->has_client_line && !is_seen[MT_TO_CLIENT] && !session->is_implicit_port);
	facts->is_midstream |= is_midstream(session);
	memcpy(facts->is_seen, is_seen, sizeof(facts->is_seen));
}

/* An upgrade or a handshake that was begun, seen whole, and ended without success. */
static void conclude_end(struct session *session, enum mt_reason reason)
{
	struct mt_facts *facts = &session->mail.facts;
	bool is_begun = facts->response == MT_RESPONSE_ACCEPTED || facts->has_tls_client;
	bool has_ended = reason == MT_REASON_FIN || reason == MT_REASON_RST || reason == MT_REASON_TIMEOUT ||
			 session->tls.side[MT_TO_SERVER].has_alert ||
			 session->tls.side[MT_TO_CLIENT].has_alert;

	if (is_begun && has_ended && !facts->is_established && !facts->has_text_after_accept &&
	    !facts->has_gap && !facts->is_midstream && mt_facts_security(facts) == MT_SECURITY_UNKNOWN)
		mt_dialogue_flag(&session->mail, MT_ANOMALY_TLS_FAILED);
}

static void count_streams(struct mt_engine *engine, struct session *session)
{
	uint64_t *cells = engine->env.cells;
	struct mt_mail *mail = &session->mail;

	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		const struct mt_stream *stream = &session->side[direction].stream;
		struct mt_framer *framer = &mail->framer[direction];

		cells[MT_CELL0(STREAM_DELIVERED)] += stream->delivered_bytes;
		cells[MT_CELL0(STREAM_REPEATED)] += stream->repeated_bytes;
		cells[MT_CELL0(STREAM_COPIES)] += stream->copies;
		cells[MT_CELL0(STREAM_SKIPPED)] += stream->missing_bytes;
		cells[MT_CELL0(STREAM_REFUSED)] += stream->refused_bytes;
		cells[MT_CELL1(LOST, MT_LOSS_LINE_LIMIT)] += framer->over_limit;
		if (mail->facts.protocol < MT_PROTOCOL_COUNT)
			cells[MT_CELL1(LONE_LF, mail->facts.protocol)] += framer->lone_lf;
	}
	cells[MT_CELL1(LOST, MT_LOSS_HANDSHAKE_LIMIT)] += session->tls.messages_lost;
}

static void wipe_between(struct session *session, size_t begin, size_t end)
{
	mt_wipe((uint8_t *)session + begin, end - begin);
}

/* All that was written: most of a session's room is for text and lines that few have, and lies far away. */
static void wipe(struct session *session)
{
	struct mt_mail *mail = &session->mail;
	size_t text_end = offsetof(struct session, mail.facts.text) + mail->text_used;

	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		mt_framer_wipe(&mail->framer[direction]);
		/* What its stream remembered is gone already, with what it held. */
		mt_wipe(&session->side[direction], offsetof(struct side, stream.seen));
	}
	if (session->has_tls)
		mt_wipe(&session->tls, sizeof(session->tls));
	wipe_between(session, offsetof(struct session, now_ns), offsetof(struct session, mail.client_line));
	wipe_between(session, offsetof(struct session, mail.facts), text_end);
	wipe_between(session, offsetof(struct session, ends), sizeof(*session));
}

static void release(struct mt_engine *engine, struct mt_flow *flow, struct session *session)
{
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		mt_stream_clear(&session->side[direction].stream, &engine->pieces);
	if (session->has_tls)
		mt_tls_clear(&session->tls, &engine->pieces);
	count_streams(engine, session);
	wipe(session);
	mt_pool_give_wiped(&engine->sessions, session);
	flow->session = MT_POOL_NONE;
}

/* True where the connection is a mail session, so that a record is owed. */
static bool is_mail(const struct session *session)
{
	const struct mt_facts *facts = &session->mail.facts;

	if (session->is_not_mail || session->mail.is_not_mail)
		return false;
	return facts->protocol < MT_PROTOCOL_COUNT;
}

static void note_not_mail(struct mt_engine *engine, const struct session *session)
{
	if (session->hint < MT_PROTOCOL_COUNT)
		engine->env.cells[MT_CELL2(ANOMALIES, session->hint, MT_ANOMALY_NOT_MAIL_ON_MAIL_PORT)]++;
}

static bool emit(struct mt_engine *engine)
{
	if (engine->config.emit(engine->config.emit_context, &engine->report))
		return true;
	if (engine->report.has_facts)
		engine->env.cells[MT_CELL1(LOST, MT_LOSS_RECORD_RING_FULL)]++;
	return false;
}

mt_static_assert(MT_TLS_HELLO_MAX <= MT_MAIL_CERTIFICATE_MAX, "whoever puts the parts together has room");

/*
 * The certificate goes ahead, in parts: it may be longer than a report, and what is made of it is the
 * control thread's work.
 * Result  its length; 0 where there is none, or where a part was lost
 */
static uint16_t send_certificate(struct mt_engine *engine, struct session *session)
{
	struct mt_span whole = mt_tls_take_certificate(&session->tls, &engine->pieces), rest = whole;
	struct mt_report *report = &engine->report;

	report->has_facts = false;
	report->has_end = false;
	for (; rest.len > 0; rest = mt_span_after(rest, report->part_bytes)) {
		struct mt_span part = mt_span_first(rest, sizeof(report->part));

		report->part_at = (uint16_t)(whole.len - rest.len);
		report->part_bytes = (uint16_t)part.len;
		memcpy(report->part, part.data, part.len);
		if (!emit(engine)) {
			engine->env.cells[MT_CELL1(LOST, MT_LOSS_CERTIFICATE_RING_FULL)]++;
			break;
		}
	}
	report->part_at = report->part_bytes = 0;
	return rest.len > 0 ? 0 : (uint16_t)whole.len;
}

static void fill_facts(struct mt_report *report, const struct session *session)
{
	report->has_facts = true;
	report->ends = session->ends;
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		report->missing[direction] = session->side[direction].stream.missing_bytes;
	memcpy(&report->facts, &session->mail.facts,
	       offsetof(struct mt_facts, text) + session->mail.facts.text_len);
}

/* A sweep comes late, and how late depends on what else the worker has to do: the time must not. A reset is
 * the end, though what crosses it is waited for. */
static uint64_t over_at(const struct mt_engine *engine, const struct mt_flow *flow)
{
	if (flow->has_rst)
		return flow->last_seen_ns;
	uint64_t silence_ns = engine->now_ns > flow->last_seen_ns ? engine->now_ns - flow->last_seen_ns : 0;
	uint64_t patience_ns = mt_session_patience_ns(engine, flow);

	return flow->last_seen_ns + (silence_ns < patience_ns ? silence_ns : patience_ns);
}

static void fill_end(struct mt_engine *engine, const struct mt_flow *flow, unsigned client_side,
		     enum mt_reason reason)
{
	struct mt_report *report = &engine->report;

	report->has_end = true;
	report->end = (struct mt_mail_end){
	    .end_ns = flow->last_seen_ns, .over_ns = over_at(engine, flow), .reason = (uint8_t)reason};
	for (unsigned side = 0; side < 2; side++) {
		enum mt_direction direction = side == client_side ? MT_TO_SERVER : MT_TO_CLIENT;

		report->end.pkts[direction] = flow->pkts[side];
		report->end.bytes[direction] = flow->bytes[side];
	}
}

static void absorb(struct mt_engine *engine, struct mt_flow *flow, struct session *session)
{
	note_not_mail(engine, session);
	flow->state = MT_FLOW_NOT_MAIL;
	release(engine, flow, session);
}

/* The report of a session's facts; its end is not in it yet. */
static void make_report(struct mt_engine *engine, struct session *session, enum mt_reason reason)
{
	engine->env.cells[MT_CELL0(SESSIONS_OPENED)]++;
	engine->env.cells[MT_CELL0(RECORDS_MADE)]++;
	conclude(engine, session);
	conclude_end(session, reason);
	engine->report.handle = HANDLE_NONE;
	engine->report.certificate_bytes = send_certificate(engine, session);
	fill_facts(&engine->report, session);
}

static void add_end(struct mt_engine *engine, const struct mt_flow *flow, const struct session *session,
		    enum mt_reason reason)
{
	fill_end(engine, flow, session->client_side, reason);
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		engine->report.end.missing[direction] = engine->report.missing[direction];
}

void mt_session_park(struct mt_engine *engine, struct mt_flow *flow, struct session *session)
{
	if (!is_mail(session)) {
		absorb(engine, flow, session);
		return;
	}
	make_report(engine, session, MT_REASON_COUNT);
	if (engine->handle_count > 0) {
		engine->report.handle = engine->handles[--engine->handle_count];
	} else {
		/* Nowhere to park: the record goes out at once. */
		add_end(engine, flow, session, MT_REASON_EVICTED);
		engine->env.cells[MT_CELL1(LOST, MT_LOSS_PARKED_FULL)]++;
	}
	flow->state = MT_FLOW_DECIDED;
	flow->handle = engine->report.handle;
	flow->client_side = session->client_side;
	if (!emit(engine) && flow->handle != HANDLE_NONE) {
		engine->handles[engine->handle_count++] = flow->handle;
		flow->handle = HANDLE_NONE;
	}
	release(engine, flow, session);
}

static void end_parked(struct mt_engine *engine, struct mt_flow *flow, enum mt_reason reason)
{
	if (flow->handle == HANDLE_NONE)
		return;
	engine->report.has_facts = false;
	engine->report.certificate_bytes = 0;
	engine->report.handle = flow->handle;
	fill_end(engine, flow, flow->client_side, reason);
	/* Without its end the parked half would never be written: the handle stays taken, the loss is
	 * counted. */
	if (emit(engine))
		engine->handles[engine->handle_count++] = flow->handle;
	else
		engine->env.cells[MT_CELL1(LOST, MT_LOSS_RECORD_RING_FULL)]++;
}

static void end_dialogue(struct mt_engine *engine, struct mt_flow *flow, enum mt_reason reason)
{
	struct session *session = mt_pool_at(&engine->sessions, flow->session);

	mt_session_drain(engine, session);
	/* Met in its middle and recognised as nothing, it is a record all the same (CONTRACT.md 2). */
	if (is_midstream(session) && !session->is_not_mail &&
	    session->mail.facts.protocol == MT_PROTOCOL_COUNT) {
		session->mail.facts.protocol = session->hint;
		session->mail.facts.detected_by = MT_DETECTED_PORT;
	}
	if (!is_mail(session)) {
		absorb(engine, flow, session);
		return;
	}
	make_report(engine, session, reason);
	add_end(engine, flow, session, reason);
	emit(engine);
	release(engine, flow, session);
}

void mt_session_end(struct mt_engine *engine, struct mt_flow *flow, enum mt_reason reason)
{
	enum mt_flow_state state = flow->state;

	if (state == MT_FLOW_DIALOGUE)
		end_dialogue(engine, flow, reason);
	else if (state == MT_FLOW_DECIDED)
		end_parked(engine, flow, reason);
	else
		return;
	if (flow->state != MT_FLOW_NOT_MAIL) {
		engine->env.cells[MT_CELL1(FLOWS_CLOSED, reason)]++;
		flow->state = MT_FLOW_ENDED;
	}
}
