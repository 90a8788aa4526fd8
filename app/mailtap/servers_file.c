/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "servers_file.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SERVERS	     65536 /* 15 MB where all are in use; a site talks to fewer in a season */
#define FAILURES     4096  /* upgrades that fail within an hour */
#define SAVE_SECONDS 3600
#define STATE_FOLDER "/var/lib/mailtap"
#define ERROR_SIZE   512

/* ---- Which file ---- */

/* Result  the path to be freed; NULL without memory */
static char *default_path(void)
{
	const char *folders = getenv("STATE_DIRECTORY"); /* systemd gives several, a colon between */
	char *path = NULL;

	if (folders == NULL || folders[0] == 0)
		folders = STATE_FOLDER;
	return asprintf(&path, "%.*s/servers.json", (int)strcspn(folders, ":"), folders) > 0 ? path : NULL;
}

/* A symbolic link stays one: the file it leads to is what is written anew. */
static char *resolve(const char *path)
{
	char *resolved = realpath(path, NULL);

	return resolved != NULL || errno != ENOENT ? resolved : strdup(path);
}

/* A file is replaced, not written over: that takes its folder. */
static int look_at_folder(const char *path, char *error, size_t error_size)
{
	char copy[PATH_MAX];
	const char *folder;
	int rc;

	snprintf(copy, sizeof(copy), "%s", path);
	folder = dirname(copy);
	if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	rc = -errno;
	snprintf(error, error_size, "%s: no file can be written there: %s", folder, strerror(-rc));
	return rc;
}

/* ---- Opening ---- */

/* why: what is wrong with it. Result  0, or -errno with a sentence in error: it is still in the way */
static int set_aside(const char *path, const char *why, char *error, size_t error_size)
{
	char *aside = NULL;
	int rc = asprintf(&aside, "%s.damaged", path) > 0 && rename(path, aside) == 0 ? 0 : -errno;

	if (rc == 0)
		warnx("%s; the file is kept as %s, and what servers offer is learnt anew", why, aside);
	else
		snprintf(error, error_size, "%s; and it cannot be set aside: %s", why, strerror(-rc));
	free(aside);
	return rc;
}

/* A damaged memory, or something else in its place. */
static int clear_way(const char *path, bool is_check, char *error, size_t error_size)
{
	char why[ERROR_SIZE];

	snprintf(why, sizeof(why), "%s", error);
	if (!is_check)
		return set_aside(path, why, error, error_size);
	warnx("%s; the file will be set aside", why);
	return 0;
}

static int open_path(struct mt_servers_file *file, const char *path, bool is_ours, bool is_check, char *error,
		     size_t error_size)
{
	char *resolved = resolve(path);
	int rc = resolved != NULL ? 0 : -errno;

	if (rc != 0)
		snprintf(error, error_size, "%s: %s", path, strerror(-rc));
	if (rc == 0)
		rc = look_at_folder(resolved, error, error_size);
	if (rc == 0)
		rc = mt_servers_load(file->servers, resolved, error, error_size);
	/* A file that is no server memory is somebody else's, unless it stands in our own folder. */
	if (rc == -EBADMSG || (rc == -EINVAL && is_ours))
		rc = clear_way(resolved, is_check, error, error_size);
	if (rc == 0)
		file->path = resolved;
	else
		free(resolved);
	return rc;
}

int mt_servers_file_open(struct mt_servers_file *file, const struct mt_settings *settings, char *error,
			 size_t error_size)
{
	const char *named = settings->server_memory;
	char *path;

	*file =
	    (struct mt_servers_file){.servers = mt_servers_create(SERVERS, FAILURES, settings->vlan_in_key)};
	snprintf(error, error_size, "no memory");
	if (file->servers == NULL)
		return -ENOMEM;
	if (named != NULL ? strcmp(named, "none") == 0 : settings->replay != NULL)
		return 0;
	if (named != NULL)
		return open_path(file, named, false, settings->check_config, error, error_size);
	path = default_path();
	if (path == NULL)
		return -ENOMEM;
	if (open_path(file, path, true, settings->check_config, error, error_size) != 0)
		warnx("%s; what servers offer is remembered for this run alone (see --server-memory)", error);
	free(path);
	return 0;
}

/* ---- Saving ---- */

static int write_copy(struct mt_servers_file *file)
{
	char error[ERROR_SIZE];
	int rc = mt_servers_copy_write(file->copy, file->path, error, sizeof(error));

	if (rc != 0)
		warnx("%s", error);
	mt_servers_copy_destroy(file->copy);
	file->copy = NULL;
	return rc;
}

static void *write_beside(void *context)
{
	struct mt_servers_file *file = context;

	write_copy(file);
	/* Release: the copy is gone; mt_servers_file_save_at_times() acquires. */
	atomic_store_explicit(&file->is_writing, false, memory_order_release);
	return NULL;
}

static void join_writer(struct mt_servers_file *file)
{
	if (file->has_writer)
		pthread_join(file->writer, NULL);
	file->has_writer = false;
}

static int copy_servers(struct mt_servers_file *file)
{
	file->copy = mt_servers_copy_create(file->servers);
	if (file->copy != NULL)
		return 0;
	warnx("%s: no memory to write the server memory", file->path);
	return -ENOMEM;
}

static uint64_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

void mt_servers_file_save_at_times(struct mt_servers_file *file, bool is_wanted)
{
	uint64_t now = now_s();

	if (file->saved_s == 0)
		file->saved_s = now;
	if (file->path == NULL || (!is_wanted && now - file->saved_s < SAVE_SECONDS) ||
	    atomic_load_explicit(&file->is_writing, memory_order_acquire))
		return;
	file->saved_s = now;
	join_writer(file);
	if (copy_servers(file) != 0)
		return;
	atomic_store_explicit(&file->is_writing, true, memory_order_relaxed);
	file->has_writer = pthread_create(&file->writer, NULL, write_beside, file) == 0;
	if (!file->has_writer)
		write_beside(file);
}

int mt_servers_file_close(struct mt_servers_file *file, bool has_run)
{
	int rc = 0;

	join_writer(file);
	if (has_run && file->path != NULL)
		rc = copy_servers(file) != 0 ? -ENOMEM : write_copy(file);
	mt_servers_destroy(file->servers);
	free(file->path);
	*file = (struct mt_servers_file){0};
	return rc;
}
