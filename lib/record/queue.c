/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <stdlib.h>

#include "record.h"

#define FIRST_ROOM 256

struct waiting {
	uint64_t over_ns; /* the report's: what nearly always decides, without a look at memory far away */
	struct mt_report *report; /* owned */
	uint64_t arrival;	  /* breaks ties: what one worker reports comes in its order */
};

/* A binary heap: no member stands before its parent, at (i - 1) / 2. */
struct mt_record_queue {
	struct waiting *heap;
	size_t count, room;
	uint64_t arrivals;
};

static bool comes_before(const struct waiting *a, const struct waiting *b)
{
	int order;

	if (a->over_ns != b->over_ns)
		return a->over_ns < b->over_ns;
	order = mt_record_compare(a->report, b->report);
	return order != 0 ? order < 0 : a->arrival < b->arrival;
}

static void rise(struct mt_record_queue *queue, size_t place, struct waiting risen)
{
	while (place > 0 && comes_before(&risen, &queue->heap[(place - 1) / 2])) {
		queue->heap[place] = queue->heap[(place - 1) / 2];
		place = (place - 1) / 2;
	}
	queue->heap[place] = risen;
}

static void sink(struct mt_record_queue *queue, size_t place, struct waiting sunk)
{
	size_t child;

	while ((child = 2 * place + 1) < queue->count) {
		if (child + 1 < queue->count && comes_before(&queue->heap[child + 1], &queue->heap[child]))
			child++;
		if (!comes_before(&queue->heap[child], &sunk))
			break;
		queue->heap[place] = queue->heap[child];
		place = child;
	}
	queue->heap[place] = sunk;
}

struct mt_record_queue *mt_record_queue_create(void)
{
	return calloc(1, sizeof(struct mt_record_queue));
}

void mt_record_queue_destroy(struct mt_record_queue *queue)
{
	if (queue == NULL)
		return;
	for (size_t i = 0; i < queue->count; i++)
		free(queue->heap[i].report);
	free(queue->heap);
	free(queue);
}

static bool has_room(struct mt_record_queue *queue)
{
	size_t room = queue->room > 0 ? 2 * queue->room : FIRST_ROOM;
	struct waiting *larger;

	if (queue->count < queue->room)
		return true;
	larger = realloc(queue->heap, room * sizeof(*larger));
	if (larger == NULL)
		return false;
	queue->heap = larger;
	queue->room = room;
	return true;
}

bool mt_record_queue_put(struct mt_record_queue *queue, struct mt_report *report)
{
	if (!has_room(queue))
		return false;
	rise(queue, queue->count++, (struct waiting){report->end.over_ns, report, queue->arrivals++});
	return true;
}

struct mt_report *mt_record_queue_take(struct mt_record_queue *queue, uint64_t before_ns)
{
	struct mt_report *first;

	if (queue->count == 0 || queue->heap[0].over_ns >= before_ns)
		return NULL;
	first = queue->heap[0].report;
	queue->count--;
	if (queue->count > 0)
		sink(queue, 0, queue->heap[queue->count]);
	return first;
}

size_t mt_record_queue_count(const struct mt_record_queue *queue)
{
	return queue->count;
}
