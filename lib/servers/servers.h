/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The server memory: what an address and port offered in its sessions before, and who had issued its
 * certificate. A session that shows less, or another, is flagged; lib/mail makes the verdict of it.
 *
 * Called by the control thread, one session after the other in the order of records: what is flagged
 * follows from the packets' times alone. "Now" is the time at which a session was known to be over.
 *
 * starttls_withheld: the last whole list offered STARTTLS, and this one does not (BEHAVIOURS X1).
 * - Only a session that was seen complete withholds. After a gap, from the middle or from one side alone
 *   nobody knows which reply was a list, or whether the client was logged in by then, when nothing is
 *   offered any more. An offer is an offer, however little was seen of the rest.
 * - No list says nothing: a greeting of 421 or 554, a refused EHLO and HELO are how servers limit rates and
 *   turn listed clients away. Nor does implicit TLS.
 * - The first session that is offered nothing is flagged; to those behind it the server is one that does
 *   not offer.
 * - An address that offers again is several servers, or one that offers by load or by client. Until a day
 *   after the last time that it offered again it is not flagged.
 * - Before and again are as sessions began: a long one, which ends late, does not contradict what came
 *   while it lasted.
 *
 * certificate_changed: the certificate's issuer is not the one of the last certificate (X6).
 * - Per port as well: the services of an address may have certificates of their own.
 * - The issuer is its name, and whether the certificate signed itself. A renewal changes neither. What has
 *   no certificate in clear, a resumption or TLS 1.3, says nothing; nor does a malformed one.
 * - An issuer that was shown within the last day is no change: pools, names asked for by SNI, and a key of
 *   each kind have several in turn. An address keeps four.
 *
 * cleartext_retry: the client came back to this address and port in clear, at most ten minutes after an
 * upgrade of its own that failed (X5).
 * - Failed is what was accepted and seen to end without a handshake (`tls_failed`). A refusal is no
 *   failure: the server said no in so many words, and what is odd about that has anomalies of its own.
 * - A connection that falls silent is known to have failed only when its timeout is over, often behind the
 *   retry, which then goes unflagged. So does a retry that lasts longer than an hour: a client's address is
 *   kept no longer than that, in memory only.
 * - An upgrade of the pair that succeeds settles the matter.
 */
#ifndef MT_SERVERS_H
#define MT_SERVERS_H

#include "counters.h"
#include "mail.h"

struct mt_servers;

/**
 * Result  NULL without memory
 * servers      remembered at most, above 0, some 230 bytes each; who was not seen for longest makes room
 * failures     failed upgrades remembered at most, above 0
 * vlan_in_key  the same address in two VLANs is two servers
 */
struct mt_servers *mt_servers_create(uint32_t servers, uint32_t failures, bool vlan_in_key);
void mt_servers_destroy(struct mt_servers *servers); /* NULL is legal */

/**
 * Hold a finished session against what is remembered, then remember it.
 * report  has_facts and has_end are set; anomalies are added to its facts
 * cells   the caller's counters: what is forgotten to make room is a loss
 * Cost    logarithmic in what is remembered, whatever addresses somebody chooses
 */
void mt_servers_judge(struct mt_servers *servers, struct mt_report *report, uint64_t *cells);

/** Servers remembered. */
size_t mt_servers_count(const struct mt_servers *servers);

/* ---- The file: JSON, a line a server, whoever was seen last at the end; a first line that says so ---- */

/**
 * Remember what a file says, and nothing else.
 * error   a sentence that names the file, and the line where it is one's fault
 * Result  0 (of a file that is not there or empty as well); -EINVAL where it is no server memory;
 *         -EBADMSG where it is one, but damaged or of a later version; or another -errno. Then nothing is
 *         remembered.
 */
int mt_servers_load(struct mt_servers *servers, const char *path, char *error, size_t error_size);

/** What is remembered of servers at one moment, for another thread to write while this one goes on. */
struct mt_servers_copy;

struct mt_servers_copy *mt_servers_copy_create(const struct mt_servers *servers); /* NULL without memory */
void mt_servers_copy_destroy(struct mt_servers_copy *copy);			  /* NULL is legal */

/**
 * Put a file of mode 0640 in the place of the one at path, whole or not at all: it is on the disk before it
 * takes the name.
 * Result  0, or -errno with a sentence that names the file
 */
int mt_servers_copy_write(const struct mt_servers_copy *copy, const char *path, char *error,
			  size_t error_size);

#endif
