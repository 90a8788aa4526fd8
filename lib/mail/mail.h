/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What is known of one mail session, and what every protocol fills in.
 *
 * struct mt_facts is the session's knowledge: fixed members and a small store of text. The dialogues
 * (lib/smtp, lib/imap, lib/pop3) write it through the functions here, so that privacy and bounds are
 * decided in one place. struct mt_mail is the live state around it while the dialogue is read.
 * struct mt_report is what leaves the worker for the control thread.
 *
 * Everything here belongs to one worker until it is reported. Nothing allocates.
 */
#ifndef MT_MAIL_H
#define MT_MAIL_H

#include "base.h"
#include "counters.h"
#include "framing.h"
#include "match.h"

#define MT_MAIL_AUTHS_MAX	 8    /* authentications kept (CONTRACT: at most 8) */
#define MT_MAIL_CAPABILITIES_MAX 32   /* atoms kept */
#define MT_MAIL_CAPABILITY_MAX	 64   /* characters of an atom kept */
#define MT_MAIL_BANNER_MAX	 256  /* bytes of the greeting kept */
#define MT_MAIL_NAME_MAX	 255  /* bytes of an EHLO argument or SNI kept (RFC 1035 2.3.4) */
#define MT_MAIL_TEXT_MAX	 1280 /* bytes of text in all; what finds no place is counted as text_limit */
#define MT_MAIL_DIALOGUE_BYTES	 320  /* room for a protocol's own state */

/** What was seen of a yes-or-no question. */
enum mt_seen { MT_SEEN_NEVER, MT_SEEN_NO, MT_SEEN_YES };

/** A piece of the text store. */
struct mt_text {
	uint16_t offset;
	uint16_t len; /* 0 where nothing was kept */
};

struct mt_facts {
	uint8_t protocol;	    /* enum mt_protocol; MT_PROTOCOL_COUNT while unknown */
	uint8_t detected_by;	    /* enum mt_detected */
	uint8_t offered;	    /* enum mt_seen: STARTTLS in a whole capability list, before TLS */
	uint8_t response;	    /* enum mt_response to STARTTLS */
	char code[4];		    /* that response's code or word, zero-terminated; "" if none */
	bool is_requested;	    /* STARTTLS was asked for */
	bool is_tls_required;	    /* the server said so (530) */
	bool has_server_line;	    /* a protocol line of the server was read */
	bool has_client_line;	    /* a protocol line of the client was read */
	bool has_text_after_accept; /* the dialogue went on in clear after the acceptance */
	bool has_tls_client;	    /* a TLS hello of the client was seen */
	bool has_tls_server;	    /* a TLS hello of the server was seen */
	bool is_established;	    /* the TLS handshake was finished */
	bool is_unanswered; /* STARTTLS was asked, and neither answer nor anything after it was seen */
	bool
	    is_dialogue_seen; /* a protocol line of the server, or of the only side seen: see CONTRACT.md 2 */
	bool is_login_disabled;		  /* IMAP: LOGINDISABLED stood in the list */
	bool is_seen[MT_DIRECTION_COUNT]; /* evidence: a packet of the direction, its SYN included */
	bool is_truncated;		  /* evidence: the snap length cut payload */
	bool is_midstream;  /* evidence: the beginning of a direction that was seen is missing */
	bool has_gap;	    /* evidence: bytes in the middle are missing */
	uint8_t auth_count; /* members of auth */
	uint8_t capability_count;
	uint8_t certificate;  /* enum mt_certificate */
	uint8_t alpn_count;   /* names in client_alpns */
	uint16_t tls_version; /* on the wire; 0 while unknown */
	uint16_t tls_cipher;  /* on the wire; 0 while unknown */
	uint32_t software;    /* index of the banner file's product; 0 is "unknown" */
	uint32_t messages;    /* SMTP accepted, POP3 retrieved, IMAP appended, in clear */
	uint32_t anomalies;   /* bit per enum mt_anomaly */
	struct {
		uint8_t mechanism; /* enum mt_mechanism */
		uint8_t outcome;   /* enum mt_auth */
	} auth[MT_MAIL_AUTHS_MAX];
	struct mt_text banner, client_name;
	struct mt_text capabilities; /* atoms, each behind a length byte */
	struct mt_text sni;
	struct mt_text client_alpns;		   /* names, each behind a length byte */
	struct mt_text client_hello, server_hello; /* by mt_tls_hello_pack(), for the fingerprints */
	uint64_t start_ns;			   /* time of the SYN, else of the first payload */
	uint64_t synack_ns;			   /* time of the SYN-ACK; 0 if unseen */
	uint64_t greeting_ns;			   /* time of the first server line; 0 if unseen */
	uint64_t request_ns;			   /* time of the STARTTLS command */
	uint64_t response_ns;			   /* time of its answer */
	uint64_t hello_ns;			   /* time of the client's TLS hello */
	uint64_t established_ns;		   /* time of the last packet that the handshake needed */
	uint16_t text_len;
	char text[MT_MAIL_TEXT_MAX]; /* the store; the last member, so that a copy may stop at text_len */
};
mt_static_assert(MT_ANOMALY_COUNT <= 32, "a bit per anomaly");

/** The two ends of a session, told apart. */
struct mt_mail_ends {
	uint8_t ip_version; /* 4 or 6 */
	uint8_t vlan_count;
	uint16_t vlan[2];
	uint16_t client_port, server_port;
	uint8_t client_addr[16], server_addr[16]; /* wire order; IPv4 in the first four bytes */
};

/** How a flow ended, and what was counted of it, by direction. */
struct mt_mail_end {
	uint64_t end_ns; /* time of its last packet */
	uint64_t bytes[MT_DIRECTION_COUNT];
	uint64_t missing[MT_DIRECTION_COUNT]; /* stream bytes never seen, as far as the streams were read */
	uint32_t pkts[MT_DIRECTION_COUNT];
	uint8_t reason; /* enum mt_reason */
};

/**
 * From a worker to the control thread: the facts of a session that is decided (has_end false, to be
 * parked under handle), the end of a parked one (has_facts false), or both at once (no handle).
 */
struct mt_report {
	uint32_t handle; /* the worker's name for a parked session; unique in the worker until its end */
	bool has_facts, has_end;
	struct mt_mail_end end;
	struct mt_mail_ends ends;
	uint64_t missing[MT_DIRECTION_COUNT]; /* so far, where has_end is false */
	struct mt_facts facts;		      /* last: a copy stops behind its text */
};

/** Bytes of a report that need to be copied. */
static inline size_t mt_report_bytes(const struct mt_report *report)
{
	return report->has_facts ? offsetof(struct mt_report, facts.text) + report->facts.text_len
				 : offsetof(struct mt_report, ends);
}

/* The words of a verdict, derived from facts and end. They never guess. */
enum mt_security mt_facts_security(const struct mt_facts *facts);
enum mt_outcome mt_facts_outcome(const struct mt_facts *facts);
enum mt_evidence mt_facts_evidence(const struct mt_facts *facts, const struct mt_mail_end *end);

/** The stored text; valid as long as facts. */
static inline struct mt_span mt_facts_text(const struct mt_facts *facts, struct mt_text text)
{
	return mt_span(facts->text + text.offset, text.len);
}

/** The next length-prefixed item of a list; false at the end. *rest begins as the whole list's text. */
bool mt_facts_next_item(struct mt_span *rest, struct mt_span *item);

/** What the dialogues of one worker share. */
struct mt_mail_env {
	uint64_t *cells;					/* the worker's counters */
	struct mt_match_scratch *scratch;			/* the worker's */
	const struct mt_banners *banners;			/* swapped between packets only */
	const struct mt_match_set *commands[MT_PROTOCOL_COUNT]; /* what clients say */
	const struct mt_match_set *replies[MT_PROTOCOL_COUNT];	/* what servers say */
	const struct mt_match_set *mechanisms;			/* SASL mechanism names */
};

/** Where the conversation stands between clear text and TLS. */
enum mt_stage {
	MT_STAGE_CLEAR,	   /* lines are read */
	MT_STAGE_ASKED,	   /* STARTTLS was asked: client bytes wait for the answer */
	MT_STAGE_ACCEPTED, /* the answer was yes: TLS should begin */
	MT_STAGE_TLS,	   /* TLS is being read */
	MT_STAGE_OPAQUE,   /* nothing more can be learnt */
};

struct mt_mail {
	const struct mt_dialogue *dialogue; /* the protocol's; NULL while unknown */
	struct mt_framer framer[MT_DIRECTION_COUNT];
	uint8_t position;		    /* state of the protocol's table */
	uint8_t stage;			    /* enum mt_stage */
	bool is_absent[MT_DIRECTION_COUNT]; /* that direction is not in the capture: nobody waits for it */
	bool is_not_mail;		    /* the dialogue turned out to be another protocol's */
	uint32_t accept_seq;		    /* to_client sequence number where the acceptance begins */
	struct {
		uint16_t offset; /* in facts.text */
		uint8_t count;
		bool has_starttls, is_open;
	} list;					    /* the capability list being read */
	uint64_t state[MT_MAIL_DIALOGUE_BYTES / 8]; /* the protocol's own */
	uint8_t client_line[MT_FRAMING_LINE_TO_SERVER], server_line[MT_FRAMING_LINE_TO_CLIENT];
	struct mt_facts facts;
};
mt_static_assert(offsetof(struct mt_mail, facts) <= 2048,
		 "dialogue and line state of a session: at most 2 KiB");

/** One turn of a dialogue: what an action may look at. Never a packet. */
struct mt_turn {
	struct mt_mail *mail;
	const struct mt_mail_env *env;
	const struct mt_line *line; /* NULL where no line brought the event */
	struct mt_span rest;	    /* of the line behind the command or the reply's code */
	uint32_t verb;		    /* the command, or the command that the reply answers */
	uint32_t note;		    /* what the protocol remembered with that command */
	uint32_t code;		    /* of the reply */
};

#define MT_STATE_SAME UINT8_MAX /* as next: stay */
#define MT_EVENT_NONE UINT8_MAX /* as event: nothing happens */

/** A cell of a protocol's table: what to do, and the state after it. */
struct mt_transition {
	uint8_t next; /* a state, or MT_STATE_SAME */
	void (*act)(struct mt_turn *turn);
};

/**
 * What a protocol fills in. Called by lib/session, in the order that acknowledgements prove.
 * Lines come without their end; secrets are cut off already (see lib/framing).
 */
struct mt_dialogue {
	enum mt_protocol protocol;
	/** Rows of the tokens of one direction, compiled at start into env->commands or env->replies. */
	const struct mt_match_row *commands, *replies;
	size_t command_count, reply_count;
	/** The table, states by events; the dialogue begins in state 0. */
	const struct mt_transition *table;
	uint8_t events;
	/** Events of the table that are no line's: a body or counted bytes are through; bytes are missing;
	 * client bytes wait for an answer that will not be seen, and the usual one is assumed. */
	uint8_t skipped[MT_DIRECTION_COUNT], gap[MT_DIRECTION_COUNT], assume;
	/** Prepare the protocol's own state, which is zero; NULL where that will do. */
	void (*begin)(struct mt_mail *mail);
	void (*client_line)(struct mt_mail *mail, const struct mt_mail_env *env, const struct mt_line *line);
	void (*server_line)(struct mt_mail *mail, const struct mt_mail_env *env, const struct mt_line *line);
};

/** The protocol is known: begin its dialogue. */
void mt_dialogue_begin(struct mt_mail *mail, const struct mt_dialogue *dialogue);
/** Do what the table says for the event, and go where it says. */
void mt_dialogue_step(struct mt_turn *turn, unsigned event);
/** A body ended at its dot, or counted bytes (literal, chunk) are through. end has no text. */
void mt_dialogue_skipped(struct mt_mail *mail, const struct mt_mail_env *env, enum mt_direction direction,
			 const struct mt_line *end);
/** Bytes of the direction are missing; the framer knows already. */
void mt_dialogue_gap(struct mt_mail *mail, const struct mt_mail_env *env, enum mt_direction direction);
/** Client bytes wait for an answer that will not be seen: go on as if it had been the usual one. */
void mt_dialogue_assume(struct mt_mail *mail, const struct mt_mail_env *env);

/* Writing facts. Each is bounded and counts in env what finds no place. */
struct mt_text mt_mail_keep_text(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span text);
void mt_mail_banner(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span greeting,
		    uint64_t time_ns);
void mt_mail_client_name(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span name);

/** A capability list: begin, atoms, end. Until end the old list stands; a list that a gap cuts is dropped. */
void mt_mail_list_begin(struct mt_mail *mail);
void mt_mail_list_atom(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span atom,
		       bool is_starttls);
void mt_mail_list_end(struct mt_mail *mail);

/** STARTTLS was asked: client bytes wait from here on. */
void mt_mail_starttls_asked(struct mt_mail *mail, const struct mt_line *line);
/** The answer. code is a word of at most 3 characters. */
void mt_mail_starttls_answered(struct mt_mail *mail, const struct mt_line *line, bool is_accepted,
			       struct mt_span code);

/**
 * Another protocol's command came: everything from here on is no mail.
 */
static inline void mt_mail_is_not_mail(struct mt_mail *mail)
{
	mail->is_not_mail = true;
}

/** An authentication begins. Result  its slot for mt_mail_auth_ended(), or a number that it ignores. */
unsigned mt_mail_auth_begins(struct mt_mail *mail, const struct mt_mail_env *env,
			     enum mt_mechanism mechanism);
/** Something a listener could use was sent in clear, if the slot's mechanism sends such things. */
void mt_mail_auth_exposed(struct mt_mail *mail, unsigned slot);
void mt_mail_auth_ended(struct mt_mail *mail, unsigned slot, enum mt_auth outcome);
/** The closed list's member for a name on the wire, in any case. */
enum mt_mechanism mt_mail_mechanism(const struct mt_mail_env *env, struct mt_span name);

/**
 * Commands that wait for their replies, in order. Equal neighbours share an entry, so that a thousand
 * pipelined RCPTs take one. Part of the state of the protocols that answer in order.
 */
#define MT_MAIL_PENDING_MAX 16
struct mt_pending {
	struct {
		uint8_t verb;	  /* the protocol's */
		uint16_t times;	  /* how many of them */
		uint32_t end_seq; /* behind the last of them */
		uint32_t ack;	  /* what the client had of the server when it sent the last of them */
	} entry[MT_MAIL_PENDING_MAX];
	uint8_t first, count;
	bool is_uncertain; /* bytes were lost: replies are paired by what acknowledgements prove */
};

/**
 * Queue the turn's command as verb. Where the queue is full the command is not kept, pairing becomes
 * uncertain and the limit is counted. Nothing is queued where no reply will be seen.
 */
void mt_pending_push(struct mt_pending *pending, const struct mt_turn *turn, uint8_t verb);
/**
 * The command that a reply answers: the oldest. After a loss, only one that the server had received by
 * then, and none that the client had gone on from.
 * Result  false where the reply answers none that is known
 */
bool mt_pending_pop(struct mt_pending *pending, const struct mt_line *reply, uint8_t *ret_verb);
/** True while a command of that verb waits. */
bool mt_pending_has(const struct mt_pending *pending, uint8_t verb);

static inline void mt_mail_flag(struct mt_mail *mail, enum mt_anomaly anomaly)
{
	mail->facts.anomalies |= 1u << anomaly;
}

#endif
