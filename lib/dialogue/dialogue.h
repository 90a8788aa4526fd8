/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What every protocol's dialogue is made of: the live state of a session (struct mt_mail), the table that
 * steps it, the commands that wait for replies, and the one way to write facts, so that privacy and bounds
 * are decided in one place. The protocols (lib/smtp, lib/imap, lib/pop3) fill in struct mt_dialogue.
 *
 * Everything here belongs to the worker that owns the flow. Nothing allocates.
 */
#ifndef MT_DIALOGUE_H
#define MT_DIALOGUE_H

#include "base.h"
#include "counters.h"
#include "framing.h"
#include "mail.h"
#include "match.h"

#define MT_DIALOGUE_STATE_BYTES 320   /* room for a protocol's own state */
#define MT_DIALOGUE_SASL_MAX	12288 /* bytes of a line of SASL, in any protocol (RFC 4954 4, RFC 5034 4) */

#define MT_KNOWN_TEXTS	  1024 /* a power of two */
#define MT_KNOWN_TEXT_MAX 244  /* bytes: few greetings are longer, and those are scanned every time */

/**
 * What servers said of themselves lately, and which product that was: a server says the same to everybody,
 * and to compare costs a tenth of the two scans. A text with the time of day in it is scanned every time.
 * Nothing but greetings and names of software comes here.
 */
struct mt_known {
	uint32_t serial; /* of the patterns that all in here was found with */
	struct mt_known_text {
		uint32_t software;
		uint16_t len; /* 0 for a free place */
		uint8_t protocol;
		uint8_t text[MT_KNOWN_TEXT_MAX];
	} place[MT_KNOWN_TEXTS];
};

/** What the dialogues of one worker share. */
struct mt_mail_env {
	uint64_t *cells;					/* the worker's counters */
	struct mt_match_scratch *scratch;			/* the worker's */
	const struct mt_banners *banners;			/* swapped between packets only */
	const struct mt_match_set *commands[MT_PROTOCOL_COUNT]; /* what clients say */
	const struct mt_match_set *replies[MT_PROTOCOL_COUNT];	/* what servers say */
	const struct mt_match_set *mechanisms;			/* SASL mechanism names */
	struct mt_known *known;					/* the worker's; NULL for none */
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
	/* What every packet looks at. */
	const struct mt_dialogue *dialogue; /* the protocol's; NULL while unknown */
	uint8_t position;		    /* state of the protocol's table */
	uint8_t stage;			    /* enum mt_stage */
	bool is_absent[MT_DIRECTION_COUNT]; /* that direction is not in the capture: nobody waits for it */
	bool is_not_mail;		    /* the dialogue turned out to be another protocol's */
	bool is_refusal_new; /* STARTTLS was refused, and nothing of the client's was read since */
	uint16_t text_used;  /* most of facts.text that was ever written */
	uint32_t answer_seq; /* to_client sequence number where the answer to STARTTLS begins */
	struct {
		uint16_t offset; /* in facts.text */
		uint8_t count;
		bool has_starttls, is_open;
		bool is_partial; /* its beginning may be missing */
	} list;			 /* the capability list being read */
	struct mt_framer framer[MT_DIRECTION_COUNT];
	uint64_t state[MT_DIALOGUE_STATE_BYTES / 8]; /* the protocol's own; its rarest members last */
	/* Not touched in most sessions. */
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
	/** The longest line of any sort, its end included: a longer one is oversized before it has ended.
	 * UINT32_MAX where there is no limit. */
	uint32_t line_max[MT_DIRECTION_COUNT];
	/** The table, states by events; the dialogue begins in state 0. */
	const struct mt_transition *table;
	uint8_t events;
	/** Events of the table that are no line's: a body or counted bytes are through; bytes are missing;
	 * client bytes wait for an answer that will not be seen, and the usual one is assumed. */
	uint8_t skipped[MT_DIRECTION_COUNT], gap[MT_DIRECTION_COUNT], assume;
	/** Prepare the protocol's own state, which is zero; NULL where that will do. */
	void (*begin)(struct mt_mail *mail);
	/** Whether the bytes behind a gap begin a line of their own, one that is worth the guess, and not the
	 * rest of another. MT_SEEN_NEVER where more of them must be seen. */
	enum mt_seen (*begins_line[MT_DIRECTION_COUNT])(struct mt_span begun);
	void (*client_line)(struct mt_mail *mail, const struct mt_mail_env *env, const struct mt_line *line);
	void (*server_line)(struct mt_mail *mail, const struct mt_mail_env *env, const struct mt_line *line);
};

/**
 * A word that is too long for the masked compare of lib/match, and alone where it stands: to look it up costs
 * a few cycles, where a scan for it would cost hundreds in each of the lines that are something else.
 */
struct mt_keyword {
	const char *word; /* upper case */
	uint8_t length;
	uint8_t id;
};
#define MT_KEYWORD(id, word)                                                                                 \
	{                                                                                                    \
		word, sizeof(word) - 1, id                                                                   \
	}
/** Result  the keyword's id, MT_MATCH_NONE where the word is none of them. Case does not count. */
uint32_t mt_dialogue_keyword(const struct mt_keyword *keywords, size_t count, struct mt_span word);
/** A middlebox wrote over a keyword of eight letters: seven X, and the last letter as it was or another X. */
bool mt_dialogue_is_mask(struct mt_span word);

/** The protocol is known: begin its dialogue, the only one of a session: mail->state is zero. */
void mt_dialogue_begin(struct mt_mail *mail, const struct mt_dialogue *dialogue);
/** For begins_line: is this the word, in any case, and a blank or a line's end behind it? */
enum mt_seen mt_dialogue_begins_word(struct mt_span begun, const char *word);
/** The stronger of two answers: yes, not yet known, no. */
enum mt_seen mt_dialogue_either(enum mt_seen a, enum mt_seen b);
/** Do what the table says for the event, and go where it says. */
void mt_dialogue_step(struct mt_turn *turn, unsigned event);
/** A body ended at its dot, or counted bytes (literal, chunk) are through. end has no text. */
void mt_dialogue_skipped(struct mt_mail *mail, const struct mt_mail_env *env, enum mt_direction direction,
			 const struct mt_line *end);
/** Bytes of the direction are missing; the framer knows already. */
void mt_dialogue_gap(struct mt_mail *mail, const struct mt_mail_env *env, enum mt_direction direction);
/** Client bytes wait for an answer that will not be seen: go on as if it had been the usual one. */
void mt_dialogue_assume(struct mt_mail *mail, const struct mt_mail_env *env);

/* A line is this long, its end included, and its protocol allows so many: flagged and counted if it is
 * longer. */
void mt_dialogue_oversized(struct mt_mail *mail, const struct mt_mail_env *env);
static inline void mt_dialogue_limit(struct mt_mail *mail, const struct mt_mail_env *env, uint32_t bytes,
				     uint32_t max)
{
	if (mt_unlikely(bytes > max))
		mt_dialogue_oversized(mail, env);
}

/* Writing facts. Each is bounded and counts in env what finds no place. */
/** Keep text as it is. A capability list under way ends here, and is dropped. */
struct mt_text mt_dialogue_keep_text(struct mt_mail *mail, const struct mt_mail_env *env,
				     struct mt_span text);
void mt_dialogue_banner(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span greeting,
			uint64_t time_ns);
/** The product that the text names, as mt_banners_identify() says, or did before. known may be NULL. */
uint32_t mt_known_software(struct mt_known *known, const struct mt_mail_env *env, enum mt_protocol protocol,
			   struct mt_span text);
/** The product that the text names, where none is known yet. */
void mt_dialogue_software(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span text);
/** The EHLO argument, whole; its first word is kept unless it is an address. */
void mt_dialogue_client_name(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span argument);

/** A capability list: begin, atoms, end. Until end the old list stands; a list that a gap cuts is dropped. */
void mt_dialogue_list_begin(struct mt_mail *mail);
/** Lines of the list may be missing: it says that STARTTLS is offered if it is in there, and nothing else. */
void mt_dialogue_list_doubt(struct mt_mail *mail);
/** The list that has just ended goes on. */
void mt_dialogue_list_reopen(struct mt_mail *mail);
void mt_dialogue_list_atom(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span atom,
			   bool is_starttls);
/** A word of the list was written over: a strip, if the list is whole and offers no STARTTLS where it should.
 */
void mt_dialogue_list_masked(struct mt_mail *mail);
void mt_dialogue_list_end(struct mt_mail *mail);

/** STARTTLS was asked: client bytes wait from here on. */
void mt_dialogue_starttls_asked(struct mt_mail *mail, const struct mt_line *line);
/** The answer. code is a word of at most 3 characters. */
void mt_dialogue_starttls_answered(struct mt_mail *mail, const struct mt_line *line, bool is_accepted,
				   struct mt_span code);

/**
 * Another protocol's command came: everything from here on is no mail.
 */
static inline void mt_dialogue_is_not_mail(struct mt_mail *mail)
{
	mail->is_not_mail = true;
}

/** An authentication begins. Result  its slot for mt_dialogue_auth_ended(), or a number that it ignores. */
unsigned mt_dialogue_auth_begins(struct mt_mail *mail, const struct mt_mail_env *env,
				 enum mt_mechanism mechanism);
/** Something a listener could use was sent in clear, if the slot's mechanism sends such things. */
void mt_dialogue_auth_exposed(struct mt_mail *mail, unsigned slot);
void mt_dialogue_auth_ended(struct mt_mail *mail, unsigned slot, enum mt_auth outcome);
bool mt_dialogue_begins_wrapped(struct mt_mail *mail); /* what the next one asks only seldom */
/**
 * True where the line is none: a mechanism with a security layer succeeded, and here a wrapped buffer begins
 * with its length (RFC 4422 3.7), whose first byte is zero as no line's is. Nothing is read any more.
 */
static inline bool mt_dialogue_is_wrapped(struct mt_mail *mail, const struct mt_line *line)
{
	return mt_unlikely(line->text.len > 0 && line->text.data[0] == 0) && mt_dialogue_begins_wrapped(mail);
}
/** The closed list's member for a name on the wire, in any case. */
enum mt_mechanism mt_dialogue_mechanism(const struct mt_mail_env *env, struct mt_span name);

/**
 * Commands that wait for their replies, in order. Equal neighbours share an entry, so that a thousand
 * pipelined RCPTs take one. Part of the state of the protocols that answer in order.
 */
#define MT_DIALOGUE_PENDING_MAX 16
struct mt_pending {
	uint8_t first,
	    count;	   /* of a ring that begins anew where nothing waits: most sessions need one entry */
	bool is_uncertain; /* bytes were lost: replies are paired by what acknowledgements prove */
	bool has_proof;	   /* a reply has acknowledged its command: from then on, one that does not is none */
	uint32_t answered_ack; /* ack of the command popped last: where its reply begins, unless something is
				  missing */
	struct {
		uint8_t verb;	    /* the protocol's */
		uint16_t times;	    /* how many of them */
		uint32_t begin_seq; /* behind the first of them; none of them ends before */
		uint32_t end_seq;   /* behind the last of them */
		uint32_t ack;	    /* what the client had of the server when it sent the last of them */
	} entry[MT_DIALOGUE_PENDING_MAX];
};

/**
 * Queue the turn's command as verb. Where the queue is full the command is not kept, pairing becomes
 * uncertain and the limit is counted. Nothing is queued where no reply will be seen.
 */
void mt_pending_push(struct mt_pending *pending, const struct mt_turn *turn, uint8_t verb);
/** The turn's reply, seen or assumed, asks for more: another one follows, as if to a command of that verb. */
void mt_pending_expect(struct mt_pending *pending, const struct mt_turn *turn, uint8_t verb);
/**
 * The command that a reply answers: the oldest, and only one that the server had received by then (if the
 * connection's acknowledgements are good for such a proof). After a loss, none that the client had gone on
 * from. Result  false where the reply answers none that is known
 */
bool mt_pending_pop(struct mt_pending *pending, const struct mt_line *reply, uint8_t *ret_verb);
/** True while a command of that verb waits. */
bool mt_pending_has(const struct mt_pending *pending, uint8_t verb);

static inline void mt_dialogue_note(struct mt_mail *mail, enum mt_note note)
{
	mail->facts.notes |= 1u << note;
}

static inline void mt_dialogue_flag(struct mt_mail *mail, enum mt_anomaly anomaly)
{
	mail->facts.anomalies |= 1u << anomaly;
}

#endif
