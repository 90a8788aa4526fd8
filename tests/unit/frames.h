/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/** Frames built header by header, and what decoding makes of them: for the tests of lib/packet. */
#ifndef FRAMES_H
#define FRAMES_H

#include "unit.h"

#include "packet.h"

/* What stands in every segment built here: RFC 9293 3.1 and RFC 791 3.1 say where. */
enum { SRC_PORT = 51234, DST_PORT = 143, TEXT_BYTES = 6, TCP_BYTES = 20 };
#define SEQ  0x01020304u
#define ACK  0xf5f6f7f8u
#define TEXT "* OK\r\n"

static const uint8_t v4_src[4] = {192, 0, 2, 1}, v4_dst[4] = {198, 51, 100, 2};
static const uint8_t v6_src[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1},
		     v6_dst[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 2};

/** A frame that grows at its end. */
struct frame {
	uint8_t bytes[2048];
	size_t len;
	size_t ip_at; /* where the last IP header begins */
};

static inline void put(struct frame *frame, const void *bytes, size_t len)
{
	assert_true(frame->len + len <= sizeof(frame->bytes));
	memcpy(frame->bytes + frame->len, bytes, len);
	frame->len += len;
}

static inline void put_zeros(struct frame *frame, size_t len)
{
	assert_true(frame->len + len <= sizeof(frame->bytes));
	memset(frame->bytes + frame->len, 0, len);
	frame->len += len;
}

static inline void put8(struct frame *frame, unsigned value)
{
	uint8_t byte = (uint8_t)value;

	put(frame, &byte, 1);
}

static inline void put16(struct frame *frame, unsigned value)
{
	put8(frame, value >> 8);
	put8(frame, value & 0xff);
}

static inline void put32(struct frame *frame, uint32_t value)
{
	put16(frame, value >> 16);
	put16(frame, value & 0xffff);
}

static inline void put_ethernet(struct frame *frame, unsigned type)
{
	put(frame, "\x02\0\0\0\0\1\x02\0\0\0\0\2", 12);
	put16(frame, type);
}

/* total: the whole datagram's length as it shall stand there; options are padding words of no-operation. */
static inline void put_ipv4(struct frame *frame, unsigned protocol, unsigned option_words, unsigned total)
{
	frame->ip_at = frame->len;
	put8(frame, 0x45 + option_words);
	put8(frame, 0);
	put16(frame, total);
	put16(frame, 0x1234);
	put16(frame, 0x4000); /* don't fragment */
	put8(frame, 64);
	put8(frame, protocol);
	put16(frame, 0xdead); /* no checksum is looked at */
	put(frame, v4_src, 4);
	put(frame, v4_dst, 4);
	for (; option_words > 0; option_words--)
		put32(frame, 0x01010101);
}

static inline void put_ipv6(struct frame *frame, unsigned next, unsigned payload)
{
	frame->ip_at = frame->len;
	put32(frame, 0x6a512345);
	put16(frame, payload);
	put8(frame, next);
	put8(frame, 64);
	put(frame, v6_src, 16);
	put(frame, v6_dst, 16);
}

static inline void put_tcp(struct frame *frame, unsigned option_words)
{
	put16(frame, SRC_PORT);
	put16(frame, DST_PORT);
	put32(frame, SEQ);
	put32(frame, ACK);
	put8(frame, (5 + option_words) << 4);
	put8(frame, MT_TCP_PSH | MT_TCP_ACK);
	put16(frame, 0xffff);
	put32(frame, 0);
	for (; option_words > 0; option_words--)
		put32(frame, 0x01010101);
	put(frame, TEXT, TEXT_BYTES);
}

static inline enum mt_verdict decode(enum mt_packet_link link, const struct frame *frame,
				     struct mt_packet *ret)
{
	memset(ret, 0xa5, sizeof(*ret));
	return mt_packet_decode(link, guarded(frame->bytes, frame->len), ret);
}

static inline enum mt_verdict verdict_of(const struct frame *frame)
{
	struct mt_packet packet;

	return decode(MT_PACKET_LINK_ETHERNET, frame, &packet);
}

static inline void assert_segment(const struct mt_packet *packet, unsigned version)
{
	static const uint8_t nothing[12];

	assert_int_equal(packet->ip_version, version);
	assert_memory_equal(packet->src, version == 4 ? v4_src : v6_src, version == 4 ? 4 : 16);
	assert_memory_equal(packet->dst, version == 4 ? v4_dst : v6_dst, version == 4 ? 4 : 16);
	if (version == 4) {
		assert_memory_equal(packet->src + 4, nothing, 12);
		assert_memory_equal(packet->dst + 4, nothing, 12);
	}
	assert_int_equal(packet->src_port, SRC_PORT);
	assert_int_equal(packet->dst_port, DST_PORT);
	assert_int_equal(packet->seq, SEQ);
	assert_int_equal(packet->ack, ACK);
	assert_int_equal(packet->tcp_flags, MT_TCP_PSH | MT_TCP_ACK);
}

/* The whole text arrived, and the IP length was this. */
static inline void assert_whole(const struct mt_packet *packet, unsigned version, unsigned ip_bytes)
{
	assert_segment(packet, version);
	assert_false(packet->is_truncated);
	assert_int_equal(packet->ip_bytes, ip_bytes);
	assert_int_equal(packet->payload_wire_len, TEXT_BYTES);
	assert_int_equal(packet->payload.len, TEXT_BYTES);
	assert_memory_equal(packet->payload.data, TEXT, TEXT_BYTES);
}

static inline void assert_decodes(enum mt_packet_link link, const struct frame *frame, unsigned version,
				  unsigned ip_bytes)
{
	struct mt_packet packet;

	assert_int_equal(decode(link, frame, &packet), MT_VERDICT_DIALOGUE);
	assert_whole(&packet, version, ip_bytes);
	assert_int_equal(packet.vlan_count, 0);
}

static inline void put_datagram_v4(struct frame *frame)
{
	put_ipv4(frame, 6, 0, 20 + TCP_BYTES + TEXT_BYTES);
	put_tcp(frame, 0);
}

static inline void put_datagram_v6(struct frame *frame)
{
	put_ipv6(frame, 6, TCP_BYTES + TEXT_BYTES);
	put_tcp(frame, 0);
}

#endif
