/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "golden.h"

#include <stdlib.h>

#define GONE_BACK 3 /* segments that a sender repeats at a time */

static void add(struct wire *wire, const struct segment *segment)
{
	if (wire->count == wire->room) {
		wire->room = wire->room == 0 ? 256 : wire->room * 2;
		wire->segments = realloc(wire->segments, wire->room * sizeof(*segment));
		if (wire->segments == NULL)
			abort();
	}
	wire->segments[wire->count++] = *segment;
}

void wire_free(struct wire *wire)
{
	free(wire->segments);
}

/* A SYN takes number 0: the first byte of a stream has number 1. */
static void begin(struct wire *wire, const struct dialogue *dialogue)
{
	wire->dialogue = dialogue;
	wire->count = 0;
	if (dialogue->is_midstream)
		return;
	add(wire, &(struct segment){.direction = MT_TO_SERVER, .flags = MT_TCP_SYN});
	add(wire, &(struct segment){.direction = MT_TO_CLIENT,
				    .flags = MT_TCP_SYN | MT_TCP_ACK,
				    .ack = 1,
				    .time_ns = MT_NS_PER_MS / 2});
	add(wire, &(struct segment){.direction = MT_TO_SERVER,
				    .flags = MT_TCP_ACK,
				    .seq = 1,
				    .ack = 1,
				    .time_ns = MT_NS_PER_MS * 3 / 4});
}

static struct segment segment_of(const struct step *step)
{
	return (struct segment){.direction = step->direction,
				.flags = MT_TCP_ACK | MT_TCP_PSH,
				.seq = step->offset + 1,
				.ack = step->ack + 1,
				.offset = step->offset,
				.len = step->len,
				.time_ns = step->time_ns};
}

static struct segment bare(const struct dialogue *dialogue, enum mt_direction direction, uint8_t flags)
{
	return (struct segment){.direction = (uint8_t)direction,
				.flags = flags | MT_TCP_ACK,
				.seq = dialogue->len[direction] + 1,
				.ack = dialogue->len[mt_opposite(direction)] + 1,
				.time_ns = dialogue->end_ns + MT_NS_PER_MS};
}

static void end(struct wire *wire)
{
	const struct dialogue *dialogue = wire->dialogue;
	struct segment from_client, from_server;

	switch (dialogue->ending) {
	case ENDING_NONE:
		return;
	case ENDING_RESET_BY_CLIENT:
		from_client = bare(dialogue, MT_TO_SERVER, MT_TCP_RST);
		add(wire, &from_client);
		return;
	case ENDING_RESET_BY_SERVER:
		from_server = bare(dialogue, MT_TO_CLIENT, MT_TCP_RST);
		add(wire, &from_server);
		return;
	case ENDING_FIN:
		break;
	}
	from_client = bare(dialogue, MT_TO_SERVER, MT_TCP_FIN);
	add(wire, &from_client);
	from_server = bare(dialogue, MT_TO_CLIENT, MT_TCP_FIN);
	from_server.ack++;
	from_server.time_ns += MT_NS_PER_MS;
	add(wire, &from_server);
	from_client.flags = MT_TCP_ACK;
	from_client.seq++;
	from_client.ack++;
	from_client.time_ns += 2 * MT_NS_PER_MS;
	add(wire, &from_client);
}

void wire_as_sent(struct wire *wire, const struct dialogue *dialogue)
{
	begin(wire, dialogue);
	for (uint32_t i = 0; i < dialogue->step_count; i++) {
		struct segment segment = segment_of(&dialogue->steps[i]);

		if (!dialogue->steps[i].is_lost)
			add(wire, &segment);
	}
	end(wire);
}

void wire_joined(struct wire *wire, const struct dialogue *dialogue)
{
	begin(wire, dialogue);
	for (uint32_t i = 0; i < dialogue->step_count; i++) {
		const struct step *step = &dialogue->steps[i];
		struct segment segment = segment_of(step);

		if (step->is_lost)
			continue;
		while (i + 1 < dialogue->step_count && step[1].direction == step->direction &&
		       !step[1].is_lost) {
			segment.len += step[1].len;
			i++;
			step++;
		}
		add(wire, &segment);
	}
	end(wire);
}

/* Add a segment in pieces of first, then rest bytes; they leave a microsecond apart. */
static void add_pieces(struct wire *wire, struct segment segment, uint32_t first, uint32_t rest)
{
	uint32_t left = segment.len;

	segment.len = first < left ? first : left;
	while (left > 0) {
		add(wire, &segment);
		left -= segment.len;
		segment.seq += segment.len;
		segment.offset += segment.len;
		segment.len = rest < left ? rest : left;
		segment.time_ns += 100;
	}
}

void wire_in_pieces(struct wire *wire, const struct dialogue *dialogue, uint32_t bytes)
{
	begin(wire, dialogue);
	for (uint32_t i = 0; i < dialogue->step_count; i++)
		if (!dialogue->steps[i].is_lost)
			add_pieces(wire, segment_of(&dialogue->steps[i]), bytes, bytes);
	end(wire);
}

bool wire_cut(struct wire *wire, const struct dialogue *dialogue, uint32_t position)
{
	bool is_cut = false;

	begin(wire, dialogue);
	for (uint32_t i = 0; i < dialogue->step_count; i++) {
		const struct step *step = &dialogue->steps[i];
		bool is_here = position > 0 && position < step->len && !step->is_lost;

		if (!step->is_lost)
			add_pieces(wire, segment_of(step), is_here ? position : step->len, step->len);
		is_cut |= is_here;
		position = position > step->len ? position - step->len : 0;
	}
	end(wire);
	return is_cut;
}

/* Nobody sends the next segment so much later that the network is still to deliver the one before. */
static bool may_overtake(const struct wire *wire, uint32_t a, uint32_t b)
{
	return wire->segments[b].time_ns - wire->segments[a].time_ns <= 100 * MT_NS_PER_MS;
}

/* Two segments arrive in each other's place. */
static void swap(struct wire *wire, uint32_t a, uint32_t b)
{
	struct segment first = wire->segments[a];

	wire->segments[a] = wire->segments[b];
	wire->segments[a].time_ns = first.time_ns;
	first.time_ns = wire->segments[b].time_ns;
	wire->segments[b] = first;
}

/* The next segment of the direction with payload, or with a FIN behind it; count where there is none. */
static uint32_t next_of(const struct wire *wire, uint32_t from, enum mt_direction direction)
{
	while (from < wire->count &&
	       (wire->segments[from].direction != direction ||
		(wire->segments[from].len == 0 && (wire->segments[from].flags & MT_TCP_FIN) == 0)))
		from++;
	return from;
}

bool wire_swapped(struct wire *wire, const struct dialogue *dialogue, uint32_t nth)
{
	wire_as_sent(wire, dialogue);
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		uint32_t a = next_of(wire, 0, direction), b = next_of(wire, a + 1, direction);

		for (; b < wire->count; a = b, b = next_of(wire, b + 1, direction)) {
			if (nth-- > 0)
				continue;
			if (may_overtake(wire, a, b))
				swap(wire, a, b);
			return true;
		}
	}
	return false;
}

void wire_all_swapped(struct wire *wire, const struct dialogue *dialogue)
{
	wire_as_sent(wire, dialogue);
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		uint32_t a = next_of(wire, 0, direction), b = next_of(wire, a + 1, direction);

		while (b < wire->count) {
			if (may_overtake(wire, a, b))
				swap(wire, a, b);
			a = next_of(wire, b + 1, direction);
			b = next_of(wire, a + 1, direction);
		}
	}
}

void wire_twice(struct wire *wire, const struct dialogue *dialogue)
{
	struct wire once = {0};

	wire_as_sent(&once, dialogue);
	wire->dialogue = dialogue;
	wire->count = 0;
	for (uint32_t i = 0; i < once.count; i++) {
		struct segment again = once.segments[i];

		again.time_ns += MT_NS_PER_MS / 8;
		add(wire, &once.segments[i]);
		add(wire, &again);
	}
	wire_free(&once);
}

/* The last steps of the direction up to and with the one in hand, as one segment sent now. */
static void add_again(struct wire *wire, const struct step *step)
{
	const struct step *first = wire->dialogue->steps, *at = step;
	struct segment segment = segment_of(step);
	unsigned more = GONE_BACK - 1;

	while (more > 0 && at-- > first) {
		if (at->direction != step->direction)
			continue;
		if (at->is_lost)
			break;
		segment.offset = at->offset;
		more--;
	}
	segment.len = step->offset + step->len - segment.offset;
	segment.seq = segment.offset + 1;
	segment.time_ns += MT_NS_PER_MS / 4;
	add(wire, &segment);
}

void wire_gone_back(struct wire *wire, const struct dialogue *dialogue)
{
	begin(wire, dialogue);
	for (uint32_t i = 0; i < dialogue->step_count; i++) {
		struct segment segment = segment_of(&dialogue->steps[i]);

		if (dialogue->steps[i].is_lost)
			continue;
		add(wire, &segment);
		add_again(wire, &dialogue->steps[i]);
	}
	end(wire);
}

static int by_time(const void *a, const void *b)
{
	const struct segment *left = a, *right = b;

	if (left->time_ns != right->time_ns)
		return left->time_ns < right->time_ns ? -1 : 1;
	return 0;
}

void wire_delayed(struct wire *wire, const struct dialogue *dialogue, enum mt_direction direction,
		  uint64_t delay_ns)
{
	wire_as_sent(wire, dialogue);
	/* An odd nanosecond keeps times apart, so that sorting need not be stable. */
	for (uint32_t i = 0; i < wire->count; i++)
		if (wire->segments[i].direction == direction)
			wire->segments[i].time_ns += delay_ns + 1;
	qsort(wire->segments, wire->count, sizeof(*wire->segments), by_time);
}

void wire_one_sided(struct wire *wire, const struct dialogue *dialogue, enum mt_direction direction)
{
	uint32_t kept = 0;

	wire_as_sent(wire, dialogue);
	for (uint32_t i = 0; i < wire->count; i++)
		if (wire->segments[i].direction == direction)
			wire->segments[kept++] = wire->segments[i];
	wire->count = kept;
}
