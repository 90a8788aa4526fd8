/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "frames.h"

enum { VXLAN = 4789, VXLAN_OF_OLD = 8472, GENEVE = 6081, GTP_U = 2152 };

/* What stands between the outer headers and the inner packet, written down from each tunnel's own
 * description. */
enum outer { OUTER_ETHERTYPE, OUTER_PROTOCOL, OUTER_UDP };
enum inner { INNER_FRAME, INNER_V4, INNER_V6 };

static const struct tunnel {
	const char *name;
	enum outer outer;
	unsigned number; /* EtherType, IP protocol or UDP port */
	enum inner inner;
	uint8_t header_bytes;
	uint8_t header[32];
} tunnels[] = {
    /* RFC 3032 2.1: label, class, bottom of stack, time to live */
    {"MPLS", OUTER_ETHERTYPE, 0x8847, INNER_V4, 4, {0x00, 0x01, 0x01, 0x40}},
    {"MPLS multicast", OUTER_ETHERTYPE, 0x8848, INNER_V6, 4, {0x00, 0x01, 0x01, 0x40}},
    {"MPLS stack", OUTER_ETHERTYPE, 0x8847, INNER_V6, 8, {0x00, 0x01, 0x00, 0x40, 0x00, 0x02, 0x01, 0x40}},
    {"pseudowire", OUTER_ETHERTYPE, 0x8847, INNER_FRAME, 8, {0x00, 0x01, 0x01, 0x40, 0, 0, 0, 9}}, /* RFC 4385
												      3 */
    {"MPLS in IP", OUTER_PROTOCOL, 137, INNER_V4, 4, {0x00, 0x01, 0x01, 0x40}}, /* RFC 4023 */
    /* RFC 2516 4: version and type, code, session, length; RFC 1661: protocol */
    {"PPPoE", OUTER_ETHERTYPE, 0x8864, INNER_V4, 8, {0x11, 0x00, 0x00, 0x07, 0x00, 0x30, 0x00, 0x21}},
    {"PPPoE v6", OUTER_ETHERTYPE, 0x8864, INNER_V6, 8, {0x11, 0x00, 0x00, 0x07, 0x00, 0x44, 0x00, 0x57}},
    {"PPPoE, short", OUTER_ETHERTYPE, 0x8864, INNER_V4, 7, {0x11, 0x00, 0x00, 0x07, 0x00, 0x2f, 0x21}},
    {"IPv4 in IP", OUTER_PROTOCOL, 4, INNER_V4, 0, {0}},  /* RFC 2003 */
    {"IPv6 in IP", OUTER_PROTOCOL, 41, INNER_V6, 0, {0}}, /* RFC 4213 3 */
    /* RFC 2784 2.1, RFC 2890 2: flags, protocol type; checksum, key, sequence number */
    {"GRE", OUTER_PROTOCOL, 47, INNER_V4, 4, {0x00, 0x00, 0x08, 0x00}},
    {"GRE v6", OUTER_PROTOCOL, 47, INNER_V6, 4, {0x00, 0x00, 0x86, 0xdd}},
    {"GRE key", OUTER_PROTOCOL, 47, INNER_V4, 8, {0x20, 0x00, 0x08, 0x00, 0, 0, 0, 1}},
    {"GRE all",
     OUTER_PROTOCOL,
     47,
     INNER_FRAME,
     16,
     {0xb0, 0x00, 0x65, 0x58, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2}},
    {"GRE MPLS", OUTER_PROTOCOL, 47, INNER_V4, 8, {0x00, 0x00, 0x88, 0x47, 0x00, 0x01, 0x01, 0x40}},
    /* draft-foschiano-erspan-03 4.1 to 4.3 */
    {"ERSPAN I", OUTER_PROTOCOL, 47, INNER_FRAME, 4, {0x00, 0x00, 0x88, 0xbe}},
    {"ERSPAN II",
     OUTER_PROTOCOL,
     47,
     INNER_FRAME,
     16,
     {0x10, 0x00, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0x07, 0x00, 0x64, 0x00, 0x00, 0x00, 0x00}},
    {"ERSPAN III", OUTER_PROTOCOL, 47, INNER_FRAME, 20, {0x10, 0x00, 0x22, 0xeb, 0,    0,   0,
							 1,    0x20, 0x07, 0x00, 0x64, 0,   0,
							 0,    9,    0x00, 0x00, 0x00, 0x00}},
    {"ERSPAN III platform", OUTER_PROTOCOL, 47, INNER_FRAME, 28, {0x10, 0x00, 0x22, 0xeb, 0,	0,   0,
								  1,	0x20, 0x07, 0x00, 0x64, 0,   0,
								  0,	9,    0x00, 0x00, 0x00, 0x01}},
    {"ERSPAN III IP", OUTER_PROTOCOL, 47, INNER_V4, 20, {0x10, 0x00, 0x22, 0xeb, 0,    0,   0,
							 1,    0x20, 0x07, 0x00, 0x64, 0,   0,
							 0,    9,    0x00, 0x00, 0x08, 0x00}},
    {"VXLAN", OUTER_UDP, VXLAN, INNER_FRAME, 8, {0x08, 0, 0, 0, 0, 0, 42, 0}}, /* RFC 7348 5 */
    {"VXLAN, old port", OUTER_UDP, VXLAN_OF_OLD, INNER_FRAME, 8, {0x08, 0, 0, 0, 0, 0, 42, 0}},
    /* RFC 8926 3.4: version and length of the options, flags, protocol type, network */
    {"GENEVE", OUTER_UDP, GENEVE, INNER_FRAME, 8, {0x00, 0x00, 0x65, 0x58, 0, 0, 42, 0}},
    {"GENEVE v4", OUTER_UDP, GENEVE, INNER_V4, 8, {0x00, 0x00, 0x08, 0x00, 0, 0, 42, 0}},
    {"GENEVE options",
     OUTER_UDP,
     GENEVE,
     INNER_FRAME,
     16,
     {0x02, 0x40, 0x65, 0x58, 0, 0, 42, 0, 0x01, 0x02, 0x80, 0x01, 1, 2, 3, 4}},
    /* 3GPP TS 29.281 5.1: version, type and flags, message, length, tunnel; sequence, N-PDU, next extension
     */
    {"GTP-U", OUTER_UDP, GTP_U, INNER_V4, 8, {0x30, 0xff, 0x00, 0x2e, 0, 0, 0, 1}},
    {"GTP-U v6", OUTER_UDP, GTP_U, INNER_V6, 8, {0x30, 0xff, 0x00, 0x42, 0, 0, 0, 1}},
    {"GTP-U sequence", OUTER_UDP, GTP_U, INNER_V4, 12, {0x32, 0xff, 0x00, 0x32, 0, 0, 0, 1, 0, 9, 0, 0}},
    {"GTP-U extensions", OUTER_UDP, GTP_U, INNER_V4, 24, {0x34, 0xff, 0x00, 0x3e, 0, 0, 0, 1, 0, 0, 0, 0x85,
							  1,	0x10, 9,    0x40, 2, 1, 2, 3, 4, 5, 6, 0x00}},
};

static void put_udp(struct frame *frame, unsigned port, unsigned len)
{
	put16(frame, 50000);
	put16(frame, port);
	put16(frame, len);
	put16(frame, 0);
}

static unsigned inner_version(const struct tunnel *tunnel)
{
	return tunnel->inner == INNER_V6 ? 6 : 4;
}

static unsigned inner_bytes(const struct tunnel *tunnel)
{
	return (tunnel->inner == INNER_FRAME ? 14 : 0) + (inner_version(tunnel) == 4 ? 20 : 40) + TCP_BYTES +
	       TEXT_BYTES;
}

static void put_inner(struct frame *frame, const struct tunnel *tunnel)
{
	put(frame, tunnel->header, tunnel->header_bytes);
	if (tunnel->inner == INNER_FRAME)
		put_ethernet(frame, 0x0800);
	if (tunnel->inner == INNER_V6)
		put_datagram_v6(frame);
	else
		put_datagram_v4(frame);
}

/* Behind an outer IP header of either version; other addresses than the inner one's are in it. */
static void put_outer(struct frame *frame, const struct tunnel *tunnel, unsigned version)
{
	bool is_udp = tunnel->outer == OUTER_UDP;
	unsigned bytes = tunnel->header_bytes + inner_bytes(tunnel) + (is_udp ? 8 : 0);

	if (version == 4)
		put_ipv4(frame, is_udp ? 17 : tunnel->number, 0, 20 + bytes);
	else
		put_ipv6(frame, is_udp ? 17 : tunnel->number, bytes);
	memset(frame->bytes + frame->ip_at + (version == 4 ? 12 : 8), 0x77, version == 4 ? 8 : 32);
	if (is_udp)
		put_udp(frame, tunnel->number, 8 + bytes);
}

static void build(struct frame *frame, const struct tunnel *tunnel, unsigned version)
{
	*frame = (struct frame){0};
	put_ethernet(frame, 0x8100);
	put16(frame, 7);
	if (tunnel->outer == OUTER_ETHERTYPE) {
		put16(frame, tunnel->number);
	} else {
		put16(frame, version == 4 ? 0x0800 : 0x86dd);
		put_outer(frame, tunnel, version);
	}
	put_inner(frame, tunnel);
}

static void assert_inner(const struct frame *frame, const struct tunnel *tunnel)
{
	struct mt_packet packet;
	bool is_same_network = tunnel->outer == OUTER_ETHERTYPE && tunnel->inner != INNER_FRAME;

	assert_int_equal(decode(MT_PACKET_LINK_ETHERNET, frame, &packet), MT_VERDICT_DIALOGUE);
	assert_whole(&packet, inner_version(tunnel),
		     (inner_version(tunnel) == 4 ? 20 : 40) + TCP_BYTES + TEXT_BYTES);
	assert_int_equal(packet.ip_at, frame->ip_at);
	/* A label or a session number is of the same network; what an outer packet or a frame brings is not.
	 */
	assert_int_equal(packet.vlan_count, is_same_network ? 1 : 0);
	assert_int_equal(packet.vlan[0], is_same_network ? 7 : 0);
	assert_int_equal(packet.tunnels, is_same_network ? 0 : 1);
}

static void the_innermost_segment_is_read(void **state) /* G19 */
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(tunnels); i++)
		for (unsigned version = 4; version <= 6; version += 2) {
			struct frame frame;

			print_message("%s in IPv%u\n", tunnels[i].name, version);
			build(&frame, &tunnels[i], version);
			assert_inner(&frame, &tunnels[i]);
		}
}

static void no_cut_is_taken_for_a_segment(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(tunnels); i++) {
		struct frame frame;
		struct mt_packet packet;

		build(&frame, &tunnels[i], 4);
		for (size_t len = frame.len - TEXT_BYTES; len-- > 0;) {
			struct frame cut = frame;

			cut.len = len;
			assert_int_not_equal(verdict_of(&cut), MT_VERDICT_DIALOGUE);
		}
		frame.len -= 2;
		assert_int_equal(decode(MT_PACKET_LINK_ETHERNET, &frame, &packet), MT_VERDICT_DIALOGUE);
		assert_true(packet.is_truncated);
		assert_int_equal(packet.payload_wire_len, TEXT_BYTES);
	}
}

static void an_inner_vlan_is_the_one_that_counts(void **state) /* G19 */
{
	(void)state;
	struct frame frame = {0};
	struct mt_packet packet;

	put_ethernet(&frame, 0x8100);
	put32(&frame, 0x00070800);
	put_ipv4(&frame, 17, 0, 20 + 8 + 8 + 18 + 20 + TCP_BYTES + TEXT_BYTES);
	put_udp(&frame, VXLAN, 8 + 8 + 18 + 20 + TCP_BYTES + TEXT_BYTES);
	put(&frame, "\x08\0\0\0\0\0\x2a\0", 8);
	put_ethernet(&frame, 0x8100);
	put32(&frame, 0x00090800);
	put_datagram_v4(&frame);
	assert_int_equal(decode(MT_PACKET_LINK_ETHERNET, &frame, &packet), MT_VERDICT_DIALOGUE);
	assert_int_equal(packet.vlan_count, 1);
	assert_int_equal(packet.vlan[0], 9);
}

/* Headers that differ from a good one in a byte, and what they are then. */
static void what_is_no_such_tunnel_is_no_error(void **state)
{
	(void)state;
	static const struct {
		const char *tunnel;
		uint8_t at, value;
		enum mt_verdict verdict;
	} cases[] = {
	    {"VXLAN", 0, 0x00, MT_VERDICT_NOT_TCP},	       /* no valid network */
	    {"VXLAN", 0, 0x0c, MT_VERDICT_NOT_TCP},	       /* an extension of it */
	    {"GENEVE", 0, 0x40, MT_VERDICT_NOT_TCP},	       /* another version */
	    {"GENEVE", 1, 0x80, MT_VERDICT_NOT_TCP},	       /* about the tunnel */
	    {"GENEVE", 2, 0x99, MT_VERDICT_TUNNEL},	       /* something else in it */
	    {"GENEVE", 0, 0x3f, MT_VERDICT_MALFORMED},	       /* options beyond the frame */
	    {"GTP-U", 0, 0x50, MT_VERDICT_NOT_TCP},	       /* another version */
	    {"GTP-U", 0, 0x20, MT_VERDICT_NOT_TCP},	       /* GTP' */
	    {"GTP-U", 1, 1, MT_VERDICT_NOT_TCP},	       /* echo request */
	    {"GTP-U extensions", 12, 0, MT_VERDICT_MALFORMED}, /* an extension of no length */
	    {"GTP-U extensions", 12, 99, MT_VERDICT_MALFORMED},
	    {"GRE", 0, 0x40, MT_VERDICT_TUNNEL}, /* source route */
	    {"GRE", 1, 0x01, MT_VERDICT_TUNNEL}, /* PPTP */
	    {"GRE", 2, 0x99, MT_VERDICT_TUNNEL},
	    {"ERSPAN II", 8, 0x20, MT_VERDICT_TUNNEL},
	    {"ERSPAN III", 8, 0x10, MT_VERDICT_TUNNEL},
	    {"ERSPAN III", 18, 0x04, MT_VERDICT_TUNNEL}, /* a frame of another kind */
	    {"PPPoE", 1, 0x09, MT_VERDICT_NOT_IP},	 /* discovery */
	    {"PPPoE", 0, 0x21, MT_VERDICT_MALFORMED},
	    {"PPPoE", 6, 0xc0, MT_VERDICT_NOT_IP}, /* link control */
	    {"pseudowire", 4, 0x10, MT_VERDICT_TUNNEL},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(cases); i++) {
		const struct tunnel *tunnel = tunnels;
		struct frame frame;

		while (strcmp(tunnel->name, cases[i].tunnel) != 0)
			tunnel++;
		print_message("%s, byte %u\n", tunnel->name, cases[i].at);
		build(&frame, tunnel, 4);
		frame.bytes[frame.len - inner_bytes(tunnel) - tunnel->header_bytes + cases[i].at] =
		    cases[i].value;
		assert_int_equal(verdict_of(&frame), cases[i].verdict);
	}
}

/* RFC 2003, many times over: what honest networks nest is read, a tower is not. */
static void tunnels_in_tunnels_have_a_bound(void **state)
{
	(void)state;
	for (unsigned depth = 1; depth <= 12; depth++) {
		struct frame frame = {0};

		put_ethernet(&frame, 0x0800);
		for (unsigned left = depth; left > 0; left--)
			put_ipv4(&frame, 4, 0, left * 20 + 20 + TCP_BYTES + TEXT_BYTES);
		put_datagram_v4(&frame);
		assert_int_equal(verdict_of(&frame), depth <= 4 ? MT_VERDICT_DIALOGUE : MT_VERDICT_TUNNEL);
	}
}

static void a_fragment_inside_a_tunnel_is_told(void **state)
{
	(void)state;
	struct frame frame;
	struct mt_packet packet;

	build(&frame, &tunnels[0], 4);
	frame.bytes[frame.ip_at + 6] = 0x20;
	assert_int_equal(decode(MT_PACKET_LINK_ETHERNET, &frame, &packet), MT_VERDICT_FRAGMENT);
	assert_int_equal(packet.ip_at, frame.ip_at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_innermost_segment_is_read),
	    cmocka_unit_test(no_cut_is_taken_for_a_segment),
	    cmocka_unit_test(an_inner_vlan_is_the_one_that_counts),
	    cmocka_unit_test(what_is_no_such_tunnel_is_no_error),
	    cmocka_unit_test(tunnels_in_tunnels_have_a_bound),
	    cmocka_unit_test(a_fragment_inside_a_tunnel_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
