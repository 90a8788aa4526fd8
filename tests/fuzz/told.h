/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/** What reports tell of a conversation, and what must hold of it whatever was on the wire. */
#ifndef MT_TESTS_FUZZ_TOLD_H
#define MT_TESTS_FUZZ_TOLD_H

#include "record.h"

/** The password that clients send; nothing may tell it. */
#define TOLD_SECRET "Tr0ub4dor&3-Tr0ub4dor"

bool told_secret(const void *bytes, size_t len);

/** Everything stays within what mail.h says of it. products: how many the banner file has */
void told_check_facts(const struct mt_facts *facts, uint32_t products);

/** A whole report becomes a line of JSON in UTF-8, and can be counted. */
void told_check_record(const struct mt_report *report, const struct mt_banners *banners,
		       const struct mt_counters_layout *layout);

/**
 * Two tell the same. Times are left out, and where in the store a text stands: hellos of the two sides may
 * change places.
 */
void told_compare(const struct mt_facts *a, const struct mt_facts *b);

#endif
