/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Reports for the tests of lib/record: one with every fact, one with none.
 */
#ifndef MT_TESTS_RECORD_SAMPLES_H
#define MT_TESTS_RECORD_SAMPLES_H

#include <arpa/inet.h>
#include <stdio.h>

#include "mail.h"
#include "match.h"

/* 2023-10-05T12:00:00Z, by `date -u -d 2023-10-05T12:00:00Z +%s`. */
#define SAMPLE_SECONDS 1696507200ull
#define SAMPLE_TIME_NS (SAMPLE_SECONDS * MT_NS_PER_SECOND)

static char sample_products[][33] = {"unknown", "postfix", "dovecot"};
static const struct mt_banners sample_banners = {.products = sample_products, .product_count = 3};

static inline struct mt_text sample_text(struct mt_facts *facts, const void *bytes, size_t len)
{
	struct mt_text text = {facts->text_len, (uint16_t)len};

	memcpy(facts->text + facts->text_len, bytes, len);
	facts->text_len = (uint16_t)(facts->text_len + len);
	return text;
}

#define SAMPLE_TEXT(facts, literal) sample_text(facts, literal, sizeof(literal) - 1)

static inline struct mt_mail_ends sample_ends(const char *client, uint16_t client_port, const char *server,
					      uint16_t server_port)
{
	struct mt_mail_ends ends = {.client_port = client_port, .server_port = server_port};
	int family = strchr(client, ':') != NULL ? AF_INET6 : AF_INET;

	ends.ip_version = family == AF_INET6 ? 6 : 4;
	inet_pton(family, client, ends.client_addr);
	inet_pton(family, server, ends.server_addr);
	return ends;
}

static inline void sample_certificate(struct mt_facts *facts)
{
	struct mt_mail_certificate certificate = {.not_before_s = SAMPLE_SECONDS - 86400,
						  .not_after_s = SAMPLE_SECONDS + 3600,
						  .is_self_signed = true,
						  .names_host = MT_SEEN_NO,
						  .subject = mt_span_text("C=DE, CN=mail.example.net"),
						  .issuer = mt_span_text("CN=\xe2\x80\xae,\n")};

	for (unsigned i = 0; i < sizeof(certificate.sha256); i++)
		certificate.sha256[i] = (uint8_t)(i * 8);
	mt_facts_keep_certificate(facts, &certificate);
}

/* A connection to port 25 of which nothing was recognised. */
static inline void sample_empty(struct mt_report *report)
{
	memset(report, 0, sizeof(*report));
	report->has_facts = report->has_end = true;
	report->ends = sample_ends("192.0.2.1", 40000, "192.0.2.2", 25);
	report->end.end_ns = SAMPLE_TIME_NS + 999999999;
	report->end.pkts[MT_TO_SERVER] = 1;
	report->end.reason = MT_REASON_TIMEOUT;
	report->facts.protocol = MT_PROTOCOL_SMTP;
	report->facts.detected_by = MT_DETECTED_PORT;
	report->facts.is_midstream = true;
	report->facts.start_ns = SAMPLE_TIME_NS;
}

/* An upgraded IMAP session with every fact there is; not all of them would come together. */
static inline void sample_full(struct mt_report *report)
{
	struct mt_facts *facts = &report->facts;

	memset(report, 0, sizeof(*report));
	report->has_facts = report->has_end = true;
	report->ends = sample_ends("2001:db8::1", 51234, "2001:db8::2", 143);
	report->ends.vlan_count = 1;
	report->ends.vlan[0] = 10;
	report->end = (struct mt_mail_end){.end_ns = SAMPLE_TIME_NS + 2123456789,
					   .bytes = {2211, 5120},
					   .missing = {3, 5000000000},
					   .pkts = {20, 19},
					   .reason = MT_REASON_FIN};
	facts->protocol = MT_PROTOCOL_IMAP;
	facts->detected_by = MT_DETECTED_DIALOGUE;
	facts->offered = MT_SEEN_YES;
	facts->response = MT_RESPONSE_ACCEPTED;
	memcpy(facts->code, "OK", 3);
	facts->is_requested = facts->is_tls_required = facts->is_dialogue_seen = true;
	facts->has_server_line = facts->has_client_line = true;
	facts->has_tls_client = facts->has_tls_server = facts->is_established = true;
	facts->has_gap = true;
	facts->certificate = MT_CERTIFICATE_OPAQUE;
	facts->tls_version = 0x0304; /* RFC 8446 4.2.1 */
	facts->tls_cipher = 0x1302;  /* RFC 8446 B.4 */
	facts->software = 2;
	facts->messages = 2;
	facts->anomalies = 1u << MT_ANOMALY_CLIENT_INJECTION | 1u << MT_ANOMALY_CLEARTEXT_RETRY;
	facts->auth_count = 2;
	facts->auth[0].mechanism = MT_MECHANISM_CRAM_MD5;
	facts->auth[0].outcome = MT_AUTH_FAILURE;
	facts->auth[1].mechanism = MT_MECHANISM_OTHER;
	facts->auth[1].outcome = MT_AUTH_UNKNOWN;
	facts->banner = SAMPLE_TEXT(facts, "Dovecot ready.");
	facts->client_name = SAMPLE_TEXT(facts, "client.example.org");
	facts->capabilities = SAMPLE_TEXT(facts, "\x09IMAP4REV1\x08STARTTLS");
	facts->capability_count = 2;
	facts->sni = SAMPLE_TEXT(facts, "mail.example.org");
	facts->client_alpns = SAMPLE_TEXT(facts, "\x04imap\x08http/1.1");
	facts->alpn_count = 2;
	facts->server_alpn = SAMPLE_TEXT(facts, "imap");
	facts->is_resumed = true;
	facts->has_alert[MT_TO_CLIENT] = true;
	facts->alert[MT_TO_CLIENT] = 48;
	sample_certificate(facts);
	facts->start_ns = SAMPLE_TIME_NS + 1000;
	facts->synack_ns = facts->start_ns + 2 * MT_NS_PER_MS;
	facts->greeting_ns = facts->start_ns + 12 * MT_NS_PER_MS;
	facts->request_ns = facts->start_ns + 20 * MT_NS_PER_MS;
	facts->response_ns = facts->start_ns + 23 * MT_NS_PER_MS;
	facts->hello_ns = facts->start_ns + 30 * MT_NS_PER_MS;
	facts->established_ns = facts->start_ns + 70 * MT_NS_PER_MS;
}

#endif
