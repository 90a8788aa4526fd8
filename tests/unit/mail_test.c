/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dialogue.h"

static uint64_t cells[MT_COUNTERS_FIXED_CELLS];
static struct mt_mail mail;
static struct mt_mail_env env = {.cells = cells};
static uint8_t buffer[MT_DIRECTION_COUNT][64];

static int start(void **state)
{
	(void)state;
	memset(cells, 0, sizeof(cells));
	memset(&mail, 0, sizeof(mail));
	for (unsigned i = 0; i < MT_DIRECTION_COUNT; i++)
		mt_framer_init(&mail.framer[i], (enum mt_direction)i, buffer[i], sizeof(buffer[i]));
	return 0;
}

static uint64_t lost(enum mt_loss loss)
{
	return cells[MT_CELL1(LOST, loss)];
}

static bool is_flagged(enum mt_anomaly anomaly)
{
	return mail.facts.anomalies >> anomaly & 1;
}

static void assert_text(struct mt_text text, const char *expected)
{
	struct mt_span span = mt_facts_text(&mail.facts, text);

	assert_int_equal(span.len, strlen(expected));
	assert_memory_equal(span.data, expected, span.len);
}

/* The capabilities kept, blanks between. */
static void assert_list(const char *expected)
{
	struct mt_span rest = mt_facts_text(&mail.facts, mail.facts.capabilities), item;
	char text[MT_MAIL_TEXT_MAX * 2] = "";
	unsigned count = 0;

	for (; mt_facts_next_item(&rest, &item); count++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s", count > 0 ? " " : "",
			 (int)item.len, (const char *)item.data);
	assert_string_equal(text, expected);
	assert_int_equal(count, mail.facts.capability_count);
}

static void put_list(const char *atoms, bool has_starttls)
{
	struct mt_span rest = mt_span_text(atoms), atom;

	mt_dialogue_list_begin(&mail);
	while ((atom = mt_span_word(&rest)).len > 0)
		mt_dialogue_list_atom(&mail, &env, guarded(atom.data, atom.len),
				      has_starttls && mt_span_is(atom, "STARTTLS"));
	mt_dialogue_list_end(&mail);
}

/* The store. */

static void text_is_kept_until_the_store_is_full_and_then_counted(void **state)
{
	(void)state;
	char piece[256];
	struct mt_text kept[MT_MAIL_TEXT_MAX / 256];

	for (unsigned i = 0; i < MT_ARRAY_LEN(kept); i++) {
		memset(piece, 'a' + (int)i, sizeof(piece));
		kept[i] = mt_dialogue_keep_text(&mail, &env, guarded(piece, sizeof(piece)));
		assert_int_equal(kept[i].len, sizeof(piece));
	}
	assert_int_equal(lost(MT_LOSS_TEXT_LIMIT), 0);
	assert_int_equal(mail.facts.text_len, MT_MAIL_TEXT_MAX);
	assert_int_equal(mt_dialogue_keep_text(&mail, &env, mt_span("x", 1)).len, 0);
	assert_int_equal(lost(MT_LOSS_TEXT_LIMIT), 1);
	for (unsigned i = 0; i < MT_ARRAY_LEN(kept); i++) {
		struct mt_span text = mt_facts_text(&mail.facts, kept[i]);

		assert_int_equal(text.data[0], 'a' + (int)i);
		assert_int_equal(text.data[255], 'a' + (int)i);
	}
}

static void only_the_first_greeting_is_kept_and_no_more_than_its_limit(void **state)
{
	(void)state;
	char greeting[MT_MAIL_BANNER_MAX + 10];

	memset(greeting, 'g', sizeof(greeting));
	mt_dialogue_banner(&mail, &env, guarded(greeting, sizeof(greeting)), 5);
	mt_dialogue_banner(&mail, &env, mt_span_text("another"), 6);
	assert_int_equal(mail.facts.banner.len, MT_MAIL_BANNER_MAX);
	assert_int_equal(mail.facts.greeting_ns, 5);
	assert_int_equal(mail.facts.text_len, MT_MAIL_BANNER_MAX);
}

static void a_client_name_that_is_an_address_is_not_kept(void **state)
{
	(void)state;
	char name[300];

	mt_dialogue_client_name(&mail, &env, mt_span_text("someone@example.org"));
	assert_int_equal(mail.facts.client_name.len, 0);
	assert_int_equal(mail.facts.text_len, 0);
	memset(name, 'n', sizeof(name));
	mt_dialogue_client_name(&mail, &env, guarded(name, sizeof(name)));
	assert_int_equal(mail.facts.client_name.len, MT_MAIL_NAME_MAX);
	mt_dialogue_client_name(&mail, &env, mt_span_text("another"));
	assert_int_equal(mail.facts.client_name.len, MT_MAIL_NAME_MAX);
}

/* Capability lists. */

static void a_whole_list_is_kept_in_upper_case(void **state)
{
	(void)state;
	mt_dialogue_client_name(&mail, &env, mt_span_text("client.example"));
	put_list("size 8bitmime starttls", true);
	assert_list("SIZE 8BITMIME STARTTLS");
	assert_int_equal(mail.facts.offered, MT_SEEN_YES);
	assert_text(mail.facts.client_name, "client.example");
}

static void until_its_end_a_list_changes_nothing(void **state)
{
	(void)state;
	put_list("SIZE", false);
	assert_int_equal(mail.facts.offered, MT_SEEN_NO);
	mt_dialogue_list_begin(&mail);
	mt_dialogue_list_atom(&mail, &env, mt_span_text("STARTTLS"), true);
	assert_list("SIZE");
	assert_int_equal(mail.facts.offered, MT_SEEN_NO);
	/* A gap: G9, nothing is inferred from half a list. */
	mail.list.is_open = false;
	mt_dialogue_list_end(&mail);
	mt_dialogue_list_atom(&mail, &env, mt_span_text("STARTTLS"), true);
	assert_list("SIZE");
	assert_int_equal(mail.facts.offered, MT_SEEN_NO);
}

static void a_client_that_asks_often_fills_no_store(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		put_list(i % 2 == 0 ? "SIZE 8BITMIME PIPELINING STARTTLS" : "SIZE HELP", true);
	assert_list("SIZE HELP");
	assert_int_equal(mail.facts.text_len, 5 + 5);
	assert_int_equal(lost(MT_LOSS_TEXT_LIMIT), 0);
	/* What was offered once was offered. */
	assert_int_equal(mail.facts.offered, MT_SEEN_YES);
}

static void a_list_behind_other_text_leaves_that_alone(void **state)
{
	(void)state;
	put_list("SIZE", false);
	mt_dialogue_client_name(&mail, &env, mt_span_text("client.example"));
	put_list("HELP SIZE", false);
	assert_list("HELP SIZE");
	assert_text(mail.facts.client_name, "client.example");
}

static void a_name_that_comes_while_a_list_is_open_does_not_break_it(void **state)
{
	(void)state;
	/* A client that pipelines a second EHLO while the answer to the first is under way. */
	mt_dialogue_list_begin(&mail);
	mt_dialogue_list_atom(&mail, &env, mt_span_text("SIZE"), false);
	mt_dialogue_client_name(&mail, &env, mt_span_text("client.example"));
	mt_dialogue_list_atom(&mail, &env, mt_span_text("HELP"), false);
	mt_dialogue_list_end(&mail);
	assert_list("SIZE HELP");
}

static void only_the_list_that_has_just_ended_goes_on(void **state)
{
	(void)state;
	/* A reply ended too early, and the next one carries the list on. */
	put_list("SIZE", false);
	put_list("HELP SIZE", false);
	mt_dialogue_list_reopen(&mail);
	mt_dialogue_list_atom(&mail, &env, mt_span_text("STARTTLS"), true);
	mt_dialogue_list_end(&mail);
	assert_list("HELP SIZE STARTTLS");
	/* An empty list leaves that one in its place, but what comes behind it is no part of that one. */
	put_list("", false);
	assert_list("HELP SIZE STARTTLS");
	mt_dialogue_list_reopen(&mail);
	mt_dialogue_list_atom(&mail, &env, mt_span_text("DSN"), false);
	mt_dialogue_list_end(&mail);
	assert_list("DSN");
}

static void text_that_comes_while_a_list_is_open_drops_the_list(void **state)
{
	(void)state;
	put_list("SIZE", false);
	mt_dialogue_list_begin(&mail);
	mt_dialogue_list_atom(&mail, &env, mt_span_text("HELP"), false);
	/* A hello of TLS in the middle of the answer to EHLO, and the rest of that answer behind it. */
	struct mt_text sni = mt_dialogue_keep_text(&mail, &env, mt_span_text("mail.example.org"));
	mt_dialogue_list_atom(&mail, &env, mt_span_text("STARTTLS"), true);
	mt_dialogue_list_end(&mail);
	assert_list("SIZE");
	assert_text(sni, "mail.example.org");
	assert_int_equal(mail.facts.text_len, sni.offset + sni.len);
	assert_int_equal(mail.facts.offered, MT_SEEN_NO);
}

static void atoms_and_lists_are_cut_at_their_limits(void **state)
{
	(void)state;
	char atom[MT_MAIL_CAPABILITY_MAX + 20];
	struct mt_span rest, item;

	memset(atom, 'a', sizeof(atom));
	mt_dialogue_list_begin(&mail);
	mt_dialogue_list_atom(&mail, &env, guarded(atom, sizeof(atom)), false);
	mt_dialogue_list_atom(&mail, &env, mt_span(NULL, 0), false);
	for (unsigned i = 1; i < MT_MAIL_CAPABILITIES_MAX + 5; i++)
		mt_dialogue_list_atom(&mail, &env, mt_span_text("X"), i == MT_MAIL_CAPABILITIES_MAX + 4);
	mt_dialogue_list_end(&mail);
	assert_int_equal(mail.facts.capability_count, MT_MAIL_CAPABILITIES_MAX);
	assert_int_equal(lost(MT_LOSS_CAPABILITY_LIMIT), 5);
	/* One that is not kept still says what it offers. */
	assert_int_equal(mail.facts.offered, MT_SEEN_YES);
	rest = mt_facts_text(&mail.facts, mail.facts.capabilities);
	assert_true(mt_facts_next_item(&rest, &item));
	assert_int_equal(item.len, MT_MAIL_CAPABILITY_MAX);
	assert_int_equal(item.data[0], 'A');
}

static void a_list_that_finds_no_room_keeps_whole_atoms_and_is_counted(void **state)
{
	(void)state;
	char atom[MT_MAIL_CAPABILITY_MAX];

	char other[1000] = "";

	memset(atom, 'A', sizeof(atom));
	mt_dialogue_keep_text(&mail, &env, mt_span(other, sizeof(other)));
	mt_dialogue_list_begin(&mail);
	for (unsigned i = 0; i < MT_MAIL_CAPABILITIES_MAX; i++)
		mt_dialogue_list_atom(&mail, &env, mt_span(atom, sizeof(atom)), false);
	mt_dialogue_list_end(&mail);
	assert_int_equal(mail.facts.capability_count,
			 (MT_MAIL_TEXT_MAX - MT_MAIL_TEXT_RESERVED - sizeof(other)) /
			     (1 + MT_MAIL_CAPABILITY_MAX));
	assert_int_equal(lost(MT_LOSS_TEXT_LIMIT), MT_MAIL_CAPABILITIES_MAX - mail.facts.capability_count);
	/* What TLS will say finds its room. */
	static const char tls[MT_MAIL_TEXT_RESERVED];
	assert_true(mt_dialogue_keep_text(&mail, &env, mt_span(tls, sizeof(tls))).len > 0);
}

/* A later list that finds no room at all does not empty the one that was kept. */
static void a_list_without_room_leaves_the_older_one(void **state)
{
	(void)state;
	static const char other[MT_MAIL_TEXT_MAX];

	mt_dialogue_list_begin(&mail);
	mt_dialogue_list_atom(&mail, &env, mt_span_text("STARTTLS"), true);
	mt_dialogue_list_end(&mail);
	mt_dialogue_keep_text(&mail, &env, mt_span(other, MT_MAIL_TEXT_MAX - MT_MAIL_TEXT_RESERVED));
	mt_dialogue_list_begin(&mail);
	mt_dialogue_list_atom(&mail, &env, mt_span_text("PIPELINING"), false);
	mt_dialogue_list_end(&mail);
	assert_int_equal(mail.facts.capability_count, 1);
	assert_int_equal(mail.facts.capabilities.len, 1 + strlen("STARTTLS"));
}

/* A list of items on the wire's terms never leads out of its text. */
static void items_stop_at_the_end_of_their_text(void **state)
{
	(void)state;
	struct mt_span rest = guarded("\x02hi\xffxyz", 7), item;

	assert_true(mt_facts_next_item(&rest, &item));
	assert_int_equal(item.len, 2);
	assert_true(mt_facts_next_item(&rest, &item));
	assert_int_equal(item.len, 3);
	assert_false(mt_facts_next_item(&rest, &item));
}

/* Authentications. */

static void eight_authentications_are_kept_and_the_ninth_is_counted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MT_MAIL_AUTHS_MAX; i++)
		assert_int_equal(mt_dialogue_auth_begins(&mail, &env, MT_MECHANISM_CRAM_MD5), i);
	unsigned none = mt_dialogue_auth_begins(&mail, &env, MT_MECHANISM_PLAIN);
	assert_int_equal(lost(MT_LOSS_AUTH_LIMIT), 1);
	mt_dialogue_auth_ended(&mail, none, MT_AUTH_SUCCESS);
	mt_dialogue_auth_exposed(&mail, none);
	assert_int_equal(mail.facts.auth_count, MT_MAIL_AUTHS_MAX);
	for (unsigned i = 0; i < MT_MAIL_AUTHS_MAX; i++)
		assert_int_equal(mail.facts.auth[i].outcome, MT_AUTH_UNKNOWN);
	mt_dialogue_auth_ended(&mail, 3, MT_AUTH_FAILURE);
	assert_int_equal(mail.facts.auth[3].outcome, MT_AUTH_FAILURE);
}

static void only_what_a_listener_can_use_is_in_clear(void **state)
{
	(void)state;
	/* P6, S11: a digest or a challenge's answer is no password. */
	static const struct {
		enum mt_mechanism mechanism;
		bool is_clear;
	} rows[] = {{MT_MECHANISM_PLAIN, true},	       {MT_MECHANISM_LOGIN, true},
		    {MT_MECHANISM_USER, true},	       {MT_MECHANISM_XOAUTH2, true},
		    {MT_MECHANISM_OAUTHBEARER, true},  {MT_MECHANISM_APOP, false},
		    {MT_MECHANISM_CRAM_MD5, false},    {MT_MECHANISM_DIGEST_MD5, false},
		    {MT_MECHANISM_SCRAM_SHA_1, false}, {MT_MECHANISM_EXTERNAL, false},
		    {MT_MECHANISM_ANONYMOUS, false},   {MT_MECHANISM_OTHER, false}};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++)
		for (unsigned offered = MT_SEEN_NEVER; offered <= MT_SEEN_YES; offered++) {
			start(NULL);
			mail.facts.offered = (uint8_t)offered;
			mt_dialogue_auth_exposed(&mail,
						 mt_dialogue_auth_begins(&mail, &env, rows[i].mechanism));
			assert_int_equal(is_flagged(MT_ANOMALY_AUTH_IN_CLEAR), rows[i].is_clear);
			assert_int_equal(is_flagged(MT_ANOMALY_AUTH_THOUGH_OFFERED),
					 rows[i].is_clear && offered == MT_SEEN_YES);
		}
}

/* STARTTLS. */

static void asking_makes_the_client_wait_and_the_answer_lets_it_go_on(void **state)
{
	(void)state;
	struct mt_line line = {.seq = 1000, .time_ns = 11};

	mt_dialogue_starttls_asked(&mail, &line);
	assert_int_equal(mail.stage, MT_STAGE_ASKED);
	assert_int_equal(mail.framer[MT_TO_SERVER].mode, MT_FRAMING_WAIT);
	assert_true(mail.facts.is_requested && mail.facts.is_unanswered);
	assert_false(is_flagged(MT_ANOMALY_REQUESTED_NOT_OFFERED));
	line.time_ns = 22;
	mt_dialogue_starttls_answered(&mail, &line, true, mt_span_text("220 longer than a code"));
	assert_int_equal(mail.stage, MT_STAGE_ACCEPTED);
	assert_int_equal(mail.framer[MT_TO_SERVER].mode, MT_FRAMING_LINES);
	assert_int_equal(mail.answer_seq, 1000);
	assert_int_equal(mail.facts.request_ns, 11);
	assert_int_equal(mail.facts.response_ns, 22);
	assert_string_equal(mail.facts.code, "220");
	assert_false(mail.facts.is_unanswered);
}

static void a_refusal_is_flagged_only_where_it_was_offered(void **state)
{
	(void)state;
	/* S7, X4. */
	for (unsigned offered = MT_SEEN_NEVER; offered <= MT_SEEN_YES; offered++) {
		struct mt_line line = {.seq = 1};

		start(NULL);
		mail.facts.offered = (uint8_t)offered;
		mt_dialogue_starttls_asked(&mail, &line);
		mt_dialogue_starttls_answered(&mail, &line, false, mt_span_text("NO"));
		assert_int_equal(mail.stage, MT_STAGE_CLEAR);
		assert_int_equal(mail.facts.response, MT_RESPONSE_REFUSED);
		assert_string_equal(mail.facts.code, "NO");
		assert_int_equal(is_flagged(MT_ANOMALY_REQUESTED_NOT_OFFERED), offered == MT_SEEN_NO);
		assert_int_equal(is_flagged(MT_ANOMALY_REFUSED_THOUGH_OFFERED), offered == MT_SEEN_YES);
	}
}

/* Commands that wait for their replies. */

static void push(struct mt_pending *pending, uint8_t verb, uint32_t end_seq, uint32_t ack)
{
	struct mt_line line = {.end_seq = end_seq, .ack = ack, .has_ack = true};
	struct mt_turn turn = {.mail = &mail, .env = &env, .line = &line};

	mt_pending_push(pending, &turn, verb);
}

/* Result  the verb, or -1 where the reply answers nothing that is known. */
static int pop(struct mt_pending *pending, uint32_t ack)
{
	struct mt_line line = {.ack = ack, .has_ack = true};
	uint8_t verb;

	return mt_pending_pop(pending, &line, &verb) ? verb : -1;
}

static void replies_answer_in_order(void **state)
{
	(void)state;
	/* G7, P7. Around the ring more than once. */
	struct mt_pending pending = {0};
	uint32_t seq = 0xfffffff0u;

	assert_int_equal(pop(&pending, seq), -1);
	for (unsigned round = 0; round < 5; round++) {
		for (uint8_t verb = 0; verb < 7; verb++)
			push(&pending, verb, seq += 5, 1);
		for (uint8_t verb = 0; verb < 7; verb++) {
			assert_true(mt_pending_has(&pending, verb));
			assert_int_equal(pop(&pending, seq), verb);
			assert_false(mt_pending_has(&pending, verb));
		}
		assert_int_equal(pop(&pending, seq), -1);
	}
}

static void equal_neighbours_share_an_entry(void **state)
{
	(void)state;
	struct mt_pending pending = {0};

	for (unsigned i = 0; i < 70000; i++)
		push(&pending, 3, i, 1);
	push(&pending, 4, 70001, 1);
	assert_int_equal(lost(MT_LOSS_PENDING_LIMIT), 0);
	assert_true(pending.count <= 3);
	for (unsigned i = 0; i < 70000; i++)
		assert_int_equal(pop(&pending, 70001), 3);
	assert_int_equal(pop(&pending, 70001), 4);
	assert_int_equal(pop(&pending, 70001), -1);
}

static void a_full_queue_counts_and_doubts(void **state)
{
	(void)state;
	struct mt_pending pending = {0};

	for (unsigned i = 0; i < MT_DIALOGUE_PENDING_MAX; i++)
		push(&pending, (uint8_t)i, 10 * (i + 1), 1);
	assert_false(pending.is_uncertain);
	/* One more of the last kind still finds room. */
	push(&pending, MT_DIALOGUE_PENDING_MAX - 1, 200, 1);
	assert_int_equal(lost(MT_LOSS_PENDING_LIMIT), 0);
	push(&pending, 99, 300, 1);
	assert_int_equal(lost(MT_LOSS_PENDING_LIMIT), 1);
	assert_true(pending.is_uncertain);
	assert_int_equal(pop(&pending, 300), 0);
}

static void nothing_waits_for_a_direction_that_is_not_there(void **state)
{
	(void)state;
	struct mt_pending pending = {0};

	mail.is_absent[MT_TO_CLIENT] = true;
	push(&pending, 1, 10, 1);
	assert_int_equal(pending.count, 0);
}

static void after_a_loss_a_reply_sent_before_the_command_is_not_its_answer(void **state)
{
	(void)state;
	struct mt_pending pending = {.is_uncertain = true};

	push(&pending, 1, 100, 1);
	push(&pending, 2, 110, 1);
	assert_int_equal(pop(&pending, 99), -1);
	assert_int_equal(pop(&pending, 100), 1);
	assert_int_equal(pop(&pending, 109), -1);
	assert_int_equal(pop(&pending, 110), 2);
	assert_false(pending.is_uncertain);
}

static void a_reply_that_left_before_its_command_came_is_none(void **state)
{
	(void)state;
	/* G7: 421 may come at any time, and answers nothing then. */
	struct mt_pending pending = {0};

	push(&pending, 1, 100, 1);
	assert_int_equal(pop(&pending, 100), 1);
	push(&pending, 2, 110, 1);
	assert_int_equal(pop(&pending, 109), -1);
	assert_true(mt_pending_has(&pending, 2));
	assert_int_equal(pop(&pending, 110), 2);
	/* Of equal neighbours only the first one's end is known for sure. */
	for (uint32_t i = 0; i < 3; i++)
		push(&pending, 3, 120 + i * 10, 1);
	assert_int_equal(pop(&pending, 119), -1);
	assert_int_equal(pop(&pending, 120), 3);
	assert_int_equal(pop(&pending, 130), 3);
	assert_int_equal(pop(&pending, 140), 3);

	/* Numbers that never proved anything decide nothing: order alone does. */
	pending = (struct mt_pending){0};
	push(&pending, 1, 100, 1);
	push(&pending, 2, 110, 1);
	assert_int_equal(pop(&pending, 1), 1);
	assert_int_equal(pop(&pending, 1), 2);
}

static void after_a_loss_a_command_that_the_client_went_on_from_is_not_answered_again(void **state)
{
	(void)state;
	/* The reply to 1 was lost; the client had it (its next command acknowledges 550, not 500). */
	struct mt_pending pending = {.is_uncertain = true};

	push(&pending, 1, 100, 500);
	push(&pending, 2, 110, 550);
	assert_int_equal(pop(&pending, 110), 2);
	assert_int_equal(pop(&pending, 110), -1);

	/* Sent in one go, nothing tells that the first was answered. */
	pending = (struct mt_pending){.is_uncertain = true};
	push(&pending, 1, 100, 500);
	push(&pending, 2, 110, 500);
	assert_int_equal(pop(&pending, 110), 1);

	/* The same around the wrap of both numbers. */
	pending = (struct mt_pending){.is_uncertain = true};
	push(&pending, 1, 0xfffffff8u, 0xfffffff0u);
	push(&pending, 2, 8, 16);
	assert_int_equal(pop(&pending, 0xfffffff0u), -1);
	assert_int_equal(pop(&pending, 8), 2);
}

static void a_reply_without_acknowledgement_proves_nothing(void **state)
{
	(void)state;
	struct mt_pending pending = {.is_uncertain = true};
	struct mt_line line = {.has_ack = false};
	uint8_t verb = 0;

	push(&pending, 7, 100, 1);
	assert_true(mt_pending_pop(&pending, &line, &verb));
	assert_int_equal(verb, 7);
}

/* Verdicts: CONTRACT.md 2, a sentence a row. */

enum {
	REQUESTED = 1 << 0,
	ESTABLISHED = 1 << 1,
	ACCEPTED = 1 << 2,
	REFUSED = 1 << 3,
	OFFERED = 1 << 4,
	NOT_OFFERED = 1 << 5,
	TEXT_AFTER = 1 << 6,
	UNANSWERED = 1 << 7,
	DIALOGUE = 1 << 8,
	MASKED = 1 << 9,
	WITHHELD = 1 << 10,
	HELLO = 1 << 11,
	UNFINISHED = 1 << 12,
};

static struct mt_facts facts_of(unsigned bits)
{
	return (struct mt_facts){
	    .is_requested = bits & REQUESTED,
	    .is_established = bits & ESTABLISHED,
	    .response = bits & ACCEPTED	 ? MT_RESPONSE_ACCEPTED
			: bits & REFUSED ? MT_RESPONSE_REFUSED
					 : MT_RESPONSE_NONE,
	    .offered = bits & OFFERED	    ? MT_SEEN_YES
		       : bits & NOT_OFFERED ? MT_SEEN_NO
					    : MT_SEEN_NEVER,
	    .has_text_after_accept = bits & TEXT_AFTER,
	    .is_unanswered = bits & UNANSWERED,
	    .is_unfinished = bits & UNFINISHED,
	    .is_dialogue_seen = bits & DIALOGUE,
	    .has_tls_client = bits & HELLO,
	    .anomalies = (bits & MASKED ? 1u << MT_ANOMALY_STARTTLS_MASKED : 0) |
			 (bits & WITHHELD ? 1u << MT_ANOMALY_STARTTLS_WITHHELD : 0),
	};
}

static void security_and_outcome_are_as_the_contract_says(void **state)
{
	(void)state;
	static const struct {
		unsigned bits;
		enum mt_security security;
		enum mt_outcome outcome;
	} rows[] = {
	    /* "starttls and implicit_tls only where a TLS handshake was seen" */
	    {DIALOGUE | OFFERED | REQUESTED | ACCEPTED | HELLO | ESTABLISHED, MT_SECURITY_STARTTLS,
	     MT_OUTCOME_ESTABLISHED},
	    {HELLO | ESTABLISHED, MT_SECURITY_IMPLICIT_TLS, MT_OUTCOME_UNKNOWN},
	    /* a hello behind a STARTTLS whose answer was lost */
	    {DIALOGUE | REQUESTED | HELLO | ESTABLISHED, MT_SECURITY_STARTTLS, MT_OUTCOME_ESTABLISHED},
	    /* "cleartext where the dialogue was seen and stayed in clear; else unknown" */
	    {DIALOGUE, MT_SECURITY_CLEARTEXT, MT_OUTCOME_UNKNOWN},
	    {0, MT_SECURITY_UNKNOWN, MT_OUTCOME_UNKNOWN},
	    /* "an unfinished or failed handshake is unknown, after an accepted STARTTLS failed" */
	    {HELLO, MT_SECURITY_UNKNOWN, MT_OUTCOME_UNKNOWN},
	    {DIALOGUE | OFFERED | REQUESTED | ACCEPTED | HELLO, MT_SECURITY_UNKNOWN, MT_OUTCOME_FAILED},
	    {DIALOGUE | REQUESTED | ACCEPTED, MT_SECURITY_UNKNOWN, MT_OUTCOME_FAILED},
	    /* "text after the acceptance is cleartext, cleartext_after_accept"; it applies first */
	    {DIALOGUE | OFFERED | REQUESTED | ACCEPTED | TEXT_AFTER, MT_SECURITY_CLEARTEXT,
	     MT_OUTCOME_CLEARTEXT_AFTER_ACCEPT},
	    /* "refused", before "stripped" */
	    {DIALOGUE | OFFERED | REQUESTED | REFUSED, MT_SECURITY_CLEARTEXT, MT_OUTCOME_REFUSED},
	    {DIALOGUE | NOT_OFFERED | REQUESTED | REFUSED | MASKED, MT_SECURITY_CLEARTEXT,
	     MT_OUTCOME_REFUSED},
	    /* "stripped (starttls_masked or starttls_withheld)", before the offers */
	    {DIALOGUE | NOT_OFFERED | MASKED, MT_SECURITY_CLEARTEXT, MT_OUTCOME_STRIPPED},
	    {DIALOGUE | NOT_OFFERED | WITHHELD, MT_SECURITY_CLEARTEXT, MT_OUTCOME_STRIPPED},
	    {DIALOGUE | MASKED | OFFERED, MT_SECURITY_CLEARTEXT, MT_OUTCOME_STRIPPED},
	    /* "offered_unused; not_offered (a whole list without it)" */
	    {DIALOGUE | OFFERED, MT_SECURITY_CLEARTEXT, MT_OUTCOME_OFFERED_UNUSED},
	    {DIALOGUE | NOT_OFFERED, MT_SECURITY_CLEARTEXT, MT_OUTCOME_NOT_OFFERED},
	    /* asked, and the answer not seen: nothing is guessed */
	    {DIALOGUE | OFFERED | REQUESTED | UNANSWERED, MT_SECURITY_UNKNOWN, MT_OUTCOME_UNKNOWN},
	    /* the same behind a STARTTLS whose answer was not seen */
	    {DIALOGUE | OFFERED | REQUESTED | HELLO | UNFINISHED, MT_SECURITY_UNKNOWN, MT_OUTCOME_UNKNOWN},
	    /* "a TLS hello that the server answers in clear changes nothing: cleartext" */
	    {DIALOGUE | HELLO, MT_SECURITY_CLEARTEXT, MT_OUTCOME_UNKNOWN},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct mt_facts facts = facts_of(rows[i].bits);

		assert_string_equal(mt_security_name(mt_facts_security(&facts)),
				    mt_security_name(rows[i].security));
		assert_string_equal(mt_outcome_name(mt_facts_outcome(&facts)),
				    mt_outcome_name(rows[i].outcome));
	}
}

static void only_a_finished_handshake_is_ever_called_tls(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < HELLO << 1; bits++) {
		struct mt_facts facts = facts_of(bits);
		enum mt_security security = mt_facts_security(&facts);
		bool is_tls = security == MT_SECURITY_STARTTLS || security == MT_SECURITY_IMPLICIT_TLS;

		assert_int_equal(is_tls, facts.is_established);
		if (mt_facts_outcome(&facts) == MT_OUTCOME_ESTABLISHED)
			assert_int_equal(security, MT_SECURITY_STARTTLS);
		/* G9: nobody is said not to have offered without a whole list. */
		if (mt_facts_outcome(&facts) == MT_OUTCOME_NOT_OFFERED)
			assert_int_equal(facts.offered, MT_SEEN_NO);
	}
}

static void evidence_is_the_first_that_applies(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 32; bits++) {
		struct mt_facts facts = {
		    .is_truncated = bits & 1, .is_midstream = bits & 2, .has_gap = bits & 4};
		struct mt_mail_end end = {.pkts = {bits & 8 ? 0 : 5, bits & 16 ? 0 : 5}};
		enum mt_evidence expected = bits & 1	      ? MT_EVIDENCE_TRUNCATED
					    : bits & 2	      ? MT_EVIDENCE_MIDSTREAM
					    : bits & (8 | 16) ? MT_EVIDENCE_ONE_SIDED
					    : bits & 4	      ? MT_EVIDENCE_GAP
							      : MT_EVIDENCE_COMPLETE;

		assert_int_equal(mt_facts_evidence(&facts, &end), expected);
	}
}

static void a_report_is_copied_no_further_than_its_text(void **state)
{
	(void)state;
	static struct mt_report report;

	report.has_facts = true;
	report.facts.text_len = 10;
	assert_int_equal(mt_report_bytes(&report), offsetof(struct mt_report, facts.text) + 10);
	report.facts.text_len = MT_MAIL_TEXT_MAX;
	assert_true(mt_report_bytes(&report) <= sizeof(report));
	report.has_facts = false;
	assert_true(mt_report_bytes(&report) >= offsetof(struct mt_report, end) + sizeof(struct mt_mail_end));
}

#define TEST(name) cmocka_unit_test_setup(name, start)

/* What was kept is what comes back, cut at the limit; nothing is kept by halves. */
static void a_certificate_is_kept_whole_or_not_at_all(void **state)
{
	(void)state;
	char long_name[MT_MAIL_DN_MAX + 1];
	struct mt_mail_certificate kept = {.not_before_s = -1,
					   .not_after_s = 253402300799,
					   .is_self_signed = true,
					   .names_host = MT_SEEN_NO,
					   .subject = mt_span_text("CN=mail.example.org"),
					   .issuer = mt_span(long_name, sizeof(long_name))},
				   found;

	memset(long_name, 'x', sizeof(long_name));
	memset(kept.sha256, 0xa5, sizeof(kept.sha256));
	assert_false(mt_facts_certificate(&mail.facts, &found));
	mt_dialogue_keep_text(&mail, &env, mt_span_text("before"));
	assert_true(mt_facts_keep_certificate(&mail.facts, &kept));
	assert_true(mt_facts_certificate(&mail.facts, &found));
	assert_memory_equal(found.sha256, kept.sha256, sizeof(kept.sha256));
	assert_int_equal(found.not_before_s, -1);
	assert_int_equal(found.not_after_s, 253402300799);
	assert_true(found.is_self_signed);
	assert_int_equal(found.names_host, MT_SEEN_NO);
	assert_int_equal(found.subject.len, kept.subject.len);
	assert_memory_equal(found.subject.data, kept.subject.data, kept.subject.len);
	assert_int_equal(found.issuer.len, MT_MAIL_DN_MAX);
	assert_memory_equal(found.issuer.data, long_name, MT_MAIL_DN_MAX);

	start(NULL);
	mail.facts.text_len = MT_MAIL_TEXT_MAX - 300;
	assert_false(mt_facts_keep_certificate(&mail.facts, &kept));
	assert_int_equal(mail.facts.text_len, MT_MAIL_TEXT_MAX - 300);
	assert_false(mt_facts_certificate(&mail.facts, &found));
}

static void write_patterns(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static uint32_t ask(struct mt_known *known, enum mt_protocol protocol, const char *text)
{
	return mt_known_software(known, &env, protocol, mt_span_text(text));
}

/* The same answers as without memory, the second time too, and after other patterns were read. */
static void software_is_known_again(void **state)
{
	(void)state;
	char path[] = "/tmp/mail_test_XXXXXX", error[256], longer[MT_KNOWN_TEXT_MAX + 8];
	int file = mkstemp(path);
	struct mt_known *known = calloc(1, sizeof(*known));
	struct mt_banners first, second;

	assert_true(file >= 0);
	close(file);
	assert_non_null(known);
	write_patterns(path, "smtp alpha ready\npop3 beta ready\nimap gamma ready\n");
	assert_int_equal(mt_banners_load(&first, path, error, sizeof(error)), 0);
	write_patterns(path, "smtp delta ready\npop3 beta ready\nimap gamma ready\n");
	assert_int_equal(mt_banners_reload(&second, &first, path, error, sizeof(error)), 0);
	unlink(path);
	for (unsigned i = 0; i < MT_PROTOCOL_COUNT; i++) {
		assert_int_equal(mt_match_scratch_grow(&env.scratch, first.set[i]), 0);
		assert_int_equal(mt_match_scratch_grow(&env.scratch, second.set[i]), 0);
	}
	memset(longer, '.', sizeof(longer));
	memcpy(longer + sizeof(longer) - 6, "ready", 6);
	for (unsigned round = 0; round < 3; round++) {
		env.banners = &first;
		assert_string_equal(first.products[ask(known, MT_PROTOCOL_SMTP, "ready")], "alpha");
		assert_string_equal(first.products[ask(known, MT_PROTOCOL_POP3, "ready")], "beta");
		assert_string_equal(first.products[ask(known, MT_PROTOCOL_IMAP, "is ready now")], "gamma");
		assert_string_equal(first.products[ask(known, MT_PROTOCOL_IMAP, longer)], "gamma");
		assert_string_equal(first.products[ask(NULL, MT_PROTOCOL_SMTP, "ready")], "alpha");
		assert_int_equal(ask(known, MT_PROTOCOL_SMTP, ""), 0);
		assert_int_equal(ask(known, MT_PROTOCOL_SMTP, "red"), 0);
		env.banners = &second;
		assert_string_equal(second.products[ask(known, MT_PROTOCOL_SMTP, "ready")], "delta");
	}
	env.banners = NULL;
	mt_match_scratch_destroy(env.scratch);
	env.scratch = NULL;
	mt_banners_unload(&second);
	mt_banners_unload(&first);
	free(known);
}

/* More texts than there are places: one that had to make room is scanned again. */
static void software_is_right_in_a_crowd(void **state)
{
	(void)state;
	char path[] = "/tmp/mail_test_XXXXXX", error[256], text[64];
	int file = mkstemp(path);
	struct mt_known *known = calloc(1, sizeof(*known));
	struct mt_banners banners;

	assert_true(file >= 0);
	close(file);
	assert_non_null(known);
	write_patterns(path, "smtp odd [13579]$\nsmtp even [02468]$\n");
	assert_int_equal(mt_banners_load(&banners, path, error, sizeof(error)), 0);
	unlink(path);
	assert_int_equal(mt_match_scratch_grow(&env.scratch, banners.set[MT_PROTOCOL_SMTP]), 0);
	env.banners = &banners;
	for (unsigned i = 0; i < 8 * MT_KNOWN_TEXTS; i++) {
		unsigned number = i % (3 * MT_KNOWN_TEXTS);

		snprintf(text, sizeof(text), "mail.example.org %u", number);
		assert_string_equal(banners.products[ask(known, MT_PROTOCOL_SMTP, text)],
				    number % 2 != 0 ? "odd" : "even");
	}
	env.banners = NULL;
	mt_match_scratch_destroy(env.scratch);
	env.scratch = NULL;
	mt_banners_unload(&banners);
	free(known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(text_is_kept_until_the_store_is_full_and_then_counted),
	    TEST(only_the_first_greeting_is_kept_and_no_more_than_its_limit),
	    TEST(a_client_name_that_is_an_address_is_not_kept),
	    TEST(a_whole_list_is_kept_in_upper_case),
	    TEST(until_its_end_a_list_changes_nothing),
	    TEST(a_client_that_asks_often_fills_no_store),
	    TEST(a_list_behind_other_text_leaves_that_alone),
	    TEST(a_name_that_comes_while_a_list_is_open_does_not_break_it),
	    TEST(only_the_list_that_has_just_ended_goes_on),
	    TEST(text_that_comes_while_a_list_is_open_drops_the_list),
	    TEST(atoms_and_lists_are_cut_at_their_limits),
	    TEST(a_list_without_room_leaves_the_older_one),
	    TEST(a_list_that_finds_no_room_keeps_whole_atoms_and_is_counted),
	    TEST(items_stop_at_the_end_of_their_text),
	    TEST(eight_authentications_are_kept_and_the_ninth_is_counted),
	    TEST(only_what_a_listener_can_use_is_in_clear),
	    TEST(asking_makes_the_client_wait_and_the_answer_lets_it_go_on),
	    TEST(a_refusal_is_flagged_only_where_it_was_offered),
	    TEST(replies_answer_in_order),
	    TEST(equal_neighbours_share_an_entry),
	    TEST(a_full_queue_counts_and_doubts),
	    TEST(nothing_waits_for_a_direction_that_is_not_there),
	    TEST(after_a_loss_a_reply_sent_before_the_command_is_not_its_answer),
	    TEST(a_reply_that_left_before_its_command_came_is_none),
	    TEST(after_a_loss_a_command_that_the_client_went_on_from_is_not_answered_again),
	    TEST(a_reply_without_acknowledgement_proves_nothing),
	    TEST(security_and_outcome_are_as_the_contract_says),
	    TEST(only_a_finished_handshake_is_ever_called_tls),
	    TEST(evidence_is_the_first_that_applies),
	    TEST(a_certificate_is_kept_whole_or_not_at_all),
	    TEST(a_report_is_copied_no_further_than_its_text),
	    TEST(software_is_known_again),
	    TEST(software_is_right_in_a_crowd),
	};
	return cmocka_run_group_tests_name("mail", tests, NULL, NULL);
}
