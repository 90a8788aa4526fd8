/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Traffic to measure with, frame by frame, to whoever takes it: a capture file or a ring between processes.
 *
 * A kind is a row of the table in kinds.c. The same settings give the same bytes on every machine. What has
 * to be found in the traffic again, how many packets and connections, is counted while it is made.
 */
#ifndef BENCH_GENERATOR_H
#define BENCH_GENERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 1514
#define ETHERNET  14

/** The next frame. bytes are borrowed. */
typedef void traffic_write(void *context, const uint8_t *bytes, uint32_t len);

/** A capture, or a dialogue made up here, that is sent again and again under other addresses. */
struct model {
	struct frame {
		uint32_t len;
		uint8_t *bytes;
	} * frames;
	uint32_t count;
	uint32_t connections; /* SYNs among its frames that acknowledge nothing, each port counted once */
};

/** One copy of a model, under way. */
struct copy {
	const struct model *model; /* NULL: none yet */
	uint32_t next;		   /* frame */
	uint32_t number;	   /* stands in its addresses */
};

struct traffic {
	/* Settings. 0 stands for the kind's own. */
	traffic_write *write;
	void *context;
	uint64_t wanted;       /* packets, at least */
	uint32_t tuples;       /* connections that are open at a time */
	uint32_t bytes;	       /* of each frame, where the kind has frames of one size */
	uint32_t mail_percent; /* of the packets of a mixture */
	uint32_t first;	       /* number of the first copy: two captures without a connection in common */
	bool is_opened;	       /* what the kind would open first was opened before */
	bool is_zipf;	       /* the n-th connection is chosen 1/n as often as the first */

	/* What was made. */
	uint64_t packets, total_bytes;
	uint64_t connections; /* of mail, begun with a SYN and followed by payload */
	uint64_t setup;	      /* packets by which connections were brought to where the kind begins */
	uint64_t random;

	/* Sessions. */
	struct model *models;
	uint32_t model_count;
	struct copy *copies;
	uint32_t copies_begun, copies_first; /* in this pass; in the first one, once that is over */
	uint32_t pass;
	bool is_disturbed;

	uint64_t next_tuple; /* of those that are still to be opened, or to be visited */
};

/** One kind of traffic. */
struct kind {
	const char *name, *about;
	/** Make what goes into memory before the first frame; NULL for nothing. */
	void (*begin)(struct traffic *traffic);
	/** The next frames, as few as make sense. Result: false where nothing is left to be sent. */
	bool (*send)(struct traffic *traffic);
	bool needs_captures;
};

/* kinds.c */
const struct kind *traffic_find_kind(const char *name); /* NULL where there is none */
void traffic_list_kinds(void);

/* traffic_options.c: the command line of every program that makes traffic. */
/** Reads options and KIND PACKETS FILE [CAPTURE...]. Result: the kind. Ends the program where they are wrong.
 */
const struct kind *traffic_read_options(struct traffic *traffic, int argc, char **argv,
					const char **ret_file);
/** All the frames. */
void traffic_send_all(struct traffic *traffic, const struct kind *kind);
/** What was made, as JSON on standard output. */
void traffic_report(const struct traffic *traffic, const struct kind *kind);

/* frames.c */
uint32_t traffic_draw(struct traffic *traffic, uint32_t below);
/** One of so many, by traffic->is_zipf. */
uint32_t traffic_choose(struct traffic *traffic, uint32_t below);
void traffic_emit(struct traffic *traffic, const uint8_t *bytes, uint32_t len);
void put_be16(uint8_t *at, uint32_t value);
void put_be32(uint8_t *at, uint32_t value);
uint32_t get_be16(const uint8_t *at);
uint32_t get_be32(const uint8_t *at);
/** The header's checksum (RFC 791 3.1). */
void sum_ipv4(uint8_t *ip);

struct segment {
	uint32_t source, target; /* addresses */
	uint16_t source_port, target_port;
	uint32_t seq, ack;
	uint8_t flags;
	uint32_t len; /* of the payload, which the caller writes behind the headers */
};
enum { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10 }; /* RFC 9293 3.1 */
#define HEADERS (ETHERNET + 40)

/** Ethernet, IPv4 and TCP headers. Result: where the payload begins. */
uint8_t *put_headers(uint8_t *frame, const struct segment *segment);

/** Where a frame's TCP header is and its payload begins; false where it has none. */
struct place {
	uint32_t ip, tcp, payload, end; /* offsets */
	bool is_ipv6;
};
bool find_tcp(const uint8_t *frame, uint32_t len, struct place *ret);

/* no_mail.c */
bool send_udp(struct traffic *traffic);
bool send_bare(struct traffic *traffic);
bool send_foreign(struct traffic *traffic);
bool send_web(struct traffic *traffic);
bool send_syn(struct traffic *traffic);

/* models.c */
void add_capture(struct traffic *traffic, const char *path);
void add_frame(struct model *model, const uint8_t *bytes, uint32_t len);
void add_model(struct traffic *traffic, const struct model *model);

/* scripts.c: dialogues made up here, each a model. */
void begin_short(struct traffic *traffic);
void begin_lines(struct traffic *traffic);
void begin_greetings(struct traffic *traffic);
void begin_answered(struct traffic *traffic);
/** The frames that bring a session under implicit TLS to where it is decided. */
const struct model *decided_opening(void);

/* copies.c */
bool send_sessions(struct traffic *traffic);
bool send_mixed(struct traffic *traffic);
void begin_disturbed(struct traffic *traffic);

/* decided.c */
bool send_decided(struct traffic *traffic);

#endif
