/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "patterns.h"

#include <errno.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>
#include <stdio.h>
#include <stdlib.h>

static void destroy_reading(struct mt_patterns_reading *reading)
{
	if (reading == NULL)
		return;
	for (uint32_t w = 0; w < reading->workers; w++)
		mt_match_scratch_destroy(reading->scratch[w]);
	mt_banners_unload(&reading->banners);
	free(reading);
}

/* Result  NULL without memory; the banners are the caller's again then. */
static struct mt_patterns_reading *create_reading(struct mt_banners *banners,
						  const struct mt_session_shared *shared, uint32_t workers)
{
	struct mt_patterns_reading *reading =
	    calloc(1, sizeof(*reading) + workers * sizeof(reading->scratch[0]));

	if (reading == NULL)
		return NULL;
	for (; reading->workers < workers; reading->workers++)
		if (mt_engine_scratch_create(&reading->scratch[reading->workers], shared, banners) != 0) {
			destroy_reading(reading);
			return NULL;
		}
	reading->banners = *banners;
	*banners = (struct mt_banners){0};
	return reading;
}

int mt_patterns_init(struct mt_patterns *patterns, struct mt_banners *banners, const char *path,
		     const struct mt_session_shared *shared, uint32_t workers)
{
	*patterns = (struct mt_patterns){.path = path, .shared = shared};
	patterns->workers = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(workers), RTE_CACHE_LINE_SIZE);
	if (patterns->workers == NULL || rte_rcu_qsbr_init(patterns->workers, workers) != 0)
		return -ENOMEM;
	atomic_init(&patterns->reading, create_reading(banners, shared, workers));
	return atomic_load_explicit(&patterns->reading, memory_order_relaxed) != NULL ? 0 : -ENOMEM;
}

void mt_patterns_fini(struct mt_patterns *patterns)
{
	destroy_reading(patterns->old);
	destroy_reading(atomic_load_explicit(&patterns->reading, memory_order_relaxed));
	rte_free(patterns->workers);
}

const struct mt_banners *mt_patterns_banners(const struct mt_patterns *patterns)
{
	/* Relaxed: the caller wrote it. */
	return &atomic_load_explicit(&patterns->reading, memory_order_relaxed)->banners;
}

void mt_patterns_reclaim(struct mt_patterns *patterns)
{
	if (patterns->old == NULL || rte_rcu_qsbr_check(patterns->workers, patterns->old_token, false) != 1)
		return;
	destroy_reading(patterns->old);
	patterns->old = NULL;
}

int mt_patterns_reload(struct mt_patterns *patterns, char *error, size_t error_size)
{
	struct mt_patterns_reading *now = atomic_load_explicit(&patterns->reading, memory_order_relaxed),
				   *next;
	struct mt_banners banners;
	int rc;

	mt_patterns_reclaim(patterns);
	if (patterns->old != NULL)
		return -EBUSY;
	rc = mt_banners_reload(&banners, &now->banners, patterns->path, error, error_size);
	if (rc != 0)
		return rc;
	next = create_reading(&banners, patterns->shared, now->workers);
	if (next == NULL) {
		mt_banners_unload(&banners);
		snprintf(error, error_size, "%s: no memory", patterns->path);
		return -ENOMEM;
	}
	/* Release: the reading is whole. Partner: mt_patterns_renew(). */
	atomic_store_explicit(&patterns->reading, next, memory_order_release);
	patterns->old = now;
	patterns->old_token = rte_rcu_qsbr_start(patterns->workers);
	return 0;
}

void mt_patterns_enter(struct mt_patterns *patterns, uint32_t worker)
{
	rte_rcu_qsbr_thread_register(patterns->workers, worker);
	rte_rcu_qsbr_thread_online(patterns->workers, worker);
}

void mt_patterns_leave(struct mt_patterns *patterns, uint32_t worker)
{
	rte_rcu_qsbr_thread_offline(patterns->workers, worker);
	rte_rcu_qsbr_thread_unregister(patterns->workers, worker);
}

void mt_patterns_renew(struct mt_patterns *patterns, uint32_t worker, struct mt_engine *engine)
{
	struct mt_patterns_reading *reading;

	rte_rcu_qsbr_quiescent(patterns->workers, worker);
	/* Acquire: partner is mt_patterns_reload(). */
	reading = atomic_load_explicit(&patterns->reading, memory_order_acquire);
	mt_engine_use_banners(engine, &reading->banners, reading->scratch[worker]);
}
