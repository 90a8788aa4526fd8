/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "golden.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../unit/guard.h"
#include "certificate.h"
#include "counters.h"
#include "imap.h"
#include "pop3.h"
#include "smtp.h"
#include "tls.h"

#define RECORDS_MAX 4

struct watch {
	struct mt_banners banners;
	struct mt_counters_layout *layout;
	uint64_t *cells, *cells_before;
	struct mt_session_shared shared;
	struct mt_engine *engine;
	struct guard payload;
	uint32_t runs;	 /* so far: a connection of its own each */
	uint64_t now_ns; /* time of the run's beginning */
	unsigned record_count;
	struct mt_report records[RECORDS_MAX];
	struct mt_certificates *certificates;
	struct mt_certificate_parts parts; /* of the certificate that the next report speaks of */
};

/* Sequence numbers begin shortly before they wrap, so that every dialogue proves the arithmetic; those of the
 * server lie close to the client's, or a third of the circle before or behind them, so that nothing may take
 * the one for the other. */
static uint32_t isn(const struct watch *watch, enum mt_direction direction)
{
	static const uint32_t server[] = {0xffffff80, 0x55555555, 0xaaaaaaaa};

	return direction == MT_TO_SERVER ? 0xffffffc0 : server[watch->runs % MT_ARRAY_LEN(server)];
}

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "golden: %s\n", what);
	exit(2);
}

static bool take_report(void *context, const struct mt_report *report)
{
	struct watch *watch = context;

	if (report->part_bytes > 0) {
		mt_certificate_add_part(&watch->parts, report);
		return true;
	}
	if (report->has_facts) {
		struct mt_report *record = &watch->records[watch->record_count];

		if (watch->record_count++ >= RECORDS_MAX)
			return true;
		memcpy(record, report, mt_report_bytes(report));
		must(mt_certificate_join(watch->certificates, &watch->parts, record),
		     "no room for a certificate");
		return true;
	}
	for (unsigned i = 0; i < watch->record_count && i < RECORDS_MAX; i++) {
		struct mt_report *parked = &watch->records[i];

		if (parked->has_end || parked->handle != report->handle)
			continue;
		parked->end = report->end;
		parked->has_end = true;
	}
	return true;
}

static void make_engine(struct watch *watch)
{
	struct mt_engine_config config = {
	    .shared = &watch->shared,
	    .banners = &watch->banners,
	    .secret = {.word = {1, 2}},
	    .cells = watch->cells,
	    .emit = take_report,
	    .emit_context = watch,
	    .flows = 64,
	    .dialogues = 64,
	    .reassembly_bytes = 1u << 20,
	    .timeout_ns = 1800 * MT_NS_PER_SECOND,
	};

	must(mt_engine_create(&watch->engine, &config) == 0, "no engine");
}

struct watch *watch_create(const char *banners_path)
{
	static const struct mt_dialogue *const dialogues[MT_PROTOCOL_COUNT] = {
	    [MT_PROTOCOL_SMTP] = &mt_smtp_dialogue,
	    [MT_PROTOCOL_IMAP] = &mt_imap_dialogue,
	    [MT_PROTOCOL_POP3] = &mt_pop3_dialogue,
	};
	static struct mt_identify_ports ports;
	struct watch *watch = calloc(1, sizeof(*watch));
	char error[256] = "no memory";

	must(watch != NULL, error);
	must(mt_banners_load(&watch->banners, banners_path, error, sizeof(error)) == 0, error);
	must(mt_counters_layout_create(&watch->layout, watch->banners.products, watch->banners.product_count,
				       1, 1) == 0,
	     "no layout of counters");
	watch->cells = mt_counters_cells_create(watch->layout);
	watch->cells_before = mt_counters_cells_create(watch->layout);
	must(watch->cells != NULL && watch->cells_before != NULL, "no counters");
	must(mt_identify_ports_parse(&ports, NULL, error, sizeof(error)) == 0, error);
	must(mt_session_shared_init(&watch->shared, dialogues, &ports, error, sizeof(error)) == 0, error);
	watch->payload = guard_make(STREAM_MAX);
	make_engine(watch);
	watch->certificates = mt_certificates_create(16);
	must(watch->certificates != NULL, "no memory");
	watch->now_ns = 1700000000 * MT_NS_PER_SECOND;
	return watch;
}

void watch_destroy(struct watch *watch)
{
	mt_engine_destroy(watch->engine);
	mt_certificates_destroy(watch->certificates);
	mt_session_shared_fini(&watch->shared);
	free(watch->cells);
	free(watch->cells_before);
	mt_counters_layout_destroy(watch->layout);
	mt_banners_unload(&watch->banners);
	free(watch);
}

/* Every run has a client of its own, in turn below and above the server: which side of a flow's key a
 * client is must not matter. Documentation prefixes (RFC 5737, RFC 3849). */
static void fill_addresses(const struct watch *watch, const struct wire *wire, enum mt_direction direction,
			   struct mt_packet *packet)
{
	uint8_t client[16] = {0}, server[16] = {0};
	uint8_t *own = wire->dialogue->is_ipv6 ? client + 12 : client;

	if (wire->dialogue->is_ipv6) {
		memcpy(client, (uint8_t[]){0x20, 0x01, 0x0d, 0xb8}, 4);
		memcpy(server, (uint8_t[]){0x20, 0x01, 0x0d, 0xb8, [15] = 25}, 16);
		client[4] = watch->runs & 1;
	} else {
		memcpy(server, (uint8_t[]){192, 0, 2, 25}, 4);
	}
	own[0] = watch->runs & 1 ? 203 : 10;
	own[1] = (uint8_t)(watch->runs >> 16);
	own[2] = (uint8_t)(watch->runs >> 8);
	own[3] = (uint8_t)watch->runs;
	memcpy(packet->src, direction == MT_TO_SERVER ? client : server, 16);
	memcpy(packet->dst, direction == MT_TO_SERVER ? server : client, 16);
}

static void send_segment(struct watch *watch, const struct wire *wire, const struct segment *segment)
{
	const struct dialogue *dialogue = wire->dialogue;
	enum mt_direction direction = segment->direction;
	uint8_t *payload = watch->payload.end - segment->len;
	struct mt_engine_packet packet = {.time_ns = watch->now_ns + segment->time_ns};
	struct mt_packet *tcp = &packet.packet;

	tcp->ip_version = dialogue->is_ipv6 ? 6 : 4;
	tcp->tcp_flags = segment->flags;
	tcp->vlan_count = dialogue->vlan[direction] != 0;
	tcp->vlan[0] = dialogue->vlan[direction];
	tcp->src_port = direction == MT_TO_SERVER ? dialogue->client_port : dialogue->server_port;
	tcp->dst_port = direction == MT_TO_SERVER ? dialogue->server_port : dialogue->client_port;
	fill_addresses(watch, wire, direction, tcp);
	tcp->seq = isn(watch, direction) + segment->seq;
	if ((segment->flags & MT_TCP_ACK) != 0)
		tcp->ack = isn(watch, mt_opposite(direction)) + segment->ack;
	tcp->ip_bytes = (dialogue->is_ipv6 ? 60 : 40) + segment->len;
	tcp->payload_wire_len = segment->len;
	tcp->payload =
	    guard_copy(&watch->payload, dialogue->stream[direction] + segment->offset, segment->len);
	for (uint32_t i = 0; i < segment->altered; i++)
		payload[i] ^= 0x80;
	mt_engine_prepare(watch->engine, &packet);
	mt_engine_packet(watch->engine, &packet);
	/* Whoever kept a pointer to the payload reads rubbish from now on. */
	memset(payload, 0xee, segment->len);
}

/** Words being written. */
struct words {
	char *text;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *words, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int len = vsnprintf(words->text + words->len, WORDS_MAX - words->len, format, arguments);
	va_end(arguments);
	must(len >= 0 && (size_t)len < WORDS_MAX - words->len, "too many words");
	words->len += (size_t)len;
}

static void say_bytes(struct words *words, struct mt_span bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		say(words, isprint(bytes.data[i]) && bytes.data[i] != '\\' ? "%c" : "\\x%02x", bytes.data[i]);
}

static void say_text(struct words *words, const char *key, const struct mt_facts *facts, struct mt_text text)
{
	say(words, "%s: ", key);
	say_bytes(words, mt_facts_text(facts, text));
	say(words, text.len == 0 ? "none\n" : "\n");
}

static void say_list(struct words *words, const char *key, const struct mt_facts *facts, struct mt_text list)
{
	struct mt_span rest = mt_facts_text(facts, list), item;

	say(words, "%s:%s", key, rest.len == 0 ? " none" : "");
	while (mt_facts_next_item(&rest, &item)) {
		say(words, " ");
		say_bytes(words, item);
	}
	say(words, "\n");
}

static const char *seen_word(uint8_t seen)
{
	return seen == MT_SEEN_YES ? "yes" : seen == MT_SEEN_NO ? "no" : "null";
}

static const char *yes_or_no(bool holds)
{
	return holds ? "yes" : "no";
}

static void say_auth(struct words *words, const struct mt_facts *facts)
{
	say(words, "auth:%s", facts->auth_count == 0 ? " none" : "");
	for (unsigned i = 0; i < facts->auth_count; i++)
		say(words, "%s %s %s", i > 0 ? "," : "", mt_mechanism_name(facts->auth[i].mechanism),
		    mt_auth_name(facts->auth[i].outcome));
	say(words, "\n");
}

static void say_anomalies(struct words *words, const struct mt_facts *facts)
{
	say(words, "anomalies:%s", facts->anomalies == 0 ? " none" : "");
	for (unsigned i = 0; i < MT_ANOMALY_COUNT; i++)
		if (facts->anomalies >> i & 1)
			say(words, " %s", mt_anomaly_name(i));
	say(words, "\n");
}

static void say_notes(struct words *words, const struct mt_facts *facts)
{
	say(words, "notes:%s", facts->notes == 0 ? " none" : "");
	for (unsigned i = 0; i < MT_NOTE_COUNT; i++)
		if (facts->notes >> i & 1)
			say(words, " %s", mt_note_name(i));
	say(words, "\n");
}

static void say_flags(struct words *words, const struct mt_facts *facts)
{
	say(words, "flags:%s%s%s%s%s%s%s%s%s%s%s%s%s\n", facts->has_server_line ? " server_line" : "",
	    facts->has_client_line ? " client_line" : "",
	    facts->has_text_after_accept ? " text_after_accept" : "",
	    facts->has_tls_client ? " tls_client" : "", facts->has_tls_server ? " tls_server" : "",
	    facts->is_established ? " established" : "", facts->is_unanswered ? " unanswered" : "",
	    facts->is_unfinished ? " unfinished" : "", facts->is_dialogue_seen ? " dialogue" : "",
	    facts->is_login_disabled ? " login_disabled" : "", facts->is_truncated ? " truncated" : "",
	    facts->is_midstream ? " midstream" : "", facts->has_gap ? " gap" : "");
}

static void say_alerts(struct words *words, const struct mt_facts *facts)
{
	say(words, "alerts:");
	if (facts->has_alert[MT_TO_SERVER])
		say(words, " client %u", facts->alert[MT_TO_SERVER]);
	if (facts->has_alert[MT_TO_CLIENT])
		say(words, " server %u", facts->alert[MT_TO_CLIENT]);
	say(words, facts->has_alert[MT_TO_SERVER] || facts->has_alert[MT_TO_CLIENT] ? "\n" : " none\n");
}

static void say_certificate(struct words *words, const struct mt_facts *facts)
{
	struct mt_mail_certificate certificate;

	if (!mt_facts_certificate(facts, &certificate))
		return;
	say(words, "subject: ");
	say_bytes(words, certificate.subject);
	say(words, "\nissuer: ");
	say_bytes(words, certificate.issuer);
	say(words, "\nvalid: %lld %lld\nfingerprint: ", (long long)certificate.not_before_s,
	    (long long)certificate.not_after_s);
	for (size_t i = 0; i < sizeof(certificate.sha256); i++)
		say(words, "%02x", certificate.sha256[i]);
	say(words, "\nself_signed: %s\nnames_host: %s\n", yes_or_no(certificate.is_self_signed),
	    seen_word(certificate.names_host));
}

static void say_record(struct words *words, const struct watch *watch, const struct mt_report *report)
{
	const struct mt_facts *facts = &report->facts;
	bool has_response = facts->response != MT_RESPONSE_NONE;

	say(words, "protocol: %s\n",
	    facts->protocol < MT_PROTOCOL_COUNT ? mt_protocol_name(facts->protocol) : "unknown");
	say(words, "security: %s\n", mt_security_name(mt_facts_security(facts)));
	say(words, "outcome: %s\n", mt_outcome_name(mt_facts_outcome(facts)));
	say(words, "evidence: %s\n", mt_evidence_name(mt_facts_evidence(facts, &report->end)));
	say(words, "detected_by: %s\n", mt_detected_name(facts->detected_by));
	say(words, "offered: %s\n", seen_word(facts->offered));
	say(words, "requested: %s\n", yes_or_no(facts->is_requested));
	say(words, "response: %s\n", has_response ? mt_response_name(facts->response) : "null");
	say(words, "code: %s\n", facts->code[0] != 0 ? facts->code : "none");
	say(words, "policy: %s\n", facts->is_tls_required ? "tls_required" : "null");
	say_text(words, "banner", facts, facts->banner);
	say(words, "software: %s\n",
	    facts->software < watch->banners.product_count ? watch->banners.products[facts->software]
							   : "out of range");
	say_text(words, "client_name", facts, facts->client_name);
	say_list(words, "capabilities", facts, facts->capabilities);
	say_auth(words, facts);
	say(words, "messages: %u\n", facts->messages);
	say_anomalies(words, facts);
	say_notes(words, facts);
	say(words, "tls_version: %s\n", mt_tls_version_name(mt_tls_version_of(facts->tls_version)));
	say(words, "tls_cipher: %04x\n", facts->tls_cipher);
	say(words, "certificate: %s\n", mt_certificate_name(facts->certificate));
	say_certificate(words, facts);
	say(words, "resumed: %s\n", yes_or_no(facts->is_resumed));
	say_alerts(words, facts);
	say_text(words, "sni", facts, facts->sni);
	say_list(words, "client_alpns", facts, facts->client_alpns);
	say_text(words, "server_alpn", facts, facts->server_alpn);
	say_text(words, "client_hello", facts, facts->client_hello);
	say_text(words, "server_hello", facts, facts->server_hello);
	say(words, "missing: %llu %llu\n", (unsigned long long)report->missing[MT_TO_SERVER],
	    (unsigned long long)report->missing[MT_TO_CLIENT]);
	say_flags(words, facts);
}

static uint64_t counted(const struct watch *watch, size_t cell)
{
	return watch->cells[cell] - watch->cells_before[cell];
}

static void say_counters(struct words *words, const struct watch *watch)
{
	uint64_t lone_lf = 0, oversized = 0, not_mail = 0;
	size_t losses_at = words->len;

	for (unsigned protocol = 0; protocol < MT_PROTOCOL_COUNT; protocol++) {
		lone_lf += counted(watch, MT_CELL1(LONE_LF, protocol));
		oversized += counted(watch, MT_CELL1(OVERSIZED_LINES, protocol));
		not_mail += counted(watch, MT_CELL2(ANOMALIES, protocol, MT_ANOMALY_NOT_MAIL_ON_MAIL_PORT));
	}
	say(words, "lost:");
	losses_at = words->len;
	for (unsigned loss = 0; loss < MT_LOSS_COUNT; loss++)
		if (counted(watch, MT_CELL1(LOST, loss)) > 0)
			say(words, " %s %llu", mt_loss_name(loss),
			    (unsigned long long)counted(watch, MT_CELL1(LOST, loss)));
	say(words, words->len == losses_at ? " none\n" : "\n");
	say(words, "lone_lf: %llu\n", (unsigned long long)lone_lf);
	say(words, "oversized: %llu\n", (unsigned long long)oversized);
	say(words, "not_mail: %llu\n", (unsigned long long)not_mail);
}

void watch_run(struct watch *watch, const struct wire *wire, char ret_words[WORDS_MAX])
{
	struct words words = {.text = ret_words};
	uint64_t last_ns = 0;

	watch->record_count = 0;
	memcpy(watch->cells_before, watch->cells, watch->layout->cell_count * sizeof(*watch->cells));
	for (uint32_t i = 0; i < wire->count; i++) {
		send_segment(watch, wire, &wire->segments[i]);
		last_ns = wire->segments[i].time_ns;
	}
	mt_engine_finish(watch->engine, watch->now_ns + last_ns);
	must(mt_engine_flows(watch->engine) == 0, "flows left behind the end of a run");
	must(counted(watch, MT_CELL0(RECORDS_MADE)) == watch->record_count,
	     "records made are not records seen");
	watch->runs++;
	watch->now_ns += last_ns + MT_NS_PER_SECOND;
	say(&words, "records: %u\n", watch->record_count);
	for (unsigned i = 0; i < watch->record_count && i < RECORDS_MAX; i++) {
		must(watch->records[i].has_end, "a record without its end");
		say_record(&words, watch, &watch->records[i]);
	}
	say_counters(&words, watch);
}
