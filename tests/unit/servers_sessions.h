/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Sessions for the tests of lib/servers, each by what was seen in it, and the memory that judges them.
 */
#ifndef MT_TESTS_SERVERS_SESSIONS_H
#define MT_TESTS_SERVERS_SESSIONS_H

#include "unit.h"

#include <arpa/inet.h>

#include "servers.h"

#define MINUTE_NS (60 * MT_NS_PER_SECOND)
#define HOUR	  60 /* minutes */
#define DAY	  (24 * HOUR)
#define BEGIN_S	  1700000000ull /* 2023-11-14T22:13:20Z, by date -u -d @1700000000 */
#define SERVERS	  64
#define FAILURES  8

#define WITHHELD (1u << MT_ANOMALY_STARTTLS_WITHHELD)
#define CHANGED	 (1u << MT_ANOMALY_CERTIFICATE_CHANGED)
#define RETRY	 (1u << MT_ANOMALY_CLEARTEXT_RETRY)
#define JUDGED	 (WITHHELD | CHANGED | RETRY)

static uint64_t cells[MT_COUNTERS_FIXED_CELLS];

static inline uint64_t lost(enum mt_loss loss)
{
	return cells[MT_CELL1(LOST, loss)];
}

static inline struct mt_servers *make(uint32_t servers, uint32_t failures, bool vlan_in_key)
{
	struct mt_servers *made = mt_servers_create(servers, failures, vlan_in_key);

	assert_non_null(made);
	memset(cells, 0, sizeof(cells));
	return made;
}

/* ---- Sessions, by what was seen in them ---- */

/* In clear, seen whole, without a list. */
static inline void fill(struct mt_report *report, unsigned begin, unsigned end)
{
	struct mt_facts *facts = &report->facts;

	memset(report, 0, sizeof(*report));
	report->has_facts = report->has_end = true;
	report->ends.ip_version = 4;
	report->ends.client_port = 40000;
	report->ends.server_port = 25;
	inet_pton(AF_INET, "192.0.2.10", report->ends.client_addr);
	inet_pton(AF_INET, "192.0.2.25", report->ends.server_addr);
	report->end.reason = MT_REASON_FIN;
	report->end.end_ns = report->end.over_ns = BEGIN_S * MT_NS_PER_SECOND + end * MINUTE_NS;
	facts->start_ns = BEGIN_S * MT_NS_PER_SECOND + begin * MINUTE_NS;
	facts->is_seen[MT_TO_SERVER] = facts->is_seen[MT_TO_CLIENT] = true;
	facts->has_server_line = facts->has_client_line = facts->is_dialogue_seen = true;
}

static inline void no_list(struct mt_report *report)
{
	(void)report;
}

static inline void offer(struct mt_report *report)
{
	report->facts.offered = MT_SEEN_YES;
}

static inline void nothing(struct mt_report *report)
{
	report->facts.offered = MT_SEEN_NO;
}

static inline void nothing_and_a_gap(struct mt_report *report)
{
	nothing(report);
	report->facts.has_gap = true;
}

static inline void nothing_midstream(struct mt_report *report)
{
	nothing(report);
	report->facts.is_midstream = true;
}

static inline void nothing_one_sided(struct mt_report *report)
{
	nothing(report);
	report->facts.is_seen[MT_TO_SERVER] = false;
}

static inline void nothing_truncated(struct mt_report *report)
{
	nothing(report);
	report->facts.is_truncated = true;
}

static inline void offer_and_a_gap(struct mt_report *report)
{
	offer(report);
	report->facts.has_gap = true;
}

/* TLS from the first byte: whatever else was seen, no line was. */
static inline void implicit(struct mt_report *report)
{
	struct mt_facts *facts = &report->facts;

	facts->offered = MT_SEEN_NEVER;
	facts->response = MT_RESPONSE_NONE;
	facts->has_server_line = facts->has_client_line = facts->is_dialogue_seen = false;
	facts->is_requested = false;
	facts->has_tls_client = facts->has_tls_server = facts->is_established = true;
}

/* The upgrade was accepted; what became of it follows. */
static inline void accepted(struct mt_report *report)
{
	offer(report);
	report->facts.is_requested = true;
	report->facts.response = MT_RESPONSE_ACCEPTED;
	report->facts.response_ns = report->facts.start_ns;
}

static inline void upgraded(struct mt_report *report)
{
	accepted(report);
	report->facts.has_tls_client = report->facts.has_tls_server = report->facts.is_established = true;
}

static inline void failed(struct mt_report *report)
{
	accepted(report);
	report->facts.anomalies = 1u << MT_ANOMALY_TLS_FAILED;
}

/* Whether it failed, nobody saw. */
static inline void lost_sight(struct mt_report *report)
{
	accepted(report);
	report->facts.has_gap = true;
}

static inline void refused(struct mt_report *report)
{
	offer(report);
	report->facts.is_requested = true;
	report->facts.response = MT_RESPONSE_REFUSED;
}

static inline void certify(struct mt_report *report, const char *issuer, bool is_self_signed,
			   bool is_malformed)
{
	struct mt_mail_certificate certificate = {
	    .is_self_signed = is_self_signed, .is_malformed = is_malformed, .issuer = mt_span_text(issuer)};

	upgraded(report);
	report->facts.certificate = MT_CERTIFICATE_SEEN;
	assert_true(mt_facts_keep_certificate(&report->facts, &certificate));
}

static inline void signed_by_a(struct mt_report *report)
{
	certify(report, "C=DE, O=Example, CN=A", false, false);
}

static inline void signed_by_b(struct mt_report *report)
{
	certify(report, "C=DE, O=Example, CN=B", false, false);
}

static inline void signed_by_itself(struct mt_report *report)
{
	certify(report, "C=DE, O=Example, CN=A", true, false);
}

static inline void signed_by_c(struct mt_report *report)
{
	certify(report, "CN=C", false, false);
}

static inline void signed_by_d(struct mt_report *report)
{
	certify(report, "CN=D", false, false);
}

static inline void signed_by_e(struct mt_report *report)
{
	certify(report, "CN=E", false, false);
}

static inline void malformed(struct mt_report *report)
{
	certify(report, "", false, true);
}

static inline void implicit_signed_by_b(struct mt_report *report)
{
	signed_by_b(report);
	implicit(report);
}

/** A session and what must be flagged in it. Times in minutes; they end in this order. */
struct session {
	unsigned begin, end;
	void (*is)(struct mt_report *report);
	uint32_t flagged; /* of JUDGED */
};

#define SESSIONS_MAX 8

struct story {
	const char *tells;
	struct session session[SESSIONS_MAX];
};

static inline uint32_t judge(struct mt_servers *servers, const struct session *session,
			     struct mt_report *report)
{
	fill(report, session->begin, session->end);
	session->is(report);
	mt_servers_judge(servers, report, cells);
	return report->facts.anomalies & JUDGED;
}

static inline void from(struct mt_report *report, uint32_t client, uint32_t server)
{
	client = htonl(client);
	server = htonl(server);
	memcpy(report->ends.client_addr, &client, sizeof(client));
	memcpy(report->ends.server_addr, &server, sizeof(server));
}

static inline uint32_t judge_server(struct mt_servers *servers, uint32_t server,
				    void (*is)(struct mt_report *), unsigned minute)
{
	struct mt_report report;

	fill(&report, minute, minute);
	is(&report);
	from(&report, server, server);
	mt_servers_judge(servers, &report, cells);
	return report.facts.anomalies & JUDGED;
}

#endif
