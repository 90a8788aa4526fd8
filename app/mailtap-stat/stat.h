/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * How mailtap-stat shows a snapshot to people; other programs are lib/exposition's.
 */
#ifndef MT_STAT_H
#define MT_STAT_H

#include "base.h"
#include "mailtap-counters.h"

/** A table for people, by topic; series that are zero are left out. */
void mt_stat_write_table(FILE *out, const struct mt_counters_snapshot *snapshot);

#endif
