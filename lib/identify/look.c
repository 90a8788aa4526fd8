/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "identify.h"

bool mt_identify_begins_like_greeting(struct mt_span payload)
{
	if (payload.len == 0 || !mt_identify_is_greeting_byte(payload.data[0]))
		return false;
	return mt_identify_greeting(payload) != MT_IDENTIFY_NO;
}

static uint32_t server_bit(const uint8_t addr[16], uint16_t port)
{
	uint64_t half[2];

	memcpy(half, addr, sizeof(half));
	return mt_identify_filter_bit(half[0], half[1], port);
}

static void turn_generations(struct mt_identify_filter *filter, uint64_t now_ns, uint64_t period_ns)
{
	uint64_t age_ns = now_ns - filter->turned_ns;

	if (age_ns < period_ns)
		return;
	if (age_ns < 2 * period_ns)
		memcpy(filter->bits[1], filter->bits[0], sizeof(filter->bits[1]));
	else
		memset(filter->bits[1], 0, sizeof(filter->bits[1]));
	memset(filter->bits[0], 0, sizeof(filter->bits[0]));
	filter->turned_ns = now_ns;
}

enum mt_identify_look mt_identify_first_look(struct mt_identify_filter *filter,
					     const struct mt_identify_ports *ports,
					     const struct mt_packet *packet, uint64_t now_ns,
					     uint64_t period_ns)
{
	if (mt_identify_is_mail_port(ports, packet))
		return MT_IDENTIFY_MAIL_PORT;
	turn_generations(filter, now_ns, period_ns);
	uint32_t from = server_bit(packet->src, packet->src_port);
	if (mt_identify_begins_like_greeting(packet->payload)) {
		filter->bits[0][from / 64] |= 1ull << from % 64;
		return MT_IDENTIFY_GREETING;
	}
	/* A known server's bit is renewed by its traffic: a long session stays known. */
	uint32_t to = server_bit(packet->dst, packet->dst_port);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t bit = i == 0 ? from : to;

		if (mt_identify_is_set(filter, bit)) {
			filter->bits[0][bit / 64] |= 1ull << bit % 64;
			return MT_IDENTIFY_KNOWN;
		}
	}
	return MT_IDENTIFY_DROP;
}
