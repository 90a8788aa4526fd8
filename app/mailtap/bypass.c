/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "bypass.h"

#include <errno.h>
#include <stdlib.h>

#include "counters.h"

#define BUCKETS	   4096 /* a power of two */
#define NONE	   UINT32_MAX
#define RETRY_NS   MT_NS_PER_SECOND /* before a driver that would not remove a rule is asked again */
#define LOOKS_MAX  64		    /* connections, in one call: a slow driver must not hold up reports */
#define EVICTED_NS (2 * MT_BYPASS_LOOK_NS)

struct rule {
	void *rule; /* NULL where none stands */
	struct mt_bypass_count counted;
};

/* A connection with rules, or a place for one. */
struct entry {
	uint32_t worker, handle;
	uint32_t next; /* in the chain of its bucket, where is_named; in that of the free places */
	bool is_used;
	bool is_named;	   /* its session goes on */
	bool has_news;	   /* packets were dropped since its worker was told */
	uint64_t moved_ns; /* when its rules began, or were last found to have dropped something */
	uint64_t due_ns;   /* when the rules have to go; UINT64_MAX: not yet known */
	struct mt_mail_ends ends;
};

struct mt_bypass {
	struct mt_bypass_config config;
	struct entry *entries; /* MT_BYPASS_MAX */
	struct rule *rules;    /* of each entry: one for each port and direction */
	uint32_t bucket[BUCKETS];
	uint32_t free;	    /* first free place */
	uint32_t cursor;    /* place of the next look */
	uint64_t looked_ns; /* when the place before it was due */
	uint64_t ready_ns;  /* no new rules before */
};

static unsigned rules_each(const struct mt_bypass *bypass)
{
	return bypass->config.ports * MT_DIRECTION_COUNT;
}

static struct rule *rules_of(const struct mt_bypass *bypass, const struct entry *entry)
{
	return bypass->rules + (size_t)(entry - bypass->entries) * rules_each(bypass);
}

static uint64_t now_ns(const struct mt_bypass *bypass)
{
	return bypass->config.hands->clock_ns(bypass->config.context);
}

static void count_failure(struct mt_bypass *bypass, enum mt_bypass_call call)
{
	bypass->config.cells[MT_CELL1(BYPASS_FAILURES, call)]++;
}

/* Devices were asked since then; others wait for the control thread too. */
static void charge(struct mt_bypass *bypass, uint64_t since_ns)
{
	uint64_t now = now_ns(bypass);

	if (bypass->ready_ns < now)
		bypass->ready_ns = now;
	bypass->ready_ns += (now - since_ns) * MT_BYPASS_SHARE;
}

/* ---- Names ---- */

static uint32_t *bucket_of(struct mt_bypass *bypass, uint32_t worker, uint32_t handle)
{
	/* Small numbers of our own making: spreading them is enough (Knuth's golden ratio). */
	return &bypass->bucket[(((uint64_t)worker << 32 | handle) * 0x9e3779b97f4a7c15ull >> 32) &
			       (BUCKETS - 1)];
}

/* Result  the link to the entry of that name, or to NONE. */
static uint32_t *find(struct mt_bypass *bypass, uint32_t worker, uint32_t handle)
{
	uint32_t *link = bucket_of(bypass, worker, handle);

	while (*link != NONE &&
	       (bypass->entries[*link].worker != worker || bypass->entries[*link].handle != handle))
		link = &bypass->entries[*link].next;
	return link;
}

static void take_name(struct mt_bypass *bypass, struct entry *entry)
{
	if (entry->is_named)
		*find(bypass, entry->worker, entry->handle) = entry->next;
	entry->is_named = false;
}

static void give_name(struct mt_bypass *bypass, struct entry *entry)
{
	uint32_t *head = bucket_of(bypass, entry->worker, entry->handle);

	entry->next = *head;
	*head = (uint32_t)(entry - bypass->entries);
	entry->is_named = true;
}

/* ---- Rules ---- */

static void count_rule(struct mt_bypass *bypass, struct entry *entry, unsigned number)
{
	struct rule *rule = &rules_of(bypass, entry)[number];
	uint64_t *cells = bypass->config.cells;
	struct mt_bypass_count count;

	if (bypass->config.hands->query(bypass->config.context, number / MT_DIRECTION_COUNT, rule->rule,
					&count) != 0) {
		count_failure(bypass, MT_BYPASS_CALL_QUERY);
		return;
	}
	/* A counter that has gone back has lost what it knew: nothing is added, nothing taken away. */
	if (count.packets > rule->counted.packets) {
		cells[MT_CELL0(BYPASSED)] += count.packets - rule->counted.packets;
		entry->has_news = true;
	}
	if (count.bytes > rule->counted.bytes)
		cells[MT_CELL0(BYPASSED_BYTES)] += count.bytes - rule->counted.bytes;
	rule->counted = count;
}

static void count_rules(struct mt_bypass *bypass, struct entry *entry)
{
	for (unsigned i = 0; i < rules_each(bypass); i++)
		if (rules_of(bypass, entry)[i].rule != NULL)
			count_rule(bypass, entry, i);
}

/* Result  false where a rule stands as before. */
static bool remove_rules(struct mt_bypass *bypass, struct entry *entry)
{
	bool is_done = true;

	for (unsigned i = 0; i < rules_each(bypass); i++) {
		struct rule *rule = &rules_of(bypass, entry)[i];

		if (rule->rule == NULL)
			continue;
		if (bypass->config.hands->destroy(bypass->config.context, i / MT_DIRECTION_COUNT,
						  rule->rule) == 0) {
			*rule = (struct rule){0};
			bypass->config.cells[MT_CELL0(BYPASS_RULES)]--;
		} else {
			count_failure(bypass, MT_BYPASS_CALL_DESTROY);
			is_done = false;
		}
	}
	return is_done;
}

/* Result  0, -ENOTSUP where no port takes such rules, or -errno; unless it is 0, rules may be left. */
static int create_rules(struct mt_bypass *bypass, struct entry *entry)
{
	struct rule *rules = rules_of(bypass, entry);
	bool has_any = false;

	for (unsigned i = 0; i < rules_each(bypass); i++) {
		int rc = bypass->config.hands->create(bypass->config.context, i / MT_DIRECTION_COUNT,
						      &entry->ends, i % MT_DIRECTION_COUNT, &rules[i].rule);

		if (rc == -ENOTSUP)
			continue;
		if (rc != 0) {
			rules[i].rule = NULL;
			count_failure(bypass, MT_BYPASS_CALL_CREATE);
			return rc;
		}
		has_any = true;
		bypass->config.cells[MT_CELL0(BYPASS_RULES)]++;
	}
	return has_any ? 0 : -ENOTSUP;
}

/* ---- Places ---- */

static void give_back(struct mt_bypass *bypass, struct entry *entry)
{
	*entry = (struct entry){.next = bypass->free};
	bypass->free = (uint32_t)(entry - bypass->entries);
}

/* Tell the worker what it cannot see. Where that fails, the next look tells. */
static void tell(struct mt_bypass *bypass, struct entry *entry)
{
	if (entry->has_news && entry->is_named &&
	    bypass->config.hands->tell(bypass->config.context, entry->worker, &entry->ends))
		entry->has_news = false;
}

/* The rules go now, or as soon as the driver lets them. */
static void remove_entry(struct mt_bypass *bypass, struct entry *entry)
{
	count_rules(bypass, entry);
	tell(bypass, entry);
	take_name(bypass, entry);
	if (remove_rules(bypass, entry))
		give_back(bypass, entry);
	else
		entry->due_ns = now_ns(bypass) + RETRY_NS;
}

/* Whose rules have dropped nothing for longest makes room. That is known only of those that were looked at.
 */
static void evict(struct mt_bypass *bypass, uint64_t now)
{
	struct entry *idlest = bypass->entries;

	for (struct entry *entry = idlest + 1; entry < bypass->entries + MT_BYPASS_MAX; entry++)
		if (entry->moved_ns < idlest->moved_ns)
			idlest = entry;
	if (now - idlest->moved_ns >= EVICTED_NS)
		remove_entry(bypass, idlest);
}

static struct entry *take_place(struct mt_bypass *bypass, uint64_t now)
{
	struct entry *entry;

	if (bypass->free == NONE)
		evict(bypass, now);
	if (bypass->free == NONE)
		return NULL;
	entry = &bypass->entries[bypass->free];
	bypass->free = entry->next;
	return entry;
}

/* ---- Sessions ---- */

/* The worker is told before the rules stand: from then on it cannot see where the connection's sides are. */
static enum mt_bypass_outcome try_begin(struct mt_bypass *bypass, const struct entry *wanted)
{
	struct entry *entry;

	if (wanted->moved_ns < bypass->ready_ns)
		return MT_BYPASS_OUTCOME_BUSY;
	entry = take_place(bypass, wanted->moved_ns);
	if (entry == NULL)
		return MT_BYPASS_OUTCOME_FULL;
	*entry = *wanted;
	if (!bypass->config.hands->tell(bypass->config.context, entry->worker, &entry->ends)) {
		give_back(bypass, entry);
		return MT_BYPASS_OUTCOME_BUSY;
	}
	if (create_rules(bypass, entry) != 0) {
		remove_entry(bypass, entry);
		return MT_BYPASS_OUTCOME_REFUSED;
	}
	give_name(bypass, entry);
	return MT_BYPASS_OUTCOME_RULES;
}

void mt_bypass_begin(struct mt_bypass *bypass, uint32_t worker, uint32_t handle,
		     const struct mt_mail_ends *ends)
{
	uint64_t now = now_ns(bypass);
	const struct entry wanted = {.worker = worker,
				     .handle = handle,
				     .is_used = true,
				     .moved_ns = now,
				     .due_ns = UINT64_MAX,
				     .ends = *ends};
	enum mt_bypass_outcome outcome;

	/* Of that name already: its end was lost. */
	mt_bypass_end(bypass, worker, handle, MT_REASON_REUSE);
	outcome = try_begin(bypass, &wanted);
	bypass->config.cells[MT_CELL1(BYPASS_SESSIONS, outcome)]++;
	if (outcome != MT_BYPASS_OUTCOME_BUSY)
		charge(bypass, now);
}

/*
 * After a proper close the tuple rests (RFC 9293 3.6.1), and the device's counter may be read once more.
 * After any other end the next connection of that tuple may come at once, and must be seen.
 */
void mt_bypass_end(struct mt_bypass *bypass, uint32_t worker, uint32_t handle, unsigned reason)
{
	uint32_t place = *find(bypass, worker, handle);
	uint64_t now;
	struct entry *entry;

	if (place == NONE)
		return;
	now = now_ns(bypass);
	entry = &bypass->entries[place];
	take_name(bypass, entry);
	if (reason == MT_REASON_FIN) {
		entry->due_ns = now + MT_BYPASS_SETTLE_NS;
		return;
	}
	remove_entry(bypass, entry);
	charge(bypass, now);
}

static void look_at(struct mt_bypass *bypass, struct entry *entry, uint64_t now)
{
	bool had_news = entry->has_news;

	if (now >= entry->due_ns || now - entry->moved_ns > bypass->config.timeout_ns) {
		remove_entry(bypass, entry);
		return;
	}
	entry->has_news = false;
	count_rules(bypass, entry);
	if (entry->has_news)
		entry->moved_ns = now;
	entry->has_news |= had_news;
	tell(bypass, entry);
}

void mt_bypass_look(struct mt_bypass *bypass)
{
	uint64_t now = now_ns(bypass), due, passed;
	unsigned looks = 0;

	if (now - bypass->looked_ns > MT_BYPASS_LOOK_NS)
		bypass->looked_ns = now - MT_BYPASS_LOOK_NS;
	due = (now - bypass->looked_ns) * MT_BYPASS_MAX / MT_BYPASS_LOOK_NS;
	for (passed = 0; passed < due && looks < LOOKS_MAX; passed++) {
		struct entry *entry = &bypass->entries[bypass->cursor];

		bypass->cursor = (bypass->cursor + 1) % MT_BYPASS_MAX;
		if (!entry->is_used)
			continue;
		look_at(bypass, entry, now);
		looks++;
	}
	bypass->looked_ns += passed * MT_BYPASS_LOOK_NS / MT_BYPASS_MAX;
	if (looks > 0)
		charge(bypass, now);
}

/* ---- Making one ---- */

struct mt_bypass *mt_bypass_create(const struct mt_bypass_config *config)
{
	struct mt_bypass *bypass = calloc(1, sizeof(*bypass));

	if (bypass == NULL)
		return NULL;
	bypass->config = *config;
	bypass->entries = calloc(MT_BYPASS_MAX, sizeof(*bypass->entries));
	bypass->rules = calloc((size_t)MT_BYPASS_MAX * rules_each(bypass), sizeof(*bypass->rules));
	if (bypass->entries == NULL || bypass->rules == NULL) {
		mt_bypass_destroy(bypass);
		return NULL;
	}
	bypass->looked_ns = now_ns(bypass);
	bypass->free = NONE;
	for (unsigned i = 0; i < BUCKETS; i++)
		bypass->bucket[i] = NONE;
	for (uint32_t i = MT_BYPASS_MAX; i > 0; i--)
		give_back(bypass, &bypass->entries[i - 1]);
	return bypass;
}

void mt_bypass_finish(struct mt_bypass *bypass)
{
	for (uint32_t i = 0; i < MT_BYPASS_MAX; i++)
		if (bypass->entries[i].is_used)
			remove_entry(bypass, &bypass->entries[i]);
}

void mt_bypass_destroy(struct mt_bypass *bypass)
{
	if (bypass == NULL)
		return;
	free(bypass->rules);
	free(bypass->entries);
	free(bypass);
}
