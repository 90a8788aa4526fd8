/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* What one hello says, the fingerprints made of it, and the names of what was agreed. */
#include "tls_watch.h"

#define HELLO_ROOM 1024 /* bytes of a hello made up here */

/* Lists inside extensions against the length around them; laid out by hand after the RFCs in hello.c. */
static void extensions_are_read_to_the_byte(void **state)
{
	(void)state;
	static const struct {
		const char *extension;
		bool is_malformed;
		const char *sni;
		uint16_t groups, version;
	} rows[] = {
	    {"0000000900070000046d61696c", false, "mail", 0, 0x0303},
	    {"0000000900070000056d61696c", true, "", 0, 0x0303},
	    {"0000000a00070000046d61696c00", true, "mail", 0, 0x0303},
	    {"0000000e000c01000278780000046d61696c", false, "mail", 0, 0x0303}, /* after another type */
	    {"000a00060004001d0017", false, "", 2, 0x0303},
	    {"000a000400020a1a", false, "", 1, 0x0303}, /* like GREASE, but not */
	    {"000a00050003001d00", true, "", 1, 0x0303},
	    {"000a00040004001d", true, "", 0, 0x0303},
	    {"00100003000100", true, "", 0, 0x0303},
	    {"0010000400020568", true, "", 0, 0x0303},
	    {"002b0003020304", false, "", 0, 0x0304},
	    {"002b0005047f1c0303", false, "", 0, 0x0303}, /* a draft counts less than a version */
	    {"002b0003027f1c", false, "", 0, 0x7f1c},
	    {"ffff0005aa", true, "", 0, 0x0303},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		unsigned len = (unsigned)strlen(rows[i].extension) / 2;
		struct watch watch;
		char hex[256];

		snprintf(hex, sizeof(hex), "16030100%02x010000%02x0303%064d00000213010100%04x%s", len + 47,
			 len + 43, 0, len, rows[i].extension);
		begin(&watch, 256, PIECES);
		feed_hex(&watch, MT_TO_SERVER, hex);
		assert_int_equal(watch.client_hellos, 1);
		assert_int_equal(watch.client.is_malformed, rows[i].is_malformed);
		assert_string_equal(watch.client.sni, rows[i].sni);
		assert_int_equal(watch.client.group_count, rows[i].groups);
		assert_int_equal(watch.client.version, rows[i].version);
		end(&watch);
	}
}

/* The hello at the front of a sample's flight, one message in one record. Result  bytes of the record */
static size_t hello_record(const struct tls_sample *sample, unsigned flight, uint8_t *record)
{
	static uint8_t bytes[INPUT_MAX];
	size_t len = 0;

	add_hex(bytes, &len, sample->flights[flight].hex);
	len = 9 + mt_read_be24(bytes + 6);
	memcpy(record, bytes, len);
	record[3] = (uint8_t)((len - 5) >> 8);
	record[4] = (uint8_t)(len - 5);
	return len;
}

/* A hello that ends too early in lengths that agree with it: read as far as it goes, and marked. */
static void a_truncated_hello_is_read_as_far_as_it_goes(void **state)
{
	(void)state;
	static uint8_t record[INPUT_MAX];
	const struct tls_sample *sample = sample_of("tls13");

	for (unsigned flight = 0; flight < 2; flight++) {
		size_t whole = hello_record(sample, flight, record);
		unsigned proper = 0;

		for (size_t len = 9; len < whole; len++) {
			struct watch watch;
			const struct mt_tls_hello *hello = flight == 0 ? &watch.client : &watch.server;
			char ja3[MT_TLS_JA3_SIZE];

			begin(&watch, 256, PIECES);
			record[3] = (uint8_t)((len - 5) >> 8);
			record[4] = (uint8_t)(len - 5);
			record[7] = (uint8_t)((len - 9) >> 8);
			record[8] = (uint8_t)(len - 9);
			feed(&watch, sample->flights[flight].direction, mt_span(record, len));
			assert_int_equal(watch.client_hellos + watch.server_hellos, 1);
			proper += !hello->is_malformed;
			mt_tls_ja3(hello, ja3);
			assert_int_equal(strlen(ja3), hello->is_malformed ? 0 : 32);
			end(&watch);
		}
		assert_int_equal(proper, 1); /* where the extensions would have begun */
	}
}

/* Every byte of a hello replaced by the extremes: no length leads past the end, whole or in parts. */
static void a_corrupt_hello_is_read_within_its_bounds(void **state)
{
	(void)state;
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	static uint8_t record[INPUT_MAX];

	for (size_t i = 0; i < MT_ARRAY_LEN(TLS_SAMPLES); i++) {
		const struct tls_sample *sample = &TLS_SAMPLES[i];

		for (unsigned flight = 0; flight < 2; flight++) {
			if (flight == 1 && sample->server_hellos == 0)
				continue;
			size_t len = hello_record(sample, flight, record);

			for (size_t at = 0; at < len; at++) {
				uint8_t good = record[at];

				for (size_t v = 0; v < sizeof(values); v++) {
					struct watch watch;

					record[at] = values[v];
					begin(&watch, 256, 2);
					feed(&watch, sample->flights[flight].direction, mt_span(record, len));
					assert_true(watch.client_hellos + watch.server_hellos <= 1);
					end(&watch);
				}
				record[at] = good;
			}
		}
	}
}

/* RFC 8701: reserved values stand in every list of this hello, laid out by hand; none is kept. */
static void grease_is_left_out(void **state)
{
	(void)state;
	static const char hello[] =
	    "160301006a010000660303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0000060a0a"
	    "1301c02b010000371a1a0000000a000800062a2a001d0017000b00020100000d00060004fafa0403001000080006020a"
	    "0a026832002b0007063a3a03040303";
	struct watch watch;

	begin(&watch, 256, PIECES);
	feed_hex(&watch, MT_TO_SERVER, hello);
	assert_int_equal(watch.client_hellos, 1);
	assert_false(watch.client.is_malformed);
	assert_int_equal(watch.client.cipher_count, 2);
	assert_int_equal(watch.client.ciphers[0], 0x1301);
	assert_int_equal(watch.client.extension_count, 5);
	assert_int_equal(watch.client.extensions[0], 10);
	assert_int_equal(watch.client.group_count, 2);
	assert_int_equal(watch.client.groups[0], 0x001d);
	assert_int_equal(watch.client.format_count, 1);
	assert_int_equal(watch.client.signature_count, 1);
	assert_int_equal(watch.client.signatures[0], 0x0403);
	assert_int_equal(watch.client.version_count, 2);
	assert_int_equal(watch.client.version, 0x0304);
	check_alpns(&watch.client, "h2");
	end(&watch);
}

/* A list longer than is kept leaves no fingerprint: a part of it would be another client's. */
static void an_overfull_list_leaves_no_fingerprint(void **state)
{
	(void)state;
	for (unsigned count = MT_TLS_LIST_MAX; count <= MT_TLS_LIST_MAX + 1; count++) {
		struct watch watch;
		uint8_t record[HELLO_ROOM];
		size_t len = 0, body = 2 + 32 + 1 + 2 + 2 * count + 2;
		char text[MT_TLS_JA4_SIZE];
		bool is_over = count > MT_TLS_LIST_MAX;

		add_hex(record, &len, "1603010000010000000301");
		memset(record + len, 7, 32);
		len += 32;
		record[len++] = 0;
		record[len++] = (uint8_t)(2 * count >> 8);
		record[len++] = (uint8_t)(2 * count);
		for (unsigned i = 0; i < count; i++) {
			record[len++] = 0xc0;
			record[len++] = (uint8_t)i;
		}
		add_hex(record, &len, "0100");
		record[3] = (uint8_t)((body + 4) >> 8);
		record[4] = (uint8_t)(body + 4);
		record[7] = (uint8_t)(body >> 8);
		record[8] = (uint8_t)body;
		begin(&watch, 256, PIECES);
		feed(&watch, MT_TO_SERVER, mt_span(record, len));
		assert_int_equal(watch.client_hellos, 1);
		assert_int_equal(watch.client.cipher_count, MT_TLS_LIST_MAX);
		assert_int_equal(watch.client.is_overfull, is_over);
		mt_tls_ja3(&watch.client, text);
		assert_int_equal(strlen(text), is_over ? 0 : 32);
		mt_tls_ja4(&watch.client, text);
		assert_int_equal(strlen(text), is_over ? 0 : 36);
		end(&watch);
	}
}

/* Protocol names beyond those kept are left out and nothing else is: JA4 asks for the first alone. Point
 * formats are all in JA3, so that there more than are kept leave none. */
static void lists_inside_extensions_have_their_limits(void **state)
{
	(void)state;
	static const struct {
		const char *extension;
		unsigned alpns, formats;
		bool is_overfull;
	} rows[] = {
	    {"00100012001001610162016301640165016601670168", 8, 0, false},
	    {"001000140012016101620163016401650166016701680169", 8, 0, false},
	    {"000b001110000102030405060708090a0b0c0d0e0f", 0, 16, false},
	    {"000b001211000102030405060708090a0b0c0d0e0f10", 0, 16, true},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		unsigned len = (unsigned)strlen(rows[i].extension) / 2;
		struct watch watch;
		char hex[256], text[MT_TLS_JA3_SIZE];

		snprintf(hex, sizeof(hex), "16030100%02x010000%02x0303%064d00000213010100%04x%s", len + 47,
			 len + 43, 0, len, rows[i].extension);
		begin(&watch, 256, PIECES);
		feed_hex(&watch, MT_TO_SERVER, hex);
		assert_int_equal(watch.client_hellos, 1);
		assert_false(watch.client.is_malformed);
		assert_int_equal(watch.client.alpn_count, rows[i].alpns);
		assert_int_equal(watch.client.alpn_ends[0], rows[i].alpns > 0 ? 'a' : 0);
		assert_int_equal(watch.client.format_count, rows[i].formats);
		assert_int_equal(watch.client.is_overfull, rows[i].is_overfull);
		mt_tls_ja3(&watch.client, text);
		assert_int_equal(strlen(text), rows[i].is_overfull ? 0 : 32);
		end(&watch);
	}
}

/* RFC 6066 3: a name longer than any host name is cut, not refused. */
static void a_long_name_is_cut(void **state)
{
	(void)state;
	uint8_t record[HELLO_ROOM];
	size_t len = 0, name = 300, body = 2 + 32 + 1 + 4 + 2 + 2 + 9 + name;
	struct watch watch;

	add_hex(record, &len, "1603010000010000000303");
	memset(record + len, 7, 32);
	len += 32;
	add_hex(record, &len, "00000213010100013500000131012f00012c");
	memset(record + len, 'n', name);
	len += name;
	record[3] = (uint8_t)((body + 4) >> 8);
	record[4] = (uint8_t)(body + 4);
	record[7] = (uint8_t)(body >> 8);
	record[8] = (uint8_t)body;
	begin(&watch, 256, PIECES);
	feed(&watch, MT_TO_SERVER, mt_span(record, len));
	assert_int_equal(watch.client_hellos, 1);
	assert_false(watch.client.is_malformed);
	assert_int_equal(watch.client.sni_len, 255);
	assert_int_equal(strlen(watch.client.sni), 255);
	end(&watch);
}

/* G15: the bytes of RFC 8446 4.1.3, and their neighbours; a server of TLS 1.3 sets them for whoever asks
 * less. */
static void the_sentinel_is_seen(void **state)
{
	(void)state;
	static const struct {
		const char *end;
		bool has_sentinel;
	} rows[] = {
	    {"444f574e47524401", true},
	    {"444f574e47524400", true},
	    {"444f574e47524402", false},
	    {"444f574e47524301", false},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct watch watch;

		begin(&watch, 256, PIECES);
		feed_server_hello(&watch, "0303", rows[i].end, "c02f");
		assert_int_equal(watch.server_hellos, 1);
		assert_int_equal(watch.server.has_sentinel, rows[i].has_sentinel);
		assert_int_equal(watch.tls.version, 0x0303);
		assert_int_equal(watch.tls.cipher, 0xc02f);
		end(&watch);
	}
}

/* The lists of FoxIO's own description of JA4, and the results it gives. */
/* A packed hello gives the same fingerprint, and no part of one is taken for a whole. */
static void assert_packs(const struct mt_tls_hello *hello, const char *ja4)
{
	static struct mt_tls_hello other;
	uint8_t packed[640];
	char again[MT_TLS_JA4_SIZE];
	size_t len = mt_tls_hello_pack(hello, packed, sizeof(packed));

	assert_true(len > 0);
	assert_int_equal(mt_tls_hello_pack(hello, packed, len - 1), 0);
	assert_true(mt_tls_hello_unpack(&other, guarded(packed, len)));
	mt_tls_ja4(&other, again);
	assert_string_equal(again, ja4);
	for (size_t part = 0; part < len; part++)
		assert_false(mt_tls_hello_unpack(&other, guarded(packed, part)));
}

static void ja4_is_as_its_description_says(void **state)
{
	(void)state;
	static const uint16_t ciphers[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9,
					   0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
	static const uint16_t extensions[] = {0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d,
					      0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015};
	static const uint16_t signatures[] = {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601};
	static const struct {
		uint8_t ends[2];
		const char *text;
	} alpns[] = {
	    {{'h', '2'}, "h2"},	 {{0xab, 0xab}, "ab"}, {{0xab, 0xcd}, "ad"},
	    {{'0', 0xab}, "3b"}, {{'0', 0xcd}, "3d"},  {{'0', '1'}, "01"},
	};
	static struct mt_tls_hello hello;
	char ja4[MT_TLS_JA4_SIZE];

	hello = (struct mt_tls_hello){.version = 0x0304, .alpn_count = 1, .alpn_ends = "h2"};
	memcpy(hello.ciphers, ciphers, sizeof(ciphers));
	memcpy(hello.extensions, extensions, sizeof(extensions));
	memcpy(hello.signatures, signatures, sizeof(signatures));
	hello.cipher_count = MT_ARRAY_LEN(ciphers);
	hello.extension_count = MT_ARRAY_LEN(extensions);
	hello.signature_count = MT_ARRAY_LEN(signatures);
	mt_tls_ja4(&hello, ja4);
	assert_string_equal(ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
	assert_packs(&hello, ja4);
	for (size_t i = 0; i < MT_ARRAY_LEN(alpns); i++) {
		memcpy(hello.alpn_ends, alpns[i].ends, 2);
		mt_tls_ja4(&hello, ja4);
		assert_memory_equal(ja4 + 8, alpns[i].text, 2);
	}
	hello.signature_count = 0;
	mt_tls_ja4(&hello, ja4);
	assert_string_equal(ja4 + 24, "6d807ffa2a79");
	hello.alpn_count = 0;
	hello.cipher_count = 0;
	hello.extension_count = 0;
	hello.version = 0x0300;
	mt_tls_ja4(&hello, ja4);
	assert_string_equal(ja4, "ts3i000000_000000000000_000000000000");
}

/* The two examples of the description of JA3. */
static void ja3_is_as_its_description_says(void **state)
{
	(void)state;
	static const uint16_t first[] = {47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4};
	static const uint16_t second[] = {4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99};
	static struct mt_tls_hello hello;
	char ja3[MT_TLS_JA3_SIZE];

	hello = (struct mt_tls_hello){.legacy_version = 769,
				      .cipher_count = MT_ARRAY_LEN(first),
				      .extension_count = 3,
				      .extensions = {0, 10, 11},
				      .group_count = 3,
				      .groups = {23, 24, 25},
				      .format_count = 1};
	memcpy(hello.ciphers, first, sizeof(first));
	mt_tls_ja3(&hello, ja3);
	assert_string_equal(ja3, "ada70206e40642a3e4461f35503241d5");

	hello = (struct mt_tls_hello){.legacy_version = 769, .cipher_count = MT_ARRAY_LEN(second)};
	memcpy(hello.ciphers, second, sizeof(second));
	mt_tls_ja3(&hello, ja3);
	assert_string_equal(ja3, "de350869b8c85de67a350c8d186f11e6");
}

/* Names from RFC 8446 B.4, RFC 5289, RFC 7905, RFC 5246 A.5; every row of the table is found. */
static void ciphers_have_their_names(void **state)
{
	(void)state;
	unsigned known = 0, rows = 0;

	assert_string_equal(mt_tls_cipher_name(0x1301), "TLS_AES_128_GCM_SHA256");
	assert_string_equal(mt_tls_cipher_name(0xc02f), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
	assert_string_equal(mt_tls_cipher_name(0xcca9), "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
	assert_string_equal(mt_tls_cipher_name(0x000a), "TLS_RSA_WITH_3DES_EDE_CBC_SHA");
	assert_null(mt_tls_cipher_name(0x0a0a));
	assert_null(mt_tls_cipher_name(0xffff));
#define CIPHER(code, name)                                                                                   \
	assert_string_equal(mt_tls_cipher_name(code), #name);                                                \
	rows++;
#include "ciphers.def"
#undef CIPHER
	for (unsigned code = 0; code <= UINT16_MAX; code++)
		known += mt_tls_cipher_name((uint16_t)code) != NULL;
	assert_int_equal(known, rows);
	assert_true(rows >= 120);
}

static void versions_have_their_words(void **state)
{
	(void)state;
	assert_string_equal(mt_tls_version_name(mt_tls_version_of(0x0300)), "SSL 3.0");
	assert_string_equal(mt_tls_version_name(mt_tls_version_of(0x0301)), "TLS 1.0");
	assert_string_equal(mt_tls_version_name(mt_tls_version_of(0x0302)), "TLS 1.1");
	assert_string_equal(mt_tls_version_name(mt_tls_version_of(0x0303)), "TLS 1.2");
	assert_string_equal(mt_tls_version_name(mt_tls_version_of(0x0304)), "TLS 1.3");
	assert_int_equal(mt_tls_version_of(0x0305), MT_TLS_VERSION_UNKNOWN);
	assert_int_equal(mt_tls_version_of(0x02ff), MT_TLS_VERSION_UNKNOWN);
	assert_int_equal(mt_tls_version_of(0), MT_TLS_VERSION_UNKNOWN);
}

/* RFC 8446 6 and the registry of IANA: numbers between the registered ones are nobody's. */
static void alerts_have_their_words(void **state)
{
	(void)state;
	assert_int_equal(mt_tls_alert_of(40), MT_ALERT_HANDSHAKE_FAILURE);
	assert_int_equal(mt_tls_alert_of(0), MT_ALERT_CLOSE_NOTIFY);
	assert_int_equal(mt_tls_alert_of(1), MT_ALERT_OTHER);
	assert_int_equal(mt_tls_alert_of(255), MT_ALERT_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(extensions_are_read_to_the_byte),
	    cmocka_unit_test(a_truncated_hello_is_read_as_far_as_it_goes),
	    cmocka_unit_test(a_corrupt_hello_is_read_within_its_bounds),
	    cmocka_unit_test(grease_is_left_out),
	    cmocka_unit_test(an_overfull_list_leaves_no_fingerprint),
	    cmocka_unit_test(lists_inside_extensions_have_their_limits),
	    cmocka_unit_test(a_long_name_is_cut),
	    cmocka_unit_test(the_sentinel_is_seen),
	    cmocka_unit_test(ja4_is_as_its_description_says),
	    cmocka_unit_test(ja3_is_as_its_description_says),
	    cmocka_unit_test(ciphers_have_their_names),
	    cmocka_unit_test(versions_have_their_words),
	    cmocka_unit_test(alerts_have_their_words),
	};
	return cmocka_run_group_tests_name("tls_hello", tests, NULL, NULL);
}
