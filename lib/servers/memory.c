/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "servers_priv.h"

/* From mmap: what is not used is not resident. */
static void *map(size_t bytes)
{
	void *area =
	    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return area != MAP_FAILED ? area : NULL;
}

static size_t chains_bytes(const struct memory *memory)
{
	return ((size_t)memory->mask + 1) * sizeof(*memory->chains);
}

static uint32_t mask_for(uint32_t memos)
{
	uint32_t mask = 1;

	while (mask < memos && mask < UINT32_MAX / 2)
		mask = 2 * mask + 1;
	return mask;
}

int memory_init(struct memory *memory, size_t memo_bytes, uint32_t memos)
{
	uint32_t piece_bytes = (uint32_t)(memo_bytes + MT_CACHE_LINE - 1) / MT_CACHE_LINE * MT_CACHE_LINE;
	struct memory made = {.mask = mask_for(memos)};
	uint64_t chance[2];
	void *area;

	if (getrandom(chance, sizeof(chance), 0) != sizeof(chance))
		return -errno;
	mt_flow_secret_init(&made.secret, chance[0], chance[1]);
	made.chains = map(chains_bytes(&made));
	if (made.chains == NULL)
		return -ENOMEM;
	area = map(mt_pool_area_bytes(piece_bytes, memos));
	if (area == NULL) {
		munmap(made.chains, chains_bytes(&made));
		return -ENOMEM;
	}
	mt_pool_init(&made.pool, area, piece_bytes, memos);
	*memory = made;
	TAILQ_INIT(&memory->order);
	return 0;
}

void memory_fini(struct memory *memory)
{
	if (memory->pool.area == NULL)
		return;
	munmap(memory->chains, chains_bytes(memory));
	munmap(memory->pool.area, mt_pool_area_bytes(memory->pool.piece_bytes, memory->pool.pieces));
}

/* Where the pointer to the key's memo stands, or would stand. */
static struct memo **find_link(const struct memory *memory, const struct key *key)
{
	struct mt_flow_key name;
	struct memo **link;

	memcpy(&name, key, sizeof(name));
	link = &memory->chains[mt_flow_fingerprint(&name, &memory->secret) & memory->mask];
	while (*link != NULL && memcmp(&(*link)->key, key, sizeof(*key)) != 0)
		link = &(*link)->next;
	return link;
}

void *memory_find(const struct memory *memory, const struct key *key)
{
	return *find_link(memory, key);
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
	*find_link(memory, key) = memo;
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
	struct memo **link = find_link(memory, &((struct memo *)memo)->key);

	*link = (*link)->next;
	TAILQ_REMOVE(&memory->order, (struct memo *)memo, link);
	mt_pool_give(&memory->pool, memo);
}

size_t memory_count(const struct memory *memory)
{
	return memory->pool.pieces - memory->pool.free_pieces;
}
