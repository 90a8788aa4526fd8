/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <jansson.h>

#include "unit.h"

#include "record.h"
#include "tls.h"
#include "record_samples.h"

/* ---- Formatting ---- */

static json_t *record_of(const struct mt_report *report, const struct mt_banners *banners)
{
	char *line = mt_record_format(report, 7, banners);
	json_error_t error;

	assert_non_null(line);
	assert_null(strchr(line, '\n'));
	json_t *record = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	if (record == NULL)
		fail_msg("%s in %s", error.text, line);
	free(line);
	return record;
}

static json_t *json_of(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_DECODE_ANY, &error);

	if (value == NULL)
		fail_msg("%s in %s", error.text, text);
	return value;
}

/* Member by member, in the same order. */
static void assert_same_members(json_t *record, const char *expected_text)
{
	json_t *expected = json_of(expected_text);
	const char *name;
	json_t *value;
	void *at = json_object_iter(record);

	json_object_foreach(expected, name, value)
	{
		char *shown = json_dumps(json_object_get(record, name), JSON_ENCODE_ANY | JSON_COMPACT);
		char *wanted = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

		assert_non_null(at);
		assert_string_equal(json_object_iter_key(at), name);
		assert_string_equal(shown, wanted);
		free(shown);
		free(wanted);
		at = json_object_iter_next(record, at);
	}
	assert_null(at);
	json_decref(expected);
}

static void a_full_record_is_the_contracts_example(void **state)
{
	(void)state;
	struct mt_report report;

	sample_full(&report);
	json_t *record = record_of(&report, &sample_banners);
	assert_same_members(
	    record,
	    "{\"timestamp\":\"2023-10-05T12:00:02.123456+0000\",\"event_type\":\"mail\",\"schema_version\":1,"
	    "\"flow_id\":7,\"src_ip\":\"2001:db8::1\",\"src_port\":51234,\"dest_ip\":\"2001:db8::2\",\"dest_"
	    "port\":143,"
	    "\"proto\":\"TCP\",\"vlan\":[10],\"community_id\":\"1:PI88n0UAMGsAFfDEtazOQPhpvF8=\",\"app_"
	    "proto\":\"imap\","
	    "\"flow\":{\"start\":\"2023-10-05T12:00:00.000001+0000\",\"end\":\"2023-10-05T12:00:02.123456+"
	    "0000\","
	    "\"pkts_toserver\":20,\"pkts_toclient\":19,\"bytes_toserver\":2211,\"bytes_toclient\":5120,"
	    "\"reason\":\"fin\",\"evidence\":\"gap\",\"missing_toserver\":3,\"missing_toclient\":5000000000},"
	    "\"mail\":{\"security\":\"starttls\",\"detected_by\":\"dialogue\",\"banner\":\"Dovecot ready.\","
	    "\"software\":\"dovecot\",\"client_name\":\"client.example.org\","
	    "\"capabilities\":[\"IMAP4REV1\",\"STARTTLS\"],\"policy\":\"tls_required\","
	    "\"starttls\":{\"offered\":true,\"requested\":true,\"response\":\"accepted\",\"code\":\"OK\","
	    "\"outcome\":\"established\"},"
	    "\"auth\":[{\"mechanism\":\"CRAM-MD5\",\"outcome\":\"failure\"},"
	    "{\"mechanism\":\"OTHER\",\"outcome\":\"unknown\"}],"
	    "\"messages\":2,\"anomalies\":[\"client_injection\",\"cleartext_retry\"]},"
	    "\"tls\":{\"version\":\"TLS "
	    "1.3\",\"cipher_suite\":\"TLS_AES_256_GCM_SHA384\",\"sni\":\"mail.example.org\","
	    "\"client_alpns\":[\"imap\",\"http/"
	    "1.1\"],\"server_alpns\":[\"imap\"],\"session_resumed\":true,"
	    "\"alerts\":[{\"sender\":\"server\",\"description\":\"unknown_ca\",\"code\":48}],"
	    "\"certificate\":\"opaque\",\"fingerprint\":\"00:08:10:18:20:28:30:38:40:48:50:58:60:68:70:78:80:"
	    "88:90:98:a0:a8:b0:b8:c0:c8:d0:d8:e0:e8:f0:f8\","
	    "\"subject\":\"C=DE, CN=mail.example.net\",\"issuerdn\":\"CN=\\\\xE2\\\\x80\\\\xAE,\\\\x0A\","
	    "\"notbefore\":\"2023-10-04T12:00:00\",\"notafter\":\"2023-10-05T13:00:00\","
	    "\"self_signed\":true,\"name_mismatch\":true}}");
	json_decref(record);
}

static void what_was_not_seen_is_null_or_absent(void **state)
{
	(void)state;
	struct mt_report report;

	sample_empty(&report);
	json_t *record = record_of(&report, NULL);
	assert_same_members(
	    record,
	    "{\"timestamp\":\"2023-10-05T12:00:00.999999+0000\",\"event_type\":\"mail\",\"schema_version\":1,"
	    "\"flow_id\":7,\"src_ip\":\"192.0.2.1\",\"src_port\":40000,\"dest_ip\":\"192.0.2.2\",\"dest_"
	    "port\":25,"
	    "\"proto\":\"TCP\",\"community_id\":\"1:54NM7gdc49RYrjWjBm3PjGuExEs=\",\"app_proto\":\"smtp\","
	    "\"flow\":{\"start\":\"2023-10-05T12:00:00.000000+0000\",\"end\":\"2023-10-05T12:00:00.999999+"
	    "0000\","
	    "\"pkts_toserver\":1,\"pkts_toclient\":0,\"bytes_toserver\":0,\"bytes_toclient\":0,"
	    "\"reason\":\"timeout\",\"evidence\":\"midstream\",\"missing_toserver\":0,\"missing_toclient\":0}"
	    ","
	    "\"mail\":{\"security\":\"unknown\",\"detected_by\":\"port\",\"banner\":null,\"software\":null,"
	    "\"client_name\":null,\"capabilities\":null,\"policy\":null,"
	    "\"starttls\":{\"offered\":null,\"requested\":false,\"response\":null,\"code\":null,\"outcome\":"
	    "\"unknown\"},"
	    "\"auth\":[],\"messages\":0,\"anomalies\":[]}}");
	json_decref(record);
}

static json_t *member(json_t *record, const char *object, const char *name)
{
	return json_object_get(json_object_get(record, object), name);
}

static void starttls_is_null_under_implicit_tls_alone(void **state)
{
	(void)state;
	struct mt_report report;

	sample_full(&report);
	report.facts.is_requested = report.facts.has_server_line = report.facts.has_client_line = false;
	report.facts.response = MT_RESPONSE_NONE;
	json_t *record = record_of(&report, &sample_banners);
	assert_string_equal(json_string_value(member(record, "mail", "security")), "implicit_tls");
	assert_true(json_is_null(member(record, "mail", "starttls")));
	json_decref(record);
	/* The same without an end of the handshake: nobody knows, and STARTTLS has an outcome. */
	report.facts.is_established = false;
	report.facts.is_dialogue_seen = false;
	record = record_of(&report, &sample_banners);
	assert_string_equal(json_string_value(member(record, "mail", "security")), "unknown");
	assert_true(json_is_object(member(record, "mail", "starttls")));
	json_decref(record);
}

static void an_empty_list_differs_from_none(void **state)
{
	(void)state;
	struct mt_report report;

	sample_empty(&report);
	report.facts.offered = MT_SEEN_NO;
	report.facts.response = MT_RESPONSE_REFUSED;
	json_t *record = record_of(&report, NULL);
	json_t *starttls = member(record, "mail", "starttls");
	assert_true(json_is_array(member(record, "mail", "capabilities")));
	assert_true(json_is_false(json_object_get(starttls, "offered")));
	assert_string_equal(json_string_value(json_object_get(starttls, "response")), "refused");
	json_decref(record);
}

static void tls_members_are_absent_where_unknown(void **state)
{
	(void)state;
	struct mt_report report;

	sample_empty(&report);
	report.facts.has_tls_client = true;
	/* JA3S is the MD5 of "771,4865,43-51". */
	struct mt_tls_hello hello = {
	    .legacy_version = 0x0303, .cipher = 0x1301, .extension_count = 2, .extensions = {43, 51}};
	uint8_t packed[64];
	size_t len = mt_tls_hello_pack(&hello, packed, sizeof(packed));
	report.facts.server_hello = (struct mt_text){report.facts.text_len, (uint16_t)len};
	memcpy(report.facts.text + report.facts.text_len, packed, len);
	report.facts.text_len = (uint16_t)(report.facts.text_len + len);
	json_t *record = record_of(&report, NULL);
	char *tls = json_dumps(json_object_get(record, "tls"), JSON_COMPACT);
	assert_string_equal(tls, "{\"ja3s\":{\"hash\":\"f4febc55ea12b31ae17cfb7e614afda8\"},"
				 "\"certificate\":\"none\"}");
	free(tls);
	json_decref(record);
	/* A version or suite that no table names: the suite's number was seen, the version means nothing. */
	report.facts.tls_version = 0x7777;
	report.facts.tls_cipher = 0xfefe;
	record = record_of(&report, NULL);
	assert_null(member(record, "tls", "version"));
	assert_string_equal(json_string_value(member(record, "tls", "cipher_suite")), "0xFEFE");
	json_decref(record);
}

static void a_product_is_named_by_the_patterns(void **state)
{
	(void)state;
	struct mt_report report;
	static const struct {
		uint64_t greeting_ns;
		const struct mt_banners *banners;
		uint32_t software;
		const char *name;
	} rows[] = {
	    {1, &sample_banners, 1, "postfix"}, {1, &sample_banners, 0, "unknown"},
	    {1, &sample_banners, 3, "unknown"}, {1, NULL, 0, "unknown"},
	    {0, &sample_banners, 1, NULL},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		sample_empty(&report);
		report.facts.greeting_ns = rows[i].greeting_ns;
		report.facts.software = rows[i].software;
		json_t *record = record_of(&report, rows[i].banners);
		const char *name = json_string_value(member(record, "mail", "software"));

		if (rows[i].name == NULL)
			assert_null(name);
		else
			assert_string_equal(name, rows[i].name);
		json_decref(record);
	}
}

/* ---- Text from the wire ---- */

static void wire_text_becomes_printable_utf8(void **state)
{
	(void)state;
	/* Well-formed sequences after the table in the Unicode standard, 3.9, D92; all others are escaped. */
	static const struct {
		const char *wire, *shown;
	} rows[] = {
	    {"plain \"quoted\" back\\slash", "plain \"quoted\" back\\slash"},
	    {"tab\there", "tab\\x09here"},
	    {"\x1b[31mred", "\\x1B[31mred"},
	    {"\r\n\x7f", "\\x0D\\x0A\\x7F"},
	    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
	    {"\xe2\x82\xac \xf0\x9f\x93\xac", "\xe2\x82\xac \xf0\x9f\x93\xac"},
	    {"latin \xfc", "latin \\xFC"},
	    {"\xfcx", "\\xFCx"},
	    {"\xc0\xaf", "\\xC0\\xAF"},				   /* overlong */
	    {"\xe0\x80\xaf", "\\xE0\\x80\\xAF"},		   /* overlong */
	    {"\xed\xa0\x80", "\\xED\\xA0\\x80"},		   /* a surrogate */
	    {"\xf4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"},	   /* above U+10FFFF */
	    {"\xf4\x8f\xbf\xbd", "\xf4\x8f\xbf\xbd"},		   /* just below */
	    {"\xf8\x88\x80\x80\x80", "\\xF8\\x88\\x80\\x80\\x80"}, /* five bytes */
	    {"\x80", "\\x80"},
	    {"\xe2\x82", "\\xE2\\x82"},		 /* cut */
	    {"\xe2\x82z", "\\xE2\\x82z"},	 /* interrupted */
	    {"\xc2\x85", "\\xC2\\x85"},		 /* NEL, a C1 control */
	    {"\xe2\x80\xae", "\\xE2\\x80\\xAE"}, /* RIGHT-TO-LEFT OVERRIDE */
	    {"\xe2\x80\xa8", "\\xE2\\x80\\xA8"}, /* LINE SEPARATOR */
	};
	struct mt_report report;

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		sample_empty(&report);
		report.facts.banner = sample_text(&report.facts, rows[i].wire, strlen(rows[i].wire));
		report.facts.client_name = report.facts.banner;
		json_t *record = record_of(&report, NULL);

		assert_string_equal(json_string_value(member(record, "mail", "banner")), rows[i].shown);
		assert_string_equal(json_string_value(member(record, "mail", "client_name")), rows[i].shown);
		json_decref(record);
	}
}

static void a_zero_byte_ends_no_text(void **state)
{
	(void)state;
	struct mt_report report;

	sample_empty(&report);
	report.facts.banner = SAMPLE_TEXT(&report.facts, "a\0b");
	json_t *record = record_of(&report, NULL);
	assert_string_equal(json_string_value(member(record, "mail", "banner")), "a\\x00b");
	json_decref(record);
}

static void shown_text_stays_within_its_bound(void **state)
{
	(void)state;
	struct mt_report report;
	char wire[MT_MAIL_BANNER_MAX];
	uint8_t atom[1 + MT_MAIL_CAPABILITY_MAX];

	sample_empty(&report);
	memset(wire, 1, sizeof(wire));
	wire[0] = 'a';
	memset(atom, 2, sizeof(atom));
	atom[0] = MT_MAIL_CAPABILITY_MAX;
	report.facts.banner = sample_text(&report.facts, wire, sizeof(wire));
	report.facts.capabilities = sample_text(&report.facts, atom, sizeof(atom));
	report.facts.capability_count = 1;
	json_t *record = record_of(&report, NULL);
	/* One letter and 63 escapes of four characters are 253; a 64th would be one too many. */
	assert_int_equal(json_string_length(member(record, "mail", "banner")), 253);
	assert_int_equal(json_string_length(json_array_get(member(record, "mail", "capabilities"), 0)), 64);
	json_decref(record);
	memset(report.facts.text, 'x', sizeof(wire));
	record = record_of(&report, NULL);
	assert_int_equal(json_string_length(member(record, "mail", "banner")), MT_MAIL_BANNER_MAX);
	json_decref(record);
}

/* ---- Community ID ---- */

static void community_ids_are_the_published_ones(void **state)
{
	(void)state;
	/* The first is the specification's own example; all of them were computed by tshark 4.0.17's
	 * communityid. */
	static const struct {
		const char *client;
		uint16_t client_port;
		const char *server;
		uint16_t server_port;
		const char *id;
	} rows[] = {
	    {"128.232.110.120", 34855, "66.35.250.204", 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
	    {"66.35.250.204", 80, "128.232.110.120", 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
	    {"2001:db8::1", 51234, "2001:db8::2", 143, "1:PI88n0UAMGsAFfDEtazOQPhpvF8="},
	    {"2001:db8::2", 51234, "2001:db8::1", 25, "1:PvXL105b7miXeWepFXQVTyK12+E="},
	    {"192.0.2.9", 25, "192.0.2.9", 1025, "1:PqIWqO/vgaCJMXbznSE6YSqRypo="},
	    {"192.0.2.9", 1025, "192.0.2.9", 25, "1:PqIWqO/vgaCJMXbznSE6YSqRypo="},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct mt_mail_ends ends =
		    sample_ends(rows[i].client, rows[i].client_port, rows[i].server, rows[i].server_port);
		char id[MT_RECORD_COMMUNITY_SIZE];

		mt_record_community_id(&ends, id);
		assert_string_equal(id, rows[i].id);
	}
}

/* ---- Order ---- */

#define SAMPLES 1000

static struct mt_report *copy_of(const struct mt_report *report)
{
	struct mt_report *copy = malloc(mt_report_bytes(report));

	assert_non_null(copy);
	memcpy(copy, report, mt_report_bytes(report));
	return copy;
}

/* Sessions put in any order; more than one heap's room of them. */
static void the_queue_gives_back_in_order_what_is_ripe(void **state)
{
	(void)state;
	struct mt_record_queue *queue = mt_record_queue_create();
	struct mt_report report, *taken;
	uint64_t last = 0;
	size_t count = 0;

	sample_empty(&report);
	assert_non_null(queue);
	assert_null(mt_record_queue_take(queue, UINT64_MAX));
	for (uint32_t i = 0; i < SAMPLES; i++) {
		report.end.over_ns = i * 7919 % 613; /* two primes: every order, and equals */
		report.facts.messages = i;	     /* of equals the one that came first has the least */
		assert_true(mt_record_queue_put(queue, copy_of(&report)));
	}
	while ((taken = mt_record_queue_take(queue, 300)) != NULL) {
		uint64_t place = taken->end.over_ns << 32 | taken->facts.messages;

		assert_true(taken->end.over_ns < 300 && (count == 0 || place > last));
		last = place;
		count++;
		free(taken);
	}
	/* Of 613 values, each once or twice, as 1000 members fall on them. */
	assert_int_equal(count + mt_record_queue_count(queue), SAMPLES);
	assert_in_range(count, 300, 600);
	taken = mt_record_queue_take(queue, 301);
	assert_int_equal(taken->end.over_ns, 300);
	free(taken);
	mt_record_queue_destroy(queue);
	mt_record_queue_destroy(NULL);
}

static void records_come_by_end_then_client_then_server(void **state)
{
	(void)state;
	/* In the order that is wanted. */
	static const struct {
		uint64_t over_ns, end_ns;
		const char *client;
		uint16_t client_port;
		const char *server;
		uint16_t server_port;
		uint16_t vlan;
		uint64_t start_ns;
	} rows[] = {
	    {1, 9, "203.0.113.9", 9, "192.0.2.9", 995, 0, 0},
	    {2, 1, "192.0.2.7", 5000, "192.0.2.9", 25, 0, 0},
	    {2, 2, "192.0.2.1", 5000, "192.0.2.9", 25, 0, 0},
	    {2, 2, "192.0.2.1", 5000, "192.0.2.9", 25, 0, 1},
	    {2, 2, "192.0.2.1", 5000, "192.0.2.9", 25, 7, 0},
	    {2, 2, "192.0.2.1", 5000, "192.0.2.9", 25, 8, 0},
	    {2, 2, "192.0.2.1", 5000, "192.0.2.9", 110, 0, 0},
	    {2, 2, "192.0.2.1", 5000, "192.0.2.10", 25, 0, 0},
	    {2, 2, "192.0.2.1", 5001, "192.0.2.9", 25, 0, 0},
	    {2, 2, "192.0.2.2", 5000, "192.0.2.9", 25, 0, 0},
	    {2, 2, "2001:db8::1", 1, "2001:db8::2", 25, 0, 0},
	    {3, 1ull << 40, "192.0.2.1", 1, "192.0.2.1", 1, 0, 0},
	};
	static struct mt_report reports[MT_ARRAY_LEN(rows)];

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		reports[i].end.over_ns = rows[i].over_ns;
		reports[i].end.end_ns = rows[i].end_ns;
		reports[i].ends =
		    sample_ends(rows[i].client, rows[i].client_port, rows[i].server, rows[i].server_port);
		reports[i].ends.vlan_count = rows[i].vlan != 0;
		reports[i].ends.vlan[0] = rows[i].vlan;
		reports[i].facts.start_ns = rows[i].start_ns;
	}
	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		for (size_t j = 0; j < MT_ARRAY_LEN(rows); j++) {
			int order = mt_record_compare(&reports[i], &reports[j]);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
}

/* ---- Counting ---- */

struct counting {
	struct mt_counters_layout *layout;
	uint64_t *cells;
};

static void start_counting(struct counting *counting)
{
	/* Numbers of the start; a reload put the same names in another order. */
	static char products[][MT_COUNTERS_PRODUCT_SIZE] = {"unknown", "dovecot", "exim", "postfix"};

	assert_int_equal(mt_counters_layout_create(&counting->layout, products, 4, 1, 1), 0);
	counting->cells = mt_counters_cells_create(counting->layout);
	assert_non_null(counting->cells);
}

static void stop_counting(struct counting *counting)
{
	free(counting->cells);
	mt_counters_layout_destroy(counting->layout);
}

/* What a cell holds, taken away; what remains at the end was counted by mistake. */
static uint64_t take(struct counting *counting, size_t cell)
{
	uint64_t value = counting->cells[cell];

	counting->cells[cell] = 0;
	return value;
}

static uint64_t take_all(struct counting *counting, size_t first, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += take(counting, first + i);
	return sum;
}

static void assert_nothing_left(struct counting *counting)
{
	for (uint32_t i = 0; i < counting->layout->cell_count; i++)
		assert_int_equal(counting->cells[i], 0);
}

/* One duration stands in a histogram: its bucket, and the sum behind all buckets. */
static void assert_observed(struct counting *counting, size_t histogram, uint64_t ns)
{
	assert_int_equal(take(counting, histogram + MT_COUNTERS_EACH_HISTOGRAM - 1), ns);
	assert_int_equal(take_all(counting, histogram, MT_COUNTERS_EACH_HISTOGRAM - 1), 1);
}

static void a_session_is_counted_once_everywhere(void **state)
{
	(void)state;
	struct counting counting;
	struct mt_report report;
	const unsigned imap = MT_PROTOCOL_IMAP;

	start_counting(&counting);
	sample_full(&report);
	report.facts.notes = 1u << MT_NOTE_EARLY_HELLO | 1u << MT_NOTE_DATA_BEFORE_LOGIN;
	mt_record_count(&report, counting.layout, &sample_banners, counting.cells);
	assert_int_equal(take(&counting, MT_CELL2(SESSIONS, imap, MT_SECURITY_STARTTLS)), 1);
	assert_int_equal(take(&counting, MT_CELL2(STARTTLS, imap, MT_OUTCOME_ESTABLISHED)), 1);
	assert_int_equal(take(&counting, MT_CELL2(EVIDENCE, imap, MT_EVIDENCE_GAP)), 1);
	assert_int_equal(take(&counting, MT_CELL3(AUTH, imap, MT_MECHANISM_CRAM_MD5, MT_AUTH_FAILURE)), 1);
	assert_int_equal(take(&counting, MT_CELL3(AUTH, imap, MT_MECHANISM_OTHER, MT_AUTH_UNKNOWN)), 1);
	assert_int_equal(take(&counting, MT_CELL2(ANOMALIES, imap, MT_ANOMALY_CLIENT_INJECTION)), 1);
	assert_int_equal(take(&counting, MT_CELL2(ANOMALIES, imap, MT_ANOMALY_CLEARTEXT_RETRY)), 1);
	assert_int_equal(take(&counting, MT_CELL2(NOTES, imap, MT_NOTE_EARLY_HELLO)), 1);
	assert_int_equal(take(&counting, MT_CELL2(NOTES, imap, MT_NOTE_DATA_BEFORE_LOGIN)), 1);
	assert_int_equal(take(&counting, MT_CELL1(MESSAGES, imap)), 2);
	assert_int_equal(take(&counting, MT_CELL1(TLS_REQUIRED, imap)), 1);
	assert_int_equal(take(&counting, MT_CELL2(TLS_SESSIONS, imap, MT_TLS_VERSION_TLS_1_3)), 1);
	assert_int_equal(take(&counting, MT_CELL1(TLS_RESUMED, imap)), 1);
	assert_int_equal(take(&counting, MT_CELL3(TLS_ALERTS, imap, MT_SENDER_SERVER, MT_ALERT_UNKNOWN_CA)),
			 1);
	assert_int_equal(take(&counting, MT_CELL2(CERTIFICATES, imap, MT_CERTIFICATE_OPAQUE)), 1);
	assert_int_equal(take(&counting, MT_CELL2(FINDINGS, imap, MT_FINDING_SELF_SIGNED)), 1);
	assert_int_equal(take(&counting, MT_CELL2(FINDINGS, imap, MT_FINDING_NAME_MISMATCH)), 1);
	/* "dovecot" is 2 in the sample's patterns and 1 in the counters. */
	assert_int_equal(take(&counting, mt_counters_cell(counting.layout, MT_COUNTER_BANNERS, imap, 1, 0)),
			 1);
	assert_observed(&counting, MT_CELL1(GREETING, imap), 10 * MT_NS_PER_MS);
	assert_observed(&counting, MT_CELL1(STARTTLS_RESPONSE, imap), 3 * MT_NS_PER_MS);
	assert_observed(&counting, MT_CELL1(TLS_HANDSHAKE, imap), 40 * MT_NS_PER_MS);
	assert_nothing_left(&counting);
	stop_counting(&counting);
}

/* Validity is judged by when the session began, its first and last second included (RFC 5280 4.1.2.5). */
static void what_is_found_in_a_certificate_is_counted(void **state)
{
	(void)state;
	static const struct {
		struct mt_mail_certificate certificate;
		int finding; /* -1 for none */
	} rows[] = {
	    {{.not_before_s = SAMPLE_SECONDS, .not_after_s = SAMPLE_SECONDS}, -1},
	    {{.not_before_s = 0, .not_after_s = SAMPLE_SECONDS - 1}, MT_FINDING_EXPIRED},
	    {{.not_before_s = SAMPLE_SECONDS + 1, .not_after_s = INT64_MAX}, MT_FINDING_NOT_YET_VALID},
	    {{.not_after_s = INT64_MAX, .names_host = MT_SEEN_YES}, -1},
	    {{.not_after_s = INT64_MAX, .names_host = MT_SEEN_NO}, MT_FINDING_NAME_MISMATCH},
	    {{.not_after_s = INT64_MAX, .is_self_signed = true}, MT_FINDING_SELF_SIGNED},
	    {{.is_malformed = true}, MT_FINDING_MALFORMED},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		struct counting counting;
		struct mt_report report;

		start_counting(&counting);
		sample_empty(&report);
		assert_true(mt_facts_keep_certificate(&report.facts, &rows[i].certificate));
		mt_record_count(&report, counting.layout, &sample_banners, counting.cells);
		for (int finding = 0; finding < MT_FINDING_COUNT; finding++)
			assert_int_equal(take(&counting, MT_CELL2(FINDINGS, MT_PROTOCOL_SMTP, finding)),
					 finding == rows[i].finding);
		stop_counting(&counting);
	}
}

/* Of a certificate that cannot be read the fingerprint is all there is. */
static void a_malformed_certificate_has_a_fingerprint_alone(void **state)
{
	(void)state;
	const struct mt_mail_certificate malformed = {.is_malformed = true};
	struct mt_report report;

	sample_empty(&report);
	report.facts.has_tls_server = true;
	report.facts.certificate = MT_CERTIFICATE_SEEN;
	assert_true(mt_facts_keep_certificate(&report.facts, &malformed));
	json_t *record = record_of(&report, NULL);
	char *tls = json_dumps(json_object_get(record, "tls"), JSON_COMPACT);
	assert_string_equal(tls,
			    "{\"certificate\":\"seen\",\"fingerprint\":\"00:00:00:00:00:00:00:00:00:00:00:"
			    "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00\"}");
	free(tls);
	json_decref(record);
}

static void a_session_of_which_nothing_is_known_counts_as_that(void **state)
{
	(void)state;
	struct counting counting;
	struct mt_report report;

	start_counting(&counting);
	sample_empty(&report);
	mt_record_count(&report, counting.layout, &sample_banners, counting.cells);
	assert_int_equal(take(&counting, MT_CELL2(SESSIONS, MT_PROTOCOL_SMTP, MT_SECURITY_UNKNOWN)), 1);
	assert_int_equal(take(&counting, MT_CELL2(STARTTLS, MT_PROTOCOL_SMTP, MT_OUTCOME_UNKNOWN)), 1);
	assert_int_equal(take(&counting, MT_CELL2(EVIDENCE, MT_PROTOCOL_SMTP, MT_EVIDENCE_MIDSTREAM)), 1);
	assert_nothing_left(&counting);
	stop_counting(&counting);
}

static void implicit_tls_has_no_starttls_outcome(void **state)
{
	(void)state;
	struct counting counting;
	struct mt_report report;
	const unsigned pop3 = MT_PROTOCOL_POP3;

	start_counting(&counting);
	sample_empty(&report);
	report.facts.protocol = MT_PROTOCOL_POP3;
	report.facts.is_established = true;
	report.facts.hello_ns = 5;
	report.facts.established_ns = 5;
	mt_record_count(&report, counting.layout, NULL, counting.cells);
	assert_int_equal(take(&counting, MT_CELL2(SESSIONS, pop3, MT_SECURITY_IMPLICIT_TLS)), 1);
	assert_int_equal(take(&counting, MT_CELL2(EVIDENCE, pop3, MT_EVIDENCE_MIDSTREAM)), 1);
	assert_int_equal(take(&counting, MT_CELL2(TLS_SESSIONS, pop3, MT_TLS_VERSION_UNKNOWN)), 1);
	assert_observed(&counting, MT_CELL1(TLS_HANDSHAKE, pop3), 0);
	assert_nothing_left(&counting);
	stop_counting(&counting);
}

/* What a session begins with may be the greeting itself, or the client: from there to the greeting is no
 * time. */
static void a_greeting_without_a_synack_is_no_duration(void **state)
{
	(void)state;
	struct counting counting;
	struct mt_report report;
	const unsigned smtp = MT_PROTOCOL_SMTP;

	start_counting(&counting);
	sample_empty(&report);
	report.facts.greeting_ns = report.facts.start_ns + 7;
	/* An answer before its question, as two taps can show it, is no duration. */
	report.facts.request_ns = 9;
	report.facts.response_ns = 8;
	mt_record_count(&report, counting.layout, NULL, counting.cells);
	assert_int_equal(take(&counting, mt_counters_cell(counting.layout, MT_COUNTER_BANNERS, smtp, 0, 0)),
			 1);
	assert_int_equal(take(&counting, MT_CELL2(SESSIONS, smtp, MT_SECURITY_UNKNOWN)), 1);
	assert_int_equal(take(&counting, MT_CELL2(STARTTLS, smtp, MT_OUTCOME_UNKNOWN)), 1);
	assert_int_equal(take(&counting, MT_CELL2(EVIDENCE, smtp, MT_EVIDENCE_MIDSTREAM)), 1);
	assert_nothing_left(&counting);
	stop_counting(&counting);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_full_record_is_the_contracts_example),
	    cmocka_unit_test(what_was_not_seen_is_null_or_absent),
	    cmocka_unit_test(starttls_is_null_under_implicit_tls_alone),
	    cmocka_unit_test(an_empty_list_differs_from_none),
	    cmocka_unit_test(tls_members_are_absent_where_unknown),
	    cmocka_unit_test(a_product_is_named_by_the_patterns),
	    cmocka_unit_test(wire_text_becomes_printable_utf8),
	    cmocka_unit_test(a_zero_byte_ends_no_text),
	    cmocka_unit_test(shown_text_stays_within_its_bound),
	    cmocka_unit_test(community_ids_are_the_published_ones),
	    cmocka_unit_test(records_come_by_end_then_client_then_server),
	    cmocka_unit_test(the_queue_gives_back_in_order_what_is_ripe),
	    cmocka_unit_test(a_session_is_counted_once_everywhere),
	    cmocka_unit_test(what_is_found_in_a_certificate_is_counted),
	    cmocka_unit_test(a_malformed_certificate_has_a_fingerprint_alone),
	    cmocka_unit_test(a_session_of_which_nothing_is_known_counts_as_that),
	    cmocka_unit_test(implicit_tls_has_no_starttls_outcome),
	    cmocka_unit_test(a_greeting_without_a_synack_is_no_duration),
	};
	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
