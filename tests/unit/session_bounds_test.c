/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * Whatever a peer sends, what is kept of it is bounded, what finds no place is counted, and the next session
 * is as good as any (mistake-9, mistake-10). Every test ends in assert_clean(): all memory is back, and
 * wiped.
 */
#include "unit.h"

#include "session_talk.h"

#define SEGMENT 60000u
#define LONG	(100u * 1000 * 1000) /* bytes of an endless line */

static char bytes[SEGMENT + 1];

/* So many bytes of that sort. What is held meanwhile is never more than pool bytes. */
static void flood(struct talk *talk, enum mt_direction direction, char byte, uint32_t total,
		  uint32_t held_max)
{
	memset(bytes, byte, SEGMENT);
	for (uint32_t n; total > 0; total -= n) {
		n = total < SEGMENT ? total : SEGMENT;
		bytes[n] = 0;
		send_flags(talk, direction, MT_TCP_ACK, bytes);
		assert_true((engine->pieces.pieces - engine->pieces.free_pieces) * MT_STREAM_PIECE_BYTES <=
			    held_max);
	}
}

/* A session of its own that is read as if nothing had happened. */
static void assert_unharmed(void)
{
	unsigned before = report_count;
	struct talk talk = talk_smtp(50000);

	client(&talk, "STARTTLS\r\n");
	server(&talk, "454 not now\r\n");
	say_goodbye(&talk);
	assert_int_equal(report_count, before + 1);
	const struct mt_report *report = &reports[before];
	assert_int_equal(mt_facts_outcome(&report->facts), MT_OUTCOME_REFUSED);
	assert_int_equal(report->facts.capability_count, 2);
	assert_int_equal(mt_facts_evidence(&report->facts, &report->end), MT_EVIDENCE_COMPLETE);
	assert_int_equal(report->facts.anomalies, 1u << MT_ANOMALY_REFUSED_THOUGH_OFFERED);
}

/* G6 */
static void a_line_of_100_mb_leaves_its_length_alone(void **state)
{
	static const struct {
		uint16_t port;
		enum mt_direction direction;
		const char *greeting, *begin, *end, *answer;
		bool is_limited;
	} rows[] = {
	    {25, MT_TO_SERVER, "220 mx.example ESMTP\r\n", "NOOP ", "\r\nSTARTTLS\r\n",
	     "500 too long\r\n454 no\r\n", true},
	    {143, MT_TO_CLIENT, "* OK ready\r\n", "* SEARCH ", "\r\n", "", false},
	    {110, MT_TO_CLIENT, "+OK ready\r\n", "+OK ", "\r\n", "", true},
	};

	(void)state;
	for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct talk talk = talk_of((uint16_t)(40000 + i), rows[i].port);
		uint64_t before = lost(MT_LOSS_LINE_LIMIT);

		shake_hands(&talk);
		server(&talk, rows[i].greeting);
		if (rows[i].direction == MT_TO_CLIENT)
			client(&talk, "a NOOP\r\n");
		send_flags(&talk, rows[i].direction, MT_TCP_ACK, rows[i].begin);
		flood(&talk, rows[i].direction, 'x', LONG, 0);
		send_flags(&talk, rows[i].direction, MT_TCP_ACK, rows[i].end);
		server(&talk, rows[i].answer);
		say_goodbye(&talk);
		assert_int_equal(lost(MT_LOSS_LINE_LIMIT), before + 1);
		assert_int_equal(report_count, i + 1);
		assert_int_equal(reports[i].facts.anomalies >> MT_ANOMALY_OVERSIZED_LINE & 1,
				 rows[i].is_limited);
		assert_int_equal(reports[i].facts.is_requested, i == 0);
		assert_true(reports[i].facts.text_len < 200);
	}
	assert_unharmed();
}

/* P8: +OK greets, and nothing that follows is POP3. */
static void a_redis_stream_on_110_is_no_mail_and_leaves_nothing(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 110);
	char command[64];

	shake_hands(&talk);
	for (unsigned i = 0; i < 100000; i++) {
		int len =
		    snprintf(command, sizeof(command), "*3\r\n$3\r\nSET\r\n$6\r\nk%05u\r\n$1\r\n1\r\n", i);

		assert_true(len > 0 && (size_t)len < sizeof(command));
		client(&talk, command);
		server(&talk, "+OK\r\n");
	}
	say_goodbye(&talk);
	assert_int_equal(report_count, 0);
	assert_int_equal(cells[MT_CELL2(ANOMALIES, MT_PROTOCOL_POP3, MT_ANOMALY_NOT_MAIL_ON_MAIL_PORT)], 1);
	assert_int_equal(engine->pieces.free_pieces, engine->pieces.pieces);
	assert_unharmed();
	/* Nor is the other end of the same mistake: what greets as mail, and goes on as something else. */
	struct talk other = talk_of(40001, 110);
	shake_hands(&other);
	server(&other, "+OK ready\r\n");
	for (unsigned i = 0; i < 100000; i++) {
		client(&other, "GET /\r\n");
		server(&other, "HTTP/1.1 200 OK\r\n");
	}
	say_goodbye(&other);
	assert_int_equal(report_count, 2);
	assert_true(reports[1].facts.text_len < 200);
}

/* G7, P7 */
static void ten_thousand_commands_that_wait_are_counted(void **state)
{
	static const struct {
		uint16_t port;
		const char *greeting, *one, *other;
	} rows[] = {
	    {25, "220 mx.example ESMTP\r\n", "NOOP\r\n", "RSET\r\n"},
	    {143, "* OK ready\r\n", "a COMPRESS x\r\n", "b APPEND x (y)\r\n"},
	    {110, "+OK ready\r\n", "NOOP\r\n", "STAT\r\n"},
	};

	(void)state;
	for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct talk talk = talk_of((uint16_t)(40000 + i), rows[i].port);
		uint64_t before = lost(MT_LOSS_PENDING_LIMIT);

		shake_hands(&talk);
		server(&talk, rows[i].greeting);
		for (unsigned k = 0; k < 10000; k++)
			client(&talk, k % 2 == 0 ? rows[i].one : rows[i].other);
		/* Every second one is like the last that found a place, and shares it. */
		assert_true(lost(MT_LOSS_PENDING_LIMIT) - before >= 10000 / 2 - 16);
		assert_int_equal(engine->pieces.free_pieces, engine->pieces.pieces);
		say_goodbye(&talk);
		assert_int_equal(report_count, i + 1);
	}
	assert_unharmed();
}

/* PERFORMANCE.md: 256 KiB a direction out of order, from the worker's pool. */
static void bytes_out_of_order_are_held_up_to_the_limit(void **state)
{
	(void)state;
	struct talk talk = talk_smtp(40000);

	/* The pool of the test is as large as one direction's limit: what two hold, the third does not find.
	 */
	mt_engine_finish(engine, UINT64_MAX / 4);
	mt_engine_destroy(engine);
	report_count = 0;
	create_with(64, 32, 3 * MT_STREAM_HELD_MAX / 2);
	talk = talk_smtp(40000);
	miss(&talk, MT_TO_SERVER, "NOOP\r\n");
	flood(&talk, MT_TO_SERVER, 'x', 2 * MT_STREAM_HELD_MAX, MT_STREAM_HELD_MAX);
	assert_true(lost(MT_LOSS_REASSEMBLY_LIMIT) > 0);
	assert_int_equal(lost(MT_LOSS_REASSEMBLY_FULL), 0);
	struct talk second = talk_smtp(40001);
	miss(&second, MT_TO_SERVER, "NOOP\r\n");
	flood(&second, MT_TO_SERVER, 'x', MT_STREAM_HELD_MAX, 3 * MT_STREAM_HELD_MAX / 2);
	assert_true(lost(MT_LOSS_REASSEMBLY_FULL) > 0);
	/* A session that comes in order needs no pool. */
	assert_unharmed();
	say_goodbye(&talk);
	say_goodbye(&second);
	mt_engine_sweep(engine, MT_ENGINE_WHOLE, second.now_ns + 2 * LINGER_NS);
	assert_int_equal(report_count, 3);
	assert_int_equal(engine->pieces.free_pieces, engine->pieces.pieces);
	for (unsigned i = 1; i < 3; i++)
		assert_int_equal(mt_facts_evidence(&reports[i].facts, &reports[i].end), MT_EVIDENCE_GAP);
}

/* PERFORMANCE.md: 32 KiB of a handshake a direction. */
static void a_hello_without_an_end_is_kept_up_to_the_limit(void **state)
{
	(void)state;
	struct talk talk = talk_smtp(40000);
	/* A record of 16 KiB, four times: one ClientHello that says it has 64 KiB. */
	static uint8_t record[5 + 16384] = {0x16, 3, 1, 0x40, 0};

	client(&talk, "STARTTLS\r\n");
	server(&talk, "220 go\r\n");
	for (unsigned i = 0; i < 4; i++) {
		record[5] = i == 0;
		record[7] = 0xff;
		struct mt_engine_packet packet =
		    packet_of(&talk, MT_TO_SERVER, MT_TCP_ACK, mt_span(record, sizeof(record)));
		talk.seq[MT_TO_SERVER] += sizeof(record);
		put(packet);
		assert_true((engine->pieces.pieces - engine->pieces.free_pieces) * MT_STREAM_PIECE_BYTES <=
			    36 * 1024);
	}
	say_goodbye(&talk);
	assert_int_equal(lost(MT_LOSS_HANDSHAKE_LIMIT), 1);
	assert_int_equal(report_count, 1);
	assert_int_equal(mt_facts_security(&reports[0].facts), MT_SECURITY_UNKNOWN);
	assert_unharmed();
}

/* Nothing of it is anywhere outside of the pool of held segments, which is wiped when they are read. */
static void assert_nowhere(const char *secret)
{
	for (uint32_t i = 0; i < engine->sessions.untouched; i++)
		assert_null(memmem(mt_pool_at(&engine->sessions, i), engine->sessions.piece_bytes, secret,
				   strlen(secret)));
	for (unsigned i = 0; i < report_count; i++)
		assert_null(memmem(&reports[i], sizeof(reports[i]), secret, strlen(secret)));
	assert_null(memmem(&engine->report, sizeof(engine->report), secret, strlen(secret)));
}

/* mistake-10: passwords and names, by whatever way they come, cut anywhere. */
static void no_credential_stays_in_memory_or_in_a_report(void **state)
{
	static const struct {
		uint16_t port;
		const char *greeting, *client, *server, *more, *answer;
	} rows[] = {
	    {25, "220 mx ESMTP\r\n", "AUTH PLAIN ", "", "aHVzaC1odXNo\r\n", "535 aHVzaC1odXNo is wrong\r\n"},
	    {25, "220 mx ESMTP\r\n", "AUTH LOGIN\r\n", "334 \r\n", "aHVzaC1odXNo\r\n",
	     "235 welcome aHVzaC1odXNo\r\n"},
	    {25, "220 mx ESMTP\r\n", "AUTH OTHER\r\n", "334 \r\n", "aHVzaC1odXNo", ""},
	    {25, "220 mx ESMTP\r\n", "XCLIENT LOGIN=", "", "aHVzaC1odXNo\r\n", "220 mx\r\n"},
	    {110, "+OK\r\n", "USER ", "", "aHVzaC1odXNo\r\n", "+OK aHVzaC1odXNo is known\r\n"},
	    {110, "+OK\r\n", "USER u\r\nPASS ", "", "aHVzaC1odXNo x\r\n", "-ERR [AUTH] aHVzaC1odXNo\r\n"},
	    {110, "+OK\r\n", "APOP ", "", "aHVzaC1odXNo 0123\r\n", "+OK aHVzaC1odXNo has mail\r\n"},
	    {143, "* OK x\r\n", "a LOGIN ", "", "aHVzaC1odXNo aHVzaC1odXNo\r\n",
	     "a OK aHVzaC1odXNo is in\r\n"},
	    {143, "* OK x\r\n", "a LOGIN {12}\r\n", "+ go\r\n", "aHVzaC1odXNo aHVzaC1odXNo\r\n",
	     "a NO aHVzaC1odXNo\r\n"},
	    {143, "* OK x\r\n", "a AUTHENTICATE PLAIN\r\n", "+ \r\n", "aHVzaC1odXNo\r\n",
	     "a OK aHVzaC1odXNo\r\n"},
	    {143, "* PREAUTH Logged in as aHVzaC1odXNo\r\n", "a NOOP\r\n", "a OK\r\n", "b NOOP\r\n",
	     "b OK\r\n"},
	};
	static const char secret[] = "aHVzaC1odXNo";

	(void)state;
	for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++)
		for (size_t first = 0; first <= strlen(rows[i].more); first++) {
			struct talk talk = talk_of((uint16_t)(40000 + 64 * i + first), rows[i].port);
			char head[64] = "";

			report_count = 0;
			shake_hands(&talk);
			server(&talk, rows[i].greeting);
			client(&talk, rows[i].client);
			server(&talk, rows[i].server);
			memcpy(head, rows[i].more, first);
			client(&talk, head);
			assert_nowhere(secret);
			client(&talk, rows[i].more + first);
			assert_nowhere(secret);
			server(&talk, rows[i].answer);
			assert_nowhere(secret);
			send_flags(&talk, MT_TO_SERVER, MT_TCP_RST | MT_TCP_ACK, "");
			let_cross(&talk);
			assert_int_equal(report_count, 1);
			assert_nowhere(secret);
		}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_line_of_100_mb_leaves_its_length_alone),
	    TEST(a_redis_stream_on_110_is_no_mail_and_leaves_nothing),
	    TEST(ten_thousand_commands_that_wait_are_counted),
	    TEST(bytes_out_of_order_are_held_up_to_the_limit),
	    TEST(a_hello_without_an_end_is_kept_up_to_the_limit),
	    TEST(no_credential_stays_in_memory_or_in_a_report),
	};
	return cmocka_run_group_tests_name("session_bounds", tests, compile, release);
}
