/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "tls_priv.h"

#define RECORD_BYTES_MAX (16 * 1024 + 2048) /* RFC 5246 6.2.3; TLS 1.3 allows less */
#define RECORD_HEADER	 5
#define MESSAGE_HEADER	 4
#define SSL2_IN_HEADER	 3  /* of the five bytes, those that its length counts */
#define SSL2_BYTES_MIN	 12 /* RFC 5246 E.2: type, version, three lengths, one cipher */
#define TLS_1_3		 0x0304
#define AES_128_CCM_8	 0x1305 /* the one suite of TLS 1.3 whose tag is eight bytes, not sixteen */

/* RFC 8446 5.1, RFC 6520 6 (heartbeat: a probe may come in the middle of a handshake). */
enum record_type {
	RECORD_CHANGE_CIPHER_SPEC = 20,
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_APPLICATION_DATA = 23,
	RECORD_HEARTBEAT = 24,
};

/* RFC 8446 4, RFC 5246 7.4 */
enum message_type {
	MESSAGE_CLIENT_HELLO = 1,
	MESSAGE_SERVER_HELLO = 2,
	MESSAGE_CERTIFICATE = 11,
	MESSAGE_SERVER_HELLO_DONE = 14,
};

#define CERTIFICATE_EMPTY 3 /* bytes of a Certificate with no certificate in it (RFC 5246 7.4.2) */

/* RFC 8446 6 */
enum { ALERT_WARNING = 1, ALERT_FATAL = 2, ALERT_CLOSE_NOTIFY = 0 };

/* What is done with the bytes of a record; decided once, at its header, so that cuts change nothing. */
enum record_kind { KIND_PASSED, KIND_HANDSHAKE, KIND_ALERT, KIND_SSL2_HELLO };

/* One call of mt_tls_feed. */
struct feeding {
	struct mt_tls *tls;
	struct mt_pool *pool;
	enum mt_direction direction;
	struct mt_tls_side *side;
	struct mt_tls_hello *hello;
};

/* The versions in which ChangeCipherSpec begins encryption. */
static bool is_older(uint16_t version)
{
	return version >= 0x0300 && version < TLS_1_3;
}

/* TLS 1.3 or one of its drafts, which have numbers outside the row of versions. */
static bool is_tls_1_3(uint16_t version)
{
	return version != 0 && !is_older(version);
}

/* Nothing more is learnt from this side. */
static bool is_over(const struct mt_tls_side *side)
{
	return side->has_encrypted || side->is_broken;
}

/* Whether so many bytes can begin a record (BEHAVIOURS G10). */
static bool begins_record(const uint8_t *header, size_t len)
{
	if (len > 0 && (header[0] < RECORD_CHANGE_CIPHER_SPEC || header[0] > RECORD_HEARTBEAT))
		return false;
	if ((len > 1 && header[1] != 3) || (len > 2 && header[2] > 4))
		return false;
	if (len < RECORD_HEADER)
		return true;
	return mt_read_be16(header + 3) >= 1 && mt_read_be16(header + 3) <= RECORD_BYTES_MAX;
}

static uint16_t ssl2_bytes(const uint8_t *header)
{
	return mt_read_be16(header) & 0x7fff;
}

/* Whether so many bytes can begin an SSLv2-style hello (RFC 5246 E.2). */
static bool begins_ssl2_hello(const uint8_t *header, size_t len)
{
	if (len > 0 && (header[0] & 0x80) == 0)
		return false;
	if (len > 1 && ssl2_bytes(header) < SSL2_BYTES_MIN)
		return false;
	if (len > 2 && header[2] != MESSAGE_CLIENT_HELLO)
		return false;
	return (len <= 3 || header[3] == 3) && (len <= 4 || header[4] <= 4);
}

/* A hello that cannot be put together: it was there, and that is all that is known of it. */
static void lose_hello(struct feeding *feeding)
{
	struct mt_tls_side *side = feeding->side;

	mt_tls_kept_release(&side->kept, feeding->pool);
	side->is_passing = true;
	side->has_hello = true;
	mt_tls_count_lost(feeding->tls);
}

static enum mt_tls_event report_client_hello(struct feeding *feeding)
{
	feeding->side->has_hello = true;
	feeding->side->offers_early = mt_tls_hello_has(feeding->hello, MT_TLS_EXTENSION_EARLY_DATA);
	return MT_TLS_CLIENT_HELLO;
}

static enum mt_tls_event report_server_hello(struct feeding *feeding)
{
	if (!feeding->hello->is_retry && feeding->tls->version == 0) {
		feeding->side->has_hello = true;
		feeding->tls->version = feeding->hello->version;
		feeding->tls->cipher = feeding->hello->cipher;
		feeding->tls->has_psk = mt_tls_hello_has(feeding->hello, MT_TLS_EXTENSION_PSK);
	}
	return MT_TLS_SERVER_HELLO;
}

static enum mt_tls_event read_hello(struct feeding *feeding, struct mt_span message)
{
	if (feeding->side->record_kind == KIND_SSL2_HELLO)
		mt_tls_read_ssl2_hello(feeding->hello, mt_read_be16(feeding->side->header + 3), message);
	else
		mt_tls_read_hello(feeding->hello, feeding->direction, message);
	return feeding->direction == MT_TO_SERVER ? report_client_hello(feeding)
						  : report_server_hello(feeding);
}

/* Bytes off the front of what is given, at most those of the record. */
static struct mt_span take(struct mt_tls_side *side, struct mt_span *rest, size_t n)
{
	struct mt_span taken = mt_span_first(mt_span_first(*rest, side->record_left), n);

	*rest = mt_span_after(*rest, taken.len);
	side->record_left = (uint16_t)(side->record_left - taken.len);
	return taken;
}

/* The body of the current message: read in place where it came in one piece, else kept until it is whole. */
static enum mt_tls_event read_body(struct feeding *feeding, struct mt_span *rest)
{
	struct mt_tls_side *side = feeding->side;
	struct mt_span body = take(side, rest, side->body_left);
	bool is_in_place = side->kept.bytes == 0 && body.len == side->body_left;

	side->body_left -= (uint32_t)body.len;
	if (feeding->direction == MT_TO_CLIENT && side->message[0] == MESSAGE_CERTIFICATE)
		mt_tls_leaf_read(feeding->tls, feeding->pool, body, side->body_left);
	if (!side->is_passing && !is_in_place && !mt_tls_keep(&side->kept, feeding->pool, body))
		lose_hello(feeding);
	if (side->body_left > 0)
		return MT_TLS_MORE;
	side->message_len = 0;
	if (side->is_passing)
		return MT_TLS_MORE;
	return read_hello(feeding, is_in_place ? body : mt_tls_kept_whole(&side->kept, feeding->pool));
}

/*
 * Whether what follows ChangeCipherSpec is encrypted, where the version is not known: the second hello after
 * a retry request is not, and shows by filling its record; anything else is a Finished of TLS 1.2 or older.
 */
static bool is_encrypted(const struct mt_tls_side *side, bool is_hello)
{
	bool is_filling = side->body_left >= side->record_left && side->body_left <= MT_TLS_HELLO_MAX;

	return side->has_ccs && !(is_hello && is_filling);
}

static void begin_message(struct feeding *feeding)
{
	static const uint8_t hellos[MT_DIRECTION_COUNT] = {
	    [MT_TO_SERVER] = MESSAGE_CLIENT_HELLO,
	    [MT_TO_CLIENT] = MESSAGE_SERVER_HELLO,
	};
	struct mt_tls_side *side = feeding->side;
	bool is_hello = side->message[0] == hellos[feeding->direction];

	side->body_left = mt_read_be24(side->message + 1);
	side->is_passing = !is_hello;
	if (is_encrypted(side, is_hello))
		side->has_encrypted = true;
	else if (is_hello && side->body_left > MT_TLS_HELLO_MAX)
		lose_hello(feeding);
	else if (side->message[0] == MESSAGE_CERTIFICATE && side->body_left > CERTIFICATE_EMPTY)
		side->has_certificate = true;
	else if (side->message[0] == MESSAGE_SERVER_HELLO_DONE)
		side->has_hello_done = true;
}

static enum mt_tls_event read_handshake(struct feeding *feeding, struct mt_span *rest)
{
	struct mt_tls_side *side = feeding->side;

	if (side->message_len < MESSAGE_HEADER) {
		struct mt_span part = take(side, rest, MESSAGE_HEADER - side->message_len);

		memcpy(side->message + side->message_len, part.data, part.len);
		side->message_len = (uint8_t)(side->message_len + part.len);
		if (side->message_len < MESSAGE_HEADER)
			return MT_TLS_MORE;
		begin_message(feeding);
	}
	return side->has_encrypted ? MT_TLS_MORE : read_body(feeding, rest);
}

static enum mt_tls_event read_alert(struct feeding *feeding, struct mt_span *rest)
{
	struct mt_tls_side *side = feeding->side;
	struct mt_span part = take(side, rest, sizeof(side->alert) - side->alert_len);

	memcpy(side->alert + side->alert_len, part.data, part.len);
	side->alert_len = (uint8_t)(side->alert_len + part.len);
	if (side->alert_len < sizeof(side->alert))
		return MT_TLS_MORE;
	side->alert_len = 0;
	if (side->alert[0] == ALERT_FATAL && !side->has_alert) {
		side->has_alert = true;
		side->alert_code = side->alert[1];
	}
	if (side->alert[0] == ALERT_WARNING && side->alert[1] == ALERT_CLOSE_NOTIFY)
		side->has_close_notify = true;
	return MT_TLS_MORE;
}

static enum mt_tls_event pass_over(struct feeding *feeding, struct mt_span *rest)
{
	take(feeding->side, rest, feeding->side->record_left);
	return MT_TLS_MORE;
}

/*
 * The shortest first record under the handshake keys of TLS 1.3, one byte of content type and the tag
 * included (RFC 8446 5.2): of the server an empty EncryptedExtensions, of the client a Finished. An alert is
 * shorter than either. The client may be seen alone: the short tag is assumed for it, an alert is still
 * shorter.
 */
static uint16_t first_record_bytes(const struct mt_tls *tls, enum mt_direction direction)
{
	if (direction == MT_TO_SERVER)
		return MESSAGE_HEADER + 32 + 1 + 8;
	return MESSAGE_HEADER + 2 + 1 + (tls->cipher == AES_128_CCM_8 ? 8 : 16);
}

/* Application data before its time says nothing: early data of the client, rubbish. */
static void see_application_data(struct feeding *feeding)
{
	const struct mt_tls *tls = feeding->tls;
	struct mt_tls_side *side = feeding->side;

	if (is_older(tls->version))
		side->has_encrypted = side->has_ccs;
	else if (!side->has_hello || (side->offers_early && !tls->side[MT_TO_CLIENT].has_hello))
		return;
	else if (side->record_left < first_record_bytes(tls, feeding->direction))
		side->has_short = true;
	else
		side->has_encrypted = true;
}

/* Up to TLS 1.2 what follows ChangeCipherSpec is encrypted; in TLS 1.3 what follows the ServerHello. */
static enum record_kind begin_handshake(struct feeding *feeding)
{
	struct mt_tls_side *side = feeding->side;

	if (is_tls_1_3(feeding->tls->version) && side->has_hello)
		return KIND_PASSED;
	side->has_encrypted = side->has_ccs && is_older(feeding->tls->version);
	return KIND_HANDSHAKE;
}

static enum record_kind begin_record(struct feeding *feeding)
{
	struct mt_tls_side *side = feeding->side;

	if ((side->header[0] & 0x80) != 0) {
		side->record_left = (uint16_t)(ssl2_bytes(side->header) - SSL2_IN_HEADER);
		side->body_left = side->record_left;
		side->is_passing = false;
		return KIND_SSL2_HELLO;
	}
	side->record_left = mt_read_be16(side->header + 3);
	switch ((enum record_type)side->header[0]) {
	case RECORD_HANDSHAKE:
		return begin_handshake(feeding);
	case RECORD_ALERT: /* under encryption it is longer than its two bytes */
		return !side->has_ccs || side->record_left == sizeof(side->alert) ? KIND_ALERT : KIND_PASSED;
	case RECORD_CHANGE_CIPHER_SPEC:
		side->has_ccs = true;
		return KIND_PASSED;
	case RECORD_APPLICATION_DATA:
		see_application_data(feeding);
		return KIND_PASSED;
	case RECORD_HEARTBEAT:
		break;
	}
	return KIND_PASSED;
}

/* An SSLv2-style hello can only be the first thing a client says. */
static bool is_ssl2_possible(const struct feeding *feeding)
{
	return feeding->direction == MT_TO_SERVER && !feeding->side->has_hello &&
	       feeding->side->message_len == 0;
}

static enum mt_tls_event read_header(struct feeding *feeding, struct mt_span *rest)
{
	struct mt_tls_side *side = feeding->side;
	struct mt_span part = mt_span_first(*rest, (size_t)(RECORD_HEADER - side->header_len));
	size_t len = side->header_len + part.len;

	memcpy(side->header + side->header_len, part.data, part.len);
	if (!begins_record(side->header, len) &&
	    !(is_ssl2_possible(feeding) && begins_ssl2_hello(side->header, len))) {
		side->is_broken = true;
		return MT_TLS_NOT_TLS;
	}
	*rest = mt_span_after(*rest, part.len);
	side->header_len = (uint8_t)len;
	if (len == RECORD_HEADER) {
		side->header_len = 0;
		side->record_kind = (uint8_t)begin_record(feeding);
	}
	return MT_TLS_MORE;
}

enum mt_tls_event mt_tls_feed(struct mt_tls *tls, struct mt_pool *pool, enum mt_direction direction,
			      struct mt_span bytes, size_t *consumed, struct mt_tls_hello *ret_hello)
{
	static enum mt_tls_event (*const readers[])(struct feeding * feeding, struct mt_span * rest) = {
	    [KIND_PASSED] = pass_over,
	    [KIND_HANDSHAKE] = read_handshake,
	    [KIND_ALERT] = read_alert,
	    [KIND_SSL2_HELLO] = read_body,
	};
	struct mt_tls_side *side = &tls->side[direction];
	struct feeding feeding = {tls, pool, direction, side, ret_hello};
	struct mt_span rest = bytes;
	enum mt_tls_event event = MT_TLS_MORE;

	while (rest.len > 0 && event == MT_TLS_MORE && !is_over(side)) {
		if (side->record_left == 0)
			event = read_header(&feeding, &rest);
		else
			event = readers[side->record_kind](&feeding, &rest);
	}
	if (is_over(side))
		mt_tls_kept_release(&side->kept, pool);
	*consumed = event == MT_TLS_MORE ? bytes.len : bytes.len - rest.len;
	if (event == MT_TLS_MORE && is_over(&tls->side[MT_TO_SERVER]) && is_over(&tls->side[MT_TO_CLIENT]))
		return MT_TLS_DONE;
	return event;
}

enum mt_tls_start mt_tls_starts(enum mt_direction direction, struct mt_span bytes)
{
	const uint8_t *p = bytes.data;
	uint8_t hello = direction == MT_TO_SERVER ? MESSAGE_CLIENT_HELLO : MESSAGE_SERVER_HELLO;

	if (bytes.len == 0)
		return MT_TLS_START_MAYBE;
	if (direction == MT_TO_SERVER && begins_ssl2_hello(p, bytes.len))
		return bytes.len < RECORD_HEADER ? MT_TLS_START_MAYBE : MT_TLS_START_HELLO;
	if (!begins_record(p, bytes.len))
		return MT_TLS_START_NO;
	if (p[0] == RECORD_HANDSHAKE) {
		if (bytes.len <= RECORD_HEADER)
			return MT_TLS_START_MAYBE;
		return p[RECORD_HEADER] == hello ? MT_TLS_START_HELLO : MT_TLS_START_NO;
	}
	if (p[0] != RECORD_ALERT || (bytes.len >= RECORD_HEADER && mt_read_be16(p + 3) != 2))
		return MT_TLS_START_NO;
	if (bytes.len > RECORD_HEADER && p[5] != ALERT_WARNING && p[5] != ALERT_FATAL)
		return MT_TLS_START_NO;
	return bytes.len < RECORD_HEADER + 2 ? MT_TLS_START_MAYBE : MT_TLS_START_ALERT;
}

void mt_tls_init(struct mt_tls *tls)
{
	memset(tls, 0, sizeof(*tls));
	for (unsigned i = 0; i < MT_DIRECTION_COUNT; i++)
		mt_tls_kept_init(&tls->side[i].kept);
	mt_tls_kept_init(&tls->leaf.kept);
}

void mt_tls_clear(struct mt_tls *tls, struct mt_pool *pool)
{
	for (unsigned i = 0; i < MT_DIRECTION_COUNT; i++)
		mt_tls_kept_release(&tls->side[i].kept, pool);
	mt_tls_leaf_lose(tls, pool);
}

void mt_tls_gap(struct mt_tls *tls, struct mt_pool *pool, enum mt_direction direction)
{
	mt_tls_kept_release(&tls->side[direction].kept, pool);
	tls->side[direction].is_broken = true;
	if (direction == MT_TO_CLIENT)
		mt_tls_leaf_cut(tls, pool);
}

bool mt_tls_is_resumed(const struct mt_tls *tls)
{
	const struct mt_tls_side *server = &tls->side[MT_TO_CLIENT];

	if (!is_older(tls->version))
		return tls->has_psk;
	return server->has_ccs && !server->has_hello_done && !server->has_certificate;
}

bool mt_tls_is_established(const struct mt_tls *tls, const bool is_seen[MT_DIRECTION_COUNT])
{
	if (!is_seen[MT_TO_SERVER] && !is_seen[MT_TO_CLIENT])
		return false;
	for (unsigned i = 0; i < MT_DIRECTION_COUNT; i++)
		if (is_seen[i] && (!tls->side[i].has_encrypted || tls->side[i].has_alert))
			return false;
	return !is_seen[MT_TO_CLIENT] || tls->side[MT_TO_CLIENT].has_hello;
}
