/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* The server's certificate on its way: put together, bounded, and told from a resumption. */
#include <openssl/evp.h>

#include "tls_watch.h"

static void assert_sha256(struct mt_span der, const char *expected)
{
	unsigned char digest[32];
	char text[65] = "";

	EVP_Digest(der.data, der.len, digest, NULL, EVP_sha256(), NULL);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(text, expected);
}

/* The samples whose server sends a certificate: SHA-256 of what tshark exports as the first one. */
static const struct {
	const char *name, *sha256;
} WITH_CERTIFICATE[] = {
    {"tls12", "f1d5169e0f813082179dec8391bf2da51b4909867be8cf93eb2af5f6d5c54778"},
    {"rejected12", "f1d5169e0f813082179dec8391bf2da51b4909867be8cf93eb2af5f6d5c54778"},
    {"client_certificate12", "f1d5169e0f813082179dec8391bf2da51b4909867be8cf93eb2af5f6d5c54778"},
    {"cut_records12", "289b8058c82a0c994b5842349e596eb025504e3cf6405de9c121ebe0259b1933"},
    {"renegotiation12", "080ffd2531e506e25aaddf5d7366743228b90bbcc6f52e137f8b976d53646e04"},
    {"downgraded12", "080ffd2531e506e25aaddf5d7366743228b90bbcc6f52e137f8b976d53646e04"},
    {"downgraded11", "080ffd2531e506e25aaddf5d7366743228b90bbcc6f52e137f8b976d53646e04"},
    {"tls10", "289b8058c82a0c994b5842349e596eb025504e3cf6405de9c121ebe0259b1933"},
};

static const char *sha256_of(const char *name)
{
	for (size_t i = 0; i < MT_ARRAY_LEN(WITH_CERTIFICATE); i++)
		if (strcmp(WITH_CERTIFICATE[i].name, name) == 0)
			return WITH_CERTIFICATE[i].sha256;
	return NULL;
}

/* Given out once, and only where tshark sees one. */
static void assert_certificate(struct watch *watch, const char *sha256)
{
	struct mt_span der = mt_tls_take_certificate(&watch->tls, &watch->pool);

	if (sha256 == NULL)
		assert_int_equal(der.len, 0);
	else
		assert_sha256(der, sha256);
	assert_int_equal(mt_tls_take_certificate(&watch->tls, &watch->pool).len, 0);
}

/* G4, G14: whole and byte by byte, from both sides and from the server's alone; a client's is never kept. */
static void the_servers_certificate_comes_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(TLS_SAMPLES); i++) {
		const struct tls_sample *sample = &TLS_SAMPLES[i];

		for (unsigned way = 0; way < 6; way++) {
			const bool *wanted = way < 2 ? BOTH : way < 4 ? SERVER_ONLY : CLIENT_ONLY;
			struct watch watch;

			begin(&watch, way % 2 == 0 ? 256 : PIECE_MAX, PIECES);
			feed_sample(&watch, sample, (struct cuts){way % 2 == 1, 0}, wanted);
			assert_certificate(&watch, wanted == CLIENT_ONLY ? NULL : sha256_of(sample->name));
			assert_int_equal(watch.tls.messages_lost, 0);
			end(&watch);
		}
	}
}

/* A Certificate message in one record: the length of the list, then each certificate behind its length. */
static void feed_certificates(struct watch *watch, const char *certificates_hex)
{
	size_t list = strlen(certificates_hex) / 2;
	char hex[1024];

	snprintf(hex, sizeof(hex), "160303%04zx0b%06zx%06zx%s", list + 7, list + 3, list, certificates_hex);
	feed_hex(watch, MT_TO_CLIENT, hex);
}

static void assert_der(struct watch *watch, const char *hex)
{
	struct mt_span der = mt_tls_take_certificate(&watch->tls, &watch->pool);
	uint8_t expected[64];
	size_t len = 0;

	add_hex(expected, &len, hex);
	assert_int_equal(der.len, len);
	assert_memory_equal(der.data, expected, len);
}

/* RFC 5246 7.4.2: the server's own stands first. Only the first message counts. */
static void only_the_first_certificate_is_kept(void **state)
{
	(void)state;
	struct watch watch;

	begin(&watch, 256, PIECES);
	feed_server_hello(&watch, "0303", "0000000000000000", "c02f");
	feed_certificates(&watch, "0000053003020101"
				  "0000043002aabb");
	feed_certificates(&watch, "0000033001ff");
	assert_der(&watch, "3003020101");
	assert_true(watch.tls.side[MT_TO_CLIENT].has_certificate);
	end(&watch);
}

/* Lengths that contradict each other, or an empty first certificate: there was one, and it is not shown. */
static void a_certificate_that_is_not_all_there_is_none(void **state)
{
	(void)state;
	static const char *const rows[] = {
	    "0000063003020101",	    /* a byte longer than its message */
	    "0000",		    /* no room for its length */
	    "ffffff3003020101",	    /* longer than any */
	    "3059301306072a8648ce", /* a raw key, which stands in no list (RFC 7250 3) */
	    "00000000000030",	    /* of no bytes */
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct watch watch;

		begin(&watch, 256, PIECES);
		feed_server_hello(&watch, "0303", "0000000000000000", "c02f");
		feed_certificates(&watch, rows[i]);
		assert_int_equal(mt_tls_take_certificate(&watch.tls, &watch.pool).len, 0);
		assert_int_equal(watch.tls.messages_lost, 0);
		assert_int_equal(watch.pool.free_pieces, PIECES);
		assert_int_equal(watch.not_tls, 0);
		feed_hex(&watch, MT_TO_CLIENT, "1403030001011603030028");
		assert_true(watch.tls.side[MT_TO_CLIENT].has_certificate);
		assert_true(watch.tls.side[MT_TO_CLIENT].has_encrypted || is_established(&watch));
		end(&watch);
	}
}

/* The longest that is kept comes whole, over records of 16 KiB; without a piece for it, it is a counted loss.
 */
static void the_longest_certificate_needs_its_pieces(void **state)
{
	(void)state;
	static uint8_t body[MT_TLS_HELLO_MAX];
	const uint32_t needed = (MT_TLS_HELLO_MAX + 251) / 252; /* 256 bytes a piece, 4 of them the link */

	memset(body, 0x5a, sizeof(body));
	for (uint32_t pieces = needed - 1; pieces <= needed; pieces++) {
		bool is_enough = pieces == needed;
		struct watch watch;

		begin(&watch, 256, pieces);
		feed_server_hello(&watch, "0303", "0000000000000000", "c02f");
		feed_hex(&watch, MT_TO_CLIENT, "16030340000b008006008003008000");
		feed(&watch, MT_TO_CLIENT, mt_span(body, 0x4000 - 10));
		feed_hex(&watch, MT_TO_CLIENT, "160303400a");
		feed(&watch, MT_TO_CLIENT, mt_span(body, 0x400a));
		assert_int_equal(watch.tls.messages_lost, !is_enough);
		struct mt_span der = mt_tls_take_certificate(&watch.tls, &watch.pool);
		assert_int_equal(der.len, is_enough ? sizeof(body) : 0);
		if (is_enough)
			assert_memory_equal(der.data, body, sizeof(body));
		assert_int_equal(watch.pool.free_pieces, pieces);
		assert_int_equal(watch.not_tls, 0);
		end(&watch);
	}
}

/* One byte more is passed over, counted, and takes no piece. */
static void a_certificate_over_the_limit_is_counted(void **state)
{
	(void)state;
	static uint8_t body[MT_TLS_HELLO_MAX];
	struct watch watch;

	begin(&watch, 256, PIECES);
	feed_server_hello(&watch, "0303", "0000000000000000", "c02f");
	feed_hex(&watch, MT_TO_CLIENT, "16030340000b008007008004008001");
	assert_int_equal(watch.tls.messages_lost, 1);
	feed(&watch, MT_TO_CLIENT, mt_span(body, 0x4000 - 10));
	assert_int_equal(watch.pool.free_pieces, PIECES);
	feed_hex(&watch, MT_TO_CLIENT, "160303400b");
	feed(&watch, MT_TO_CLIENT, mt_span(body, 0x400b));
	assert_int_equal(mt_tls_take_certificate(&watch.tls, &watch.pool).len, 0);
	assert_int_equal(watch.tls.messages_lost, 1);
	assert_int_equal(watch.tls.side[MT_TO_CLIENT].message_len, 0);
	assert_int_equal(watch.not_tls, 0);
	end(&watch);
}

/* G9: a gap before the certificate's end loses it, one behind it does not; the client's gaps do not matter.
 */
static void a_gap_in_the_certificate_loses_it(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		enum mt_direction gap;
		bool is_kept;
	} rows[] = {
	    {"160303000f0b00000b0000080000053003020101", MT_TO_CLIENT, true},
	    {"160303000f0b00000b00000800000530030201", MT_TO_CLIENT, false},
	    {"160303000f0b00000b0000080000", MT_TO_CLIENT, false},
	    {"160303000f0b00000b0000080000053003020101", MT_TO_SERVER, true},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct watch watch;

		begin(&watch, 256, PIECES);
		feed_server_hello(&watch, "0303", "0000000000000000", "c02f");
		feed_hex(&watch, MT_TO_CLIENT, rows[i].hex);
		mt_tls_gap(&watch.tls, &watch.pool, rows[i].gap);
		feed_hex(&watch, MT_TO_CLIENT, "01160303000f0b00000b0000080000053003020101");
		assert_int_equal(mt_tls_take_certificate(&watch.tls, &watch.pool).len,
				 rows[i].is_kept ? 5 : 0);
		assert_int_equal(watch.tls.messages_lost, 0);
		end(&watch);
	}
}

/* G14: tshark says "session resumption" of the two of TLS 1.2, one by ticket and one by session id, and shows
 * a pre-shared key in the ServerHello of early13 alone: early data goes with nothing else (RFC 8446 4.2.10).
 */
static const char *const RESUMED[] = {"resumed12", "resumed_by_id12", "early13"};

static bool is_among_resumed(const char *name)
{
	for (size_t i = 0; i < MT_ARRAY_LEN(RESUMED); i++)
		if (strcmp(name, RESUMED[i]) == 0)
			return true;
	return false;
}

static void a_resumption_is_told_from_a_handshake(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(TLS_SAMPLES); i++) {
		const struct tls_sample *sample = &TLS_SAMPLES[i];
		bool is_resumed = is_among_resumed(sample->name);
		struct watch watch;

		begin(&watch, 256, PIECES);
		feed_sample(&watch, sample, (struct cuts){false, 0}, BOTH);
		assert_int_equal(mt_tls_is_resumed(&watch.tls), is_resumed);
		end(&watch);
		begin(&watch, 256, PIECES);
		feed_sample(&watch, sample, (struct cuts){true, 0}, SERVER_ONLY);
		assert_int_equal(mt_tls_is_resumed(&watch.tls), is_resumed);
		end(&watch);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_servers_certificate_comes_whole),
	    cmocka_unit_test(only_the_first_certificate_is_kept),
	    cmocka_unit_test(a_certificate_that_is_not_all_there_is_none),
	    cmocka_unit_test(the_longest_certificate_needs_its_pieces),
	    cmocka_unit_test(a_certificate_over_the_limit_is_counted),
	    cmocka_unit_test(a_gap_in_the_certificate_loses_it),
	    cmocka_unit_test(a_resumption_is_told_from_a_handshake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
