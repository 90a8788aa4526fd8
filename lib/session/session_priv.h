/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The engine's inside. Files in the order of a packet's way: engine.c (flow), order.c (streams, and
 * which direction speaks next), reader.c (bytes: which protocol, lines, TLS), report.c (what leaves).
 */
#ifndef MT_SESSION_PRIV_H
#define MT_SESSION_PRIV_H

#include "pool.h"
#include "session.h"
#include "stream.h"
#include "tls.h"

/* Bytes that were acknowledged but not seen are given up after this much packet time (DESIGN.md, decision 5),
 * and a connection that was reset after this much silence. */
#define LACK_NS MT_SESSION_LATE_NS

/* A connection whose ends have said goodbye is waited for this long: stragglers, and a late direction. */
#define LINGER_NS (10 * MT_NS_PER_SECOND)

/* Lines read without recognising a protocol before a connection met in its middle is given up. */
#define UNKNOWN_LINES_MAX 64

#define HANDLE_NONE UINT32_MAX

/** One direction's place in the conversation. A packet without payload needs the first line alone. */
struct side {
	_Alignas(MT_CACHE_LINE) uint64_t
	    lacking_ns;	 /* since when acknowledged bytes are missing; 0 if none are */
	uint32_t proven; /* the other direction has acknowledged up to here, where has_proof */
	bool has_proof;
	bool is_seen;	     /* any packet since the first payload */
	bool has_payload;    /* any payload */
	bool has_fin;	     /* its FIN, which takes a number without being a byte */
	bool is_start_known; /* its first byte is known to be the connection's first */
	bool is_stuck;	     /* the reader wants more than is in hand */
	struct mt_stream stream;
};
mt_static_assert(offsetof(struct side, stream.current) <= MT_CACHE_LINE, "what every packet looks at");

/** A connection whose dialogue is being read. Zero where it was not written: see release() in report.c. */
struct session {
	struct side side[MT_DIRECTION_COUNT];
	uint64_t now_ns;       /* of the packet in hand */
	uint8_t client_side;   /* side of the flow key that is the client */
	uint8_t hint;	       /* protocol that the port suggests; MT_PROTOCOL_COUNT for none */
	bool is_implicit_port; /* the port expects TLS from the first byte */
	bool is_client_first;  /* the client spoke, and the server did not greet */
	bool is_draining;      /* the connection is over: nothing is waited for */
	bool is_hasty;	       /* ... and neither is the order that acknowledgements prove */
	bool is_not_mail;      /* nothing of this is a mail session */
	bool is_again;	       /* the reader took nothing, but will read the same bytes otherwise now */
	bool has_tls;	       /* tls was begun; until then nothing of it is touched */
	uint8_t greeting_protocol;
	uint8_t unknown_lines;	 /* lines that named no protocol */
	uint16_t client_version; /* highest TLS version the client offered */
	struct mt_text greeting; /* a first line that may be mail's; the client decides */
	struct mt_mail mail;
	struct mt_tls tls;
	struct mt_mail_ends ends;
	uint64_t greeting_ns; /* when the doubtful greeting came */
};

struct mt_engine {
	struct mt_engine_config config;
	struct mt_mail_env env;
	struct mt_flow_table flows;
	struct mt_flow_syn_cache syns;
	struct mt_pool sessions;
	struct mt_pool pieces;
	struct mt_match_scratch *scratch; /* its own, for the banners it began with; env has the one in use */
	struct mt_tls_hello hello;	  /* scratch space */
	struct mt_report report;	  /* scratch space */
	uint32_t *handles;		  /* free ones, a stack */
	uint32_t handle_count;
	uint64_t now_ns; /* of the packet in hand, or of the sweep under way */
	void *memory;
	size_t memory_bytes;
};

static inline enum mt_direction direction_of(const struct session *session, unsigned side)
{
	return side == session->client_side ? MT_TO_SERVER : MT_TO_CLIENT;
}

/* True where the direction's bytes wait for an answer of the other one. */
static inline bool mt_session_is_waiting(const struct session *session, enum mt_direction direction)
{
	return direction == MT_TO_SERVER && session->mail.framer[MT_TO_SERVER].mode == MT_FRAMING_WAIT;
}

/* True where nothing more can be learnt from the session's bytes. */
static inline bool mt_session_is_decided(const struct session *session)
{
	return session->mail.stage == MT_STAGE_OPAQUE || session->is_not_mail || session->mail.is_not_mail;
}

/* Bring closer what every packet needs, and what a payload needs besides, but for the text. */
static inline void mt_session_prefetch(const struct session *session, bool has_payload)
{
	const uint8_t *bytes = (const uint8_t *)session;

	__builtin_prefetch(&session->side[0], 1);
	__builtin_prefetch(&session->side[1], 1);
	__builtin_prefetch(&session->now_ns, 1);
	if (!has_payload)
		return;
	__builtin_prefetch(&session->side[0].stream.current, 1);
	__builtin_prefetch(&session->side[1].stream.current, 1);
	for (size_t at = offsetof(struct session, mail.framer);
	     at < offsetof(struct session, mail.state) + MT_CACHE_LINE; at += MT_CACHE_LINE)
		__builtin_prefetch(bytes + at, 1);
	for (size_t at = offsetof(struct session, mail.facts); at < offsetof(struct session, mail.facts.text);
	     at += MT_CACHE_LINE)
		__builtin_prefetch(bytes + at, 1);
}

/* engine.c: how long a flow's silence is borne before the flow is over. */
uint64_t mt_session_patience_ns(const struct mt_engine *engine, const struct mt_flow *flow);

/* order.c: take a segment, and hand the reader all that is due. */
void mt_session_offer(struct mt_engine *engine, struct session *session, enum mt_direction direction,
		      const struct mt_segment *segment);
/* Note what a packet acknowledges, payload or not. */
void mt_session_prove(struct session *session, enum mt_direction direction, uint32_t ack);
/* Give up on what has been missing for too long, before a packet of now_ns is looked at. */
void mt_session_give_up(struct mt_engine *engine, struct session *session);
/* The connection is over: read what is left, waiting for nothing. */
void mt_session_drain(struct mt_engine *engine, struct session *session);
/* True where nothing is held and nothing acknowledged is missing. */
bool mt_session_is_settled(const struct mt_engine *engine, const struct session *session);

/* reader.c: read bytes that stand next in a direction, one line or more. is_settled: they acknowledge nothing
 * that was not read yet, so that all of them are due whatever the first say.
 * Result: how many were taken; 0 where the reader waits.
 */
size_t mt_session_read(struct mt_engine *engine, struct session *session, enum mt_direction direction,
		       const struct mt_chunk *chunk, bool is_settled);
/* Bytes of the direction will never be seen. */
void mt_session_lost(struct mt_engine *engine, struct session *session, enum mt_direction direction,
		     uint32_t bytes);
/* The end of the line under way will never be seen: say what is to be said of it. */
void mt_session_leave_line(struct mt_engine *engine, struct session *session, enum mt_direction direction);

/* report.c: what leaves. Each frees the session where there is one. */
void mt_session_park(struct mt_engine *engine, struct mt_flow *flow, struct session *session);
void mt_session_end(struct mt_engine *engine, struct mt_flow *flow, enum mt_reason reason);

#endif
