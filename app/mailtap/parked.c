/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "parked.h"

#include <stdlib.h>

#define FIRST_PLACES 1024

/* What the allocator adds to a piece, about. */
#define EACH_BYTES (sizeof(struct mt_report *) + 2 * sizeof(size_t))

/*
 * One worker's copies by handle. Handles are small numbers of its own making, used again as soon as they are
 * free: the places are as many as were ever parked at a time, and the number is the place.
 */
struct lot {
	struct mt_report **places; /* NULL where nothing is parked */
	size_t count;
};

struct mt_parked {
	struct lot *lots; /* by worker */
	uint32_t workers;
	size_t bytes, limit_bytes;
};

struct mt_parked *mt_parked_create(uint32_t workers, size_t limit_bytes)
{
	struct mt_parked *parked = calloc(1, sizeof(*parked));

	if (parked == NULL)
		return NULL;
	parked->limit_bytes = limit_bytes;
	parked->workers = workers;
	parked->lots = calloc(workers, sizeof(*parked->lots));
	if (parked->lots == NULL) {
		free(parked);
		return NULL;
	}
	return parked;
}

void mt_parked_destroy(struct mt_parked *parked)
{
	if (parked == NULL)
		return;
	for (uint32_t w = 0; w < parked->workers; w++) {
		for (size_t i = 0; i < parked->lots[w].count; i++)
			free(parked->lots[w].places[i]);
		free(parked->lots[w].places);
	}
	free(parked->lots);
	free(parked);
}

static bool make_place(struct lot *lot, uint32_t handle)
{
	size_t count = lot->count > 0 ? lot->count : FIRST_PLACES;
	struct mt_report **larger;

	if (handle < lot->count)
		return true;
	while (count <= handle)
		count *= 2;
	larger = realloc(lot->places, count * sizeof(*larger));
	if (larger == NULL)
		return false;
	memset(larger + lot->count, 0, (count - lot->count) * sizeof(*larger));
	lot->places = larger;
	lot->count = count;
	return true;
}

struct mt_report *mt_parked_take(struct mt_parked *parked, uint32_t worker, uint32_t handle)
{
	struct lot *lot = &parked->lots[worker];
	struct mt_report *report;

	if (handle >= lot->count || lot->places[handle] == NULL)
		return NULL;
	report = lot->places[handle];
	lot->places[handle] = NULL;
	parked->bytes -= mt_report_bytes(report) + EACH_BYTES;
	return report;
}

bool mt_parked_put(struct mt_parked *parked, uint32_t worker, const struct mt_report *report)
{
	size_t bytes = mt_report_bytes(report);
	struct mt_report *copy;

	/* Its end was lost. */
	free(mt_parked_take(parked, worker, report->handle));
	if (parked->bytes + bytes + EACH_BYTES > parked->limit_bytes ||
	    !make_place(&parked->lots[worker], report->handle))
		return false;
	copy = malloc(bytes);
	if (copy == NULL)
		return false;
	memcpy(copy, report, bytes);
	parked->lots[worker].places[report->handle] = copy;
	parked->bytes += bytes + EACH_BYTES;
	return true;
}
