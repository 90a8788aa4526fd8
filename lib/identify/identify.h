/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Which protocol is it? First look at a packet, mail ports as a hint, first lines of either side.
 * The port is a hint, the dialogue decides (BEHAVIOURS G1).
 */
#ifndef MT_IDENTIFY_H
#define MT_IDENTIFY_H

#include <nmmintrin.h>

#include "base.h"
#include "packet.h"

/** What is expected on a port. */
struct mt_identify_port {
	uint8_t protocol; /* enum mt_protocol; MT_PROTOCOL_COUNT for no mail port */
	bool is_implicit; /* TLS from the first byte */
};

struct mt_identify_ports {
	uint64_t is_mail[65536 / 64]; /* a bit per number: what every packet asks stands close together */
	struct mt_identify_port port[65536];
};

/**
 * Read a list like `25=smtp,465=smtps,143=imap`. The words are smtp, smtps, imap, imaps, pop3, pop3s.
 * list    NULL gives the built-in ports
 * error   a sentence that names what is wrong, where the result is -EINVAL
 */
int mt_identify_ports_parse(struct mt_identify_ports *ret, const char *list, char *error, size_t error_size);

/** The built-in list, for --help. */
const char *mt_identify_ports_default(void);

static inline bool mt_identify_is_mail_number(const struct mt_identify_ports *ports, uint16_t number)
{
	return ports->is_mail[number / 64] >> number % 64 & 1;
}

static inline bool mt_identify_is_mail_port(const struct mt_identify_ports *ports,
					    const struct mt_packet *packet)
{
	return mt_identify_is_mail_number(ports, packet->dst_port) ||
	       mt_identify_is_mail_number(ports, packet->src_port);
}

/**
 * True if a payload begins like a greeting of a mail server, or is a proper beginning of one
 * (`220`, `+OK`, `* OK`, `* PREAUTH`, `* BYE`). Cheap: for every TCP payload on another port.
 */
bool mt_identify_begins_like_greeting(struct mt_span payload);

/**
 * Servers on other ports that have greeted: a bit per hashed (address, port), in two generations.
 * A set bit lets a packet on; it creates no flow. One per receiving worker, kept in its own memory.
 */
#define MT_IDENTIFY_FILTER_BITS (1u << 16)
struct mt_identify_filter {
	uint64_t bits[2][MT_IDENTIFY_FILTER_BITS / 64]; /* now and before */
	uint64_t turned_ns;				/* when the generations last changed places */
};

enum mt_identify_look {
	MT_IDENTIFY_DROP, /* no mail: count and free */
	MT_IDENTIFY_MAIL_PORT,
	MT_IDENTIFY_GREETING, /* on another port, begins like a greeting; its bit is set now */
	MT_IDENTIFY_KNOWN,    /* on another port, to or from a server whose bit is set */
};

/**
 * First look (DESIGN.md, decision 3). The receiving worker calls it for every TCP segment.
 * now_ns   never goes back; bits are forgotten after one to two periods
 */
enum mt_identify_look mt_identify_first_look(struct mt_identify_filter *filter,
					     const struct mt_identify_ports *ports,
					     const struct mt_packet *packet, uint64_t now_ns,
					     uint64_t period_ns);

/* The bytes that a greeting may begin with: nearly every payload on another port begins with another one. */
static inline bool mt_identify_is_greeting_byte(uint8_t c)
{
	return c == '2' || c == '*' || c == '+';
}

/* The bit of an address, which is one word where it is IPv4's (the rest is 0 then), and of a port. */
static inline uint32_t mt_identify_filter_bit(uint64_t high, uint64_t low, uint16_t port)
{
	uint64_t sum = _mm_crc32_u64(port, high);

	if (low != 0)
		sum = _mm_crc32_u64(sum, low);
	return (uint32_t)sum & (MT_IDENTIFY_FILTER_BITS - 1);
}

static inline bool mt_identify_is_set(const struct mt_identify_filter *filter, uint32_t bit)
{
	return ((filter->bits[0][bit / 64] | filter->bits[1][bit / 64]) >> bit % 64) & 1;
}

/* Whether one of the two ends is a server that has greeted. */
static inline bool mt_identify_is_known(const struct mt_identify_filter *filter,
					const struct mt_packet_usual *packet, uint16_t from, uint16_t to)
{
	uint64_t src[2] = {0}, dst[2] = {0};

	if (mt_likely(packet->ip_version == 4)) {
		memcpy(src, packet->ip + 12, 4);
		memcpy(dst, packet->ip + 16, 4);
	} else {
		memcpy(src, packet->ip + 8, 16);
		memcpy(dst, packet->ip + 24, 16);
	}
	return mt_identify_is_set(filter, mt_identify_filter_bit(src[0], src[1], from)) ||
	       mt_identify_is_set(filter, mt_identify_filter_bit(dst[0], dst[1], to));
}

/**
 * A look at a usual packet that is not decoded yet, which ends the way of nearly all that is no mail: says no
 * where decoding and the first look would. Changes nothing.
 * Result  MT_VERDICT_NOT_TCP or _NOT_MAIL; _DIALOGUE where it goes on; MT_VERDICT_COUNT where the first look
 *         must say
 */
static inline enum mt_verdict mt_identify_glance(const struct mt_identify_filter *filter,
						 const struct mt_identify_ports *ports,
						 const struct mt_packet_usual *packet)
{
	uint16_t from = mt_read_be16(packet->tcp), to = mt_read_be16(packet->tcp + 2);
	size_t header = (size_t)(packet->tcp[12] >> 4) * 4, bytes = (size_t)(packet->end - packet->tcp);

	if (packet->protocol != 6)
		return MT_VERDICT_NOT_TCP;
	if (mt_identify_is_mail_number(ports, from) || mt_identify_is_mail_number(ports, to))
		return MT_VERDICT_DIALOGUE;
	if (header < MT_PACKET_USUAL_BYTES || header > bytes)
		return MT_VERDICT_COUNT;
	if (bytes > header && mt_identify_is_greeting_byte(packet->tcp[header]))
		return MT_VERDICT_COUNT;
	return mt_identify_is_known(filter, packet, from, to) ? MT_VERDICT_COUNT : MT_VERDICT_NOT_MAIL;
}

/**
 * Bytes of the PROXY header that a balancer has put in front of all that the client says: a line
 * (version 1), or a block that tells its length (version 2).
 *
 * begin   the client's first bytes; MT_IDENTIFY_PROXY_BYTES are always enough
 * Result  0 where it is none; UINT32_MAX where more bytes are needed to tell
 * Source  HAProxy, doc/proxy-protocol.txt 2.1, 2.2
 */
#define MT_IDENTIFY_PROXY_BYTES 107
uint32_t mt_identify_proxy_header(struct mt_span begin);

/** What a line says about the protocol. */
enum mt_identify_answer {
	MT_IDENTIFY_NO,	     /* no line of a mail protocol */
	MT_IDENTIFY_PERHAPS, /* another protocol speaks like this too: the other side decides */
	MT_IDENTIFY_YES,
};

#define MT_IDENTIFY_GREETING_BYTES 9 /* so many bytes always decide */

/** Whether bytes begin like a greeting; _PERHAPS where more of them must tell. */
enum mt_identify_answer mt_identify_greeting(struct mt_span begin);

struct mt_identify_result {
	enum mt_identify_answer answer;
	enum mt_protocol protocol; /* unless NO */
	bool is_greeting;	   /* server lines: a greeting, not a later reply */
	bool is_ambiguous;	   /* ... unless it comes from the middle: later replies look the same */
};

/**
 * Judge a line of the server's, without its end.
 * hint    the protocol that the port suggests, or MT_PROTOCOL_COUNT
 * is_first  the line is the first of the connection
 */
struct mt_identify_result mt_identify_server_line(struct mt_span line, enum mt_protocol hint, bool is_first);

/**
 * Judge a line of the client's, without its end; secrets are cut off already.
 * hint        what the port suggests, or the server's greeting
 * is_greeted  the hint comes from a greeting that another protocol could have sent too
 */
struct mt_identify_result mt_identify_client_line(struct mt_span line, enum mt_protocol hint,
						  bool is_greeted);

/** The protocol an ALPN name stands for (RFC 7301 registry: imap, pop3; smtp in use); _COUNT for another one.
 */
enum mt_protocol mt_identify_alpn(struct mt_span name);

#endif
