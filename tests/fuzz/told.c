/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "told.h"

#include <jansson.h>

#include "fuzz.h"
#include "tls.h"

/* Told of the comparison, libFuzzer would learn the secret and write it where it is none. */
__attribute__((no_sanitize("coverage"))) bool told_secret(const void *bytes, size_t len)
{
	const size_t secret_len = sizeof(TOLD_SECRET) - 1;
	const uint8_t *at = bytes;

	for (size_t i = 0; i + secret_len <= len; i++) {
		size_t same = 0;

		while (same < secret_len && at[i + same] == (uint8_t)TOLD_SECRET[same])
			same++;
		if (same == secret_len)
			return true;
	}
	return false;
}

static void check_text(const struct mt_facts *facts, struct mt_text text, size_t most)
{
	FUZZ_MUST(text.len <= most && text.offset + text.len <= facts->text_len);
}

static void check_list(const struct mt_facts *facts, struct mt_text list, unsigned count, size_t longest)
{
	struct mt_span rest = mt_facts_text(facts, list), item;
	unsigned found = 0;

	check_text(facts, list, MT_MAIL_TEXT_MAX);
	for (; mt_facts_next_item(&rest, &item); found++)
		FUZZ_MUST(item.len <= longest);
	FUZZ_MUST(found == count && rest.len == 0);
}

void told_check_facts(const struct mt_facts *facts, uint32_t products)
{
	struct mt_span name = mt_facts_text(facts, facts->client_name);

	FUZZ_MUST(facts->protocol < MT_PROTOCOL_COUNT && facts->detected_by < MT_DETECTED_COUNT);
	FUZZ_MUST(facts->offered <= MT_SEEN_YES && facts->response < MT_RESPONSE_COUNT);
	FUZZ_MUST(memchr(facts->code, 0, sizeof(facts->code)) != NULL);
	FUZZ_MUST((uint64_t)facts->anomalies >> MT_ANOMALY_COUNT == 0);
	FUZZ_MUST(facts->certificate < MT_CERTIFICATE_COUNT && facts->software < products);
	FUZZ_MUST(facts->text_len <= MT_MAIL_TEXT_MAX && facts->auth_count <= MT_MAIL_AUTHS_MAX);
	for (unsigned i = 0; i < facts->auth_count; i++)
		FUZZ_MUST(facts->auth[i].mechanism < MT_MECHANISM_COUNT &&
			  facts->auth[i].outcome < MT_AUTH_COUNT);
	FUZZ_MUST(facts->capability_count <= MT_MAIL_CAPABILITIES_MAX);
	check_list(facts, facts->capabilities, facts->capability_count, MT_MAIL_CAPABILITY_MAX);
	check_list(facts, facts->client_alpns, facts->alpn_count, MT_TLS_ALPN_MAX);
	check_text(facts, facts->banner, MT_MAIL_BANNER_MAX);
	check_text(facts, facts->client_name, MT_MAIL_NAME_MAX);
	check_text(facts, facts->sni, MT_MAIL_NAME_MAX);
	check_text(facts, facts->server_alpn, MT_TLS_ALPN_MAX);
	check_text(facts, facts->client_hello, MT_MAIL_TEXT_MAX);
	check_text(facts, facts->server_hello, MT_MAIL_TEXT_MAX);
	/* A name with an @ is a person's. */
	FUZZ_MUST(name.len == 0 || memchr(name.data, '@', name.len) == NULL);
	/* An answer was asked for, and TLS that was finished was begun. */
	FUZZ_MUST(!facts->is_established || facts->has_tls_client || facts->has_tls_server);
}

void told_check_record(const struct mt_report *report, const struct mt_banners *banners,
		       const struct mt_counters_layout *layout)
{
	static uint64_t *cells;
	char *line = mt_record_format(report, 1, banners);

	FUZZ_MUST(line != NULL && strchr(line, '\n') == NULL && !told_secret(line, strlen(line)));
	json_t *record = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	FUZZ_MUST(json_is_object(record));
	json_decref(record);
	free(line);
	if (cells == NULL)
		cells = mt_counters_cells_create(layout);
	FUZZ_MUST(cells != NULL);
	mt_record_count(report, layout, banners, cells);
	FUZZ_MUST(report->end.reason < MT_REASON_COUNT && report->end.end_ns <= report->end.over_ns);
}

static bool is_same_text(const struct mt_facts *a, struct mt_text in_a, const struct mt_facts *b,
			 struct mt_text in_b)
{
	return in_a.len == in_b.len && memcmp(a->text + in_a.offset, b->text + in_b.offset, in_a.len) == 0;
}

void told_compare(const struct mt_facts *a, const struct mt_facts *b)
{
	FUZZ_MUST(memcmp(a, b, offsetof(struct mt_facts, software)) == 0);
	FUZZ_MUST(a->software == b->software && a->messages == b->messages);
	FUZZ_MUST(a->anomalies == b->anomalies && memcmp(a->auth, b->auth, sizeof(a->auth)) == 0);
	FUZZ_MUST(is_same_text(a, a->banner, b, b->banner));
	FUZZ_MUST(is_same_text(a, a->client_name, b, b->client_name));
	FUZZ_MUST(is_same_text(a, a->capabilities, b, b->capabilities));
	FUZZ_MUST(is_same_text(a, a->sni, b, b->sni));
	FUZZ_MUST(is_same_text(a, a->client_alpns, b, b->client_alpns));
	FUZZ_MUST(is_same_text(a, a->server_alpn, b, b->server_alpn));
	FUZZ_MUST(is_same_text(a, a->client_hello, b, b->client_hello));
	FUZZ_MUST(is_same_text(a, a->server_hello, b, b->server_hello));
}
