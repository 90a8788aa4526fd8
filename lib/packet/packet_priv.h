/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * How a frame is read: header by header. Each reader takes its header off the front and leaves the question
 * that decides what follows: an EtherType, an IP protocol and so on. One table (packet.c) answers all
 * questions. Files: packet.c (links, IP, TCP), tunnel.c (headers with a packet of another network behind).
 */
#ifndef MT_PACKET_PRIV_H
#define MT_PACKET_PRIV_H

#include "packet.h"

/* What a question is about. */
enum mt_packet_kind {
	KIND_LINK,	/* enum mt_packet_link */
	KIND_ETHERTYPE, /* behind a link header, or inside a tunnel that says so in the same numbers */
	KIND_FAMILY,	/* AF_INET or AF_INET6 in the numbers of the BSDs */
	KIND_VERSION,	/* the nibble that an IP header begins with */
	KIND_PPP,	/* PPP protocol */
	KIND_PROTOCOL,	/* IPv4 protocol, IPv6 next header */
	KIND_UDP_PORT,	/* destination port */
	KIND_INNER,	/* protocol type of GRE and GENEVE */
	KIND_COUNT
};

#define QUESTION(kind, number) ((uint32_t)(kind) << 16 | (number))
#define LINK(number)	       QUESTION(KIND_LINK, number)
#define ETHERTYPE(number)      QUESTION(KIND_ETHERTYPE, number)
#define FAMILY(number)	       QUESTION(KIND_FAMILY, number)
#define VERSION(number)	       QUESTION(KIND_VERSION, number)
#define PPP(number)	       QUESTION(KIND_PPP, number)
#define PROTOCOL(number)       QUESTION(KIND_PROTOCOL, number)
#define UDP_PORT(number)       QUESTION(KIND_UDP_PORT, number)
#define INNER(number)	       QUESTION(KIND_INNER, number)

/* A reader's answer where the next question is to be asked: no verdict yet. */
#define READ_ON MT_VERDICT_COUNT

/** Where the reading stands. */
struct mt_packet_walk {
	const uint8_t *frame;  /* its first byte */
	const uint8_t *at;     /* first byte not yet read */
	const uint8_t *end;    /* behind the frame, then behind the IP datagram's bytes in it */
	const uint8_t *ip;     /* the innermost IP header */
	struct mt_packet *ret; /* written at the end of the path alone */
	uint32_t question;     /* what follows, see QUESTION */
	uint32_t ip_bytes;     /* of the IP datagram, as promised */
	uint8_t ip_version;    /* 4 or 6 */
	uint8_t tunnels;       /* entered so far */
	uint8_t vlan_count;    /* of vlan[] */
	uint16_t vlan[MT_PACKET_VLANS_MAX];
};

static inline size_t mt_packet_left(const struct mt_packet_walk *walk)
{
	return (size_t)(walk->end - walk->at);
}

/* Readers of tunnel.c. Result  READ_ON with the next question, or a verdict. */
enum mt_verdict mt_packet_read_mpls(struct mt_packet_walk *walk);
enum mt_verdict mt_packet_read_mpls_in_ip(struct mt_packet_walk *walk);
enum mt_verdict mt_packet_read_pppoe(struct mt_packet_walk *walk);
enum mt_verdict mt_packet_read_ip_in_ip(struct mt_packet_walk *walk);
enum mt_verdict mt_packet_read_gre(struct mt_packet_walk *walk);
enum mt_verdict mt_packet_read_erspan_2(struct mt_packet_walk *walk);
enum mt_verdict mt_packet_read_erspan_3(struct mt_packet_walk *walk);
enum mt_verdict mt_packet_read_vxlan(struct mt_packet_walk *walk);
enum mt_verdict mt_packet_read_geneve(struct mt_packet_walk *walk);
enum mt_verdict mt_packet_read_gtp_u(struct mt_packet_walk *walk);

#endif
