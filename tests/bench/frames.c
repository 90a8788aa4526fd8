/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "generator.h"

#include <string.h>

#define START 0x9e3779b97f4a7c15

/* xorshift64* (Vigna 2016): the same numbers everywhere. */
uint32_t traffic_draw(struct traffic *traffic, uint32_t below)
{
	uint64_t x = traffic->random != 0 ? traffic->random : START;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	traffic->random = x;
	return (uint32_t)((x * 0x2545f4914f6cdd1d) >> 32) % below;
}

/*
 * Zipf's law with exponent 1, in steps: each power of two is as likely as the others, and so is each number
 * between it and the next. Whole numbers alone, so that every machine draws the same.
 */
static uint32_t draw_zipf(struct traffic *traffic, uint32_t below)
{
	uint32_t octaves = 32 - (uint32_t)__builtin_clz(below), rank;

	do {
		uint32_t octave = traffic_draw(traffic, octaves);

		rank = (1u << octave) - 1 + traffic_draw(traffic, 1u << octave);
	} while (rank >= below);
	return rank;
}

uint32_t traffic_choose(struct traffic *traffic, uint32_t below)
{
	return traffic->is_zipf ? draw_zipf(traffic, below) : traffic_draw(traffic, below);
}

void traffic_emit(struct traffic *traffic, const uint8_t *bytes, uint32_t len)
{
	traffic->write(traffic->context, bytes, len);
	traffic->packets++;
	traffic->total_bytes += len;
}

void put_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void put_be32(uint8_t *at, uint32_t value)
{
	put_be16(at, value >> 16);
	put_be16(at + 2, value);
}

uint32_t get_be16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

uint32_t get_be32(const uint8_t *at)
{
	return get_be16(at) << 16 | get_be16(at + 2);
}

void sum_ipv4(uint8_t *ip)
{
	uint32_t sum = 0;

	put_be16(ip + 10, 0);
	for (int i = 0; i < 20; i += 2)
		sum += get_be16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	put_be16(ip + 10, ~(sum + (sum >> 16)));
}

/* The checksum of TCP stays 0, as senders that leave it to their card are captured. */
uint8_t *put_headers(uint8_t *frame, const struct segment *segment)
{
	uint8_t *ip = frame + ETHERNET, *tcp = ip + 20;

	memset(frame, 0, HEADERS);
	frame[5] = 2;
	frame[11] = 1;
	put_be16(frame + 12, 0x0800);
	ip[0] = 0x45;
	put_be16(ip + 2, 40 + segment->len);
	ip[8] = 64;
	ip[9] = 6;
	put_be32(ip + 12, segment->source);
	put_be32(ip + 16, segment->target);
	sum_ipv4(ip);
	put_be16(tcp, segment->source_port);
	put_be16(tcp + 2, segment->target_port);
	put_be32(tcp + 4, segment->seq);
	put_be32(tcp + 8, segment->ack);
	tcp[12] = 0x50;
	tcp[13] = segment->flags;
	put_be16(tcp + 14, 65535);
	return tcp + 20;
}

bool find_tcp(const uint8_t *frame, uint32_t len, struct place *ret)
{
	uint32_t at = ETHERNET, protocol, ip_end;

	while (at + 4 < len && get_be16(frame + at - 2) == 0x8100)
		at += 4;
	*ret = (struct place){.ip = at, .is_ipv6 = get_be16(frame + at - 2) == 0x86dd};
	if (at + 40 > len || (!ret->is_ipv6 && get_be16(frame + at - 2) != 0x0800))
		return false;
	protocol = ret->is_ipv6 ? frame[at + 6] : frame[at + 9];
	ret->tcp = at + (ret->is_ipv6 ? 40 : (frame[at] & 15u) * 4);
	ip_end = at + (ret->is_ipv6 ? 40 + get_be16(frame + at + 4) : get_be16(frame + at + 2));
	if (protocol != 6 || ret->tcp + 20 > ip_end || ip_end > len)
		return false;
	ret->payload = ret->tcp + (frame[ret->tcp + 12] >> 4) * 4u;
	ret->end = ip_end;
	return ret->payload <= ret->end;
}
