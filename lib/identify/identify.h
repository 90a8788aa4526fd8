/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Which protocol is it? First look at a packet, mail ports as a hint, first lines of either side.
 * The port is a hint, the dialogue decides (BEHAVIOURS G1).
 */
#ifndef MT_IDENTIFY_H
#define MT_IDENTIFY_H

#include "base.h"
#include "packet.h"

/** What is expected on a port. */
struct mt_identify_port {
	uint8_t protocol; /* enum mt_protocol; MT_PROTOCOL_COUNT for no mail port */
	bool is_implicit; /* TLS from the first byte */
};

struct mt_identify_ports {
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

static inline bool mt_identify_is_mail_port(const struct mt_identify_ports *ports,
					    const struct mt_packet *packet)
{
	return ports->port[packet->dst_port].protocol != MT_PROTOCOL_COUNT ||
	       ports->port[packet->src_port].protocol != MT_PROTOCOL_COUNT;
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
