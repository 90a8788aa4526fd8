/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What is known of one mail session, and the verdict on it.
 *
 * struct mt_facts is the session's knowledge: fixed members and a small store of text, written by
 * lib/dialogue and lib/session. struct mt_report is what leaves the worker for the control thread,
 * which adds what it reads in the server's certificate.
 *
 * Everything here belongs to one worker until it is reported. Nothing allocates.
 */
#ifndef MT_MAIL_H
#define MT_MAIL_H

#include "base.h"

#define MT_MAIL_AUTHS_MAX	 8	     /* authentications kept (CONTRACT: at most 8) */
#define MT_MAIL_CAPABILITIES_MAX 32	     /* atoms kept */
#define MT_MAIL_CAPABILITY_MAX	 64	     /* characters of an atom kept */
#define MT_MAIL_BANNER_MAX	 256	     /* bytes of the greeting kept */
#define MT_MAIL_NAME_MAX	 255	     /* bytes of an EHLO argument or SNI kept (RFC 1035 2.3.4) */
#define MT_MAIL_DN_MAX		 256	     /* bytes of a certificate's subject or issuer kept */
#define MT_MAIL_CERTIFICATE_MAX	 (32 * 1024) /* bytes of the longest certificate that is reported */
#define MT_MAIL_TEXT_MAX	 3072 /* bytes of text in all; what finds no place is counted as text_limit */
#define MT_MAIL_TEXT_RESERVED	 1024 /* of them kept free of capabilities, for what TLS brings later */

/** What was seen of a yes-or-no question. */
enum mt_seen { MT_SEEN_NEVER, MT_SEEN_NO, MT_SEEN_YES };

/** A piece of the text store. */
struct mt_text {
	uint16_t offset;
	uint16_t len; /* 0 where nothing was kept */
};

/**
 * A server's certificate, as far as a record speaks of it. What it says is what its maker wrote, not what
 * is so: nobody has checked it against an authority.
 */
struct mt_mail_certificate {
	uint8_t sha256[32];   /* of its DER */
	int64_t not_before_s; /* seconds since 1970; negative before */
	int64_t not_after_s;
	bool is_malformed;		/* sha256 is all that is known */
	bool is_self_signed;		/* issuer and subject are one, and its own key signed it */
	uint8_t names_host;		/* enum mt_seen: the host that was asked for by SNI, if one was */
	struct mt_span subject, issuer; /* "C=US, O=Example, CN=mail.example.org", at most MT_MAIL_DN_MAX */
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
	bool is_resumed;	    /* ... with the keys of an earlier session */
	bool has_alert[MT_DIRECTION_COUNT]; /* a fatal alert of TLS, in clear, ended it */
	uint8_t alert[MT_DIRECTION_COUNT];  /* that alert's number (RFC 8446 6) */
	bool is_unfinished; /* a TLS handshake was begun; neither its end nor an answer in clear was seen */
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
	uint32_t notes;	      /* bit per enum mt_note; counted, and no part of the record */
	struct {
		uint8_t mechanism; /* enum mt_mechanism */
		uint8_t outcome;   /* enum mt_auth */
	} auth[MT_MAIL_AUTHS_MAX];
	struct mt_text banner, client_name;
	struct mt_text capabilities; /* atoms, each behind a length byte */
	struct mt_text sni;
	struct mt_text client_alpns;		   /* names, each behind a length byte */
	struct mt_text server_alpn;		   /* the name that the server chose in clear */
	struct mt_text client_hello, server_hello; /* by mt_tls_hello_pack(), for the fingerprints */
	struct mt_text leaf;			   /* mt_facts_certificate() reads it */
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
mt_static_assert(MT_ANOMALY_COUNT <= 32 && MT_NOTE_COUNT <= 32, "a bit each");

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
	/* When it was known to be over, by packet times alone: at its last packet, at the packet that began
	 * another connection, when it had been silent for the timeout, or when the run ended. */
	uint64_t over_ns;
	uint64_t bytes[MT_DIRECTION_COUNT];
	uint64_t missing[MT_DIRECTION_COUNT]; /* stream bytes never seen, as far as the streams were read */
	uint32_t pkts[MT_DIRECTION_COUNT];
	uint8_t reason; /* enum mt_reason */
};

/**
 * From a worker to the control thread: the facts of a session that is decided (has_end false, to be
 * parked under handle), the end of a parked one (has_facts false), or both at once (no handle).
 * A server's certificate goes ahead of the facts it belongs to, in reports that hold a part each
 * (part_bytes above 0, nothing else is theirs); between them and the facts the worker sends no other.
 */
struct mt_report {
	uint32_t handle; /* the worker's name for a parked session; unique in the worker until its end */
	bool has_facts, has_end;
	uint16_t certificate_bytes;   /* with facts: of the parts that went ahead, together; 0 for none */
	uint16_t part_at, part_bytes; /* a part: where in the certificate it stands; 0 where this is none */
	union {
		struct {
			struct mt_mail_end end;
			struct mt_mail_ends ends;
			uint64_t missing[MT_DIRECTION_COUNT]; /* so far, where has_end is false */
			struct mt_facts facts;		      /* last: a copy stops behind its text */
		};
		uint8_t part[MT_MAIL_TEXT_MAX];
	};
};

/** Bytes of a report that need to be copied. */
static inline size_t mt_report_bytes(const struct mt_report *report)
{
	if (report->part_bytes > 0)
		return offsetof(struct mt_report, part) + report->part_bytes;
	return report->has_facts ? offsetof(struct mt_report, facts.text) + report->facts.text_len
				 : offsetof(struct mt_report, ends);
}

/* The words of a verdict, derived from facts and end. They never guess. */
enum mt_security mt_facts_security(const struct mt_facts *facts);
enum mt_outcome mt_facts_outcome(const struct mt_facts *facts);
enum mt_evidence mt_facts_evidence(const struct mt_facts *facts, const struct mt_mail_end *end);

/**
 * Keep a certificate with the facts. The control thread does, once a report has come to it.
 * Result  false where the text store has no room for it
 */
bool mt_facts_keep_certificate(struct mt_facts *facts, const struct mt_mail_certificate *certificate);
/**
 * The certificate kept.
 * ret     its spans are valid as long as facts
 * Result  false where none was
 */
bool mt_facts_certificate(const struct mt_facts *facts, struct mt_mail_certificate *ret);

/** The stored text; valid as long as facts. */
static inline struct mt_span mt_facts_text(const struct mt_facts *facts, struct mt_text text)
{
	return mt_span(facts->text + text.offset, text.len);
}

/** The next length-prefixed item of a list; false at the end. *rest begins as the whole list's text. */
bool mt_facts_next_item(struct mt_span *rest, struct mt_span *item);

#endif
