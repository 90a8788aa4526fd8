/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Copies of the models, many side by side, each under addresses of its own.
 *
 * All are sent twice, the second time with other sequence numbers: in a capture that is played in a loop
 * every SYN then opens a connection anew, and every time round brings as many connections as the first.
 */
#include "generator.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define AT_A_TIME    64 /* sessions that go on side by side */
#define MAIL_PERCENT 2	/* of the packets of a mixture */
#define PASSES	     2
#define PASS_SHIFT   0x20000000 /* of sequence numbers, from one pass to the next */

/* ---- One frame, under another name ---- */

/* Each address keeps its last byte; the others become the copy's number. */
static void rename_hosts(uint8_t *frame, uint32_t len, uint32_t number)
{
	uint32_t at = ETHERNET;
	uint8_t *ip;

	while (at + 4 < len && get_be16(frame + at - 2) == 0x8100)
		at += 4;
	ip = frame + at;
	if (get_be16(frame + at - 2) == 0x0800 && at + 20 <= len) {
		for (int address = 12; address <= 16; address += 4)
			put_be32(ip + address, number << 8 | ip[address + 3]);
		sum_ipv4(ip);
	} else if (get_be16(frame + at - 2) == 0x86dd && at + 40 <= len) {
		put_be32(ip + 8 + 4, number);
		put_be32(ip + 24 + 4, number);
	}
}

static void shift_numbers(uint8_t *frame, uint32_t len, uint32_t shift)
{
	struct place place;

	if (!find_tcp(frame, len, &place))
		return;
	put_be32(frame + place.tcp + 4, get_be32(frame + place.tcp + 4) + shift);
	if (frame[place.tcp + 13] & ACK)
		put_be32(frame + place.tcp + 8, get_be32(frame + place.tcp + 8) + shift);
}

/* ---- Segments as they should not come ---- */

/* A part of a segment's payload as a segment of its own. */
static void emit_part(struct traffic *traffic, const uint8_t *frame, const struct place *place,
		      uint32_t begin, uint32_t end)
{
	uint32_t headers = place->payload, len = end - begin;
	bool is_last = place->payload + end == place->end;
	uint8_t part[FRAME_MAX];

	memcpy(part, frame, headers);
	memcpy(part + headers, frame + headers + begin, len);
	put_be32(part + place->tcp + 4, get_be32(part + place->tcp + 4) + begin);
	if (!is_last)
		part[place->tcp + 13] &= (uint8_t) ~(FIN | PSH);
	if (place->is_ipv6) {
		put_be16(part + place->ip + 4, headers - place->ip - 40 + len);
	} else {
		put_be16(part + place->ip + 2, headers - place->ip + len);
		sum_ipv4(part + place->ip);
	}
	traffic_emit(traffic, part, headers + len);
}

#define BYTES_ALONE 64 /* of a segment; the rest follows in one piece */

static void emit_bytes(struct traffic *traffic, const uint8_t *frame, const struct place *place, uint32_t len)
{
	uint32_t alone = len < BYTES_ALONE ? len : BYTES_ALONE;

	for (uint32_t i = 0; i < alone; i++)
		emit_part(traffic, frame, place, i, i + 1);
	if (alone < len)
		emit_part(traffic, frame, place, alone, len);
}

/* Two thirds, the last two thirds, and the whole once more. */
static void emit_overlapped(struct traffic *traffic, const uint8_t *frame, const struct place *place,
			    uint32_t len)
{
	emit_part(traffic, frame, place, 0, len - len / 3);
	emit_part(traffic, frame, place, len / 3, len);
	emit_part(traffic, frame, place, 0, len);
}

static void emit_reordered(struct traffic *traffic, const uint8_t *frame, const struct place *place,
			   uint32_t len)
{
	uint32_t third = len / 3;

	emit_part(traffic, frame, place, third, len - third);
	emit_part(traffic, frame, place, len - third, len);
	emit_part(traffic, frame, place, 0, third);
}

/* Which of them, goes by the copy. Segments that open or end a connection, and very short ones, stay whole.
 */
static void emit_disturbed(struct traffic *traffic, const uint8_t *frame, uint32_t len, uint32_t number)
{
	static void (*const ways[])(struct traffic * traffic, const uint8_t *frame, const struct place *place,
				    uint32_t len) = {emit_bytes, emit_overlapped, emit_reordered};
	struct place place;

	if (!find_tcp(frame, len, &place) || place.end - place.payload < 3 ||
	    (frame[place.tcp + 13] & (SYN | FIN | RST)) != 0)
		traffic_emit(traffic, frame, len);
	else
		ways[number % 3](traffic, frame, &place, place.end - place.payload);
}

/* ---- Copies ---- */

static uint32_t at_a_time(const struct traffic *traffic)
{
	return traffic->tuples != 0 ? traffic->tuples : AT_A_TIME;
}

static bool is_over(const struct copy *copy)
{
	return copy->model == NULL || copy->next == copy->model->count;
}

static bool is_under_way(const struct traffic *traffic)
{
	for (uint32_t i = 0; i < at_a_time(traffic); i++)
		if (!is_over(&traffic->copies[i]))
			return true;
	return false;
}

/* The first pass is as long as its share of the packets, the others have as many copies as the first. */
static bool is_pass_full(struct traffic *traffic)
{
	if (traffic->pass == 0)
		return traffic->copies_begun > 0 && traffic->packets >= traffic->wanted / PASSES;
	return traffic->copies_begun >= traffic->copies_first;
}

/* Result: false where no other copy may begin: the pass is full, or all of them are. */
static bool may_begin(struct traffic *traffic)
{
	if (!is_pass_full(traffic))
		return true;
	if (traffic->pass + 1 == PASSES || is_under_way(traffic))
		return false;
	if (traffic->pass == 0)
		traffic->copies_first = traffic->copies_begun;
	traffic->pass++;
	traffic->copies_begun = 0;
	return true;
}

static bool is_finished(struct traffic *traffic)
{
	return traffic->pass + 1 == PASSES && is_pass_full(traffic) && !is_under_way(traffic);
}

static void begin_copy(struct traffic *traffic, struct copy *copy)
{
	uint32_t number = traffic->copies_begun++;

	copy->model = &traffic->models[number % traffic->model_count];
	copy->next = 0;
	copy->number = traffic->first + number + 1;
	traffic->connections += copy->model->connections;
}

/* The next frame of one of the sessions under way. Result: false where it is over and no other may begin. */
static bool send_mail(struct traffic *traffic)
{
	struct copy *copy;
	uint8_t bytes[FRAME_MAX];
	const struct frame *frame;

	if (traffic->copies == NULL)
		traffic->copies = calloc(at_a_time(traffic), sizeof(*traffic->copies));
	if (traffic->copies == NULL)
		err(1, NULL);
	copy = &traffic->copies[traffic_choose(traffic, at_a_time(traffic))];
	if (is_over(copy)) {
		if (!may_begin(traffic))
			return false;
		begin_copy(traffic, copy);
	}
	frame = &copy->model->frames[copy->next++];
	memcpy(bytes, frame->bytes, frame->len);
	rename_hosts(bytes, frame->len, copy->number);
	shift_numbers(bytes, frame->len, traffic->pass * PASS_SHIFT);
	if (traffic->is_disturbed)
		emit_disturbed(traffic, bytes, frame->len, copy->number);
	else
		traffic_emit(traffic, bytes, frame->len);
	return true;
}

bool send_sessions(struct traffic *traffic)
{
	return send_mail(traffic) || !is_finished(traffic);
}

void begin_disturbed(struct traffic *traffic)
{
	traffic->is_disturbed = true;
}

bool send_mixed(struct traffic *traffic)
{
	uint32_t percent = traffic->mail_percent != 0 ? traffic->mail_percent : MAIL_PERCENT;
	bool is_mail = traffic_draw(traffic, 100) < percent || traffic->packets >= traffic->wanted;

	if (is_mail && send_mail(traffic))
		return true;
	if (traffic->packets < traffic->wanted)
		send_web(traffic);
	return traffic->packets < traffic->wanted || !is_finished(traffic);
}
