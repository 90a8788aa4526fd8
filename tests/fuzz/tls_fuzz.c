/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * Input: pieces of the pool, then a conversation (fuzz.h) of which the op's lowest bit is the direction and
 * the next says that bytes are missing before it. It is fed as it is and a byte at a time; as long as the
 * pool has room both must come to the same.
 */
#include "fuzz.h"
#include "tls.h"

#define PIECE_BYTES 512
#define PIECES_MAX  256
#define EVENTS_MAX  64

static _Alignas(MT_CACHE_LINE) uint8_t area[PIECES_MAX * PIECE_BYTES];
static struct mt_tls_hello hello;

/** What came of the bytes, one way. */
struct telling {
	struct mt_tls tls;
	struct mt_pool pool;
	bool is_seen[MT_DIRECTION_COUNT], is_over[MT_DIRECTION_COUNT], was_empty;
	unsigned count;
	struct {
		enum mt_tls_event event;
		size_t packed_len;
		uint8_t packed[2048];
	} event[EVENTS_MAX];
	size_t certificate_len;
	uint8_t certificate[MT_TLS_HELLO_MAX];
};

static struct telling whole, bytewise;

static void check_hello(void)
{
	FUZZ_MUST(hello.cipher_count <= MT_TLS_LIST_MAX && hello.extension_count <= MT_TLS_LIST_MAX);
	FUZZ_MUST(hello.group_count <= MT_TLS_LIST_MAX && hello.signature_count <= MT_TLS_LIST_MAX);
	FUZZ_MUST(hello.version_count <= MT_ARRAY_LEN(hello.versions));
	FUZZ_MUST(hello.format_count <= MT_ARRAY_LEN(hello.formats));
	FUZZ_MUST(hello.alpn_count <= MT_TLS_ALPNS_MAX && strlen(hello.sni) <= hello.sni_len);
	for (unsigned i = 0; i < hello.alpn_count; i++)
		FUZZ_MUST(hello.alpn[i].len <= MT_TLS_ALPN_MAX);
}

/* A fingerprint of a hello and of its packed form are one. */
static void check_packed(size_t len, const uint8_t *packed)
{
	static struct mt_tls_hello again;
	char a[MT_TLS_JA4_SIZE], b[MT_TLS_JA4_SIZE];

	if (len == 0)
		return;
	FUZZ_MUST(mt_tls_hello_unpack(&again, mt_span(packed, len)));
	mt_tls_ja4(&hello, a);
	mt_tls_ja4(&again, b);
	FUZZ_MUST(strcmp(a, b) == 0);
	mt_tls_ja3(&hello, a);
	mt_tls_ja3(&again, b);
	FUZZ_MUST(strcmp(a, b) == 0);
	mt_tls_ja3s(&hello, a);
	mt_tls_ja3s(&again, b);
	FUZZ_MUST(strcmp(a, b) == 0);
}

static void note(struct telling *telling, enum mt_tls_event event)
{
	if (event == MT_TLS_MORE || telling->count == EVENTS_MAX)
		return;
	telling->event[telling->count].event = event;
	telling->event[telling->count].packed_len = 0;
	if (event == MT_TLS_CLIENT_HELLO || event == MT_TLS_SERVER_HELLO) {
		check_hello();
		telling->event[telling->count].packed_len =
		    mt_tls_hello_pack(&hello, telling->event[telling->count].packed,
				      sizeof(telling->event[telling->count].packed));
		check_packed(telling->event[telling->count].packed_len,
			     telling->event[telling->count].packed);
	}
	telling->count++;
}

static void feed(struct telling *telling, enum mt_direction direction, struct mt_span bytes)
{
	telling->is_seen[direction] = true;
	while (bytes.len > 0 && !telling->is_over[direction]) {
		size_t consumed;
		enum mt_tls_event event =
		    mt_tls_feed(&telling->tls, &telling->pool, direction, bytes, &consumed, &hello);

		FUZZ_MUST(consumed <= bytes.len && (consumed > 0 || event == MT_TLS_NOT_TLS));
		bytes = mt_span_after(bytes, consumed);
		telling->was_empty |= telling->pool.free_pieces == 0;
		/* Done is said again and again. */
		telling->is_over[direction] = event == MT_TLS_NOT_TLS || event == MT_TLS_DONE;
		note(telling, event);
	}
}

static void tell(struct telling *telling, struct mt_span rest, bool is_bytewise)
{
	static uint8_t bytes[FUZZ_INPUT_MAX];
	uint32_t pieces = fuzz_byte(&rest) % PIECES_MAX + 1u;
	struct mt_span marked;
	uint8_t op;

	memset(telling, 0, offsetof(struct telling, event));
	mt_pool_init(&telling->pool, area, PIECE_BYTES, pieces);
	mt_tls_init(&telling->tls);
	while (fuzz_piece(&rest, &op, &marked)) {
		enum mt_direction direction = op & 1;
		size_t len = 0;

		for (size_t i = 0; i < marked.len; i++) {
			bytes[len++] = marked.data[i];
			i += marked.data[i] == FUZZ_MARK;
		}
		if ((op & 2) != 0)
			mt_tls_gap(&telling->tls, &telling->pool, direction);
		if (!is_bytewise)
			feed(telling, direction, mt_span(bytes, len));
		for (size_t i = 0; i < len && is_bytewise; i++)
			feed(telling, direction, mt_span(bytes + i, 1));
	}
	struct mt_span certificate = mt_tls_take_certificate(&telling->tls, &telling->pool);
	FUZZ_MUST(certificate.len <= sizeof(telling->certificate));
	telling->certificate_len = certificate.len;
	if (certificate.len > 0)
		memcpy(telling->certificate, certificate.data, certificate.len);
	mt_tls_clear(&telling->tls, &telling->pool);
	FUZZ_MUST(telling->pool.free_pieces == pieces);
}

static void compare(const struct telling *a, const struct telling *b)
{
	FUZZ_MUST(a->count == b->count);
	for (unsigned i = 0; i < a->count; i++) {
		FUZZ_MUST(a->event[i].event == b->event[i].event);
		FUZZ_MUST(a->event[i].packed_len == b->event[i].packed_len);
		FUZZ_MUST(memcmp(a->event[i].packed, b->event[i].packed, a->event[i].packed_len) == 0);
	}
	FUZZ_MUST(a->tls.version == b->tls.version && a->tls.cipher == b->tls.cipher);
	FUZZ_MUST(mt_tls_is_established(&a->tls, a->is_seen) == mt_tls_is_established(&b->tls, b->is_seen));
	FUZZ_MUST(mt_tls_is_resumed(&a->tls) == mt_tls_is_resumed(&b->tls));
	FUZZ_MUST(a->certificate_len == b->certificate_len &&
		  memcmp(a->certificate, b->certificate, a->certificate_len) == 0);
	for (unsigned i = 0; i < MT_DIRECTION_COUNT; i++) {
		const struct mt_tls_side *x = &a->tls.side[i], *y = &b->tls.side[i];

		FUZZ_MUST(x->has_alert == y->has_alert && x->alert_code == y->alert_code);
		FUZZ_MUST(x->has_close_notify == y->has_close_notify && x->is_broken == y->is_broken);
		FUZZ_MUST(x->has_certificate == y->has_certificate);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct mt_span input = fuzz_input(data, len);

	tell(&whole, input, false);
	tell(&bytewise, input, true);
	/* Bytes kept in parts need pieces that bytes read in place do not. */
	if (!whole.was_empty && !bytewise.was_empty)
		compare(&whole, &bytewise);
	return 0;
}
