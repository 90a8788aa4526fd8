/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared_priv.h"

#define RETRIES	 100	/* of a reading, with RETRY_NS before each: ten milliseconds, then values are stale */
#define RETRY_NS 100000 /* a copy takes the writer a few microseconds; longer means it was put to sleep */

/*
 * The object is read with pread into memory of our own, never mapped: a file that shrinks ends in a
 * short read instead of a signal, and what was checked once cannot change under our hands.
 */
struct mt_counters_reader {
	int fd;
	uid_t trusted_uid;
	char name[MT_COUNTERS_NAME_MAX + 1];
	uint8_t *object; /* as it was when it was opened: directory and texts are used */
	struct mt_counters_header header;
	struct mt_counters_directory directory;
	struct mt_counters_shared_block *copy; /* a block being read */
	uint64_t *cells;		       /* the last good values of all blocks, then their sum */
	struct mt_counters_view_block *block;
	struct mt_counters_snapshot snapshot;
};

__attribute__((format(printf, 4, 5))) static int fail(char *error, size_t size, int result,
						      const char *format, ...)
{
	va_list values;

	va_start(values, format);
	vsnprintf(error, size, format, values);
	va_end(values);
	return result;
}

/* Result  0, or -ENODATA where the file ends before */
static int read_at(int fd, void *ret, size_t bytes, size_t offset)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t n = pread(fd, (char *)ret + done, bytes - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		done += (size_t)n;
	}
	return 0;
}

static int check_file(int fd, const char *name, uid_t trusted_uid, struct mt_counters_header *ret,
		      char *error, size_t size)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return fail(error, size, -errno, "counters %s: %s", name, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return fail(error, size, -EBADMSG, "counters %s: not a regular file", name);
	if (status.st_uid != 0 && status.st_uid != geteuid() &&
	    (trusted_uid == (uid_t)-1 || status.st_uid != trusted_uid))
		return fail(error, size, -EPERM,
			    "counters %s: owned by user %u, neither root nor the reader nor trusted", name,
			    status.st_uid);
	if (read_at(fd, ret, sizeof(*ret), 0) != 0 ||
	    memcmp(ret->magic, MT_COUNTERS_MAGIC, sizeof(ret->magic)) != 0)
		return fail(error, size, -EBADMSG, "counters %s: not counters of mailtap", name);
	if (ret->major != MT_COUNTERS_MAJOR)
		return fail(error, size, -EPROTONOSUPPORT,
			    "counters %s: layout version %u.%u is unknown; this program reads version %u",
			    name, ret->major, ret->minor, MT_COUNTERS_MAJOR);
	if (!mt_counters_is_header_sane(ret, (uint64_t)status.st_size))
		return fail(error, size, -EBADMSG, "counters %s: its header contradicts its size", name);
	return 0;
}

static int allocate(struct mt_counters_reader *reader)
{
	const struct mt_counters_header *header = &reader->header;
	size_t copy_bytes = sizeof(*reader->copy) + header->cell_count * sizeof(uint64_t);

	reader->object = malloc(header->total_bytes);
	reader->copy = malloc(copy_bytes);
	reader->cells = calloc(((size_t)header->block_count + 1) * header->cell_count + 1, sizeof(uint64_t));
	reader->block = calloc(header->block_count, sizeof(*reader->block));
	return reader->object != NULL && reader->copy != NULL && reader->cells != NULL &&
		       reader->block != NULL
		   ? 0
		   : -ENOMEM;
}

static void view_blocks(struct mt_counters_reader *reader)
{
	const struct mt_counters_header *header = &reader->header;

	for (uint32_t i = 0; i < header->block_count; i++) {
		reader->block[i].cells = reader->cells + (size_t)i * header->cell_count;
		if (i < header->worker_count)
			snprintf(reader->block[i].worker, sizeof(reader->block[i].worker), "%u", i);
		else
			strcpy(reader->block[i].worker, "control");
	}
	reader->snapshot.name = reader->name;
	reader->snapshot.version = header->version;
	reader->snapshot.pid = header->pid;
	reader->snapshot.process_start = header->process_start;
	reader->snapshot.run_start_ns = header->run_start_ns;
	reader->snapshot.block_count = header->block_count;
	reader->snapshot.cell_count = header->cell_count;
	reader->snapshot.block = reader->block;
	reader->snapshot.series = reader->directory.series;
	reader->snapshot.series_count = reader->directory.count;
	reader->snapshot.total = reader->cells + (size_t)header->block_count * header->cell_count;
}

int mt_counters_reader_open(struct mt_counters_reader **ret, const char *name, uid_t trusted_uid, char *error,
			    size_t error_size)
{
	char path[MT_COUNTERS_PATH_SIZE];
	int result;

	if (mt_counters_path(path, name) != 0)
		return fail(error, error_size, -EINVAL, "'%s' cannot name counters: [A-Za-z0-9._-]{1,%u}",
			    name, MT_COUNTERS_NAME_MAX);
	struct mt_counters_reader *reader = calloc(1, sizeof(*reader));
	if (reader == NULL)
		return fail(error, error_size, -ENOMEM, "counters %s: out of memory", name);
	strcpy(reader->name, name);
	reader->trusted_uid = trusted_uid;
	reader->fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (reader->fd < 0) {
		result = fail(error, error_size, -errno, "counters %s: %s: %s", name, path, strerror(errno));
		goto close_reader;
	}
	result = check_file(reader->fd, name, trusted_uid, &reader->header, error, error_size);
	if (result != 0)
		goto close_reader;
	result = allocate(reader);
	if (result == 0)
		result = read_at(reader->fd, reader->object, reader->header.total_bytes, 0);
	if (result == 0)
		result = mt_counters_directory_init(&reader->directory, reader->object, &reader->header);
	if (result != 0) {
		fail(error, error_size, result, "counters %s: %s", name,
		     result == -EBADMSG ? "its directory is damaged" : strerror(-result));
		goto close_reader;
	}
	view_blocks(reader);
	*ret = reader;
	return 0;

close_reader:
	mt_counters_reader_close(reader);
	return result;
}

void mt_counters_reader_close(struct mt_counters_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->fd >= 0)
		close(reader->fd);
	mt_counters_directory_fini(&reader->directory);
	free(reader->object);
	free(reader->copy);
	free(reader->cells);
	free(reader->block);
	free(reader);
}

int mt_counters_reader_renew(struct mt_counters_reader **reader, char *error, size_t error_size)
{
	char path[MT_COUNTERS_PATH_SIZE];
	struct mt_counters_reader *next;
	struct stat ours, named;
	int result;

	mt_counters_path(path, (*reader)->name);
	/* Ours is held open: no other object can have its number meanwhile. */
	if (fstat((*reader)->fd, &ours) != 0 || lstat(path, &named) != 0 ||
	    (named.st_dev == ours.st_dev && named.st_ino == ours.st_ino))
		return 0;
	result = mt_counters_reader_open(&next, (*reader)->name, (*reader)->trusted_uid, error, error_size);
	if (result == -ENOENT)
		return 0;
	if (result != 0)
		return result;
	mt_counters_reader_close(*reader);
	*reader = next;
	return 1;
}

/*
 * One try at a block: the sequence, the block, the sequence again, each by a call of its own, so that
 * they happen in this order (partner: mt_counters_publish()). The same even number twice: nothing was
 * written meanwhile.
 * Result  0, -EAGAIN, or why it cannot be read
 */
static int copy_block(const struct mt_counters_reader *reader, size_t offset)
{
	const size_t bytes = sizeof(*reader->copy) + reader->header.cell_count * sizeof(uint64_t);
	uint64_t before, after;
	int result = read_at(reader->fd, &before, sizeof(before), offset);

	if (result == 0 && before % 2 != 0)
		return -EAGAIN;
	if (result == 0)
		result = read_at(reader->fd, reader->copy, bytes, offset);
	if (result == 0)
		result = read_at(reader->fd, &after, sizeof(after), offset);
	return result != 0 ? result : before == after ? 0 : -EAGAIN;
}

/* retries: what is left of them for all blocks, so that an object full of torn ones costs no more time */
static int read_block(struct mt_counters_reader *reader, uint32_t index, unsigned *retries)
{
	const struct mt_counters_header *header = &reader->header;
	const struct timespec pause = {.tv_nsec = RETRY_NS};
	const size_t offset = header->block_first + (size_t)index * header->block_bytes;
	int result = copy_block(reader, offset);

	for (; result == -EAGAIN && *retries > 0; (*retries)--) {
		nanosleep(&pause, NULL);
		result = copy_block(reader, offset);
	}
	if (result == 0) {
		memcpy(reader->cells + (size_t)index * header->cell_count, reader->copy->cell,
		       header->cell_count * sizeof(uint64_t));
		reader->block[index].heartbeat_ns = reader->copy->heartbeat_ns;
	}
	reader->block[index].is_stale = result != 0;
	return result == -EAGAIN ? 0 : result;
}

static void add_blocks(struct mt_counters_reader *reader)
{
	uint32_t cell_count = reader->header.cell_count;
	uint64_t *total = reader->cells + (size_t)reader->header.block_count * cell_count;

	memset(total, 0, cell_count * sizeof(uint64_t));
	for (uint32_t b = 0; b < reader->header.block_count; b++)
		for (uint32_t i = 0; i < cell_count; i++)
			total[i] += reader->block[b].cells[i];
}

int mt_counters_read(struct mt_counters_reader *reader, const struct mt_counters_snapshot **ret, char *error,
		     size_t error_size)
{
	struct timespec now;
	unsigned retries = RETRIES;
	uint32_t state;
	/* Asked first: values read after the writer has gone are its last, values read before may not be. */
	bool has_writer = mt_counters_has_writer(reader->fd);
	int result = read_at(reader->fd, &state, sizeof(state), offsetof(struct mt_counters_header, state));

	for (uint32_t i = 0; i < reader->header.block_count && result == 0; i++)
		result = read_block(reader, i, &retries);
	if (result != 0)
		return fail(error, error_size, result, "counters %s: %s", reader->name,
			    result == -ENODATA ? "the object shrank" : strerror(-result));
	clock_gettime(CLOCK_MONOTONIC, &now);
	add_blocks(reader);
	reader->snapshot.has_writer = has_writer;
	reader->snapshot.state = state;
	reader->snapshot.taken_ns = (uint64_t)now.tv_sec * MT_NS_PER_SECOND + (uint64_t)now.tv_nsec;
	*ret = &reader->snapshot;
	return 0;
}
