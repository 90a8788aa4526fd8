/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Connections that a test plays packet by packet, and the reports that come of them.
 */
#ifndef MT_TESTS_SESSION_TALK_H
#define MT_TESTS_SESSION_TALK_H

#include "session_run.h"

#define REPORTS_MAX 64
#define START	    (1000 * SECOND)

static struct mt_report reports[REPORTS_MAX];
static unsigned report_count;
static bool is_ring_full, is_part_refused;

static inline bool take(void *context, const struct mt_report *report)
{
	(void)context;
	if (is_ring_full || (is_part_refused && report->part_at > 0))
		return false;
	assert_true(report_count < REPORTS_MAX);
	memset(&reports[report_count], 0, sizeof(reports[0]));
	memcpy(&reports[report_count++], report, mt_report_bytes(report));
	return true;
}

static inline int set_up(void **state)
{
	(void)state;
	receiver = take;
	report_count = 0;
	is_ring_full = is_part_refused = false;
	create(64, 32);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	mt_engine_finish(engine, UINT64_MAX / 2);
	assert_clean();
	mt_engine_destroy(engine);
	engine = NULL;
	return 0;
}

/** A connection that is being played: who is where. */
struct talk {
	uint16_t client_port, server_port;
	uint32_t seq[MT_DIRECTION_COUNT]; /* next of each direction */
	uint64_t now_ns;
};

static inline struct talk talk_of(uint16_t client_port, uint16_t server_port)
{
	return (struct talk){client_port, server_port, {0xfffffff0u, 0xffffffe0u}, START};
}

static inline struct mt_engine_packet packet_of(const struct talk *talk, enum mt_direction direction,
						uint8_t flags, struct mt_span payload)
{
	bool is_client = direction == MT_TO_SERVER;
	struct mt_engine_packet packet = {
	    .packet = {.ip_version = 4,
		       .tcp_flags = flags,
		       .src_port = is_client ? talk->client_port : talk->server_port,
		       .dst_port = is_client ? talk->server_port : talk->client_port,
		       .src = {10, 0, 0, is_client ? 1 : 2},
		       .dst = {10, 0, 0, is_client ? 2 : 1},
		       .seq = talk->seq[direction],
		       .ack = flags & MT_TCP_ACK ? talk->seq[mt_opposite(direction)] : 0,
		       .ip_bytes = 40 + (uint32_t)payload.len,
		       .payload_wire_len = (uint32_t)payload.len,
		       .payload = payload},
	    .time_ns = talk->now_ns,
	};

	return packet;
}

/* Goes over the wire, but this packet is not in the capture. */
static inline void miss(struct talk *talk, enum mt_direction direction, const char *text)
{
	talk->seq[direction] += (uint32_t)strlen(text);
	talk->now_ns += MT_NS_PER_MS;
}

static inline enum mt_verdict send_flags(struct talk *talk, enum mt_direction direction, uint8_t flags,
					 const char *text)
{
	struct mt_engine_packet packet = packet_of(talk, direction, flags, mt_span_text(text));

	miss(talk, direction, text);
	talk->seq[direction] += (flags & (MT_TCP_SYN | MT_TCP_FIN)) != 0;
	return put(packet);
}

static inline enum mt_verdict client(struct talk *talk, const char *text)
{
	return send_flags(talk, MT_TO_SERVER, MT_TCP_ACK, text);
}

static inline enum mt_verdict server(struct talk *talk, const char *text)
{
	return send_flags(talk, MT_TO_CLIENT, MT_TCP_ACK, text);
}

static inline void shake_hands(struct talk *talk)
{
	assert_int_equal(send_flags(talk, MT_TO_SERVER, MT_TCP_SYN, ""), MT_VERDICT_HANDSHAKE);
	assert_int_equal(send_flags(talk, MT_TO_CLIENT, MT_TCP_SYN | MT_TCP_ACK, ""), MT_VERDICT_HANDSHAKE);
	assert_int_equal(client(talk, ""), MT_VERDICT_NO_PAYLOAD);
}

static inline void say_goodbye(struct talk *talk)
{
	send_flags(talk, MT_TO_SERVER, MT_TCP_FIN | MT_TCP_ACK, "");
	send_flags(talk, MT_TO_CLIENT, MT_TCP_FIN | MT_TCP_ACK, "");
	client(talk, "");
}

/* Says nothing for as long as something may cross a reset. */
static inline void let_cross(const struct talk *talk)
{
	mt_engine_sweep(engine, MT_ENGINE_WHOLE, talk->now_ns + MT_SESSION_LATE_NS + 1);
}

static inline struct talk talk_smtp(uint16_t client_port)
{
	struct talk talk = talk_of(client_port, 25);

	shake_hands(&talk);
	server(&talk, "220 mx.example ESMTP\r\n");
	client(&talk, "EHLO client.example\r\n");
	server(&talk, "250-mx.example\r\n250-SIZE\r\n250 STARTTLS\r\n");
	return talk;
}

static inline const struct mt_facts *only_facts(void)
{
	assert_int_equal(report_count, 1);
	assert_true(reports[0].has_facts && reports[0].has_end);
	return &reports[0].facts;
}

static inline enum mt_evidence only_evidence(void)
{
	return mt_facts_evidence(only_facts(), &reports[0].end);
}

static inline void assert_text(struct mt_text text, const char *expected)
{
	struct mt_span span = mt_facts_text(&reports[0].facts, text);

	assert_int_equal(span.len, strlen(expected));
	assert_memory_equal(span.data, expected, span.len);
}

static inline uint64_t closed(enum mt_reason reason)
{
	return cells[MT_CELL1(FLOWS_CLOSED, reason)];
}

static inline uint64_t lost(enum mt_loss loss)
{
	return cells[MT_CELL1(LOST, loss)];
}

#endif
