/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/** What the frames of a capture begin with, for tests that read captures themselves. */
#ifndef MT_TESTS_CAPTURES_LINK_H
#define MT_TESTS_CAPTURES_LINK_H

#include <pcap/pcap.h>

#include "packet.h"

static inline enum mt_packet_link link_of(pcap_t *pcap)
{
	switch (pcap_datalink(pcap)) {
	case DLT_EN10MB:
		return MT_PACKET_LINK_ETHERNET;
	case DLT_LINUX_SLL:
		return MT_PACKET_LINK_LINUX_SLL;
	case DLT_LINUX_SLL2:
		return MT_PACKET_LINK_LINUX_SLL2;
	case DLT_NULL:
		return MT_PACKET_LINK_BSD_NULL;
	default:
		return MT_PACKET_LINK_RAW_IP;
	}
}

#endif
