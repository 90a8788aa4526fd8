/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "certificate.h"

/* Parts that do not follow each other, a lost one between, make up nothing. */
void mt_certificate_add_part(struct mt_certificate_parts *parts, const struct mt_report *part)
{
	if (part->part_at == 0)
		parts->bytes = 0;
	if (part->part_at != parts->bytes || part->part_bytes > sizeof(parts->der) - parts->bytes)
		return;
	memcpy(parts->der + parts->bytes, part->part, part->part_bytes);
	parts->bytes = (uint16_t)(parts->bytes + part->part_bytes);
}

bool mt_certificate_join(struct mt_certificates *certificates, struct mt_certificate_parts *parts,
			 struct mt_report *report)
{
	struct mt_span der = mt_span(parts->der, parts->bytes);
	struct mt_mail_certificate certificate;

	parts->bytes = 0;
	if (report->certificate_bytes == 0 || report->certificate_bytes != der.len)
		return true;
	mt_certificates_read(certificates, der, mt_facts_text(&report->facts, report->facts.sni),
			     &certificate);
	return mt_facts_keep_certificate(&report->facts, &certificate);
}
