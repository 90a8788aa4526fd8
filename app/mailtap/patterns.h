/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The banner patterns in use, and how they are exchanged while workers scan with them: the control thread
 * compiles the new ones beside, workers take them up at their next poll, and the old ones are freed once
 * every worker has passed one (rte_rcu_qsbr; DESIGN.md, decision 8). No packet waits for any of it.
 */
#ifndef MT_PATTERNS_H
#define MT_PATTERNS_H

#include <stdatomic.h>

#include "base.h"
#include "session.h"

struct rte_rcu_qsbr;

/** One reading of the banner file, with the memory that each worker scans in. */
struct mt_patterns_reading {
	struct mt_banners banners;
	uint32_t workers;		    /* members of scratch */
	struct mt_match_scratch *scratch[]; /* by worker */
};

struct mt_patterns {
	/* Constant after start. */
	const char *path;
	const struct mt_session_shared *shared;
	struct rte_rcu_qsbr *workers; /* who may still hold what they read */

	/* Written by the control thread, release; read by workers, acquire. */
	_Atomic(struct mt_patterns_reading *) reading;

	/* The control thread's own. */
	struct mt_patterns_reading *old; /* replaced, and perhaps still in use; NULL where there is none */
	uint64_t old_token;		 /* when every worker has passed it, nobody uses old any more */
};

/**
 * Make the first reading ready for so many workers.
 * banners  transferred: empty afterwards
 * shared, path   kept
 * Result   0 or -ENOMEM; to be ended with _fini in either case
 * Owner    main, after EAL started and before workers run
 */
int mt_patterns_init(struct mt_patterns *patterns, struct mt_banners *banners, const char *path,
		     const struct mt_session_shared *shared, uint32_t workers);
/** Workers have ended. Zeroes are legal. */
void mt_patterns_fini(struct mt_patterns *patterns);

/** What is in use. Owner: the control thread; valid until its next _reload(). */
const struct mt_banners *mt_patterns_banners(const struct mt_patterns *patterns);

/**
 * Read the file again. Products keep their numbers.
 * error   a sentence where the result is not 0: what was in use stays in use
 * Result  0, -EBUSY where a reading before is still being given up (try again), or as mt_banners_load()
 * Owner   the control thread, which the compiler keeps busy for some 30 ms
 */
int mt_patterns_reload(struct mt_patterns *patterns, char *error, size_t error_size);
/** Free what nobody uses any more. Owner: the control thread, now and then. */
void mt_patterns_reclaim(struct mt_patterns *patterns);

/** A worker begins, or ends, to use patterns. */
void mt_patterns_enter(struct mt_patterns *patterns, uint32_t worker);
void mt_patterns_leave(struct mt_patterns *patterns, uint32_t worker);
/** Between two polls: let go of what was in use, and give the engine what is. Cost: some ten cycles. */
void mt_patterns_renew(struct mt_patterns *patterns, uint32_t worker, struct mt_engine *engine);

#endif
