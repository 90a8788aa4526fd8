/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/** What is no mail, by its headers, its ports or its first bytes; every packet between other addresses. */
#include "generator.h"

#include <string.h>

#define SMALL	   60 /* bytes of the smallest frame, without the checksum that no capture holds */
#define WEB_OTHERS 1124

static uint32_t frame_bytes(const struct traffic *traffic, uint32_t otherwise)
{
	uint32_t bytes = traffic->bytes != 0 ? traffic->bytes : otherwise;

	if (bytes < SMALL)
		return SMALL;
	return bytes < FRAME_MAX ? bytes : FRAME_MAX;
}

static struct segment draw_segment(struct traffic *traffic, uint16_t port, uint8_t flags, uint32_t payload)
{
	struct segment segment = {.target_port = port, .flags = flags, .len = payload};

	segment.source = 0x0a000000 | traffic_draw(traffic, 1u << 24);
	segment.target = 0x0b000000 | traffic_draw(traffic, 1u << 24);
	segment.source_port = (uint16_t)(10000 + traffic_draw(traffic, 50000)); /* above every mail port */
	segment.seq = traffic_draw(traffic, UINT32_MAX);
	segment.ack = traffic_draw(traffic, UINT32_MAX);
	return segment;
}

/* What is behind the headers looks like an encrypted record of the web, and like no greeting (RFC 8446 5.1).
 */
static bool send_tcp(struct traffic *traffic, uint16_t port, uint8_t flags, uint32_t payload)
{
	struct segment segment = draw_segment(traffic, port, flags, payload);
	uint8_t frame[FRAME_MAX], *at = put_headers(frame, &segment);

	memset(at, 0, SMALL);
	for (uint32_t i = 0; i + 4 <= payload; i += 4)
		put_be32(at + i, traffic_draw(traffic, UINT32_MAX));
	memcpy(at, "\x17\x03\x03", payload < 3 ? payload : 3);
	traffic_emit(traffic, frame, HEADERS + payload < SMALL ? SMALL : HEADERS + payload);
	return traffic->packets < traffic->wanted;
}

bool send_udp(struct traffic *traffic)
{
	uint32_t len = frame_bytes(traffic, SMALL);
	struct segment segment = draw_segment(traffic, 53, 0, len - HEADERS);
	uint8_t frame[FRAME_MAX] = {0}, *udp = frame + ETHERNET + 20;

	put_headers(frame, &segment);
	frame[ETHERNET + 9] = 17;
	sum_ipv4(frame + ETHERNET);
	put_be16(udp + 4, len - ETHERNET - 20);
	memset(udp + 6, 0, 14);
	traffic_emit(traffic, frame, len);
	return traffic->packets < traffic->wanted;
}

bool send_bare(struct traffic *traffic)
{
	return send_tcp(traffic, 8080, ACK, 0);
}

bool send_foreign(struct traffic *traffic)
{
	return send_tcp(traffic, 8080, PSH | ACK, frame_bytes(traffic, HEADERS + 100) - HEADERS);
}

/* Frames of 900 bytes on average, as the web's are: four in eleven are full, the others of any size below
 * 1124. */
bool send_web(struct traffic *traffic)
{
	bool is_full = traffic_draw(traffic, 11) < 4;
	uint32_t len = is_full ? FRAME_MAX : HEADERS + traffic_draw(traffic, WEB_OTHERS - HEADERS);

	return send_tcp(traffic, 443, PSH | ACK,
			(traffic->bytes != 0 ? frame_bytes(traffic, 0) : len) - HEADERS);
}

bool send_syn(struct traffic *traffic)
{
	return send_tcp(traffic, 25, SYN, 0);
}
