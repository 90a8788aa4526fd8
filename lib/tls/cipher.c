/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <stdlib.h>

#include "tls.h"

struct cipher {
	uint16_t code;
	const char *name;
};

static const struct cipher CIPHERS[] = {
#define CIPHER(code, name) {code, #name},
#include "ciphers.def"
#undef CIPHER
};

static int compare_code(const void *key, const void *row)
{
	return (int)*(const uint16_t *)key - (int)((const struct cipher *)row)->code;
}

const char *mt_tls_cipher_name(uint16_t cipher)
{
	const struct cipher *row =
	    bsearch(&cipher, CIPHERS, MT_ARRAY_LEN(CIPHERS), sizeof(CIPHERS[0]), compare_code);

	return row != NULL ? row->name : NULL;
}

enum mt_tls_version mt_tls_version_of(uint16_t wire)
{
	static const enum mt_tls_version versions[] = {
	    MT_TLS_VERSION_SSL_3_0, MT_TLS_VERSION_TLS_1_0, MT_TLS_VERSION_TLS_1_1,
	    MT_TLS_VERSION_TLS_1_2, MT_TLS_VERSION_TLS_1_3,
	};

	if (wire < 0x0300 || wire - 0x0300u >= MT_ARRAY_LEN(versions))
		return MT_TLS_VERSION_UNKNOWN;
	return versions[wire - 0x0300u];
}
