/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <openssl/evp.h>
#include <stdlib.h>

#include "certificate_priv.h"

/* A certificate remembered, and the last host that it was asked for, if any. */
struct place {
	uint8_t sha256[32];
	bool is_used, is_malformed;
	uint8_t host_len;
	char host[MT_MAIL_NAME_MAX];
	struct reading reading;
};

struct mt_certificates {
	size_t count;
	struct place places[];
};

struct mt_certificates *mt_certificates_create(size_t places)
{
	struct mt_certificates *certificates =
	    calloc(1, sizeof(*certificates) + places * sizeof(certificates->places[0]));

	if (certificates != NULL)
		certificates->count = places;
	return certificates;
}

void mt_certificates_destroy(struct mt_certificates *certificates)
{
	free(certificates);
}

/* The one place where a certificate may be. Who makes up certificates can drive others out, no more. */
static struct place *place_of(struct mt_certificates *certificates, const uint8_t sha256[32])
{
	return &certificates->places[mt_read_be32(sha256) % certificates->count];
}

static void note_host(struct place *place, struct mt_span host)
{
	if (host.len > 0)
		memcpy(place->host, host.data, host.len);
	place->host_len = (uint8_t)host.len;
}

static void fill(struct place *place, const uint8_t sha256[32], struct mt_span der, struct mt_span host)
{
	memset(place, 0, sizeof(*place));
	memcpy(place->sha256, sha256, sizeof(place->sha256));
	place->is_used = true;
	place->is_malformed = !read_certificate(der, host, &place->reading);
	note_host(place, host);
}

/* The certificate is known; the host may be another one than the last time. */
static void ask_host(struct place *place, struct mt_span der, struct mt_span host)
{
	if (place->is_malformed || host.len == 0 ||
	    (place->host_len == host.len && memcmp(place->host, host.data, host.len) == 0))
		return;
	place->reading.names_host = names_host(der, host);
	note_host(place, host);
}

void mt_certificates_read(struct mt_certificates *certificates, struct mt_span der, struct mt_span host,
			  struct mt_mail_certificate *ret)
{
	uint8_t sha256[32] = {0};

	EVP_Digest(der.data, der.len, sha256, NULL, EVP_sha256(), NULL);
	struct place *place = place_of(certificates, sha256);
	const struct reading *reading = &place->reading;
	host = mt_span_first(host, sizeof(place->host));
	if (place->is_used && memcmp(place->sha256, sha256, sizeof(sha256)) == 0)
		ask_host(place, der, host);
	else
		fill(place, sha256, der, host);
	*ret = (struct mt_mail_certificate){.is_malformed = place->is_malformed};
	memcpy(ret->sha256, sha256, sizeof(ret->sha256));
	if (place->is_malformed)
		return;
	if (host.len > 0)
		ret->names_host = reading->names_host ? MT_SEEN_YES : MT_SEEN_NO;
	ret->not_before_s = reading->not_before_s;
	ret->not_after_s = reading->not_after_s;
	ret->is_self_signed = reading->is_self_signed;
	ret->subject = mt_span(reading->subject.text, reading->subject.len);
	ret->issuer = mt_span(reading->issuer.text, reading->issuer.len);
}
