/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "session_priv.h"

/* A line read, or what stands for one. */
static void give_line(struct mt_engine *engine, struct session *session, enum mt_direction direction,
		      const struct mt_line *line)
{
	struct mt_mail *mail = &session->mail;

	if (direction == MT_TO_SERVER) {
		mail->dialogue->client_line(mail, &engine->env, line);
		if (mail->facts.detected_by == MT_DETECTED_BANNER)
			mail->facts.detected_by = MT_DETECTED_DIALOGUE;
	} else {
		mail->dialogue->server_line(mail, &engine->env, line);
	}
}

/* The protocol is known from here on. */
static void adopt(struct mt_engine *engine, struct session *session, enum mt_protocol protocol,
		  enum mt_detected detected_by, bool is_greeted)
{
	struct mt_mail *mail = &session->mail;

	mail->facts.detected_by = (uint8_t)detected_by;
	mt_dialogue_begin(mail, engine->config.shared->dialogues[protocol]);
	if (session->is_implicit_port)
		mt_dialogue_flag(mail, MT_ANOMALY_PLAINTEXT_ON_IMPLICIT_PORT);
	/* The client may wait no more: what the server says next may answer it. */
	session->side[MT_TO_SERVER].is_stuck = false;
	/* A dialogue met in its middle is one whose beginning was lost. */
	const struct side *server = &session->side[MT_TO_CLIENT];
	if (!is_greeted &&
	    (!server->is_start_known || server->stream.missing_bytes > 0 || session->unknown_lines > 0))
		mt_dialogue_gap(mail, &engine->env, MT_TO_CLIENT);
}

static void adopt_greeting(struct mt_engine *engine, struct session *session, enum mt_protocol protocol,
			   const struct mt_line *line)
{
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		if (session->side[direction].stream.missing_bytes == 0)
			session->side[direction].is_start_known = true;
	adopt(engine, session, protocol, MT_DETECTED_BANNER, true);
	give_line(engine, session, MT_TO_CLIENT, line);
}

/* Nothing that is known: after a while, or at once where the connection's beginning was seen, it is given up.
 */
static void name_no_protocol(struct session *session, enum mt_direction direction)
{
	if (session->side[direction].is_start_known)
		session->is_not_mail = true;
	else if (++session->unknown_lines >= UNKNOWN_LINES_MAX)
		session->mail.stage = MT_STAGE_OPAQUE;
}

/* A refusal answers a command where it is not known to be the first thing said, and may name an address. */
static bool may_greet(const struct session *session, struct mt_identify_result result, struct mt_span text)
{
	if (session->side[MT_TO_CLIENT].is_start_known)
		return true;
	return !result.is_ambiguous && (text.data[0] == '2' || text.data[0] == '+' || text.data[0] == '*');
}

/* The client spoke first, and the server had heard it. */
static bool is_answer(const struct session *session, const struct mt_line *line)
{
	return line->has_ack && !session->mail.is_absent[MT_TO_SERVER] &&
	       mt_seq_diff(line->ack, session->side[MT_TO_SERVER].stream.next) > 0;
}

static void judge_server_line(struct mt_engine *engine, struct session *session, const struct mt_line *line)
{
	const struct mt_stream *stream = &session->side[MT_TO_CLIENT].stream;
	bool is_first =
	    line->seq == stream->next - (uint32_t)stream->delivered_bytes || session->unknown_lines == 0;
	struct mt_identify_result result =
	    mt_identify_server_line(line->text, (enum mt_protocol)session->hint, is_first);

	/* Where only the port says yes, the client may know better: a bare +OK may be anybody's answer to it,
	 * and a greeting's first line may have named FTP. */
	if (result.answer == MT_IDENTIFY_YES && result.protocol == session->hint &&
	    ((result.is_ambiguous && is_answer(session, line)) ||
	     (result.is_greeting && session->greeting.len > 0)))
		result.answer = MT_IDENTIFY_PERHAPS;
	if (result.answer == MT_IDENTIFY_NO) {
		name_no_protocol(session, MT_TO_CLIENT);
	} else if (result.answer == MT_IDENTIFY_PERHAPS) {
		if (session->greeting.len == 0) {
			session->greeting = mt_dialogue_keep_text(
			    &session->mail, &engine->env, mt_span_first(line->text, MT_MAIL_BANNER_MAX));
			session->greeting_ns = line->time_ns;
			session->greeting_protocol = (uint8_t)result.protocol;
		}
		session->is_not_mail = ++session->unknown_lines >= UNKNOWN_LINES_MAX;
	} else if (result.is_greeting && may_greet(session, result, line->text)) {
		adopt_greeting(engine, session, result.protocol, line);
	} else {
		adopt(engine, session, result.protocol, MT_DETECTED_DIALOGUE, false);
		give_line(engine, session, MT_TO_CLIENT, line);
	}
}

/* The client has spoken, so the greeting is through: whatever its first line says, no more of it comes. */
static void adopt_doubtful_greeting(struct mt_engine *engine, struct session *session)
{
	uint8_t text[MT_MAIL_BANNER_MAX];
	struct mt_span kept = mt_facts_text(&session->mail.facts, session->greeting);
	struct mt_line line = {.text = mt_span(text, kept.len), .time_ns = session->greeting_ns};

	memcpy(text, kept.data, kept.len);
	if (kept.len > 3 && text[3] == '-')
		text[3] = ' ';
	adopt_greeting(engine, session, (enum mt_protocol)session->greeting_protocol, &line);
}

static void judge_client_line(struct mt_engine *engine, struct session *session, struct mt_line *line)
{
	bool has_greeting = session->greeting.len > 0;
	enum mt_protocol hint = has_greeting ? session->greeting_protocol : session->hint;
	struct mt_identify_result result = mt_identify_client_line(line->text, hint, has_greeting);

	if (result.answer != MT_IDENTIFY_YES || (has_greeting && result.protocol != hint)) {
		/* The one line that could have made a doubtful greeting mail's did not. */
		session->is_not_mail |= has_greeting;
		name_no_protocol(session, MT_TO_SERVER);
		return;
	}
	if (has_greeting)
		adopt_doubtful_greeting(engine, session);
	else
		adopt(engine, session, result.protocol, MT_DETECTED_DIALOGUE, false);
	/* Without the server nobody knows whether a literal was let through: only a credential is worth the
	 * guess. */
	line->has_literal &= line->is_cut || session->side[MT_TO_CLIENT].is_seen;
	give_line(engine, session, MT_TO_SERVER, line);
}

/* Whether a line longer than any that is shown begins like one of a mail protocol. */
static bool may_be_mail(const struct session *session, enum mt_direction direction, struct mt_span begun)
{
	enum mt_protocol hint = (enum mt_protocol)session->hint;
	struct mt_identify_result result = direction == MT_TO_CLIENT
					       ? mt_identify_server_line(begun, hint, true)
					       : mt_identify_client_line(begun, hint, false);

	return result.answer != MT_IDENTIFY_NO;
}

#define LINE_BEGIN_BYTES 64 /* of what stands behind a gap, to tell whether it begins a line */

/* What stands behind a gap may begin a line, such as the very answer that is waited for (mistake 4). Result
 * false where more of it must come before that is known. */
static bool settle_gap(struct mt_engine *engine, struct session *session, enum mt_direction direction)
{
	const struct mt_dialogue *dialogue = session->mail.dialogue;
	struct mt_framer *framer = &session->mail.framer[direction];
	uint8_t first[LINE_BEGIN_BYTES];

	if (dialogue == NULL || framer->mode != MT_FRAMING_LINES)
		return true;
	size_t len = mt_stream_look(&session->side[direction].stream, &engine->pieces, first, sizeof(first));
	enum mt_seen answer = dialogue->begins_line[direction](mt_span(first, len));
	if (answer == MT_SEEN_NEVER && len < sizeof(first) && !session->is_draining)
		return false;
	if (answer == MT_SEEN_YES)
		mt_framer_resume(framer);
	return true;
}

/* Lines, bodies and what lies between, as the framer cuts them. */
static size_t read_lines(struct mt_engine *engine, struct session *session, enum mt_direction direction,
			 const struct mt_chunk *chunk)
{
	struct mt_mail *mail = &session->mail;
	struct mt_framer *framer = &mail->framer[direction];
	uint32_t before = framer->line_bytes;
	struct mt_line line;
	size_t taken;

	if (mt_unlikely(framer->is_at_gap) && !settle_gap(engine, session, direction))
		return 0;
	enum mt_framing_event event = mt_framer_read(framer, chunk->bytes, chunk->seq, chunk->ack,
						     chunk->has_ack, chunk->time_ns, &taken, &line);

	if (event == MT_FRAMING_SKIPPED && mail->dialogue != NULL) {
		line = (struct mt_line){.end_seq = chunk->seq + (uint32_t)taken,
					.ack = chunk->ack,
					.has_ack = chunk->has_ack,
					.time_ns = chunk->time_ns};
		mt_dialogue_skipped(mail, &engine->env, direction, &line);
		session->is_again = taken == 0;
	} else if (event == MT_FRAMING_LINE) {
		if (mail->dialogue != NULL)
			give_line(engine, session, direction, &line);
		else if (direction == MT_TO_CLIENT)
			judge_server_line(engine, session, &line);
		else
			judge_client_line(engine, session, &line);
	} else if (mail->dialogue == NULL && before <= framer->limit && framer->line_bytes > framer->limit &&
		   !may_be_mail(session, direction, mt_span(framer->buffer, framer->len))) {
		name_no_protocol(session, direction);
	}
	return taken;
}

#define PACKED_HELLO_MAX 640 /* a hello that needs more room in the record leaves no fingerprint */

static struct mt_text keep_hello(struct mt_engine *engine, struct session *session)
{
	uint8_t packed[PACKED_HELLO_MAX];
	size_t len = mt_tls_hello_pack(&engine->hello, packed, sizeof(packed));

	return mt_dialogue_keep_text(&session->mail, &engine->env, mt_span(packed, len));
}

static void note_client_hello(struct mt_engine *engine, struct session *session, uint64_t time_ns)
{
	const struct mt_tls_hello *hello = &engine->hello;
	struct mt_mail *mail = &session->mail;
	struct mt_facts *facts = &mail->facts;
	bool is_known = mail->dialogue != NULL;
	uint8_t items[MT_TLS_ALPNS_MAX * (1 + MT_TLS_ALPN_MAX)];
	size_t len = 0;
	enum mt_protocol named = MT_PROTOCOL_COUNT;

	facts->has_tls_client = true;
	session->client_version = hello->version;
	if (facts->hello_ns == 0)
		facts->hello_ns = time_ns;
	if (facts->sni.len == 0)
		facts->sni = mt_dialogue_keep_text(mail, &engine->env, mt_span(hello->sni, hello->sni_len));
	for (unsigned i = 0; i < hello->alpn_count; i++) {
		struct mt_span name = mt_span(hello->alpn[i].name, hello->alpn[i].len);

		items[len++] = hello->alpn[i].len;
		memcpy(items + len, name.data, name.len);
		len += name.len;
		if (named == MT_PROTOCOL_COUNT)
			named = mt_identify_alpn(name);
	}
	if (facts->alpn_count == 0) {
		facts->client_alpns = mt_dialogue_keep_text(mail, &engine->env, mt_span(items, len));
		facts->alpn_count = facts->client_alpns.len > 0 ? hello->alpn_count : 0;
	}
	if (facts->client_hello.len == 0)
		facts->client_hello = keep_hello(engine, session);
	if (is_known)
		return;
	if (named != MT_PROTOCOL_COUNT) {
		facts->protocol = (uint8_t)named;
		facts->detected_by = MT_DETECTED_ALPN;
	} else if (hello->alpn_count > 0) {
		session->is_not_mail = true;
	}
}

static void note_server_hello(struct mt_engine *engine, struct session *session)
{
	struct mt_facts *facts = &session->mail.facts;

	/* What was agreed stands in the first: a server that goes on saying hello fills no store. */
	if (engine->hello.is_retry || facts->has_tls_server)
		return;
	facts->has_tls_server = true;
	facts->server_hello = keep_hello(engine, session);
	if (engine->hello.alpn_count > 0)
		facts->server_alpn =
		    mt_dialogue_keep_text(&session->mail, &engine->env,
					  mt_span(engine->hello.alpn[0].name, engine->hello.alpn[0].len));
	facts->tls_version = session->tls.version;
	facts->tls_cipher = session->tls.cipher;
	/* A server of TLS 1.3 marks every older handshake; only a client that offered more was held down
	 * (8446 4.1.3). */
	if (engine->hello.has_sentinel && session->client_version > session->tls.version)
		mt_dialogue_flag(&session->mail, MT_ANOMALY_DOWNGRADE_SENTINEL);
}

/* The server answers a hello with text: the hello was no encryption. */
static void leave_tls(struct mt_engine *engine, struct session *session)
{
	struct mt_mail *mail = &session->mail;

	mt_tls_clear(&session->tls, &engine->pieces);
	mt_wipe(&session->tls, sizeof(session->tls));
	session->has_tls = false;
	mt_framer_set(&mail->framer[MT_TO_SERVER], MT_FRAMING_LINES, 0);
	mail->facts.anomalies &= ~(1u << MT_ANOMALY_TLS_ON_PLAIN_PORT);
	/* Behind an acceptance it is an injection, or the upgrade has failed: what the client says next
	 * tells. */
	mail->stage = mail->facts.response == MT_RESPONSE_ACCEPTED ? MT_STAGE_ACCEPTED : MT_STAGE_CLEAR;
}

static size_t read_tls(struct mt_engine *engine, struct session *session, enum mt_direction direction,
		       const struct mt_chunk *chunk)
{
	struct mt_mail *mail = &session->mail;
	size_t taken;
	enum mt_tls_event event =
	    mt_tls_feed(&session->tls, &engine->pieces, direction, chunk->bytes, &taken, &engine->hello);

	switch (event) {
	case MT_TLS_MORE:
		break;
	case MT_TLS_CLIENT_HELLO:
		note_client_hello(engine, session, chunk->time_ns);
		break;
	case MT_TLS_SERVER_HELLO:
		note_server_hello(engine, session);
		break;
	case MT_TLS_NOT_TLS:
		if (direction == MT_TO_CLIENT && !mail->facts.has_tls_server)
			leave_tls(engine, session);
		else
			mt_tls_gap(&session->tls, &engine->pieces, direction);
		session->is_again = taken == 0;
		return taken;
	case MT_TLS_DONE:
		mail->facts.established_ns = chunk->time_ns;
		mail->stage = MT_STAGE_OPAQUE;
		break;
	}
	/* A side that is broken or done takes all. */
	return event == MT_TLS_MORE || event == MT_TLS_DONE ? chunk->bytes.len : taken;
}

static void begin_tls(struct session *session)
{
	struct mt_mail *mail = &session->mail;

	if (mail->dialogue == NULL && mail->facts.protocol == MT_PROTOCOL_COUNT) {
		mail->facts.protocol = session->hint;
		mail->facts.detected_by = MT_DETECTED_PORT;
	}
	if (mail->stage != MT_STAGE_ACCEPTED && mail->dialogue == NULL) {
		for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
			if (session->side[direction].stream.missing_bytes == 0)
				session->side[direction].is_start_known = true;
		if (!session->is_implicit_port)
			mt_dialogue_flag(mail, MT_ANOMALY_TLS_ON_PLAIN_PORT);
	}
	mail->facts.is_unanswered = false;
	mail->stage = MT_STAGE_TLS;
	if (!session->has_tls)
		mt_tls_init(&session->tls);
	session->has_tls = true;
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		mt_framer_wipe(&mail->framer[direction]);
}

/* The bytes that stand next, as many as are wanted where they are there: what a few of them decide may stand
 * in several pieces of the stream. */
static struct mt_span look(const struct mt_engine *engine, const struct session *session,
			   enum mt_direction direction, uint8_t *room, size_t wanted)
{
	return mt_span(room, mt_stream_look(&session->side[direction].stream, &engine->pieces, room, wanted));
}

static enum mt_tls_start starts_tls(const struct mt_engine *engine, const struct session *session,
				    enum mt_direction direction, struct mt_span bytes)
{
	enum mt_tls_start start = mt_tls_starts(direction, bytes);
	uint8_t first[MT_TLS_START_BYTES];

	if (start != MT_TLS_START_MAYBE)
		return start;
	return mt_tls_starts(direction, look(engine, session, direction, first, sizeof(first)));
}

/* A record of TLS, or the beginning of one as far as the bytes go. */
static bool looks_encrypted(struct mt_span begin)
{
	return begin.data[0] >= 0x14 && begin.data[0] <= 0x17 && (begin.len < 2 || begin.data[1] == 0x03) &&
	       (begin.len < 3 || begin.data[2] <= 0x04);
}

/* The server's first line is not through yet. */
static bool is_greeting_due(const struct session *session)
{
	return session->side[MT_TO_CLIENT].stream.delivered_bytes == 0 ||
	       (session->unknown_lines == 0 && session->mail.framer[MT_TO_CLIENT].line_bytes > 0);
}

/* What is not looked into: up to the end of a line, or of a record. */
static size_t pass_over(struct session *session, enum mt_direction direction, const struct mt_chunk *chunk)
{
	struct mt_line line;
	size_t taken;

	mt_framer_read(&session->mail.framer[direction], chunk->bytes, chunk->seq, chunk->ack, chunk->has_ack,
		       chunk->time_ns, &taken, &line);
	return taken;
}

/* Whether client bytes were sent before the answer to STARTTLS was there. */
static bool is_sent_before(const struct mt_mail *mail, const struct mt_chunk *chunk)
{
	return chunk->has_ack && mt_seq_diff(chunk->ack, mail->answer_seq) <= 0;
}

/* Behind the acceptance of STARTTLS: TLS, or somebody's text, line by line. */
static size_t read_accepted(struct mt_engine *engine, struct session *session, enum mt_direction direction,
			    const struct mt_chunk *chunk)
{
	struct mt_mail *mail = &session->mail;
	struct mt_framer *framer = &mail->framer[direction];
	enum mt_tls_start start = starts_tls(engine, session, direction, chunk->bytes);
	uint8_t room[5];

	if (framer->line_bytes > 0 || framer->mode == MT_FRAMING_COUNT)
		return pass_over(session, direction, chunk);
	if (start == MT_TLS_START_HELLO || start == MT_TLS_START_ALERT) {
		if (direction == MT_TO_SERVER && is_sent_before(mail, chunk) &&
		    mail->facts.response == MT_RESPONSE_ACCEPTED)
			mt_dialogue_note(mail, MT_NOTE_EARLY_HELLO);
		begin_tls(session);
		return read_tls(engine, session, direction, chunk);
	}
	if (start == MT_TLS_START_MAYBE && !session->is_draining)
		return 0;
	/* Records of a handshake that somebody's text has broken into. */
	struct mt_span begin = look(engine, session, direction, room, sizeof(room));
	if (mail->facts.has_tls_client && looks_encrypted(begin)) {
		if (begin.len < sizeof(room))
			return session->is_draining ? chunk->bytes.len : 0;
		mt_framer_set(framer, MT_FRAMING_COUNT, sizeof(room) + mt_read_be16(room + 3));
		return pass_over(session, direction, chunk);
	}
	if (mail->facts.response != MT_RESPONSE_ACCEPTED) {
		/* The answer was never seen, and the dialogue goes on: it was no. */
		mail->facts.is_unanswered = false;
		mail->stage = MT_STAGE_CLEAR;
		return read_lines(engine, session, direction, chunk);
	}
	if (direction == MT_TO_CLIENT || is_sent_before(mail, chunk)) {
		mt_dialogue_flag(mail, direction == MT_TO_CLIENT ? MT_ANOMALY_SERVER_INJECTION
								 : MT_ANOMALY_CLIENT_INJECTION);
		return pass_over(session, direction, chunk);
	}
	mail->facts.has_text_after_accept = true;
	mt_dialogue_flag(mail, MT_ANOMALY_CLEARTEXT_AFTER_ACCEPT);
	mail->stage = MT_STAGE_CLEAR;
	return read_lines(engine, session, direction, chunk);
}

/* Before the protocol is known. */
static size_t read_unknown(struct mt_engine *engine, struct session *session, enum mt_direction direction,
			   const struct mt_chunk *chunk)
{
	struct mt_mail *mail = &session->mail;
	const struct side *server = &session->side[MT_TO_CLIENT];
	uint8_t room[3], first[MT_IDENTIFY_GREETING_BYTES];

	if (mt_framer_at_line_start(&mail->framer[direction])) {
		enum mt_tls_start start = starts_tls(engine, session, direction, chunk->bytes);

		if (start == MT_TLS_START_HELLO) {
			begin_tls(session);
			return read_tls(engine, session, direction, chunk);
		}
		if (start == MT_TLS_START_MAYBE && !session->is_draining)
			return 0;
		/* Encrypted records met in the middle of a connection. */
		struct mt_span begin = look(engine, session, direction, room, sizeof(room));
		if (looks_encrypted(begin) && !session->side[direction].is_start_known) {
			if (begin.len < sizeof(room) && !session->is_draining)
				return 0;
			mail->facts.protocol = session->hint;
			mail->facts.detected_by = MT_DETECTED_PORT;
			mail->stage = MT_STAGE_OPAQUE;
			return chunk->bytes.len;
		}
	}
	/* The server speaks first in mail: a client that does not wait is judged by what the server says. */
	if (direction == MT_TO_SERVER && !session->is_draining && !session->is_client_first &&
	    !mail->is_absent[MT_TO_CLIENT] && session->side[MT_TO_SERVER].is_start_known &&
	    is_greeting_due(session))
		return 0;
	if (direction == MT_TO_CLIENT && !session->is_client_first && !session->is_draining &&
	    session->side[MT_TO_SERVER].is_stuck && server->stream.delivered_bytes == 0) {
		enum mt_identify_answer greeting =
		    mt_identify_greeting(look(engine, session, direction, first, sizeof(first)));

		if (greeting == MT_IDENTIFY_PERHAPS)
			return 0;
		/* A first word of the server's that answers the client: the client is read first. */
		session->is_client_first = greeting == MT_IDENTIFY_NO;
		if (session->is_client_first) {
			session->side[MT_TO_SERVER].is_stuck = false;
			session->is_again = true;
			return 0;
		}
	}
	return read_lines(engine, session, direction, chunk);
}

/* Where the answer, or one side, was not seen, a hello is all that shows the upgrade. It may stand in what is
 * only assumed to be a body, or counted bytes: what proposed them may have been refused. */
static bool may_begin_tls(const struct mt_mail *mail, enum mt_direction direction)
{
	const struct mt_framer *framer = &mail->framer[direction];

	if (framer->mode == MT_FRAMING_BODY || framer->mode == MT_FRAMING_COUNT)
		return direction == MT_TO_SERVER && mail->is_absent[MT_TO_CLIENT];
	return framer->mode == MT_FRAMING_LINES && framer->line_bytes == 0;
}

/* What a balancer says in front of the client is no word of the client's: it is counted off.
 * Result: true where more bytes must tell whether it is that. */
static bool find_proxy_header(struct mt_engine *engine, struct session *session, uint8_t first)
{
	const struct mt_stream *stream = &session->side[MT_TO_SERVER].stream;
	uint8_t begin[MT_IDENTIFY_PROXY_BYTES];

	if (stream->delivered_bytes > 0 || (first != 'P' && first != '\r'))
		return false;
	size_t len = mt_stream_look(stream, &engine->pieces, begin, sizeof(begin));
	uint32_t header = mt_identify_proxy_header(mt_span(begin, len));

	if (header > 0 && header < UINT32_MAX)
		mt_framer_set(&session->mail.framer[MT_TO_SERVER], MT_FRAMING_COUNT, header);
	return header == UINT32_MAX && !session->is_draining;
}

static size_t read_once(struct mt_engine *engine, struct session *session, enum mt_direction direction,
			const struct mt_chunk *chunk)
{
	struct mt_mail *mail = &session->mail;

	if (direction == MT_TO_SERVER && find_proxy_header(engine, session, chunk->bytes.data[0]))
		return 0;
	if (mail->dialogue == NULL && mail->framer[direction].mode == MT_FRAMING_COUNT)
		return read_lines(engine, session, direction, chunk);
	switch ((enum mt_stage)mail->stage) {
	case MT_STAGE_TLS:
		return read_tls(engine, session, direction, chunk);
	case MT_STAGE_ACCEPTED:
		return read_accepted(engine, session, direction, chunk);
	case MT_STAGE_OPAQUE:
		return chunk->bytes.len;
	case MT_STAGE_CLEAR:
	case MT_STAGE_ASKED:
		break;
	}
	if (mail->dialogue == NULL)
		return read_unknown(engine, session, direction, chunk);
	if (mt_session_is_waiting(session, direction) && mail->is_absent[MT_TO_CLIENT])
		mt_dialogue_assume(mail, &engine->env);
	if (mail->stage == MT_STAGE_ACCEPTED)
		return read_accepted(engine, session, direction, chunk);
	if (may_begin_tls(mail, direction) && chunk->bytes.data[0] == 0x16) {
		enum mt_tls_start start = starts_tls(engine, session, direction, chunk->bytes);

		if (start == MT_TLS_START_MAYBE && !session->is_draining)
			return 0;
		if (start == MT_TLS_START_HELLO) {
			begin_tls(session);
			return read_tls(engine, session, direction, chunk);
		}
	}
	if (direction == MT_TO_SERVER && mail->is_refusal_new) {
		/* Text that did not know the answer: that it was no makes the text no better. */
		mail->is_refusal_new = false;
		if (is_sent_before(mail, chunk))
			mt_dialogue_flag(mail, MT_ANOMALY_CLIENT_INJECTION);
	}
	return read_lines(engine, session, direction, chunk);
}

/* The dialogue stays where it is: between two lines of a server's nothing else has a say. */
static inline bool goes_on(const struct mt_mail *mail)
{
	return mail->dialogue != NULL && !mail->is_not_mail &&
	       (mail->stage == MT_STAGE_CLEAR || mail->stage == MT_STAGE_ASKED);
}

/* Lines that stand behind the first in the same bytes, as long as they are plain. Result: the bytes of all.
 */
static size_t read_further(struct mt_engine *engine, struct session *session, const struct mt_chunk *chunk,
			   size_t taken)
{
	struct mt_mail *mail = &session->mail;
	struct mt_line line = {.ack = chunk->ack, .has_ack = chunk->has_ack, .time_ns = chunk->time_ns};
	struct mt_span rest = mt_span_after(chunk->bytes, taken);
	size_t bytes;

	while (rest.len > 0 && rest.data[0] != 0x16 && goes_on(mail) &&
	       (bytes = mt_framer_plain_line(&mail->framer[MT_TO_CLIENT], rest, &line)) > 0) {
		line.seq = chunk->seq + (uint32_t)taken;
		taken += bytes;
		line.end_seq = chunk->seq + (uint32_t)taken;
		rest = mt_span_after(rest, bytes);
		mail->dialogue->server_line(mail, &engine->env, &line);
	}
	return taken;
}

size_t mt_session_read(struct mt_engine *engine, struct session *session, enum mt_direction direction,
		       const struct mt_chunk *chunk, bool is_settled)
{
	size_t taken = read_once(engine, session, direction, chunk);

	if (!is_settled || direction == MT_TO_SERVER || taken == 0 || taken == chunk->bytes.len)
		return taken;
	return read_further(engine, session, chunk, taken);
}

void mt_session_lost(struct mt_engine *engine, struct session *session, enum mt_direction direction,
		     uint32_t bytes)
{
	struct mt_mail *mail = &session->mail;

	if (mail->stage == MT_STAGE_TLS) {
		mt_tls_gap(&session->tls, &engine->pieces, direction);
		return;
	}
	mt_session_leave_line(engine, session, direction);
	mt_framer_gap(&mail->framer[direction], bytes);
	if (mail->dialogue != NULL)
		mt_dialogue_gap(mail, &engine->env, direction);
}

void mt_session_leave_line(struct mt_engine *engine, struct session *session, enum mt_direction direction)
{
	struct mt_mail *mail = &session->mail;
	struct mt_framer *framer = &mail->framer[direction];

	engine->env.cells[MT_CELL1(LOST, MT_LOSS_LINE_LIMIT)] += mt_framer_is_over_limit(framer);
	if (mail->dialogue != NULL)
		mt_dialogue_limit(mail, &engine->env, framer->line_bytes,
				  mail->dialogue->line_max[direction]);
}
