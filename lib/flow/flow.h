/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Which connection a segment belongs to, which worker owns it, and what is kept of it.
 *
 * A connection has two sides, 0 and 1, told apart by comparing address and port; which of them is
 * the client is the session's business. A table belongs to one worker: no lock, no allocation, its
 * memory comes from the caller. An entry is one cache line and stands for the connection by a keyed
 * 64-bit fingerprint instead of the tuple: a false match needs a collision that nobody who does not
 * know the key can construct, and by chance takes 2^32 live flows.
 */
#ifndef MT_FLOW_H
#define MT_FLOW_H

#include "base.h"
#include "packet.h"

/** A connection's name, the same whichever side sent the packet. No padding: compared as bytes. */
struct mt_flow_key {
	uint8_t addr[2][16]; /* by side, wire order; IPv4 in the first four bytes, the rest 0 */
	uint16_t port[2];    /* by side, host order */
	uint16_t vlan;	     /* outermost identifier with --vlan-in-key, else 0 */
	uint8_t ip_version;  /* 4 or 6 */
	uint8_t pad;	     /* 0 */
};
mt_static_assert(sizeof(struct mt_flow_key) == 40, "compared and hashed as bytes");

#define MT_FLOW_AES_ROUNDS 10

/** Secret of the table's hash, drawn at start-up: colliding tuples cannot be computed without it. */
struct mt_flow_secret {
	uint64_t word[2];
	_Alignas(16) uint8_t round_key[MT_FLOW_AES_ROUNDS + 1][16]; /* made of word, where has_aes */
	bool has_aes; /* the processor's AES makes the fingerprints; without, SipHash */
};

/** Make a secret of 16 random bytes, for the processor that this runs on. */
void mt_flow_secret_init(struct mt_flow_secret *ret, uint64_t word0, uint64_t word1);

/**
 * The key of a packet's connection.
 * Result  the side that sent it, 0 or 1. Side 0 has the lower (address, port).
 */
unsigned mt_flow_key_make(struct mt_flow_key *ret, const struct mt_packet *packet, bool vlan_in_key);

/**
 * A hash of the key under the secret; never 0. With AES: the lower half of its CBC-MAC (FIPS 197; ISO 9797-1
 * algorithm 1), a permutation of all that IPv4 says; without: SipHash-1-3 (Aumasson and Bernstein 2012).
 */
uint64_t mt_flow_fingerprint(const struct mt_flow_key *key, const struct mt_flow_secret *secret);

/** What a packet's connection is called in the table, and the side that sent it. */
struct mt_flow_name {
	uint64_t fingerprint;
	unsigned side;
};

/** Fingerprint and side of a packet: mt_flow_key_make() and mt_flow_fingerprint() in one, and quicker. */
struct mt_flow_name mt_flow_name(const struct mt_packet *packet, bool vlan_in_key,
				 const struct mt_flow_secret *secret);

/**
 * The hash by which a NIC spreads packets to its queues when its key is 6d 5a again and again: Toeplitz over
 * source, destination and their ports, the same from either side. Where the key has no ports (a fragment's),
 * it is the NIC's hash over addresses alone. It takes 65,536 values, which is enough to choose a queue and
 * nothing else.
 * Source  Woo and Park 2012; Microsoft, RSS Hashing Functions
 */
uint32_t mt_flow_rss_hash(const struct mt_flow_key *key);

#define MT_FLOW_BUCKETS_MAX 512

/** Who owns what: constant while workers run. */
struct mt_flow_owners {
	uint16_t workers;
	uint16_t bucket_mask;			 /* of the NIC's hash; 0 where no NIC spreads packets */
	uint16_t worker_of[MT_FLOW_BUCKETS_MAX]; /* by bucket: what the NIC's redirection table says too */
};

/**
 * buckets  entries of the NIC's redirection table, a power of two from 2 to MT_FLOW_BUCKETS_MAX; 0 where no
 * NIC spreads packets workers  1 to UINT16_MAX
 */
void mt_flow_owners_init(struct mt_flow_owners *ret, unsigned workers, unsigned buckets);

/**
 * The worker that owns the connection: a pure function of the tuple, symmetric in its two directions, and not
 * of the secret, so that two processes agree. Where a NIC spreads packets it says what the NIC does, and only
 * what the NIC could not know (a tunnel's inside, a datagram's later fragments) changes hands.
 */
unsigned mt_flow_owner(const struct mt_flow_owners *owners, const struct mt_flow_key *key);

enum mt_flow_state {
	MT_FLOW_DIALOGUE, /* a session is being read: session holds its index */
	MT_FLOW_DECIDED,  /* the control thread holds the record under handle; only counting goes on */
	MT_FLOW_NOT_MAIL, /* speaks something else: absorbed without a record */
	MT_FLOW_ENDED,	  /* the record is out: absorbs stragglers until it is reused or ages */
};

/** One connection in its table. The caller reads and writes everything but fingerprint. */
struct mt_flow {
	uint64_t fingerprint;	 /* 0 marks a free place */
	uint64_t last_seen_ns;	 /* time of the last packet */
	uint64_t bytes[2];	 /* by sending side: IP-layer bytes seen from the first payload on */
	uint32_t pkts[2];	 /* by sending side: frames */
	uint32_t end_seq[2];	 /* by sending side: behind its last byte, seen or acknowledged; where has_fin
				    says so, the number of its FIN */
	uint32_t session;	 /* index of the session's state, in MT_FLOW_DIALOGUE */
	uint32_t handle;	 /* the control thread's name for the record, in MT_FLOW_DECIDED */
	uint8_t state;		 /* enum mt_flow_state */
	uint8_t has_fin : 2;	 /* bit per sending side: its FIN was seen */
	uint8_t has_fin_ack : 2; /* bit per sending side: its FIN was acknowledged */
	uint8_t has_rst : 1;	 /* either side reset the connection */
	uint8_t client_side : 1; /* the side that is the client */
	uint8_t has_unseen : 1; /* a device keeps packets of it from us: where its sides stand is not known */
	uint8_t pad[2];
	uint32_t
	    base; /* sequence number of the first byte of the side that began; tells a new SYN from an old */
};
mt_static_assert(sizeof(struct mt_flow) == MT_CACHE_LINE, "one line a flow");

struct mt_flow_table {
	struct mt_flow *slots; /* kept; capacity of them, a power of two, aligned to a cache line */
	uint64_t *taken; /* a bit a slot that holds a flow: sweeping touches no others; behind the slots */
	uint32_t mask;	 /* capacity - 1 */
	uint32_t used;	 /* places taken now */
	uint32_t limit;	 /* places that may be taken: the load factor's bound */
	uint32_t sweep;	 /* where the next sweep begins */
};

#define MT_FLOW_FLOWS_MAX (1u << 30) /* what a table or a cache may be asked to hold */

/** Bytes of memory for a table that can hold this many flows; zeroed by the caller, 64-byte aligned. */
size_t mt_flow_table_bytes(uint32_t flows);

/** Memory is kept by the table and stays the caller's. flows as given to mt_flow_table_bytes(). */
void mt_flow_table_init(struct mt_flow_table *table, void *memory, uint32_t flows);

/** Bring the line that a look-up will touch first closer. */
static inline void mt_flow_prefetch(const struct mt_flow_table *table, uint64_t fingerprint)
{
	__builtin_prefetch(&table->slots[fingerprint & table->mask], 1);
}

/**
 * The place of a fingerprint, or the free one where it would go: the load's bound leaves one.
 * fingerprint  not 0
 */
static inline struct mt_flow *mt_flow_probe(const struct mt_flow_table *table, uint64_t fingerprint)
{
	uint32_t place = (uint32_t)fingerprint & table->mask;

	while (table->slots[place].fingerprint != fingerprint && table->slots[place].fingerprint != 0)
		place = (place + 1) & table->mask;
	return &table->slots[place];
}

/** Result  the flow, or NULL. Valid until the next insert or remove in this table. */
static inline struct mt_flow *mt_flow_find(const struct mt_flow_table *table, uint64_t fingerprint)
{
	struct mt_flow *flow = mt_flow_probe(table, fingerprint);

	return mt_likely(flow->fingerprint != 0) ? flow : NULL;
}

/** Result  a new, zeroed entry, or NULL where the table is full. The fingerprint must not be in it. */
struct mt_flow *mt_flow_insert(struct mt_flow_table *table, uint64_t fingerprint);

/** Give an entry back. Other entries may move: every pointer into the table is stale afterwards. */
void mt_flow_remove(struct mt_flow_table *table, struct mt_flow *flow);

/** What a sweep asks of each flow it passes: true lets the sweep remove it. Must not insert or remove. */
typedef bool mt_flow_visit(void *context, struct mt_flow *flow);

/**
 * Look at the next places of the table, going round. A removal moves another flow into the place: it is
 * looked at as well, so that nothing is left out; near the table's end a flow may be looked at twice.
 * places   how many slots to pass, used or not; a few per burst keeps the cost flat, mask + 1 pass all
 * Result   true where this call passed the table's end, so that a round is complete
 */
bool mt_flow_sweep(struct mt_flow_table *table, uint32_t places, mt_flow_visit *visit, void *context);

/** What SYN and SYN-ACK left behind of a connection that has sent no payload yet. */
struct mt_flow_syn {
	uint64_t fingerprint;
	uint64_t time_ns;   /* of the SYN, or of the SYN-ACK where only that was seen */
	uint64_t synack_ns; /* of the SYN-ACK; 0 where none was seen */
	uint32_t isn[2]; /* by sending side, where has_isn says so; the client's without it: see _note_ack */
	uint8_t has_isn; /* bit per side */
	uint8_t client_side; /* the side that sent the SYN (or got the SYN-ACK) */
	uint8_t pad[6];
};

/**
 * Fixed, overwritten, never grown: a SYN flood costs nothing (DESIGN.md, decision 4).
 * Four ways a set, two cache lines; the oldest of a set makes room.
 */
struct mt_flow_syn_cache {
	struct mt_flow_syn_set *sets; /* kept; their layout is syn.c's business */
	uint32_t mask;		      /* sets - 1 */
};

/** Bytes of memory for a cache of this many connections; zeroed by the caller, 64-byte aligned. */
size_t mt_flow_syn_cache_bytes(uint32_t entries);
void mt_flow_syn_cache_init(struct mt_flow_syn_cache *cache, void *memory, uint32_t entries);

/**
 * Note a SYN or SYN-ACK. A repeated one keeps the first time. A SYN with another sequence number than
 * the one noted begins anew, a SYN-ACK with another one counts instead of the one before. A SYN seen
 * after its SYN-ACK (two queues, two taps) completes what is known, unless it is so much later that it
 * must be another connection's.
 * side  the sender
 */
void mt_flow_syn_note(struct mt_flow_syn_cache *cache, uint64_t fingerprint, unsigned side, uint32_t seq,
		      bool is_synack, uint64_t time_ns);

/**
 * Note what a SYN-ACK acknowledges, after mt_flow_syn_note(): the client's number, as long as its SYN was not
 * seen. It goes to isn[] and leaves has_isn alone, for nothing of that side was seen.
 * side  the sender of the SYN-ACK
 */
void mt_flow_syn_note_ack(struct mt_flow_syn_cache *cache, uint64_t fingerprint, unsigned side, uint32_t ack);

/** Bring closer what _note(), _note_ack() and _take() of the connection will look at. */
void mt_flow_syn_prefetch(const struct mt_flow_syn_cache *cache, uint64_t fingerprint);

/** Take what is known about a connection out of the cache. Result  true where something was. */
bool mt_flow_syn_take(struct mt_flow_syn_cache *cache, uint64_t fingerprint, struct mt_flow_syn *ret);

#endif
