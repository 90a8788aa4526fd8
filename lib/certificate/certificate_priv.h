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

/** What does not depend on the host that was asked for. */
struct reading {
	int64_t not_before_s, not_after_s;
	bool is_self_signed;
	struct name subject, issuer;
};

/** Result  false where der is no certificate, or something in it cannot be read */
bool read_certificate(struct mt_span der, struct reading *ret);

/** Whether the certificate names that host. */
bool names_host(struct mt_span der, struct mt_span host);

#endif
