/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What every unit test needs: cmocka with its headers in the order it wants, and guarded inputs.
 */
#ifndef MT_TESTS_UNIT_H
#define MT_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base.h"
#include "guard.h"

/** Result  a copy of the bytes that ends at a protected page; never freed, a test program is short */
static inline struct mt_span guarded(const void *data, size_t len)
{
	struct guard guard = guard_make(len);

	return guard_copy(&guard, data, len);
}

#endif
