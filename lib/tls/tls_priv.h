/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Inside the module: messages that come in parts (kept.c), the server's certificate (leaf.c), and a hello as
 * one contiguous message, turned into its facts (hello.c). Reading a hello cannot fail: what contradicts
 * itself is read as far as it goes and marked.
 */
#ifndef MT_TLS_PRIV_H
#define MT_TLS_PRIV_H

#include "tls.h"

#define MT_TLS_EXTENSION_SERVER_NAME 0	/* RFC 6066 3 */
#define MT_TLS_EXTENSION_ALPN	     16 /* RFC 7301 3.1 */
#define MT_TLS_EXTENSION_PSK	     41 /* RFC 8446 4.2.11 */
#define MT_TLS_EXTENSION_EARLY_DATA  42 /* RFC 8446 4.2.10 */

void mt_tls_kept_init(struct mt_tls_kept *kept);

/** Keep a further part; MT_TLS_HELLO_MAX in all is the caller's to hold. Result  false without a piece */
bool mt_tls_keep(struct mt_tls_kept *kept, struct mt_pool *pool, struct mt_span part);

/** Give the pieces back. */
void mt_tls_kept_release(struct mt_tls_kept *kept, struct mt_pool *pool);

/** The parts as one; the pieces go back. Result  valid until the next call by this thread */
struct mt_span mt_tls_kept_whole(struct mt_tls_kept *kept, struct mt_pool *pool);

/** A hello or a certificate over the limit, or without a piece for it. */
void mt_tls_count_lost(struct mt_tls *tls);

/**
 * A further part of a server's Certificate message: the length of the list, the length of the first
 * certificate, the certificate; what follows is its issuers' (RFC 5246 7.4.2). Only the first message of a
 * connection counts: nobody honest sends another in clear.
 * behind  bytes of the message that are still to come
 */
void mt_tls_leaf_read(struct mt_tls *tls, struct mt_pool *pool, struct mt_span part, size_t behind);

/** Bytes of the server's are missing: a certificate that is not whole never will be. */
void mt_tls_leaf_cut(struct mt_tls *tls, struct mt_pool *pool);

/** Give the certificate up. */
void mt_tls_leaf_lose(struct mt_tls *tls, struct mt_pool *pool);

/** The body of a ClientHello or ServerHello, without the four bytes of the handshake header. */
void mt_tls_read_hello(struct mt_tls_hello *hello, enum mt_direction direction, struct mt_span body);

/** An SSLv2-style hello from behind its version on (RFC 5246 E.2). */
void mt_tls_read_ssl2_hello(struct mt_tls_hello *hello, uint16_t version, struct mt_span body);

/** Whether an extension is among those kept. */
bool mt_tls_hello_has(const struct mt_tls_hello *hello, uint16_t extension);

#endif
