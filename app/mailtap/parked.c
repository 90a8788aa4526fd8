/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "parked.h"

#include <stdlib.h>

#define FIRST_BUCKETS 1024 /* a power of two, as always */

/* A chain's member: the report's first bytes, as many as mt_report_bytes() says. */
struct entry {
	struct entry *next;
	uint32_t worker, handle;
	size_t bytes; /* of report */
	uint64_t report[];
};

struct mt_parked {
	struct entry **buckets;
	size_t mask; /* buckets - 1 */
	size_t count;
	size_t bytes, limit_bytes;
};

static size_t bucket_of(const struct mt_parked *parked, uint32_t worker, uint32_t handle)
{
	/* Handles are small numbers of our own making: spreading them is enough (Knuth's golden ratio). */
	return (((uint64_t)worker << 32 | handle) * 0x9e3779b97f4a7c15ull >> 32) & parked->mask;
}

static struct entry **find(struct mt_parked *parked, uint32_t worker, uint32_t handle)
{
	struct entry **link = &parked->buckets[bucket_of(parked, worker, handle)];

	while (*link != NULL && ((*link)->worker != worker || (*link)->handle != handle))
		link = &(*link)->next;
	return link;
}

static void unlink_entry(struct mt_parked *parked, struct entry **link)
{
	struct entry *entry = *link;

	*link = entry->next;
	parked->count--;
	parked->bytes -= sizeof(*entry) + entry->bytes;
	free(entry);
}

/* Twice the buckets. Without memory the chains just grow longer. */
static void grow(struct mt_parked *parked)
{
	struct mt_parked larger = *parked;

	larger.mask = parked->mask * 2 + 1;
	larger.buckets = calloc(larger.mask + 1, sizeof(*larger.buckets));
	if (larger.buckets == NULL)
		return;
	for (size_t i = 0; i <= parked->mask; i++)
		for (struct entry *entry = parked->buckets[i], *next; entry != NULL; entry = next) {
			struct entry **head =
			    &larger.buckets[bucket_of(&larger, entry->worker, entry->handle)];

			next = entry->next;
			entry->next = *head;
			*head = entry;
		}
	free(parked->buckets);
	*parked = larger;
}

struct mt_parked *mt_parked_create(size_t limit_bytes)
{
	struct mt_parked *parked = calloc(1, sizeof(*parked));

	if (parked == NULL)
		return NULL;
	parked->mask = FIRST_BUCKETS - 1;
	parked->limit_bytes = limit_bytes;
	parked->buckets = calloc(FIRST_BUCKETS, sizeof(*parked->buckets));
	if (parked->buckets == NULL) {
		free(parked);
		return NULL;
	}
	return parked;
}

void mt_parked_destroy(struct mt_parked *parked)
{
	if (parked == NULL)
		return;
	for (size_t i = 0; i <= parked->mask; i++)
		while (parked->buckets[i] != NULL)
			unlink_entry(parked, &parked->buckets[i]);
	free(parked->buckets);
	free(parked);
}

bool mt_parked_put(struct mt_parked *parked, uint32_t worker, const struct mt_report *report)
{
	size_t bytes = mt_report_bytes(report);
	struct entry **link = find(parked, worker, report->handle), *entry;

	if (*link != NULL)
		unlink_entry(parked, link);
	if (parked->bytes + sizeof(*entry) + bytes > parked->limit_bytes)
		return false;
	entry = malloc(sizeof(*entry) + bytes);
	if (entry == NULL)
		return false;
	*entry = (struct entry){.worker = worker, .handle = report->handle, .bytes = bytes};
	memcpy(entry->report, report, bytes);
	if (parked->count > parked->mask)
		grow(parked);
	link = &parked->buckets[bucket_of(parked, worker, report->handle)];
	entry->next = *link;
	*link = entry;
	parked->count++;
	parked->bytes += sizeof(*entry) + bytes;
	return true;
}

bool mt_parked_take(struct mt_parked *parked, uint32_t worker, uint32_t handle, struct mt_report *ret)
{
	struct entry **link = find(parked, worker, handle);

	if (*link == NULL)
		return false;
	memcpy(ret, (*link)->report, (*link)->bytes);
	unlink_entry(parked, link);
	return true;
}
