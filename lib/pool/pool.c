/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "pool.h"

#include <assert.h>

size_t mt_pool_area_bytes(uint32_t piece_bytes, uint32_t pieces)
{
	return (size_t)piece_bytes * pieces;
}

void mt_pool_init(struct mt_pool *pool, void *area, uint32_t piece_bytes, uint32_t pieces)
{
	assert(piece_bytes >= sizeof(uint32_t) && piece_bytes % MT_CACHE_LINE == 0);
	*pool = (struct mt_pool){
	    .area = area,
	    .piece_bytes = piece_bytes,
	    .pieces = pieces,
	    .free_pieces = pieces,
	    .next_free = MT_POOL_NONE,
	};
}

/* A free piece holds the index of the next one plus one in its first word, so that zero ends the list. */
void *mt_pool_take(struct mt_pool *pool)
{
	uint32_t *piece;

	if (pool->next_free != MT_POOL_NONE) {
		piece = mt_pool_at(pool, pool->next_free);
		pool->next_free = *piece - 1;
		*piece = 0;
	} else if (pool->untouched < pool->pieces) {
		piece = mt_pool_at(pool, pool->untouched++);
	} else {
		return NULL;
	}
	pool->free_pieces--;
	return piece;
}

void mt_pool_give(struct mt_pool *pool, void *piece)
{
	if (piece == NULL)
		return;
	mt_wipe(piece, pool->piece_bytes);
	mt_pool_give_wiped(pool, piece);
}

void mt_pool_give_wiped(struct mt_pool *pool, void *piece)
{
	*(uint32_t *)piece = pool->next_free + 1;
	pool->next_free = mt_pool_index(pool, piece);
	pool->free_pieces++;
}
