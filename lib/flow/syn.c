/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "flow.h"

#include <assert.h>

#define WAYS 4

/*
 * A SYN-ACK is answered by data or repeated within a second (RFC 6298 2.1). A SYN that comes later than
 * that after a SYN-ACK whose own SYN was not seen is a new attempt.
 */
#define LATE_SYN_NS MT_NS_PER_SECOND

/* Flags in the three lowest bits of a way's name. They cost nothing: the set is chosen by these bits. */
enum {
	HAS_ISN = 0x3,	  /* bit per side */
	CLIENT_SHIFT = 2, /* the side of the client */
	FLAGS = 0x7,
};

/** One connection in 32 bytes, so that a set is two cache lines. */
struct way {
	uint64_t name; /* fingerprint without its lowest three bits, and flags; 0 marks a free one */
	uint64_t time_ns;
	uint64_t synack_ns; /* 0 where none was seen */
	uint32_t isn[2];    /* by sending side */
};

struct mt_flow_syn_set {
	struct way ways[WAYS];
};
mt_static_assert(sizeof(struct mt_flow_syn_set) == 2 * MT_CACHE_LINE, "what a SYN may touch");

static uint32_t sets_for(uint32_t entries)
{
	uint32_t sets = 1;

	while ((uint64_t)sets * WAYS < entries)
		sets *= 2;
	return sets;
}

size_t mt_flow_syn_cache_bytes(uint32_t entries)
{
	assert(entries <= MT_FLOW_FLOWS_MAX);
	return (size_t)sets_for(entries) * sizeof(struct mt_flow_syn_set);
}

void mt_flow_syn_cache_init(struct mt_flow_syn_cache *cache, void *memory, uint32_t entries)
{
	assert((uintptr_t)memory % MT_CACHE_LINE == 0 && entries <= MT_FLOW_FLOWS_MAX);
	*cache = (struct mt_flow_syn_cache){.sets = memory, .mask = sets_for(entries) - 1};
}

void mt_flow_syn_prefetch(const struct mt_flow_syn_cache *cache, uint64_t fingerprint)
{
	const struct mt_flow_syn_set *set = &cache->sets[fingerprint & cache->mask];

	__builtin_prefetch(set, 1);
	__builtin_prefetch((const uint8_t *)set + MT_CACHE_LINE, 1);
}

static inline bool is_free(const struct way *way)
{
	return way->name == 0;
}

static inline bool has_isn(const struct way *way, unsigned side)
{
	return way->name >> side & 1;
}

static inline unsigned client_of(const struct way *way)
{
	return way->name >> CLIENT_SHIFT & 1;
}

static struct way *find_way(const struct mt_flow_syn_cache *cache, uint64_t fingerprint)
{
	struct mt_flow_syn_set *set = &cache->sets[fingerprint & cache->mask];

	for (unsigned i = 0; i < WAYS; i++)
		if (!is_free(&set->ways[i]) && (set->ways[i].name | FLAGS) == (fingerprint | FLAGS))
			return &set->ways[i];
	return NULL;
}

/* A free way, else the oldest. */
static struct way *choose_way(const struct mt_flow_syn_cache *cache, uint64_t fingerprint)
{
	struct mt_flow_syn_set *set = &cache->sets[fingerprint & cache->mask];
	struct way *chosen = &set->ways[0];

	for (unsigned i = 1; i < WAYS; i++)
		if (is_free(&set->ways[i]) || set->ways[i].time_ns < chosen->time_ns)
			chosen = &set->ways[i];
	return chosen;
}

/* What was noted belongs to the connection that this SYN or SYN-ACK opens. */
static bool is_same_attempt(const struct way *way, unsigned side, uint32_t seq, bool is_synack,
			    uint64_t time_ns)
{
	if (is_synack)
		return client_of(way) != side;
	if (client_of(way) != side)
		return false;
	return has_isn(way, side) ? way->isn[side] == seq : time_ns < way->synack_ns + LATE_SYN_NS;
}

void mt_flow_syn_note(struct mt_flow_syn_cache *cache, uint64_t fingerprint, unsigned side, uint32_t seq,
		      bool is_synack, uint64_t time_ns)
{
	struct way *way = find_way(cache, fingerprint);
	unsigned client = is_synack ? side ^ 1 : side;

	assert(side <= 1);
	if (way == NULL || !is_same_attempt(way, side, seq, is_synack, time_ns)) {
		if (way == NULL)
			way = choose_way(cache, fingerprint);
		*way = (struct way){
		    .name = (fingerprint & ~(uint64_t)FLAGS) | client << CLIENT_SHIFT,
		    .time_ns = time_ns,
		};
	} else if (has_isn(way, side) && way->isn[side] == seq) {
		return;
	} else if (!is_synack) {
		way->time_ns = time_ns;
	}
	way->name |= 1u << side;
	way->isn[side] = seq;
	if (is_synack)
		way->synack_ns = time_ns;
}

void mt_flow_syn_note_ack(struct mt_flow_syn_cache *cache, uint64_t fingerprint, unsigned side, uint32_t ack)
{
	struct way *way = find_way(cache, fingerprint);

	if (way != NULL && !has_isn(way, side ^ 1))
		way->isn[side ^ 1] = ack - 1;
}

bool mt_flow_syn_take(struct mt_flow_syn_cache *cache, uint64_t fingerprint, struct mt_flow_syn *ret)
{
	struct way *way = find_way(cache, fingerprint);

	if (way == NULL)
		return false;
	*ret = (struct mt_flow_syn){
	    .fingerprint = fingerprint,
	    .time_ns = way->time_ns,
	    .synack_ns = way->synack_ns,
	    .isn = {way->isn[0], way->isn[1]},
	    .has_isn = way->name & HAS_ISN,
	    .client_side = (uint8_t)client_of(way),
	};
	*way = (struct way){0};
	return true;
}
