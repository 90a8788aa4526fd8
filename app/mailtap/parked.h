/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What is known of decided sessions whose connections go on: packed copies under (worker, handle), within
 * a limit of bytes (DESIGN.md, decision 6). Used by the control thread alone.
 */
#ifndef MT_PARKED_H
#define MT_PARKED_H

#include "base.h"
#include "mail.h"

struct mt_parked;

/** Result  NULL without memory. limit_bytes: of all copies together. */
struct mt_parked *mt_parked_create(uint32_t workers, size_t limit_bytes);
void mt_parked_destroy(struct mt_parked *parked); /* NULL is legal; what is parked is forgotten */

/**
 * Keep a copy. A copy already there under that name is replaced: its end was lost.
 * Result  false where the limit or the memory does not allow it
 */
bool mt_parked_put(struct mt_parked *parked, uint32_t worker, const struct mt_report *report);

/**
 * Take a copy out.
 * Result  transferred, to be freed with free(), and no longer than mt_report_bytes() says; NULL where nothing
 *         is parked under that name
 */
struct mt_report *mt_parked_take(struct mt_parked *parked, uint32_t worker, uint32_t handle);

#endif
