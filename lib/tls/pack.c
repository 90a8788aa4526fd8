/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "tls_priv.h"

/* The numbers of a hello that stand alone, and its lists, in the order of the packed form. */
#define NUMBERS(hello)                                                                                       \
	{                                                                                                    \
		&(hello)->legacy_version, &(hello)->version, &(hello)->cipher                                \
	}
#define LISTS(hello)                                                                                         \
	{                                                                                                    \
		{(hello)->ciphers, &(hello)->cipher_count, MT_ARRAY_LEN((hello)->ciphers)},                  \
		    {(hello)->extensions, &(hello)->extension_count, MT_ARRAY_LEN((hello)->extensions)},     \
		    {(hello)->groups, &(hello)->group_count, MT_ARRAY_LEN((hello)->groups)},                 \
		    {(hello)->signatures, &(hello)->signature_count, MT_ARRAY_LEN((hello)->signatures)},     \
	}

/* sni (0 or 1), alpn ends, alpn count, format count */
#define BYTES 5

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

size_t mt_tls_hello_pack(const struct mt_tls_hello *hello, uint8_t *ret, size_t size)
{
	const uint16_t *numbers[] = NUMBERS(hello);
	const struct {
		const uint16_t *values, *count;
		size_t room;
	} lists[] = LISTS(hello);
	const uint8_t bytes[BYTES] = {hello->sni_len > 0, hello->alpn_ends[0], hello->alpn_ends[1],
				      hello->alpn_count, (uint8_t)hello->format_count};
	size_t need = sizeof(uint16_t) * MT_ARRAY_LEN(numbers) + BYTES + hello->format_count;
	uint8_t *at = ret;

	for (size_t i = 0; i < MT_ARRAY_LEN(lists); i++)
		need += sizeof(uint16_t) * (1u + *lists[i].count);
	if (hello->is_overfull || hello->is_malformed || hello->is_ssl2_style || need > size)
		return 0;
	for (size_t i = 0; i < MT_ARRAY_LEN(numbers); i++)
		at = put(at, numbers[i], sizeof(uint16_t));
	at = put(at, bytes, BYTES);
	at = put(at, hello->formats, hello->format_count);
	for (size_t i = 0; i < MT_ARRAY_LEN(lists); i++) {
		at = put(at, lists[i].count, sizeof(uint16_t));
		at = put(at, lists[i].values, sizeof(uint16_t) * *lists[i].count);
	}
	return (size_t)(at - ret);
}

/* Result: false where the packed form is shorter than it says. */
static bool take(struct mt_span *rest, void *to, size_t len)
{
	if (rest->len < len)
		return false;
	memcpy(to, rest->data, len);
	*rest = mt_span_after(*rest, len);
	return true;
}

bool mt_tls_hello_unpack(struct mt_tls_hello *ret, struct mt_span packed)
{
	uint8_t bytes[BYTES];

	memset(ret, 0, sizeof(*ret));
	uint16_t *numbers[] = NUMBERS(ret);
	struct {
		uint16_t *values, *count;
		size_t room;
	} lists[] = LISTS(ret);
	for (size_t i = 0; i < MT_ARRAY_LEN(numbers); i++)
		if (!take(&packed, numbers[i], sizeof(uint16_t)))
			return false;
	if (!take(&packed, bytes, BYTES) || bytes[4] > MT_ARRAY_LEN(ret->formats))
		return false;
	ret->sni_len = bytes[0];
	memcpy(ret->alpn_ends, &bytes[1], sizeof(ret->alpn_ends));
	ret->alpn_count = bytes[3];
	ret->format_count = bytes[4];
	if (!take(&packed, ret->formats, ret->format_count))
		return false;
	for (size_t i = 0; i < MT_ARRAY_LEN(lists); i++)
		if (!take(&packed, lists[i].count, sizeof(uint16_t)) || *lists[i].count > lists[i].room ||
		    !take(&packed, lists[i].values, sizeof(uint16_t) * *lists[i].count))
			return false;
	return packed.len == 0;
}
