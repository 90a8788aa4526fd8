/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * From the bytes of a frame to the headers of the TCP segment in it, through any tunnel that a mirror or
 * a network may have put around it: the innermost packet is what counts.
 * Not here: flows, streams, checksums (an end host's capture has partial ones, see the README).
 * Called by the receiving worker for every frame; reads nothing behind the span, keeps nothing.
 */
#ifndef MT_PACKET_H
#define MT_PACKET_H

#include <emmintrin.h>

#include "base.h"

/** What a frame begins with. The numbers of the capture formats (DLT_*) are mapped by the caller. */
enum mt_packet_link {
	MT_PACKET_LINK_ETHERNET,
	MT_PACKET_LINK_RAW_IP,	   /* the IP header at once; its version nibble tells which */
	MT_PACKET_LINK_LINUX_SLL,  /* Linux cooked v1, 16 bytes */
	MT_PACKET_LINK_LINUX_SLL2, /* Linux cooked v2, 20 bytes */
	MT_PACKET_LINK_BSD_NULL,   /* 4 bytes of address family in either byte order */
	MT_PACKET_LINK_COUNT
};

#define MT_PACKET_VLANS_MAX 2 /* identifiers kept; further tags are stepped over */

enum mt_tcp_flag {
	MT_TCP_FIN = 0x01,
	MT_TCP_SYN = 0x02,
	MT_TCP_RST = 0x04,
	MT_TCP_PSH = 0x08,
	MT_TCP_ACK = 0x10,
};

/** One TCP segment. Addresses stand in wire order; an IPv4 address fills the first four bytes. */
struct mt_packet {
	uint8_t ip_version; /* 4 or 6 */
	uint8_t tcp_flags;  /* enum mt_tcp_flag */
	uint8_t vlan_count; /* identifiers in vlan[], outermost first, of the innermost network */
	uint8_t tunnels;    /* headers of other networks that stood around it */
	bool is_truncated;  /* the capture's snap length cut bytes that the IP length promises */
	uint16_t vlan[MT_PACKET_VLANS_MAX]; /* 0 where there was no tag; an identifier may be 0 as well */
	uint16_t src_port;
	uint16_t dst_port;
	uint8_t src[16];
	uint8_t dst[16];
	uint32_t seq;
	uint32_t ack;		   /* meaningful with MT_TCP_ACK */
	uint32_t ip_at;		   /* bytes of the frame before the innermost IP header */
	uint32_t ip_bytes;	   /* of the innermost IP datagram, header included, as on the wire */
	uint32_t ip_header_bytes;  /* a fragment's: of its IP header, IPv6 fragment header included */
	uint32_t payload_wire_len; /* bytes of TCP payload that the IP length promises */
	struct mt_span payload;	   /* borrowed from the frame; shorter than promised where truncated */
};

/**
 * Read one frame.
 * frame     borrowed; may end anywhere
 * ret       written only where the result is MT_VERDICT_DIALOGUE; where it is _FRAGMENT, what belongs to
 *           IP and the link is written, ports and payload are zero
 * Result    MT_VERDICT_DIALOGUE for a TCP segment that can go on; else the verdict it is counted
 *           under: _NOT_IP, _NOT_TCP, _MALFORMED, _FRAGMENT, _TUNNEL
 * Owner     any core
 *           _TUNNEL: a tunnel that is not looked into, or more of them in each other than are
 * Source    IEEE 802.1Q and 802.1ad; RFC 791; RFC 8200 4 (extension headers); RFC 9293 3.1.
 *           An IP total length of 0 with a large frame is segmentation offload: the frame's length counts.
 *           TCP payload ends at the IP length, not at the padded frame.
 */
enum mt_verdict mt_packet_decode(enum mt_packet_link link, struct mt_span frame, struct mt_packet *ret);

/** IEEE 802.1Q, 802.1ad, and what stood for the latter before there was a standard. */
static inline bool mt_packet_is_tag(const uint8_t *type)
{
	uint16_t number = mt_read_be16(type);

	return number == 0x8100 || number == 0x88a8 || number == 0x9100;
}

/** UDP to this port holds another network's packets: GTP-U, VXLAN, GENEVE, VXLAN before it had a number. */
static inline bool mt_packet_is_tunnel(uint16_t udp_port)
{
	return udp_port == 2152 || udp_port == 4789 || udp_port == 6081 || udp_port == 8472;
}

/** Where the parts of a usual packet stand. */
struct mt_packet_usual {
	const uint8_t *ip;  /* borrowed from the frame, as are the next two */
	const uint8_t *tcp; /* or UDP's header; MT_PACKET_USUAL_BYTES of the frame stand there, or more */
	const uint8_t *end; /* behind the datagram's last byte */
	uint8_t ip_version; /* 4 or 6 */
	uint8_t protocol;   /* 6 TCP, 17 UDP */
};

#define MT_PACKET_USUAL_BYTES 20

/* All of the datagram's bytes are there, and a header that somebody may want to read. */
static inline bool mt_packet_is_whole(struct mt_packet_usual *ret, uint8_t protocol, size_t header,
				      size_t bytes, size_t left)
{
	const size_t udp = 8;

	ret->protocol = protocol;
	ret->tcp = ret->ip + header;
	ret->end = ret->ip + bytes;
	if (bytes < header + udp || bytes > left || left < header + MT_PACKET_USUAL_BYTES)
		return false;
	return protocol == 6 || (protocol == 17 && !mt_packet_is_tunnel(mt_read_be16(ret->tcp + 2)));
}

/**
 * Whether an Ethernet frame is what nearly every one is: two tags at most, a whole datagram of IPv4 without
 * options or of IPv6 without extensions, and TCP or no tunnel's UDP in it. A few compares, nothing written:
 * what tells whether decoding is worth it. What is refused here is decoded.
 * Result  true with *ret filled
 * Owner   any core
 */
static inline bool mt_packet_is_usual(struct mt_span frame, struct mt_packet_usual *ret)
{
	const size_t macs = 12, tag = 4, ipv4 = 20, ipv6 = 40;
	const uint8_t *type = frame.data + macs;
	size_t left;

	if (mt_unlikely(frame.len < macs + 2 + ipv4 + MT_PACKET_USUAL_BYTES))
		return false;
	for (int tags = 0; tags < 2 && mt_unlikely(mt_packet_is_tag(type)); tags++)
		type += tag;
	ret->ip = type + 2;
	left = (size_t)(frame.data + frame.len - ret->ip);
	ret->ip_version = ret->ip[0] >> 4;
	if (mt_likely(mt_read_be16(type) == 0x0800)) /* no options, and no part of anything */
		return ret->ip[0] == 0x45 && (mt_read_be16(ret->ip + 6) & 0x3fff) == 0 &&
		       mt_packet_is_whole(ret, ret->ip[9], ipv4, mt_read_be16(ret->ip + 2), left);
	return mt_read_be16(type) == 0x86dd && ret->ip_version == 6 &&
	       mt_packet_is_whole(ret, ret->ip[6], ipv6, mt_read_be16(ret->ip + 4) + ipv6, left);
}

/* Each address is written whole, as it will be read: what lies in two stores is slow to come by. */
static inline void mt_packet_fill_addresses(struct mt_packet *ret, const struct mt_packet_usual *usual)
{
	int32_t src, dst;

	if (mt_likely(usual->ip_version == 4)) {
		memcpy(&src, usual->ip + 12, sizeof(src));
		memcpy(&dst, usual->ip + 16, sizeof(dst));
		_mm_storeu_si128((__m128i *)ret->src, _mm_cvtsi32_si128(src));
		_mm_storeu_si128((__m128i *)ret->dst, _mm_cvtsi32_si128(dst));
	} else {
		memcpy(ret->src, usual->ip + 8, sizeof(ret->src));
		memcpy(ret->dst, usual->ip + 24, sizeof(ret->dst));
	}
}

/* Behind the two addresses of Ethernet stand the tags, then the type. */
static inline void mt_packet_fill_tags(struct mt_packet *ret, const uint8_t *frame)
{
	ret->vlan_count = (uint8_t)((ret->ip_at - 14) / 4);
	for (unsigned i = 0; i < ret->vlan_count; i++)
		ret->vlan[i] = mt_read_be16(frame + 14 + i * 4) & 0xfff;
}

/**
 * Decode a usual packet, in one go: what mt_packet_decode() would make of it.
 * frame   as given to mt_packet_is_usual(), which has filled usual
 * Result  false where it is no TCP segment after all; then decode it
 * Owner   any core
 */
static inline bool mt_packet_fill(struct mt_packet *ret, struct mt_span frame,
				  const struct mt_packet_usual *usual)
{
	const uint8_t *tcp = usual->tcp;
	uint32_t bytes = (uint32_t)(usual->end - tcp), header = (uint32_t)(tcp[12] >> 4) * 4;

	if (usual->protocol != 6 || header < MT_PACKET_USUAL_BYTES || header > bytes)
		return false;
	ret->ip_version = usual->ip_version;
	ret->tcp_flags = tcp[13];
	ret->tunnels = 0;
	ret->is_truncated = false;
	ret->src_port = mt_read_be16(tcp);
	ret->dst_port = mt_read_be16(tcp + 2);
	mt_packet_fill_addresses(ret, usual);
	ret->seq = mt_read_be32(tcp + 4);
	ret->ack = mt_read_be32(tcp + 8);
	ret->ip_at = (uint32_t)(usual->ip - frame.data);
	ret->ip_bytes = (uint32_t)(usual->end - usual->ip);
	ret->ip_header_bytes = 0;
	ret->payload_wire_len = bytes - header;
	ret->payload = mt_span(tcp + header, bytes - header);
	ret->vlan_count = 0;
	ret->vlan[0] = ret->vlan[1] = 0;
	if (mt_unlikely(ret->ip_at > 14))
		mt_packet_fill_tags(ret, frame.data);
	return true;
}

#endif
