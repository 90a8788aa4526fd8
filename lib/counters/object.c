/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "shared_priv.h"

int mt_counters_path(char ret[MT_COUNTERS_PATH_SIZE], const char *name)
{
	size_t len = strnlen(name, MT_COUNTERS_NAME_MAX + 1);

	if (len == 0 || len > MT_COUNTERS_NAME_MAX ||
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != len ||
	    strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	snprintf(ret, MT_COUNTERS_PATH_SIZE, "%s%s", MT_COUNTERS_DIR, name);
	return 0;
}

/* Asks what would stand against a read lock: only a write lock would, and that needs write permission. */
bool mt_counters_has_writer(int fd)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK;
}
