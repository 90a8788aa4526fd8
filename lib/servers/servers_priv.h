/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/** What the files of this folder share: memories of fixed size, and what is remembered of a server. */
#ifndef MT_SERVERS_PRIV_H
#define MT_SERVERS_PRIV_H

#include <sys/queue.h>

#include "flow.h"
#include "pool.h"
#include "servers.h"

/** A server, or a client and a server. No padding: compared as bytes. */
struct key {
	uint8_t client_addr[16]; /* 0 where it is a server's alone */
	uint8_t server_addr[16]; /* wire order; IPv4 in the first four bytes, the rest 0 */
	uint16_t server_port;
	uint16_t vlan;	    /* outermost identifier with --vlan-in-key, else 0 */
	uint8_t ip_version; /* 4 or 6 */
	uint8_t pad[3];	    /* 0 */
};
mt_static_assert(sizeof(struct key) == sizeof(struct mt_flow_key), "compared and hashed as bytes");

/** The head of whatever is remembered under a key. */
struct memo {
	struct key key;
	struct memo *next; /* of its chain */
	TAILQ_ENTRY(memo) link;
};

TAILQ_HEAD(memos, memo);

/**
 * Memos by key, as many as there is room for; whoever was not renewed for longest makes room.
 * The hash is that of the flow table, under a secret of the memory's own: nobody who picks addresses can
 * fill one chain.
 */
struct memory {
	struct memo **chains; /* mask + 1 of them */
	uint32_t mask;
	struct mt_flow_secret secret;
	struct memos order; /* oldest first */
	struct mt_pool pool;
	uint64_t forgotten; /* memos that made room, or found none */
};

/** memo_bytes: of what begins with a memo. Result 0 or -ENOMEM. */
int memory_init(struct memory *memory, size_t memo_bytes, uint32_t memos);
void memory_fini(struct memory *memory);

/** Result  the memo or NULL; valid until it is forgotten */
void *memory_find(const struct memory *memory, const struct key *key);
/** Result  a new memo, zeroed behind its head, the latest of all. It must not be there yet. */
void *memory_add(struct memory *memory, const struct key *key);
void memory_renew(struct memory *memory, void *memo);
void memory_forget(struct memory *memory, void *memo);
size_t memory_count(const struct memory *memory);

#define ISSUERS_MAX  4
#define ISSUER_BYTES 16 /* of a SHA-256: nobody finds a second name for one */

/** What is remembered of a server. */
struct server {
	struct memo memo;
	uint32_t lists, offers; /* whole lists seen, and those of them with STARTTLS */
	uint64_t since_ns;	/* beginning of the first session of those that agree with the last list */
	uint64_t again_ns;	/* when it last offered again after it had not; 0 for never */
	bool is_offering;	/* the last list did */
	uint8_t issuer_count;
	struct {
		uint64_t seen_ns; /* last */
		uint8_t id[ISSUER_BYTES];
	} issuer[ISSUERS_MAX]; /* the last one first */
};
mt_static_assert(sizeof(struct server) <= 192, "three cache lines");

/*
 * The file's first line, and a server on each of the others (folded here):
 *
 * {"format":"mailtap server memory","version":1,"servers":1}
 * {"address":"192.0.2.25","port":25,"lists":7,"offers":6,"offering":true,
 *  "issuers":[{"id":"0cbe...","seen":"2023-11-14T22:13:20Z"}],
 *  "vlan":10,"since":"2023-11-14T22:13:20Z","again":"2023-11-14T22:13:20Z"}
 *
 * `vlan`, `since` (with lists) and `again` are there where there is something to say. Times are cut to whole
 * seconds: all that is lost is a second of a day.
 */
#define FILE_FORMAT  "mailtap server memory"
#define FILE_VERSION 1

struct mt_servers {
	struct memory servers;	/* of struct server */
	struct memory failures; /* of struct failure */
	bool vlan_in_key;
};

#endif
