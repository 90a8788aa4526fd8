/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Segments in, records out: the engine of one worker. It joins flow table, streams, framing, dialogues
 * and TLS, and knows no DPDK: the worker, the golden tests and the fuzzers use the same code.
 *
 * An engine belongs to one worker: nothing is locked, nothing is allocated after creation. What it has
 * to say about a session leaves through the emit callback, in order.
 */
#ifndef MT_SESSION_H
#define MT_SESSION_H

#include "base.h"
#include "flow.h"
#include "identify.h"
#include "dialogue.h"
#include "packet.h"

/**
 * Takes a report. The report is borrowed: copy mt_report_bytes() of it.
 * Result  false where it could not be taken; the engine counts the loss
 */
typedef bool mt_session_emit(void *context, const struct mt_report *report);

/** What all engines of a process share; constant while they run. */
struct mt_session_shared {
	struct mt_identify_ports ports;		    /* the mail ports */
	const struct mt_dialogue *const *dialogues; /* one a protocol, by enum mt_protocol */
	struct mt_match_set *commands[MT_PROTOCOL_COUNT];
	struct mt_match_set *replies[MT_PROTOCOL_COUNT];
	struct mt_match_set *mechanisms;
};

/**
 * Compile the protocols' tokens.
 * dialogues   kept; one for each member of enum mt_protocol, in its order
 * error       a sentence where the result is not 0
 * Result      0 or -errno
 */
int mt_session_shared_init(struct mt_session_shared *shared, const struct mt_dialogue *const *dialogues,
			   const struct mt_identify_ports *ports, char *error, size_t error_size);
void mt_session_shared_fini(struct mt_session_shared *shared);

struct mt_engine_config {
	const struct mt_session_shared *shared; /* kept */
	const struct mt_banners *banners;	/* kept until mt_engine_use_banners() gives others */
	struct mt_flow_secret secret;		/* of the flow table */
	uint64_t *cells; /* kept: the worker's counters, mt_counters_layout cells of them */
	mt_session_emit *emit;
	void *emit_context;
	uint32_t flows;		 /* connections at most */
	uint32_t dialogues;	 /* of them with a dialogue under way, at most */
	size_t reassembly_bytes; /* pool for held segments and half-seen hellos */
	uint64_t timeout_ns;	 /* idle time after which a session ends */
	bool vlan_in_key;
};

struct mt_engine;

/**
 * Result  0, -ENOMEM; -EINVAL where the banners' scratch cannot be had
 * Owner   any thread, before the worker starts. Memory comes zeroed and untouched from mmap: what is
 *         not used is not resident.
 */
int mt_engine_create(struct mt_engine **ret, const struct mt_engine_config *config);
void mt_engine_destroy(struct mt_engine *engine); /* NULL is legal; flows still open are forgotten */

/** What the worker knows of a packet before the engine sees it. */
struct mt_engine_packet {
	struct mt_packet packet;
	uint64_t fingerprint; /* of its connection */
	unsigned side;	      /* sender, as mt_flow_key_make() would say */
	uint64_t time_ns;     /* the packet's own time */
};

/** Fill in side and fingerprint of a decoded packet, and prefetch its flow. */
void mt_engine_prepare(struct mt_engine *engine, struct mt_engine_packet *packet);

/**
 * One packet of a connection that this worker owns.
 * packet   borrowed; its payload may be freed after the call
 * Result   the verdict it is counted under; the caller counts it
 * Cost     no system call, no lock, no allocation
 */
enum mt_verdict mt_engine_packet(struct mt_engine *engine, const struct mt_engine_packet *packet);

/**
 * A burst of such packets, in order: both of the above for each, so that the table's lines come closer while
 * others are worked on. Counts the verdicts itself, in the config's cells.
 */
void mt_engine_burst(struct mt_engine *engine, struct mt_engine_packet *packets, unsigned count);

/* Packet time by which one direction may be late against the other: taps, queues and rings delay it by less.
 * A session that was reset is reported so long after it was over; all others at once, or when they time out.
 */
#define MT_SESSION_LATE_NS (200 * MT_NS_PER_MS)

#define MT_ENGINE_WHOLE UINT32_MAX /* for _sweep(): every place, once round, in one call */

/**
 * Age: look at some places of the flow table and end what has been idle too long before now_ns.
 * Result   true where a whole round of the table was completed by this call
 */
bool mt_engine_sweep(struct mt_engine *engine, uint32_t places, uint64_t now_ns);

/**
 * The run ends: every session is ended and reported, as timeout where its last packet lies longer
 * before last_ns than the timeout, else as shutdown.
 */
void mt_engine_finish(struct mt_engine *engine, uint64_t last_ns);

/**
 * Make the working memory with which one worker scans for the protocols' tokens and for banners.
 * Result  0 or -ENOMEM; to be destroyed with mt_match_scratch_destroy()
 * Owner   any thread
 */
int mt_engine_scratch_create(struct mt_match_scratch **ret, const struct mt_session_shared *shared,
			     const struct mt_banners *banners);

/**
 * Use other banner patterns from the next packet on.
 * scratch  made for them; both are kept until the next call
 * Cost     a few stores: may be called at every poll
 */
void mt_engine_use_banners(struct mt_engine *engine, const struct mt_banners *banners,
			   struct mt_match_scratch *scratch);

/**
 * Packets of a decided connection go by unseen, dropped by a device: it lives, and from here on its numbers
 * may be anywhere. Others, and one that has said goodbye, are left as they are. fingerprint  as
 * mt_flow_name() says now_ns       when it was known Owner        the worker
 */
void mt_engine_note_unseen(struct mt_engine *engine, uint64_t fingerprint, uint64_t now_ns);

/** Flows held now. */
uint32_t mt_engine_flows(const struct mt_engine *engine);

#endif
