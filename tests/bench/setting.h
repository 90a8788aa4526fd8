/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/** What an engine needs to do what the program's does: the three dialogues, the usual ports, a banner file.
 */
#ifndef MT_TESTS_BENCH_SETTING_H
#define MT_TESTS_BENCH_SETTING_H

#include "session.h"

struct setting {
	struct mt_session_shared shared;
	struct mt_banners banners;
	uint64_t cells[MT_COUNTERS_FIXED_CELLS];
};

/** Compile and read all of it; ends the program with a sentence where that fails. */
void setting_open(struct setting *ret, const char *banners);

/** For an engine of so many flows; emit is the caller's to fill in. */
struct mt_engine_config setting_config(struct setting *setting, uint32_t flows);

#endif
