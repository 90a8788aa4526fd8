/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Golden tests: a dialogue in text becomes TCP segments, the segments go through lib/session, and what
 * comes out is compared with what the dialogue's directory expects. Files in the order of that way:
 * dialogue.c (text), wire.c (segments, and the ways they may arrive), watch.c (the engine, and a session
 * in words), golden.c (what must be equal).
 */
#ifndef MT_TESTS_GOLDEN_H
#define MT_TESTS_GOLDEN_H

#include "session.h"

#define STEPS_MAX  512
#define STREAM_MAX (1u << 20)
#define WORDS_MAX  16384

/** Bytes that leave in one segment. */
struct step {
	uint8_t direction; /* enum mt_direction */
	bool is_lost;	   /* sent, never captured */
	uint32_t offset;   /* in the direction's stream */
	uint32_t len;
	uint32_t ack;	  /* bytes of the other direction that the sender had */
	uint64_t time_ns; /* since the connection began */
};

struct dialogue {
	uint16_t server_port, client_port;
	uint16_t vlan[MT_DIRECTION_COUNT]; /* tag of the direction's frames; 0 for none */
	bool is_ipv6;
	bool is_midstream;		     /* the handshake was not captured */
	bool has_tls;			     /* a whole recorded handshake is in it */
	uint8_t goodbye[MT_DIRECTION_COUNT]; /* MT_TCP_FIN, MT_TCP_RST, or 0 where the side falls silent */
	bool is_close_with_data;	     /* its FIN comes with a side's last bytes */
	uint64_t end_ns;
	uint32_t step_count;
	struct step steps[STEPS_MAX];
	uint32_t len[MT_DIRECTION_COUNT];
	uint8_t *stream[MT_DIRECTION_COUNT];
};

/** Read dialogue.txt; its grammar stands in README.md. Result  0, or -1 with a sentence on standard error. */
int dialogue_read(struct dialogue *ret, const char *path);
void dialogue_free(struct dialogue *dialogue);

/** One packet on the wire; numbers count from the connection's beginning. */
struct segment {
	uint8_t direction; /* enum mt_direction */
	uint8_t flags;	   /* enum mt_tcp_flag */
	uint32_t seq, ack;
	uint32_t offset, len; /* payload in the direction's stream */
	uint32_t altered;     /* so many of its first bytes are others than were sent */
	uint64_t time_ns;
};

struct wire {
	const struct dialogue *dialogue;
	struct segment *segments;
	uint32_t count, room;
};

/* A wire is filled anew by each of these. */
void wire_as_sent(struct wire *wire, const struct dialogue *dialogue);
/* Neighbours of one direction that acknowledge the same in one segment, as a receiver coalesces them. */
void wire_joined(struct wire *wire, const struct dialogue *dialogue);
/* Every segment in pieces of so many bytes. */
void wire_in_pieces(struct wire *wire, const struct dialogue *dialogue, uint32_t bytes);
/* The nth step cut in two behind so many bytes. */
void wire_cut(struct wire *wire, const struct dialogue *dialogue, uint32_t nth, uint32_t at);
/* The nth pair of neighbours of one direction changes places; false where there is no such pair. */
bool wire_swapped(struct wire *wire, const struct dialogue *dialogue, uint32_t nth);
/* All pairs of neighbours of one direction change places. */
void wire_all_swapped(struct wire *wire, const struct dialogue *dialogue);
void wire_twice(struct wire *wire, const struct dialogue *dialogue);
/* Behind every segment the last ones of its direction once more, in one. */
void wire_gone_back(struct wire *wire, const struct dialogue *dialogue);
void wire_delayed(struct wire *wire, const struct dialogue *dialogue, enum mt_direction direction,
		  uint64_t delay_ns);
/* Every segment begins with the one before it of its direction, in other bytes. */
void wire_overlapping(struct wire *wire, const struct dialogue *dialogue);
/* What the wire holds, and behind every segment the same once more in other bytes. */
void wire_contradict(struct wire *wire);
void wire_one_sided(struct wire *wire, const struct dialogue *dialogue, enum mt_direction direction);
void wire_free(struct wire *wire);

/** An engine and what came out of it. */
struct watch;

/** Result  the watch; ends the program where it cannot be had. */
struct watch *watch_create(const char *banners_path);
void watch_destroy(struct watch *watch);

/**
 * Send the wire through the engine and say in words what it reported: a line `key: value` for each fact.
 * Times and what depends on the number of packets are left out.
 */
void watch_run(struct watch *watch, const struct wire *wire, char ret_words[WORDS_MAX]);

#endif
