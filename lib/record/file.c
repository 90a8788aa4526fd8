/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "record_priv.h"

/* Several times the longest record: text of 1280 bytes, each at most four bytes escaped and eight in JSON. */
#define GATHER_BYTES (256 * 1024)

struct file {
	struct mt_record_sink sink;
	char *path; /* NULL where standard output is written */
	int fd;
	bool is_regular; /* what was written can be taken back */
	size_t used;	 /* bytes gathered; the last of them ends a line */
	char gathered[GATHER_BYTES];
};

/* Somebody was killed, or lost his machine, while he wrote: what follows is no part of his last line. */
static void end_half_line(int fd, off_t size)
{
	char self[32], last = '\n';
	int reader;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	reader = open(self, O_RDONLY | O_CLOEXEC);
	if (reader < 0)
		return;
	if (pread(reader, &last, 1, size - 1) == 1 && last != '\n' && write(fd, "\n", 1) != 1)
		last = 0; /* a disk that is full now says so at the first record */
	close(reader);
}

static int open_path(const char *path, int *ret_fd, bool *ret_is_regular)
{
	struct stat status;
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

	if (fd < 0)
		return -errno;
	*ret_is_regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	if (*ret_is_regular && status.st_size > 0)
		end_half_line(fd, status.st_size);
	*ret_fd = fd;
	return 0;
}

/* Result: bytes written, all of them unless *ret_error says why not. */
static size_t write_all(int fd, const char *bytes, size_t len, int *ret_error)
{
	size_t done = 0;

	*ret_error = 0;
	while (done < len) {
		ssize_t written = mt_fault(MT_FAULT_RECORD) ? 0 : write(fd, bytes + done, len - done);

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

static int flush_file(struct mt_record_sink *sink)
{
	struct file *file = (struct file *)sink;
	int error = 0;

	if (file->used == 0)
		return 0;
	size_t done = write_all(file->fd, file->gathered, file->used, &error);
	if (error != 0 && file->is_regular) {
		size_t whole = whole_lines(file->gathered, done);
		off_t end = lseek(file->fd, 0, SEEK_CUR);

		/* The disk took half a line: take the half back, or go on behind it if that fails. */
		if (done > whole && end >= 0 && ftruncate(file->fd, end - (off_t)(done - whole)) == 0)
			done = whole;
	}
	if (error != 0)
		note_trouble(sink, TROUBLE_WAITING, "records cannot be written to %s: %s",
			     file->path != NULL ? file->path : "standard output", strerror(-error));
	else
		note_success(sink);
	sink->cells[MT_CELL0(RECORDS_WRITTEN)] += count_lines(file->gathered, done);
	file->used -= done;
	memmove(file->gathered, file->gathered + done, file->used);
	return error;
}

static bool has_room(const struct file *file, size_t len)
{
	return file->used + len + 1 <= GATHER_BYTES;
}

static void write_line(struct mt_record_sink *sink, const struct mt_mail_ends *ends, const char *line)
{
	struct file *file = (struct file *)sink;
	size_t len = strlen(line);

	(void)ends;
	if (!has_room(file, len))
		flush_file(sink);
	if (!has_room(file, len)) {
		sink->cells[MT_CELL1(LOST, MT_LOSS_RECORD_SINK)]++;
		return;
	}
	memcpy(file->gathered + file->used, line, len);
	file->used += len;
	file->gathered[file->used++] = '\n';
}

static void finish_file(struct mt_record_sink *sink)
{
	struct file *file = (struct file *)sink;

	flush_file(sink);
	sink->cells[MT_CELL1(LOST, MT_LOSS_RECORD_SINK)] += count_lines(file->gathered, file->used);
	file->used = 0;
}

static int reopen_file(struct mt_record_sink *sink)
{
	struct file *file = (struct file *)sink;
	bool is_regular;
	int fd, error;

	if (file->path == NULL)
		return 0;
	/* What was gathered belongs into the old file; what that one does not take goes into the new one. */
	flush_file(sink);
	error = open_path(file->path, &fd, &is_regular);
	if (error != 0)
		return error;
	close(file->fd);
	file->fd = fd;
	file->is_regular = is_regular;
	return 0;
}

static int close_file(struct mt_record_sink *sink)
{
	struct file *file = (struct file *)sink;
	int error = 0;

	if (file->path != NULL && close(file->fd) < 0)
		error = -errno;
	free(file->path);
	free(file);
	return error;
}

static const struct sink_kind file_kind = {write_line, reopen_file, flush_file, finish_file, close_file};

int open_file_sink(struct mt_record_sink **ret, const char *path)
{
	bool is_stdout = strcmp(path, "-") == 0;
	struct file *file = calloc(1, sizeof(*file));
	int rc = 0;

	if (file == NULL)
		return -ENOMEM;
	file->sink.kind = &file_kind;
	file->fd = STDOUT_FILENO;
	if (!is_stdout) {
		file->path = strdup(path);
		rc = file->path == NULL ? -ENOMEM : open_path(path, &file->fd, &file->is_regular);
	}
	if (rc == 0) {
		*ret = &file->sink;
		return 0;
	}
	free(file->path);
	free(file);
	return rc;
}
