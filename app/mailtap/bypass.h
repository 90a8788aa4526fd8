/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Which encrypted connections a device drops for us: those whose verdict stands, until they end. A bounded
 * table of them, what their rules have counted, and when the rules have to go. Not here: what a rule looks
 * like and how a driver is asked (bypass_device.h). Used by the control thread alone.
 *
 * A connection without rules is no trouble: its packets come, and are counted as they always are.
 */
#ifndef MT_BYPASS_H
#define MT_BYPASS_H

#include "base.h"
#include "mail.h"

/*
 * Connections at a time. Each is asked about every MT_BYPASS_LOOK_NS: of two rules at 5 us a question that
 * is one part in seventy of the control thread. A NIC with a table of 8,192 filters takes as many pairs.
 */
#define MT_BYPASS_MAX 4096

/* A question reaches every rule once in this time: below the 10 s after which a worker whose table is full
 * takes a connection for idle. */
#define MT_BYPASS_LOOK_NS (3 * MT_NS_PER_SECOND)

/* Rules outlive a connection that both sides have closed by this much: a driver may read its device's
 * counters once a second, and what it has not read when the rule goes was never counted. */
#define MT_BYPASS_SETTLE_NS (2 * MT_NS_PER_SECOND)

/* Of the time that asking devices took, so many times is left to the control thread's other work before the
 * next connection gets rules. */
#define MT_BYPASS_SHARE 3

/** What a rule has dropped. */
struct mt_bypass_count {
	uint64_t packets;
	uint64_t bytes; /* of frames; 0 where the device does not count them */
};

/** What the table asks of others. context stands in front of each call's arguments. */
struct mt_bypass_hands {
	/**
	 * Have one direction dropped and counted by a port, but for packets with SYN, FIN or RST.
	 * ends     borrowed
	 * Result   0 with *ret, -ENOTSUP where this port cannot though others may, or another -errno
	 */
	int (*create)(void *context, unsigned port, const struct mt_mail_ends *ends,
		      enum mt_direction direction, void **ret);
	/** All that the rule has dropped since it stands. Result 0 or -errno */
	int (*query)(void *context, unsigned port, void *rule, struct mt_bypass_count *ret);
	/** Result  0, or -errno: the rule stands as before */
	int (*destroy)(void *context, unsigned port, void *rule);
	/** Tell a worker that packets of its connection go by unseen. Result false where it cannot be told
	 * now */
	bool (*tell)(void *context, uint32_t worker, const struct mt_mail_ends *ends);
	uint64_t (*clock_ns)(void *context); /* monotonic */
};

struct mt_bypass_config {
	const struct mt_bypass_hands *hands; /* kept */
	void *context;			     /* kept */
	unsigned ports;			     /* that the hands know, numbered from 0 */
	uint64_t timeout_ns;		     /* rules that drop nothing for longer go */
	uint64_t *cells;		     /* kept: the control thread's counters */
};

struct mt_bypass;

struct mt_bypass *mt_bypass_create(const struct mt_bypass_config *config); /* NULL without memory */
/** Count for the last time and remove every rule. Nothing else but _destroy may follow. */
void mt_bypass_finish(struct mt_bypass *bypass);
void mt_bypass_destroy(struct mt_bypass *bypass); /* NULL is legal; after _finish */

/**
 * A session is decided because it is encrypted: have the rest of it dropped, if there is room and time.
 * Where the table is full, what has dropped nothing for longest makes room, if that is two looks or more.
 * worker, handle  its name until _end
 * ends            copied
 */
void mt_bypass_begin(struct mt_bypass *bypass, uint32_t worker, uint32_t handle,
		     const struct mt_mail_ends *ends);

/** Its end has come, or that of a session without rules. reason: enum mt_reason */
void mt_bypass_end(struct mt_bypass *bypass, uint32_t worker, uint32_t handle, unsigned reason);

/** Ask about those rules whose turn has come, and remove what has to go. Called often: at every turn. */
void mt_bypass_look(struct mt_bypass *bypass);

#endif
