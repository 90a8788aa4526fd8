/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * A conversation between a client and a server, sent through lib/session as packets, and what must hold of
 * everything that comes of it. The dialogues' fuzzers differ in the server's port alone.
 *
 * An op (fuzz.h) is enum conversation_manner times two, and the direction. Where the input says FUZZ_SECRET
 * behind a word that announces a password, a password is sent, which no report may hold.
 */
#ifndef MT_TESTS_FUZZ_CONVERSATION_H
#define MT_TESTS_FUZZ_CONVERSATION_H

#include "fuzz.h"

/** How a piece travels. */
enum conversation_manner {
	CONVERSATION_AS_SENT,
	CONVERSATION_LOST,	 /* sent, never captured */
	CONVERSATION_TWICE,	 /* repeated at once */
	CONVERSATION_LATE,	 /* arrives behind the next piece */
	CONVERSATION_CONTRADICT, /* repeated with other bytes */
	CONVERSATION_BLIND,	 /* its sender has heard nothing of the other side yet */
	CONVERSATION_AHEAD,	 /* acknowledges what nobody sent */
	CONVERSATION_BYTEWISE,	 /* one byte a segment */
	CONVERSATION_BACK,	 /* begins with the last bytes of the piece before */
	CONVERSATION_FIN,	 /* its last segment closes the direction */
	CONVERSATION_RESET,	 /* ... resets the connection */
	CONVERSATION_PAUSE,	 /* comes 300 ms later */
	CONVERSATION_SILENCE,	 /* comes after longer than a session may be idle */
	CONVERSATION_MANY,	 /* the same bytes 200 times */
	CONVERSATION_CUT,	 /* the snap length cut its last bytes off */
	CONVERSATION_AGAIN,	 /* a new connection between the same ends begins before it */
	CONVERSATION_MANNER_COUNT
};

static inline uint8_t conversation_op(enum conversation_manner manner, enum mt_direction direction)
{
	return (uint8_t)(manner * MT_DIRECTION_COUNT + direction);
}

/** Send the conversation, whose server listens on the port, through an engine of its own. */
void conversation_run(uint16_t server_port, const uint8_t *data, size_t len);

/**
 * Send it whole and in order, and a byte at a time: the records must say the same. In text alone: where
 * something begins like TLS and then is none, what the other side said meanwhile is read as the one or the
 * other. That handshakes may be cut anywhere is what the golden dialogues and tls_fuzz.c show.
 */
void conversation_cut(uint16_t server_port, const uint8_t *data, size_t len);

#endif
