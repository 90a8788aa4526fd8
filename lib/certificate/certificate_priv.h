/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/** Inside the module: what one reading by OpenSSL brings (x509.c). */
#ifndef MT_CERTIFICATE_PRIV_H
#define MT_CERTIFICATE_PRIV_H

#include "certificate.h"

/** A name as text, cut between two characters. */
struct name {
	uint16_t len;
	char text[MT_MAIL_DN_MAX];
};

struct reading {
	int64_t not_before_s, not_after_s;
	bool is_self_signed;
	bool names_host; /* the one that was asked for */
	struct name subject, issuer;
};

/**
 * Decode and read all of it; that costs OpenSSL some 200 us.
 * Result  false where der is no certificate, or something in it cannot be read
 */
bool read_certificate(struct mt_span der, struct mt_span host, struct reading *ret);

/** Decode a certificate that has been read before, for another host. */
bool names_host(struct mt_span der, struct mt_span host);

#endif
