/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* Which packets end a connection, and which only look as if they did (G17; RFC 5961 3, RFC 9293 3.10.7.4). */
#include "unit.h"

#include "session_talk.h"

#define WINDOW (1024 * 1024)

static uint64_t strays(void)
{
	return cells[MT_CELL0(STRAY_PACKETS)];
}

/* A packet without payload, its numbers so far from where the sides stand. */
static enum mt_verdict send_far(const struct talk *talk, enum mt_direction direction, uint8_t flags,
				uint32_t seq, uint32_t ack)
{
	struct mt_engine_packet packet = packet_of(talk, direction, flags, mt_span_text(""));

	packet.packet.seq += seq;
	packet.packet.ack += flags & MT_TCP_ACK ? ack : 0;
	return put(packet);
}

static void what_lies_outside_of_the_window_ends_nothing(void **state)
{
	static const struct {
		uint8_t flags;
		uint32_t seq, ack;
	} rows[] = {
	    {MT_TCP_RST, WINDOW + 1, 0},
	    {MT_TCP_RST, (uint32_t) - (WINDOW + 1), 0},
	    {MT_TCP_RST, 1u << 31, 0},
	    {MT_TCP_RST | MT_TCP_ACK, WINDOW + 1, 1u << 30},
	    {MT_TCP_RST | MT_TCP_ACK, (uint32_t) - (1 << 29), WINDOW + 1},
	    {MT_TCP_FIN | MT_TCP_ACK, 1u << 30, 1u << 30},
	    {MT_TCP_ACK, 1u << 29, 1u << 26}, /* nor do 64 MiB count as missing */
	};

	(void)state;
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		struct talk talk = talk_smtp((uint16_t)(40000 + direction));

		for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++)
			assert_int_equal(send_far(&talk, direction, rows[i].flags, rows[i].seq, rows[i].ack),
					 MT_VERDICT_DIALOGUE);
		assert_int_equal(strays(), MT_ARRAY_LEN(rows) * (direction + 1));
		/* Silence is borne as before. */
		talk.now_ns += TIMEOUT / 2;
		mt_engine_sweep(engine, MT_ENGINE_WHOLE, talk.now_ns);
		client(&talk, "STARTTLS\r\n");
		server(&talk, "454 not now\r\n");
		say_goodbye(&talk);
		assert_int_equal(report_count, direction + 1);
		assert_int_equal(reports[direction].end.reason, MT_REASON_FIN);
		assert_int_equal(reports[direction].facts.response, MT_RESPONSE_REFUSED);
		assert_int_equal(mt_facts_evidence(&reports[direction].facts, &reports[direction].end),
				 MT_EVIDENCE_COMPLETE);
	}
}

static void resets_inside_of_the_window_end_it(void **state)
{
	static const struct {
		enum mt_direction direction;
		uint8_t flags;
		uint32_t seq, ack;
	} rows[] = {
	    {MT_TO_SERVER, MT_TCP_RST, 0, 0}, /* exactly the next */
	    {MT_TO_CLIENT, MT_TCP_RST | MT_TCP_ACK, 0, 0},
	    {MT_TO_CLIENT, MT_TCP_RST | MT_TCP_ACK, 0, 1u << 31}, /* of somebody who knows one number only */
	    {MT_TO_SERVER, MT_TCP_RST, (uint32_t)-20, 0},	  /* it answers what came late */
	    {MT_TO_CLIENT, MT_TCP_RST, 64 * 1024, 0},		  /* behind bytes that were not captured */
	    {MT_TO_CLIENT, MT_TCP_RST, WINDOW, 0},
	};

	(void)state;
	for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct talk talk = talk_smtp((uint16_t)(40000 + i));

		send_far(&talk, rows[i].direction, rows[i].flags, rows[i].seq, rows[i].ack);
		mt_engine_sweep(engine, MT_ENGINE_WHOLE, talk.now_ns + 2 * LINGER_NS);
		assert_int_equal(report_count, i + 1);
		assert_int_equal(reports[i].end.reason, MT_REASON_RST);
	}
	assert_int_equal(strays(), 0);
}

/* Whatever was lost of a body, one of the two numbers is where it was, and shows where the other has gone. */
static void ends_behind_a_long_gap_are_seen(void **state)
{
	static const struct {
		bool is_acked; /* an acknowledgement of the lost bytes was captured */
		uint8_t flags;
		enum mt_reason reason;
	} rows[] = {{false, MT_TCP_RST | MT_TCP_ACK, MT_REASON_RST},
		    {true, MT_TCP_RST, MT_REASON_RST},
		    {false, MT_TCP_FIN | MT_TCP_ACK, MT_REASON_FIN}};

	(void)state;
	for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct talk talk = talk_smtp((uint16_t)(40000 + i));

		client(&talk, "DATA\r\n");
		server(&talk, "354 go\r\n");
		talk.seq[MT_TO_SERVER] += 5 * WINDOW;
		if (rows[i].is_acked)
			server(&talk, "");
		send_flags(&talk, MT_TO_SERVER, rows[i].flags, "");
		send_flags(&talk, MT_TO_CLIENT, MT_TCP_FIN | MT_TCP_ACK, "");
		client(&talk, "");
		mt_engine_sweep(engine, MT_ENGINE_WHOLE, talk.now_ns + 2 * LINGER_NS);
		assert_int_equal(report_count, i + 1);
		assert_int_equal(reports[i].end.reason, rows[i].reason);
	}
	assert_int_equal(strays(), 0);
}

static struct talk talk_decided(uint16_t client_port)
{
	struct talk talk = talk_of(client_port, 143);

	shake_hands(&talk);
	server(&talk, "* OK ready\r\n");
	client(&talk, "a COMPRESS DEFLATE\r\n");
	server(&talk, "a OK from here on\r\n");
	return talk;
}

/* A decided flow keeps one line of memory, and tells its own resets from others all the same. */
static void a_decided_session_outlives_a_reset_that_is_not_its_own(void **state)
{
	(void)state;
	struct talk talk = talk_decided(40000);

	assert_int_equal(report_count, 1);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(client(&talk, "compressed"), MT_VERDICT_DECIDED);
		talk.seq[MT_TO_SERVER] += WINDOW / 2; /* in packets that were not captured */
	}
	assert_int_equal(send_far(&talk, MT_TO_SERVER, MT_TCP_RST, (uint32_t) - (3 * WINDOW), 0),
			 MT_VERDICT_DECIDED);
	assert_int_equal(report_count, 1);
	assert_int_equal(strays(), 1);
	send_far(&talk, MT_TO_SERVER, MT_TCP_RST, 0, 0);
	let_cross(&talk);
	assert_int_equal(report_count, 2);
	assert_int_equal(reports[1].end.reason, MT_REASON_RST);
}

/* A device drops so many bytes of each direction, and says so. */
static void go_by_unseen(struct talk *talk, uint32_t bytes)
{
	struct mt_engine_packet packet = packet_of(talk, MT_TO_SERVER, MT_TCP_ACK, mt_span_text(""));

	mt_engine_prepare(engine, &packet);
	mt_engine_note_unseen(engine, packet.fingerprint, talk->now_ns);
	talk->seq[MT_TO_SERVER] += bytes;
	talk->seq[MT_TO_CLIENT] += bytes;
}

static void ends_behind_unseen_packets_are_seen(void **state)
{
	static const struct {
		uint8_t flags;
		enum mt_reason reason;
	} rows[] = {{MT_TCP_RST, MT_REASON_RST},
		    {MT_TCP_RST | MT_TCP_ACK, MT_REASON_RST},
		    {MT_TCP_FIN | MT_TCP_ACK, MT_REASON_FIN}};

	(void)state;
	for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct talk talk = talk_decided((uint16_t)(40000 + i));

		go_by_unseen(&talk, 1u << 30);
		/* Some come to us again, and go by again. */
		assert_int_equal(client(&talk, "compressed"), MT_VERDICT_DECIDED);
		go_by_unseen(&talk, 5 * WINDOW);
		send_flags(&talk, MT_TO_SERVER, rows[i].flags, "");
		if (rows[i].reason == MT_REASON_FIN) {
			go_by_unseen(&talk, 5 * WINDOW); /* one side has more to say */
			assert_int_equal(report_count, 2 * i + 1);
			send_flags(&talk, MT_TO_CLIENT, MT_TCP_FIN | MT_TCP_ACK, "");
		}
		/* The last acknowledgement is no end of its own, and may go by too. */
		mt_engine_sweep(engine, MT_ENGINE_WHOLE, talk.now_ns + 2 * LINGER_NS);
		assert_int_equal(report_count, 2 * i + 2);
		assert_int_equal(reports[2 * i + 1].end.reason, rows[i].reason);
	}
	assert_int_equal(strays(), 0);
}

static void unseen_packets_keep_it_alive(void **state)
{
	(void)state;
	struct talk talk = talk_decided(40000);
	uint64_t known_ns = talk.now_ns += TIMEOUT - SECOND;

	go_by_unseen(&talk, 0);
	mt_engine_sweep(engine, MT_ENGINE_WHOLE, known_ns + TIMEOUT);
	assert_int_equal(report_count, 1);
	talk.now_ns -= SECOND; /* news that come late do not turn back the time */
	go_by_unseen(&talk, 0);
	mt_engine_sweep(engine, MT_ENGINE_WHOLE, known_ns + TIMEOUT + 1);
	assert_int_equal(report_count, 2);
	assert_int_equal(reports[1].end.reason, MT_REASON_TIMEOUT);
	assert_int_equal(reports[1].end.end_ns, known_ns);
}

/* Nobody drops a session that is being read, and one that has said goodbye is over when it was over. */
static void unseen_packets_change_nothing_else(void **state)
{
	(void)state;
	struct talk reading = talk_smtp(40000), closing = talk_decided(40001), strange = talk_of(40002, 143);
	uint64_t closed_ns;

	go_by_unseen(&strange, 0);
	assert_int_equal(mt_engine_flows(engine), 2);
	go_by_unseen(&reading, 0);
	assert_int_equal(send_far(&reading, MT_TO_SERVER, MT_TCP_RST, WINDOW + 1, 0), MT_VERDICT_DIALOGUE);
	assert_int_equal(strays(), 1);
	assert_int_equal(report_count, 1);
	send_flags(&closing, MT_TO_SERVER, MT_TCP_FIN | MT_TCP_ACK, "");
	closed_ns = closing.now_ns;
	send_flags(&closing, MT_TO_CLIENT, MT_TCP_FIN | MT_TCP_ACK, "");
	closing.now_ns += LINGER_NS;
	go_by_unseen(&closing, 0);
	mt_engine_sweep(engine, MT_ENGINE_WHOLE, closing.now_ns + SECOND);
	assert_int_equal(report_count, 2);
	assert_int_equal(reports[1].end.end_ns, closed_ns);
}

/* Where the client is not captured, the SYN-ACK says that the ports are used again. */
static void a_server_alone_shows_that_its_port_is_used_again(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 25);

	for (unsigned i = 0; i < 2; i++) {
		talk.seq[MT_TO_SERVER] += 5000 * i;
		talk.seq[MT_TO_CLIENT] += 100000 * i;
		struct mt_engine_packet copy =
		    packet_of(&talk, MT_TO_CLIENT, MT_TCP_SYN | MT_TCP_ACK, mt_span_text(""));
		send_flags(&talk, MT_TO_CLIENT, MT_TCP_SYN | MT_TCP_ACK, "");
		server(&talk, i == 0 ? "220 one.example\r\n" : "220 two.example\r\n");
		/* A second tap's, or a repeat: the same connection. */
		assert_int_equal(put(copy), MT_VERDICT_DIALOGUE);
		talk.seq[MT_TO_SERVER] += 6;
		server(&talk, "250-mx.example\r\n250 STARTTLS\r\n");
	}
	mt_engine_finish(engine, talk.now_ns);
	assert_int_equal(report_count, 2);
	assert_int_equal(reports[0].end.reason, MT_REASON_REUSE);
	assert_int_equal(reports[1].end.reason, MT_REASON_SHUTDOWN);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(reports[i].facts.offered, MT_SEEN_YES);
		assert_int_equal(mt_facts_evidence(&reports[i].facts, &reports[i].end),
				 MT_EVIDENCE_ONE_SIDED);
	}
	assert_true(reports[1].facts.synack_ns > reports[0].end.end_ns);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_lies_outside_of_the_window_ends_nothing),
	    TEST(resets_inside_of_the_window_end_it),
	    TEST(ends_behind_a_long_gap_are_seen),
	    TEST(a_decided_session_outlives_a_reset_that_is_not_its_own),
	    TEST(ends_behind_unseen_packets_are_seen),
	    TEST(unseen_packets_keep_it_alive),
	    TEST(unseen_packets_change_nothing_else),
	    TEST(a_server_alone_shows_that_its_port_is_used_again),
	};
	return cmocka_run_group_tests_name("session_ends", tests, compile, release);
}
