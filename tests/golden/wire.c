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

static struct segment segment_of(const struct dialogue *dialogue, const struct step *step)
{
	struct segment segment = {.direction = step->direction,
				  .flags = MT_TCP_ACK | MT_TCP_PSH,
				  .seq = step->offset + 1,
				  .ack = step->ack + 1,
				  .offset = step->offset,
				  .len = step->len,
				  .time_ns = step->time_ns};

	if (!dialogue->is_close_with_data)
		return segment;
	if (step->offset + step->len == dialogue->len[step->direction])
		segment.flags |= MT_TCP_FIN;
	/* Who has all of the other side has its FIN too, which takes a number. */
	segment.ack += step->ack > 0 && step->ack == dialogue->len[mt_opposite(step->direction)];
	return segment;
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
	bool is_closed[MT_DIRECTION_COUNT];

	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		struct segment last = bare(dialogue, direction, dialogue->goodbye[direction]);

		is_closed[direction] = dialogue->goodbye[direction] == MT_TCP_FIN;
		/* The server closes upon the client's FIN, and acknowledges it. */
		last.ack += direction == MT_TO_CLIENT && is_closed[MT_TO_SERVER];
		last.time_ns += direction * MT_NS_PER_MS;
		if (dialogue->goodbye[direction] != 0 && !dialogue->is_close_with_data)
			add(wire, &last);
	}
	if (!is_closed[MT_TO_SERVER] || !is_closed[MT_TO_CLIENT])
		return;
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		struct segment last = bare(dialogue, direction, 0);

		last.seq++;
		last.ack++;
		last.time_ns += 2 * MT_NS_PER_MS;
		if (direction == MT_TO_SERVER || dialogue->is_close_with_data)
			add(wire, &last);
	}
}

void wire_as_sent(struct wire *wire, const struct dialogue *dialogue)
{
	begin(wire, dialogue);
	for (uint32_t i = 0; i < dialogue->step_count; i++) {
		struct segment segment = segment_of(dialogue, &dialogue->steps[i]);

		if (!dialogue->steps[i].is_lost)
			add(wire, &segment);
	}
	end(wire);
}

void wire_joined(struct wire *wire, const struct dialogue *dialogue)
{
	struct segment *last = NULL;

	begin(wire, dialogue);
	for (uint32_t i = 0; i < dialogue->step_count; i++) {
		const struct step *step = &dialogue->steps[i];
		struct segment segment = segment_of(dialogue, step);

		if (step->is_lost) {
			last = NULL;
		} else if (last != NULL && last->direction == segment.direction && last->ack == segment.ack) {
			last->len += segment.len;
			last->flags |= segment.flags;
		} else {
			add(wire, &segment);
			last = &wire->segments[wire->count - 1];
		}
	}
	end(wire);
}

/* Add a segment in pieces of first, then rest bytes; they leave a microsecond apart. */
static void add_pieces(struct wire *wire, struct segment segment, uint32_t first, uint32_t rest)
{
	uint32_t left = segment.len;
	uint8_t last_flags = segment.flags;

	segment.len = first < left ? first : left;
	while (left > 0) {
		segment.flags = segment.len < left ? last_flags & ~MT_TCP_FIN : last_flags;
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
			add_pieces(wire, segment_of(dialogue, &dialogue->steps[i]), bytes, bytes);
	end(wire);
}

void wire_cut(struct wire *wire, const struct dialogue *dialogue, uint32_t nth, uint32_t at)
{
	begin(wire, dialogue);
	for (uint32_t i = 0; i < dialogue->step_count; i++) {
		const struct step *step = &dialogue->steps[i];

		if (!step->is_lost)
			add_pieces(wire, segment_of(dialogue, step), i == nth ? at : step->len, step->len);
	}
	end(wire);
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

static void repeat(struct wire *wire, bool is_altered)
{
	struct wire once = *wire;

	*wire = (struct wire){.dialogue = once.dialogue};
	for (uint32_t i = 0; i < once.count; i++) {
		struct segment again = once.segments[i];

		again.time_ns += MT_NS_PER_MS / 8;
		again.altered = is_altered ? again.len : 0;
		add(wire, &once.segments[i]);
		add(wire, &again);
	}
	wire_free(&once);
}

void wire_twice(struct wire *wire, const struct dialogue *dialogue)
{
	wire_as_sent(wire, dialogue);
	repeat(wire, false);
}

void wire_contradict(struct wire *wire)
{
	repeat(wire, true);
}

/* The last steps of the direction up to and with the one in hand, as one segment sent now. */
static void add_again(struct wire *wire, const struct step *step)
{
	const struct step *first = wire->dialogue->steps, *at = step;
	struct segment segment = segment_of(wire->dialogue, step);
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
		struct segment segment = segment_of(dialogue, &dialogue->steps[i]);

		if (dialogue->steps[i].is_lost)
			continue;
		add(wire, &segment);
		add_again(wire, &dialogue->steps[i]);
	}
	end(wire);
}

void wire_overlapping(struct wire *wire, const struct dialogue *dialogue)
{
	const struct step *before[MT_DIRECTION_COUNT] = {NULL};

	begin(wire, dialogue);
	for (uint32_t i = 0; i < dialogue->step_count; i++) {
		const struct step *step = &dialogue->steps[i];
		struct segment segment = segment_of(dialogue, step);

		if (before[step->direction] != NULL && !before[step->direction]->is_lost) {
			segment.altered = before[step->direction]->len;
			segment.seq -= segment.altered;
			segment.offset -= segment.altered;
			segment.len += segment.altered;
		}
		before[step->direction] = step;
		if (!step->is_lost)
			add(wire, &segment);
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
