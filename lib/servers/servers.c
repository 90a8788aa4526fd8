/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <openssl/evp.h>
#include <stdlib.h>

#include "servers_priv.h"

#define MINUTE_NS (60 * MT_NS_PER_SECOND)
/* An address that has shown two faces is left alone for so long (CONTRACT.md 2). */
#define DAY_NS (24 * 60 * MINUTE_NS)
/* Mail servers try again at once or, as Postfix does, after five minutes. */
#define RETRY_NS (10 * MINUTE_NS)
/* A retry is judged when it is over: so long a failure is kept. */
#define KEEP_NS (60 * MINUTE_NS)

/** An upgrade that failed, by client and server. */
struct failure {
	struct memo memo;
	uint64_t accepted_ns; /* STARTTLS was */
	uint64_t ended_ns;    /* the connection's last packet */
};

static void flag(struct mt_report *report, enum mt_anomaly anomaly)
{
	report->facts.anomalies |= 1u << anomaly;
}

/* Either way: clocks are set back, and late records come behind their place. */
static uint64_t apart_ns(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static struct key server_key(const struct mt_servers *servers, const struct mt_mail_ends *ends)
{
	struct key key = {.server_port = ends->server_port,
			  .vlan = servers->vlan_in_key && ends->vlan_count > 0 ? ends->vlan[0] : 0,
			  .ip_version = ends->ip_version};

	memcpy(key.server_addr, ends->server_addr, sizeof(key.server_addr));
	return key;
}

static struct server *remember_server(struct mt_servers *servers, const struct mt_mail_ends *ends)
{
	struct key key = server_key(servers, ends);
	struct server *server = memory_find(&servers->servers, &key);

	if (server == NULL)
		return memory_add(&servers->servers, &key);
	memory_renew(&servers->servers, server);
	return server;
}

/* ---- Offers ---- */

static bool says_what_is_offered(const struct mt_report *report)
{
	if (report->facts.offered == MT_SEEN_NO)
		return mt_facts_evidence(&report->facts, &report->end) == MT_EVIDENCE_COMPLETE;
	return report->facts.offered == MT_SEEN_YES;
}

static bool is_pool(const struct server *server, uint64_t now_ns)
{
	return server->again_ns != 0 && apart_ns(now_ns, server->again_ns) < DAY_NS;
}

/* The list says other than the last one. */
static void turn(struct server *server, struct mt_report *report)
{
	uint64_t now_ns = report->end.over_ns;

	if (server->is_offering && !is_pool(server, now_ns))
		flag(report, MT_ANOMALY_STARTTLS_WITHHELD);
	if (!server->is_offering && server->offers > 0)
		server->again_ns = now_ns;
	server->is_offering = !server->is_offering;
	server->since_ns = report->facts.start_ns;
}

static void judge_offer(struct mt_servers *servers, struct mt_report *report)
{
	bool has_offer = report->facts.offered == MT_SEEN_YES;
	struct server *server;

	if (!says_what_is_offered(report))
		return;
	server = remember_server(servers, &report->ends);
	if (server->lists == 0) {
		server->is_offering = has_offer;
		server->since_ns = report->facts.start_ns;
	} else if (has_offer != server->is_offering && report->facts.start_ns >= server->since_ns) {
		turn(server, report);
	}
	server->lists++;
	server->offers += has_offer;
}

/* ---- Certificates ---- */

static void identify_issuer(const struct mt_mail_certificate *certificate, uint8_t ret[ISSUER_BYTES])
{
	struct mt_span name = mt_span_first(certificate->issuer, MT_MAIL_DN_MAX);
	uint8_t text[1 + MT_MAIL_DN_MAX] = {certificate->is_self_signed}, sha256[32] = {0};

	memcpy(text + 1, name.data, name.len);
	EVP_Digest(text, 1 + name.len, sha256, NULL, EVP_sha256(), NULL);
	memcpy(ret, sha256, ISSUER_BYTES);
}

static unsigned find_issuer(const struct server *server, const uint8_t id[ISSUER_BYTES])
{
	unsigned place = 0;

	while (place < server->issuer_count && memcmp(server->issuer[place].id, id, ISSUER_BYTES) != 0)
		place++;
	return place;
}

/* It is the last one now; place is where it stood, or issuer_count. */
static void note_issuer(struct server *server, unsigned place, const uint8_t id[ISSUER_BYTES],
			uint64_t now_ns)
{
	if (place == server->issuer_count && server->issuer_count < ISSUERS_MAX)
		server->issuer_count++;
	if (place == ISSUERS_MAX)
		place--;
	memmove(&server->issuer[1], &server->issuer[0], place * sizeof(server->issuer[0]));
	memcpy(server->issuer[0].id, id, ISSUER_BYTES);
	server->issuer[0].seen_ns = now_ns;
}

static void judge_certificate(struct mt_servers *servers, struct mt_report *report)
{
	struct mt_mail_certificate certificate;
	uint64_t now_ns = report->end.over_ns;
	uint8_t id[ISSUER_BYTES];
	struct server *server;
	unsigned place;

	if (!mt_facts_certificate(&report->facts, &certificate) || certificate.is_malformed)
		return;
	server = remember_server(servers, &report->ends);
	identify_issuer(&certificate, id);
	place = find_issuer(server, id);
	if (server->issuer_count > 0 && place == server->issuer_count)
		flag(report, MT_ANOMALY_CERTIFICATE_CHANGED);
	if (place > 0 && place < server->issuer_count &&
	    apart_ns(now_ns, server->issuer[place].seen_ns) >= DAY_NS)
		flag(report, MT_ANOMALY_CERTIFICATE_CHANGED);
	note_issuer(server, place, id, now_ns);
}

/* ---- Retries ---- */

static void forget_old_failures(struct memory *failures, uint64_t now_ns)
{
	struct failure *oldest;

	while ((oldest = (struct failure *)TAILQ_FIRST(&failures->order)) != NULL &&
	       apart_ns(now_ns, oldest->ended_ns) > KEEP_NS)
		memory_forget(failures, oldest);
}

static bool has_failed(const struct mt_facts *facts)
{
	return mt_facts_outcome(facts) == MT_OUTCOME_FAILED && facts->anomalies >> MT_ANOMALY_TLS_FAILED & 1;
}

static void note_failure(struct memory *failures, struct failure *failure, const struct key *key,
			 const struct mt_report *report)
{
	if (failure != NULL)
		memory_renew(failures, failure);
	else
		failure = memory_add(failures, key);
	failure->accepted_ns = report->facts.response_ns;
	failure->ended_ns = report->end.end_ns;
}

/* Old connections may end behind the beginning of new ones: what came back began behind the acceptance. */
static void judge_retry(struct mt_servers *servers, struct mt_report *report)
{
	struct key key = server_key(servers, &report->ends);
	enum mt_security security = mt_facts_security(&report->facts);
	uint64_t start_ns = report->facts.start_ns;
	struct failure *failure;
	bool is_behind;

	forget_old_failures(&servers->failures, report->end.over_ns);
	memcpy(key.client_addr, report->ends.client_addr, sizeof(key.client_addr));
	failure = memory_find(&servers->failures, &key);
	is_behind = failure != NULL && start_ns >= failure->accepted_ns;
	if (has_failed(&report->facts))
		note_failure(&servers->failures, failure, &key, report);
	else if (is_behind && security == MT_SECURITY_STARTTLS)
		memory_forget(&servers->failures, failure);
	else if (is_behind && security == MT_SECURITY_CLEARTEXT && start_ns < failure->ended_ns + RETRY_NS)
		flag(report, MT_ANOMALY_CLEARTEXT_RETRY);
}

/* ---- Public ---- */

void mt_servers_judge(struct mt_servers *servers, struct mt_report *report, uint64_t *cells)
{
	uint64_t servers_before = servers->servers.forgotten, failures_before = servers->failures.forgotten;

	judge_retry(servers, report);
	judge_offer(servers, report);
	judge_certificate(servers, report);
	cells[MT_CELL1(LOST, MT_LOSS_SERVER_MEMORY_FULL)] += servers->servers.forgotten - servers_before;
	cells[MT_CELL1(LOST, MT_LOSS_RETRY_MEMORY_FULL)] += servers->failures.forgotten - failures_before;
}

size_t mt_servers_count(const struct mt_servers *servers)
{
	return memory_count(&servers->servers);
}

struct mt_servers *mt_servers_create(uint32_t servers, uint32_t failures, bool vlan_in_key)
{
	struct mt_servers *made = calloc(1, sizeof(*made));

	if (made == NULL)
		return NULL;
	made->vlan_in_key = vlan_in_key;
	if (memory_init(&made->servers, sizeof(struct server), servers) == 0 &&
	    memory_init(&made->failures, sizeof(struct failure), failures) == 0)
		return made;
	mt_servers_destroy(made);
	return NULL;
}

void mt_servers_destroy(struct mt_servers *servers)
{
	if (servers == NULL)
		return;
	memory_fini(&servers->failures);
	memory_fini(&servers->servers);
	free(servers);
}
