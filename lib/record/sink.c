/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

/* Several times the longest record: text of 1280 bytes, each at most four bytes escaped and eight in JSON. */
#define GATHER_BYTES (256 * 1024)

struct mt_record_sink {
	char *path;   /* NULL where nothing is written, or standard output is */
	int fd;	      /* -1 where nothing is written */
	bool is_file; /* a regular file: what was written can be taken back */
	uint64_t *cells;
	size_t used; /* bytes gathered; the last of them ends a line */
	char gathered[GATHER_BYTES];
};

static int open_file(const char *path, int *ret_fd, bool *ret_is_file)
{
	struct stat status;
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

	if (fd < 0)
		return -errno;
	*ret_is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	*ret_fd = fd;
	return 0;
}

/* Result: bytes written, all of them unless *ret_error says why not. */
static size_t write_all(int fd, const char *bytes, size_t len, int *ret_error)
{
	size_t done = 0;

	*ret_error = 0;
	while (done < len) {
		ssize_t written = write(fd, bytes + done, len - done);

		if (written > 0)
			done += (size_t)written;
		else if (written == 0 || (errno != EINTR && errno != EAGAIN)) {
			*ret_error = written == 0 ? -EIO : -errno;
			break;
		} else if (errno == EAGAIN) /* somebody gave us a pipe that does not block */
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
	}
	return done;
}

static size_t count_lines(const char *bytes, size_t len)
{
	size_t lines = 0;

	for (size_t i = 0; i < len; i++)
		lines += bytes[i] == '\n';
	return lines;
}

static size_t whole_lines(const char *bytes, size_t len)
{
	const char *last = memrchr(bytes, '\n', len);

	return last == NULL ? 0 : (size_t)(last - bytes) + 1;
}

int mt_record_sink_flush(struct mt_record_sink *sink)
{
	int error = 0;

	if (sink->used == 0)
		return 0;
	size_t done = write_all(sink->fd, sink->gathered, sink->used, &error);
	if (error != 0 && sink->is_file) {
		size_t whole = whole_lines(sink->gathered, done);
		off_t end = lseek(sink->fd, 0, SEEK_CUR);

		/* The disk took half a line: take the half back, or go on behind it if that fails. */
		if (done > whole && end >= 0 && ftruncate(sink->fd, end - (off_t)(done - whole)) == 0)
			done = whole;
	}
	sink->cells[MT_CELL0(RECORDS_WRITTEN)] += count_lines(sink->gathered, done);
	sink->used -= done;
	memmove(sink->gathered, sink->gathered + done, sink->used);
	return error;
}

int mt_record_sink_open(struct mt_record_sink **ret, const char *path, char *error, size_t error_size)
{
	struct mt_record_sink *sink = calloc(1, sizeof(*sink));
	bool is_stdout = strcmp(path, "-") == 0;
	int result = sink == NULL ? -ENOMEM : 0;

	if (sink != NULL) {
		sink->fd = is_stdout ? STDOUT_FILENO : -1;
		if (!is_stdout && strcmp(path, "none") != 0) {
			sink->path = strdup(path);
			result = sink->path == NULL ? -ENOMEM : open_file(path, &sink->fd, &sink->is_file);
		}
	}
	if (result == 0) {
		*ret = sink;
		return 0;
	}
	snprintf(error, error_size, "records cannot be written to %s: %s", path, strerror(-result));
	if (sink != NULL)
		free(sink->path);
	free(sink);
	return result;
}

bool mt_record_sink_is_none(const struct mt_record_sink *sink)
{
	return sink->fd < 0;
}

void mt_record_sink_count_in(struct mt_record_sink *sink, uint64_t *cells)
{
	sink->cells = cells;
}

static bool has_room(const struct mt_record_sink *sink, size_t len)
{
	return sink->used + len + 1 <= GATHER_BYTES;
}

void mt_record_sink_write(struct mt_record_sink *sink, const char *line)
{
	size_t len = line != NULL ? strlen(line) : GATHER_BYTES; /* no room is ever so large */

	if (mt_record_sink_is_none(sink)) {
		sink->cells[MT_CELL0(RECORDS_WRITTEN)]++; /* all that was wanted of it */
		return;
	}
	if (!has_room(sink, len))
		mt_record_sink_flush(sink);
	if (!has_room(sink, len)) {
		sink->cells[MT_CELL1(LOST, MT_LOSS_RECORD_SINK)]++;
		return;
	}
	memcpy(sink->gathered + sink->used, line, len);
	sink->used += len;
	sink->gathered[sink->used++] = '\n';
}

void mt_record_sink_finish(struct mt_record_sink *sink)
{
	mt_record_sink_flush(sink);
	sink->cells[MT_CELL1(LOST, MT_LOSS_RECORD_SINK)] += count_lines(sink->gathered, sink->used);
	sink->used = 0;
}

int mt_record_sink_reopen(struct mt_record_sink *sink)
{
	bool is_file;
	int fd, error;

	if (sink->path == NULL)
		return 0;
	/* What was gathered belongs into the old file; what that one does not take goes into the new one. */
	mt_record_sink_flush(sink);
	error = open_file(sink->path, &fd, &is_file);
	if (error != 0)
		return error;
	close(sink->fd);
	sink->fd = fd;
	sink->is_file = is_file;
	return 0;
}

int mt_record_sink_close(struct mt_record_sink *sink)
{
	int error = 0;

	if (sink == NULL)
		return 0;
	if (sink->path != NULL && close(sink->fd) < 0)
		error = -errno;
	free(sink->path);
	free(sink);
	return error;
}
