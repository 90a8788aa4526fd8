/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The ways mailtap-stat shows a snapshot.
 */
#ifndef MT_STAT_H
#define MT_STAT_H

#include "counters.h"

/** A table for people, by topic; series that are zero are left out. */
void mt_stat_write_table(FILE *out, const struct mt_counters_snapshot *snapshot);

/** One JSON object with every series, zeros included. Result  0 or -ENOMEM */
int mt_stat_write_json(FILE *out, const struct mt_counters_snapshot *snapshot);

/** "building", "live", "closed" or "unknown". */
const char *mt_stat_state_name(const struct mt_counters_snapshot *snapshot);

/** Seconds since a block's last publication. */
double mt_stat_heartbeat_age(const struct mt_counters_snapshot *snapshot, uint32_t block);

#endif
