/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * TLS as it looks from outside: records and the clear part of the handshake, of both directions.
 * Says which version and cipher were agreed, what the client asked for by name, and whether the
 * handshake was finished. It decrypts nothing and copies nothing that is encrypted.
 *
 * Bytes may be cut anywhere; a hello may span records and segments (post-quantum hellos do) and is put
 * together in pieces of the caller's pool, at most MT_TLS_HELLO_MAX. So is the server's own certificate
 * where it is sent in clear (TLS 1.2 and older), without those of its issuers; a client's, which names a
 * person, is passed over. Bytes of one direction come in order; a gap ends what can be learnt about that
 * direction.
 */
#ifndef MT_TLS_H
#define MT_TLS_H

#include "base.h"
#include "pool.h"

#define MT_TLS_HELLO_MAX (32 * 1024) /* longest hello, and longest certificate, put together, bytes */
#define MT_TLS_NAME_MAX	 255	     /* longest SNI kept (RFC 1035 2.3.4) */
#define MT_TLS_ALPNS_MAX 8	     /* protocol names kept */
#define MT_TLS_ALPN_MAX	 32	     /* longest of them kept, bytes */
#define MT_TLS_LIST_MAX	 128	     /* ciphers, extensions... kept for fingerprints; GREASE left out */

/** What one hello says. Lists keep wire order, without GREASE values (RFC 8701). */
struct mt_tls_hello {
	uint16_t legacy_version;
	uint16_t version;  /* highest offered (client) or chosen (server); supported_versions counted */
	uint16_t cipher;   /* server: the chosen suite */
	bool is_retry;	   /* server: a HelloRetryRequest (RFC 8446 4.1.3) */
	bool has_sentinel; /* server: the DOWNGRD bytes at the end of random (RFC 8446 4.1.3) */
	bool is_overfull;  /* a list was longer than kept: no fingerprints */
	bool is_malformed; /* lengths inside contradict each other: read as far as it goes, no fingerprints */
	bool is_ssl2_style; /* client: in the clothes of SSLv2 (RFC 5246 E.2): no fingerprints */
	uint8_t sni_len;
	uint8_t alpn_ends[2]; /* first and last byte of the first protocol name, however long; 0 if none */
	uint8_t alpn_count;
	uint16_t cipher_count, extension_count, group_count, format_count, signature_count, version_count;
	/* Of what follows, only so much means something as the counts say; the name ends with a zero. */
	char sni[MT_TLS_NAME_MAX + 1];
	struct {
		uint8_t len;
		char name[MT_TLS_ALPN_MAX];
	} alpn[MT_TLS_ALPNS_MAX];
	uint16_t ciphers[MT_TLS_LIST_MAX];
	uint16_t extensions[MT_TLS_LIST_MAX];
	uint16_t groups[MT_TLS_LIST_MAX];
	uint16_t signatures[MT_TLS_LIST_MAX];
	uint16_t versions[16];
	uint8_t formats[16];
};

/** Part of a message, kept in pieces of the pool until the rest has come. */
struct mt_tls_kept {
	uint32_t first; /* MT_POOL_NONE if there is none */
	uint32_t last;	/* MT_POOL_NONE if there is none */
	uint16_t bytes; /* in them, at most MT_TLS_HELLO_MAX */
};

/** How far one direction's bytes have come. */
struct mt_tls_side {
	struct mt_tls_kept kept; /* a hello's beginning */
	uint32_t body_left;	 /* bytes of the current handshake message still to come */
	uint16_t record_left;	 /* bytes of the current record still to come */
	uint8_t record_kind;	 /* what is done with them, see tls.c */
	uint8_t header[5];	 /* record header being put together */
	uint8_t header_len;  /* bytes of it in hand; after MT_TLS_NOT_TLS those that earlier calls consumed */
	uint8_t message[4];  /* handshake message header being put together */
	uint8_t message_len; /* bytes of it in hand */
	uint8_t alert[2];    /* a plaintext alert being read */
	uint8_t alert_len;
	uint8_t alert_code;    /* description of a fatal plaintext alert, where has_alert */
	bool has_alert;	       /* a fatal alert came in clear: this handshake failed */
	bool has_close_notify; /* a plaintext close_notify of level warning: given up without a failure */
	bool has_hello;	       /* client: ClientHello; server: ServerHello that is no retry request */
	bool offers_early;     /* client: its last hello announced early data (RFC 8446 4.2.10) */
	bool has_ccs;	       /* ChangeCipherSpec seen; in TLS 1.3 it means nothing */
	bool has_encrypted;    /* an encrypted record after the point where encryption begins */
	bool has_short; /* TLS 1.3: an encrypted record too short to be of the handshake: an alert, perhaps */
	bool has_certificate; /* a Certificate message in clear that is not empty (TLS 1.2 and older) */
	bool has_hello_done;  /* server: ServerHelloDone; a resumed handshake goes without (RFC 5246 7.3) */
	bool is_passing;      /* the current handshake message is passed over by length */
	bool is_broken;	      /* no TLS any more, or a gap: nothing further is read */
};

struct mt_tls {
	struct mt_tls_side side[MT_DIRECTION_COUNT];
	struct {
		struct mt_tls_kept kept;
		uint32_t left;	   /* bytes still to come */
		uint8_t header[6]; /* lengths of the list and of the first certificate */
		uint8_t header_len;
		uint8_t step;  /* enum leaf_step, see leaf.c */
	} leaf;		       /* the server's certificate */
	uint16_t version;      /* agreed: of the ServerHello; 0 before */
	uint16_t cipher;       /* agreed */
	bool has_psk;	       /* TLS 1.3: the server took up a key of an earlier session */
	uint8_t messages_lost; /* hellos and certificates over the limit or without pool */
};

/** What a feed has brought. */
enum mt_tls_event {
	MT_TLS_MORE,	     /* nothing new */
	MT_TLS_CLIENT_HELLO, /* *ret_hello is filled with the client's hello */
	MT_TLS_SERVER_HELLO, /* *ret_hello is filled with the server's hello or retry request */
	MT_TLS_NOT_TLS,	     /* no TLS record begins here: the rest was not consumed. Said once a direction */
	MT_TLS_DONE,	     /* both directions have shown all there is to learn (see is_established) */
};

#define MT_TLS_START_BYTES 7 /* so many bytes always decide how a stretch of them begins */

/** How a stretch of bytes begins, seen from the first of them. */
enum mt_tls_start {
	MT_TLS_START_NO,
	MT_TLS_START_MAYBE, /* a proper beginning of a start; more bytes decide */
	MT_TLS_START_HELLO, /* 16 03 00..04, a sane length, then the hello of that direction; or an
			       SSLv2-style hello */
	MT_TLS_START_ALERT, /* a plaintext alert record, no text: feed it, has_alert says if it was fatal */
};

/**
 * Whether TLS begins here (BEHAVIOURS G10).
 * Source  RFC 8446 5.1 (records), RFC 5246 E.2 (SSLv2-style hello)
 */
enum mt_tls_start mt_tls_starts(enum mt_direction direction, struct mt_span bytes);

void mt_tls_init(struct mt_tls *tls);

/** Give back the pieces that half-seen hellos and the certificate hold. */
void mt_tls_clear(struct mt_tls *tls, struct mt_pool *pool);

/**
 * Read on in one direction. Returns after the first event; call again with what was not consumed.
 * pool        pieces of at least 256 bytes for hellos that come in parts
 * bytes       borrowed
 * consumed    always written; all of bytes where the result is MT_TLS_MORE or _DONE
 * ret_hello   written with the hello events; scratch space of the worker, may be reused at will
 * Owner       the worker that owns the flow
 */
enum mt_tls_event mt_tls_feed(struct mt_tls *tls, struct mt_pool *pool, enum mt_direction direction,
			      struct mt_span bytes, size_t *consumed, struct mt_tls_hello *ret_hello);

/** Bytes of this direction are missing: what comes after cannot be read any more. */
void mt_tls_gap(struct mt_tls *tls, struct mt_pool *pool, enum mt_direction direction);

/**
 * Whether the handshake was finished (BEHAVIOURS G13): up to TLS 1.2 ChangeCipherSpec and an encrypted
 * record, in TLS 1.3 the ServerHello and then application data, from both sides, or from the only side where
 * only one is seen. A plaintext fatal alert of a seen side means that it was not.
 * is_seen   by direction: whether any packet of that direction was seen
 */
bool mt_tls_is_established(const struct mt_tls *tls, const bool is_seen[MT_DIRECTION_COUNT]);

/**
 * Whether keys of an earlier session were taken up, so that no certificate was sent: in TLS 1.3 the server
 * chose a pre-shared key, before that it went on to ChangeCipherSpec without ServerHelloDone.
 * Source  RFC 5246 7.3, RFC 5077 3.4, RFC 8446 4.2.11
 */
bool mt_tls_is_resumed(const struct mt_tls *tls);

/**
 * The server's certificate in DER, once; its pieces go back to the pool.
 * Result  empty where none came, or none came whole. Valid until the next call into this module by this
 *         thread
 */
struct mt_span mt_tls_take_certificate(struct mt_tls *tls, struct mt_pool *pool);

/** The member of the closed list for a version on the wire; _UNKNOWN for anything else. */
enum mt_tls_version mt_tls_version_of(uint16_t wire);

/** The member of the closed list for an alert's number; _OTHER for one that nobody registered. */
enum mt_alert mt_tls_alert_of(uint8_t number);

/** The IANA name of a cipher suite; NULL where it is not known. Lives as long as the program. */
const char *mt_tls_cipher_name(uint16_t cipher);

/**
 * A hello in little room (some 200 bytes), for whoever computes its fingerprints later, elsewhere.
 * Result  bytes written; 0 where there is no room or nothing can be computed from the hello
 */
size_t mt_tls_hello_pack(const struct mt_tls_hello *hello, uint8_t *ret, size_t size);
/**
 * What the fingerprints need of a packed hello; names are not kept.
 * Result  false where the bytes are no packed hello
 */
bool mt_tls_hello_unpack(struct mt_tls_hello *ret, struct mt_span packed);

/*
 * Fingerprints. They use OpenSSL's digests and therefore allocate: not for the hot path, the control
 * thread calls them. Results are zero-terminated; empty where the hello allows none (see its flags).
 * Source  github.com/salesforce/ja3 (JA3, JA3S); FoxIO, technical_details/JA4 (JA4)
 */
#define MT_TLS_JA3_SIZE 33 /* MD5 in hexadecimal */
#define MT_TLS_JA4_SIZE 37

void mt_tls_ja3(const struct mt_tls_hello *client, char ret[MT_TLS_JA3_SIZE]);
void mt_tls_ja3s(const struct mt_tls_hello *server, char ret[MT_TLS_JA3_SIZE]);
void mt_tls_ja4(const struct mt_tls_hello *client, char ret[MT_TLS_JA4_SIZE]);

#endif
