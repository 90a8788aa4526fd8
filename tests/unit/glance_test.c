/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * The quick way of a usual packet against the long one: what a glance says, decoding and the first look say
 * too; what is filled in, reading header by header finds too. Frames are random, but most are nearly right.
 */
#include "unit.h"

#include "identify.h"

enum { FRAMES = 300000, FRAME_BYTES = 200, PERIOD_NS = 1000, FRAME_LEAST = 54 };

/* The same frames in every run, so that a failure comes back (a linear congruential generator). */
static uint64_t random_state = 1;

static uint32_t below(uint32_t bound)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % bound;
}

static uint16_t one_of(const uint16_t *numbers, size_t count)
{
	return numbers[below((uint32_t)count)];
}

#define ONE_OF(...) one_of((const uint16_t[]){__VA_ARGS__}, MT_ARRAY_LEN(((const uint16_t[]){__VA_ARGS__})))

static void write16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint8_t *write_tags(uint8_t *at)
{
	for (uint32_t tags = below(3) == 0 ? below(4) : 0; tags > 0; tags--, at += 4) {
		write16(at, ONE_OF(0x8100, 0x88a8, 0x9100));
		write16(at + 2, below(65536));
	}
	return at;
}

/* Result  where the transport's header begins */
static uint8_t *write_ipv4(uint8_t *at, size_t behind)
{
	write16(at, 0x0800);
	at += 2;
	at[0] = below(20) == 0 ? (uint8_t)below(256) : 0x45;
	write16(at + 2, below(10) == 0 ? below(300) : (unsigned)(behind - (20 - below(2) * 20 + below(3))));
	write16(at + 6, below(20) == 0 ? below(65536) : 0x4000);
	at[9] = (uint8_t)ONE_OF(6, 6, 6, 17, 1, 47, 4);
	memcpy(at + 12, "\x0a\0\0", 3);
	memcpy(at + 16, "\x0a\0\0", 3);
	at[15] = (uint8_t)below(4);
	at[19] = (uint8_t)below(4);
	return at + 20;
}

static uint8_t *write_ipv6(uint8_t *at, size_t behind)
{
	write16(at, 0x86dd);
	at += 2;
	at[0] = below(20) == 0 ? (uint8_t)below(256) : 0x60;
	write16(at + 4, below(10) == 0 ? below(300) : (unsigned)(behind - 40 - below(3)));
	at[6] = (uint8_t)ONE_OF(6, 6, 6, 17, 58, 0, 43, 44, 60);
	memset(at + 8, 0x20, 32);
	at[23] = (uint8_t)below(4);
	at[39] = (uint8_t)below(4);
	return at + 40;
}

/* A frame of so many bytes, with what follows Ethernet's addresses made up. */
static void make_frame(uint8_t *frame, size_t len)
{
	static const char *const payloads[] = {"220 x", "2", "+", "* OK", "*", "EHLO", "\x16\x03", "x"};
	uint8_t *type, *tcp;
	size_t behind;

	memset(frame, 0, FRAME_BYTES);
	type = write_tags(frame + 12);
	behind = len > (size_t)(type - frame) + 42 ? len - (size_t)(type - frame) - 2 : 40;
	tcp = below(2) == 0 ? write_ipv4(type, behind) : write_ipv6(type, behind);
	write16(tcp, ONE_OF(25, 443, 993, 8443, 26, 1143));
	write16(tcp + 2, ONE_OF(25, 443, 4789, 8472, 2152, 6081, 26, 1143));
	for (int i = 4; i < 12; i++)
		tcp[i] = (uint8_t)below(256);
	tcp[12] = below(10) == 0 ? (uint8_t)below(256) : (uint8_t)(0x50 + 16 * below(3));
	tcp[13] = (uint8_t)below(256);
	const char *payload = payloads[below(MT_ARRAY_LEN(payloads))];
	memcpy(tcp + (size_t)(tcp[12] >> 4) * 4, payload, strlen(payload));
}

/* What reading header by header makes of the IP packet: of that way the quick one is no part. */
static void compare_decoded(struct mt_span frame, const struct mt_packet_usual *usual)
{
	struct mt_packet quick, slow;
	size_t ip_at = (size_t)(usual->ip - frame.data);
	enum mt_verdict verdict = mt_packet_decode(MT_PACKET_LINK_RAW_IP, mt_span_after(frame, ip_at), &slow);

	memset(&quick, 0xa5, sizeof(quick));
	if (!mt_packet_fill(&quick, frame, usual)) {
		assert_int_not_equal(verdict, MT_VERDICT_DIALOGUE);
		return;
	}
	assert_int_equal(verdict, MT_VERDICT_DIALOGUE);
	assert_int_equal(quick.ip_version, slow.ip_version);
	assert_int_equal(quick.tcp_flags, slow.tcp_flags);
	assert_int_equal(quick.tunnels, slow.tunnels);
	assert_int_equal(quick.is_truncated, slow.is_truncated);
	assert_int_equal(quick.src_port, slow.src_port);
	assert_int_equal(quick.dst_port, slow.dst_port);
	assert_memory_equal(quick.src, slow.src, sizeof(slow.src));
	assert_memory_equal(quick.dst, slow.dst, sizeof(slow.dst));
	assert_int_equal(quick.seq, slow.seq);
	assert_int_equal(quick.ack, slow.ack);
	assert_int_equal(quick.ip_at, ip_at);
	assert_int_equal(quick.ip_bytes, slow.ip_bytes);
	assert_int_equal(quick.ip_header_bytes, slow.ip_header_bytes);
	assert_int_equal(quick.payload_wire_len, slow.payload_wire_len);
	assert_ptr_equal(quick.payload.data, slow.payload.data);
	assert_int_equal(quick.payload.len, slow.payload.len);
	/* IEEE 802.1Q 9.6: a tag is four bytes, the identifier the last twelve bits of the middle two. */
	assert_int_equal(quick.vlan_count, (ip_at - 14) / 4);
	for (unsigned i = 0; i < MT_PACKET_VLANS_MAX; i++)
		assert_int_equal(quick.vlan[i],
				 i < quick.vlan_count ? mt_read_be16(frame.data + 14 + 4 * i) & 0xfff : 0);
}

static struct mt_identify_ports ports;
static struct mt_identify_filter filter;

/* The verdict of the long way, or MT_VERDICT_DIALOGUE where the packet goes on. */
static enum mt_verdict judge(struct mt_span frame)
{
	static struct mt_identify_filter copy;
	struct mt_packet packet;
	enum mt_verdict verdict = mt_packet_decode(MT_PACKET_LINK_ETHERNET, frame, &packet);

	copy = filter;
	if (verdict == MT_VERDICT_DIALOGUE &&
	    mt_identify_first_look(&copy, &ports, &packet, 1, PERIOD_NS) == MT_IDENTIFY_DROP)
		return MT_VERDICT_NOT_MAIL;
	return verdict;
}

/* One server of each IP version has greeted. */
static void greet(void)
{
	struct mt_packet packet = {
	    .ip_version = 4, .src = {10, 0, 0, 1}, .src_port = 1143, .payload = mt_span("* OK", 4)};

	assert_int_equal(mt_identify_first_look(&filter, &ports, &packet, 1, PERIOD_NS),
			 MT_IDENTIFY_GREETING);
	packet.ip_version = 6;
	memset(packet.src, 0x20, sizeof(packet.src));
	packet.src[15] = 1;
	assert_int_equal(mt_identify_first_look(&filter, &ports, &packet, 1, PERIOD_NS),
			 MT_IDENTIFY_GREETING);
}

static void a_glance_says_what_the_long_way_says(void **state)
{
	(void)state;
	struct guard guard = guard_make(FRAME_BYTES);
	uint8_t bytes[FRAME_BYTES];
	unsigned seen[MT_VERDICT_COUNT + 1] = {0}, unusual = 0;
	char error[200];

	assert_int_equal(mt_identify_ports_parse(&ports, NULL, error, sizeof(error)), 0);
	greet();
	for (unsigned i = 0; i < FRAMES; i++) {
		size_t len = below(8) == 0 ? below(FRAME_BYTES) : FRAME_LEAST + below(100);
		struct mt_packet_usual usual;

		make_frame(bytes, len);
		struct mt_span frame = guard_copy(&guard, bytes, len);
		if (!mt_packet_is_usual(frame, &usual)) {
			unusual++;
			continue;
		}
		compare_decoded(frame, &usual);
		enum mt_verdict glance = mt_identify_glance(&filter, &ports, &usual);
		seen[glance]++;
		if (glance == MT_VERDICT_NOT_TCP || glance == MT_VERDICT_NOT_MAIL)
			assert_int_equal(judge(frame), glance);
		else if (glance == MT_VERDICT_DIALOGUE)
			assert_true(judge(frame) == MT_VERDICT_DIALOGUE ||
				    judge(frame) == MT_VERDICT_MALFORMED);
		else
			assert_int_equal(glance, MT_VERDICT_COUNT);
	}
	/* Each of them often, or nothing was shown. */
	assert_true(unusual > FRAMES / 50 && unusual < FRAMES / 4 * 3);
	assert_true(seen[MT_VERDICT_NOT_TCP] > FRAMES / 100 && seen[MT_VERDICT_NOT_MAIL] > FRAMES / 100);
	assert_true(seen[MT_VERDICT_DIALOGUE] > FRAMES / 100 && seen[MT_VERDICT_COUNT] > FRAMES / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_glance_says_what_the_long_way_says)};

	return cmocka_run_group_tests_name("glance", tests, NULL, NULL);
}
