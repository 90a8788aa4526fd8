/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * Members are set in the order in which they are read: jansson keeps it. A member that cannot be made is
 * the lack of memory, and the whole record is given up: `put` notes it, mt_record_format() looks once.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <time.h>

#include <jansson.h>

#include "record.h"
#include "record_priv.h"
#include "tls.h"

#define SCHEMA_VERSION 1
/* No text grows beyond what CONTRACT.md allows the greeting, however much of it must be escaped. */
#define TEXT_SIZE (MT_MAIL_BANNER_MAX + 1)

/* What is needed everywhere while one record is made. */
struct maker {
	const struct mt_facts *facts;
	bool has_failed; /* memory ran out */
};

static void put(struct maker *maker, json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) < 0)
		maker->has_failed = true;
}

static void append(struct maker *maker, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0)
		maker->has_failed = true;
}

static json_t *word_or_null(const char *word)
{
	return word != NULL && word[0] != 0 ? json_string(word) : json_null();
}

static json_t *wire_text(struct mt_span text, size_t size_max)
{
	char printable[TEXT_SIZE];
	size_t len =
	    printable_text(text, printable, size_max < sizeof(printable) ? size_max : sizeof(printable));

	return json_stringn(printable, len);
}

static json_t *text_or_null(const struct maker *maker, struct mt_text text)
{
	return text.len > 0 ? wire_text(mt_facts_text(maker->facts, text), TEXT_SIZE) : json_null();
}

static void put_items(struct maker *maker, json_t *object, const char *name, struct mt_text list,
		      size_t size_max)
{
	struct mt_span rest = mt_facts_text(maker->facts, list), item;
	json_t *array = json_array();

	while (mt_facts_next_item(&rest, &item))
		append(maker, array, wire_text(item, size_max));
	put(maker, object, name, array);
}

/* 2023-10-05T12:00:00.123456+0000, as EVE writes it. */
static json_t *time_text(uint64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / MT_NS_PER_SECOND);
	struct tm parts;
	char text[64];
	size_t len;

	gmtime_r(&seconds, &parts);
	len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + len, sizeof(text) - len, ".%06u+0000", (unsigned)(time_ns % MT_NS_PER_SECOND / 1000));
	return json_string(text);
}

static json_t *address_text(const struct mt_mail_ends *ends, const uint8_t *address)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(ends->ip_version == 6 ? AF_INET6 : AF_INET, address, text, sizeof(text));
	return json_string(text);
}

static void put_ends(struct maker *maker, json_t *record, const struct mt_mail_ends *ends)
{
	char community[MT_RECORD_COMMUNITY_SIZE];

	put(maker, record, "src_ip", address_text(ends, ends->client_addr));
	put(maker, record, "src_port", json_integer(ends->client_port));
	put(maker, record, "dest_ip", address_text(ends, ends->server_addr));
	put(maker, record, "dest_port", json_integer(ends->server_port));
	put(maker, record, "proto", json_string("TCP"));
	if (ends->vlan_count > 0) {
		json_t *vlan = json_array();

		for (unsigned i = 0; i < ends->vlan_count && i < MT_ARRAY_LEN(ends->vlan); i++)
			append(maker, vlan, json_integer(ends->vlan[i]));
		put(maker, record, "vlan", vlan);
	}
	mt_record_community_id(ends, community);
	put(maker, record, "community_id", json_string(community));
}

static json_t *make_flow(struct maker *maker, const struct mt_mail_end *end)
{
	json_t *flow = json_object();

	put(maker, flow, "start", time_text(maker->facts->start_ns));
	put(maker, flow, "end", time_text(end->end_ns));
	put(maker, flow, "pkts_toserver", json_integer(end->pkts[MT_TO_SERVER]));
	put(maker, flow, "pkts_toclient", json_integer(end->pkts[MT_TO_CLIENT]));
	put(maker, flow, "bytes_toserver", json_integer((json_int_t)end->bytes[MT_TO_SERVER]));
	put(maker, flow, "bytes_toclient", json_integer((json_int_t)end->bytes[MT_TO_CLIENT]));
	put(maker, flow, "reason", json_string(mt_reason_name(end->reason)));
	put(maker, flow, "evidence", json_string(mt_evidence_name(mt_facts_evidence(maker->facts, end))));
	put(maker, flow, "missing_toserver", json_integer((json_int_t)end->missing[MT_TO_SERVER]));
	put(maker, flow, "missing_toclient", json_integer((json_int_t)end->missing[MT_TO_CLIENT]));
	return flow;
}

static json_t *make_starttls(struct maker *maker)
{
	const struct mt_facts *facts = maker->facts;
	json_t *starttls = json_object();
	const char *response = facts->response == MT_RESPONSE_NONE ? NULL : mt_response_name(facts->response);

	put(maker, starttls, "offered",
	    facts->offered == MT_SEEN_NEVER ? json_null() : json_boolean(facts->offered == MT_SEEN_YES));
	put(maker, starttls, "requested", json_boolean(facts->is_requested));
	put(maker, starttls, "response", word_or_null(response));
	put(maker, starttls, "code", word_or_null(facts->code));
	put(maker, starttls, "outcome", json_string(mt_outcome_name(mt_facts_outcome(facts))));
	return starttls;
}

static void put_auth(struct maker *maker, json_t *mail)
{
	const struct mt_facts *facts = maker->facts;
	json_t *all = json_array();

	for (unsigned i = 0; i < facts->auth_count; i++) {
		json_t *one = json_object();

		put(maker, one, "mechanism", json_string(mt_mechanism_name(facts->auth[i].mechanism)));
		put(maker, one, "outcome", json_string(mt_auth_name(facts->auth[i].outcome)));
		append(maker, all, one);
	}
	put(maker, mail, "auth", all);
}

static void put_anomalies(struct maker *maker, json_t *mail)
{
	json_t *all = json_array();

	for (unsigned anomaly = 0; anomaly < MT_ANOMALY_COUNT; anomaly++)
		if (maker->facts->anomalies >> anomaly & 1)
			append(maker, all, json_string(mt_anomaly_name(anomaly)));
	put(maker, mail, "anomalies", all);
}

/* Null where no greeting was seen, "unknown" where no pattern knew it. */
static json_t *software_name(const struct mt_facts *facts, const struct mt_banners *banners)
{
	if (facts->greeting_ns == 0)
		return json_null();
	if (banners == NULL || facts->software >= banners->product_count)
		return json_string("unknown");
	return json_string(banners->products[facts->software]);
}

static json_t *make_mail(struct maker *maker, const struct mt_banners *banners)
{
	const struct mt_facts *facts = maker->facts;
	enum mt_security security = mt_facts_security(facts);
	json_t *mail = json_object();

	put(maker, mail, "security", json_string(mt_security_name(security)));
	put(maker, mail, "detected_by", json_string(mt_detected_name(facts->detected_by)));
	put(maker, mail, "banner", text_or_null(maker, facts->banner));
	put(maker, mail, "software", software_name(facts, banners));
	put(maker, mail, "client_name", text_or_null(maker, facts->client_name));
	if (facts->capability_count == 0 && facts->offered == MT_SEEN_NEVER)
		put(maker, mail, "capabilities", json_null());
	else
		put_items(maker, mail, "capabilities", facts->capabilities, MT_MAIL_CAPABILITY_MAX + 1);
	put(maker, mail, "policy", facts->is_tls_required ? json_string("tls_required") : json_null());
	put(maker, mail, "starttls",
	    security == MT_SECURITY_IMPLICIT_TLS ? json_null() : make_starttls(maker));
	put_auth(maker, mail);
	put(maker, mail, "messages", json_integer(facts->messages));
	put_anomalies(maker, mail);
	return mail;
}

static void put_cipher(struct maker *maker, json_t *tls)
{
	const char *name = mt_tls_cipher_name(maker->facts->tls_cipher);
	char number[sizeof("0x0000")];

	/* A suite that our table does not know was seen all the same. */
	snprintf(number, sizeof(number), "0x%04X", (unsigned)maker->facts->tls_cipher);
	put(maker, tls, "cipher_suite", json_string(name != NULL ? name : number));
}

/* JA3 and JA3S stand in an object, as EVE has them; an empty text is a hello that leaves no fingerprint. */
static void put_hash(struct maker *maker, json_t *tls, const char *name, const char *hash)
{
	json_t *object;

	if (hash[0] == 0)
		return;
	object = json_object();
	put(maker, object, "hash", json_string(hash));
	put(maker, tls, name, object);
}

static void put_fingerprints(struct maker *maker, json_t *tls)
{
	const struct mt_facts *facts = maker->facts;
	char ja3[MT_TLS_JA3_SIZE] = "", ja3s[MT_TLS_JA3_SIZE] = "", ja4[MT_TLS_JA4_SIZE] = "";
	struct mt_tls_hello hello;

	if (mt_tls_hello_unpack(&hello, mt_facts_text(facts, facts->client_hello))) {
		mt_tls_ja3(&hello, ja3);
		mt_tls_ja4(&hello, ja4);
	}
	if (mt_tls_hello_unpack(&hello, mt_facts_text(facts, facts->server_hello)))
		mt_tls_ja3s(&hello, ja3s);
	put_hash(maker, tls, "ja3", ja3);
	put_hash(maker, tls, "ja3s", ja3s);
	if (ja4[0] != 0)
		put(maker, tls, "ja4", json_string(ja4));
}

static void put_alerts(struct maker *maker, json_t *tls)
{
	const struct mt_facts *facts = maker->facts;
	json_t *alerts = NULL;

	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		json_t *alert;

		if (!facts->has_alert[direction])
			continue;
		if (alerts == NULL)
			alerts = json_array();
		alert = json_object();
		put(maker, alert, "sender", json_string(mt_sender_name(direction)));
		put(maker, alert, "description",
		    json_string(mt_alert_name(mt_tls_alert_of(facts->alert[direction]))));
		put(maker, alert, "code", json_integer(facts->alert[direction]));
		append(maker, alerts, alert);
	}
	if (alerts != NULL)
		put(maker, tls, "alerts", alerts);
}

/* 2023-10-05T12:00:00, as EVE writes a certificate's times: UTC, whole seconds. */
static json_t *validity_text(int64_t time_s)
{
	time_t seconds = (time_t)time_s;
	struct tm parts;
	char text[64];

	gmtime_r(&seconds, &parts);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d", parts.tm_year + 1900, parts.tm_mon + 1,
		 parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
	return json_string(text);
}

/* Bytes in hexadecimal, colons between, as EVE writes a fingerprint. */
static json_t *fingerprint_text(const uint8_t sha256[32])
{
	char text[3 * 32 + 1];

	for (unsigned i = 0; i < 32; i++)
		snprintf(text + 3 * i, sizeof(text) - 3 * i, "%02x:", sha256[i]);
	return json_stringn(text, sizeof(text) - 2);
}

static void put_certificate(struct maker *maker, json_t *tls)
{
	struct mt_mail_certificate certificate;

	put(maker, tls, "certificate", json_string(mt_certificate_name(maker->facts->certificate)));
	if (!mt_facts_certificate(maker->facts, &certificate))
		return;
	put(maker, tls, "fingerprint", fingerprint_text(certificate.sha256));
	if (certificate.is_malformed)
		return;
	put(maker, tls, "subject", wire_text(certificate.subject, TEXT_SIZE));
	put(maker, tls, "issuerdn", wire_text(certificate.issuer, TEXT_SIZE));
	put(maker, tls, "notbefore", validity_text(certificate.not_before_s));
	put(maker, tls, "notafter", validity_text(certificate.not_after_s));
	put(maker, tls, "self_signed", json_boolean(certificate.is_self_signed));
	if (certificate.names_host != MT_SEEN_NEVER)
		put(maker, tls, "name_mismatch", json_boolean(certificate.names_host == MT_SEEN_NO));
}

static json_t *make_tls(struct maker *maker)
{
	const struct mt_facts *facts = maker->facts;
	enum mt_tls_version version = mt_tls_version_of(facts->tls_version);
	json_t *tls = json_object();

	if (version != MT_TLS_VERSION_UNKNOWN)
		put(maker, tls, "version", json_string(mt_tls_version_name(version)));
	if (facts->tls_cipher != 0)
		put_cipher(maker, tls);
	if (facts->sni.len > 0)
		put(maker, tls, "sni", text_or_null(maker, facts->sni));
	if (facts->alpn_count > 0)
		put_items(maker, tls, "client_alpns", facts->client_alpns, TEXT_SIZE);
	if (facts->server_alpn.len > 0) {
		json_t *names = json_array();

		append(maker, names, text_or_null(maker, facts->server_alpn));
		put(maker, tls, "server_alpns", names);
	}
	if (facts->is_resumed)
		put(maker, tls, "session_resumed", json_true());
	put_fingerprints(maker, tls);
	put_alerts(maker, tls);
	put_certificate(maker, tls);
	return tls;
}

char *mt_record_format(const struct mt_report *report, uint64_t flow_id, const struct mt_banners *banners)
{
	struct maker maker = {.facts = &report->facts};
	const struct mt_facts *facts = maker.facts;
	json_t *record = json_object();

	assert(report->has_facts && report->has_end && facts->protocol < MT_PROTOCOL_COUNT);
	put(&maker, record, "timestamp", time_text(report->end.end_ns));
	put(&maker, record, "event_type", json_string("mail"));
	put(&maker, record, "schema_version", json_integer(SCHEMA_VERSION));
	put(&maker, record, "flow_id", json_integer((json_int_t)flow_id));
	put_ends(&maker, record, &report->ends);
	put(&maker, record, "app_proto", json_string(mt_protocol_name(facts->protocol)));
	put(&maker, record, "flow", make_flow(&maker, &report->end));
	put(&maker, record, "mail", make_mail(&maker, banners));
	if (facts->has_tls_client || facts->has_tls_server || facts->has_alert[MT_TO_SERVER] ||
	    facts->has_alert[MT_TO_CLIENT])
		put(&maker, record, "tls", make_tls(&maker));
	char *line = maker.has_failed ? NULL : json_dumps(record, JSON_COMPACT);
	json_decref(record);
	return line;
}
