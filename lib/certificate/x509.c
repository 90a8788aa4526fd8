/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "certificate_priv.h"

/* The certificate's own order, a comma and a blank between; what would be mistaken for that is escaped, what
 * is no text is shown as its bytes. Controls are escaped here, the rest when the record is made. */
#define NAME_FLAGS                                                                                           \
	(XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN | XN_FLAG_DUMP_UNKNOWN_FIELDS | ASN1_STRFLGS_ESC_2253 |       \
	 ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_UTF8_CONVERT | ASN1_STRFLGS_DUMP_UNKNOWN |                     \
	 ASN1_STRFLGS_DUMP_DER)

/* Result  NULL where der is no certificate, or one with something behind it */
static X509 *decode(struct mt_span der)
{
	const unsigned char *at = der.data;
	X509 *x509 = d2i_X509(NULL, &at, (long)der.len);

	if (x509 != NULL && at == der.data + der.len)
		return x509;
	X509_free(x509);
	return NULL;
}

/* Bytes of text that may be kept: all, or as many as end between two characters (RFC 3629 3). */
static uint16_t fitting(const char *text, size_t len)
{
	if (len <= MT_MAIL_DN_MAX)
		return (uint16_t)len;
	len = MT_MAIL_DN_MAX;
	while (len > 0 && (text[len] & 0xc0) == 0x80)
		len--;
	return (uint16_t)len;
}

static bool read_name(const X509_NAME *x509_name, struct name *ret)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool is_read = bio != NULL && X509_NAME_print_ex(bio, x509_name, 0, NAME_FLAGS) >= 0;
	char *text = NULL;

	if (is_read) {
		long len = BIO_get_mem_data(bio, &text);

		ret->len = fitting(text, (size_t)len);
		if (ret->len > 0)
			memcpy(ret->text, text, ret->len);
	}
	BIO_free(bio);
	return is_read;
}

static bool read_time(const ASN1_TIME *time, int64_t *ret_s)
{
	struct tm parts;

	if (ASN1_TIME_to_tm(time, &parts) != 1)
		return false;
	*ret_s = timegm(&parts);
	return true;
}

static bool is_named(X509 *x509, struct mt_span host)
{
	char text[MT_MAIL_NAME_MAX + 1];

	/* RFC 6066 3 forbids the dot at the end; where it comes all the same, the name is the same. */
	if (host.len > 0 && host.data[host.len - 1] == '.')
		host.len--;
	if (host.len == 0 || host.len >= sizeof(text))
		return false;
	memcpy(text, host.data, host.len);
	text[host.len] = 0;
	return X509_check_host(x509, text, host.len, 0, NULL) == 1 || X509_check_ip_asc(x509, text, 0) == 1;
}

bool read_certificate(struct mt_span der, struct mt_span host, struct reading *ret)
{
	X509 *x509 = decode(der);
	bool is_read = x509 != NULL && read_name(X509_get_subject_name(x509), &ret->subject) &&
		       read_name(X509_get_issuer_name(x509), &ret->issuer) &&
		       read_time(X509_get0_notBefore(x509), &ret->not_before_s) &&
		       read_time(X509_get0_notAfter(x509), &ret->not_after_s);

	if (is_read) {
		ret->is_self_signed = X509_self_signed(x509, 1) == 1;
		ret->names_host = is_named(x509, host);
	}
	X509_free(x509);
	ERR_clear_error();
	return is_read;
}

bool names_host(struct mt_span der, struct mt_span host)
{
	X509 *x509 = decode(der);
	bool result = x509 != NULL && is_named(x509, host);

	X509_free(x509);
	ERR_clear_error();
	return result;
}
