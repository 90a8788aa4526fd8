/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <assert.h>

#include "record.h"
#include "tls.h"

mt_static_assert((int)MT_SENDER_CLIENT == MT_TO_SERVER && (int)MT_SENDER_SERVER == MT_TO_CLIENT,
		 "a direction is its sender's");

/* Where a histogram's duration begins and ends; nothing is counted unless both were seen, in that order. */
static void observe(uint64_t *cells, size_t histogram, uint64_t begin_ns, uint64_t end_ns)
{
	if (begin_ns != 0 && end_ns >= begin_ns)
		mt_counters_observe(cells, histogram, end_ns - begin_ns);
}

static void count_times(const struct mt_facts *facts, uint64_t *cells)
{
	observe(cells, MT_CELL1(GREETING, facts->protocol), facts->synack_ns, facts->greeting_ns);
	observe(cells, MT_CELL1(STARTTLS_RESPONSE, facts->protocol), facts->request_ns, facts->response_ns);
	if (facts->is_established)
		observe(cells, MT_CELL1(TLS_HANDSHAKE, facts->protocol), facts->hello_ns,
			facts->established_ns);
}

static void count_lists(const struct mt_facts *facts, uint64_t *cells)
{
	for (unsigned i = 0; i < facts->auth_count; i++)
		cells[MT_CELL3(AUTH, facts->protocol, facts->auth[i].mechanism, facts->auth[i].outcome)]++;
	for (unsigned anomaly = 0; anomaly < MT_ANOMALY_COUNT; anomaly++)
		cells[MT_CELL2(ANOMALIES, facts->protocol, anomaly)] += facts->anomalies >> anomaly & 1;
	for (unsigned note = 0; note < MT_NOTE_COUNT; note++)
		cells[MT_CELL2(NOTES, facts->protocol, note)] += facts->notes >> note & 1;
}

static void count_certificate(const struct mt_facts *facts, uint64_t *cells)
{
	struct mt_mail_certificate certificate;
	int64_t start_s = (int64_t)(facts->start_ns / MT_NS_PER_SECOND);

	if (!mt_facts_certificate(facts, &certificate))
		return;
	const bool found[MT_FINDING_COUNT] = {
	    [MT_FINDING_MALFORMED] = certificate.is_malformed,
	    [MT_FINDING_SELF_SIGNED] = certificate.is_self_signed,
	    [MT_FINDING_NAME_MISMATCH] = certificate.names_host == MT_SEEN_NO,
	    [MT_FINDING_EXPIRED] = !certificate.is_malformed && start_s > certificate.not_after_s,
	    [MT_FINDING_NOT_YET_VALID] = !certificate.is_malformed && start_s < certificate.not_before_s,
	};
	for (unsigned finding = 0; finding < MT_FINDING_COUNT; finding++)
		cells[MT_CELL2(FINDINGS, facts->protocol, finding)] += found[finding];
}

static void count_tls(const struct mt_facts *facts, uint64_t *cells)
{
	unsigned protocol = facts->protocol;

	if (facts->is_established)
		cells[MT_CELL2(TLS_SESSIONS, protocol, mt_tls_version_of(facts->tls_version))]++;
	cells[MT_CELL1(TLS_RESUMED, protocol)] += facts->is_resumed;
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		if (facts->has_alert[direction])
			cells[MT_CELL3(TLS_ALERTS, protocol, direction,
				       mt_tls_alert_of(facts->alert[direction]))]++;
	if (facts->has_tls_client || facts->has_tls_server)
		cells[MT_CELL2(CERTIFICATES, protocol, facts->certificate)]++;
	count_certificate(facts, cells);
}

/* The counters' products are those of the start; a reload may have given the numbers other names. */
static uint32_t product_of(const struct mt_facts *facts, const struct mt_counters_layout *layout,
			   const struct mt_banners *banners)
{
	if (banners == NULL || facts->software >= banners->product_count)
		return 0;
	return mt_counters_product(layout, banners->products[facts->software]);
}

void mt_record_count(const struct mt_report *report, const struct mt_counters_layout *layout,
		     const struct mt_banners *banners, uint64_t *cells)
{
	const struct mt_facts *facts = &report->facts;
	enum mt_security security = mt_facts_security(facts);

	assert(report->has_facts && facts->protocol < MT_PROTOCOL_COUNT);
	cells[MT_CELL2(SESSIONS, facts->protocol, security)]++;
	if (security != MT_SECURITY_IMPLICIT_TLS)
		cells[MT_CELL2(STARTTLS, facts->protocol, mt_facts_outcome(facts))]++;
	cells[MT_CELL2(EVIDENCE, facts->protocol, mt_facts_evidence(facts, &report->end))]++;
	cells[MT_CELL1(MESSAGES, facts->protocol)] += facts->messages;
	cells[MT_CELL1(TLS_REQUIRED, facts->protocol)] += facts->is_tls_required;
	if (facts->greeting_ns != 0)
		cells[mt_counters_cell(layout, MT_COUNTER_BANNERS, facts->protocol,
				       product_of(facts, layout, banners), 0)]++;
	count_lists(facts, cells);
	count_tls(facts, cells);
	count_times(facts, cells);
}
