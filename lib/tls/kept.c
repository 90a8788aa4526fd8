/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "tls_priv.h"

/* A piece of the pool while it holds a part of a message. */
struct piece {
	uint32_t next;
	uint8_t bytes[];
};

void mt_tls_kept_init(struct mt_tls_kept *kept)
{
	*kept = (struct mt_tls_kept){.first = MT_POOL_NONE, .last = MT_POOL_NONE};
}

void mt_tls_kept_release(struct mt_tls_kept *kept, struct mt_pool *pool)
{
	uint32_t next = kept->first;

	while (next != MT_POOL_NONE) {
		struct piece *piece = mt_pool_at(pool, next);

		next = next == kept->last ? MT_POOL_NONE : piece->next;
		mt_pool_give(pool, piece);
	}
	mt_tls_kept_init(kept);
}

static bool add_piece(struct mt_tls_kept *kept, struct mt_pool *pool)
{
	struct piece *piece = mt_pool_take(pool);

	if (piece == NULL)
		return false;
	if (kept->first == MT_POOL_NONE)
		kept->first = mt_pool_index(pool, piece);
	else
		((struct piece *)mt_pool_at(pool, kept->last))->next = mt_pool_index(pool, piece);
	kept->last = mt_pool_index(pool, piece);
	return true;
}

bool mt_tls_keep(struct mt_tls_kept *kept, struct mt_pool *pool, struct mt_span rest)
{
	size_t room = pool->piece_bytes - sizeof(struct piece);

	while (rest.len > 0) {
		size_t filled = kept->bytes % room;

		if (filled == 0 && !add_piece(kept, pool))
			return false;

		struct piece *piece = mt_pool_at(pool, kept->last);
		struct mt_span part = mt_span_first(rest, room - filled);

		memcpy(piece->bytes + filled, part.data, part.len);
		kept->bytes = (uint16_t)(kept->bytes + part.len);
		rest = mt_span_after(rest, part.len);
	}
	return true;
}

struct mt_span mt_tls_kept_whole(struct mt_tls_kept *kept, struct mt_pool *pool)
{
	static _Thread_local uint8_t whole[MT_TLS_HELLO_MAX];
	size_t room = pool->piece_bytes - sizeof(struct piece), len = kept->bytes, at = 0;

	for (uint32_t next = kept->first; at < len;) {
		const struct piece *piece = mt_pool_at(pool, next);
		size_t part = len - at < room ? len - at : room;

		memcpy(whole + at, piece->bytes, part);
		at += part;
		next = piece->next;
	}
	mt_tls_kept_release(kept, pool);
	return mt_span(whole, len);
}
