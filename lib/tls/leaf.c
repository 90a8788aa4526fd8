/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "tls_priv.h"

/* How far the server's certificate has come. */
enum leaf_step { LEAF_HEADER, LEAF_BODY, LEAF_WHOLE, LEAF_LOST };

void mt_tls_count_lost(struct mt_tls *tls)
{
	if (tls->messages_lost < UINT8_MAX)
		tls->messages_lost++;
}

void mt_tls_leaf_lose(struct mt_tls *tls, struct mt_pool *pool)
{
	mt_tls_kept_release(&tls->leaf.kept, pool);
	tls->leaf.step = LEAF_LOST;
}

void mt_tls_leaf_cut(struct mt_tls *tls, struct mt_pool *pool)
{
	if (tls->leaf.step != LEAF_WHOLE)
		mt_tls_leaf_lose(tls, pool);
}

/* The lengths are in: how long is the certificate, and can it be? A raw key (RFC 7250) has no list, and
 * lengths that lead out of the message. */
static void begin_body(struct mt_tls *tls, struct mt_pool *pool, size_t message_left)
{
	tls->leaf.left = mt_read_be24(tls->leaf.header + 3);
	tls->leaf.step = LEAF_BODY;
	if (tls->leaf.left > message_left) {
		mt_tls_leaf_lose(tls, pool);
	} else if (tls->leaf.left > MT_TLS_HELLO_MAX) {
		mt_tls_count_lost(tls);
		mt_tls_leaf_lose(tls, pool);
	}
}

/* Result  what is behind the lengths */
static struct mt_span read_header(struct mt_tls *tls, struct mt_pool *pool, struct mt_span part,
				  size_t behind)
{
	struct mt_span header = mt_span_first(part, sizeof(tls->leaf.header) - tls->leaf.header_len);

	memcpy(tls->leaf.header + tls->leaf.header_len, header.data, header.len);
	tls->leaf.header_len = (uint8_t)(tls->leaf.header_len + header.len);
	part = mt_span_after(part, header.len);
	if (tls->leaf.header_len == sizeof(tls->leaf.header))
		begin_body(tls, pool, part.len + behind);
	else if (behind == 0) /* a message too short for the lengths */
		mt_tls_leaf_lose(tls, pool);
	return part;
}

static void read_body(struct mt_tls *tls, struct mt_pool *pool, struct mt_span part)
{
	part = mt_span_first(part, tls->leaf.left);
	tls->leaf.left -= (uint32_t)part.len;
	if (!mt_tls_keep(&tls->leaf.kept, pool, part)) {
		mt_tls_count_lost(tls);
		mt_tls_leaf_lose(tls, pool);
	} else if (tls->leaf.left == 0) {
		tls->leaf.step = LEAF_WHOLE;
	}
}

void mt_tls_leaf_read(struct mt_tls *tls, struct mt_pool *pool, struct mt_span part, size_t behind)
{
	if (tls->leaf.step == LEAF_HEADER)
		part = read_header(tls, pool, part, behind);
	if (tls->leaf.step == LEAF_BODY)
		read_body(tls, pool, part);
}

struct mt_span mt_tls_take_certificate(struct mt_tls *tls, struct mt_pool *pool)
{
	if (tls->leaf.step != LEAF_WHOLE)
		return mt_span(NULL, 0);
	tls->leaf.step = LEAF_LOST;
	return mt_tls_kept_whole(&tls->leaf.kept, pool);
}
