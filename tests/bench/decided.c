/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Sessions under implicit TLS: first each is opened, up to where nothing more can be learnt of it, then only
 * encrypted records follow. None ends: in a loop all packets but the first time's openings belong to flows
 * that are decided.
 */
#include "generator.h"

#include <string.h>

#define TUPLES	1000
#define PAYLOAD 100
/* Sequence numbers go up by this much a packet, whichever connection it is of, and begin anew before they are
 * a window away from any that were sent. */
#define STEP  16
#define RANGE (512 * 1024)

struct tuple {
	uint32_t client, server;
	uint16_t client_port;
};

/* As far from one another as tuples in life are. */
static struct tuple name_tuple(uint32_t number)
{
	uint32_t mixed = number * 0x9e3779b1u;

	return (struct tuple){
	    .client = 0x0a000000 | (number & 0xffffff),
	    .server = 0x0b000000 | (mixed >> 20),
	    .client_port = (uint16_t)(1024 + (mixed >> 4 & 0x7fff) + (number >> 24)),
	};
}

static uint32_t tuple_count(const struct traffic *traffic)
{
	return traffic->tuples != 0 ? traffic->tuples : TUPLES;
}

/* A frame of the opening, under the tuple's name. */
static void emit_renamed(struct traffic *traffic, const struct frame *frame, const struct tuple *tuple)
{
	uint8_t bytes[FRAME_MAX], *ip = bytes + ETHERNET;
	bool is_client = get_be16(frame->bytes + ETHERNET + 22) == 993;

	memcpy(bytes, frame->bytes, frame->len);
	put_be32(ip + (is_client ? 12 : 16), tuple->client);
	put_be32(ip + (is_client ? 16 : 12), tuple->server);
	put_be16(ip + (is_client ? 20 : 22), tuple->client_port);
	sum_ipv4(ip);
	traffic_emit(traffic, bytes, frame->len);
}

static void open_tuple(struct traffic *traffic)
{
	const struct model *opening = decided_opening();
	struct tuple tuple = name_tuple((uint32_t)traffic->next_tuple++);

	for (uint32_t i = 0; i < opening->count; i++)
		emit_renamed(traffic, &opening->frames[i], &tuple);
	traffic->connections++;
	traffic->setup = traffic->packets;
}

/* A record of application data (RFC 8446 5.1). */
static void send_record(struct traffic *traffic)
{
	uint32_t bytes = traffic->bytes > HEADERS + 5 ? traffic->bytes : HEADERS + PAYLOAD;
	uint32_t len = (bytes < FRAME_MAX ? bytes : FRAME_MAX) - HEADERS;
	struct tuple tuple = name_tuple(traffic_choose(traffic, tuple_count(traffic)));
	uint32_t ahead = (uint32_t)(traffic->packets * STEP % RANGE);
	bool is_client = traffic_draw(traffic, 2) == 0;
	struct segment segment = {
	    .source = is_client ? tuple.client : tuple.server,
	    .target = is_client ? tuple.server : tuple.client,
	    .source_port = is_client ? tuple.client_port : 993,
	    .target_port = is_client ? 993 : tuple.client_port,
	    .seq = (is_client ? 1000000 : 2000000) + ahead,
	    .ack = (is_client ? 2000000 : 1000000) + ahead,
	    .flags = PSH | ACK,
	    .len = len,
	};
	uint8_t frame[FRAME_MAX], *record = put_headers(frame, &segment);

	memset(record, 0xa5, len);
	memcpy(record, "\x17\x03\x03", 3);
	put_be16(record + 3, len - 5);
	traffic_emit(traffic, frame, HEADERS + len);
}

static bool is_open(const struct traffic *traffic)
{
	return traffic->is_opened || traffic->next_tuple == tuple_count(traffic);
}

bool send_decided(struct traffic *traffic)
{
	if (is_open(traffic))
		send_record(traffic);
	else
		open_tuple(traffic);
	return traffic->packets < traffic->wanted || !is_open(traffic);
}
