/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "mail.h"

static bool has_anomaly(const struct mt_facts *facts, enum mt_anomaly anomaly)
{
	return facts->anomalies >> anomaly & 1;
}

/* TLS behind lines in clear is an upgrade, whether or not its command was seen. */
static bool is_upgraded(const struct mt_facts *facts)
{
	return facts->is_established &&
	       (facts->is_requested || facts->has_server_line || facts->has_client_line);
}

enum mt_security mt_facts_security(const struct mt_facts *facts)
{
	if (facts->is_established)
		return is_upgraded(facts) ? MT_SECURITY_STARTTLS : MT_SECURITY_IMPLICIT_TLS;
	if (facts->has_text_after_accept)
		return MT_SECURITY_CLEARTEXT;
	if (facts->response == MT_RESPONSE_ACCEPTED || facts->is_unanswered || facts->is_unfinished)
		return MT_SECURITY_UNKNOWN;
	return facts->is_dialogue_seen ? MT_SECURITY_CLEARTEXT : MT_SECURITY_UNKNOWN;
}

enum mt_outcome mt_facts_outcome(const struct mt_facts *facts)
{
	/* The first row that holds, in the order of CONTRACT.md 2. */
	const struct {
		bool holds;
		enum mt_outcome outcome;
	} rows[] = {
	    {facts->has_text_after_accept, MT_OUTCOME_CLEARTEXT_AFTER_ACCEPT},
	    {is_upgraded(facts), MT_OUTCOME_ESTABLISHED},
	    {facts->response == MT_RESPONSE_ACCEPTED, MT_OUTCOME_FAILED},
	    {facts->response == MT_RESPONSE_REFUSED, MT_OUTCOME_REFUSED},
	    {has_anomaly(facts, MT_ANOMALY_STARTTLS_MASKED) ||
		 has_anomaly(facts, MT_ANOMALY_STARTTLS_WITHHELD),
	     MT_OUTCOME_STRIPPED},
	    {facts->offered == MT_SEEN_YES && !facts->is_requested, MT_OUTCOME_OFFERED_UNUSED},
	    {facts->offered == MT_SEEN_NO, MT_OUTCOME_NOT_OFFERED},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++)
		if (rows[i].holds)
			return rows[i].outcome;
	return MT_OUTCOME_UNKNOWN;
}

static bool is_absent(const struct mt_facts *facts, const struct mt_mail_end *end,
		      enum mt_direction direction)
{
	return end->pkts[direction] == 0 && !facts->is_seen[direction];
}

enum mt_evidence mt_facts_evidence(const struct mt_facts *facts, const struct mt_mail_end *end)
{
	if (facts->is_truncated)
		return MT_EVIDENCE_TRUNCATED;
	if (facts->is_midstream)
		return MT_EVIDENCE_MIDSTREAM;
	if (is_absent(facts, end, MT_TO_SERVER) || is_absent(facts, end, MT_TO_CLIENT))
		return MT_EVIDENCE_ONE_SIDED;
	return facts->has_gap ? MT_EVIDENCE_GAP : MT_EVIDENCE_COMPLETE;
}

bool mt_facts_next_item(struct mt_span *rest, struct mt_span *item)
{
	if (rest->len == 0)
		return false;
	*item = mt_span_first(mt_span_after(*rest, 1), rest->data[0]);
	*rest = mt_span_after(*rest, 1 + item->len);
	return true;
}
