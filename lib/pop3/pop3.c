/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "pop3.h"

enum state {
#define STATE(id, meaning) STATE_##id,
#include "pop3.def"
#undef STATE
	STATE_COUNT,
	STATE_SAME = MT_STATE_SAME
};

enum event {
#define EVENT(id) EVENT_##id,
#include "pop3.def"
#undef EVENT
	EVENT_COUNT
};

enum verb {
#define VERB(id, word, send, ok, no) VERB_##id,
#include "pop3.def"
#undef VERB
	VERB_COUNT
};

static const struct {
	uint8_t send, ok, no; /* enum event */
} verbs[VERB_COUNT] = {
#define VERB(id, word, send, ok, no) [VERB_##id] = {EVENT_##send, EVENT_##ok, EVENT_##no},
#include "pop3.def"
#undef VERB
};

/* What a server's line begins with, or a word of its list is. */
enum token { TOKEN_OK, TOKEN_ERR, TOKEN_MORE, TOKEN_STLS, TOKEN_IMPLEMENTATION };

static const struct mt_match_row commands[] = {
#define VERB(id, word, send, ok, no) {VERB_##id, word, NULL},
#include "pop3.def"
#undef VERB
};

static const struct mt_match_row replies[] = {
    {TOKEN_OK, "+OK", NULL},
    {TOKEN_ERR, "-ERR", NULL},
    {TOKEN_MORE, "+", NULL},
};

static const struct mt_keyword capabilities[] = {
    MT_KEYWORD(TOKEN_STLS, "STLS"),
    MT_KEYWORD(TOKEN_IMPLEMENTATION, "IMPLEMENTATION"),
};

/* Bytes of a line, CRLF included (2449 3, 4); what belongs to AUTH has no limit of its own (5034 4). */
enum { COMMAND_MAX_BYTES = 255, REPLY_MAX_BYTES = 512 };

/** The dialogue's own part of struct mt_mail. */
struct pop3 {
	uint8_t auth_slot; /* of the authentication under way */
	bool is_greeted;
	bool is_user_named; /* USER came, PASS is to follow */
	bool is_in;	    /* the client has logged in */
	uint8_t secrets;    /* commands with a credential that wait for their reply */
	struct mt_pending pending;
};
mt_static_assert(sizeof(struct pop3) <= MT_DIALOGUE_STATE_BYTES, "must fit into struct mt_mail");

static struct pop3 *pop3_of(struct mt_mail *mail)
{
	return (struct pop3 *)mail->state;
}

static struct mt_framer *client_of(struct mt_turn *turn)
{
	return &turn->mail->framer[MT_TO_SERVER];
}

static struct mt_framer *server_of(struct mt_turn *turn)
{
	return &turn->mail->framer[MT_TO_CLIENT];
}

static void push(struct mt_turn *turn, enum verb verb)
{
	mt_pending_push(&pop3_of(turn->mail)->pending, turn, (uint8_t)verb);
}

/* Replies to a credential repeat the user's name in their text: only their first word is read. */
static void push_secret(struct mt_turn *turn, enum verb verb)
{
	pop3_of(turn->mail)->secrets +=
	    !turn->mail->is_absent[MT_TO_CLIENT] && pop3_of(turn->mail)->secrets < UINT8_MAX;
	server_of(turn)->words_shown = 1;
	push(turn, verb);
}

static void secret_answered(struct mt_turn *turn)
{
	struct pop3 *pop3 = pop3_of(turn->mail);

	pop3->secrets -= pop3->secrets > 0;
	if (pop3->secrets == 0)
		server_of(turn)->words_shown = 0;
}

/* Actions, in the order of a session. */

static void none(struct mt_turn *turn)
{
	(void)turn;
}

static void lose_client(struct mt_turn *turn)
{
	pop3_of(turn->mail)->pending.is_uncertain = true;
}

static void lose_server(struct mt_turn *turn)
{
	struct pop3 *pop3 = pop3_of(turn->mail);

	pop3->pending.is_uncertain = true;
	pop3->is_greeted = true;
	turn->mail->list.is_open = false;
}

static void greet(struct mt_turn *turn)
{
	pop3_of(turn->mail)->is_greeted = true;
	mt_dialogue_banner(turn->mail, turn->env, turn->rest, turn->line->time_ns);
}

static void note_command(struct mt_turn *turn)
{
	push(turn, turn->verb);
}

/* LIST and UIDL of the whole box are answered by lines, of one message by one (1939 5). */
static void note_listing(struct mt_turn *turn)
{
	push(turn, mt_span_trim(turn->rest).len == 0 ? VERB_LISTING : turn->verb);
}

/* STLS is offered before the login alone (2595 4): a later list says nothing about it. */
static void open_list(struct mt_turn *turn)
{
	if (!pop3_of(turn->mail)->is_in)
		mt_dialogue_list_begin(turn->mail);
}

static void keep_capability(struct mt_turn *turn)
{
	struct mt_span rest = turn->rest, word = mt_span_word(&rest);
	uint32_t token = mt_dialogue_keyword(capabilities, MT_ARRAY_LEN(capabilities), word);

	mt_dialogue_list_atom(turn->mail, turn->env, word, token == TOKEN_STLS);
	/* A server whose greeting names no product may name it here (2449 6.9). */
	if (token == TOKEN_IMPLEMENTATION)
		mt_dialogue_software(turn->mail, turn->env, turn->rest);
}

static void close_list(struct mt_turn *turn)
{
	mt_dialogue_list_end(turn->mail);
}

static void skip_lines(struct mt_turn *turn)
{
	mt_framer_set(server_of(turn), MT_FRAMING_BODY, 0);
}

static void count_message(struct mt_turn *turn)
{
	turn->mail->facts.messages++;
}

static void read_commands(struct mt_turn *turn)
{
	mt_framer_set(client_of(turn), MT_FRAMING_LINES, 0);
}

static void begin_user(struct mt_turn *turn)
{
	struct pop3 *pop3 = pop3_of(turn->mail);

	pop3->auth_slot = (uint8_t)mt_dialogue_auth_begins(turn->mail, turn->env, MT_MECHANISM_USER);
	pop3->is_user_named = true;
	push_secret(turn, VERB_USER);
}

static void fail_user(struct mt_turn *turn)
{
	struct pop3 *pop3 = pop3_of(turn->mail);

	secret_answered(turn);
	mt_dialogue_auth_ended(turn->mail, pop3->auth_slot, MT_AUTH_FAILURE);
	pop3->is_user_named = mt_pending_has(&pop3->pending, VERB_PASS);
}

static void send_pass(struct mt_turn *turn)
{
	struct pop3 *pop3 = pop3_of(turn->mail);

	if (!pop3->is_user_named)
		pop3->auth_slot = (uint8_t)mt_dialogue_auth_begins(turn->mail, turn->env, MT_MECHANISM_USER);
	pop3->is_user_named = false;
	mt_dialogue_auth_exposed(turn->mail, pop3->auth_slot);
	push_secret(turn, VERB_PASS);
}

static void begin_apop(struct mt_turn *turn)
{
	pop3_of(turn->mail)->auth_slot =
	    (uint8_t)mt_dialogue_auth_begins(turn->mail, turn->env, MT_MECHANISM_APOP);
	push_secret(turn, VERB_APOP);
}

static void begin_auth(struct mt_turn *turn)
{
	struct pop3 *pop3 = pop3_of(turn->mail);
	struct mt_span rest = turn->rest, name = mt_span_word(&rest);

	if (name.len == 0) {
		turn->mail->position = STATE_READY;
		push(turn, VERB_MECHANISMS);
		return;
	}
	pop3->auth_slot =
	    (uint8_t)mt_dialogue_auth_begins(turn->mail, turn->env, mt_dialogue_mechanism(turn->env, name));
	if (turn->line->is_cut)
		mt_dialogue_auth_exposed(turn->mail, pop3->auth_slot);
	push_secret(turn, VERB_AUTH);
	mt_framer_set(client_of(turn), MT_FRAMING_WAIT, 0);
}

static void hide_response(struct mt_turn *turn)
{
	mt_pending_expect(&pop3_of(turn->mail)->pending, turn, VERB_AUTH);
	mt_framer_set(client_of(turn), MT_FRAMING_SECRET, 0);
}

static void expose(struct mt_turn *turn)
{
	mt_dialogue_auth_exposed(turn->mail, pop3_of(turn->mail)->auth_slot);
	mt_framer_set(client_of(turn), MT_FRAMING_WAIT, 0);
}

static void hide_all(struct mt_turn *turn)
{
	lose_server(turn);
	mt_framer_set(client_of(turn), MT_FRAMING_SKIP, 0);
}

static void end_auth(struct mt_turn *turn, enum mt_auth outcome)
{
	secret_answered(turn);
	mt_dialogue_auth_ended(turn->mail, pop3_of(turn->mail)->auth_slot, outcome);
	if (turn->verb == VERB_AUTH)
		read_commands(turn);
}

static void succeed_auth(struct mt_turn *turn)
{
	pop3_of(turn->mail)->is_in = true;
	end_auth(turn, MT_AUTH_SUCCESS);
}

static void fail_auth(struct mt_turn *turn)
{
	end_auth(turn, MT_AUTH_FAILURE);
}

static void ask_tls(struct mt_turn *turn)
{
	push(turn, VERB_STLS);
	mt_dialogue_starttls_asked(turn->mail, turn->line);
}

static void accept_tls(struct mt_turn *turn)
{
	mt_dialogue_starttls_answered(turn->mail, turn->line, true, mt_span_text("+OK"));
}

static void refuse_tls(struct mt_turn *turn)
{
	mt_dialogue_starttls_answered(turn->mail, turn->line, false, mt_span_text("ERR"));
}

static void await_tls(struct mt_turn *turn)
{
	lose_server(turn);
	turn->mail->stage = MT_STAGE_ACCEPTED;
	read_commands(turn);
}

/* Rows for every state come first; what a state does differently overrides them. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct mt_transition table[STATE_COUNT][EVENT_COUNT] = {
#define ROW(state, event, next, act) [STATE_##state][EVENT_##event] = {STATE_##next, act},
#define ROW_ANY(event, next, act)    [0 ... STATE_COUNT - 1][EVENT_##event] = {STATE_##next, act},
#include "pop3.def"
#undef ROW
#undef ROW_ANY
};
#pragma GCC diagnostic pop

static void client_line(struct mt_mail *mail, const struct mt_mail_env *env, const struct mt_line *line)
{
	struct mt_turn turn = {.mail = mail, .env = env, .line = line};

	if (mail->position == STATE_AUTH) {
		mt_dialogue_limit(mail, env, line->bytes, MT_DIALOGUE_SASL_MAX);
		mt_dialogue_step(&turn, EVENT_SECRET);
		return;
	}
	if (mt_dialogue_is_wrapped(mail, line))
		return;
	turn.rest = mt_span_trim(line->text);
	turn.verb = mt_match_first(env->commands[MT_PROTOCOL_POP3], env->scratch, turn.rest);
	if (turn.verb == MT_MATCH_NONE)
		turn.verb = VERB_OTHER;
	mt_span_word(&turn.rest);
	mt_dialogue_limit(mail, env, line->bytes,
			  turn.verb == VERB_AUTH ? MT_DIALOGUE_SASL_MAX : COMMAND_MAX_BYTES);
	mail->facts.has_client_line = true;
	mt_dialogue_step(&turn, verbs[turn.verb].send);
}

static enum event reply_event(struct pop3 *pop3, struct mt_turn *turn)
{
	uint8_t verb;

	if (!pop3->is_greeted)
		return turn->code == TOKEN_OK ? EVENT_GREETED : EVENT_REJECTED;
	if (!mt_pending_pop(&pop3->pending, turn->line, &verb))
		return EVENT_STRAY;
	turn->verb = verb;
	if (turn->code == TOKEN_MORE)
		return verb == VERB_AUTH ? EVENT_AUTH_MORE : EVENT_STRAY;
	if (verb == VERB_USER && turn->code == TOKEN_OK)
		secret_answered(turn);
	return turn->code == TOKEN_OK ? verbs[verb].ok : verbs[verb].no;
}

static enum mt_seen begins_command(struct mt_span begun)
{
	return mt_dialogue_begins_word(begun, "STLS");
}

static enum mt_seen begins_reply(struct mt_span begun)
{
	return mt_dialogue_either(mt_dialogue_begins_word(begun, "+OK"),
				  mt_dialogue_begins_word(begun, "-ERR"));
}

static void server_line(struct mt_mail *mail, const struct mt_mail_env *env, const struct mt_line *line)
{
	struct pop3 *pop3 = pop3_of(mail);
	struct mt_turn turn = {.mail = mail, .env = env, .line = line};

	if (mt_dialogue_is_wrapped(mail, line))
		return;
	turn.code = mt_match_first(env->replies[MT_PROTOCOL_POP3], env->scratch, line->text);
	turn.rest = line->text;
	mt_dialogue_limit(mail, env, line->bytes,
			  turn.code == TOKEN_MORE ? MT_DIALOGUE_SASL_MAX : REPLY_MAX_BYTES);
	if (mail->list.is_open) {
		mt_dialogue_step(&turn, mt_span_is(line->text, ".") ? EVENT_LIST_END : EVENT_LIST_LINE);
		return;
	}
	if (turn.code > TOKEN_MORE)
		return;
	mail->facts.has_server_line = true;
	mt_span_word(&turn.rest);
	turn.rest = mt_span_trim(turn.rest);
	mt_dialogue_step(&turn, reply_event(pop3, &turn));
}

const struct mt_dialogue mt_pop3_dialogue = {
    .protocol = MT_PROTOCOL_POP3,
    .commands = commands,
    .command_count = MT_ARRAY_LEN(commands),
    .replies = replies,
    .reply_count = MT_ARRAY_LEN(replies),
    .line_max = {MT_DIALOGUE_SASL_MAX, MT_DIALOGUE_SASL_MAX},
    .table = table[0],
    .events = EVENT_COUNT,
    .skipped = {[MT_TO_SERVER] = MT_EVENT_NONE, [MT_TO_CLIENT] = EVENT_SKIPPED},
    .gap = {[MT_TO_SERVER] = EVENT_GAP_CLIENT, [MT_TO_CLIENT] = EVENT_GAP_SERVER},
    .assume = EVENT_ASSUME,
    .begins_line = {[MT_TO_SERVER] = begins_command, [MT_TO_CLIENT] = begins_reply},
    .client_line = client_line,
    .server_line = server_line,
};
