/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef MT_FAULTS

static const char *const names[MT_FAULT_COUNT] = {
    [MT_FAULT_BUFFER] = "buffer",	  [MT_FAULT_FLOW] = "flow",   [MT_FAULT_DIALOGUE] = "dialogue",
    [MT_FAULT_REASSEMBLY] = "reassembly", [MT_FAULT_INBOX] = "inbox", [MT_FAULT_REPORT] = "report",
    [MT_FAULT_RECORD] = "record",
};

/* Of the whole process: whoever asks knows nobody who could hand it to him. */
static struct {
	unsigned every;	   /* 0: never; constant once anything runs */
	atomic_uint asked; /* relaxed: no other word depends on it */
} faults[MT_FAULT_COUNT];

bool mt_fault_is_set(enum mt_fault fault)
{
	return faults[fault].every != 0;
}

bool mt_fault(enum mt_fault fault)
{
	return faults[fault].every != 0 &&
	       (atomic_fetch_add_explicit(&faults[fault].asked, 1, memory_order_relaxed) + 1) %
		       faults[fault].every ==
		   0;
}

int mt_fault_set(const char *text, char *error, size_t error_size)
{
	size_t len = strcspn(text, "=");
	char *end;
	unsigned long every = text[len] == '=' ? strtoul(text + len + 1, &end, 10) : 1;

	if (every == 0 || every > UINT32_MAX || (text[len] == '=' && *end != 0)) {
		snprintf(error, error_size, "'%s' is not of the form NAME or NAME=N", text);
		return -EINVAL;
	}
	for (unsigned i = 0; i < MT_FAULT_COUNT; i++)
		if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) {
			faults[i].every = (unsigned)every;
			return 0;
		}
	snprintf(error, error_size, "'%.*s' is none of", (int)len, text);
	for (unsigned i = 0; i < MT_FAULT_COUNT; i++)
		snprintf(error + strlen(error), error_size - strlen(error), " %s", names[i]);
	return -EINVAL;
}

#else

int mt_fault_set(const char *text, char *error, size_t error_size)
{
	snprintf(error, error_size,
		 "'%s': this program cannot make faults; one built with -Dbuildtype=debug can", text);
	return -EINVAL;
}

#endif
