/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * traffic [--tuples N] [--zipf] [--bytes N] [--mail PERCENT] KIND PACKETS FILE [CAPTURE...]: a capture of so
 * many packets, at least, for measurements.
 *
 * Complete sessions are those of the captures named, as they were recorded between real servers and clients.
 * The rest is made up here. Time goes on by a microsecond a packet. What the file holds is said as JSON.
 */
#include "generator.h"

#include <err.h>
#include <pcap/pcap.h>

#define START_S 1700000000

struct file {
	pcap_dumper_t *dumper;
	uint64_t packets;
};

static void write_frame(void *context, const uint8_t *bytes, uint32_t len)
{
	struct file *file = context;
	struct pcap_pkthdr header = {.caplen = len, .len = len};

	header.ts.tv_sec = START_S + (long)(file->packets / 1000000);
	header.ts.tv_usec = (long)(file->packets % 1000000);
	pcap_dump((u_char *)file->dumper, &header, bytes);
	file->packets++;
}

int main(int argc, char **argv)
{
	struct file file = {0};
	struct traffic traffic = {.write = write_frame, .context = &file};
	const char *path;
	const struct kind *kind = traffic_read_options(&traffic, argc, argv, &path);
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, 65535);

	file.dumper = dead == NULL ? NULL : pcap_dump_open(dead, path);
	if (file.dumper == NULL)
		errx(2, "%s: %s", path, dead == NULL ? "no memory" : pcap_geterr(dead));
	traffic_send_all(&traffic, kind);
	if (pcap_dump_flush(file.dumper) != 0)
		err(1, "%s", path);
	pcap_dump_close(file.dumper);
	pcap_close(dead);
	traffic_report(&traffic, kind);
	return 0;
}
