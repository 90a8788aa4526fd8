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

#endif
