/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "packet.h"

/*
 * A frame is read header by header. Each reader takes its header off the front and leaves the question
 * that decides what follows: an EtherType, an IP protocol and so on. One table answers all questions.
 */
#define QUESTION(kind, number) ((uint32_t)(kind) << 16 | (number))
#define LINK(number)	       QUESTION(0, number) /* enum mt_packet_link */
#define ETHERTYPE(number)      QUESTION(1, number)
#define FAMILY(number)	       QUESTION(2, number) /* AF_INET or AF_INET6 in the numbers of the BSDs */
#define VERSION(number)	       QUESTION(3, number) /* the nibble that an IP header begins with */
#define PROTOCOL(number)       QUESTION(4, number) /* IPv4 protocol, IPv6 next header */

/* A reader's answer where the next question is to be asked: no verdict yet. */
#define READ_ON MT_VERDICT_COUNT

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
};

/** Where the reading stands. */
struct walk {
	const uint8_t *at;     /* first byte not yet read */
	const uint8_t *end;    /* behind the frame, then behind the IP datagram's bytes in it */
	const uint8_t *ip;     /* the innermost IP header */
	struct mt_packet *ret; /* written by the TCP reader alone, after its last check */
	uint32_t question;     /* what follows, see QUESTION */
	uint32_t ip_bytes;     /* of the IP datagram, as promised */
	uint8_t ip_version;    /* 4 or 6 */
	uint8_t vlan_count;    /* of vlan[] */
	uint16_t vlan[MT_PACKET_VLANS_MAX];
};

static inline size_t bytes_left(const struct walk *walk)
{
	return (size_t)(walk->end - walk->at);
}

/* A link header of fixed size with an EtherType at type_at. */
static inline enum mt_verdict read_fixed(struct walk *walk, size_t size, size_t type_at)
{
	if (bytes_left(walk) < size)
		return MT_VERDICT_MALFORMED;
	walk->question = ETHERTYPE(mt_read_be16(walk->at + type_at));
	walk->at += size;
	return READ_ON;
}

/* Destination, source, EtherType. A value below 0x600 is a length (IEEE 802.3 3.2.6): no row, not IP. */
static inline enum mt_verdict read_ethernet(struct walk *walk)
{
	return read_fixed(walk, 14, 12);
}

static enum mt_verdict read_cooked_v1(struct walk *walk)
{
	return read_fixed(walk, 16, 14);
}

static enum mt_verdict read_cooked_v2(struct walk *walk)
{
	return read_fixed(walk, 20, 0);
}

/* The address family stands in the byte order of the machine that captured: small either way. */
static enum mt_verdict read_bsd_null(struct walk *walk)
{
	uint32_t family;

	if (bytes_left(walk) < sizeof(family))
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

static enum mt_verdict read_raw_ip(struct walk *walk)
{
	if (bytes_left(walk) < 1)
		return MT_VERDICT_MALFORMED;
	walk->question = VERSION(walk->at[0] >> 4);
	return READ_ON;
}

/* Priority, drop bit and 12 bits of identifier, then what follows (IEEE 802.1Q 9.6). */
static enum mt_verdict read_tag(struct walk *walk)
{
	if (bytes_left(walk) < TAG_BYTES)
		return MT_VERDICT_MALFORMED;
	if (walk->vlan_count < MT_PACKET_VLANS_MAX)
		walk->vlan[walk->vlan_count++] = mt_read_be16(walk->at) & 0xfff;
	walk->question = ETHERTYPE(mt_read_be16(walk->at + 2));
	walk->at += TAG_BYTES;
	return READ_ON;
}

/* What lies behind the datagram is padding; what it promises beyond the frame was cut by the capture. */
static inline void enter_datagram(struct walk *walk, uint8_t version, uint32_t promised)
{
	walk->ip = walk->at;
	walk->ip_version = version;
	walk->ip_bytes = promised;
	if (promised < bytes_left(walk))
		walk->end = walk->at + promised;
}

/*
 * A length of 0 is written by senders that leave the cutting into segments to the card: the frame's
 * length counts. In a frame so small that it may be padded it is no length at all.
 */
static inline uint32_t offload_bytes(const struct walk *walk, uint32_t if_small)
{
	return bytes_left(walk) > PADDED_BYTES ? (uint32_t)bytes_left(walk) : if_small;
}

/* RFC 791 3.1 */
static inline enum mt_verdict read_ipv4(struct walk *walk)
{
	const uint8_t *ip = walk->at;

	if (bytes_left(walk) < IPV4_BYTES || ip[0] >> 4 != 4)
		return MT_VERDICT_MALFORMED;

	size_t header_bytes = (size_t)(ip[0] & 0xf) * 4;
	uint32_t promised = mt_read_be16(ip + 2);
	if (mt_unlikely(promised == 0))
		promised = offload_bytes(walk, 0);
	if (header_bytes < IPV4_BYTES || header_bytes > promised || header_bytes > bytes_left(walk))
		return MT_VERDICT_MALFORMED;
	if (mt_read_be16(ip + 6) & 0x3fff) /* more fragments, or an offset */
		return MT_VERDICT_FRAGMENT;

	enter_datagram(walk, 4, promised);
	walk->at += header_bytes;
	walk->question = PROTOCOL(ip[9]);
	return READ_ON;
}

/*
 * An IPv6 length of 0: a jumbogram says its length in a hop-by-hop option, and Linux writes that option
 * first (RFC 2675 2). Without it, offload as with IPv4.
 */
static uint32_t jumbo_bytes(const struct walk *walk)
{
	const uint8_t *option = walk->at + IPV6_BYTES + 2;
	bool has_options = walk->at[6] == 0 && bytes_left(walk) >= IPV6_BYTES + EXTENSION_BYTES;

	if (has_options && option[0] == 0xc2 && option[1] == 4 && mt_read_be32(option + 2) > UINT16_MAX &&
	    mt_read_be32(option + 2) <= UINT32_MAX - IPV6_BYTES)
		return mt_read_be32(option + 2) + IPV6_BYTES;
	return offload_bytes(walk, IPV6_BYTES);
}

/* RFC 8200 3 */
static inline enum mt_verdict read_ipv6(struct walk *walk)
{
	const uint8_t *ip = walk->at;

	if (bytes_left(walk) < IPV6_BYTES || ip[0] >> 4 != 6)
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
static enum mt_verdict step_over(struct walk *walk, size_t size)
{
	if (bytes_left(walk) < size)
		return MT_VERDICT_MALFORMED;
	walk->question = PROTOCOL(walk->at[0]);
	walk->at += size;
	return READ_ON;
}

/* Hop-by-hop options, routing, destination options: IPv6 only; the length leaves out the first 8 bytes. */
static enum mt_verdict read_extension(struct walk *walk)
{
	if (walk->ip_version != 6)
		return MT_VERDICT_NOT_TCP;
	if (bytes_left(walk) < EXTENSION_BYTES)
		return MT_VERDICT_MALFORMED;
	return step_over(walk, EXTENSION_BYTES + (size_t)walk->at[1] * 8);
}

/* A fragment header with offset 0 and nothing to follow is a whole datagram (RFC 8200 4.5). */
static enum mt_verdict read_fragment(struct walk *walk)
{
	if (walk->ip_version != 6)
		return MT_VERDICT_NOT_TCP;
	if (bytes_left(walk) < EXTENSION_BYTES)
		return MT_VERDICT_MALFORMED;
	if (mt_read_be16(walk->at + 2) & 0xfff9)
		return MT_VERDICT_FRAGMENT;
	return step_over(walk, EXTENSION_BYTES);
}

/* Signs and does not hide; IPv4 has it too. In words of 4 bytes, less two (RFC 4302 2.2). */
static enum mt_verdict read_authentication(struct walk *walk)
{
	if (bytes_left(walk) < EXTENSION_BYTES)
		return MT_VERDICT_MALFORMED;
	return step_over(walk, ((size_t)walk->at[1] + 2) * 4);
}

static enum mt_verdict meet_tunnel(struct walk *walk)
{
	(void)walk;
	return MT_VERDICT_TUNNEL;
}

static inline void copy_addresses(struct mt_packet *ret, const struct walk *walk)
{
	if (walk->ip_version == 4) {
		memcpy(ret->src, walk->ip + 12, 4);
		memcpy(ret->dst, walk->ip + 16, 4);
	} else {
		memcpy(ret->src, walk->ip + 8, 16);
		memcpy(ret->dst, walk->ip + 24, 16);
	}
}

/* RFC 9293 3.1. The end of every path: only here is the result written. */
static inline enum mt_verdict read_tcp(struct walk *walk)
{
	const uint8_t *tcp = walk->at;
	size_t header_bytes, unread = bytes_left(walk);

	if (unread < TCP_BYTES)
		return MT_VERDICT_MALFORMED;
	header_bytes = (size_t)(tcp[12] >> 4) * 4;
	if (header_bytes < TCP_BYTES || header_bytes > unread)
		return MT_VERDICT_MALFORMED;

	*walk->ret = (struct mt_packet){
	    .ip_version = walk->ip_version,
	    .tcp_flags = tcp[13],
	    .vlan_count = walk->vlan_count,
	    .is_truncated = walk->ip_bytes > (size_t)(walk->end - walk->ip),
	    .vlan = {walk->vlan[0], walk->vlan[1]},
	    .src_port = mt_read_be16(tcp),
	    .dst_port = mt_read_be16(tcp + 2),
	    .seq = mt_read_be32(tcp + 4),
	    .ack = mt_read_be32(tcp + 8),
	    .ip_bytes = walk->ip_bytes,
	    .payload_wire_len = walk->ip_bytes - (uint32_t)(tcp + header_bytes - walk->ip),
	    .payload = mt_span(tcp + header_bytes, unread - header_bytes),
	};
	copy_addresses(walk->ret, walk);
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
	ROW(ETHERTYPE(0x8100), read_tag)    /* IEEE 802.1Q */                                                \
	ROW(ETHERTYPE(0x88a8), read_tag)    /* IEEE 802.1ad, the outer one */                                \
	ROW(ETHERTYPE(0x9100), read_tag)    /* the outer one before there was a standard */                  \
	ROW(ETHERTYPE(0x8847), meet_tunnel) /* MPLS */                                                       \
	ROW(ETHERTYPE(0x8848), meet_tunnel) /* MPLS with an upstream label */                                \
	ROW(ETHERTYPE(0x8864), meet_tunnel) /* PPPoE session */                                              \
	ROW(FAMILY(2), read_ipv4)                                                                            \
	ROW(FAMILY(24), read_ipv6) /* NetBSD, OpenBSD */                                                     \
	ROW(FAMILY(28), read_ipv6) /* FreeBSD */                                                             \
	ROW(FAMILY(30), read_ipv6) /* macOS */                                                               \
	ROW(VERSION(4), read_ipv4)                                                                           \
	ROW(VERSION(6), read_ipv6)                                                                           \
	ROW(PROTOCOL(0), read_extension) /* hop-by-hop options */                                            \
	ROW(PROTOCOL(4), meet_tunnel)	 /* IPv4 */                                                          \
	ROW(PROTOCOL(6), read_tcp)                                                                           \
	ROW(PROTOCOL(41), meet_tunnel)	  /* IPv6 */                                                         \
	ROW(PROTOCOL(43), read_extension) /* routing */                                                      \
	ROW(PROTOCOL(44), read_fragment)                                                                     \
	ROW(PROTOCOL(47), meet_tunnel) /* GRE */                                                             \
	ROW(PROTOCOL(51), read_authentication)                                                               \
	ROW(PROTOCOL(60), read_extension) /* destination options */                                          \
	ROW(PROTOCOL(137), meet_tunnel)	  /* MPLS */

/* A number without a row: of a protocol inside IP, or of something beside IP. */
static inline enum mt_verdict read_header(struct walk *walk)
{
#define READER_CASE(number, reader)                                                                          \
	case number:                                                                                         \
		return reader(walk);
	switch (walk->question) {
		READERS(READER_CASE)
	default:
		return walk->question >= PROTOCOL(0) ? MT_VERDICT_NOT_TCP : MT_VERDICT_NOT_IP;
	}
#undef READER_CASE
}

enum mt_verdict mt_packet_decode(enum mt_packet_link link, struct mt_span frame, struct mt_packet *ret)
{
	struct walk walk = {
	    .at = frame.data,
	    .end = frame.data + frame.len,
	    .ret = ret,
	    .question = LINK(link),
	};

	for (unsigned headers = 0; headers < HEADERS_MAX; headers++) {
		enum mt_verdict verdict = read_header(&walk);
		if (verdict != READ_ON)
			return verdict;
	}
	return MT_VERDICT_MALFORMED;
}
