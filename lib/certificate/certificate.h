/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * A server's certificate as it came over the wire (DER) becomes what a record says of it. Nothing here
 * believes it: no chain is built and no authority asked; a tap sees what was shown, not whether it is true.
 *
 * For the control thread, off the hot path: it allocates and takes its time. Servers show the same few
 * certificates over and over, so what was read is remembered in a fixed number of places by its SHA-256.
 */
#ifndef MT_CERTIFICATE_H
#define MT_CERTIFICATE_H

#include "mail.h"

struct mt_certificates;

/** Result  NULL without memory. places: how many certificates are remembered, some 900 bytes each */
struct mt_certificates *mt_certificates_create(size_t places);
void mt_certificates_destroy(struct mt_certificates *certificates); /* NULL is legal */

/**
 * Read a certificate.
 * der     borrowed; whatever it holds, *ret is filled: is_malformed says that it is no certificate
 * host    borrowed; the name that the client asked for (SNI), empty where it asked for none
 * ret     its spans are valid until the next call. Subject and issuer stand in the certificate's own order,
 *         as "C=US, O=Example, CN=mail.example.org" with RFC 2253's escapes, in UTF-8 as far as the
 *         certificate is honest about its strings
 * Source  RFC 5280 4.1 (fields), RFC 6125 6.4 (names)
 */
void mt_certificates_read(struct mt_certificates *certificates, struct mt_span der, struct mt_span host,
			  struct mt_mail_certificate *ret);

/** A certificate while its parts come. One for each worker: what one worker reports comes in its order. */
struct mt_certificate_parts {
	uint16_t bytes; /* in hand */
	uint8_t der[MT_MAIL_CERTIFICATE_MAX];
};

/** Take a part, a report with part_bytes above 0. The first one begins anew. */
void mt_certificate_add_part(struct mt_certificate_parts *parts, const struct mt_report *part);

/**
 * Give a report's facts the certificate that went ahead of it, if one did; the parts are then used up.
 * Result  false where the report's text store had no room for it: a loss to be counted
 */
bool mt_certificate_join(struct mt_certificates *certificates, struct mt_certificate_parts *parts,
			 struct mt_report *report);

#endif
