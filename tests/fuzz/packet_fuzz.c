/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* Input: the link type, then a frame. */
#include "flow.h"
#include "fuzz.h"
#include "packet.h"

static const struct mt_flow_secret secret = {.word = {1, 2}};

static void check_segment(const struct mt_packet *packet, struct mt_span frame)
{
	FUZZ_MUST(packet->ip_version == 4 || packet->ip_version == 6);
	FUZZ_MUST(packet->vlan_count <= MT_PACKET_VLANS_MAX);
	FUZZ_MUST(packet->ip_at < frame.len);
	FUZZ_MUST(packet->payload.len <= packet->payload_wire_len);
	FUZZ_MUST(packet->payload_wire_len <= packet->ip_bytes);
	FUZZ_MUST(packet->payload.len == packet->payload_wire_len || packet->is_truncated);
	if (packet->payload.len > 0)
		FUZZ_MUST(packet->payload.data > frame.data + packet->ip_at &&
			  packet->payload.data + packet->payload.len <= frame.data + frame.len);
}

/* Both directions of a connection are one flow, and the two ends are told apart. */
static void check_key(const struct mt_packet *packet, bool vlan_in_key)
{
	struct mt_packet answer = *packet;
	struct mt_flow_key key, answer_key;

	memcpy(answer.src, packet->dst, sizeof(answer.src));
	memcpy(answer.dst, packet->src, sizeof(answer.dst));
	answer.src_port = packet->dst_port;
	answer.dst_port = packet->src_port;
	unsigned side = mt_flow_key_make(&key, packet, vlan_in_key);
	unsigned answer_side = mt_flow_key_make(&answer_key, &answer, vlan_in_key);
	bool is_itself = packet->src_port == packet->dst_port && memcmp(packet->src, packet->dst, 16) == 0;

	FUZZ_MUST(mt_flow_fingerprint(&key, &secret) == mt_flow_fingerprint(&answer_key, &secret));
	FUZZ_MUST(side <= 1 && (side != answer_side || is_itself));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct mt_span frame = fuzz_input(data, len);
	enum mt_packet_link link = fuzz_byte(&frame) % MT_PACKET_LINK_COUNT;
	struct mt_packet packet, before;

	memset(&before, 0xa5, sizeof(before));
	packet = before;
	switch (mt_packet_decode(link, frame, &packet)) {
	case MT_VERDICT_DIALOGUE:
		check_segment(&packet, frame);
		check_key(&packet, false);
		check_key(&packet, true);
		break;
	case MT_VERDICT_FRAGMENT:
		FUZZ_MUST(packet.payload.len == 0);
		FUZZ_MUST(packet.ip_at < frame.len && packet.ip_header_bytes <= packet.ip_bytes);
		break;
	case MT_VERDICT_NOT_IP:
	case MT_VERDICT_NOT_TCP:
	case MT_VERDICT_MALFORMED:
	case MT_VERDICT_TUNNEL:
		FUZZ_MUST(memcmp(&packet, &before, sizeof(packet)) == 0);
		break;
	default:
		FUZZ_MUST(!"a verdict of decoding");
	}
	return 0;
}
