/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Fixed-size pieces of memory out of one area that the caller gives: held segments, half-seen
 * handshakes, sessions. Taking and giving back costs a few instructions, never the allocator.
 * What is given back is wiped at once: a piece may have held somebody's password.
 * A pool belongs to one worker; nothing in it is locked.
 */
#ifndef MT_POOL_H
#define MT_POOL_H

#include "base.h"

struct mt_pool {
	uint8_t *area;	      /* kept, piece_bytes * pieces long, aligned to a cache line */
	uint32_t piece_bytes; /* a multiple of a cache line */
	uint32_t pieces;      /* how many there are */
	uint32_t free_pieces; /* how many of them are free */
	uint32_t next_free;   /* index of the first free piece, MT_POOL_NONE at the end */
	uint32_t untouched;   /* pieces from here on have never been taken: their memory is not resident */
};

#define MT_POOL_NONE UINT32_MAX

/** Bytes the area must have for so many pieces of that size. */
size_t mt_pool_area_bytes(uint32_t piece_bytes, uint32_t pieces);

/**
 * Start with every piece free.
 * area    kept until the pool is used no more; zeroed by the caller
 */
void mt_pool_init(struct mt_pool *pool, void *area, uint32_t piece_bytes, uint32_t pieces);

/** Take a piece, zeroed. Result  the piece, or NULL where none is free. */
void *mt_pool_take(struct mt_pool *pool);

/** Give a piece back; it is wiped. NULL is legal. */
void mt_pool_give(struct mt_pool *pool, void *piece);

/** Give a piece back that is zero already, because its owner knew what it had written there, and wiped that.
 */
void mt_pool_give_wiped(struct mt_pool *pool, void *piece);

/* Pieces are linked by 32-bit index where a pointer would be too wide. */
static inline void *mt_pool_at(const struct mt_pool *pool, uint32_t index)
{
	return pool->area + (size_t)index * pool->piece_bytes;
}

static inline uint32_t mt_pool_index(const struct mt_pool *pool, const void *piece)
{
	return (uint32_t)(((const uint8_t *)piece - pool->area) / pool->piece_bytes);
}

#endif
