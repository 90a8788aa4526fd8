/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "smtp.h"

enum state {
#define STATE(id, meaning) STATE_##id,
#include "smtp.def"
#undef STATE
	STATE_COUNT,
	STATE_SAME = MT_STATE_SAME
};

enum event {
#define EVENT(id) EVENT_##id,
#include "smtp.def"
#undef EVENT
	EVENT_COUNT
};

enum verb {
#define VERB(id, word, send, ok, no) VERB_##id,
#include "smtp.def"
#undef VERB
	VERB_COUNT
};

static const struct {
	uint8_t send, ok, no; /* enum event */
} verbs[VERB_COUNT] = {
#define VERB(id, word, send, ok, no) [VERB_##id] = {EVENT_##send, EVENT_##ok, EVENT_##no},
#include "smtp.def"
#undef VERB
};

/* What a token in a server's reply is: a keyword of its list, or what its text says of a refusal. */
enum token {
	TOKEN_STARTTLS,
	TOKEN_CHUNKING,
	TOKEN_BINARYMIME,
	TOKEN_REQUIRETLS,
	TOKEN_MASK_QUOTED,
	TOKEN_TLS_POLICY
};

static const struct mt_match_row commands[] = {
#define VERB(id, word, send, ok, no) {VERB_##id, word, NULL},
#include "smtp.def"
#undef VERB
    {VERB_AUTH, "X-EXPS", NULL}, /* Exchange's AUTH */
};

static const struct mt_keyword long_commands[] = {
    MT_KEYWORD(VERB_STARTTLS, "X-ANONYMOUSTLS"), /* Exchange's STARTTLS between hubs */
};

static const struct mt_keyword capabilities[] = {
    MT_KEYWORD(TOKEN_STARTTLS, "STARTTLS"),	MT_KEYWORD(TOKEN_STARTTLS, "X-ANONYMOUSTLS"),
    MT_KEYWORD(TOKEN_CHUNKING, "CHUNKING"),	MT_KEYWORD(TOKEN_BINARYMIME, "BINARYMIME"),
    MT_KEYWORD(TOKEN_REQUIRETLS, "REQUIRETLS"),
};

static const struct mt_match_row replies[] = {
    {TOKEN_MASK_QUOTED, NULL, "\\bX{4}(?:X{4})?\\b"}, /* the server's echo of a command written over */
    {TOKEN_TLS_POLICY, NULL, "STARTTLS|\\bTLS\\b"},
};

/* Bytes of a line, CRLF included. */
enum {
	LINE_MAX_BYTES = 512, /* command or reply (5321 4.5.3.1.4, 4.5.3.1.5) */
	/* SIZE (1870 3), BODY (6152 2), SMTPUTF8 (6531 3.1), AUTH= (4954 3), RET and ENVID (3461 4.3, 4.4);
	 * and 100 for all of BY, HOLDFOR, MT-PRIORITY and REQUIRETLS (2852, 4865, 6710, 8689). */
	MAIL_MAX_BYTES = LINE_MAX_BYTES + 26 + 17 + 10 + 500 + 9 + 107 + 100,
	RCPT_MAX_BYTES = LINE_MAX_BYTES + 29 + 507, /* NOTIFY and ORCPT (3461 4.1, 4.2) */
};

/** The dialogue's own part of struct mt_mail. */
struct smtp {
	bool is_greeted;   /* the first reply is complete */
	bool has_greeting; /* ... it was seen, and ends at: */
	uint32_t greeting_end;
	bool is_in_reply;   /* a multi-line reply is under way */
	bool is_cut;	    /* ... and bytes before its lines are missing, its own or others' */
	bool has_hello;	    /* EHLO or HELO came */
	bool is_list_short; /* the list just read has one line: more of it may follow its end */
	bool is_known;	    /* the reply answers a known command: */
	uint8_t verb;	    /* that one */

	uint8_t auth_slot; /* of the AUTH under way */
	uint8_t masks;	   /* eight-letter keywords of the list being read that were written over */
	bool has_binarymime, has_chunking; /* in that list */
	struct mt_pending pending;
};
mt_static_assert(sizeof(struct smtp) <= MT_DIALOGUE_STATE_BYTES, "must fit into struct mt_mail");

static struct smtp *smtp_of(struct mt_mail *mail)
{
	return (struct smtp *)mail->state;
}

static struct mt_framer *client_of(struct mt_turn *turn)
{
	return &turn->mail->framer[MT_TO_SERVER];
}

static void push(struct mt_turn *turn, enum verb verb)
{
	mt_pending_push(&smtp_of(turn->mail)->pending, turn, (uint8_t)verb);
}

/* Actions, in the order of a session. */

static void none(struct mt_turn *turn)
{
	(void)turn;
}

static void lose_client(struct mt_turn *turn)
{
	smtp_of(turn->mail)->pending.is_uncertain = true;
}

static void lose_server(struct mt_turn *turn)
{
	struct smtp *smtp = smtp_of(turn->mail);

	smtp->pending.is_uncertain = true;
	smtp->is_in_reply = false;
	smtp->is_cut = true;
	smtp->is_list_short = false;
	smtp->is_greeted = true;
	turn->mail->list.is_open = false;
}

static void greet(struct mt_turn *turn)
{
	struct smtp *smtp = smtp_of(turn->mail);

	smtp->is_greeted = true;
	/* Where it stands is not known of one that was read again, once the client had shown it to be mail's.
	 */
	smtp->has_greeting = turn->line->bytes > 0;
	smtp->greeting_end = turn->line->end_seq;
	if (turn->mail->facts.has_client_line)
		mt_dialogue_note(turn->mail, MT_NOTE_EARLY_TALKER);
}

/* The client's first line: sent before the greeting had come (5321 3.1, 4.3.1)? */
static void hear_first(struct mt_turn *turn)
{
	const struct smtp *smtp = smtp_of(turn->mail);

	if (smtp->has_greeting && turn->line->has_ack && mt_seq_diff(turn->line->ack, smtp->greeting_end) < 0)
		mt_dialogue_note(turn->mail, MT_NOTE_EARLY_TALKER);
}

/* 8689 2, 4: asked for, and offered, only under TLS. What a mirror decrypts was. */
static void note_requiretls(struct mt_turn *turn)
{
	if (!turn->mail->facts.has_text_after_accept)
		mt_dialogue_note(turn->mail, MT_NOTE_REQUIRETLS_IN_CLEAR);
}

static void read_parameters(struct mt_turn *turn)
{
	struct mt_span rest = turn->rest, word;

	while ((word = mt_span_word(&rest)).len > 0)
		if (mt_span_is(word, "REQUIRETLS"))
			note_requiretls(turn);
}

static void note_command(struct mt_turn *turn)
{
	push(turn, turn->verb);
	if (turn->verb == VERB_MAIL)
		read_parameters(turn);
	if (turn->verb != VERB_EHLO && turn->verb != VERB_HELO)
		return;
	smtp_of(turn->mail)->has_hello = true;
	/* Of a name that was cut nobody knows whether it is an address (CONTRACT.md 2). */
	if (!turn->line->is_cut)
		mt_dialogue_client_name(turn->mail, turn->env, turn->rest);
}

static void leave(struct mt_turn *turn)
{
	mt_dialogue_is_not_mail(turn->mail);
}

static void close_list(struct mt_turn *turn)
{
	struct smtp *smtp = smtp_of(turn->mail);
	/* BINARYMIME is offered with CHUNKING alone (3030 3): where that is missing, one mask hides it. */
	unsigned explained = smtp->has_binarymime && !smtp->has_chunking;

	if (smtp->masks > explained)
		mt_dialogue_list_masked(turn->mail);
	mt_dialogue_list_end(turn->mail);
	turn->mail->facts.notes &= ~(1u << MT_NOTE_HELO_ONLY);
}

/* Without EHLO nothing can be offered (3207 4). */
static void note_helo(struct mt_turn *turn)
{
	if (turn->mail->facts.offered == MT_SEEN_NEVER)
		mt_dialogue_note(turn->mail, MT_NOTE_HELO_ONLY);
}

static void drop_list(struct mt_turn *turn)
{
	turn->mail->list.is_open = false;
}

static void propose_body(struct mt_turn *turn)
{
	push(turn, VERB_DATA);
	mt_framer_set(client_of(turn), MT_FRAMING_WAIT, 0);
}

static void open_body(struct mt_turn *turn)
{
	mt_framer_set(client_of(turn), MT_FRAMING_BODY, 0);
}

/* The answer to DATA was lost; what the client does next tells it: a refused DATA is not followed by a body,
 * and the reply to whatever follows ends a body that was none (leave_body). */
static void guess_body(struct mt_turn *turn)
{
	lose_server(turn);
	open_body(turn);
	smtp_of(turn->mail)->pending = (struct mt_pending){.is_uncertain = true};
}

static void end_body(struct mt_turn *turn)
{
	push(turn, VERB_DOT);
}

static void read_commands(struct mt_turn *turn)
{
	mt_framer_set(client_of(turn), MT_FRAMING_LINES, 0);
}

/* The server answers in the middle of a body. Where that body stands at a dot that only looks like its end,
 * this server took it for one; else the end was lost, and what comes next may be the rest of a line. */
static void leave_body(struct mt_turn *turn)
{
	bool is_taken = client_of(turn)->body.is_at_look_alike;

	read_commands(turn);
	if (is_taken)
		turn->mail->facts.messages += turn->code / 100 == 2;
	else
		mt_framer_gap(client_of(turn), 0);
	smtp_of(turn->mail)->pending.is_uncertain = true;
}

/* The number that comes next in a command's arguments. */
static uint64_t take_bytes(struct mt_span *rest)
{
	struct mt_span size = mt_span_word(rest);
	uint64_t bytes = 0;

	for (size_t i = 0; i < size.len && mt_is_digit(size.data[i]) && bytes < UINT32_MAX; i++)
		bytes = bytes * 10 + (size.data[i] - '0');
	return bytes;
}

static void open_chunk(struct mt_turn *turn)
{
	struct mt_span rest = turn->rest;
	uint64_t bytes = take_bytes(&rest);

	push(turn, mt_span_is(mt_span_word(&rest), "LAST") ? VERB_LAST : VERB_BDAT);
	mt_framer_set(client_of(turn), MT_FRAMING_COUNT, bytes);
}

static void propose_blob(struct mt_turn *turn)
{
	struct mt_span rest = turn->rest;

	push(turn, VERB_XEXCH50);
	mt_framer_set(client_of(turn), MT_FRAMING_WAIT, take_bytes(&rest));
}

/* The count was noted with the command. The bytes have a reply of their own. */
static void open_blob(struct mt_turn *turn)
{
	mt_pending_expect(&smtp_of(turn->mail)->pending, turn, VERB_OTHER);
	mt_framer_set(client_of(turn), MT_FRAMING_COUNT, client_of(turn)->count);
}

static void guess_blob(struct mt_turn *turn)
{
	lose_server(turn);
	mt_framer_set(client_of(turn), MT_FRAMING_COUNT, client_of(turn)->count);
}

static void note_burl(struct mt_turn *turn)
{
	struct mt_span rest = turn->rest;

	mt_span_word(&rest);
	push(turn, mt_span_is(mt_span_word(&rest), "LAST") ? VERB_LAST : VERB_BURL);
}

static void count_message(struct mt_turn *turn)
{
	turn->mail->facts.messages++;
}

static void begin_auth(struct mt_turn *turn)
{
	struct smtp *smtp = smtp_of(turn->mail);
	struct mt_span rest = turn->rest;
	enum mt_mechanism mechanism = mt_dialogue_mechanism(turn->env, mt_span_word(&rest));

	smtp->auth_slot = (uint8_t)mt_dialogue_auth_begins(turn->mail, turn->env, mechanism);
	if (turn->line->is_cut)
		mt_dialogue_auth_exposed(turn->mail, smtp->auth_slot);
	push(turn, VERB_AUTH);
	mt_framer_set(client_of(turn), MT_FRAMING_WAIT, 0);
	turn->mail->framer[MT_TO_CLIENT].words_shown = 1;
}

static void hide_response(struct mt_turn *turn)
{
	mt_pending_expect(&smtp_of(turn->mail)->pending, turn, VERB_AUTH);
	mt_framer_set(client_of(turn), MT_FRAMING_SECRET, 0);
}

/* AUTH itself was lost; what answers the challenge is a secret all the same. */
static void resume_auth(struct mt_turn *turn)
{
	smtp_of(turn->mail)->auth_slot = MT_MAIL_AUTHS_MAX;
	turn->mail->framer[MT_TO_CLIENT].words_shown = 1;
	hide_response(turn);
}

static void expose(struct mt_turn *turn)
{
	mt_dialogue_auth_exposed(turn->mail, smtp_of(turn->mail)->auth_slot);
	mt_framer_set(client_of(turn), MT_FRAMING_WAIT, 0);
}

static void hide_all(struct mt_turn *turn)
{
	lose_server(turn);
	mt_framer_set(client_of(turn), MT_FRAMING_SKIP, 0);
}

static void end_auth(struct mt_turn *turn, enum mt_auth outcome)
{
	mt_dialogue_auth_ended(turn->mail, smtp_of(turn->mail)->auth_slot, outcome);
	turn->mail->framer[MT_TO_CLIENT].words_shown = 0;
	read_commands(turn);
}

static void succeed_auth(struct mt_turn *turn)
{
	end_auth(turn, MT_AUTH_SUCCESS);
}

static void fail_auth(struct mt_turn *turn)
{
	end_auth(turn, MT_AUTH_FAILURE);
}

static void ask_tls(struct mt_turn *turn)
{
	push(turn, VERB_STARTTLS);
	mt_dialogue_starttls_asked(turn->mail, turn->line);
}

/* No command of eight letters but STARTTLS is worth writing over, and of four letters none before a hello. */
static void note_mask(struct mt_turn *turn)
{
	push(turn, turn->verb);
	if (turn->verb == VERB_MASKED || !smtp_of(turn->mail)->has_hello)
		mt_dialogue_flag(turn->mail, MT_ANOMALY_STARTTLS_MASKED);
}

static struct mt_span code_text(struct mt_turn *turn)
{
	return mt_span_first(turn->line->text, 3);
}

static void accept_tls(struct mt_turn *turn)
{
	mt_dialogue_starttls_answered(turn->mail, turn->line, true, code_text(turn));
}

static void refuse_tls(struct mt_turn *turn)
{
	mt_dialogue_starttls_answered(turn->mail, turn->line, false, code_text(turn));
}

static void await_tls(struct mt_turn *turn)
{
	lose_server(turn);
	turn->mail->stage = MT_STAGE_ACCEPTED;
	mt_framer_set(client_of(turn), MT_FRAMING_LINES, 0);
}

/* Rows for every state come first; what a state does differently overrides them. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct mt_transition table[STATE_COUNT][EVENT_COUNT] = {
#define ROW(state, event, next, act) [STATE_##state][EVENT_##event] = {STATE_##next, act},
#define ROW_ANY(event, next, act)    [0 ... STATE_COUNT - 1][EVENT_##event] = {STATE_##next, act},
#include "smtp.def"
#undef ROW
#undef ROW_ANY
};
#pragma GCC diagnostic pop

/* 4954 4 would have an AUTH with a long initial response sent in two lines; few who send a token do. */
static uint32_t command_max(uint32_t verb)
{
	switch (verb) {
	case VERB_MAIL:
		return MAIL_MAX_BYTES;
	case VERB_RCPT:
		return RCPT_MAX_BYTES;
	case VERB_AUTH:
		return MT_DIALOGUE_SASL_MAX;
	default:
		return LINE_MAX_BYTES;
	}
}

static void client_line(struct mt_mail *mail, const struct mt_mail_env *env, const struct mt_line *line)
{
	struct mt_span text = mt_span_trim(line->text);
	struct mt_turn turn = {.mail = mail, .env = env, .line = line};

	if (mail->position == STATE_AUTH) {
		mt_dialogue_limit(mail, env, line->bytes, MT_DIALOGUE_SASL_MAX);
		mt_dialogue_step(&turn, EVENT_SECRET);
		return;
	}
	if (mt_dialogue_is_wrapped(mail, line))
		return;
	turn.rest = text;
	turn.verb = mt_match_first(env->commands[MT_PROTOCOL_SMTP], env->scratch, text);
	struct mt_span word = mt_span_word(&turn.rest);
	if (turn.verb == MT_MATCH_NONE)
		turn.verb = mt_dialogue_keyword(long_commands, MT_ARRAY_LEN(long_commands), word);
	if (turn.verb == MT_MATCH_NONE)
		turn.verb = VERB_OTHER;
	mt_dialogue_limit(mail, env, line->bytes, command_max(turn.verb));
	if (!mail->facts.has_client_line)
		hear_first(&turn);
	mail->facts.has_client_line = true;
	smtp_of(mail)->is_list_short = false;
	mt_dialogue_step(&turn, verbs[turn.verb].send);
}

/* One line of an EHLO reply behind its first: a keyword, perhaps with parameters (5321 4.1.1.1). */
static void read_capability(struct mt_turn *turn)
{
	struct smtp *smtp = smtp_of(turn->mail);
	struct mt_span word = mt_span_word(&turn->rest);
	uint32_t token = mt_dialogue_keyword(capabilities, MT_ARRAY_LEN(capabilities), word);

	smtp->masks += smtp->masks < UINT8_MAX && mt_dialogue_is_mask(word);
	smtp->has_binarymime |= token == TOKEN_BINARYMIME;
	smtp->has_chunking |= token == TOKEN_CHUNKING;
	if (token == TOKEN_REQUIRETLS)
		note_requiretls(turn);
	mt_dialogue_list_atom(turn->mail, turn->env, word, token == TOKEN_STARTTLS);
}

/* Codes that mean more than yes or no to one command. */
static const struct {
	uint8_t verb;
	uint16_t code;
	uint8_t event;
} special_codes[] = {
    {VERB_DATA, 354, EVENT_DATA_GO},
    {VERB_XEXCH50, 354, EVENT_BLOB_GO},
    {VERB_STARTTLS, 220, EVENT_TLS_GO},
    {VERB_AUTH, 334, EVENT_AUTH_MORE},
};

/* The command that a reply answers. A code that only one command is answered with proves that it is that
 * one's: earlier ones were answered unseen. */
static bool pair(struct smtp *smtp, const struct mt_line *line, uint32_t code)
{
	bool is_known = mt_pending_pop(&smtp->pending, line, &smtp->verb);

	for (size_t i = 0; i < MT_ARRAY_LEN(special_codes); i++)
		while (is_known && special_codes[i].code == code && special_codes[i].verb != smtp->verb &&
		       mt_pending_has(&smtp->pending, special_codes[i].verb))
			is_known = mt_pending_pop(&smtp->pending, line, &smtp->verb);
	return is_known;
}

/* Of a server seen alone, the reply of several lines is the one to EHLO; and some servers end their list
 * behind its first line and go on with it all the same. */
static bool is_list(const struct mt_turn *turn, bool is_last, bool goes_on)
{
	return turn->code == 250 && (goes_on || (turn->mail->is_absent[MT_TO_SERVER] && !is_last));
}

static void open_list(struct mt_turn *turn, bool goes_on)
{
	struct smtp *smtp = smtp_of(turn->mail);

	smtp->masks = 0;
	smtp->has_binarymime = smtp->has_chunking = false;
	if (!goes_on) {
		mt_dialogue_list_begin(turn->mail);
		/* Behind a gap it is whole where it begins right behind what the client had when it asked. */
		if (smtp->is_cut && turn->line->seq != smtp->pending.answered_ack)
			mt_dialogue_list_doubt(turn->mail);
		return;
	}
	mt_dialogue_list_reopen(turn->mail);
	read_capability(turn);
}

/* What a refusal means beside its no. */
static void read_refusal(struct mt_turn *turn)
{
	const struct smtp *smtp = smtp_of(turn->mail);
	uint32_t token = mt_match_first(turn->env->replies[MT_PROTOCOL_SMTP], turn->env->scratch, turn->rest);

	/* To AUTH nothing but the want of TLS is answered so (3207 4; 4954 6 excepts it). */
	if (turn->code == 530 && (token == TOKEN_TLS_POLICY || (smtp->is_known && smtp->verb == VERB_AUTH)))
		turn->mail->facts.is_tls_required = true;
	if (token == TOKEN_MASK_QUOTED && smtp->is_known &&
	    (smtp->verb == VERB_EHLO || smtp->verb == VERB_STARTTLS))
		mt_dialogue_flag(turn->mail, MT_ANOMALY_STARTTLS_MASKED);
}

static void read_first_line(struct mt_turn *turn, bool is_last)
{
	struct smtp *smtp = smtp_of(turn->mail);
	bool goes_on;

	/* A positive reply that is no 220 answers a command: the greeting was never sent, or not seen. */
	smtp->is_greeted |= turn->code / 100 == 3 || (turn->code / 100 == 2 && turn->code != 220);
	smtp->is_known = smtp->is_greeted && pair(smtp, turn->line, turn->code);
	if (!smtp->is_greeted)
		mt_dialogue_banner(turn->mail, turn->env, turn->rest, turn->line->time_ns);
	goes_on = smtp->is_list_short && !smtp->is_known;
	if (!smtp->is_known && is_list(turn, is_last, goes_on)) {
		smtp->is_known = true;
		smtp->verb = VERB_EHLO;
	}
	smtp->is_list_short = false;
	if (smtp->is_known && smtp->verb == VERB_EHLO && turn->code == 250) {
		smtp->is_list_short = is_last;
		open_list(turn, goes_on);
	} else if (turn->code / 100 == 5) {
		read_refusal(turn);
	}
}

static unsigned reply_event(const struct smtp *smtp, uint32_t code)
{
	if (!smtp->is_greeted)
		return code == 220 ? EVENT_GREETED : EVENT_REJECTED;
	if (!smtp->is_known && code == 334)
		return EVENT_AUTH_LOST;
	/* Sent before the known commands had come: what it answers was lost, and it decides nothing. */
	if (!smtp->is_known)
		return smtp->pending.count > 0 ? MT_EVENT_NONE : EVENT_STRAY;
	for (size_t i = 0; i < MT_ARRAY_LEN(special_codes); i++)
		if (special_codes[i].verb == smtp->verb && special_codes[i].code == code)
			return special_codes[i].event;
	return code / 100 == 2 ? verbs[smtp->verb].ok : verbs[smtp->verb].no;
}

/* 220 text, 220-text, 220 alone; the code ends a reply where no minus follows it (5321 4.2.1). */
static bool read_code(struct mt_span text, uint32_t *code, bool *is_last)
{
	if (text.len < 3 || !mt_is_digit(text.data[0]) || !mt_is_digit(text.data[1]) ||
	    !mt_is_digit(text.data[2]))
		return false;
	if (text.len > 3 && text.data[3] != '-' && !mt_is_blank(text.data[3]))
		return false;
	*code = (uint32_t)((text.data[0] - '0') * 100 + (text.data[1] - '0') * 10 + (text.data[2] - '0'));
	*is_last = text.len == 3 || text.data[3] != '-';
	return true;
}

static enum mt_seen begins_command(struct mt_span begun)
{
	return mt_dialogue_begins_word(begun, "STARTTLS");
}

static enum mt_seen begins_reply(struct mt_span begun)
{
	for (size_t i = 0; i < 3 && i < begun.len; i++)
		if (!mt_is_digit(begun.data[i]))
			return MT_SEEN_NO;
	if (begun.len < 4)
		return MT_SEEN_NEVER;
	bool is_code = begun.data[0] >= '2' && begun.data[0] <= '5' && begun.data[1] <= '5'; /* 5321 4.2 */
	return is_code && strchr("- \t\r\n", begun.data[3]) != NULL ? MT_SEEN_YES : MT_SEEN_NO;
}

static void server_line(struct mt_mail *mail, const struct mt_mail_env *env, const struct mt_line *line)
{
	struct smtp *smtp = smtp_of(mail);
	struct mt_turn turn = {.mail = mail, .env = env, .line = line};
	bool is_last, has_code = read_code(line->text, &turn.code, &is_last);

	if (mt_dialogue_is_wrapped(mail, line))
		return;
	mt_dialogue_limit(mail, env, line->bytes,
			  has_code && turn.code == 334 ? MT_DIALOGUE_SASL_MAX : LINE_MAX_BYTES);
	if (!has_code)
		return;
	mail->facts.has_server_line = true;
	turn.rest = mt_span_trim(mt_span_after(line->text, 4));
	if (!smtp->is_in_reply)
		read_first_line(&turn, is_last);
	else if (mail->list.is_open)
		read_capability(&turn);
	smtp->is_in_reply = !is_last;
	if (!is_last)
		return;
	smtp->is_cut = false;
	turn.verb = smtp->verb;
	mt_dialogue_step(&turn, reply_event(smtp, turn.code));
}

const struct mt_dialogue mt_smtp_dialogue = {
    .protocol = MT_PROTOCOL_SMTP,
    .commands = commands,
    .command_count = MT_ARRAY_LEN(commands),
    .replies = replies,
    .reply_count = MT_ARRAY_LEN(replies),
    .line_max = {MT_DIALOGUE_SASL_MAX, MT_DIALOGUE_SASL_MAX},
    .table = table[0],
    .events = EVENT_COUNT,
    .skipped = {[MT_TO_SERVER] = EVENT_SKIPPED, [MT_TO_CLIENT] = MT_EVENT_NONE},
    .gap = {[MT_TO_SERVER] = EVENT_GAP_CLIENT, [MT_TO_CLIENT] = EVENT_GAP_SERVER},
    .assume = EVENT_ASSUME,
    .begins_line = {[MT_TO_SERVER] = begins_command, [MT_TO_CLIENT] = begins_reply},
    .client_line = client_line,
    .server_line = server_line,
};
