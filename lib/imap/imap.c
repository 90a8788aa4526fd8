/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "imap.h"

/* Bytes of a client's line, CRLF included, between literals (7162 4). A server's line has no limit: the
 * answer to a SEARCH is one line, and so is a message's structure. */
#define COMMAND_MAX_BYTES 8192

#define REMEMBERED_MAX 8  /* commands whose tagged answer matters, waiting at one time */
#define TAG_KEPT       24 /* bytes of a tag kept; the rest is compared by a sum */

enum state {
#define STATE(id, meaning) STATE_##id,
#include "imap.def"
#undef STATE
	STATE_COUNT,
	STATE_SAME = MT_STATE_SAME
};

enum event {
#define EVENT(id) EVENT_##id,
#include "imap.def"
#undef EVENT
	EVENT_COUNT
};

enum verb {
#define VERB(id, word, send) VERB_##id,
#include "imap.def"
#undef VERB
	VERB_COUNT
};

static const uint8_t send_event[VERB_COUNT] = {
#define VERB(id, word, send) [VERB_##id] = EVENT_##send,
#include "imap.def"
#undef VERB
};

/* What a word of the server's line is. */
enum token {
	TOKEN_OK,
	TOKEN_NO,
	TOKEN_BAD,
	TOKEN_PREAUTH,
	TOKEN_BYE,
	TOKEN_CAPABILITY,
	TOKEN_STARTTLS,
	TOKEN_LOGINDISABLED,
	TOKEN_DATA,
};

static const struct mt_match_row commands[] = {
#define VERB(id, word, send) {VERB_##id, word, NULL},
#include "imap.def"
#undef VERB
};

static const struct mt_keyword long_commands[] = {
    MT_KEYWORD(VERB_AUTHENTICATE, "AUTHENTICATE"),
    MT_KEYWORD(VERB_UNAUTHENTICATE, "UNAUTHENTICATE"),
};

static const struct mt_match_row replies[] = {
    {TOKEN_DATA, "LIST", NULL}, /* of somebody's mailboxes (9051 7.3), and what begins with a number */
    {TOKEN_DATA, "LSUB", NULL},	 {TOKEN_DATA, "STATUS", NULL},	   {TOKEN_DATA, "SEARCH", NULL},
    {TOKEN_DATA, "FLAGS", NULL}, {TOKEN_OK, "OK", NULL},	   {TOKEN_NO, "NO", NULL},
    {TOKEN_BAD, "BAD", NULL},	 {TOKEN_PREAUTH, "PREAUTH", NULL}, {TOKEN_BYE, "BYE", NULL},
};

static const struct mt_keyword capabilities[] = {
    MT_KEYWORD(TOKEN_STARTTLS, "STARTTLS"),
    MT_KEYWORD(TOKEN_LOGINDISABLED, "LOGINDISABLED"),
};

/** A tag, matched exactly and with its case (9051 2.2.1). */
struct tag {
	uint8_t kept[TAG_KEPT];
	uint32_t len;
	uint32_t sum; /* of the bytes behind those kept */
};

/** The dialogue's own part of struct mt_mail. */
struct imap {
	struct {
		struct tag tag;
		uint8_t verb; /* VERB_COUNT marks a free place */
		uint8_t slot; /* of the authentication */
	} remembered[REMEMBERED_MAX];
	uint8_t secrets;   /* remembered commands with a credential */
	uint8_t auth_slot; /* of the SASL exchange under way */
	uint8_t command;   /* verb of the command whose literal is being read */
	bool is_greeted;
	bool is_continuation;	     /* the next client line goes on with a command */
	bool is_server_continuation; /* the next server line goes on behind a literal */
	bool is_authenticated;
	bool is_login_doubtful; /* bytes were lost, and a login with them for all that is known */
};
mt_static_assert(sizeof(struct imap) <= MT_DIALOGUE_STATE_BYTES, "must fit into struct mt_mail");

static struct imap *imap_of(struct mt_mail *mail)
{
	return (struct imap *)mail->state;
}

static struct mt_framer *client_of(struct mt_turn *turn)
{
	return &turn->mail->framer[MT_TO_SERVER];
}

static struct tag tag_of(struct mt_span word)
{
	struct tag tag = {.len = (uint32_t)word.len};

	memcpy(tag.kept, word.data, word.len < TAG_KEPT ? word.len : TAG_KEPT);
	for (size_t i = TAG_KEPT; i < word.len; i++)
		tag.sum = tag.sum * 31 + word.data[i];
	return tag;
}

/* The turn's rest begins with the tag while a command is remembered. */
static void remember_as(struct mt_turn *turn, enum verb verb, unsigned slot)
{
	struct imap *imap = imap_of(turn->mail);
	struct mt_span text = turn->line->text;
	unsigned place = 0;

	if (turn->mail->is_absent[MT_TO_CLIENT])
		return;
	while (place < REMEMBERED_MAX && imap->remembered[place].verb != VERB_COUNT)
		place++;
	if (place == REMEMBERED_MAX) {
		turn->env->cells[MT_CELL1(LOST, MT_LOSS_PENDING_LIMIT)]++;
		place = 0;
	}
	imap->remembered[place].tag = tag_of(mt_span_word(&text));
	imap->remembered[place].verb = (uint8_t)verb;
	imap->remembered[place].slot = (uint8_t)slot;
}

static void guard_replies(struct mt_turn *turn)
{
	/* Tag and word: what follows repeats user names. */
	imap_of(turn->mail)->secrets += imap_of(turn->mail)->secrets < UINT8_MAX;
	turn->mail->framer[MT_TO_CLIENT].words_shown = 2;
}

/* Actions, in the order of a session. */

static void none(struct mt_turn *turn)
{
	(void)turn;
}

static void lose_client(struct mt_turn *turn)
{
	imap_of(turn->mail)->is_login_doubtful = true;
	imap_of(turn->mail)->is_continuation = false;
}

static void lose_server(struct mt_turn *turn)
{
	imap_of(turn->mail)->is_login_doubtful = true;
	imap_of(turn->mail)->is_greeted = true;
	imap_of(turn->mail)->is_server_continuation = false;
	turn->mail->list.is_open = false;
}

static void remember(struct mt_turn *turn)
{
	remember_as(turn, turn->verb, 0);
}

static void ask_tls(struct mt_turn *turn)
{
	remember_as(turn, VERB_STARTTLS, 0);
	mt_dialogue_starttls_asked(turn->mail, turn->line);
}

static void begin_login(struct mt_turn *turn)
{
	unsigned slot = mt_dialogue_auth_begins(turn->mail, turn->env, MT_MECHANISM_LOGIN);

	remember_as(turn, VERB_LOGIN, slot);
	mt_dialogue_auth_exposed(turn->mail, slot);
	if (turn->mail->facts.is_login_disabled)
		mt_dialogue_flag(turn->mail, MT_ANOMALY_LOGIN_DESPITE_DISABLED);
	guard_replies(turn);
}

static void begin_auth(struct mt_turn *turn)
{
	struct imap *imap = imap_of(turn->mail);
	struct mt_span rest = turn->rest;

	imap->auth_slot = (uint8_t)mt_dialogue_auth_begins(
	    turn->mail, turn->env, mt_dialogue_mechanism(turn->env, mt_span_word(&rest)));
	remember_as(turn, VERB_AUTHENTICATE, imap->auth_slot);
	if (turn->line->is_cut)
		mt_dialogue_auth_exposed(turn->mail, imap->auth_slot);
	guard_replies(turn);
	mt_framer_set(client_of(turn), MT_FRAMING_WAIT, 0);
}

static void hide_response(struct mt_turn *turn)
{
	mt_framer_set(client_of(turn), MT_FRAMING_SECRET, 0);
}

static void expose(struct mt_turn *turn)
{
	mt_dialogue_auth_exposed(turn->mail, imap_of(turn->mail)->auth_slot);
	mt_framer_set(client_of(turn), MT_FRAMING_WAIT, 0);
}

static void hide_all(struct mt_turn *turn)
{
	lose_server(turn);
	mt_framer_set(client_of(turn), MT_FRAMING_SKIP, 0);
}

static void wait_literal(struct mt_turn *turn)
{
	struct imap *imap = imap_of(turn->mail);

	/* Whose answer would refuse the literal must be known, whatever the command. */
	if (!imap->is_continuation && turn->verb == VERB_OTHER)
		remember_as(turn, VERB_OTHER, 0);
	mt_framer_set(client_of(turn), MT_FRAMING_WAIT, turn->line->literal_bytes);
}

static void skip_literal(struct mt_turn *turn)
{
	struct mt_framer *client = client_of(turn);

	imap_of(turn->mail)->is_continuation = true;
	/* The count was noted with the line; behind a wait it stands in the framer. */
	mt_framer_set(client, MT_FRAMING_COUNT,
		      turn->line != NULL && turn->line->has_literal ? turn->line->literal_bytes
								    : client->count);
	if (client->mode == MT_FRAMING_LINES && imap_of(turn->mail)->command == VERB_LOGIN)
		mt_framer_set(client, MT_FRAMING_SECRET, 0);
}

/* The go-ahead, or the refusal, was lost. */
static void guess_literal(struct mt_turn *turn)
{
	lose_server(turn);
	skip_literal(turn);
}

/* Behind a literal the command's line goes on; behind one of LOGIN it is a credential still. */
static void go_on(struct mt_turn *turn)
{
	if (imap_of(turn->mail)->command == VERB_LOGIN)
		mt_framer_set(client_of(turn), MT_FRAMING_SECRET, 0);
}

static void read_commands(struct mt_turn *turn)
{
	imap_of(turn->mail)->is_continuation = false;
	mt_framer_set(client_of(turn), MT_FRAMING_LINES, 0);
}

static void end_auth(struct mt_turn *turn, enum mt_auth outcome)
{
	struct imap *imap = imap_of(turn->mail);

	mt_dialogue_auth_ended(turn->mail, turn->note, outcome);
	imap->is_authenticated |= outcome == MT_AUTH_SUCCESS;
	imap->secrets -= imap->secrets > 0;
	if (imap->secrets == 0)
		turn->mail->framer[MT_TO_CLIENT].words_shown = 0;
	/* A STARTTLS sent in one go with the LOGIN waits for its own answer. */
	if (turn->mail->stage == MT_STAGE_CLEAR &&
	    (client_of(turn)->mode == MT_FRAMING_WAIT || client_of(turn)->mode == MT_FRAMING_SKIP ||
	     client_of(turn)->mode == MT_FRAMING_SECRET))
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

static void count_message(struct mt_turn *turn)
{
	turn->mail->facts.messages++;
}

/* From here on both directions are compressed: binary, and no TLS (4978 3). */
static void go_dark(struct mt_turn *turn)
{
	turn->mail->stage = MT_STAGE_OPAQUE;
}

/* As in front of the login: what is offered counts again, and STARTTLS is possible. */
static void begin_again(struct mt_turn *turn)
{
	imap_of(turn->mail)->is_authenticated = false;
}

static void accept_tls(struct mt_turn *turn)
{
	mt_dialogue_starttls_answered(turn->mail, turn->line, true, mt_span_text("OK"));
}

static void refuse_tls(struct mt_turn *turn)
{
	mt_dialogue_starttls_answered(turn->mail, turn->line, false,
				      mt_span_text(turn->code == TOKEN_NO ? "NO" : "BAD"));
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
#include "imap.def"
#undef ROW
#undef ROW_ANY
};
#pragma GCC diagnostic pop

static void begin(struct mt_mail *mail)
{
	struct imap *imap = imap_of(mail);

	for (unsigned i = 0; i < REMEMBERED_MAX; i++)
		imap->remembered[i].verb = VERB_COUNT;
	mail->framer[MT_TO_SERVER].has_literals = true;
	mail->framer[MT_TO_CLIENT].has_literals = true;
}

static uint32_t token_of(struct mt_turn *turn, struct mt_span word)
{
	if (mt_span_is(word, "CAPABILITY"))
		return TOKEN_CAPABILITY;
	return mt_match_first(turn->env->replies[MT_PROTOCOL_IMAP], turn->env->scratch, word);
}

static void read_command(struct mt_turn *turn)
{
	struct imap *imap = imap_of(turn->mail);

	turn->rest = mt_span_trim(turn->line->text);
	mt_span_word(&turn->rest);
	turn->verb = mt_match_first(turn->env->commands[MT_PROTOCOL_IMAP], turn->env->scratch,
				    mt_span_trim(turn->rest));
	struct mt_span word = mt_span_word(&turn->rest);
	if (turn->verb == MT_MATCH_NONE)
		turn->verb = mt_dialogue_keyword(long_commands, MT_ARRAY_LEN(long_commands), word);
	if (turn->verb == MT_MATCH_NONE)
		turn->verb = VERB_OTHER;
	turn->mail->facts.has_client_line = true;
	imap->command = (uint8_t)turn->verb;
	mt_dialogue_step(turn, send_event[turn->verb]);
}

static void client_line(struct mt_mail *mail, const struct mt_mail_env *env, const struct mt_line *line)
{
	struct imap *imap = imap_of(mail);
	struct mt_turn turn = {.mail = mail, .env = env, .line = line, .verb = VERB_OTHER};

	if (mail->position == STATE_AUTH) {
		mt_dialogue_limit(mail, env, line->bytes, MT_DIALOGUE_SASL_MAX);
		mt_dialogue_step(&turn, EVENT_SECRET);
		return;
	}
	if (mt_dialogue_is_wrapped(mail, line))
		return;
	if (!imap->is_continuation)
		read_command(&turn);
	mt_dialogue_limit(mail, env, line->bytes,
			  imap->command == VERB_AUTHENTICATE ? MT_DIALOGUE_SASL_MAX : COMMAND_MAX_BYTES);
	/* AUTHENTICATE takes no literal, and STARTTLS no argument. */
	if (line->has_literal && mail->position != STATE_AUTH && mail->position != STATE_ASKED)
		mt_dialogue_step(&turn, line->is_literal_sync ? EVENT_LITERAL_SYNC : EVENT_LITERAL_NOW);
	else
		imap->is_continuation = false;
}

/* Atoms up to the end or a closing bracket (9051 7.2.2). */
static void read_capabilities(struct mt_turn *turn, struct mt_span atoms)
{
	bool has_mask = false, is_disabled = false;
	struct mt_span atom;

	/* What a client is told once it is in says nothing about STARTTLS; nor does half a list. */
	if (imap_of(turn->mail)->is_authenticated || turn->line->is_cut)
		return;
	const uint8_t *end = memchr(atoms.data, ']', atoms.len);
	if (end != NULL)
		atoms.len = (size_t)(end - atoms.data);
	mt_dialogue_list_begin(turn->mail);
	while ((atom = mt_span_word(&atoms)).len > 0) {
		uint32_t token = mt_dialogue_keyword(capabilities, MT_ARRAY_LEN(capabilities), atom);

		has_mask |= mt_dialogue_is_mask(atom);
		is_disabled |= token == TOKEN_LOGINDISABLED;
		mt_dialogue_list_atom(turn->mail, turn->env, atom, token == TOKEN_STARTTLS);
	}
	if (has_mask)
		mt_dialogue_list_masked(turn->mail);
	turn->mail->facts.is_login_disabled = is_disabled;
	mt_dialogue_list_end(turn->mail);
}

/* What clients may believe before they know whom they talk to is of use to whoever stands in between. */
static void note_before_login(struct mt_turn *turn, enum mt_note note)
{
	const struct imap *imap = imap_of(turn->mail);
	bool is_in = imap->is_authenticated || turn->mail->facts.anomalies >> MT_ANOMALY_PREAUTH_IN_CLEAR & 1;
	bool is_doubtful = imap->is_login_doubtful || turn->mail->is_absent[MT_TO_SERVER];

	if (!is_in && !is_doubtful)
		mt_dialogue_note(turn->mail, note);
}

/* A response code in brackets may bring the list (9051 7.1). */
static void read_response_code(struct mt_turn *turn)
{
	struct mt_span code = mt_span_trim(turn->rest);

	if (mt_span_begins(code, "[ALERT]"))
		note_before_login(turn, MT_NOTE_ALERT_BEFORE_LOGIN); /* 9051 7.1 */
	if (mt_span_begins(code, "[REFERRAL "))
		note_before_login(turn, MT_NOTE_REFERRAL_BEFORE_LOGIN); /* 2221 4 */
	if (!mt_span_begins(code, "[CAPABILITY "))
		return;
	code = mt_span_after(code, strlen("[CAPABILITY "));
	if (memchr(code.data, ']', code.len) != NULL)
		read_capabilities(turn, code);
}

static void greet(struct mt_turn *turn)
{
	struct mt_span text = mt_span_trim(turn->rest);

	imap_of(turn->mail)->is_greeted = true;
	if (turn->code == TOKEN_PREAUTH) {
		const uint8_t *end = memchr(text.data, ']', text.len);

		mt_dialogue_flag(turn->mail, MT_ANOMALY_PREAUTH_IN_CLEAR);
		/* "Logged in as" names a user: only the response code is kept (CONTRACT.md 2). */
		text.len =
		    text.len > 0 && text.data[0] == '[' && end != NULL ? (size_t)(end - text.data) + 1 : 0;
	}
	mt_dialogue_banner(turn->mail, turn->env, text, turn->line->time_ns);
}

static void untagged(struct mt_turn *turn)
{
	struct mt_span rest = turn->rest;

	struct mt_span word = mt_span_word(&rest);

	turn->code = token_of(turn, word);
	turn->rest = rest;
	if (turn->code == TOKEN_CAPABILITY) {
		read_capabilities(turn, rest);
	} else if (turn->code == TOKEN_DATA || (word.len > 0 && mt_is_digit(word.data[0]))) {
		note_before_login(turn, MT_NOTE_DATA_BEFORE_LOGIN);
	} else if (turn->code <= TOKEN_BYE) {
		if (!imap_of(turn->mail)->is_greeted)
			greet(turn);
		read_response_code(turn);
	}
}

/* The answer to a remembered command: OK is yes, NO and BAD are no (9051 7.1). */
static enum event answer_event(enum verb verb, bool is_ok)
{
	switch (verb) {
	case VERB_STARTTLS:
		return is_ok ? EVENT_TLS_OK : EVENT_TLS_NO;
	case VERB_LOGIN:
		return is_ok ? EVENT_LOGIN_OK : EVENT_LOGIN_NO;
	case VERB_AUTHENTICATE:
		return is_ok ? EVENT_AUTH_OK : EVENT_AUTH_NO;
	case VERB_APPEND:
		return is_ok ? EVENT_APPEND_OK : EVENT_PLAIN;
	case VERB_COMPRESS:
		return is_ok ? EVENT_COMPRESS_OK : EVENT_PLAIN;
	case VERB_UNAUTHENTICATE:
		return is_ok ? EVENT_UNAUTH_OK : EVENT_PLAIN;
	default:
		return EVENT_PLAIN;
	}
}

static void tagged(struct mt_turn *turn, struct mt_span word)
{
	struct imap *imap = imap_of(turn->mail);
	struct tag tag = tag_of(word);
	struct mt_span rest = turn->rest;

	turn->code = token_of(turn, mt_span_word(&rest));
	turn->rest = rest;
	if (turn->code > TOKEN_BAD)
		return;
	for (unsigned i = 0; i < REMEMBERED_MAX; i++) {
		enum verb verb = imap->remembered[i].verb;

		if (verb == VERB_COUNT || memcmp(&imap->remembered[i].tag, &tag, sizeof(tag)) != 0)
			continue;
		imap->remembered[i].verb = VERB_COUNT;
		turn->note = imap->remembered[i].slot;
		mt_dialogue_step(turn, answer_event(verb, turn->code == TOKEN_OK));
		break;
	}
	read_response_code(turn);
}

/* A tag and this word behind it. */
static enum mt_seen begins_tagged(struct mt_span begun, const char *word)
{
	size_t tag = 0;

	while (tag < begun.len && begun.data[tag] > ' ' && begun.data[tag] < 0x7f)
		tag++;
	if (tag == begun.len)
		return MT_SEEN_NEVER;
	return tag > 0 && begun.data[tag] == ' '
		   ? mt_dialogue_begins_word(mt_span_after(begun, tag + 1), word)
		   : MT_SEEN_NO;
}

static enum mt_seen begins_command(struct mt_span begun)
{
	return begins_tagged(begun, "STARTTLS");
}

static enum mt_seen begins_reply(struct mt_span begun)
{
	enum mt_seen answer = mt_dialogue_begins_word(begun, "*");

	answer = mt_dialogue_either(answer, begins_tagged(begun, "OK"));
	answer = mt_dialogue_either(answer, begins_tagged(begun, "NO"));
	return mt_dialogue_either(answer, begins_tagged(begun, "BAD"));
}

static void server_line(struct mt_mail *mail, const struct mt_mail_env *env, const struct mt_line *line)
{
	struct imap *imap = imap_of(mail);
	struct mt_turn turn = {.mail = mail, .env = env, .line = line};
	bool is_continuation = imap->is_server_continuation;

	if (mt_dialogue_is_wrapped(mail, line))
		return;
	imap->is_server_continuation = line->has_literal;
	if (line->has_literal)
		mt_framer_set(&mail->framer[MT_TO_CLIENT], MT_FRAMING_COUNT, line->literal_bytes);
	if (is_continuation)
		return;
	turn.rest = line->text;
	struct mt_span word = mt_span_word(&turn.rest);
	mail->facts.has_server_line |= word.len > 0;
	if (mt_span_is(word, "*"))
		untagged(&turn);
	else if (mt_span_is(word, "+"))
		mt_dialogue_step(&turn, EVENT_GO_AHEAD);
	else if (word.len > 0)
		tagged(&turn, word);
}

const struct mt_dialogue mt_imap_dialogue = {
    .protocol = MT_PROTOCOL_IMAP,
    .commands = commands,
    .command_count = MT_ARRAY_LEN(commands),
    .replies = replies,
    .reply_count = MT_ARRAY_LEN(replies),
    .line_max = {[MT_TO_SERVER] = MT_DIALOGUE_SASL_MAX, [MT_TO_CLIENT] = UINT32_MAX},
    .table = table[0],
    .events = EVENT_COUNT,
    .skipped = {[MT_TO_SERVER] = EVENT_SKIPPED, [MT_TO_CLIENT] = MT_EVENT_NONE},
    .gap = {[MT_TO_SERVER] = EVENT_GAP_CLIENT, [MT_TO_CLIENT] = EVENT_GAP_SERVER},
    .assume = EVENT_ASSUME,
    .begin = begin,
    .begins_line = {[MT_TO_SERVER] = begins_command, [MT_TO_CLIENT] = begins_reply},
    .client_line = client_line,
    .server_line = server_line,
};
