/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * traffic KIND PACKETS FILE [CAPTURE...]: a capture of so many packets, at least, for measurements.
 *
 * Complete sessions are those of the captures named, as they were recorded between real servers and clients,
 * again and again under addresses of their own, many at a time. What is no mail is made up here. The same
 * arguments give the same bytes on every machine. Time goes on by a microsecond a packet.
 */
#include <err.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_A_TIME    64 /* sessions that go on side by side */
#define FRAME_MAX    1514
#define ETHERNET     14
#define START_S	     1700000000
#define MAIL_PERCENT 2 /* of the packets of `mixed` */

struct frame {
	uint32_t len;
	uint8_t *bytes;
};

/** A capture that is sent again and again. */
struct model {
	struct frame *frames;
	uint32_t count;
};

/** One copy of a model, under way. */
struct copy {
	const struct model *model;
	uint32_t next;	 /* frame */
	uint32_t number; /* stands in its addresses */
};

struct traffic {
	pcap_dumper_t *file;
	uint64_t packets; /* written */
	uint64_t wanted;
	uint64_t random;
	uint32_t copies; /* begun */
	struct model *models;
	uint32_t model_count;
	struct copy copy[AT_A_TIME];
};

/* xorshift64* (Vigna 2016): the same numbers everywhere. */
static uint32_t draw(struct traffic *traffic, uint32_t below)
{
	uint64_t x = traffic->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	traffic->random = x;
	return (uint32_t)((x * 0x2545f4914f6cdd1d) >> 32) % below;
}

static void write_frame(struct traffic *traffic, const uint8_t *bytes, uint32_t len)
{
	struct pcap_pkthdr header = {.caplen = len, .len = len};

	header.ts.tv_sec = START_S + (long)(traffic->packets / 1000000);
	header.ts.tv_usec = (long)(traffic->packets % 1000000);
	pcap_dump((u_char *)traffic->file, &header, bytes);
	traffic->packets++;
}

static void put_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_be32(uint8_t *at, uint32_t value)
{
	put_be16(at, value >> 16);
	put_be16(at + 2, value);
}

/* RFC 791 3.1 */
static void sum_ipv4(uint8_t *ip)
{
	uint32_t sum = 0;

	put_be16(ip + 10, 0);
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put_be16(ip + 10, ~(sum + (sum >> 16)));
}

/* ---- What is no mail ---- */

/* Ethernet and IPv4 with random addresses, and two random ports, the second as given. */
static void begin_frame(struct traffic *traffic, uint8_t *frame, uint32_t len, uint8_t protocol,
			uint32_t port)
{
	uint8_t *ip = frame + ETHERNET;

	memset(frame, 0, len);
	frame[5] = 2;
	frame[11] = 1;
	put_be16(frame + 12, 0x0800);
	ip[0] = 0x45;
	put_be16(ip + 2, len - ETHERNET);
	ip[8] = 64;
	ip[9] = protocol;
	put_be32(ip + 12, 0x0a000000 | draw(traffic, 1u << 24));
	put_be32(ip + 16, 0x0b000000 | draw(traffic, 1u << 24));
	sum_ipv4(ip);
	put_be16(ip + 20, 1024 + draw(traffic, 60000));
	put_be16(ip + 22, port);
}

/* Small datagrams: the headers alone say that they are no mail. */
static void send_udp(struct traffic *traffic)
{
	uint8_t frame[60];

	begin_frame(traffic, frame, sizeof(frame), 17, 53);
	put_be16(frame + ETHERNET + 24, sizeof(frame) - ETHERNET - 20);
	write_frame(traffic, frame, sizeof(frame));
}

static void send_tcp(struct traffic *traffic, uint32_t port, uint8_t flags, uint32_t payload)
{
	uint8_t frame[FRAME_MAX], *tcp = frame + ETHERNET + 20;

	begin_frame(traffic, frame, ETHERNET + 40 + payload, 6, port);
	put_be32(tcp + 4, draw(traffic, UINT32_MAX));
	put_be32(tcp + 8, draw(traffic, UINT32_MAX));
	tcp[12] = 0x50;
	tcp[13] = flags;
	for (uint32_t i = 0; i < payload; i++)
		tcp[20 + i] = (uint8_t)draw(traffic, 256);
	/* As an encrypted record of the web begins, and no greeting (RFC 8446 5.1). */
	if (payload > 3)
		memcpy(tcp + 20, "\x17\x03\x03", 3);
	write_frame(traffic, frame, ETHERNET + 40 + payload);
}

static void send_syn(struct traffic *traffic)
{
	send_tcp(traffic, 25, 0x02, 0);
}

/* Frames of 900 bytes on average, as the web's are: four in eleven are full, the others of any size below
 * 1124. */
static void send_web(struct traffic *traffic)
{
	uint32_t full = FRAME_MAX - ETHERNET - 40;

	if (draw(traffic, 11) < 4)
		send_tcp(traffic, 443, 0x18, full);
	else
		send_tcp(traffic, 443, 0x18, draw(traffic, 1124 - ETHERNET - 40));
}

/* ---- Complete sessions ---- */

/* Each address keeps its last byte; the others become the copy's number. */
static void rename_hosts(uint8_t *frame, uint32_t len, uint32_t number)
{
	uint32_t at = ETHERNET;
	uint8_t *ip;

	while (at + 4 < len && frame[at - 2] == 0x81 && frame[at - 1] == 0)
		at += 4;
	ip = frame + at;
	if (frame[at - 2] == 0x08 && frame[at - 1] == 0x00 && at + 20 <= len) {
		for (int address = 12; address <= 16; address += 4)
			put_be32(ip + address, number << 8 | ip[address + 3]);
		sum_ipv4(ip);
	} else if (frame[at - 2] == 0x86 && frame[at - 1] == 0xdd && at + 40 <= len) {
		put_be32(ip + 8 + 4, number);
		put_be32(ip + 24 + 4, number);
	}
}

static void begin_copy(struct traffic *traffic, struct copy *copy)
{
	uint32_t number = traffic->copies++;

	copy->model = &traffic->models[number % traffic->model_count];
	copy->next = 0;
	copy->number = number + 1;
}

/* The next frame of one of the sessions under way; nothing where it is over and no other is wanted. */
static void send_mail(struct traffic *traffic)
{
	struct copy *copy = &traffic->copy[draw(traffic, AT_A_TIME)];
	uint8_t bytes[FRAME_MAX];
	const struct frame *frame;

	if (copy->model == NULL || copy->next == copy->model->count) {
		if (traffic->packets >= traffic->wanted)
			return;
		begin_copy(traffic, copy);
	}
	frame = &copy->model->frames[copy->next++];
	memcpy(bytes, frame->bytes, frame->len);
	rename_hosts(bytes, frame->len, copy->number);
	write_frame(traffic, bytes, frame->len);
}

static int is_under_way(const struct traffic *traffic)
{
	for (int i = 0; i < AT_A_TIME; i++)
		if (traffic->copy[i].model != NULL && traffic->copy[i].next < traffic->copy[i].model->count)
			return 1;
	return 0;
}

static void send_mixed(struct traffic *traffic)
{
	if (draw(traffic, 100) < MAIL_PERCENT || traffic->packets >= traffic->wanted)
		send_mail(traffic);
	else
		send_web(traffic);
}

static void add_frame(struct model *model, const struct pcap_pkthdr *header, const u_char *bytes)
{
	struct frame *frame;

	model->frames = realloc(model->frames, (model->count + 1) * sizeof(*model->frames));
	if (model->frames == NULL)
		err(1, NULL);
	frame = &model->frames[model->count++];
	frame->len = header->caplen;
	frame->bytes = malloc(header->caplen);
	if (frame->bytes == NULL)
		err(1, NULL);
	memcpy(frame->bytes, bytes, header->caplen);
}

/* A capture of another link type, or with frames that are longer than one buffer, is passed over. */
static void add_model(struct traffic *traffic, const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *capture = pcap_open_offline(path, error);
	struct pcap_pkthdr *header;
	const u_char *bytes;
	struct model model = {0};
	int is_fit, result;

	if (capture == NULL)
		errx(2, "%s", error);
	is_fit = pcap_datalink(capture) == DLT_EN10MB;
	while ((result = pcap_next_ex(capture, &header, &bytes)) == 1) {
		is_fit &= header->caplen <= FRAME_MAX && header->caplen == header->len;
		if (is_fit)
			add_frame(&model, header, bytes);
	}
	if (result == PCAP_ERROR)
		errx(2, "%s: %s", path, pcap_geterr(capture));
	pcap_close(capture);
	if (!is_fit)
		return;
	traffic->models = realloc(traffic->models, (traffic->model_count + 1) * sizeof(model));
	if (traffic->models == NULL)
		err(1, NULL);
	traffic->models[traffic->model_count++] = model;
}

/* ---- The program ---- */

static const struct kind {
	const char *name, *about;
	void (*send)(struct traffic *traffic);
	int has_sessions;
} kinds[] = {
    {"udp", "small datagrams, no mail by their headers", send_udp, 0},
    {"web", "TCP payload on port 443, 900 bytes on average", send_web, 0},
    {"syn", "a flood of SYNs to port 25", send_syn, 0},
    {"sessions", "the sessions of the captures named", send_mail, 1},
    {"mixed", "2 % of those, the rest is web", send_mixed, 1},
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	errx(2, "%s is no kind of traffic", name);
}

static void usage(void)
{
	fprintf(stderr, "usage: traffic KIND PACKETS FILE [CAPTURE...]\n");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		fprintf(stderr, "  %-10s %s\n", kinds[i].name, kinds[i].about);
	exit(2);
}

int main(int argc, char **argv)
{
	struct traffic traffic = {.random = 0x9e3779b97f4a7c15};
	const struct kind *kind;
	pcap_t *dead;

	if (argc < 4)
		usage();
	kind = find_kind(argv[1]);
	traffic.wanted = strtoull(argv[2], NULL, 10);
	for (int i = 4; i < argc; i++)
		add_model(&traffic, argv[i]);
	if (kind->has_sessions && traffic.model_count == 0)
		errx(2, "%s needs captures of Ethernet frames to take sessions from", kind->name);
	dead = pcap_open_dead(DLT_EN10MB, 65535);
	traffic.file = dead == NULL ? NULL : pcap_dump_open(dead, argv[3]);
	if (traffic.file == NULL)
		errx(2, "%s: %s", argv[3], dead == NULL ? "no memory" : pcap_geterr(dead));
	/* Sessions under way are brought to their end: a capture that is played in a loop opens and closes.
	 */
	while (traffic.packets < traffic.wanted || is_under_way(&traffic))
		kind->send(&traffic);
	if (pcap_dump_flush(traffic.file) != 0)
		err(1, "%s", argv[3]);
	pcap_dump_close(traffic.file);
	pcap_close(dead);
	return 0;
}
