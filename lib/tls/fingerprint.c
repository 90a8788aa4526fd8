/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "tls_priv.h"

#define JA4_HASH_CHARS 12 /* hexadecimal digits kept of a SHA-256 */

/* The longest is a JA3: a version, three full lists of "65535-" and the formats of "255-". */
struct text {
	char at[8 + 3 * 6 * MT_TLS_LIST_MAX + 4 * 16];
	size_t len;
};

static void add_number(struct text *text, const char *format, unsigned value)
{
	text->len += (size_t)snprintf(text->at + text->len, sizeof(text->at) - text->len, format, value);
}

static void add_char(struct text *text, char c)
{
	text->at[text->len++] = c;
}

static void add_list(struct text *text, const uint16_t *values, uint16_t count, const char *format,
		     char between)
{
	for (uint16_t i = 0; i < count; i++) {
		if (i > 0)
			add_char(text, between);
		add_number(text, format, values[i]);
	}
}

/* The first chars hexadecimal digits of the text's digest; nothing where the digest is forbidden (FIPS). */
static void add_digest(char *to, size_t chars, const struct text *text, const EVP_MD *kind)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_len = 0;

	if (EVP_Digest(text->at, text->len, digest, &digest_len, kind, NULL) != 1)
		digest_len = 0;
	if (chars > 2 * (size_t)digest_len)
		chars = 2 * (size_t)digest_len;
	for (size_t i = 0; i < chars; i++)
		to[i] = digits[i % 2 == 0 ? digest[i / 2] >> 4 : digest[i / 2] & 15];
	to[chars] = 0;
}

static bool can_fingerprint(const struct mt_tls_hello *hello)
{
	return !hello->is_overfull && !hello->is_malformed && !hello->is_ssl2_style;
}

void mt_tls_ja3(const struct mt_tls_hello *client, char ret[MT_TLS_JA3_SIZE])
{
	struct text text = {.len = 0};
	uint16_t formats[MT_ARRAY_LEN(client->formats)];

	ret[0] = 0;
	if (!can_fingerprint(client))
		return;
	for (uint16_t i = 0; i < client->format_count; i++)
		formats[i] = client->formats[i];
	add_number(&text, "%u,", client->legacy_version);
	add_list(&text, client->ciphers, client->cipher_count, "%u", '-');
	add_char(&text, ',');
	add_list(&text, client->extensions, client->extension_count, "%u", '-');
	add_char(&text, ',');
	add_list(&text, client->groups, client->group_count, "%u", '-');
	add_char(&text, ',');
	add_list(&text, formats, client->format_count, "%u", '-');
	add_digest(ret, MT_TLS_JA3_SIZE - 1, &text, EVP_md5());
}

void mt_tls_ja3s(const struct mt_tls_hello *server, char ret[MT_TLS_JA3_SIZE])
{
	struct text text = {.len = 0};

	ret[0] = 0;
	if (!can_fingerprint(server))
		return;
	add_number(&text, "%u,", server->legacy_version);
	add_number(&text, "%u,", server->cipher);
	add_list(&text, server->extensions, server->extension_count, "%u", '-');
	add_digest(ret, MT_TLS_JA3_SIZE - 1, &text, EVP_md5());
}

static int compare_values(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

static void add_ja4_hash(char *to, const struct text *text)
{
	if (text->len == 0)
		memcpy(to, "000000000000", JA4_HASH_CHARS + 1);
	else
		add_digest(to, JA4_HASH_CHARS, text, EVP_sha256());
}

static const char *ja4_version(uint16_t version)
{
	static const char *const names[] = {"s3", "10", "11", "12", "13"};

	if (version < 0x0300 || version - 0x0300u >= MT_ARRAY_LEN(names))
		return "00";
	return names[version - 0x0300u];
}

static bool is_alphanumeric(uint8_t c)
{
	return mt_is_digit(c) || (mt_upper(c) >= 'A' && mt_upper(c) <= 'Z');
}

/* The ends of the first protocol name; of its hexadecimal form where they cannot be shown. */
static void ja4_alpn(const struct mt_tls_hello *client, char ret[2])
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *ends = client->alpn_ends;

	if (client->alpn_count == 0) {
		memcpy(ret, "00", 2);
	} else if (is_alphanumeric(ends[0]) && is_alphanumeric(ends[1])) {
		memcpy(ret, ends, 2);
	} else {
		ret[0] = digits[ends[0] >> 4];
		ret[1] = digits[ends[1] & 15];
	}
}

static uint16_t sorted_extensions(const struct mt_tls_hello *client, uint16_t *sorted)
{
	uint16_t count = 0;

	for (uint16_t i = 0; i < client->extension_count; i++)
		if (client->extensions[i] != MT_TLS_EXTENSION_SERVER_NAME &&
		    client->extensions[i] != MT_TLS_EXTENSION_ALPN)
			sorted[count++] = client->extensions[i];
	qsort(sorted, count, sizeof(*sorted), compare_values);
	return count;
}

void mt_tls_ja4(const struct mt_tls_hello *client, char ret[MT_TLS_JA4_SIZE])
{
	struct text ciphers = {.len = 0}, others = {.len = 0};
	uint16_t sorted[MT_TLS_LIST_MAX], count;
	char alpn[2], cipher_hash[JA4_HASH_CHARS + 1], other_hash[JA4_HASH_CHARS + 1];

	ret[0] = 0;
	if (!can_fingerprint(client))
		return;
	memcpy(sorted, client->ciphers, client->cipher_count * sizeof(*sorted));
	qsort(sorted, client->cipher_count, sizeof(*sorted), compare_values);
	add_list(&ciphers, sorted, client->cipher_count, "%04x", ',');
	add_ja4_hash(cipher_hash, &ciphers);

	count = sorted_extensions(client, sorted);
	add_list(&others, sorted, count, "%04x", ',');
	if (count > 0 && client->signature_count > 0) {
		add_char(&others, '_');
		add_list(&others, client->signatures, client->signature_count, "%04x", ',');
	}
	add_ja4_hash(other_hash, &others);

	ja4_alpn(client, alpn);
	snprintf(ret, MT_TLS_JA4_SIZE, "t%s%c%02u%02u%.2s_%s_%s", ja4_version(client->version),
		 mt_tls_hello_has(client, MT_TLS_EXTENSION_SERVER_NAME) ? 'd' : 'i',
		 client->cipher_count < 99u ? client->cipher_count : 99u,
		 client->extension_count < 99u ? client->extension_count : 99u, alpn, cipher_hash,
		 other_hash);
}
