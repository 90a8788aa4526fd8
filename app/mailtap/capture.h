/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * A look at a capture file through libpcap, before DPDK opens it: net_pcap checks no link type, never
 * says that it is at the end, and a file that it cannot open ends in a run with no port at all.
 * Called by main, once; nothing here is on the way of a packet.
 */
#ifndef MT_CAPTURE_H
#define MT_CAPTURE_H

#include "base.h"
#include "packet.h"

#define MT_CAPTURE_DAMAGE_SIZE 300

struct mt_capture {
	int fd;			  /* kept open, so that net_pcap opens the very file that was looked at */
	enum mt_packet_link link; /* what its frames begin with */
	uint64_t packets;	  /* that can be read, up to the end or the damage */
	uint64_t file_bytes;
	uint64_t first_ns;    /* earliest time stamp; 0 without packets */
	uint64_t last_ns;     /* latest time stamp */
	uint64_t backstep_ns; /* farthest that a time stamp lies behind an earlier packet's */
	uint32_t frame_bytes; /* of the largest frame */
	bool is_damaged;
	char damage[MT_CAPTURE_DAMAGE_SIZE]; /* what libpcap says of it, where is_damaged */
};

/**
 * Read a capture from one end to the other.
 * error   a sentence that names the file, where the result is not 0
 * Result  0, or -errno: no such file, no regular file, no capture, a link type that is not decoded
 */
int mt_capture_look(struct mt_capture *ret, const char *path, char *error, size_t error_size);
void mt_capture_close(struct mt_capture *capture);

/** Nanoseconds of a time stamp in microseconds, as net_pcap gives it; absurd ones of damaged files stay
 * finite. */
static inline uint64_t mt_capture_ns(uint64_t microseconds)
{
	return microseconds < UINT64_MAX / 1000 ? microseconds * 1000 : UINT64_MAX / 1000 * 1000;
}

#endif
