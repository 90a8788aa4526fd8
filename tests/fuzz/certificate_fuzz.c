/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* Input: length of the host's name, the name, then the certificate. */
#include "certificate.h"
#include "fuzz.h"

static struct mt_certificates *certificates;
static struct mt_report report;
static struct mt_certificate_parts parts;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	/* One place: every certificate drives the one before out, so that each input is read anew. */
	certificates = mt_certificates_create(1);
	FUZZ_MUST(certificates != NULL);
	return 0;
}

static void check_same(const struct mt_mail_certificate *a, const struct mt_mail_certificate *b)
{
	FUZZ_MUST(memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0);
	FUZZ_MUST(a->is_malformed == b->is_malformed && a->is_self_signed == b->is_self_signed);
	FUZZ_MUST(a->not_before_s == b->not_before_s && a->not_after_s == b->not_after_s);
	FUZZ_MUST(a->names_host == b->names_host);
	FUZZ_MUST(a->subject.len == b->subject.len && a->issuer.len == b->issuer.len);
	FUZZ_MUST(a->subject.len == 0 || memcmp(a->subject.data, b->subject.data, a->subject.len) == 0);
	FUZZ_MUST(a->issuer.len == 0 || memcmp(a->issuer.data, b->issuer.data, a->issuer.len) == 0);
}

/* What goes to the control thread in parts comes out of the report as it was read. */
static void check_join(struct mt_span der, struct mt_span host, const struct mt_mail_certificate *expected)
{
	struct mt_mail_certificate joined;

	/* The beginning of another one, whose facts were lost. */
	report.part_at = 0;
	report.part_bytes = 9;
	mt_certificate_add_part(&parts, &report);
	for (size_t at = 0; at < der.len; at += report.part_bytes) {
		struct mt_span part = mt_span_first(mt_span_after(der, at), sizeof(report.part));

		report.part_at = (uint16_t)at;
		report.part_bytes = (uint16_t)part.len;
		memcpy(report.part, part.data, part.len);
		mt_certificate_add_part(&parts, &report);
	}
	memset(&report, 0, sizeof(report));
	report.certificate_bytes = (uint16_t)der.len;
	report.facts.sni = (struct mt_text){0, (uint16_t)host.len};
	report.facts.text_len = (uint16_t)host.len;
	if (host.len > 0)
		memcpy(report.facts.text, host.data, host.len);
	FUZZ_MUST(mt_certificate_join(certificates, &parts, &report));
	FUZZ_MUST(mt_facts_certificate(&report.facts, &joined));
	check_same(expected, &joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct mt_span der = fuzz_input(data, len);
	size_t host_len = fuzz_byte(&der);
	struct mt_span host = mt_span_first(der, host_len);
	struct mt_mail_certificate first, again;
	static char names[2][MT_MAIL_DN_MAX];

	der = mt_span_first(mt_span_after(der, host.len), MT_MAIL_CERTIFICATE_MAX);
	mt_certificates_read(certificates, der, host, &first);
	FUZZ_MUST(first.subject.len <= MT_MAIL_DN_MAX && first.issuer.len <= MT_MAIL_DN_MAX);
	FUZZ_MUST(!first.is_malformed || (first.subject.len == 0 && first.issuer.len == 0));
	/* Its names belong to the place that it is remembered in. */
	if (first.subject.len > 0)
		memcpy(names[0], first.subject.data, first.subject.len);
	if (first.issuer.len > 0)
		memcpy(names[1], first.issuer.data, first.issuer.len);
	first.subject.data = (const uint8_t *)names[0];
	first.issuer.data = (const uint8_t *)names[1];
	/* Remembered, it says the same; and so it does when it is read again after another one. */
	mt_certificates_read(certificates, der, host, &again);
	check_same(&first, &again);
	mt_certificates_read(certificates, mt_span("another", 7), host, &again);
	mt_certificates_read(certificates, der, host, &again);
	check_same(&first, &again);
	if (der.len > 0)
		check_join(der, host, &first);
	return 0;
}
