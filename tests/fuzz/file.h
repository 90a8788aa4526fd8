/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/** For parsers that open a path: a file in memory, written anew for each input. */
#ifndef MT_TESTS_FUZZ_FILE_H
#define MT_TESTS_FUZZ_FILE_H

#include "fuzz.h"

/** Result  the path of a file that holds the input and nothing else; the same for every input */
static inline const char *fuzz_file(const uint8_t *data, size_t len)
{
	static char path[64];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("input", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	FUZZ_MUST(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, len, 0) == (ssize_t)len);
	return path;
}

/** A refusal is a sentence about the file: it begins with the path and is one printable line. */
static inline void fuzz_check_refusal(const char *path, const char *error)
{
	FUZZ_MUST(strncmp(error, path, strlen(path)) == 0 && error[strlen(path)] == ':');
	FUZZ_MUST(strchr(error, '\n') == NULL);
}

#endif
