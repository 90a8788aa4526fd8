/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The server memory of a run and the file that carries it to the next: which file that is, what becomes of
 * a damaged one, and when it is written. What is in it is lib/servers' business.
 * Called by main, and in between by the control thread.
 */
#ifndef MT_SERVERS_FILE_H
#define MT_SERVERS_FILE_H

#include <pthread.h>
#include <stdatomic.h>

#include "options.h"
#include "servers.h"

struct mt_servers_file {
	struct mt_servers *servers;
	char *path;		      /* NULL: what is remembered ends with the run */
	uint64_t saved_s;	      /* CLOCK_MONOTONIC, when it was last copied */
	struct mt_servers_copy *copy; /* the writer's while it lives */
	pthread_t writer;
	bool has_writer;	/* was started, and not joined yet */
	atomic_bool is_writing; /* released by the writer as the last thing that it does */
};

/**
 * Make the memory and load its file: the one that the settings name; live else servers.json in the folder
 * that systemd gives ($STATE_DIRECTORY) or in /var/lib/mailtap; in a replay else none.
 *
 * A file that the settings name must be one that can be read and written, or made: else the result is not 0.
 * Where the state folder cannot be used, that is said on standard error, and the run goes on without.
 * A damaged file neither stops the run nor is lost: it is said, and the file renamed to PATH.damaged, except
 * where settings are only checked.
 * error   a sentence where the result is not 0
 * Result  0 or -errno. To be ended with _close in every case.
 */
int mt_servers_file_open(struct mt_servers_file *file, const struct mt_settings *settings, char *error,
			 size_t error_size);

/** Write the file if an hour has passed, or at once if it is wanted: a thread of its own does, nobody waits.
 */
void mt_servers_file_save_at_times(struct mt_servers_file *file, bool is_wanted);

/**
 * Write the file for the last time, if the run got so far, and let go of everything.
 * Result  0, or -errno: it could not be written, which was said
 */
int mt_servers_file_close(struct mt_servers_file *file, bool has_run);

#endif
