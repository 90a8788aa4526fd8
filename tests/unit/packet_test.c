/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "frames.h"

static void a_frame_written_by_hand(void **state)
{
	(void)state;
	static const uint8_t bytes[] = {
	    0x00, 0x1b, 0x21, 0x3c, 0x9d, 0xf8, 0x00, 0x1b, 0x21, 0x3c, 0x9d, 0xf9, 0x08, 0x00, /* Ethernet */
	    0x45, 0x00, 0x00, 0x3a, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06, 0x00, 0x00,		/* IPv4: 58 */
	    10,	  1,	2,    3,    10,	  4,	5,    6,					/* from, to */
	    0x00, 0x19, 0xc8, 0x22, 0x80, 0x00, 0x00, 0x01, 0x7f, 0xff, 0xff, 0xff, /* 25 > 51234 */
	    0x80, 0x11, 0x00, 0xe5, 0x00, 0x00, 0x00, 0x00,			    /* FIN ACK */
	    0x01, 0x01, 0x08, 0x0a, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x02, /* time stamps */
	    '2',  '2',	'1',  ' ',  '\r', '\n',
	};
	struct mt_packet packet;

	assert_int_equal(mt_packet_decode(MT_PACKET_LINK_ETHERNET, guarded(bytes, sizeof(bytes)), &packet),
			 MT_VERDICT_DIALOGUE);
	assert_int_equal(packet.ip_version, 4);
	assert_memory_equal(packet.src, "\x0a\x01\x02\x03", 4);
	assert_memory_equal(packet.dst, "\x0a\x04\x05\x06", 4);
	assert_int_equal(packet.src_port, 25);
	assert_int_equal(packet.dst_port, 51234);
	assert_int_equal(packet.seq, 2147483649u);
	assert_int_equal(packet.ack, 2147483647u);
	assert_int_equal(packet.tcp_flags, MT_TCP_FIN | MT_TCP_ACK);
	assert_int_equal(packet.ip_bytes, 58);
	assert_int_equal(packet.payload_wire_len, 6);
	assert_int_equal(packet.payload.len, 6);
	assert_memory_equal(packet.payload.data, "221 \r\n", 6);
	assert_false(packet.is_truncated);
}

/* What each link type puts before the datagram, and the version it announces. */
static const struct link_case {
	const char *name;
	enum mt_packet_link link;
	unsigned version;
	uint8_t header_bytes;
	uint8_t header[20];
} link_cases[] = {
    {"ethernet", MT_PACKET_LINK_ETHERNET, 4, 14, {[12] = 0x08, 0x00}},
    {"ethernet v6", MT_PACKET_LINK_ETHERNET, 6, 14, {[12] = 0x86, 0xdd}},
    {"raw", MT_PACKET_LINK_RAW_IP, 4, 0, {0}},
    {"raw v6", MT_PACKET_LINK_RAW_IP, 6, 0, {0}},
    {"cooked v1", MT_PACKET_LINK_LINUX_SLL, 4, 16, {0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0x00}},
    {"cooked v1 v6", MT_PACKET_LINK_LINUX_SLL, 6, 16, {0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x86, 0xdd}},
    {"cooked v2",
     MT_PACKET_LINK_LINUX_SLL2,
     4,
     20,
     {0x08, 0x00, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1}},
    {"cooked v2 v6",
     MT_PACKET_LINK_LINUX_SLL2,
     6,
     20,
     {0x86, 0xdd, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1}},
    {"null little", MT_PACKET_LINK_BSD_NULL, 4, 4, {2, 0, 0, 0}},
    {"null big", MT_PACKET_LINK_BSD_NULL, 4, 4, {0, 0, 0, 2}},
    {"null OpenBSD", MT_PACKET_LINK_BSD_NULL, 6, 4, {0, 0, 0, 24}},
    {"null FreeBSD", MT_PACKET_LINK_BSD_NULL, 6, 4, {28, 0, 0, 0}},
    {"null macOS", MT_PACKET_LINK_BSD_NULL, 6, 4, {30, 0, 0, 0}},
    {"null macOS big", MT_PACKET_LINK_BSD_NULL, 6, 4, {0, 0, 0, 30}},
};

static void build_link_case(struct frame *frame, const struct link_case *link_case)
{
	put(frame, link_case->header, link_case->header_bytes);
	if (link_case->version == 4)
		put_datagram_v4(frame);
	else
		put_datagram_v6(frame);
}

static void every_link_type_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(link_cases); i++) {
		struct frame frame = {0};
		unsigned header_bytes = link_cases[i].version == 4 ? 20 : 40;
		print_message("%s\n", link_cases[i].name);
		build_link_case(&frame, &link_cases[i]);
		assert_decodes(link_cases[i].link, &frame, link_cases[i].version,
			       header_bytes + TCP_BYTES + TEXT_BYTES);
	}
}

/* Until the TCP header is whole nothing is believed; from there on the cut payload is what is there. */
static void assert_every_cut(enum mt_packet_link link, const struct frame *frame, size_t headers_end)
{
	for (size_t len = 0; len <= frame->len; len++) {
		struct mt_packet packet, untouched;
		struct frame cut = *frame;

		cut.len = len;
		memset(&untouched, 0xa5, sizeof(untouched));
		enum mt_verdict verdict = decode(link, &cut, &packet);
		if (len < headers_end) {
			assert_int_equal(verdict, MT_VERDICT_MALFORMED);
			assert_memory_equal(&packet, &untouched, sizeof(packet));
			continue;
		}
		assert_int_equal(verdict, MT_VERDICT_DIALOGUE);
		assert_int_equal(packet.is_truncated, len < frame->len);
		assert_int_equal(packet.payload_wire_len, frame->len - headers_end);
		assert_int_equal(packet.payload.len, len - headers_end);
		assert_memory_equal(packet.payload.data, TEXT, packet.payload.len);
	}
}

static void a_cut_frame_is_malformed_or_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(link_cases); i++) {
		struct frame frame = {0};
		build_link_case(&frame, &link_cases[i]);
		assert_every_cut(link_cases[i].link, &frame, frame.len - TEXT_BYTES);
	}
}

static void a_cut_chain_of_headers_is_malformed_or_truncated(void **state)
{
	(void)state;
	struct frame options = {0}, chain = {0};

	put_ethernet(&options, 0x8100);
	put32(&options, 0x00070800);
	put_ipv4(&options, 51, 10, 60 + 24 + TCP_BYTES + 12 + TEXT_BYTES);
	put(&options, "\x06\x04\0\0\0\0\1\1\0\0\0\1", 12); /* authentication header with 12 bytes of value */
	put_zeros(&options, 12);
	put_tcp(&options, 3);
	assert_every_cut(MT_PACKET_LINK_ETHERNET, &options, options.len - TEXT_BYTES);

	put_ethernet(&chain, 0x86dd);
	put_ipv6(&chain, 0, 8 + 24 + 8 + 16 + TCP_BYTES + TEXT_BYTES);
	put(&chain, "\x2b\0\1\4\0\0\0\0", 8);
	put(&chain, "\x2c\2\4\0\0\0\0\0", 8);
	put_zeros(&chain, 16);
	put(&chain, "\x3c\0\0\0\0\0\0\7", 8);
	put(&chain, "\x06\1\1\x0c", 4);
	put_zeros(&chain, 12);
	put_tcp(&chain, 0);
	assert_every_cut(MT_PACKET_LINK_ETHERNET, &chain, chain.len - TEXT_BYTES);
}

static void what_is_not_ip_is_not_malformed(void **state)
{
	(void)state;
	static const unsigned types[] = {0x0806, 0x88cc, 0x8863, 0x0026 /* a length: 802.3 */,
					 0x05dc, 0xffff};
	struct mt_packet packet;

	for (size_t i = 0; i < MT_ARRAY_LEN(types); i++) {
		struct frame frame = {0};
		put_ethernet(&frame, types[i]);
		put(&frame, "\xaa\xaa\3\0\0\0\x08\0", 8); /* SNAP with IPv4 inside */
		put_datagram_v4(&frame);
		assert_int_equal(verdict_of(&frame), MT_VERDICT_NOT_IP);
	}

	struct frame apple_talk = {.bytes = {16, 0, 0, 0}, .len = 40};
	assert_int_equal(decode(MT_PACKET_LINK_BSD_NULL, &apple_talk, &packet), MT_VERDICT_NOT_IP);
	struct frame no_family = {.bytes = {1, 2, 0, 2}, .len = 40};
	assert_int_equal(decode(MT_PACKET_LINK_BSD_NULL, &no_family, &packet), MT_VERDICT_NOT_IP);
	struct frame version_5 = {.bytes = {0x55}, .len = 40};
	assert_int_equal(decode(MT_PACKET_LINK_RAW_IP, &version_5, &packet), MT_VERDICT_NOT_IP);
}

static void tags_are_stepped_over_and_two_are_kept(void **state) /* G19 */
{
	(void)state;
	static const uint16_t types[] = {0x88a8, 0x8100, 0x9100, 0x8100, 0x8100, 0x88a8, 0x8100, 0x9100};
	static const uint16_t tags[] = {0x6065, 0x1fff, 0x0003, 0x1000, 5, 6, 7, 8}; /* some with priority */
	static const uint16_t ids[] = {0x065, 0xfff};

	for (unsigned count = 1; count <= MT_ARRAY_LEN(types); count++) {
		struct frame frame = {0};
		struct mt_packet packet;

		put_ethernet(&frame, types[0]);
		for (unsigned i = 0; i < count; i++) {
			put16(&frame, tags[i]);
			put16(&frame, i + 1 < count ? types[i + 1] : 0x0800);
		}
		put_datagram_v4(&frame);
		assert_int_equal(decode(MT_PACKET_LINK_ETHERNET, &frame, &packet), MT_VERDICT_DIALOGUE);
		assert_whole(&packet, 4, 20 + TCP_BYTES + TEXT_BYTES);
		assert_int_equal(packet.vlan_count, count < 2 ? count : 2);
		assert_int_equal(packet.vlan[0], ids[0]);
		assert_int_equal(packet.vlan[1], count < 2 ? 0 : ids[1]);
	}
}

static void a_cooked_frame_may_carry_a_tag(void **state)
{
	(void)state;
	struct frame cooked_v1 = {.len = 14}, cooked_v2 = {0};
	struct mt_packet packet;

	put16(&cooked_v1, 0x8100);
	put32(&cooked_v1, 0x002a86dd);
	put_datagram_v6(&cooked_v1);
	assert_int_equal(decode(MT_PACKET_LINK_LINUX_SLL, &cooked_v1, &packet), MT_VERDICT_DIALOGUE);
	assert_whole(&packet, 6, 40 + TCP_BYTES + TEXT_BYTES);
	assert_int_equal(packet.vlan_count, 1);
	assert_int_equal(packet.vlan[0], 42);

	put16(&cooked_v2, 0x8100);
	put_zeros(&cooked_v2, 18);
	put32(&cooked_v2, 0x002b0800);
	put_datagram_v4(&cooked_v2);
	assert_int_equal(decode(MT_PACKET_LINK_LINUX_SLL2, &cooked_v2, &packet), MT_VERDICT_DIALOGUE);
	assert_whole(&packet, 4, 20 + TCP_BYTES + TEXT_BYTES);
	assert_int_equal(packet.vlan[0], 43);
}

static void a_tower_of_headers_has_a_bound(void **state)
{
	(void)state;
	struct frame tags = {0}, options = {0};

	put_ethernet(&tags, 0x8100);
	for (unsigned i = 0; i < 100; i++)
		put32(&tags, 0x00018100);
	put32(&tags, 0x00010800);
	put_datagram_v4(&tags);
	assert_int_equal(verdict_of(&tags), MT_VERDICT_MALFORMED);

	put_ethernet(&options, 0x86dd);
	put_ipv6(&options, 60, 100 * 8 + 8 + TCP_BYTES + TEXT_BYTES);
	for (unsigned i = 0; i <= 100; i++) {
		put16(&options, i < 100 ? 60 << 8 : 6 << 8);
		put(&options, "\1\4\0\0\0\0", 6);
	}
	put_tcp(&options, 0);
	assert_int_equal(verdict_of(&options), MT_VERDICT_MALFORMED);
}

static void ipv4_options_are_stepped_over(void **state)
{
	(void)state;
	for (unsigned words = 0; words <= 10; words++) {
		struct frame frame = {0};
		unsigned total = 20 + words * 4 + TCP_BYTES + TEXT_BYTES;
		put_ethernet(&frame, 0x0800);
		put_ipv4(&frame, 6, words, total);
		put_tcp(&frame, 0);
		assert_decodes(MT_PACKET_LINK_ETHERNET, &frame, 4, total);
	}
}

static void tcp_options_are_no_payload(void **state)
{
	(void)state;
	for (unsigned words = 0; words <= 10; words++) {
		struct frame frame = {0};
		put_ethernet(&frame, 0x86dd);
		put_ipv6(&frame, 6, TCP_BYTES + words * 4 + TEXT_BYTES);
		put_tcp(&frame, words);
		assert_decodes(MT_PACKET_LINK_ETHERNET, &frame, 6, 40 + TCP_BYTES + words * 4 + TEXT_BYTES);
	}
}

/* RFC 8200 4.3, 4.4, 4.6; RFC 4302 2.2. The second byte counts 8 bytes each, in AH 4 bytes each. */
static const struct extension {
	uint8_t number;
	uint8_t len;   /* of the header, bytes */
	uint8_t count; /* as it stands in the header */
} extensions[] = {
    {0, 8, 0}, {0, 40, 4}, {43, 24, 2}, {60, 16, 1}, {51, 24, 4}, {51, 28, 5}, {44, 8, 0},
};

static void put_extension(struct frame *frame, const struct extension *extension, unsigned next)
{
	put8(frame, next);
	put8(frame, extension->count);
	put_zeros(frame, extension->len - 2u);
}

static void ipv6_extension_headers_are_stepped_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(extensions); i++)
		for (size_t j = 0; j < MT_ARRAY_LEN(extensions); j++) {
			struct frame frame = {0};
			unsigned len = extensions[i].len + extensions[j].len + TCP_BYTES + TEXT_BYTES;
			put_ethernet(&frame, 0x86dd);
			put_ipv6(&frame, extensions[i].number, len);
			put_extension(&frame, &extensions[i], extensions[j].number);
			put_extension(&frame, &extensions[j], 6);
			put_tcp(&frame, 0);
			assert_decodes(MT_PACKET_LINK_ETHERNET, &frame, 6, 40 + len);
		}
}

static void ipv6_extensions_mean_nothing_in_ipv4_but_authentication(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(extensions); i++) {
		struct frame frame = {0};
		unsigned total = 20u + extensions[i].len + TCP_BYTES + TEXT_BYTES;
		put_ethernet(&frame, 0x0800);
		put_ipv4(&frame, extensions[i].number, 0, total);
		put_extension(&frame, &extensions[i], 6);
		put_tcp(&frame, 0);
		if (extensions[i].number == 51)
			assert_decodes(MT_PACKET_LINK_ETHERNET, &frame, 4, total);
		else
			assert_int_equal(verdict_of(&frame), MT_VERDICT_NOT_TCP);
	}
}

/* A fragment tells whose it is and where it lies, for whoever puts the datagram together. */
static void assert_fragment(const struct frame *frame, unsigned version, unsigned header_bytes)
{
	struct mt_packet packet;

	assert_int_equal(decode(MT_PACKET_LINK_ETHERNET, frame, &packet), MT_VERDICT_FRAGMENT);
	assert_int_equal(packet.ip_version, version);
	assert_memory_equal(packet.src, version == 4 ? v4_src : v6_src, version == 4 ? 4 : 16);
	assert_memory_equal(packet.dst, version == 4 ? v4_dst : v6_dst, version == 4 ? 4 : 16);
	assert_int_equal(packet.src_port, 0);
	assert_int_equal(packet.ip_at, frame->ip_at);
	assert_int_equal(packet.ip_bytes, frame->len - frame->ip_at);
	assert_int_equal(packet.ip_header_bytes, header_bytes);
	assert_int_equal(packet.payload.len, 0);
}

static void ipv4_fragments_are_told(void **state)
{
	(void)state;
	static const struct {
		uint16_t word; /* flags and offset, RFC 791 3.1 */
		enum mt_verdict verdict;
	} cases[] = {
	    {0x0000, MT_VERDICT_DIALOGUE}, {0x4000, MT_VERDICT_DIALOGUE}, {0x8000, MT_VERDICT_DIALOGUE},
	    {0x2000, MT_VERDICT_FRAGMENT}, {0x0001, MT_VERDICT_FRAGMENT}, {0x1000, MT_VERDICT_FRAGMENT},
	    {0x20b9, MT_VERDICT_FRAGMENT}, {0x00b9, MT_VERDICT_FRAGMENT},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(cases); i++) {
		struct frame frame = {0};
		put_ethernet(&frame, 0x0800);
		put_datagram_v4(&frame);
		frame.bytes[frame.ip_at + 6] = (uint8_t)(cases[i].word >> 8);
		frame.bytes[frame.ip_at + 7] = (uint8_t)cases[i].word;
		assert_int_equal(verdict_of(&frame), cases[i].verdict);
		if (cases[i].verdict == MT_VERDICT_FRAGMENT)
			assert_fragment(&frame, 4, 20);
	}
}

static void ipv6_fragments_are_told_from_atomic_ones(void **state)
{
	(void)state;
	static const struct {
		uint16_t word; /* offset in bits 3 to 15, M in bit 0, RFC 8200 4.5 */
		enum mt_verdict verdict;
	} cases[] = {
	    {0x0000, MT_VERDICT_DIALOGUE}, {0x0006, MT_VERDICT_DIALOGUE}, {0x0001, MT_VERDICT_FRAGMENT},
	    {0x0008, MT_VERDICT_FRAGMENT}, {0x8000, MT_VERDICT_FRAGMENT}, {0x0581, MT_VERDICT_FRAGMENT},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(cases); i++) {
		struct frame frame = {0};
		put_ethernet(&frame, 0x86dd);
		put_ipv6(&frame, 44, 8 + TCP_BYTES + TEXT_BYTES);
		put16(&frame, 6 << 8);
		put16(&frame, cases[i].word);
		put32(&frame, 0xcafe);
		put_tcp(&frame, 0);
		assert_int_equal(verdict_of(&frame), cases[i].verdict);
		if (cases[i].verdict == MT_VERDICT_FRAGMENT)
			assert_fragment(&frame, 6, 48);
	}
}

static void padding_is_no_payload(void **state)
{
	(void)state;
	for (unsigned padding = 1; padding <= 32; padding++) {
		struct frame v4 = {0}, v6 = {0};

		put_ethernet(&v4, 0x0800);
		put_datagram_v4(&v4);
		put(&v4, "paddingpaddingpaddingpaddingpadd", padding);
		assert_decodes(MT_PACKET_LINK_ETHERNET, &v4, 4, 20 + TCP_BYTES + TEXT_BYTES);

		put_ethernet(&v6, 0x86dd);
		put_datagram_v6(&v6);
		put(&v6, "paddingpaddingpaddingpaddingpadd", padding);
		assert_decodes(MT_PACKET_LINK_ETHERNET, &v6, 6, 40 + TCP_BYTES + TEXT_BYTES);
	}
}

static void an_empty_segment_in_a_padded_frame_is_empty(void **state)
{
	(void)state;
	struct frame frame = {0};
	struct mt_packet packet;

	put_ethernet(&frame, 0x0800);
	put_ipv4(&frame, 6, 0, 40);
	put_tcp(&frame, 0); /* its text now is the padding */
	assert_int_equal(frame.len, 60);
	assert_int_equal(decode(MT_PACKET_LINK_ETHERNET, &frame, &packet), MT_VERDICT_DIALOGUE);
	assert_segment(&packet, 4);
	assert_int_equal(packet.payload.len, 0);
	assert_int_equal(packet.payload_wire_len, 0);
	assert_false(packet.is_truncated);
}

/* RFC 2675 for the jumbogram; the rest is what senders with segmentation offload leave behind. */
static void length_0_of_a_large_frame_is_the_frame(void **state)
{
	(void)state;
	struct frame v4 = {0}, v6 = {0};
	struct mt_packet packet;

	put_ethernet(&v4, 0x0800);
	put_ipv4(&v4, 6, 0, 0);
	put_tcp(&v4, 0);
	put_zeros(&v4, 1000);
	assert_int_equal(decode(MT_PACKET_LINK_ETHERNET, &v4, &packet), MT_VERDICT_DIALOGUE);
	assert_segment(&packet, 4);
	assert_int_equal(packet.ip_bytes, 40 + TEXT_BYTES + 1000);
	assert_int_equal(packet.payload_wire_len, TEXT_BYTES + 1000);
	assert_int_equal(packet.payload.len, TEXT_BYTES + 1000);
	assert_false(packet.is_truncated);

	put_ethernet(&v6, 0x86dd);
	put_ipv6(&v6, 6, 0);
	put_tcp(&v6, 0);
	put_zeros(&v6, 1000);
	assert_int_equal(decode(MT_PACKET_LINK_ETHERNET, &v6, &packet), MT_VERDICT_DIALOGUE);
	assert_segment(&packet, 6);
	assert_int_equal(packet.ip_bytes, 60 + TEXT_BYTES + 1000);
	assert_int_equal(packet.payload.len, TEXT_BYTES + 1000);
	assert_false(packet.is_truncated);
}

static void length_0_of_a_small_frame_is_no_length(void **state)
{
	(void)state;
	struct frame v4 = {0}, v6 = {0};

	put_ethernet(&v4, 0x0800);
	put_ipv4(&v4, 6, 0, 0);
	put_tcp(&v4, 0);
	assert_int_equal(v4.len, 60); /* the least that Ethernet sends: the text may be padding */
	assert_int_equal(verdict_of(&v4), MT_VERDICT_MALFORMED);

	put_ethernet(&v6, 0x86dd);
	put_ipv6(&v6, 59, 0); /* no next header */
	assert_int_equal(verdict_of(&v6), MT_VERDICT_NOT_TCP);
	v6.bytes[v6.ip_at + 6] = 6;
	put_zeros(&v6, 6);
	assert_int_equal(verdict_of(&v6), MT_VERDICT_MALFORMED);
}

static void a_jumbogram_says_its_length_in_an_option(void **state)
{
	(void)state;
	struct frame frame = {0};
	struct mt_packet packet;

	put_ethernet(&frame, 0x86dd);
	put_ipv6(&frame, 0, 0);
	put(&frame, "\6\0\xc2\4", 4);
	put32(&frame, 100000);
	put_tcp(&frame, 0);
	assert_int_equal(decode(MT_PACKET_LINK_ETHERNET, &frame, &packet), MT_VERDICT_DIALOGUE);
	assert_segment(&packet, 6);
	assert_int_equal(packet.ip_bytes, 100040);
	assert_int_equal(packet.payload_wire_len, 100000 - 8 - TCP_BYTES);
	assert_int_equal(packet.payload.len, TEXT_BYTES);
	assert_true(packet.is_truncated);

	size_t whole = frame.len;
	for (frame.len = 0; frame.len < whole - TEXT_BYTES; frame.len++)
		assert_int_equal(verdict_of(&frame), MT_VERDICT_MALFORMED);
	frame.len = whole;

	/* Options that are no jumbogram's are not believed: the frame's length counts. */
	static const uint8_t wrong[][6] = {
	    {0xc2, 4, 0, 0, 0, 1},	 {0xc2, 4, 0, 0, 0xff, 0xff}, {0xc2, 4, 0xff, 0xff, 0xff, 0xff},
	    {0xc2, 3, 0x00, 0x01, 0, 0}, {0xc3, 4, 0x00, 0x01, 0, 0},
	};
	for (size_t i = 0; i < MT_ARRAY_LEN(wrong); i++) {
		memcpy(frame.bytes + frame.ip_at + 42, wrong[i], 6);
		assert_decodes(MT_PACKET_LINK_ETHERNET, &frame, 6, 48 + TCP_BYTES + TEXT_BYTES);
	}
}

/* One byte of a good frame changed so that the headers contradict themselves, each other or the frame. */
static void headers_that_lie_are_malformed(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		unsigned version;
		uint8_t at; /* from the IP header on */
		uint8_t value;
	} cases[] = {
	    {"version 6 under IPv4's type", 4, 0, 0x65},
	    {"version 0", 4, 0, 0x05},
	    {"header of 0 words", 4, 0, 0x40},
	    {"header of 4 words", 4, 0, 0x44},
	    {"header beyond the datagram", 4, 0, 0x4f},
	    {"total length below the header", 4, 3, 19},
	    {"total length without a TCP header", 4, 3, 39},
	    {"data offset 0", 4, 20 + 12, 0x00},
	    {"data offset 4", 4, 20 + 12, 0x40},
	    {"data offset beyond the datagram", 4, 20 + 12, 0x70},
	    {"data offset 15", 4, 20 + 12, 0xf0},
	    {"version 4 under IPv6's type", 6, 0, 0x45},
	    {"payload length without a TCP header", 6, 5, 19},
	    {"IPv6 data offset 4", 6, 40 + 12, 0x4f},
	    {"IPv6 data offset 15", 6, 40 + 12, 0xf0},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(cases); i++) {
		struct frame frame = {0};
		print_message("%s\n", cases[i].what);
		put_ethernet(&frame, cases[i].version == 4 ? 0x0800 : 0x86dd);
		if (cases[i].version == 4)
			put_datagram_v4(&frame);
		else
			put_datagram_v6(&frame);
		assert_int_equal(verdict_of(&frame), MT_VERDICT_DIALOGUE);
		frame.bytes[frame.ip_at + cases[i].at] = cases[i].value;
		assert_int_equal(verdict_of(&frame), MT_VERDICT_MALFORMED);
	}
}

/* What a reader that believed the length would find there is a good TCP header. */
static void an_ipv4_header_below_20_bytes_is_not_read_anyway(void **state)
{
	(void)state;
	for (unsigned words = 0; words < 5; words++) {
		struct frame frame = {0};
		put_ethernet(&frame, 0x0800);
		put_datagram_v4(&frame);
		frame.bytes[frame.ip_at] = (uint8_t)(0x40 + words);
		frame.bytes[frame.ip_at + words * 4 + 12] = 0x50;
		assert_int_equal(verdict_of(&frame), MT_VERDICT_MALFORMED);
	}
}

static void an_extension_beyond_the_datagram_is_malformed(void **state)
{
	(void)state;
	static const uint8_t numbers[] = {0, 43, 51, 60};

	for (size_t i = 0; i < MT_ARRAY_LEN(numbers); i++) {
		struct frame frame = {0};
		put_ethernet(&frame, 0x86dd);
		put_ipv6(&frame, numbers[i], 8 + TCP_BYTES + TEXT_BYTES);
		put(&frame, "\x06\xff\0\0\0\0\0\0", 8);
		put_tcp(&frame, 0);
		put_zeros(&frame, 1200); /* enough of a frame, not of a datagram */
		assert_int_equal(verdict_of(&frame), MT_VERDICT_MALFORMED);
	}
}

static void other_transports_are_not_tcp(void **state)
{
	(void)state;
	static const uint8_t protocols[] = {1, 2, 17, 50, 58, 59, 132, 255};

	for (size_t i = 0; i < MT_ARRAY_LEN(protocols); i++) {
		struct frame v4 = {0}, v6 = {0};

		put_ethernet(&v4, 0x0800);
		put_ipv4(&v4, protocols[i], 0, 28);
		put_zeros(&v4, 8);
		assert_int_equal(verdict_of(&v4), MT_VERDICT_NOT_TCP);
		put_ethernet(&v6, 0x86dd);
		put_ipv6(&v6, protocols[i], 8);
		put_zeros(&v6, 8);
		assert_int_equal(verdict_of(&v6), MT_VERDICT_NOT_TCP);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_frame_written_by_hand),
	    cmocka_unit_test(every_link_type_is_read),
	    cmocka_unit_test(a_cut_frame_is_malformed_or_truncated),
	    cmocka_unit_test(a_cut_chain_of_headers_is_malformed_or_truncated),
	    cmocka_unit_test(what_is_not_ip_is_not_malformed),
	    cmocka_unit_test(tags_are_stepped_over_and_two_are_kept),
	    cmocka_unit_test(a_cooked_frame_may_carry_a_tag),
	    cmocka_unit_test(a_tower_of_headers_has_a_bound),
	    cmocka_unit_test(ipv4_options_are_stepped_over),
	    cmocka_unit_test(tcp_options_are_no_payload),
	    cmocka_unit_test(ipv6_extension_headers_are_stepped_over),
	    cmocka_unit_test(ipv6_extensions_mean_nothing_in_ipv4_but_authentication),
	    cmocka_unit_test(ipv4_fragments_are_told),
	    cmocka_unit_test(ipv6_fragments_are_told_from_atomic_ones),
	    cmocka_unit_test(padding_is_no_payload),
	    cmocka_unit_test(an_empty_segment_in_a_padded_frame_is_empty),
	    cmocka_unit_test(length_0_of_a_large_frame_is_the_frame),
	    cmocka_unit_test(length_0_of_a_small_frame_is_no_length),
	    cmocka_unit_test(a_jumbogram_says_its_length_in_an_option),
	    cmocka_unit_test(headers_that_lie_are_malformed),
	    cmocka_unit_test(an_ipv4_header_below_20_bytes_is_not_read_anyway),
	    cmocka_unit_test(an_extension_beyond_the_datagram_is_malformed),
	    cmocka_unit_test(other_transports_are_not_tcp),
	};
	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
