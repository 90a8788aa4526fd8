/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "mail.h"

/* How a certificate stands in the text store: this, the subject, the issuer. */
struct kept {
	int64_t not_before_s, not_after_s;
	uint8_t sha256[32];
	bool is_malformed, is_self_signed;
	uint8_t names_host;
	uint16_t subject_len;
};

bool mt_facts_keep_certificate(struct mt_facts *facts, const struct mt_mail_certificate *certificate)
{
	struct mt_span subject = mt_span_first(certificate->subject, MT_MAIL_DN_MAX);
	struct mt_span issuer = mt_span_first(certificate->issuer, MT_MAIL_DN_MAX);
	size_t len = sizeof(struct kept) + subject.len + issuer.len;
	char *at = facts->text + facts->text_len;
	struct kept kept;

	if (len > sizeof(facts->text) - facts->text_len)
		return false;
	memset(&kept, 0, sizeof(kept)); /* with what lies between its members */
	kept.not_before_s = certificate->not_before_s;
	kept.not_after_s = certificate->not_after_s;
	memcpy(kept.sha256, certificate->sha256, sizeof(kept.sha256));
	kept.is_malformed = certificate->is_malformed;
	kept.is_self_signed = certificate->is_self_signed;
	kept.names_host = certificate->names_host;
	kept.subject_len = (uint16_t)subject.len;
	memcpy(at, &kept, sizeof(kept));
	if (subject.len > 0)
		memcpy(at + sizeof(kept), subject.data, subject.len);
	if (issuer.len > 0)
		memcpy(at + sizeof(kept) + subject.len, issuer.data, issuer.len);
	facts->leaf = (struct mt_text){facts->text_len, (uint16_t)len};
	facts->text_len = (uint16_t)(facts->text_len + len);
	return true;
}

bool mt_facts_certificate(const struct mt_facts *facts, struct mt_mail_certificate *ret)
{
	struct mt_span text = mt_facts_text(facts, facts->leaf);
	struct kept kept;

	if (text.len < sizeof(kept))
		return false;
	memcpy(&kept, text.data, sizeof(kept));
	text = mt_span_after(text, sizeof(kept));
	*ret = (struct mt_mail_certificate){
	    .not_before_s = kept.not_before_s,
	    .not_after_s = kept.not_after_s,
	    .is_malformed = kept.is_malformed,
	    .is_self_signed = kept.is_self_signed,
	    .names_host = kept.names_host,
	    .subject = mt_span_first(text, kept.subject_len),
	    .issuer = mt_span_after(text, kept.subject_len),
	};
	memcpy(ret->sha256, kept.sha256, sizeof(ret->sha256));
	return true;
}
