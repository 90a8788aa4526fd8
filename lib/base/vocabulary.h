/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The closed lists of words that users see: in records, in the report, as label values of counters.
 * Each list is written once, here; enum, names and label sets come from it. Order is part of the
 * shared-memory layout only through the directory, so a word may be added anywhere.
 */
#ifndef MT_VOCABULARY_H
#define MT_VOCABULARY_H

#include <stddef.h>

#define MT_PROTOCOL_LIST(X) X(PROTOCOL, SMTP, "smtp") X(PROTOCOL, IMAP, "imap") X(PROTOCOL, POP3, "pop3")

#define MT_SECURITY_LIST(X)                                                                                  \
	X(SECURITY, CLEARTEXT, "cleartext")                                                                  \
	X(SECURITY, STARTTLS, "starttls")                                                                    \
	X(SECURITY, IMPLICIT_TLS, "implicit_tls") X(SECURITY, UNKNOWN, "unknown")

/* How a STARTTLS upgrade went; in the record the first that applies, in this order. */
#define MT_OUTCOME_LIST(X)                                                                                   \
	X(OUTCOME, CLEARTEXT_AFTER_ACCEPT, "cleartext_after_accept")                                         \
	X(OUTCOME, ESTABLISHED, "established")                                                               \
	X(OUTCOME, FAILED, "failed")                                                                         \
	X(OUTCOME, REFUSED, "refused")                                                                       \
	X(OUTCOME, STRIPPED, "stripped")                                                                     \
	X(OUTCOME, OFFERED_UNUSED, "offered_unused")                                                         \
	X(OUTCOME, NOT_OFFERED, "not_offered")                                                               \
	X(OUTCOME, UNKNOWN, "unknown")

/* On what evidence a verdict stands; in the record the first that applies, in this order. */
#define MT_EVIDENCE_LIST(X)                                                                                  \
	X(EVIDENCE, TRUNCATED, "truncated")                                                                  \
	X(EVIDENCE, MIDSTREAM, "midstream")                                                                  \
	X(EVIDENCE, ONE_SIDED, "one_sided")                                                                  \
	X(EVIDENCE, GAP, "gap")                                                                              \
	X(EVIDENCE, COMPLETE, "complete")

/* Why a flow ended. */
#define MT_REASON_LIST(X)                                                                                    \
	X(REASON, FIN, "fin")                                                                                \
	X(REASON, RST, "rst")                                                                                \
	X(REASON, TIMEOUT, "timeout")                                                                        \
	X(REASON, REUSE, "reuse")                                                                            \
	X(REASON, EVICTED, "evicted")                                                                        \
	X(REASON, SHUTDOWN, "shutdown")

#define MT_DETECTED_LIST(X)                                                                                  \
	X(DETECTED, DIALOGUE, "dialogue")                                                                    \
	X(DETECTED, BANNER, "banner") X(DETECTED, PORT, "port") X(DETECTED, ALPN, "alpn")

#define MT_RESPONSE_LIST(X)                                                                                  \
	X(RESPONSE, NONE, "none") X(RESPONSE, ACCEPTED, "accepted") X(RESPONSE, REFUSED, "refused")

#define MT_AUTH_LIST(X) X(AUTH, SUCCESS, "success") X(AUTH, FAILURE, "failure") X(AUTH, UNKNOWN, "unknown")

#define MT_CERTIFICATE_LIST(X)                                                                               \
	X(CERTIFICATE, NONE, "none") X(CERTIFICATE, SEEN, "seen") X(CERTIFICATE, OPAQUE, "opaque")

#define MT_TLS_VERSION_LIST(X)                                                                               \
	X(TLS_VERSION, UNKNOWN, "unknown")                                                                   \
	X(TLS_VERSION, SSL_3_0, "SSL 3.0")                                                                   \
	X(TLS_VERSION, TLS_1_0, "TLS 1.0")                                                                   \
	X(TLS_VERSION, TLS_1_1, "TLS 1.1")                                                                   \
	X(TLS_VERSION, TLS_1_2, "TLS 1.2")                                                                   \
	X(TLS_VERSION, TLS_1_3, "TLS 1.3")

/* Alerts of TLS by the names that IANA registered (lib/tls/alert.c has their numbers), and any other. */
#define MT_ALERT_LIST(X)                                                                                     \
	X(ALERT, CLOSE_NOTIFY, "close_notify")                                                               \
	X(ALERT, UNEXPECTED_MESSAGE, "unexpected_message")                                                   \
	X(ALERT, BAD_RECORD_MAC, "bad_record_mac")                                                           \
	X(ALERT, DECRYPTION_FAILED, "decryption_failed")                                                     \
	X(ALERT, RECORD_OVERFLOW, "record_overflow")                                                         \
	X(ALERT, DECOMPRESSION_FAILURE, "decompression_failure")                                             \
	X(ALERT, HANDSHAKE_FAILURE, "handshake_failure")                                                     \
	X(ALERT, NO_CERTIFICATE, "no_certificate")                                                           \
	X(ALERT, BAD_CERTIFICATE, "bad_certificate")                                                         \
	X(ALERT, UNSUPPORTED_CERTIFICATE, "unsupported_certificate")                                         \
	X(ALERT, CERTIFICATE_REVOKED, "certificate_revoked")                                                 \
	X(ALERT, CERTIFICATE_EXPIRED, "certificate_expired")                                                 \
	X(ALERT, CERTIFICATE_UNKNOWN, "certificate_unknown")                                                 \
	X(ALERT, ILLEGAL_PARAMETER, "illegal_parameter")                                                     \
	X(ALERT, UNKNOWN_CA, "unknown_ca")                                                                   \
	X(ALERT, ACCESS_DENIED, "access_denied")                                                             \
	X(ALERT, DECODE_ERROR, "decode_error")                                                               \
	X(ALERT, DECRYPT_ERROR, "decrypt_error")                                                             \
	X(ALERT, EXPORT_RESTRICTION, "export_restriction")                                                   \
	X(ALERT, PROTOCOL_VERSION, "protocol_version")                                                       \
	X(ALERT, INSUFFICIENT_SECURITY, "insufficient_security")                                             \
	X(ALERT, INTERNAL_ERROR, "internal_error")                                                           \
	X(ALERT, INAPPROPRIATE_FALLBACK, "inappropriate_fallback")                                           \
	X(ALERT, USER_CANCELED, "user_canceled")                                                             \
	X(ALERT, NO_RENEGOTIATION, "no_renegotiation")                                                       \
	X(ALERT, MISSING_EXTENSION, "missing_extension")                                                     \
	X(ALERT, UNSUPPORTED_EXTENSION, "unsupported_extension")                                             \
	X(ALERT, CERTIFICATE_UNOBTAINABLE, "certificate_unobtainable")                                       \
	X(ALERT, UNRECOGNIZED_NAME, "unrecognized_name")                                                     \
	X(ALERT, BAD_CERTIFICATE_STATUS_RESPONSE, "bad_certificate_status_response")                         \
	X(ALERT, BAD_CERTIFICATE_HASH_VALUE, "bad_certificate_hash_value")                                   \
	X(ALERT, UNKNOWN_PSK_IDENTITY, "unknown_psk_identity")                                               \
	X(ALERT, CERTIFICATE_REQUIRED, "certificate_required")                                               \
	X(ALERT, NO_APPLICATION_PROTOCOL, "no_application_protocol")                                         \
	X(ALERT, ECH_REQUIRED, "ech_required")                                                               \
	X(ALERT, OTHER, "other")

/* What is worth a note in a server's certificate. */
#define MT_FINDING_LIST(X)                                                                                   \
	X(FINDING, MALFORMED, "malformed") /* it cannot be read */                                           \
	X(FINDING, SELF_SIGNED, "self_signed")                                                               \
	X(FINDING, NAME_MISMATCH, "name_mismatch") /* it does not name the host that was asked for */        \
	X(FINDING, EXPIRED, "expired")		   /* when the session began */                              \
	X(FINDING, NOT_YET_VALID, "not_yet_valid")

/* Who sent it. In the order of enum mt_direction: what goes to the server is the client's. */
#define MT_SENDER_LIST(X) X(SENDER, CLIENT, "client") X(SENDER, SERVER, "server")

#define MT_ANOMALY_LIST(X)                                                                                   \
	X(ANOMALY, STARTTLS_MASKED, "starttls_masked")                                                       \
	X(ANOMALY, STARTTLS_WITHHELD, "starttls_withheld")                                                   \
	X(ANOMALY, REFUSED_THOUGH_OFFERED, "refused_though_offered")                                         \
	X(ANOMALY, REQUESTED_NOT_OFFERED, "requested_not_offered")                                           \
	X(ANOMALY, CLIENT_INJECTION, "client_injection")                                                     \
	X(ANOMALY, SERVER_INJECTION, "server_injection")                                                     \
	X(ANOMALY, CLEARTEXT_AFTER_ACCEPT, "cleartext_after_accept")                                         \
	X(ANOMALY, TLS_FAILED, "tls_failed")                                                                 \
	X(ANOMALY, AUTH_IN_CLEAR, "auth_in_clear")                                                           \
	X(ANOMALY, AUTH_THOUGH_OFFERED, "auth_though_offered")                                               \
	X(ANOMALY, LOGIN_DESPITE_DISABLED, "login_despite_disabled")                                         \
	X(ANOMALY, PREAUTH_IN_CLEAR, "preauth_in_clear")                                                     \
	X(ANOMALY, PLAINTEXT_ON_IMPLICIT_PORT, "plaintext_on_implicit_port")                                 \
	X(ANOMALY, TLS_ON_PLAIN_PORT, "tls_on_plain_port")                                                   \
	X(ANOMALY, NOT_MAIL_ON_MAIL_PORT, "not_mail_on_mail_port")                                           \
	X(ANOMALY, SMUGGLING_END_OF_DATA, "smuggling_end_of_data")                                           \
	X(ANOMALY, INCONSISTENT_RETRANSMISSION, "inconsistent_retransmission")                               \
	X(ANOMALY, OVERSIZED_LINE, "oversized_line")                                                         \
	X(ANOMALY, DOWNGRADE_SENTINEL, "downgrade_sentinel")                                                 \
	X(ANOMALY, CERTIFICATE_CHANGED, "certificate_changed")                                               \
	X(ANOMALY, CLEARTEXT_RETRY, "cleartext_retry")

/* What is worth a count, and is no anomaly of the record's closed list. */
#define MT_NOTE_LIST(X)                                                                                      \
	X(NOTE, EARLY_TALKER, "early_talker") /* SMTP: the client did not wait for the greeting */           \
	X(NOTE, EARLY_HELLO, "early_hello")   /* a TLS hello was sent before STARTTLS was answered */        \
	X(NOTE, HELO_ONLY, "helo_only")	      /* SMTP: HELO was accepted and no EHLO was */                  \
	X(NOTE, REQUIRETLS_IN_CLEAR,                                                                         \
	  "requiretls_in_clear") /* SMTP: offered or asked for where there is no TLS */                      \
	X(NOTE, ALERT_BEFORE_LOGIN, "alert_before_login") /* IMAP: a text that clients show their user */    \
	X(NOTE, REFERRAL_BEFORE_LOGIN,                                                                       \
	  "referral_before_login")			/* IMAP: another server that clients may turn to */  \
	X(NOTE, DATA_BEFORE_LOGIN, "data_before_login") /* IMAP: what stands in nobody's mailbox yet */

/* Every received packet falls under exactly one of these. */
#define MT_VERDICT_LIST(X)                                                                                   \
	X(VERDICT, NOT_IP, "not_ip")	   /* neither IPv4 nor IPv6 */                                       \
	X(VERDICT, NOT_TCP, "not_tcp")	   /* IP, but another transport */                                   \
	X(VERDICT, MALFORMED, "malformed") /* headers that contradict themselves or the frame */             \
	X(VERDICT, FRAGMENT,                                                                                 \
	  "fragment") /* a part of an IP datagram; the one that completes it is what the datagram is */      \
	X(VERDICT, TUNNEL, "tunnel")	 /* an outer packet whose inside was not looked into */              \
	X(VERDICT, NOT_MAIL, "not_mail") /* TCP on another port that begins like no greeting */              \
	X(VERDICT, NOT_MAIL_FLOW,                                                                            \
	  "not_mail_flow")		     /* of a connection that turned out to speak something else */   \
	X(VERDICT, HANDSHAKE, "handshake")   /* SYN or SYN-ACK on a mail port, no flow yet */                \
	X(VERDICT, NO_PAYLOAD, "no_payload") /* on a mail port, without payload and without a flow */        \
	X(VERDICT, DIALOGUE, "dialogue")   /* of a mail session whose dialogue or handshake is being read */ \
	X(VERDICT, DECIDED, "decided")	   /* of a mail session whose verdict stands */                      \
	X(VERDICT, AFTER_END, "after_end") /* a straggler of a connection that has ended */                  \
	X(VERDICT, REFUSED, "refused")	   /* would have opened a flow, but the table was full */            \
	X(VERDICT, LOST, "lost")	   /* lost on the way between two workers */

/* Every loss of ours by name. */
#define MT_LOSS_LIST(X)                                                                                      \
	X(LOSS, HANDOFF_FULL, "handoff_full")		/* packets: the owner's inbox was full */            \
	X(LOSS, FRAGMENT_TIMEOUT, "fragment_timeout")	/* IP fragments: the others did not come */          \
	X(LOSS, FRAGMENT_OVERLAP, "fragment_overlap")	/* IP fragments: they do not fit together */         \
	X(LOSS, FRAGMENT_TOO_MANY, "fragment_too_many") /* IP fragments: more than a datagram may have */    \
	X(LOSS, FRAGMENT_TABLE_FULL, "fragment_table_full") /* IP fragments: too many datagrams at once */   \
	X(LOSS, FRAGMENT_HEADERS,                                                                            \
	  "fragment_headers")			    /* IP fragments: behind headers that DPDK cannot read */ \
	X(LOSS, FRAGMENT_CUT, "fragment_cut")	    /* IP fragments: cut by the snap length */               \
	X(LOSS, FRAGMENT_NESTED, "fragment_nested") /* IP fragments inside a datagram put together */        \
	X(LOSS, TABLE_FULL, "table_full")	    /* packets: no place for a new flow */                   \
	X(LOSS, SESSIONS_FULL, "sessions_full")	    /* packets: no dialogue state free */                    \
	X(LOSS, REASSEMBLY_FULL, "reassembly_full") /* segments: the worker's pool was empty */              \
	X(LOSS, REASSEMBLY_LIMIT, "reassembly_limit") /* segments: over the limit of one direction */        \
	X(LOSS, HANDSHAKE_LIMIT, "handshake_limit")   /* TLS hellos and certificates over the limit */       \
	X(LOSS, LINE_LIMIT, "line_limit")	      /* lines cut at the limit */                           \
	X(LOSS, PENDING_LIMIT, "pending_limit") /* commands that found the queue of the pending full */      \
	X(LOSS, TEXT_LIMIT, "text_limit")	/* facts that found no place in the record */                \
	X(LOSS, AUTH_LIMIT, "auth_limit")	/* authentications beyond those that a record lists */       \
	X(LOSS, CAPABILITY_LIMIT, "capability_limit") /* capabilities beyond those that a record lists */    \
	X(LOSS, RECORD_RING_FULL, "record_ring_full") /* records: the ring to the control thread was full */ \
	X(LOSS, CERTIFICATE_RING_FULL, "certificate_ring_full") /* certificates: the same ring was full */   \
	X(LOSS, PARKED_FULL, "parked_full") /* records written early: the pool of the parked was full */     \
	X(LOSS, RECORD_SINK, "record_sink") /* records: the file could not be written */                     \
	X(LOSS, RECORD_KAFKA_FULL, "record_kafka_full")	    /* records: the queue to Kafka was full */       \
	X(LOSS, RECORD_KAFKA_FAILED, "record_kafka_failed") /* records: no broker acknowledged them */       \
	X(LOSS, SERVER_MEMORY_FULL, "server_memory_full") /* servers forgotten that made room for others */  \
	X(LOSS, RETRY_MEMORY_FULL, "retry_memory_full")	  /* failed upgrades forgotten likewise */           \
	X(LOSS, FLOW_EVICTED, "flow_evicted")		  /* idle decided flows that made room */

#define MT_RELOAD_LIST(X) X(RELOAD, DONE, "done") X(RELOAD, REFUSED, "refused")

/* What became of a decided encrypted session while devices were to drop such. */
#define MT_BYPASS_OUTCOME_LIST(X)                                                                            \
	X(BYPASS_OUTCOME, RULES, "rules")     /* a device drops it */                                        \
	X(BYPASS_OUTCOME, REFUSED, "refused") /* no driver took its rules */                                 \
	X(BYPASS_OUTCOME, FULL, "full")	      /* as many connections as may have rules, none of them idle */ \
	X(BYPASS_OUTCOME, BUSY, "busy")	      /* the control thread had other work */

/* What a driver was asked for and did not do. */
#define MT_BYPASS_CALL_LIST(X)                                                                               \
	X(BYPASS_CALL, CREATE, "create") X(BYPASS_CALL, QUERY, "query") X(BYPASS_CALL, DESTROY, "destroy")

#define MT_POLL_LIST(X) X(POLL, BUSY, "busy") X(POLL, IDLE, "idle")

/* SASL mechanisms and what stands beside them: MT_MECHANISM_LIST, kept with the settings. */
#include "mechanisms.def"

/* Every list: its name, and the name of the function that gives a member's word. */
#define MT_VOCABULARY(LIST)                                                                                  \
	LIST(PROTOCOL, protocol)                                                                             \
	LIST(SECURITY, security)                                                                             \
	LIST(OUTCOME, outcome)                                                                               \
	LIST(EVIDENCE, evidence)                                                                             \
	LIST(REASON, reason)                                                                                 \
	LIST(DETECTED, detected)                                                                             \
	LIST(RESPONSE, response)                                                                             \
	LIST(AUTH, auth)                                                                                     \
	LIST(CERTIFICATE, certificate)                                                                       \
	LIST(TLS_VERSION, tls_version)                                                                       \
	LIST(ALERT, alert)                                                                                   \
	LIST(FINDING, finding)                                                                               \
	LIST(SENDER, sender)                                                                                 \
	LIST(ANOMALY, anomaly)                                                                               \
	LIST(NOTE, note)                                                                                     \
	LIST(VERDICT, verdict)                                                                               \
	LIST(LOSS, loss)                                                                                     \
	LIST(POLL, poll)                                                                                     \
	LIST(RELOAD, reload)                                                                                 \
	LIST(BYPASS_OUTCOME, bypass_outcome)                                                                 \
	LIST(BYPASS_CALL, bypass_call)                                                                       \
	LIST(MECHANISM, mechanism)

#define MT_ENUM_MEMBER(list, id, word) MT_##list##_##id,

/** enum mt_protocol { MT_PROTOCOL_SMTP, ... MT_PROTOCOL_COUNT }, and so on for every list. */
#define MT_DECLARE_LIST(LIST, list)                                                                          \
	enum mt_##list{MT_##LIST##_LIST(MT_ENUM_MEMBER) MT_##LIST##_COUNT};                                  \
	/** The word users see; NULL where value is no member. Lives as long as the program. */              \
	const char *mt_##list##_name(unsigned value);

MT_VOCABULARY(MT_DECLARE_LIST)

#endif
