/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/** Room that ends exactly at a page nobody may touch: whoever reads one byte too many dies. */
#ifndef MT_TESTS_GUARD_H
#define MT_TESTS_GUARD_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base.h"

struct guard {
	uint8_t *end; /* the protected page begins here */
	size_t room;  /* bytes in front of it, at least those asked for */
};

/** Result  room for so many bytes, never given back; ends the program where it cannot be had */
static inline struct guard guard_make(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (bytes + page - 1) / page * page;
	uint8_t *area = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED || mprotect(area + room, page, PROT_NONE) != 0)
		abort();
	return (struct guard){area + room, room};
}

/** A copy of the bytes that ends at the page; the room's last one is overwritten. */
static inline struct mt_span guard_copy(const struct guard *guard, const void *data, size_t len)
{
	if (len > guard->room)
		abort();
	if (len > 0)
		memcpy(guard->end - len, data, len);
	return mt_span(guard->end - len, len);
}

#endif
