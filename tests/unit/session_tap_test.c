/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* What two taps, or two sides of somebody in the middle, show of one connection. */
#include "unit.h"

#include "session_talk.h"

/** A second tap: where its copies lie, and how much later they come. */
struct tap {
	uint16_t vlan;
	uint64_t late_ns;
};

static uint64_t copies(void)
{
	return cells[MT_CELL0(STREAM_COPIES)];
}

/* One segment, and its copy unless tap is NULL. */
static void send_to_taps(struct talk *talk, enum mt_direction direction, const char *text,
			 const struct tap *tap)
{
	struct mt_engine_packet packet = packet_of(talk, direction, MT_TCP_ACK, mt_span_text(text));

	miss(talk, direction, text);
	put(packet);
	if (tap == NULL)
		return;
	packet.packet.vlan_count = 1;
	packet.packet.vlan[0] = tap->vlan;
	packet.time_ns += tap->late_ns;
	put(packet);
}

/* A session with a login, for which a listener would be blamed if it were read twice. */
static void talk_to_taps(uint16_t client_port, const struct tap *tap)
{
	struct talk talk = talk_of(client_port, 25);

	shake_hands(&talk);
	send_to_taps(&talk, MT_TO_CLIENT, "220 mx.example ESMTP\r\n", tap);
	send_to_taps(&talk, MT_TO_SERVER, "EHLO client.example\r\n", tap);
	send_to_taps(&talk, MT_TO_CLIENT, "250-mx.example\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n", tap);
	send_to_taps(&talk, MT_TO_SERVER, "AUTH PLAIN\r\n", tap);
	send_to_taps(&talk, MT_TO_CLIENT, "334 \r\n", tap);
	send_to_taps(&talk, MT_TO_SERVER, "AGEAYg==\r\n", tap);
	send_to_taps(&talk, MT_TO_CLIENT, "235 ok\r\n", tap);
	send_to_taps(&talk, MT_TO_SERVER, "STARTTLS\r\n", tap);
	send_to_taps(&talk, MT_TO_CLIENT, "454 not now\r\n", tap);
	say_goodbye(&talk);
}

/* G19: what CONTRACT.md 2 says of a second tap. */
static void copies_change_the_packets_and_nothing_else(void **state)
{
	static const struct tap at_once = {20, 0}, late = {20, 10 * MT_NS_PER_MS},
				too_late = {20, 11 * MT_NS_PER_MS};
	static const struct {
		const struct tap *tap;
		uint64_t copies;
	} rows[] = {{NULL, 0}, {&at_once, 9}, {&late, 9}, {&too_late, 0}};

	(void)state;
	for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++) {
		uint64_t before = copies();

		talk_to_taps((uint16_t)(40000 + i), rows[i].tap);
		assert_int_equal(report_count, i + 1);
		assert_int_equal(copies() - before, rows[i].copies);
		assert_int_equal(reports[i].end.pkts[MT_TO_CLIENT], rows[i].tap == NULL ? 6 : 11);
		assert_int_equal(reports[i].end.pkts[MT_TO_SERVER], rows[i].tap == NULL ? 6 : 10);
		/* Whoever came first is in the record. */
		assert_int_equal(reports[i].ends.vlan_count, 0);
		reports[i].ends.client_port = reports[0].ends.client_port;
		assert_memory_equal(&reports[i].ends, &reports[0].ends, sizeof(reports[0].ends));
		assert_memory_equal(&reports[i].facts, &reports[0].facts, sizeof(reports[0].facts));
	}
	assert_int_equal(reports[0].facts.anomalies, 1u << MT_ANOMALY_AUTH_IN_CLEAR |
							 1u << MT_ANOMALY_AUTH_THOUGH_OFFERED |
							 1u << MT_ANOMALY_REFUSED_THOUGH_OFFERED);
	assert_int_equal(reports[0].facts.auth_count, 1);
}

/* G19: the two directions of a trunk may carry tags of their own. */
static void two_directions_under_two_vlans_are_one_session(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 25);

	for (unsigned i = 0; i < 6; i++) {
		static const char *const said[] = {"220 mx\r\n", "EHLO a\r\n", "250 mx\r\n",
						   "NOOP\r\n",	 "250 ok\r\n", "QUIT\r\n"};
		enum mt_direction direction = i % 2 == 0 ? MT_TO_CLIENT : MT_TO_SERVER;
		struct mt_engine_packet packet =
		    packet_of(&talk, direction, MT_TCP_ACK, mt_span_text(said[i]));

		packet.packet.vlan_count = 1;
		packet.packet.vlan[0] = direction == MT_TO_CLIENT ? 30 : 200;
		miss(&talk, direction, said[i]);
		assert_int_equal(put(packet), MT_VERDICT_DIALOGUE);
	}
	say_goodbye(&talk);
	assert_int_equal(only_facts()->protocol, MT_PROTOCOL_SMTP);
	assert_int_equal(only_evidence(), MT_EVIDENCE_COMPLETE);
	assert_int_equal(reports[0].ends.vlan_count, 1);
	assert_int_equal(reports[0].ends.vlan[0], 30);
}

/* G8, CONTRACT.md 2: other bytes under the same numbers are flagged, however soon they come, and the first
 * ones count, whether they have been read or wait. */
static void other_bytes_under_the_same_numbers_change_nothing_and_are_flagged(void **state)
{
	static const struct {
		const char *first, *second;
		uint32_t begin; /* where the second copy begins */
		bool is_held;	/* the line before them is late */
		bool is_flagged;
	} rows[] = {
	    {"STARTTLS\r\n", "XXXXXXXX\r\n", 0, false, true},
	    {"STARTTLS\r\n", "XXXXXXXX\r\n", 0, true, true},
	    {"STARTTLS\r\n", "STARTTLS\r\n", 0, false, false},
	    {"STARTTLS\r\n", "STARTTLS\r\nNOOP\r\n", 0, false, false},
	    {"STARTTLS\r\n", "NOOP\r\nNOOP\r\nNOOP\r\n", 0, false, true},
	    {"STARTTLS\r\n", "TLS\r\n", 5, true, false},
	    {"STARTTLS\r\n", "XXX\r\n", 5, true, true},	  /* held, so that every byte is compared ... */
	    {"STARTTLS\r\n", "XXX\r\n", 5, false, false}, /* ... read, and known by their sum as a whole */
	};

	(void)state;
	for (unsigned i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct talk talk = talk_smtp((uint16_t)(40000 + i));
		struct talk late = talk;

		if (rows[i].is_held)
			miss(&talk, MT_TO_SERVER, "NOOP\r\n");
		struct talk again = talk;
		client(&talk, rows[i].first);
		again.seq[MT_TO_SERVER] += rows[i].begin;
		client(&again, rows[i].second);
		if (rows[i].is_held)
			client(&late, "NOOP\r\n");
		if (rows[i].is_held)
			server(&talk, "250 ok\r\n");
		server(&talk, "454 not now\r\n");
		send_flags(&talk, MT_TO_SERVER, MT_TCP_RST | MT_TCP_ACK, "");
		let_cross(&talk);
		assert_int_equal(report_count, i + 1);
		assert_true(reports[i].facts.is_requested);
		assert_int_equal(reports[i].facts.response, MT_RESPONSE_REFUSED);
		assert_int_equal(reports[i].facts.anomalies >> MT_ANOMALY_INCONSISTENT_RETRANSMISSION & 1,
				 rows[i].is_flagged);
		assert_int_equal(copies(), i < 2 ? 0 : 1);
	}
}

/* X7: with a tap on either side of whoever takes STARTTLS out, the list is seen with it and without. */
static void somebody_in_the_middle_is_seen_by_comparing_both_sides(void **state)
{
	static const char with[] = "250-mx.example\r\n250-STARTTLS\r\n250 HELP\r\n";
	static const char without[] = "250-mx.example\r\n250-XXXXXXXA\r\n250 HELP\r\n";

	(void)state;
	for (unsigned is_server_first = 0; is_server_first < 2; is_server_first++) {
		struct talk talk = talk_of((uint16_t)(40000 + is_server_first), 25);

		shake_hands(&talk);
		server(&talk, "220 mx.example ESMTP\r\n");
		client(&talk, "EHLO client.example\r\n");
		struct talk other_side = talk;
		server(&talk, is_server_first ? with : without);
		server(&other_side, is_server_first ? without : with);
		client(&talk, "NOOP\r\n");
		server(&talk, "250 ok\r\n");
		say_goodbye(&talk);
		assert_int_equal(report_count, is_server_first + 1);
		const struct mt_facts *facts = &reports[is_server_first].facts;
		assert_true(facts->anomalies >> MT_ANOMALY_INCONSISTENT_RETRANSMISSION & 1);
		/* The first copy is what is read. */
		assert_int_equal(mt_facts_outcome(facts),
				 is_server_first ? MT_OUTCOME_OFFERED_UNUSED : MT_OUTCOME_STRIPPED);
	}
	assert_int_equal(copies(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(copies_change_the_packets_and_nothing_else),
	    TEST(two_directions_under_two_vlans_are_one_session),
	    TEST(other_bytes_under_the_same_numbers_change_nothing_and_are_flagged),
	    TEST(somebody_in_the_middle_is_seen_by_comparing_both_sides),
	};
	return cmocka_run_group_tests_name("session_tap", tests, compile, release);
}
