/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Compiling a table with the place of a fault kept apart from its reason: the banner file speaks of
 * lines, a table in the code of patterns.
 */
#ifndef MT_MATCH_PRIV_H
#define MT_MATCH_PRIV_H

#include "match.h"

/** Why a table was refused. */
struct mt_match_fault {
	size_t row;	  /* index of the row at fault; count where it is no single row's */
	char reason[256]; /* a sentence, cut where it is longer */
};

/** As mt_match_create(); fault is written where the result is -EINVAL. */
int mt_match_compile(struct mt_match_set **ret, const struct mt_match_row *rows, size_t count,
		     struct mt_match_fault *fault);

#endif
