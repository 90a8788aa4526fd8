/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "packet_priv.h"

/* Headers in one frame, link and TCP included. No honest sender comes near; it bounds the work. */
#define HEADERS_MAX 16

/* No Ethernet frame is padded beyond this much behind its header (IEEE 802.3 3.2.8). */
#define PADDED_BYTES 46

enum {
	TAG_BYTES = 4, /* of which the EtherType that follows are the last two */
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	EXTENSION_BYTES = 8, /* the least; also the size of a fragment header */
	TCP_BYTES = 20,
	UDP_BYTES = 8,
};

/* A link header of fixed size with an EtherType at type_at. */
static inline enum mt_verdict read_fixed(struct mt_packet_walk *walk, size_t size, size_t type_at)
{
	if (mt_packet_left(walk) < size)
		return MT_VERDICT_MALFORMED;
	walk->question = ETHERTYPE(mt_read_be16(walk->at + type_at));
	walk->at += size;
	return READ_ON;
}

/* Destination, source, EtherType. A value below 0x600 is a length (IEEE 802.3 3.2.6): no row, not IP. */
static inline enum mt_verdict read_ethernet(struct mt_packet_walk *walk)
{
	return read_fixed(walk, 14, 12);
}

static enum mt_verdict read_cooked_v1(struct mt_packet_walk *walk)
{
	return read_fixed(walk, 16, 14);
}

static enum mt_verdict read_cooked_v2(struct mt_packet_walk *walk)
{
	return read_fixed(walk, 20, 0);
}

/* The address family stands in the byte order of the machine that captured: small either way. */
static enum mt_verdict read_bsd_null(struct mt_packet_walk *walk)
{
	uint32_t family;

	if (mt_packet_left(walk) < sizeof(family))
		return MT_VERDICT_MALFORMED;
	family = mt_read_be32(walk->at);
	if (family > UINT16_MAX)
		family = __builtin_bswap32(family);
	if (family > UINT16_MAX)
		return MT_VERDICT_NOT_IP;
	walk->question = FAMILY(family);
	walk->at += sizeof(family);
	return READ_ON;
}

static enum mt_verdict read_raw_ip(struct mt_packet_walk *walk)
{
	if (mt_packet_left(walk) < 1)
		return MT_VERDICT_MALFORMED;
	walk->question = VERSION(walk->at[0] >> 4);
	return READ_ON;
}

/* Priority, drop bit and 12 bits of identifier, then what follows (IEEE 802.1Q 9.6). */
static enum mt_verdict read_tag(struct mt_packet_walk *walk)
{
	if (mt_packet_left(walk) < TAG_BYTES)
		return MT_VERDICT_MALFORMED;
	if (walk->vlan_count < MT_PACKET_VLANS_MAX)
		walk->vlan[walk->vlan_count++] = mt_read_be16(walk->at) & 0xfff;
	walk->question = ETHERTYPE(mt_read_be16(walk->at + 2));
	walk->at += TAG_BYTES;
	return READ_ON;
}

/* What lies behind the datagram is padding; what it promises beyond the frame was cut by the capture. */
static inline void enter_datagram(struct mt_packet_walk *walk, uint8_t version, uint32_t promised)
{
	walk->ip = walk->at;
	walk->ip_version = version;
	walk->ip_bytes = promised;
	if (promised < mt_packet_left(walk))
		walk->end = walk->at + promised;
}

/*
 * A length of 0 is written by senders that leave the cutting into segments to the card: the frame's
 * length counts. In a frame so small that it may be padded it is no length at all.
 */
static inline uint32_t offload_bytes(const struct mt_packet_walk *walk, uint32_t if_small)
{
	return mt_packet_left(walk) > PADDED_BYTES ? (uint32_t)mt_packet_left(walk) : if_small;
}

/* What every end of a path tells of link and IP. */
static inline void fill_ip(struct mt_packet *ret, const struct mt_packet_walk *walk)
{
	bool is_v4 = walk->ip_version == 4;

	*ret = (struct mt_packet){
	    .ip_version = walk->ip_version,
	    .vlan_count = walk->vlan_count,
	    .tunnels = walk->tunnels,
	    .is_truncated = walk->ip_bytes > (size_t)(walk->end - walk->ip),
	    .vlan = {walk->vlan[0], walk->vlan[1]},
	    .ip_at = (uint32_t)(walk->ip - walk->frame),
	    .ip_bytes = walk->ip_bytes,
	};
	memcpy(ret->src, walk->ip + (is_v4 ? 12 : 8), is_v4 ? 4 : 16);
	memcpy(ret->dst, walk->ip + (is_v4 ? 16 : 24), is_v4 ? 4 : 16);
}

static enum mt_verdict end_at_fragment(struct mt_packet_walk *walk)
{
	fill_ip(walk->ret, walk);
	walk->ret->ip_header_bytes = (uint32_t)(walk->at - walk->ip);
	return MT_VERDICT_FRAGMENT;
}

/* RFC 791 3.1 */
static inline enum mt_verdict read_ipv4(struct mt_packet_walk *walk)
{
	const uint8_t *ip = walk->at;

	if (mt_packet_left(walk) < IPV4_BYTES || ip[0] >> 4 != 4)
		return MT_VERDICT_MALFORMED;

	size_t header_bytes = (size_t)(ip[0] & 0xf) * 4;
	uint32_t promised = mt_read_be16(ip + 2);
	if (mt_unlikely(promised == 0))
		promised = offload_bytes(walk, 0);
	if (header_bytes < IPV4_BYTES || header_bytes > promised || header_bytes > mt_packet_left(walk))
		return MT_VERDICT_MALFORMED;

	enter_datagram(walk, 4, promised);
	walk->at += header_bytes;
	walk->question = PROTOCOL(ip[9]);
	if (mt_unlikely(mt_read_be16(ip + 6) & 0x3fff)) /* more fragments, or an offset */
		return end_at_fragment(walk);
	return READ_ON;
}

/*
 * An IPv6 length of 0: a jumbogram says its length in a hop-by-hop option, and Linux writes that option
 * first (RFC 2675 2). Without it, offload as with IPv4.
 */
static uint32_t jumbo_bytes(const struct mt_packet_walk *walk)
{
	const uint8_t *option = walk->at + IPV6_BYTES + 2;
	bool has_options = walk->at[6] == 0 && mt_packet_left(walk) >= IPV6_BYTES + EXTENSION_BYTES;

	if (has_options && option[0] == 0xc2 && option[1] == 4 && mt_read_be32(option + 2) > UINT16_MAX &&
	    mt_read_be32(option + 2) <= UINT32_MAX - IPV6_BYTES)
		return mt_read_be32(option + 2) + IPV6_BYTES;
	return offload_bytes(walk, IPV6_BYTES);
}

/* RFC 8200 3 */
static inline enum mt_verdict read_ipv6(struct mt_packet_walk *walk)
{
	const uint8_t *ip = walk->at;

	if (mt_packet_left(walk) < IPV6_BYTES || ip[0] >> 4 != 6)
		return MT_VERDICT_MALFORMED;

	uint32_t promised = mt_read_be16(ip + 4) + IPV6_BYTES;
	if (mt_unlikely(promised == IPV6_BYTES))
		promised = jumbo_bytes(walk);
	enter_datagram(walk, 6, promised);
	walk->at += IPV6_BYTES;
	walk->question = PROTOCOL(ip[6]);
	return READ_ON;
}

/* Take an extension header off; its own first byte says what follows (RFC 8200 4). */
static enum mt_verdict step_over(struct mt_packet_walk *walk, size_t size)
{
	if (mt_packet_left(walk) < size)
		return MT_VERDICT_MALFORMED;
	walk->question = PROTOCOL(walk->at[0]);
	walk->at += size;
	return READ_ON;
}

/* Hop-by-hop options, routing, destination options: IPv6 only; the length leaves out the first 8 bytes. */
static enum mt_verdict read_extension(struct mt_packet_walk *walk)
{
	if (walk->ip_version != 6)
		return MT_VERDICT_NOT_TCP;
	if (mt_packet_left(walk) < EXTENSION_BYTES)
		return MT_VERDICT_MALFORMED;
	return step_over(walk, EXTENSION_BYTES + (size_t)walk->at[1] * 8);
}

/* A fragment header with offset 0 and nothing to follow is a whole datagram (RFC 8200 4.5). */
static enum mt_verdict read_fragment(struct mt_packet_walk *walk)
{
	if (walk->ip_version != 6)
		return MT_VERDICT_NOT_TCP;
	if (mt_packet_left(walk) < EXTENSION_BYTES)
		return MT_VERDICT_MALFORMED;
	bool is_part = (mt_read_be16(walk->at + 2) & 0xfff9) != 0;
	enum mt_verdict verdict = step_over(walk, EXTENSION_BYTES);
	return is_part ? end_at_fragment(walk) : verdict;
}

/* Signs and does not hide; IPv4 has it too. In words of 4 bytes, less two (RFC 4302 2.2). */
static enum mt_verdict read_authentication(struct mt_packet_walk *walk)
{
	if (mt_packet_left(walk) < EXTENSION_BYTES)
		return MT_VERDICT_MALFORMED;
	return step_over(walk, ((size_t)walk->at[1] + 2) * 4);
}

/* RFC 768. Of datagrams only those of tunnels matter, and they are told by where they go. */
static inline enum mt_verdict read_udp(struct mt_packet_walk *walk)
{
	if (mt_packet_left(walk) < UDP_BYTES)
		return MT_VERDICT_NOT_TCP;
	walk->question = UDP_PORT(mt_read_be16(walk->at + 2));
	walk->at += UDP_BYTES;
	return READ_ON;
}

/* RFC 9293 3.1. The end of every path: only here is the result written. */
static inline enum mt_verdict read_tcp(struct mt_packet_walk *walk)
{
	const uint8_t *tcp = walk->at;
	size_t header_bytes, unread = mt_packet_left(walk);

	if (unread < TCP_BYTES)
		return MT_VERDICT_MALFORMED;
	header_bytes = (size_t)(tcp[12] >> 4) * 4;
	if (header_bytes < TCP_BYTES || header_bytes > unread)
		return MT_VERDICT_MALFORMED;

	fill_ip(walk->ret, walk);
	walk->ret->tcp_flags = tcp[13];
	walk->ret->src_port = mt_read_be16(tcp);
	walk->ret->dst_port = mt_read_be16(tcp + 2);
	walk->ret->seq = mt_read_be32(tcp + 4);
	walk->ret->ack = mt_read_be32(tcp + 8);
	walk->ret->payload_wire_len = walk->ip_bytes - (uint32_t)(tcp + header_bytes - walk->ip);
	walk->ret->payload = mt_span(tcp + header_bytes, unread - header_bytes);
	return MT_VERDICT_DIALOGUE;
}

/*
 * Who reads what. A tunnel whose inside is to be looked into gets a reader that takes its header off
 * and asks for what it found. Numbers: IANA, IEEE 802 Numbers and Protocol Numbers.
 */
#define READERS(ROW)                                                                                         \
	ROW(LINK(MT_PACKET_LINK_ETHERNET), read_ethernet)                                                    \
	ROW(LINK(MT_PACKET_LINK_RAW_IP), read_raw_ip)                                                        \
	ROW(LINK(MT_PACKET_LINK_LINUX_SLL), read_cooked_v1)                                                  \
	ROW(LINK(MT_PACKET_LINK_LINUX_SLL2), read_cooked_v2)                                                 \
	ROW(LINK(MT_PACKET_LINK_BSD_NULL), read_bsd_null)                                                    \
	ROW(ETHERTYPE(0x0800), read_ipv4)                                                                    \
	ROW(ETHERTYPE(0x86dd), read_ipv6)                                                                    \
	ROW(ETHERTYPE(0x8100), read_tag)	     /* IEEE 802.1Q */                                       \
	ROW(ETHERTYPE(0x88a8), read_tag)	     /* IEEE 802.1ad, the outer one */                       \
	ROW(ETHERTYPE(0x9100), read_tag)	     /* the outer one before there was a standard */         \
	ROW(ETHERTYPE(0x8847), mt_packet_read_mpls)  /* MPLS */                                              \
	ROW(ETHERTYPE(0x8848), mt_packet_read_mpls)  /* MPLS with an upstream label */                       \
	ROW(ETHERTYPE(0x8864), mt_packet_read_pppoe) /* PPPoE session */                                     \
	ROW(FAMILY(2), read_ipv4)                                                                            \
	ROW(FAMILY(24), read_ipv6) /* NetBSD, OpenBSD */                                                     \
	ROW(FAMILY(28), read_ipv6) /* FreeBSD */                                                             \
	ROW(FAMILY(30), read_ipv6) /* macOS */                                                               \
	ROW(VERSION(4), read_ipv4)                                                                           \
	ROW(VERSION(6), read_ipv6)                                                                           \
	ROW(PPP(0x0021), read_ipv4)                                                                          \
	ROW(PPP(0x0057), read_ipv6)                                                                          \
	ROW(PROTOCOL(0), read_extension)	  /* hop-by-hop options */                                   \
	ROW(PROTOCOL(4), mt_packet_read_ip_in_ip) /* IPv4 */                                                 \
	ROW(PROTOCOL(6), read_tcp)                                                                           \
	ROW(PROTOCOL(17), read_udp)                                                                          \
	ROW(PROTOCOL(41), mt_packet_read_ip_in_ip) /* IPv6 */                                                \
	ROW(PROTOCOL(43), read_extension)	   /* routing */                                             \
	ROW(PROTOCOL(44), read_fragment)                                                                     \
	ROW(PROTOCOL(47), mt_packet_read_gre) /* GRE */                                                      \
	ROW(PROTOCOL(51), read_authentication)                                                               \
	ROW(PROTOCOL(60), read_extension) /* destination options */                                          \
	ROW(PROTOCOL(137), mt_packet_read_mpls_in_ip)                                                        \
	ROW(UDP_PORT(2152), mt_packet_read_gtp_u)                                                            \
	ROW(UDP_PORT(4789), mt_packet_read_vxlan)                                                            \
	ROW(UDP_PORT(8472), mt_packet_read_vxlan) /* as Linux had it before there was a number */            \
	ROW(UDP_PORT(6081), mt_packet_read_geneve)                                                           \
	ROW(INNER(0x0800), read_ipv4)                                                                        \
	ROW(INNER(0x86dd), read_ipv6)                                                                        \
	ROW(INNER(0x6558), read_ethernet) /* transparent Ethernet bridging */                                \
	ROW(INNER(0x8847), mt_packet_read_mpls)                                                              \
	ROW(INNER(0x88be), mt_packet_read_erspan_2)                                                          \
	ROW(INNER(0x22eb), mt_packet_read_erspan_3)

/* What a number without a row means, by what it is a number of. */
static const enum mt_verdict without_row[KIND_COUNT] = {
    [KIND_LINK] = MT_VERDICT_NOT_IP,	  [KIND_ETHERTYPE] = MT_VERDICT_NOT_IP,
    [KIND_FAMILY] = MT_VERDICT_NOT_IP,	  [KIND_VERSION] = MT_VERDICT_NOT_IP,
    [KIND_PPP] = MT_VERDICT_NOT_IP,	  [KIND_PROTOCOL] = MT_VERDICT_NOT_TCP,
    [KIND_UDP_PORT] = MT_VERDICT_NOT_TCP, [KIND_INNER] = MT_VERDICT_TUNNEL,
};

static inline enum mt_verdict read_header(struct mt_packet_walk *walk)
{
#define READER_CASE(number, reader)                                                                          \
	case number:                                                                                         \
		return reader(walk);
	switch (walk->question) {
		READERS(READER_CASE)
	default:
		return without_row[walk->question >> 16];
	}
#undef READER_CASE
}

enum mt_verdict mt_packet_decode(enum mt_packet_link link, struct mt_span frame, struct mt_packet *ret)
{
	struct mt_packet_walk walk = {
	    .frame = frame.data,
	    .at = frame.data,
	    .end = frame.data + frame.len,
	    .ret = ret,
	    .question = LINK(link),
	};

	struct mt_packet_usual usual;
	enum mt_verdict verdict = READ_ON;

	if (mt_likely(link == MT_PACKET_LINK_ETHERNET) && mt_packet_is_usual(frame, &usual) &&
	    mt_packet_fill(ret, frame, &usual))
		return MT_VERDICT_DIALOGUE;
	for (unsigned headers = 0; headers < HEADERS_MAX && verdict == READ_ON; headers++)
		verdict = read_header(&walk);
	if (verdict != READ_ON)
		return verdict;
	return walk.tunnels > 0 ? MT_VERDICT_TUNNEL : MT_VERDICT_MALFORMED;
}
