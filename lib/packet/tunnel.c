/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "packet_priv.h"

/* Tunnels in tunnels. Mirrors nest two at most (a mirrored overlay); it bounds what a crafted frame costs. */
#define TUNNELS_MAX 4

enum {
	LABEL_BYTES = 4,
	CONTROL_WORD_BYTES = 4,
	PPPOE_BYTES = 6,
	GRE_BYTES = 4,
	ERSPAN_2_BYTES = 8,
	ERSPAN_3_BYTES = 12,
	ERSPAN_3_PLATFORM_BYTES = 8,
	VXLAN_BYTES = 8,
	GENEVE_BYTES = 8,
	GTP_U_BYTES = 8,
};

/* Take the header off: what follows belongs to another network, whose VLANs are its own. */
static enum mt_verdict enter(struct mt_packet_walk *walk, size_t header_bytes, uint32_t question)
{
	if (mt_packet_left(walk) < header_bytes)
		return MT_VERDICT_MALFORMED;
	if (walk->tunnels == TUNNELS_MAX)
		return MT_VERDICT_TUNNEL;
	walk->tunnels++;
	walk->vlan_count = 0;
	memset(walk->vlan, 0, sizeof(walk->vlan));
	walk->at += header_bytes;
	walk->question = question;
	return READ_ON;
}

/* Behind the last label nothing says what follows but its own first nibble: an IP version, or 0 for the
 * control word of an Ethernet pseudowire (RFC 4385 3). One without that word cannot be told apart. */
static enum mt_verdict leave_mpls(struct mt_packet_walk *walk)
{
	if (mt_packet_left(walk) == 0)
		return MT_VERDICT_MALFORMED;
	switch (walk->at[0] >> 4) {
	case 4:
	case 6:
		walk->question = VERSION(walk->at[0] >> 4);
		return READ_ON;
	case 0:
		return enter(walk, CONTROL_WORD_BYTES, LINK(MT_PACKET_LINK_ETHERNET));
	default:
		return MT_VERDICT_TUNNEL;
	}
}

/* A stack of labels of 4 bytes; a bit in the third marks the last one (RFC 3032 2.1). */
enum mt_verdict mt_packet_read_mpls(struct mt_packet_walk *walk)
{
	bool is_last;

	if (mt_packet_left(walk) < LABEL_BYTES)
		return MT_VERDICT_MALFORMED;
	is_last = (walk->at[2] & 1) != 0;
	walk->at += LABEL_BYTES;
	return is_last ? leave_mpls(walk) : READ_ON;
}

/* RFC 4023 3: labels right behind an IP header, which takes them to another network. */
enum mt_verdict mt_packet_read_mpls_in_ip(struct mt_packet_walk *walk)
{
	return enter(walk, 0, ETHERTYPE(0x8847));
}

/* Version 1, type 1, code 0 for a session's data; then PPP's protocol number (RFC 2516 4, 6). Its last byte
 * is the first odd one, so that a leading zero may be left out (RFC 1661 2, 6.5). */
enum mt_verdict mt_packet_read_pppoe(struct mt_packet_walk *walk)
{
	const uint8_t *protocol = walk->at + PPPOE_BYTES;
	bool is_short;

	if (mt_packet_left(walk) < PPPOE_BYTES + 2 || walk->at[0] != 0x11)
		return MT_VERDICT_MALFORMED;
	if (walk->at[1] != 0)
		return MT_VERDICT_NOT_IP;
	is_short = (protocol[0] & 1) != 0;
	walk->question = PPP(is_short ? protocol[0] : mt_read_be16(protocol));
	walk->at += PPPOE_BYTES + (is_short ? 1 : 2);
	return READ_ON;
}

/* RFC 2003 for IPv4 in anything, RFC 2473 and RFC 4213 3 for IPv6: no header between the two. */
enum mt_verdict mt_packet_read_ip_in_ip(struct mt_packet_walk *walk)
{
	if (mt_packet_left(walk) == 0)
		return MT_VERDICT_MALFORMED;
	return enter(walk, 0, VERSION(walk->at[0] >> 4));
}

/*
 * RFC 2784 2 and RFC 2890 2: flags that each stand for four more bytes. Version 1 (PPTP) and source routes
 * (RFC 1701) are not looked into. ERSPAN's first type has no sequence number, and no header of its own.
 */
enum mt_verdict mt_packet_read_gre(struct mt_packet_walk *walk)
{
	enum { CHECKSUM = 0x8000, ROUTING = 0x4000, KEY = 0x2000, SEQUENCE = 0x1000, VERSION_BITS = 0x0007 };
	size_t bytes = GRE_BYTES;
	unsigned flags, type;

	if (mt_packet_left(walk) < GRE_BYTES)
		return MT_VERDICT_MALFORMED;
	flags = mt_read_be16(walk->at);
	type = mt_read_be16(walk->at + 2);
	if (flags & (ROUTING | VERSION_BITS))
		return MT_VERDICT_TUNNEL;
	bytes += flags & CHECKSUM ? 4 : 0;
	bytes += flags & KEY ? 4 : 0;
	bytes += flags & SEQUENCE ? 4 : 0;
	if (type == 0x88be && !(flags & SEQUENCE))
		type = 0x6558;
	return enter(walk, bytes, INNER(type));
}

/* The frame that a Cisco switch mirrored, behind a header that tells session and port; a part of the tunnel
 * already entered (draft-foschiano-erspan-03 4.2). */
static enum mt_verdict leave_erspan(struct mt_packet_walk *walk, size_t bytes, unsigned version,
				    uint32_t question)
{
	if (mt_packet_left(walk) < bytes)
		return MT_VERDICT_MALFORMED;
	if (walk->at[0] >> 4 != version)
		return MT_VERDICT_TUNNEL;
	walk->at += bytes;
	walk->question = question;
	return READ_ON;
}

enum mt_verdict mt_packet_read_erspan_2(struct mt_packet_walk *walk)
{
	return leave_erspan(walk, ERSPAN_2_BYTES, 1, LINK(MT_PACKET_LINK_ETHERNET));
}

/* The third type also mirrors bare IP, and may have a second header that depends on the switch. */
enum mt_verdict mt_packet_read_erspan_3(struct mt_packet_walk *walk)
{
	enum { FRAME_ETHERNET = 0, FRAME_IP = 2 };
	size_t bytes = ERSPAN_3_BYTES;
	unsigned frame_type;

	if (mt_packet_left(walk) < ERSPAN_3_BYTES)
		return MT_VERDICT_MALFORMED;
	frame_type = walk->at[10] >> 2 & 0x1f;
	bytes += walk->at[11] & 1 ? ERSPAN_3_PLATFORM_BYTES : 0;
	if (frame_type != FRAME_ETHERNET && frame_type != FRAME_IP)
		return MT_VERDICT_TUNNEL;
	return leave_erspan(walk, bytes, 2,
			    LINK(frame_type == FRAME_IP ? MT_PACKET_LINK_RAW_IP : MT_PACKET_LINK_ETHERNET));
}

/* The flag that the network's number is valid, and nothing else (RFC 7348 5). Anything may be said to a UDP
 * port: what is no such header is no error. */
enum mt_verdict mt_packet_read_vxlan(struct mt_packet_walk *walk)
{
	if (mt_packet_left(walk) < VXLAN_BYTES || walk->at[0] != 0x08)
		return MT_VERDICT_NOT_TCP;
	return enter(walk, VXLAN_BYTES, LINK(MT_PACKET_LINK_ETHERNET));
}

/* Options in words of four bytes; a bit for what talks about the tunnel instead of through it (RFC 8926 3.4).
 */
enum mt_verdict mt_packet_read_geneve(struct mt_packet_walk *walk)
{
	enum { VERSION_BITS = 0xc0, CONTROL = 0x80 };

	if (mt_packet_left(walk) < GENEVE_BYTES || (walk->at[0] & VERSION_BITS) != 0 ||
	    (walk->at[1] & CONTROL))
		return MT_VERDICT_NOT_TCP;
	return enter(walk, GENEVE_BYTES + (size_t)(walk->at[0] & 0x3f) * 4,
		     INNER(mt_read_be16(walk->at + 2)));
}

/* Extension headers: their length in words of four bytes, and as the last byte the type of the next
 * (3GPP TS 29.281 5.2.1). Result  bytes of all of them; 0 where they do not fit. */
static size_t gtp_extension_bytes(struct mt_span bytes, uint8_t type)
{
	size_t at = 0;

	while (type != 0) {
		size_t size = at < bytes.len ? (size_t)bytes.data[at] * 4 : 0;

		if (size == 0 || size > bytes.len - at)
			return 0;
		at += size;
		type = bytes.data[at - 1];
	}
	return at;
}

/* Version 1, protocol type GTP, a packet of the user's; any of three flags brings four more bytes
 * (3GPP TS 29.281 5.1). */
enum mt_verdict mt_packet_read_gtp_u(struct mt_packet_walk *walk)
{
	enum { EXTENSION = 0x04, OPTIONAL_BITS = 0x07, USER_PACKET = 255 };
	size_t bytes = GTP_U_BYTES;

	if (mt_packet_left(walk) < GTP_U_BYTES || (walk->at[0] & 0xf0) != 0x30 || walk->at[1] != USER_PACKET)
		return MT_VERDICT_NOT_TCP;
	if (walk->at[0] & OPTIONAL_BITS)
		bytes += 4;
	if (mt_packet_left(walk) <= bytes)
		return MT_VERDICT_MALFORMED;
	if ((walk->at[0] & EXTENSION) && walk->at[bytes - 1] != 0) {
		struct mt_span rest = mt_span(walk->at + bytes, mt_packet_left(walk) - bytes);
		size_t extensions = gtp_extension_bytes(rest, walk->at[bytes - 1]);

		if (extensions == 0 || extensions == rest.len)
			return MT_VERDICT_MALFORMED;
		bytes += extensions;
	}
	return enter(walk, bytes, VERSION(walk->at[bytes] >> 4));
}
