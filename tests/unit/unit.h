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
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base.h"

/**
 * A copy of the bytes that ends exactly at a page nobody may touch: reading one byte too many dies.
 * Result  the copy; never freed, a test program is short
 */
static inline struct mt_span guarded(const void *data, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (len + page - 1) / page * page;
	uint8_t *area = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(area, MAP_FAILED);
	assert_int_equal(mprotect(area + room, page, PROT_NONE), 0);
	memcpy(area + room - len, data, len);
	return mt_span(area + room - len, len);
}

#endif
