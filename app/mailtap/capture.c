/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef DLT_RAW_ON_FILE
#define DLT_RAW_ON_FILE 101 /* LINKTYPE_RAW as a number of its own, where a platform's DLT_RAW differs */
#endif

/* Link types that are decoded, by libpcap's number (www.tcpdump.org/linktypes.html). */
static const struct {
	int dlt;
	enum mt_packet_link link;
} links[] = {
    {DLT_EN10MB, MT_PACKET_LINK_ETHERNET},	 {DLT_RAW, MT_PACKET_LINK_RAW_IP},
    {DLT_RAW_ON_FILE, MT_PACKET_LINK_RAW_IP},	 {DLT_IPV4, MT_PACKET_LINK_RAW_IP},
    {DLT_IPV6, MT_PACKET_LINK_RAW_IP},		 {DLT_LINUX_SLL, MT_PACKET_LINK_LINUX_SLL},
    {DLT_LINUX_SLL2, MT_PACKET_LINK_LINUX_SLL2}, {DLT_NULL, MT_PACKET_LINK_BSD_NULL},
    {DLT_LOOP, MT_PACKET_LINK_BSD_NULL},
};

static int find_link(pcap_t *pcap, enum mt_packet_link *ret, const char *path, char *error, size_t error_size)
{
	int dlt = pcap_datalink(pcap);
	const char *name = pcap_datalink_val_to_description(dlt);

	for (size_t i = 0; i < MT_ARRAY_LEN(links); i++)
		if (links[i].dlt == dlt) {
			*ret = links[i].link;
			return 0;
		}
	snprintf(error, error_size, "%s: link type %d (%s) is not decoded", path, dlt,
		 name != NULL ? name : "unknown to libpcap");
	return -EINVAL;
}

/* The numbers that the replay is sized and ended by. */
static void count_packets(struct mt_capture *capture, pcap_t *pcap)
{
	struct pcap_pkthdr *header;
	const u_char *bytes;
	int rc;

	while ((rc = pcap_next_ex(pcap, &header, &bytes)) == 1) {
		uint64_t ns =
		    mt_capture_ns((uint64_t)header->ts.tv_sec * 1000000 + (uint64_t)header->ts.tv_usec);

		if (capture->packets++ == 0 || ns < capture->first_ns)
			capture->first_ns = ns;
		if (ns >= capture->last_ns)
			capture->last_ns = ns;
		else if (capture->last_ns - ns > capture->backstep_ns)
			capture->backstep_ns = capture->last_ns - ns;
		if (header->caplen > capture->frame_bytes)
			capture->frame_bytes = header->caplen;
	}
	if (rc == PCAP_ERROR) {
		capture->is_damaged = true;
		snprintf(capture->damage, sizeof(capture->damage), "%s", pcap_geterr(pcap));
	}
}

/* Result  a stream of the capture's own descriptor: closing the one leaves the other. */
static pcap_t *open_capture(int fd, char *reason)
{
	FILE *file = NULL;
	pcap_t *pcap = NULL;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0 || (file = fdopen(copy, "rb")) == NULL) {
		snprintf(reason, PCAP_ERRBUF_SIZE, "%s", strerror(errno));
		if (copy >= 0)
			close(copy);
		return NULL;
	}
	pcap = pcap_fopen_offline(file, reason);
	if (pcap == NULL)
		fclose(file);
	return pcap;
}

static int look_into(struct mt_capture *capture, const char *path, char *error, size_t error_size)
{
	char reason[PCAP_ERRBUF_SIZE] = "";
	struct stat stat;
	pcap_t *pcap;
	int rc;

	if (fstat(capture->fd, &stat) != 0 || !S_ISREG(stat.st_mode)) {
		snprintf(error, error_size, "%s: is no regular file", path);
		return -EINVAL;
	}
	capture->file_bytes = (uint64_t)stat.st_size;
	pcap = open_capture(capture->fd, reason);
	if (pcap == NULL) {
		snprintf(error, error_size, "%s: is no capture file: %s", path, reason);
		return -EINVAL;
	}
	rc = find_link(pcap, &capture->link, path, error, error_size);
	if (rc == 0)
		count_packets(capture, pcap);
	pcap_close(pcap);
	/* A file of which nothing can be read, though it is not cut short, is none that libpcap can read. */
	if (rc == 0 && capture->is_damaged && capture->packets == 0 &&
	    strstr(capture->damage, "truncated") == NULL) {
		snprintf(error, error_size, "%s: cannot be read: %s", path, capture->damage);
		return -EINVAL;
	}
	return rc;
}

int mt_capture_look(struct mt_capture *ret, const char *path, char *error, size_t error_size)
{
	/* Without O_NONBLOCK the open of a fifo would wait for a writer. */
	struct mt_capture capture = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
	int rc;

	if (capture.fd < 0) {
		rc = -errno;
		snprintf(error, error_size, "%s: %s", path, strerror(errno));
		return rc;
	}
	rc = look_into(&capture, path, error, error_size);
	if (rc == 0)
		*ret = capture;
	else
		close(capture.fd);
	return rc;
}

void mt_capture_close(struct mt_capture *capture)
{
	if (capture->fd >= 0)
		close(capture->fd);
	capture->fd = -1;
}
