/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "tls_priv.h"

/* What is left of a structure being read. Once it was too short it is empty and stays so. */
struct cursor {
	struct mt_span rest;
	bool is_short;
};

#define RANDOM_BYTES 32

/* RFC 8446 4.1.3: the random of a HelloRetryRequest is the SHA-256 of that word. */
static const uint8_t RETRY_RANDOM[RANDOM_BYTES] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

/* RFC 8446 4.1.3: the last eight bytes of random are this and 00 or 01. */
static const uint8_t SENTINEL[7] = {'D', 'O', 'W', 'N', 'G', 'R', 'D'};

/* RFC 8701 2: both bytes equal, each ending in A. Two-byte ALPN names follow the same rule. */
static bool is_grease(uint16_t value)
{
	return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

static struct mt_span take(struct cursor *from, size_t n)
{
	struct mt_span taken = mt_span_first(from->rest, n);

	if (taken.len < n) {
		from->is_short = true;
		from->rest.len = 0;
		return mt_span(taken.data, 0);
	}
	from->rest = mt_span_after(from->rest, n);
	return taken;
}

static uint16_t take8(struct cursor *from)
{
	struct mt_span taken = take(from, 1);

	return taken.len == 1 ? taken.data[0] : 0;
}

static uint16_t take16(struct cursor *from)
{
	struct mt_span taken = take(from, 2);

	return taken.len == 2 ? mt_read_be16(taken.data) : 0;
}

/* The 16-bit values of a list, in wire order, without GREASE. */
static void keep_values(struct mt_tls_hello *hello, struct mt_span list, uint16_t *values, uint16_t *count,
			uint16_t room)
{
	for (; list.len >= 2; list = mt_span_after(list, 2)) {
		uint16_t value = mt_read_be16(list.data);

		if (is_grease(value))
			continue;
		if (*count < room)
			values[(*count)++] = value;
		else
			hello->is_overfull = true;
	}
	hello->is_malformed |= list.len != 0;
}

/* RFC 6066 3. A second name of a type is forbidden; the first host_name counts. */
static void read_server_name(struct mt_tls_hello *hello, struct cursor *data)
{
	struct cursor names = {take(data, take16(data)), false};

	while (names.rest.len > 0 && hello->sni_len == 0) {
		bool is_host = take8(&names) == 0;
		struct mt_span name = mt_span_first(take(&names, take16(&names)), MT_TLS_NAME_MAX);

		if (is_host && name.len > 0) {
			memcpy(hello->sni, name.data, name.len);
			hello->sni[name.len] = 0;
			hello->sni_len = (uint8_t)name.len;
		}
	}
	data->is_short |= names.is_short;
}

/* RFC 7301 3.1; the server answers with a list of one. */
static void read_alpn(struct mt_tls_hello *hello, struct cursor *data)
{
	struct cursor names = {take(data, take16(data)), false};

	while (names.rest.len > 0) {
		struct mt_span name = take(&names, take8(&names));

		if (name.len == 0) {
			names.is_short = true;
			break;
		}
		if (name.len == 2 && is_grease(mt_read_be16(name.data)))
			continue;
		if (hello->alpn_count == MT_TLS_ALPNS_MAX)
			break;
		if (hello->alpn_count == 0) {
			hello->alpn_ends[0] = name.data[0];
			hello->alpn_ends[1] = name.data[name.len - 1];
		}
		name = mt_span_first(name, MT_TLS_ALPN_MAX);
		memcpy(hello->alpn[hello->alpn_count].name, name.data, name.len);
		hello->alpn[hello->alpn_count++].len = (uint8_t)name.len;
	}
	data->is_short |= names.is_short;
}

static void read_groups(struct mt_tls_hello *hello, struct cursor *data)
{
	keep_values(hello, take(data, take16(data)), hello->groups, &hello->group_count, MT_TLS_LIST_MAX);
}

static void read_signatures(struct mt_tls_hello *hello, struct cursor *data)
{
	keep_values(hello, take(data, take16(data)), hello->signatures, &hello->signature_count,
		    MT_TLS_LIST_MAX);
}

static void read_formats(struct mt_tls_hello *hello, struct cursor *data)
{
	struct mt_span list = take(data, take8(data));

	for (size_t i = 0; i < list.len; i++) {
		if (hello->format_count < MT_ARRAY_LEN(hello->formats))
			hello->formats[hello->format_count++] = list.data[i];
		else
			hello->is_overfull = true;
	}
}

static void read_offered_versions(struct mt_tls_hello *hello, struct cursor *data)
{
	keep_values(hello, take(data, take8(data)), hello->versions, &hello->version_count,
		    MT_ARRAY_LEN(hello->versions));
}

static void read_chosen_version(struct mt_tls_hello *hello, struct cursor *data)
{
	keep_values(hello, take(data, 2), hello->versions, &hello->version_count,
		    MT_ARRAY_LEN(hello->versions));
}

/* The extensions that are looked into, by number and by who sends them. */
static void (*const EXTENSIONS[][MT_DIRECTION_COUNT])(struct mt_tls_hello *hello, struct cursor *data) = {
    [MT_TLS_EXTENSION_SERVER_NAME] = {read_server_name, NULL}, /* RFC 6066 3 */
    [10] = {read_groups, NULL},				       /* RFC 8446 4.2.7 */
    [11] = {read_formats, NULL},			       /* RFC 8422 5.1.2 */
    [13] = {read_signatures, NULL},			       /* RFC 8446 4.2.3 */
    [MT_TLS_EXTENSION_ALPN] = {read_alpn, read_alpn},	       /* RFC 7301 3.1 */
    [43] = {read_offered_versions, read_chosen_version},       /* RFC 8446 4.2.1 */
};

static void read_extension(struct mt_tls_hello *hello, enum mt_direction direction, uint16_t type,
			   struct mt_span data)
{
	struct cursor inside = {data, false};

	if (type >= MT_ARRAY_LEN(EXTENSIONS) || EXTENSIONS[type][direction] == NULL)
		return;
	EXTENSIONS[type][direction](hello, &inside);
	hello->is_malformed |= inside.is_short || inside.rest.len != 0;
}

/* A hello of old may end before its extensions (RFC 5246 7.4.1.2). */
static void read_extensions(struct mt_tls_hello *hello, enum mt_direction direction, struct cursor *body)
{
	if (body->rest.len == 0)
		return;

	struct cursor all = {take(body, take16(body)), false};

	while (all.rest.len > 0) {
		uint8_t type[2] = {0};
		struct mt_span wire_type = take(&all, sizeof(type));
		struct mt_span data = take(&all, take16(&all));

		if (all.is_short)
			break;
		memcpy(type, wire_type.data, sizeof(type));
		keep_values(hello, mt_span(type, sizeof(type)), hello->extensions, &hello->extension_count,
			    MT_TLS_LIST_MAX);
		read_extension(hello, direction, mt_read_be16(type), data);
	}
	hello->is_malformed |= all.is_short || body->rest.len != 0;
}

/* The highest; a draft's number (7fxx) only where nothing else is there. */
static uint16_t highest_version(const struct mt_tls_hello *hello)
{
	uint16_t highest = 0, strange = 0;

	for (uint16_t i = 0; i < hello->version_count; i++) {
		uint16_t *best = hello->versions[i] >> 8 == 3 ? &highest : &strange;

		if (hello->versions[i] > *best)
			*best = hello->versions[i];
	}
	if (highest == 0)
		highest = strange;
	return highest != 0 ? highest : hello->legacy_version;
}

static void read_random(struct mt_tls_hello *hello, enum mt_direction direction, struct cursor *body)
{
	struct mt_span random = take(body, RANDOM_BYTES);

	if (random.len == 0 || direction == MT_TO_SERVER)
		return;
	hello->is_retry = memcmp(random.data, RETRY_RANDOM, RANDOM_BYTES) == 0;
	hello->has_sentinel =
	    memcmp(random.data + 24, SENTINEL, sizeof(SENTINEL)) == 0 && random.data[31] <= 1;
}

static void begin_hello(struct mt_tls_hello *hello)
{
	memset(hello, 0, offsetof(struct mt_tls_hello, sni) + 1);
}

void mt_tls_read_hello(struct mt_tls_hello *hello, enum mt_direction direction, struct mt_span bytes)
{
	struct cursor body = {bytes, false};

	begin_hello(hello);
	hello->legacy_version = take16(&body);
	read_random(hello, direction, &body);
	take(&body, take8(&body)); /* session id */
	if (direction == MT_TO_SERVER) {
		keep_values(hello, take(&body, take16(&body)), hello->ciphers, &hello->cipher_count,
			    MT_TLS_LIST_MAX);
		take(&body, take8(&body)); /* compression methods */
	} else {
		hello->cipher = take16(&body);
		take8(&body); /* compression method */
	}
	read_extensions(hello, direction, &body);
	hello->is_malformed |= body.is_short;
	hello->version = highest_version(hello);
}

/* Three bytes a cipher, those of TLS begin with zero; then a session id and the challenge. */
void mt_tls_read_ssl2_hello(struct mt_tls_hello *hello, uint16_t version, struct mt_span bytes)
{
	struct cursor body = {bytes, false};

	begin_hello(hello);
	hello->is_ssl2_style = true;
	hello->legacy_version = version;
	hello->version = version;

	uint16_t cipher_bytes = take16(&body);
	size_t other_bytes = take16(&body);

	other_bytes += take16(&body);
	for (struct mt_span list = take(&body, cipher_bytes); list.len >= 3; list = mt_span_after(list, 3))
		if (list.data[0] == 0)
			keep_values(hello, mt_span(list.data + 1, 2), hello->ciphers, &hello->cipher_count,
				    MT_TLS_LIST_MAX);
	take(&body, other_bytes);
	hello->is_malformed = body.is_short || body.rest.len != 0 || cipher_bytes % 3 != 0;
}

bool mt_tls_hello_has(const struct mt_tls_hello *hello, uint16_t extension)
{
	for (uint16_t i = 0; i < hello->extension_count; i++)
		if (hello->extensions[i] == extension)
			return true;
	return false;
}
