/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* Records, order and cuts, encryption and its end; what a hello says is in tls_hello_test.c. */
#include "tls_watch.h"

_Static_assert(sizeof(struct mt_tls) <= 160, "lives in every session under handshake");

static void check_hellos(const struct watch *watch, const struct tls_sample *sample)
{
	char ja3[MT_TLS_JA3_SIZE], ja4[MT_TLS_JA4_SIZE];

	assert_int_equal(watch->client_hellos, sample->client_hellos);
	assert_int_equal(watch->server_hellos, sample->server_hellos);
	assert_false(watch->client.is_malformed);
	assert_int_equal(watch->client.sni_len, strlen(sample->sni));
	assert_memory_equal(watch->client.sni, sample->sni, strlen(sample->sni) + 1);
	check_alpns(&watch->client, sample->client_alpn);
	check_alpns(&watch->server, sample->server_alpn);
	mt_tls_ja3(&watch->client, ja3);
	assert_string_equal(ja3, sample->ja3);
	mt_tls_ja4(&watch->client, ja4);
	assert_string_equal(ja4, sample->ja4);
	if (sample->ja3s != NULL) {
		mt_tls_ja3s(&watch->server, ja3);
		assert_string_equal(ja3, sample->ja3s);
	}
}

/* G13, G14: versions, resumption, retry, client certificate, refusal, hellos over several records. */
static void recorded_handshakes_say_what_tshark_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(TLS_SAMPLES); i++) {
		const struct tls_sample *sample = &TLS_SAMPLES[i];
		struct watch watch;

		begin(&watch, 256, PIECES);
		feed_sample(&watch, sample, (struct cuts){false, 0}, BOTH);
		check_hellos(&watch, sample);
		assert_int_equal(watch.tls.version, sample->version);
		assert_int_equal(watch.tls.cipher, sample->cipher);
		assert_int_equal(is_established(&watch), sample->is_established);
		assert_int_equal(watch.done, sample->is_established);
		assert_int_equal(watch.tls.side[MT_TO_CLIENT].has_certificate, sample->has_certificate);
		assert_int_equal(watch.tls.side[MT_TO_SERVER].alert_code |
				     watch.tls.side[MT_TO_CLIENT].alert_code,
				 sample->alert);
		assert_int_equal(watch.tls.side[MT_TO_SERVER].has_alert ||
				     watch.tls.side[MT_TO_CLIENT].has_alert,
				 sample->alert != 0);
		assert_int_equal(watch.not_tls, 0);
		assert_int_equal(watch.tls.messages_lost, 0);
		end(&watch);
	}
}

/* What a cut must not change: everything that was learnt. */
static void assert_same(const struct watch *a, const struct watch *b)
{
	assert_int_equal(a->client_hellos, b->client_hellos);
	assert_int_equal(a->server_hellos, b->server_hellos);
	assert_int_equal(a->not_tls, b->not_tls);
	assert_int_equal(a->done, b->done);
	assert_memory_equal(&a->client, &b->client, sizeof(a->client));
	assert_memory_equal(&a->server, &b->server, sizeof(a->server));
	assert_int_equal(a->tls.version, b->tls.version);
	assert_int_equal(a->tls.cipher, b->tls.cipher);
	assert_int_equal(a->tls.messages_lost, b->tls.messages_lost);
	for (unsigned i = 0; i < MT_DIRECTION_COUNT; i++) {
		const struct mt_tls_side *x = &a->tls.side[i], *y = &b->tls.side[i];

		assert_int_equal(x->has_alert, y->has_alert);
		assert_int_equal(x->alert_code, y->alert_code);
		assert_int_equal(x->has_close_notify, y->has_close_notify);
		assert_int_equal(x->has_hello, y->has_hello);
		assert_int_equal(x->has_ccs, y->has_ccs);
		assert_int_equal(x->has_encrypted, y->has_encrypted);
		assert_int_equal(x->has_short, y->has_short);
		assert_int_equal(x->has_certificate, y->has_certificate);
		assert_int_equal(x->is_broken, y->is_broken);
	}
}

/* G4, G14: whole, cut once at every place, byte by byte, with small pieces and large. */
static void cuts_change_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(TLS_SAMPLES); i++) {
		struct watch whole, cut;

		begin(&whole, 256, PIECES);
		size_t total = feed_sample(&whole, &TLS_SAMPLES[i], (struct cuts){false, 0}, BOTH);
		end(&whole);
		for (size_t at = 0; at <= total; at++) {
			begin(&cut, at % 2 == 0 ? 256 : PIECE_MAX, PIECES);
			feed_sample(&cut, &TLS_SAMPLES[i], (struct cuts){at == 0, at}, BOTH);
			assert_same(&whole, &cut);
			end(&cut);
		}
	}
}

/* G14: the retry request agrees on nothing; the hellos around it come with ChangeCipherSpec between them. */
static void a_retry_request_is_no_server_hello(void **state)
{
	(void)state;
	const struct tls_sample *sample = sample_of("retry13_cut_records");
	struct watch watch;

	begin(&watch, 256, PIECES);
	for (unsigned i = 0; i < 2; i++)
		feed_hex(&watch, sample->flights[i].direction, sample->flights[i].hex);
	assert_true(watch.server.is_retry);
	assert_int_equal(watch.tls.version, 0);
	assert_false(watch.tls.side[MT_TO_CLIENT].has_hello);
	assert_true(watch.tls.side[MT_TO_CLIENT].has_ccs);
	feed_hex(&watch, sample->flights[2].direction, sample->flights[2].hex);
	assert_int_equal(watch.client_hellos, 2);
	feed_hex(&watch, sample->flights[3].direction, sample->flights[3].hex);
	assert_true(watch.first_server.is_retry);
	assert_false(watch.server.is_retry);
	assert_int_equal(watch.tls.version, 0x0304);
	end(&watch);
}

/* G13: one side is enough where only one is seen; a side that is seen but not read is not. */
static void one_side_is_enough_where_only_one_is_seen(void **state)
{
	(void)state;
	static const char *const names[] = {"tls12",	 "tls13", "retry13_cut_records",
					    "resumed12", "tls10", "no_middlebox13"};
	struct watch watch;

	for (size_t i = 0; i < MT_ARRAY_LEN(names); i++) {
		const struct tls_sample *sample = sample_of(names[i]);

		begin(&watch, 256, PIECES);
		feed_sample(&watch, sample, (struct cuts){false, 0}, CLIENT_ONLY);
		assert_int_equal(watch.client_hellos, sample->client_hellos);
		assert_true(is_established(&watch));
		assert_false(mt_tls_is_established(&watch.tls, BOTH));
		assert_int_equal(watch.done, 0);
		end(&watch);

		begin(&watch, 256, PIECES);
		feed_sample(&watch, sample, (struct cuts){false, 0}, SERVER_ONLY);
		assert_int_equal(watch.tls.version, sample->version);
		assert_true(is_established(&watch));
		assert_false(mt_tls_is_established(&watch.tls, BOTH));
		end(&watch);
	}
	begin(&watch, 256, PIECES);
	assert_false(is_established(&watch));
	end(&watch);
}

/* RFC 8446 4.2.10: early data goes out before there is an answer, and says nothing about the handshake. */
static void early_data_is_no_handshake(void **state)
{
	(void)state;
	const struct tls_sample *sample = sample_of("early13");
	struct watch watch;

	begin(&watch, 256, PIECES);
	assert_int_equal(sample->flights[0].direction, MT_TO_SERVER);
	feed_hex(&watch, MT_TO_SERVER, sample->flights[0].hex);
	feed_hex(&watch, MT_TO_SERVER, "1703030100");
	assert_true(watch.tls.side[MT_TO_SERVER].offers_early);
	assert_false(is_established(&watch));
	end(&watch);
}

/* G13: in TLS 1.3 the client's alert is encrypted: a record shorter than any Finished is no handshake. */
static void a_short_record_is_no_finished(void **state)
{
	(void)state;
	const struct tls_sample *sample = sample_of("tls13");
	struct watch watch;

	begin(&watch, 256, PIECES);
	feed_hex(&watch, MT_TO_SERVER, sample->flights[0].hex);
	feed_hex(&watch, MT_TO_CLIENT, sample->flights[1].hex);
	assert_true(watch.tls.side[MT_TO_CLIENT].has_encrypted);
	feed_hex(&watch, MT_TO_SERVER, "140303000101170303001300112233445566778899aabbccddeeff001122");
	assert_true(watch.tls.side[MT_TO_SERVER].has_short);
	assert_false(is_established(&watch));
	assert_int_equal(watch.done, 0);
	feed_hex(&watch, MT_TO_SERVER, "1703030035");
	assert_true(is_established(&watch));
	assert_int_equal(watch.done, 1);
	end(&watch);
}

/* G10: what begins TLS, by direction; rows after the first of a kind differ from it in one byte. */
static void tls_begins_where_a_hello_or_an_alert_does(void **state)
{
	(void)state;
	static const struct {
		enum mt_direction direction;
		const char *hex;
		enum mt_tls_start start;
	} rows[] = {
	    {MT_TO_SERVER, "", MT_TLS_START_MAYBE},
	    {MT_TO_SERVER, "160301020001", MT_TLS_START_HELLO},
	    {MT_TO_SERVER, "160300020001", MT_TLS_START_HELLO},
	    {MT_TO_SERVER, "160304020001", MT_TLS_START_HELLO},
	    {MT_TO_SERVER, "160305020001", MT_TLS_START_NO},
	    {MT_TO_SERVER, "160201020001", MT_TLS_START_NO},
	    {MT_TO_SERVER, "160301000101", MT_TLS_START_HELLO},
	    {MT_TO_SERVER, "160301000001", MT_TLS_START_NO},
	    {MT_TO_SERVER, "160301480001", MT_TLS_START_HELLO},
	    {MT_TO_SERVER, "160301480101", MT_TLS_START_NO},
	    {MT_TO_SERVER, "160301020002", MT_TLS_START_NO},
	    {MT_TO_CLIENT, "160303020002", MT_TLS_START_HELLO},
	    {MT_TO_CLIENT, "160303020001", MT_TLS_START_NO},
	    {MT_TO_SERVER, "140303000101", MT_TLS_START_NO},
	    {MT_TO_SERVER, "170303000101", MT_TLS_START_NO},
	    {MT_TO_CLIENT, "15030300020228", MT_TLS_START_ALERT},
	    {MT_TO_CLIENT, "15030300020170", MT_TLS_START_ALERT},
	    {MT_TO_SERVER, "15030300020230", MT_TLS_START_ALERT},
	    {MT_TO_CLIENT, "15030300020328", MT_TLS_START_NO},
	    {MT_TO_CLIENT, "14030300020228", MT_TLS_START_NO},
	    {MT_TO_CLIENT, "17030300020228", MT_TLS_START_NO},
	    {MT_TO_CLIENT, "15030300030228", MT_TLS_START_NO},
	    {MT_TO_SERVER, "802e010301", MT_TLS_START_HELLO},
	    {MT_TO_SERVER, "802e010303", MT_TLS_START_HELLO},
	    {MT_TO_SERVER, "802e010200", MT_TLS_START_NO}, /* SSLv2 itself */
	    {MT_TO_SERVER, "802e020301", MT_TLS_START_NO},
	    {MT_TO_SERVER, "8005010301", MT_TLS_START_NO},
	    {MT_TO_SERVER, "802e010305", MT_TLS_START_NO},
	    {MT_TO_CLIENT, "802e010301", MT_TLS_START_NO},
	    {MT_TO_CLIENT, "32323020", MT_TLS_START_NO}, /* "220 " */
	    {MT_TO_SERVER, "45484c4f", MT_TLS_START_NO}, /* "EHLO" */
	    {MT_TO_SERVER, "0d0a", MT_TLS_START_NO},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		uint8_t bytes[16];
		size_t len = 0;

		add_hex(bytes, &len, rows[i].hex);
		assert_int_equal(mt_tls_starts(rows[i].direction, at_edge(mt_span(bytes, len))),
				 rows[i].start);
		if (rows[i].start == MT_TLS_START_NO)
			continue;
		for (size_t shorter = 0; shorter < len; shorter++)
			assert_int_equal(mt_tls_starts(rows[i].direction, at_edge(mt_span(bytes, shorter))),
					 MT_TLS_START_MAYBE);
	}
}

/* G12: text where a record should begin is refused at its first byte, once, and nothing after it is read. */
static void what_is_no_record_is_refused_at_its_first_byte(void **state)
{
	(void)state;
	static const char *const rows[] = {
	    "323530204f4b0d0a", /* "250 OK" */
	    "1303030001aa",	/* a type below those of TLS */
	    "1903030001aa",	/* and one above */
	    "1602030001aa",	/* SSL 2 */
	    "1603050001aa",	/* a version of the future */
	    "1603030000aa",	/* no bytes */
	    "1603034801aa",	/* too many */
	    "802e010301aa",	/* an SSLv2-style hello, too late */
	};
	const char *hello = sample_of("tls12")->flights[0].hex;

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct watch watch;
		char whole[2048];
		size_t len = strlen(rows[i]) / 2;

		begin(&watch, 256, PIECES);
		snprintf(whole, sizeof(whole), "%s%s", hello, rows[i]);
		feed_hex(&watch, MT_TO_SERVER, whole);
		assert_int_equal(watch.client_hellos, 1);
		assert_int_equal(watch.not_tls, 1);
		assert_int_equal(watch.refused, len);
		assert_int_equal(watch.tls.side[MT_TO_SERVER].header_len, 0);
		assert_true(watch.tls.side[MT_TO_SERVER].is_broken);
		feed_hex(&watch, MT_TO_SERVER, rows[i]);
		assert_int_equal(watch.not_tls, 1);
		end(&watch);

		/* A cut inside the header: what was refused and what was taken of it before make up the
		 * whole. */
		for (size_t cut = 1; cut < 5; cut++) {
			uint8_t bytes[16];
			size_t bytes_len = 0;

			add_hex(bytes, &bytes_len, rows[i]);
			begin(&watch, 256, PIECES);
			feed_hex(&watch, MT_TO_SERVER, hello);
			feed(&watch, MT_TO_SERVER, mt_span(bytes, cut));
			if (watch.not_tls == 0) {
				feed(&watch, MT_TO_SERVER, mt_span(bytes + cut, len - cut));
				watch.refused += watch.tls.side[MT_TO_SERVER].header_len;
			} else {
				watch.refused += len - cut;
			}
			assert_int_equal(watch.not_tls, 1);
			assert_int_equal(watch.refused, len);
			end(&watch);
		}
	}
}

/* G10, G13: a fatal alert in clear is kept; a warning is no failure; encrypted ones are not looked into. */
static void alerts_in_clear_are_kept(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		bool has_alert;
		uint8_t code;
		bool has_close_notify;
	} rows[] = {
	    {"15030300020228", true, 40, false},	       /* handshake_failure */
	    {"15030100020246", true, 70, false},	       /* protocol_version */
	    {"15030300020170", false, 0, false},	       /* warning: unrecognized_name */
	    {"15030300020100", false, 0, true},		       /* close_notify */
	    {"1503030002017015030300020228", true, 40, false}, /* the warning, then the failure */
	    {"150303000401700250", true, 80, false},	       /* both in one record */
	    {"150300000102150300000114", true, 20, false},     /* one over two records */
	    {"1503030002022815030300020250", true, 40, false}, /* the first one counts */
	    {"1403030001011503030012020800112233445566778899aabbccddeeff", false, 0, false},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct watch watch;
		const struct mt_tls_side *side = &watch.tls.side[MT_TO_CLIENT];

		begin(&watch, 256, PIECES);
		feed_hex(&watch, MT_TO_CLIENT, rows[i].hex);
		assert_int_equal(side->has_alert, rows[i].has_alert);
		assert_int_equal(side->alert_code, rows[i].code);
		assert_int_equal(side->has_close_notify, rows[i].has_close_notify);
		assert_false(side->has_encrypted);
		assert_int_equal(watch.not_tls, 0);
		end(&watch);
	}
}

/* G13: an alert in clear after the other side had finished: it was refused. */
static void a_fatal_alert_means_not_established(void **state)
{
	(void)state;
	const struct tls_sample *sample = sample_of("tls12");
	struct watch watch;

	begin(&watch, 256, PIECES);
	for (unsigned i = 0; i < 3; i++)
		feed_hex(&watch, sample->flights[i].direction, sample->flights[i].hex);
	assert_true(watch.tls.side[MT_TO_SERVER].has_encrypted);
	feed_hex(&watch, MT_TO_CLIENT, "15030300020214");
	assert_true(watch.tls.side[MT_TO_CLIENT].has_alert);
	assert_int_equal(watch.tls.side[MT_TO_CLIENT].alert_code, 20);
	assert_false(is_established(&watch));
	end(&watch);
}

/* G10; the bytes are laid out by hand after RFC 5246 E.2. */
static void an_ssl2_style_hello_is_read(void **state)
{
	(void)state;
	static const char hex[] =
	    "802b01030100120000001000002f00000a0100800600400000050700c0" /* three of them SSLv2's own */
	    "00112233445566778899aabbccddeeff";
	struct watch watch;

	for (size_t cut = 0; cut <= strlen(hex) / 2; cut++) {
		uint8_t bytes[64];
		size_t len = 0;

		add_hex(bytes, &len, hex);
		begin(&watch, 256, PIECES);
		feed(&watch, MT_TO_SERVER, mt_span(bytes, cut));
		assert_int_equal(watch.client_hellos, cut == len);
		feed(&watch, MT_TO_SERVER, mt_span(bytes + cut, len - cut));
		assert_int_equal(watch.client_hellos, 1);
		assert_true(watch.client.is_ssl2_style);
		assert_false(watch.client.is_malformed);
		assert_int_equal(watch.client.version, 0x0301);
		assert_int_equal(watch.client.cipher_count, 3);
		assert_int_equal(watch.client.ciphers[0], 0x002f);
		assert_int_equal(watch.client.ciphers[1], 0x000a);
		assert_int_equal(watch.client.ciphers[2], 0x0005);
		feed_hex(&watch, MT_TO_SERVER, "1403010001011603010030");
		feed_hex(&watch, MT_TO_SERVER, "ffeeddccbbaa");
		assert_true(is_established(&watch));
		end(&watch);
	}

	begin(&watch, 256, PIECES); /* a byte behind the challenge */
	feed_hex(&watch, MT_TO_SERVER, "801001030100030000000300002f010203ff");
	assert_int_equal(watch.client_hellos, 1);
	assert_true(watch.client.is_malformed);
	end(&watch);
}

/* Append a ClientHello record with so many bytes of padding extension (RFC 7685). Result  its bytes */
static size_t padded_hello(uint8_t *record, uint16_t padding)
{
	size_t len = 0, body;

	add_hex(record, &len, "1603010000010000000303");
	for (unsigned i = 0; i < 32; i++)
		record[len++] = (uint8_t)i;
	add_hex(record, &len, "00000213010100");
	record[len++] = (uint8_t)((padding + 4) >> 8);
	record[len++] = (uint8_t)(padding + 4);
	add_hex(record, &len, "0015");
	record[len++] = (uint8_t)(padding >> 8);
	record[len++] = (uint8_t)padding;
	memset(record + len, 0, padding);
	len += padding;
	body = len - 9;
	record[3] = (uint8_t)((len - 5) >> 8);
	record[4] = (uint8_t)(len - 5);
	record[7] = (uint8_t)(body >> 8);
	record[8] = (uint8_t)body;
	return len;
}

/* G14: no piece for a hello is a counted loss; the connection is read on. */
static void a_hello_without_pool_is_counted(void **state)
{
	(void)state;
	static uint8_t record[INPUT_MAX];
	size_t len = padded_hello(record, 1000);
	struct watch watch;

	/* 256 bytes a piece of which 4 are the link: 1058 bytes of record hold 1049 of hello. */
	for (uint32_t pieces = 1; pieces <= 5; pieces++) {
		bool is_enough = pieces == 5;

		begin(&watch, 256, pieces);
		for (size_t i = 0; i < len; i++)
			feed(&watch, MT_TO_SERVER, mt_span(record + i, 1));
		assert_int_equal(watch.client_hellos, is_enough);
		assert_int_equal(watch.tls.messages_lost, !is_enough);
		assert_true(watch.tls.side[MT_TO_SERVER].has_hello);
		assert_int_equal(watch.pool.free_pieces, pieces);
		feed_hex(&watch, MT_TO_SERVER, "1403030001011603030028");
		feed_hex(&watch, MT_TO_SERVER, "0000000000000000");
		assert_true(is_established(&watch));
		end(&watch);
	}
}

/* A hello that announces more than MT_TLS_HELLO_MAX is passed over, counted, and takes no piece. */
static void a_hello_over_the_limit_is_counted(void **state)
{
	(void)state;
	static uint8_t body[INPUT_MAX];
	struct watch watch;

	begin(&watch, 256, PIECES);
	feed_hex(&watch, MT_TO_SERVER, "1603014000010080010303");
	assert_int_equal(watch.tls.messages_lost, 1);
	assert_int_equal(watch.pool.free_pieces, PIECES);
	feed(&watch, MT_TO_SERVER, mt_span(body, 0x4000 - 6));
	feed_hex(&watch, MT_TO_SERVER, "1603014005");
	feed(&watch, MT_TO_SERVER, mt_span(body, 0x4005));
	assert_int_equal(watch.client_hellos, 0);
	assert_int_equal(watch.tls.side[MT_TO_SERVER].message_len, 0);
	assert_int_equal(watch.not_tls, 0);
	end(&watch);

	/* The longest that is kept, in records of 16 KiB. */
	begin(&watch, PIECE_MAX, PIECES);
	feed_hex(&watch, MT_TO_SERVER, "160301400001008000");
	feed(&watch, MT_TO_SERVER, mt_span(body, 0x4000 - 4));
	feed_hex(&watch, MT_TO_SERVER, "1603014004");
	feed(&watch, MT_TO_SERVER, mt_span(body, 0x4004));
	assert_int_equal(watch.client_hellos, 1);
	assert_true(watch.client.is_malformed);
	assert_int_equal(watch.tls.messages_lost, 0);
	end(&watch);
}

/* G9: after a gap nothing of that side is read, and half a hello goes back to the pool. */
static void a_gap_ends_a_side(void **state)
{
	(void)state;
	static uint8_t record[INPUT_MAX];
	size_t len = padded_hello(record, 2000);
	struct watch watch;

	begin(&watch, 256, PIECES);
	feed(&watch, MT_TO_SERVER, mt_span(record, len - 1));
	assert_true(watch.pool.free_pieces < PIECES);
	mt_tls_gap(&watch.tls, &watch.pool, MT_TO_SERVER);
	assert_int_equal(watch.pool.free_pieces, PIECES);
	feed(&watch, MT_TO_SERVER, mt_span(record, len));
	assert_int_equal(watch.client_hellos, 0);
	assert_int_equal(watch.done, 0);
	mt_tls_gap(&watch.tls, &watch.pool, MT_TO_CLIENT);
	feed(&watch, MT_TO_CLIENT, mt_span(record, len));
	assert_int_equal(watch.done, 1);
	assert_false(is_established(&watch));
	end(&watch);

	begin(&watch, 256, PIECES);
	feed(&watch, MT_TO_SERVER, mt_span(record, len - 1));
	end(&watch);

	/* The same where text follows half a hello. */
	begin(&watch, 256, PIECES);
	feed_hex(&watch, MT_TO_SERVER, "160301000c010000400303000000000000323230");
	assert_int_equal(watch.not_tls, 1);
	assert_int_equal(watch.pool.free_pieces, PIECES);
	end(&watch);
}

/* G10: where the version is not known, the hello after a retry request is told from an encrypted Finished. */
static void what_follows_change_cipher_spec_is_encrypted(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		bool is_encrypted;
	} rows[] = {
	    {"1603030010000000ff000000000000000000000000", true}, /* of no hello's type, of sane length */
	    {"160303001001000002000000000000000000000000", true}, /* a hello would fill its record */
	    {"160303001001ffffff000000000000000000000000", true}, /* and be no longer than any hello */
	    {"16030300100100000c000000000000000000000000", false},
	    {"160303001001000080000000000000000000000000", false}, /* goes on in the next record */
	    {"1703030100", true},
	    {"1503030020", false},
	    {"1803030020", false},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct watch watch;

		begin(&watch, 256, PIECES);
		feed_hex(&watch, MT_TO_SERVER, sample_of("tls12")->flights[0].hex);
		feed_hex(&watch, MT_TO_SERVER, "140303000101");
		feed_hex(&watch, MT_TO_SERVER, rows[i].hex);
		assert_int_equal(watch.tls.side[MT_TO_SERVER].has_encrypted, rows[i].is_encrypted);
		assert_int_equal(is_established(&watch), rows[i].is_encrypted);
		end(&watch);
	}
}

/* G13: with the version known, no look inside is needed or taken; the first ServerHello is what was agreed.
 */
static void the_version_says_where_encryption_begins(void **state)
{
	(void)state;
	struct watch watch;
	const struct mt_tls_side *client = &watch.tls.side[MT_TO_SERVER];

	begin(&watch, 256, PIECES);
	feed_hex(&watch, MT_TO_SERVER, sample_of("tls12")->flights[0].hex);
	feed_server_hello(&watch, "0303", "0000000000000000", "c02f");
	feed_server_hello(&watch, "0302", "0000000000000000", "c030");
	assert_int_equal(watch.tls.version, 0x0303);
	assert_int_equal(watch.tls.cipher, 0xc02f);
	feed_hex(&watch, MT_TO_SERVER, "17030300020000");
	assert_false(client->has_encrypted);
	feed_hex(&watch, MT_TO_SERVER, "14030300010116030300100100000c000000000000000000000000");
	assert_true(client->has_encrypted);
	assert_int_equal(watch.client_hellos, 1);
	end(&watch);

	begin(&watch, 256, PIECES);
	feed_server_hello(&watch, "0304", "0000000000000000", "1301");
	feed_hex(&watch, MT_TO_CLIENT, "14030300010116030300040800000a");
	assert_false(watch.tls.side[MT_TO_CLIENT].has_encrypted);
	end(&watch);
}

/* G13: an encrypted alert of the server is 19 bytes, 11 with the short tag; EncryptedExtensions are longer.
 */
static void the_server_begins_with_more_than_an_alert(void **state)
{
	(void)state;
	static const struct {
		const char *cipher, *hex;
		bool is_alert;
	} rows[] = {
	    {"1301", "1703030013", true},
	    {"1301", "1703030017", false},
	    {"1305", "170303000b", true},
	    {"1305", "170303000f", false},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct watch watch;

		begin(&watch, 256, PIECES);
		feed_server_hello(&watch, "0304", "0000000000000000", rows[i].cipher);
		feed_hex(&watch, MT_TO_CLIENT, rows[i].hex);
		assert_int_equal(watch.tls.side[MT_TO_CLIENT].has_short, rows[i].is_alert);
		assert_int_equal(watch.tls.side[MT_TO_CLIENT].has_encrypted, !rows[i].is_alert);
		end(&watch);
	}
}

/* G13: encryption without the hello that goes before it, or after a failure, is no handshake. */
static void encryption_alone_establishes_nothing(void **state)
{
	(void)state;
	static const struct {
		enum mt_direction direction;
		const char *hex;
	} rows[] = {
	    {MT_TO_SERVER, "1703030100"},
	    {MT_TO_CLIENT, "1703030100"},
	    {MT_TO_CLIENT, "14030300010116030300100000000000"},
	    {MT_TO_SERVER, "1503030002022814030300010116030300100000000000"},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct watch watch;

		begin(&watch, 256, PIECES);
		feed_hex(&watch, rows[i].direction, rows[i].hex);
		assert_false(is_established(&watch));
		end(&watch);
	}
}

/* G14: a Certificate message without a certificate is what a client without one sends. */
static void an_empty_certificate_is_none(void **state)
{
	(void)state;
	struct watch watch;

	begin(&watch, 256, PIECES);
	feed_hex(&watch, MT_TO_SERVER, "16030300070b000003000000");
	assert_false(watch.tls.side[MT_TO_SERVER].has_certificate);
	feed_hex(&watch, MT_TO_SERVER, "16030300080b00000400000100");
	assert_true(watch.tls.side[MT_TO_SERVER].has_certificate);
	end(&watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(recorded_handshakes_say_what_tshark_says),
	    cmocka_unit_test(cuts_change_nothing),
	    cmocka_unit_test(a_retry_request_is_no_server_hello),
	    cmocka_unit_test(one_side_is_enough_where_only_one_is_seen),
	    cmocka_unit_test(early_data_is_no_handshake),
	    cmocka_unit_test(a_short_record_is_no_finished),
	    cmocka_unit_test(tls_begins_where_a_hello_or_an_alert_does),
	    cmocka_unit_test(what_is_no_record_is_refused_at_its_first_byte),
	    cmocka_unit_test(alerts_in_clear_are_kept),
	    cmocka_unit_test(a_fatal_alert_means_not_established),
	    cmocka_unit_test(an_ssl2_style_hello_is_read),
	    cmocka_unit_test(a_hello_without_pool_is_counted),
	    cmocka_unit_test(a_hello_over_the_limit_is_counted),
	    cmocka_unit_test(a_gap_ends_a_side),
	    cmocka_unit_test(what_follows_change_cipher_spec_is_encrypted),
	    cmocka_unit_test(the_version_says_where_encryption_begins),
	    cmocka_unit_test(the_server_begins_with_more_than_an_alert),
	    cmocka_unit_test(encryption_alone_establishes_nothing),
	    cmocka_unit_test(an_empty_certificate_is_none),
	};
	return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
