/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

#include <stdio.h>

#include "session_talk.h"

/* How connections end. */

static void a_session_leaves_one_record_when_both_sides_said_goodbye(void **state)
{
	(void)state;
	struct talk talk = talk_smtp(40000);

	assert_int_equal(report_count, 0);
	say_goodbye(&talk);
	const struct mt_facts *facts = only_facts();
	assert_int_equal(facts->protocol, MT_PROTOCOL_SMTP);
	assert_int_equal(facts->start_ns, START);
	assert_int_equal(facts->synack_ns, START + MT_NS_PER_MS);
	assert_int_equal(facts->offered, MT_SEEN_YES);
	assert_text(facts->banner, "mx.example ESMTP");
	assert_text(facts->client_name, "client.example");
	assert_int_equal(mt_facts_security(facts), MT_SECURITY_CLEARTEXT);
	assert_int_equal(mt_facts_outcome(facts), MT_OUTCOME_OFFERED_UNUSED);
	assert_int_equal(only_evidence(), MT_EVIDENCE_COMPLETE);
	assert_int_equal(reports[0].end.reason, MT_REASON_FIN);
	assert_int_equal(reports[0].ends.client_port, 40000);
	assert_int_equal(reports[0].ends.server_port, 25);
	assert_int_equal(reports[0].ends.client_addr[3], 1);
	/* From the first payload on: EHLO, FIN and its ACK; greeting, reply and FIN. */
	assert_int_equal(reports[0].end.pkts[MT_TO_SERVER], 3);
	assert_int_equal(reports[0].end.pkts[MT_TO_CLIENT], 3);
	assert_int_equal(reports[0].end.bytes[MT_TO_SERVER], 3 * 40 + 21);
	assert_int_equal(closed(MT_REASON_FIN), 1);
}

static void stragglers_of_an_ended_session_open_nothing(void **state)
{
	(void)state;
	struct talk talk = talk_smtp(40000);

	say_goodbye(&talk);
	assert_int_equal(client(&talk, "QUIT\r\n"), MT_VERDICT_AFTER_END);
	assert_int_equal(server(&talk, ""), MT_VERDICT_AFTER_END);
	only_facts();
	/* Once the straggling is over, the place is given back. */
	mt_engine_sweep(engine, 1000, talk.now_ns + LINGER_NS / 2);
	assert_int_equal(mt_engine_flows(engine), 1);
	mt_engine_sweep(engine, 1000, talk.now_ns + 2 * LINGER_NS);
	assert_int_equal(mt_engine_flows(engine), 0);
}

static void a_reset_ends_a_session_when_nothing_more_crosses_it(void **state)
{
	(void)state;
	struct talk talk = talk_smtp(40000), other = talk_smtp(40001);
	uint64_t reset_ns = talk.now_ns;

	assert_int_equal(send_flags(&talk, MT_TO_SERVER, MT_TCP_RST | MT_TCP_ACK, ""), MT_VERDICT_DIALOGUE);
	send_flags(&other, MT_TO_SERVER, MT_TCP_RST | MT_TCP_ACK, "");
	mt_engine_sweep(engine, MT_ENGINE_WHOLE, reset_ns + MT_SESSION_LATE_NS);
	assert_int_equal(report_count, 0);
	/* By a sweep, or by the packet that comes too late to have crossed it. */
	for (unsigned i = 0; i < 2; i++) {
		struct talk *late = i == 0 ? &talk : &other;

		late->now_ns = reset_ns + MT_SESSION_LATE_NS + 1;
		assert_int_equal(server(late, "221 bye\r\n"), MT_VERDICT_AFTER_END);
		assert_int_equal(report_count, i + 1);
		assert_int_equal(reports[i].end.reason, MT_REASON_RST);
		assert_int_equal(reports[i].end.end_ns, reset_ns);
		assert_int_equal(reports[i].end.over_ns, reset_ns);
	}
	assert_int_equal(closed(MT_REASON_RST), 2);
}

/* A client that closes before the server's last words are in answers them with a reset. */
static void what_crosses_a_reset_counts_on_either_side_of_it(void **state)
{
	(void)state;
	for (unsigned place = 0; place < 4; place++) {
		struct talk talk = talk_smtp((uint16_t)(40000 + place));

		client(&talk, "QUIT\r\n");
		send_flags(&talk, MT_TO_SERVER, MT_TCP_FIN | MT_TCP_ACK, "");
		for (unsigned i = 0; i < 4; i++) {
			if (i == place)
				send_flags(&talk, MT_TO_SERVER, MT_TCP_RST, "");
			if (i == 0)
				server(&talk, "250-odd\r\n");
			if (i == 1)
				server(&talk, "221 bye\r\n");
			if (i == 2)
				send_flags(&talk, MT_TO_CLIENT, MT_TCP_FIN | MT_TCP_ACK, "");
		}
		let_cross(&talk);
		assert_int_equal(report_count, place + 1);
		assert_int_equal(reports[place].end.reason, MT_REASON_RST);
		assert_int_equal(reports[place].end.pkts[MT_TO_SERVER], 4);
		assert_int_equal(reports[place].end.pkts[MT_TO_CLIENT], 5);
		assert_int_equal(reports[place].end.bytes[MT_TO_CLIENT], reports[0].end.bytes[MT_TO_CLIENT]);
		assert_int_equal(mt_facts_evidence(&reports[place].facts, &reports[place].end),
				 MT_EVIDENCE_COMPLETE);
	}
}

static void an_idle_session_times_out_by_sweep_or_by_its_next_packet(void **state)
{
	(void)state;
	struct talk talk = talk_smtp(40000), other = talk_smtp(40001);

	mt_engine_sweep(engine, 1000, talk.now_ns - MT_NS_PER_MS + TIMEOUT);
	assert_int_equal(report_count, 0);
	other.now_ns += TIMEOUT;
	assert_int_equal(client(&other, "NOOP\r\n"), MT_VERDICT_DIALOGUE);
	assert_int_equal(report_count, 1);
	assert_int_equal(reports[0].end.reason, MT_REASON_TIMEOUT);
	assert_int_equal(reports[0].end.end_ns, talk.now_ns - MT_NS_PER_MS);
	mt_engine_sweep(engine, 1000, talk.now_ns + TIMEOUT);
	assert_int_equal(report_count, 2);
	assert_int_equal(closed(MT_REASON_TIMEOUT), 2);
	/* The packet that came too late began a connection of its own, met in its middle. */
	mt_engine_finish(engine, other.now_ns);
	assert_int_equal(report_count, 3);
	assert_int_equal(reports[2].end.reason, MT_REASON_SHUTDOWN);
	assert_int_equal(mt_facts_evidence(&reports[2].facts, &reports[2].end), MT_EVIDENCE_MIDSTREAM);
}

static void a_new_syn_begins_a_new_session_and_a_repeated_one_does_not(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 25), first = talk;

	shake_hands(&talk);
	server(&talk, "220 mx.example\r\n");
	/* A duplicate of the first SYN, late (two taps). */
	first.now_ns = talk.now_ns;
	assert_int_equal(send_flags(&first, MT_TO_SERVER, MT_TCP_SYN, ""), MT_VERDICT_DIALOGUE);
	assert_int_equal(report_count, 0);
	/* G17: the port is used again. */
	struct talk again = talk_of(40000, 25);
	again.seq[MT_TO_SERVER] = 77;
	again.seq[MT_TO_CLIENT] = 99;
	again.now_ns = talk.now_ns;
	shake_hands(&again);
	only_facts();
	assert_int_equal(reports[0].end.reason, MT_REASON_REUSE);
	server(&again, "220 another.example\r\n");
	say_goodbye(&again);
	assert_int_equal(report_count, 2);
	assert_int_equal(reports[1].facts.start_ns, again.now_ns - 7 * MT_NS_PER_MS);
}

static void sweep_and_finish_agree_on_who_is_too_late(void **state)
{
	(void)state;
	struct talk early = talk_smtp(40000), late;

	late = talk_of(40001, 25);
	late.now_ns = START + TIMEOUT;
	server(&late, "220 mx.example\r\n");
	mt_engine_finish(engine, early.now_ns + TIMEOUT);
	assert_int_equal(report_count, 2);
	assert_int_equal(closed(MT_REASON_TIMEOUT), 1);
	assert_int_equal(closed(MT_REASON_SHUTDOWN), 1);
}

/* ---- When a session was over: by packet times alone, however late the sweep comes ---- */

static void a_session_is_over_at_its_end_or_a_timeout_after_it(void **state)
{
	(void)state;
	struct talk idle = talk_smtp(40000), reset = talk_smtp(40001), halved = talk_smtp(40002);
	uint64_t last_ns = idle.now_ns - MT_NS_PER_MS;

	send_flags(&reset, MT_TO_SERVER, MT_TCP_RST | MT_TCP_ACK, "");
	let_cross(&reset);
	assert_int_equal(reports[0].end.over_ns, reports[0].end.end_ns);
	send_flags(&halved, MT_TO_SERVER, MT_TCP_FIN | MT_TCP_ACK, "");
	send_flags(&halved, MT_TO_CLIENT, MT_TCP_FIN, "");
	mt_engine_sweep(engine, MT_ENGINE_WHOLE, START + TIMEOUT - SECOND);
	assert_int_equal(report_count, 2);
	assert_int_equal(reports[1].end.reason, MT_REASON_FIN);
	assert_int_equal(reports[1].end.over_ns, reports[1].end.end_ns + LINGER_NS);
	mt_engine_sweep(engine, MT_ENGINE_WHOLE, last_ns + 3 * TIMEOUT);
	assert_int_equal(report_count, 3);
	assert_int_equal(reports[2].end.end_ns, last_ns);
	assert_int_equal(reports[2].end.over_ns, last_ns + TIMEOUT);
}

static void a_session_is_over_when_the_run_is_or_its_name_is_used_again(void **state)
{
	(void)state;
	struct talk first = talk_smtp(40000), open = talk_smtp(40001), again = talk_of(40000, 25);

	again.seq[MT_TO_SERVER] = 77;
	again.now_ns = first.now_ns + SECOND;
	shake_hands(&again);
	server(&again, "220 another.example\r\n");
	assert_int_equal(report_count, 1);
	assert_true(reports[0].end.over_ns >= first.now_ns + SECOND);
	assert_true(reports[0].end.over_ns < again.now_ns);
	mt_engine_finish(engine, open.now_ns + SECOND * 60);
	assert_int_equal(report_count, 3);
	assert_int_equal(reports[1].end.over_ns, open.now_ns + SECOND * 60);
	assert_int_equal(reports[2].end.over_ns, open.now_ns + SECOND * 60);
}

/* What is not there. */

static void a_dialogue_met_in_its_middle_is_said_to_be_so(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 25);

	client(&talk, "MAIL FROM:<a@example.org>\r\n");
	server(&talk, "250 ok\r\n");
	mt_engine_finish(engine, talk.now_ns);
	assert_int_equal(only_evidence(), MT_EVIDENCE_MIDSTREAM);
	assert_int_equal(mt_facts_security(only_facts()), MT_SECURITY_CLEARTEXT);
	assert_int_equal(only_facts()->offered, MT_SEEN_NEVER);
	assert_int_equal(only_facts()->banner.len, 0);
}

static void what_is_recognised_as_nothing_is_a_record_only_without_its_beginning(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 25);

	client(&talk, "dGhpcyBpcyBub3RoaW5n\r\n");
	mt_engine_finish(engine, talk.now_ns);
	assert_int_equal(only_evidence(), MT_EVIDENCE_MIDSTREAM);
	assert_int_equal(mt_facts_security(only_facts()), MT_SECURITY_UNKNOWN);
}

/* A line longer than any is one line, in however many segments it comes. */
static void a_line_without_an_end_is_one_that_is_recognised_as_nothing(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 25);

	for (unsigned i = 0; i < 500; i++)
		client(&talk, "U");
	mt_engine_finish(engine, talk.now_ns);
	assert_int_equal(only_evidence(), MT_EVIDENCE_MIDSTREAM);
	assert_int_equal(mt_facts_security(only_facts()), MT_SECURITY_UNKNOWN);
}

static void what_speaks_something_else_leaves_a_count_and_no_record(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 25);

	shake_hands(&talk);
	client(&talk, "GET / HTTP/1.1\r\n");
	server(&talk, "HTTP/1.1 400 Bad Request\r\n");
	assert_int_equal(client(&talk, "x"), MT_VERDICT_NOT_MAIL_FLOW);
	assert_int_equal(server(&talk, "220 mx.example\r\n"), MT_VERDICT_NOT_MAIL_FLOW);
	say_goodbye(&talk);
	mt_engine_finish(engine, talk.now_ns);
	assert_int_equal(report_count, 0);
	assert_int_equal(cells[MT_CELL2(ANOMALIES, MT_PROTOCOL_SMTP, MT_ANOMALY_NOT_MAIL_ON_MAIL_PORT)], 1);
	assert_int_equal(cells[MT_CELL0(SESSIONS_OPENED)], 0);
	assert_int_equal(cells[MT_CELL0(RECORDS_MADE)], 0);
}

static void without_payload_there_is_no_session(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 25);

	shake_hands(&talk);
	assert_int_equal(send_flags(&talk, MT_TO_SERVER, MT_TCP_RST, ""), MT_VERDICT_NO_PAYLOAD);
	assert_int_equal(mt_engine_flows(engine), 0);
	talk = talk_of(40001, 26);
	assert_int_equal(client(&talk, "EHLO x\r\n"), MT_VERDICT_NOT_MAIL);
	assert_int_equal(cells[MT_CELL0(FILTER_FALSE)], 1);
}

/* Limits. */

static void a_full_table_refuses_and_counts(void **state)
{
	(void)state;
	mt_engine_destroy(engine);
	create(4, 8);
	for (uint16_t i = 0; i < 6; i++) {
		struct talk talk = talk_of((uint16_t)(40000 + i), 25);

		assert_int_equal(server(&talk, "220 mx.example\r\n"),
				 i < 4 ? MT_VERDICT_DIALOGUE : MT_VERDICT_REFUSED);
	}
	assert_int_equal(lost(MT_LOSS_TABLE_FULL), 2);
	assert_int_equal(cells[MT_CELL0(FLOWS)], 4);
	assert_int_equal(engine->sessions.free_pieces, 4);
}

/* Met in its middle, behind a line of the client's that says nothing: G4. */
static void a_first_line_is_the_first_however_it_is_cut(void **state)
{
	(void)state;
	struct talk whole = talk_of(40000, 110), cut = talk_of(40001, 110);

	client(&whole, "\n");
	server(&whole, "+OK ready\r\n");
	client(&cut, "\n");
	server(&cut, "+OK re");
	server(&cut, "ady\r\n");
	mt_engine_finish(engine, cut.now_ns);
	assert_int_equal(report_count, 2);
	assert_int_equal(reports[0].facts.is_midstream, reports[1].facts.is_midstream);
	assert_int_equal(reports[0].facts.protocol, reports[1].facts.protocol);
	assert_int_equal(reports[0].facts.has_server_line, reports[1].facts.has_server_line);
	assert_int_equal(reports[0].facts.detected_by, reports[1].facts.detected_by);
}

static void a_full_pool_of_sessions_refuses_and_counts_and_recovers(void **state)
{
	(void)state;
	mt_engine_destroy(engine);
	create(64, 2);
	struct talk first = talk_smtp(40000), second = talk_smtp(40001), third = talk_of(40002, 25);
	shake_hands(&third);
	assert_int_equal(server(&third, "220 "), MT_VERDICT_REFUSED);
	assert_int_equal(lost(MT_LOSS_SESSIONS_FULL), 1);
	assert_int_equal(mt_engine_flows(engine), 2);
	say_goodbye(&first);
	assert_int_equal(server(&third, "mx.example\r\n"), MT_VERDICT_DIALOGUE);
	say_goodbye(&second);
	say_goodbye(&third);
	mt_engine_finish(engine, third.now_ns);
	assert_int_equal(report_count, 3);
	/* Its beginning was refused: the record says so. */
	assert_true(reports[2].facts.is_midstream || reports[2].facts.has_gap);
}

/* Encrypted records, met in the middle on a port of implicit TLS: decided at once. */
static struct talk talk_decided(uint16_t client_port)
{
	struct talk talk = talk_of(client_port, 993);

	assert_int_equal(client(&talk, "\x17\x03\x03\x01\x01xxxx"), MT_VERDICT_DIALOGUE);
	return talk;
}

static void a_decided_session_is_parked_and_only_counted(void **state)
{
	(void)state;
	struct talk talk = talk_decided(40000);

	assert_int_equal(report_count, 1);
	assert_true(reports[0].has_facts && !reports[0].has_end);
	assert_int_equal(engine->sessions.free_pieces, engine->sessions.pieces);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(server(&talk, "yyyyyyyyyy"), MT_VERDICT_DECIDED);
	say_goodbye(&talk);
	assert_int_equal(report_count, 2);
	assert_true(!reports[1].has_facts && reports[1].has_end);
	assert_int_equal(reports[1].handle, reports[0].handle);
	assert_int_equal(reports[1].end.pkts[MT_TO_CLIENT], 11);
	assert_int_equal(reports[1].end.bytes[MT_TO_CLIENT], 11 * 40 + 100);
	assert_int_equal(reports[1].end.pkts[MT_TO_SERVER], 3);
	assert_int_equal(reports[1].end.reason, MT_REASON_FIN);
	assert_int_equal(cells[MT_CELL0(RECORDS_MADE)], 1);
}

static void handles_are_unique_while_parked_and_used_again(void **state)
{
	(void)state;
	mt_engine_destroy(engine);
	create(4, 4);
	for (unsigned round = 0; round < 5; round++) {
		struct talk talk[4];
		uint32_t seen = 0;

		report_count = 0;
		for (uint16_t i = 0; i < 4; i++) {
			talk[i] = talk_decided((uint16_t)(40000 + i));
			assert_true(reports[i].handle < 4);
			assert_false(seen >> reports[i].handle & 1);
			seen |= 1u << reports[i].handle;
		}
		for (unsigned i = 0; i < 4; i++)
			say_goodbye(&talk[i]);
		assert_int_equal(report_count, 8);
		assert_int_equal(engine->handle_count, 4);
		mt_engine_sweep(engine, 1000, talk[3].now_ns + 2 * LINGER_NS);
	}
}

static void idle_decided_flows_make_room(void **state)
{
	(void)state;
	mt_engine_destroy(engine);
	create(2, 4);
	struct talk talk = talk_decided(40000), other = talk_decided(40001), third = talk_of(40002, 25);
	/* Nobody idle: refused. A clock that goes back a little (two queues) makes nobody idle. */
	assert_int_equal(server(&third, "220 mx.example\r\n"), MT_VERDICT_REFUSED);
	third.now_ns = START - 1;
	assert_int_equal(server(&third, "220 mx.example\r\n"), MT_VERDICT_REFUSED);
	other.now_ns = third.now_ns = START + 2 * LINGER_NS;
	client(&other, "x");
	assert_int_equal(server(&third, "220 mx.example\r\n"), MT_VERDICT_DIALOGUE);
	assert_int_equal(lost(MT_LOSS_FLOW_EVICTED), 1);
	assert_int_equal(closed(MT_REASON_EVICTED), 1);
	assert_int_equal(reports[report_count - 1].end.reason, MT_REASON_EVICTED);
	assert_int_equal(reports[report_count - 1].end.pkts[MT_TO_SERVER], 1);
	(void)talk;
}

static void what_the_ring_does_not_take_is_a_counted_loss(void **state)
{
	(void)state;
	struct talk talk = talk_smtp(40000), decided;

	is_ring_full = true;
	say_goodbye(&talk);
	assert_int_equal(lost(MT_LOSS_RECORD_RING_FULL), 1);
	assert_int_equal(cells[MT_CELL0(RECORDS_MADE)], 1);
	/* Facts that did not get through have no end to send, and their handle is free again. */
	decided = talk_decided(40001);
	assert_int_equal(lost(MT_LOSS_RECORD_RING_FULL), 2);
	assert_int_equal(engine->handle_count, 64);
	is_ring_full = false;
	say_goodbye(&decided);
	assert_int_equal(report_count, 0);
	assert_int_equal(cells[MT_CELL0(RECORDS_MADE)], 2);
	assert_int_equal(closed(MT_REASON_FIN), 2);
	/* An end that did not get through leaves a parked half that is never written. */
	decided = talk_decided(40002);
	assert_int_equal(report_count, 1);
	is_ring_full = true;
	say_goodbye(&decided);
	assert_int_equal(lost(MT_LOSS_RECORD_RING_FULL), 3);
	assert_int_equal(cells[MT_CELL0(RECORDS_MADE)], 3);
}

static void a_record_that_finds_no_handle_goes_out_at_once(void **state)
{
	(void)state;
	mt_engine_destroy(engine);
	create(1, 4);
	struct talk talk = talk_decided(40000);
	/* The parked half stays in the control thread's hands: its handle cannot be used again. */
	is_ring_full = true;
	say_goodbye(&talk);
	is_ring_full = false;
	mt_engine_sweep(engine, 1000, talk.now_ns + 2 * LINGER_NS);
	report_count = 0;
	talk = talk_decided(40001);
	assert_int_equal(report_count, 1);
	assert_true(reports[0].has_facts && reports[0].has_end);
	assert_int_equal(reports[0].end.reason, MT_REASON_EVICTED);
	assert_int_equal(lost(MT_LOSS_PARKED_FULL), 1);
	say_goodbye(&talk);
	assert_int_equal(report_count, 1);
}

/* Order and loss. */

static void every_stream_byte_is_accounted_for(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 25);
	struct mt_engine_packet packet;
	uint64_t put_bytes = 0;

	shake_hands(&talk);
	static const char *const parts[] = {"220 mx", ".exam", "ple ESM", "TP\r\n"};
	uint32_t seq[4];
	for (unsigned i = 0; i < 4; i++) {
		seq[i] = talk.seq[MT_TO_CLIENT];
		miss(&talk, MT_TO_CLIENT, parts[i]);
	}
	/* The last first, one twice, one never. */
	static const unsigned order[] = {3, 0, 0, 1};
	for (unsigned i = 0; i < 4; i++) {
		packet = packet_of(&talk, MT_TO_CLIENT, MT_TCP_ACK, mt_span_text(parts[order[i]]));
		packet.packet.seq = seq[order[i]];
		put_bytes += packet.packet.payload.len;
		put(packet);
	}
	client(&talk, "");
	say_goodbye(&talk);
	mt_engine_finish(engine, talk.now_ns);
	assert_int_equal(cells[MT_CELL0(STREAM_SKIPPED)], strlen(parts[2]));
	assert_int_equal(cells[MT_CELL0(STREAM_REPEATED)], strlen(parts[0]));
	assert_int_equal(cells[MT_CELL0(STREAM_DELIVERED)] + cells[MT_CELL0(STREAM_REPEATED)] +
			     cells[MT_CELL0(STREAM_REFUSED)],
			 put_bytes);
}

static void a_reply_that_is_seen_before_its_command_waits_for_it(void **state)
{
	(void)state;
	struct talk talk = talk_smtp(40000);
	/* X: STARTTLS and its answer, the answer through the quicker tap. */
	struct mt_engine_packet command =
	    packet_of(&talk, MT_TO_SERVER, MT_TCP_ACK, mt_span_text("STARTTLS\r\n"));
	miss(&talk, MT_TO_SERVER, "STARTTLS\r\n");
	server(&talk, "454 not now\r\n");
	put(command);
	say_goodbye(&talk);
	assert_int_equal(only_facts()->response, MT_RESPONSE_REFUSED);
	assert_string_equal(only_facts()->code, "454");
	assert_int_equal(only_evidence(), MT_EVIDENCE_COMPLETE);
}

static void acknowledged_bytes_that_never_come_are_given_up_after_a_while(void **state)
{
	(void)state;
	struct talk talk = talk_smtp(40000);

	miss(&talk, MT_TO_SERVER, "STARTTLS\r\n");
	server(&talk, "454 not now\r\n");
	talk.now_ns += LACK_NS;
	client(&talk, "QUIT\r\n");
	assert_int_equal(report_count, 0);
	server(&talk, "221 bye\r\n");
	say_goodbye(&talk);
	assert_int_equal(only_evidence(), MT_EVIDENCE_GAP);
	assert_int_equal(reports[0].missing[MT_TO_SERVER], 10);
	assert_false(only_facts()->is_requested);
	assert_int_equal(mt_facts_outcome(only_facts()), MT_OUTCOME_OFFERED_UNUSED);
}

static void acknowledged_bytes_missing_at_the_very_end_are_a_gap(void **state)
{
	(void)state;
	struct talk talk = talk_smtp(40000);

	client(&talk, "STARTTLS\r\n");
	miss(&talk, MT_TO_CLIENT, "454 not now\r\n");
	say_goodbye(&talk);
	mt_engine_finish(engine, talk.now_ns);
	assert_int_equal(only_evidence(), MT_EVIDENCE_GAP);
	assert_int_equal(reports[0].end.missing[MT_TO_CLIENT], 13);
	assert_int_equal(mt_facts_outcome(only_facts()), MT_OUTCOME_UNKNOWN);
}

static void a_lost_greeting_does_not_make_the_first_reply_a_greeting(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 110);

	shake_hands(&talk);
	miss(&talk, MT_TO_CLIENT, "+OK ready\r\n");
	client(&talk, "USER somebody\r\n");
	talk.now_ns += LACK_NS;
	server(&talk, "+OK\r\n");
	client(&talk, "PASS sesame\r\n");
	server(&talk, "-ERR no such somebody\r\n");
	say_goodbye(&talk);
	mt_engine_finish(engine, talk.now_ns);
	assert_int_equal(only_facts()->banner.len, 0);
	assert_int_equal(only_facts()->auth_count, 1);
	assert_int_equal(only_facts()->auth[0].outcome, MT_AUTH_FAILURE);
}

static void two_directions_never_wait_for_each_other_for_ever(void **state)
{
	(void)state;
	/* Each acknowledges the other's bytes: no two honest ends can have sent these. */
	struct talk talk = talk_smtp(40000);
	struct mt_engine_packet command =
	    packet_of(&talk, MT_TO_SERVER, MT_TCP_ACK, mt_span_text("NOOP\r\n"));
	struct mt_engine_packet reply =
	    packet_of(&talk, MT_TO_CLIENT, MT_TCP_ACK, mt_span_text("250 ok\r\n"));

	command.packet.ack += 8;
	reply.packet.ack += 6;
	put(command);
	put(reply);
	miss(&talk, MT_TO_SERVER, "NOOP\r\n");
	miss(&talk, MT_TO_CLIENT, "250 ok\r\n");
	assert_int_equal(engine->pieces.free_pieces, engine->pieces.pieces);
	client(&talk, "STARTTLS\r\n");
	server(&talk, "454 no\r\n");
	say_goodbye(&talk);
	assert_int_equal(only_facts()->response, MT_RESPONSE_REFUSED);
}

static void one_byte_segments_say_the_same(void **state)
{
	(void)state;
	static const char dialogue[] = "S220-mx.example ESMTP\r\n\0S220 go\r\n\0CEHLO client.example\r\n\0"
				       "S250-mx.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n\0CSTARTTLS\r\n\0"
				       "S454 4.7.0 not now\r\n\0CAUTH LOGIN\r\n\0S334 VXNlcm5hbWU6\r\n\0"
				       "Cc29tZWJvZHk=\r\n\0S334 UGFzc3dvcmQ6\r\n\0Cc2VzYW1l\r\n\0"
				       "S235 2.7.0 hello somebody\r\n\0CDATA\r\n\0S354 go\r\n\0"
				       "CSTARTTLS\r\n.\r\n\0S250 ok\r\n\0";
	static struct mt_report whole;

	for (unsigned piece = 100; piece > 0; piece = piece > 4 ? 4 : piece - 1) {
		struct talk talk = talk_of(40000, 25);

		mt_engine_destroy(engine);
		report_count = 0;
		create(64, 32);
		shake_hands(&talk);
		for (const char *turn = dialogue; *turn != 0; turn += strlen(turn) + 1)
			for (size_t at = 1; turn[at] != 0; at += strnlen(turn + at, piece)) {
				char part[101] = "";

				strncpy(part, turn + at, piece);
				if (*turn == 'S')
					server(&talk, part);
				else
					client(&talk, part);
			}
		say_goodbye(&talk);
		const struct mt_facts *facts = only_facts();
		assert_int_equal(facts->messages, 1);
		assert_int_equal(facts->auth_count, 1);
		assert_int_equal(facts->auth[0].outcome, MT_AUTH_SUCCESS);
		assert_int_equal(facts->auth[0].mechanism, MT_MECHANISM_LOGIN);
		assert_int_equal(facts->response, MT_RESPONSE_REFUSED);
		assert_null(memmem(facts->text, facts->text_len, "somebody", 8));
		if (piece == 100)
			whole = reports[0];
		assert_int_equal(facts->anomalies, whole.facts.anomalies);
		assert_int_equal(facts->text_len, whole.facts.text_len);
		assert_memory_equal(facts->text, whole.facts.text, facts->text_len);
	}
}

static void a_text_that_answers_a_hello_is_read_at_once(void **state)
{
	(void)state;
	/* A hello to a server of clear mail, which answers with its greeting and hangs up. */
	static const uint8_t hello[] = {0x16, 0x03, 0x01, 0x00, 0x40, 0x01, 0x00, 0x00, 0x3c, 0x03, 0x03};
	struct talk talk = talk_of(40000, 25);

	shake_hands(&talk);
	put(packet_of(&talk, MT_TO_SERVER, MT_TCP_ACK, mt_span(hello, sizeof(hello))));
	talk.seq[MT_TO_SERVER] += sizeof(hello);
	server(&talk, "220 mx.example ESMTP\r\n");
	assert_int_equal(engine->pieces.free_pieces, engine->pieces.pieces);
	say_goodbye(&talk);
	assert_text(only_facts()->banner, "mx.example ESMTP");
	assert_int_equal(mt_facts_security(only_facts()), MT_SECURITY_CLEARTEXT);
}

/* Privacy. */

static void the_literals_of_a_first_line_are_credentials_too(void **state)
{
	(void)state;
	/* Met where the client logs in: RFC 9051 6.2.3, 4.3. */
	struct talk talk = talk_of(40000, 143);

	client(&talk, "a LOGIN {8}\r\n");
	server(&talk, "+ go\r\n");
	client(&talk, "somebody ses");
	for (uint32_t i = 0; i < engine->sessions.untouched; i++)
		assert_null(memmem(mt_pool_at(&engine->sessions, i), engine->sessions.piece_bytes, "ses", 3));
	client(&talk, "ame\r\n");
	server(&talk, "a OK in\r\n");
	say_goodbye(&talk);
	mt_engine_finish(engine, talk.now_ns);
	assert_int_equal(only_facts()->auth_count, 1);
	assert_int_equal(only_facts()->auth[0].outcome, MT_AUTH_SUCCESS);
}

/* P2: the list of the AUTHORIZATION state is the one that counts (RFC 2449 5, RFC 2595 4). */
static void what_pop3_lists_after_the_login_says_nothing_about_stls(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 110);

	shake_hands(&talk);
	server(&talk, "+OK ready\r\n");
	client(&talk, "USER somebody\r\n");
	server(&talk, "+OK\r\n");
	client(&talk, "PASS sesame\r\n");
	server(&talk, "+OK in\r\n");
	client(&talk, "CAPA\r\n");
	server(&talk, "+OK\r\nTOP\r\nUIDL\r\n.\r\n");
	client(&talk, "QUIT\r\n");
	server(&talk, "+OK bye\r\n");
	say_goodbye(&talk);
	assert_int_equal(only_facts()->offered, MT_SEEN_NEVER);
	assert_int_equal(only_facts()->auth[0].outcome, MT_AUTH_SUCCESS);
	assert_int_equal(only_evidence(), MT_EVIDENCE_COMPLETE);
}

static void a_refusal_met_in_the_middle_is_no_greeting(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 25);

	server(&talk, "550 5.1.1 <somebody@example.org>: Recipient address rejected\r\n");
	client(&talk, "RCPT TO:<other@example.org>\r\n");
	mt_engine_finish(engine, talk.now_ns);
	assert_int_equal(only_facts()->banner.len, 0);
	assert_null(memmem(only_facts()->text, only_facts()->text_len, "somebody", 8));
	assert_int_equal(only_evidence(), MT_EVIDENCE_MIDSTREAM);
}

static void a_command_pipelined_behind_starttls_is_an_injection_whatever_else_is_answered(void **state)
{
	(void)state;
	/* G11, I5. */
	struct talk talk = talk_of(40000, 143);

	shake_hands(&talk);
	server(&talk, "* OK ready\r\n");
	client(&talk, "a LOGIN somebody sesame\r\nb STARTTLS\r\nc NOOP\r\n");
	server(&talk, "a OK in\r\n");
	server(&talk, "b OK begin\r\n");
	say_goodbye(&talk);
	assert_int_equal(only_facts()->auth[0].outcome, MT_AUTH_SUCCESS);
	assert_true(only_facts()->anomalies >> MT_ANOMALY_CLIENT_INJECTION & 1);
}

static void a_doubtful_greeting_came_when_it_came(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 25);
	uint64_t greeting_ns;

	shake_hands(&talk);
	greeting_ns = talk.now_ns;
	server(&talk, "220-ftp.example ready\r\n");
	server(&talk, "220 for you\r\n");
	talk.now_ns += SECOND;
	client(&talk, "EHLO client.example\r\n");
	server(&talk, "250-ftp.example\r\n250 STARTTLS\r\n");
	say_goodbye(&talk);
	assert_int_equal(report_count, 1);
	assert_true(reports[0].facts.greeting_ns - greeting_ns < SECOND);
	assert_int_equal(reports[0].facts.offered, MT_SEEN_YES);
}

static void many_doubtful_lines_fill_no_store(void **state)
{
	(void)state;
	/* An FTP server's long greeting. */
	struct talk talk = talk_of(40000, 2121);

	for (unsigned i = 0; i < 40; i++)
		server(
		    &talk,
		    "220-Welcome to the archive of everything, where this line is long enough to count\r\n");
	server(&talk, "220 go\r\n");
	assert_int_equal(lost(MT_LOSS_TEXT_LIMIT), 0);
	client(&talk, "USER anonymous\r\n");
	assert_int_equal(client(&talk, "x"), MT_VERDICT_NOT_MAIL_FLOW);
	mt_engine_finish(engine, talk.now_ns);
	assert_int_equal(report_count, 0);
}

#define LEAF_BYTES 5000 /* more than a report holds */

static void send_bytes(struct talk *talk, enum mt_direction direction, struct mt_span bytes)
{
	struct mt_engine_packet packet = packet_of(talk, direction, MT_TCP_ACK, bytes);

	talk->seq[direction] += (uint32_t)bytes.len;
	talk->now_ns += MT_NS_PER_MS;
	put(packet);
}

/* After RFC 5246 7.4; the random bytes are zero. */
static const uint8_t client_hello[52] = {0x16, 3, 1,	    0,	  47,	1,    0,    0, 43,
					 3,    3, [45] = 4, 0xc0, 0x2b, 0xc0, 0x2f, 1};
static const uint8_t server_hello[47] = {0x16, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3, [44] = 0xc0, 0x2b};

/* A handshake of TLS 1.2 on 993 whose certificate is LEAF_BYTES long and comes in segments of
 * 1000 bytes. */
static void talk_certificate(uint8_t leaf[LEAF_BYTES])
{
	static const uint8_t finished[51] = {0x14, 3, 3, 0, 1, 1, 0x16, 3, 3, 0, 40};
	static const uint8_t certificate[15] = {0x16,
						3,
						3,
						(LEAF_BYTES + 10) >> 8,
						(LEAF_BYTES + 10) & 255, /* record */
						11,
						0,
						(LEAF_BYTES + 6) >> 8,
						(LEAF_BYTES + 6) & 255, /* message */
						0,
						(LEAF_BYTES + 3) >> 8,
						(LEAF_BYTES + 3) & 255, /* list */
						0,
						LEAF_BYTES >> 8,
						LEAF_BYTES & 255};
	struct talk talk = talk_of(40000, 993);

	for (unsigned i = 0; i < LEAF_BYTES; i++)
		leaf[i] = (uint8_t)(i * 7 + i / 256);
	shake_hands(&talk);
	send_bytes(&talk, MT_TO_SERVER, mt_span(client_hello, sizeof(client_hello)));
	send_bytes(&talk, MT_TO_CLIENT, mt_span(server_hello, sizeof(server_hello)));
	send_bytes(&talk, MT_TO_CLIENT, mt_span(certificate, sizeof(certificate)));
	for (unsigned at = 0; at < LEAF_BYTES; at += 1000)
		send_bytes(&talk, MT_TO_CLIENT, mt_span(leaf + at, 1000));
	send_bytes(&talk, MT_TO_SERVER, mt_span(finished, sizeof(finished)));
	send_bytes(&talk, MT_TO_CLIENT, mt_span(finished, sizeof(finished)));
}

static void only_the_first_hello_of_a_server_counts(void **state)
{
	(void)state;
	struct talk talk = talk_of(40000, 993);
	uint8_t other[sizeof(server_hello)];

	memcpy(other, server_hello, sizeof(other));
	other[sizeof(other) - 2] = 0x2f; /* another suite */
	shake_hands(&talk);
	send_bytes(&talk, MT_TO_SERVER, mt_span(client_hello, sizeof(client_hello)));
	send_bytes(&talk, MT_TO_CLIENT, mt_span(server_hello, sizeof(server_hello)));
	for (unsigned i = 0; i < 200; i++)
		send_bytes(&talk, MT_TO_CLIENT, mt_span(other, sizeof(other)));
	say_goodbye(&talk);
	assert_int_equal(only_facts()->tls_cipher, 0xc02b);
	assert_true(only_facts()->text_len < 200);
	assert_int_equal(cells[MT_CELL1(LOST, MT_LOSS_TEXT_LIMIT)], 0);
}

static void a_certificate_goes_ahead_of_its_facts(void **state)
{
	(void)state;
	uint8_t leaf[LEAF_BYTES];
	unsigned at = 0;

	talk_certificate(leaf);
	assert_int_equal(report_count, 3);
	for (unsigned i = 0; i < 2; i++) {
		assert_false(reports[i].has_facts || reports[i].has_end);
		assert_int_equal(reports[i].part_at, at);
		assert_memory_equal(reports[i].part, leaf + at, reports[i].part_bytes);
		at += reports[i].part_bytes;
	}
	assert_int_equal(at, LEAF_BYTES);
	assert_true(reports[2].has_facts && !reports[2].has_end && reports[2].part_bytes == 0);
	assert_int_equal(reports[2].certificate_bytes, LEAF_BYTES);
	assert_int_equal(reports[2].facts.certificate, MT_CERTIFICATE_SEEN);
	assert_true(reports[2].facts.is_established);
	assert_int_equal(engine->pieces.free_pieces, engine->pieces.pieces);
}

/* The report goes out without it, and says so. */
static void a_certificate_that_finds_no_place_in_the_ring_is_counted(void **state)
{
	(void)state;
	uint8_t leaf[LEAF_BYTES];

	is_part_refused = true;
	talk_certificate(leaf);
	assert_int_equal(report_count, 2);
	assert_true(reports[1].has_facts);
	assert_int_equal(reports[1].certificate_bytes, 0);
	assert_int_equal(cells[MT_CELL1(LOST, MT_LOSS_CERTIFICATE_RING_FULL)], 1);
	assert_int_equal(cells[MT_CELL1(LOST, MT_LOSS_RECORD_RING_FULL)], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_session_leaves_one_record_when_both_sides_said_goodbye),
	    TEST(stragglers_of_an_ended_session_open_nothing),
	    TEST(a_reset_ends_a_session_when_nothing_more_crosses_it),
	    TEST(what_crosses_a_reset_counts_on_either_side_of_it),
	    TEST(an_idle_session_times_out_by_sweep_or_by_its_next_packet),
	    TEST(a_new_syn_begins_a_new_session_and_a_repeated_one_does_not),
	    TEST(sweep_and_finish_agree_on_who_is_too_late),
	    TEST(a_session_is_over_at_its_end_or_a_timeout_after_it),
	    TEST(a_session_is_over_when_the_run_is_or_its_name_is_used_again),
	    TEST(a_dialogue_met_in_its_middle_is_said_to_be_so),
	    TEST(what_is_recognised_as_nothing_is_a_record_only_without_its_beginning),
	    TEST(a_line_without_an_end_is_one_that_is_recognised_as_nothing),
	    TEST(what_speaks_something_else_leaves_a_count_and_no_record),
	    TEST(without_payload_there_is_no_session),
	    TEST(a_full_table_refuses_and_counts),
	    TEST(a_first_line_is_the_first_however_it_is_cut),
	    TEST(a_full_pool_of_sessions_refuses_and_counts_and_recovers),
	    TEST(a_decided_session_is_parked_and_only_counted),
	    TEST(handles_are_unique_while_parked_and_used_again),
	    TEST(idle_decided_flows_make_room),
	    TEST(what_the_ring_does_not_take_is_a_counted_loss),
	    TEST(a_record_that_finds_no_handle_goes_out_at_once),
	    TEST(every_stream_byte_is_accounted_for),
	    TEST(a_reply_that_is_seen_before_its_command_waits_for_it),
	    TEST(acknowledged_bytes_that_never_come_are_given_up_after_a_while),
	    TEST(acknowledged_bytes_missing_at_the_very_end_are_a_gap),
	    TEST(a_lost_greeting_does_not_make_the_first_reply_a_greeting),
	    TEST(two_directions_never_wait_for_each_other_for_ever),
	    TEST(one_byte_segments_say_the_same),
	    TEST(a_text_that_answers_a_hello_is_read_at_once),
	    TEST(the_literals_of_a_first_line_are_credentials_too),
	    TEST(what_pop3_lists_after_the_login_says_nothing_about_stls),
	    TEST(a_refusal_met_in_the_middle_is_no_greeting),
	    TEST(a_command_pipelined_behind_starttls_is_an_injection_whatever_else_is_answered),
	    TEST(a_doubtful_greeting_came_when_it_came),
	    TEST(many_doubtful_lines_fill_no_store),
	    TEST(only_the_first_hello_of_a_server_counts),
	    TEST(a_certificate_goes_ahead_of_its_facts),
	    TEST(a_certificate_that_finds_no_place_in_the_ring_is_counted),
	};
	return cmocka_run_group_tests_name("session", tests, compile, release);
}
