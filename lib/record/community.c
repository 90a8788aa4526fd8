/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <netinet/in.h>

#include <openssl/evp.h>

#include "record.h"

#define SEED_BYTES 2
#define SHA1_BYTES 20

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

/* Community ID flow hashing 1.0: "1:" and base64(SHA1(seed, lower end's address, other's, protocol, 0,
 * ports)). */
void mt_record_community_id(const struct mt_mail_ends *ends, char ret[MT_RECORD_COMMUNITY_SIZE])
{
	uint8_t input[SEED_BYTES + 2 * 16 + 2 + 2 * sizeof(uint16_t)] = {0};
	uint8_t digest[EVP_MAX_MD_SIZE] = {0};
	size_t addr_bytes = ends->ip_version == 6 ? 16 : 4;
	struct {
		const uint8_t *addr;
		uint16_t port;
	} low = {ends->client_addr, ends->client_port}, high = {ends->server_addr, ends->server_port},
	  other = low;
	int order = memcmp(low.addr, high.addr, addr_bytes);

	if (order > 0 || (order == 0 && low.port > high.port)) {
		low = high;
		high = other;
	}
	uint16_t ports_be[] = {htons(low.port), htons(high.port)};
	uint8_t *end = put(input + SEED_BYTES, low.addr, addr_bytes);
	end = put(end, high.addr, addr_bytes);
	end = put(end, (uint8_t[]){IPPROTO_TCP, 0}, 2);
	end = put(end, ports_be, sizeof(ports_be));
	EVP_Digest(input, (size_t)(end - input), digest, NULL, EVP_sha1(), NULL);
	memcpy(ret, "1:", 2);
	EVP_EncodeBlock((unsigned char *)ret + 2, digest, SHA1_BYTES);
}
mt_static_assert(2 + (SHA1_BYTES + 2) / 3 * 4 + 1 <= MT_RECORD_COMMUNITY_SIZE,
		 "base64 of a SHA-1, and a zero");
