/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <errno.h>
#include <search.h>
#include <sys/mman.h>

#include "servers_priv.h"

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct key));
}

/* From mmap: what is not used is not resident. */
int memory_init(struct memory *memory, size_t memo_bytes, uint32_t memos)
{
	uint32_t piece_bytes = (uint32_t)(memo_bytes + MT_CACHE_LINE - 1) / MT_CACHE_LINE * MT_CACHE_LINE;
	void *area = mmap(NULL, mt_pool_area_bytes(piece_bytes, memos), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		return -ENOMEM;
	*memory = (struct memory){0};
	TAILQ_INIT(&memory->order);
	mt_pool_init(&memory->pool, area, piece_bytes, memos);
	return 0;
}

static void leave_memo(void *memo)
{
	(void)memo; /* the pool's */
}

void memory_fini(struct memory *memory)
{
	if (memory->pool.area == NULL)
		return;
	tdestroy(memory->tree, leave_memo);
	munmap(memory->pool.area, mt_pool_area_bytes(memory->pool.piece_bytes, memory->pool.pieces));
}

void *memory_find(const struct memory *memory, const struct key *key)
{
	void *node = tfind(key, &memory->tree, compare_keys);

	return node != NULL ? *(struct memo **)node : NULL;
}

void *memory_add(struct memory *memory, const struct key *key)
{
	struct memo *memo;

	if (memory->pool.free_pieces == 0) {
		memory_forget(memory, TAILQ_FIRST(&memory->order));
		memory->forgotten++;
	}
	memo = mt_pool_take(&memory->pool);
	memo->key = *key;
	if (tsearch(memo, &memory->tree, compare_keys) == NULL) {
		mt_pool_give(&memory->pool, memo);
		memory->forgotten++;
		return NULL;
	}
	TAILQ_INSERT_TAIL(&memory->order, memo, link);
	return memo;
}

void memory_renew(struct memory *memory, void *memo)
{
	TAILQ_REMOVE(&memory->order, (struct memo *)memo, link);
	TAILQ_INSERT_TAIL(&memory->order, (struct memo *)memo, link);
}

void memory_forget(struct memory *memory, void *memo)
{
	tdelete(memo, &memory->tree, compare_keys);
	TAILQ_REMOVE(&memory->order, (struct memo *)memo, link);
	mt_pool_give(&memory->pool, memo);
}

size_t memory_count(const struct memory *memory)
{
	return memory->pool.pieces - memory->pool.free_pieces;
}
