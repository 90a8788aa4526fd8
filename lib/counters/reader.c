/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "counters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared_priv.h"

#define OBJECT_MAX                                                                                           \
	(256u << 20)	   /* bytes read into memory at most; a hundred workers need a fiftieth of it        \
			    */
#define COPY_TRIES  100	   /* with RETRY_NS between: ten milliseconds, then the values are stale */
#define RETRY_NS    100000 /* a copy takes the writer a few microseconds; longer means it was put to sleep */
#define DIVISOR_MAX 1000000000u

/*
 * The object is read with pread into memory of our own, never mapped: a file that shrinks ends in a
 * short read instead of a signal, and what was checked once cannot change under our hands.
 */
struct mt_counters_reader {
	int fd;
	char name[MT_COUNTERS_NAME_MAX + 1];
	uint8_t *object; /* as it was when it was opened: header, directory and texts are used */
	struct mt_counters_header header;
	struct mt_counters_shared_block *copy; /* a block being read */
	uint64_t *cells;		       /* the last good values of all blocks, then their sum */
	struct mt_counters_view *series;
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

/* ---- What the object says of itself is somebody else's: every number and text is checked. ---- */

static bool is_text(const char *text)
{
	for (; *text != 0; text++)
		if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
			return false;
	return true;
}

static bool is_metric_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

	return len > 0 && name[len] == 0 && !mt_is_digit((uint8_t)name[0]);
}

bool mt_counters_label_next(const char **labels, struct mt_span *ret_key, struct mt_span *ret_value)
{
	const char *at = *labels;
	size_t key = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

	if (key == 0 || at[key] != '=' || at[key + 1] != '"')
		return false;
	*ret_key = mt_span(at, key);
	at += key + 2;
	*ret_value = mt_span(at, strcspn(at, "\"\\"));
	at += ret_value->len;
	if (at[0] != '"' || (at[1] != 0 && at[1] != ',') || (at[1] == ',' && at[2] == 0))
		return false;
	*labels = at + (at[1] == ',' ? 2 : 1);
	return true;
}

static bool are_labels(const char *labels)
{
	struct mt_span key, value;

	for (const char *at = labels; *at != 0; at++)
		if (*at < ' ' || *at > '~')
			return false;
	while (*labels != 0)
		if (!mt_counters_label_next(&labels, &key, &value))
			return false;
	return true;
}

/* As many numbers as the cells of a histogram ask for. */
static bool are_bounds(const char *bounds, uint32_t cells)
{
	uint64_t count = *bounds != 0;

	for (const char *at = bounds; *at != 0; at++) {
		if (strchr("0123456789.+-e ", *at) == NULL)
			return false;
		count += *at == ' ';
	}
	return count + 2 == cells;
}

/* A zero-terminated text within the object, or NULL. */
static const char *text_at(const struct mt_counters_reader *reader, uint32_t offset)
{
	uint64_t total = reader->header.total_bytes;

	if (offset >= total || memchr(reader->object + offset, 0, total - offset) == NULL)
		return NULL;
	return (const char *)reader->object + offset;
}

static bool view_entry(const struct mt_counters_reader *reader, const struct mt_counters_entry *entry,
		       struct mt_counters_view *ret)
{
	*ret = (struct mt_counters_view){
	    .name = text_at(reader, entry->name),
	    .help = text_at(reader, entry->help),
	    .unit = text_at(reader, entry->unit),
	    .topic = text_at(reader, entry->topic),
	    .labels = text_at(reader, entry->labels),
	    .bounds = text_at(reader, entry->bounds),
	    .divisor = entry->divisor,
	    .cell = entry->cell,
	    .cells = entry->cells,
	    .kind = (uint8_t)entry->kind,
	    .is_by_worker = entry->scope == 1,
	};
	return ret->name != NULL && ret->help != NULL && ret->unit != NULL && ret->topic != NULL &&
	       ret->labels != NULL && ret->bounds != NULL && is_metric_name(ret->name) &&
	       is_text(ret->help) && is_text(ret->unit) && is_text(ret->topic) && are_labels(ret->labels) &&
	       entry->divisor > 0 && entry->divisor <= DIVISOR_MAX &&
	       (uint64_t)entry->cell + entry->cells <= reader->header.cell_count &&
	       (entry->kind == MT_COUNTERS_HISTOGRAM ? are_bounds(ret->bounds, entry->cells)
						     : entry->cells == 1);
}

static bool is_header_sane(const struct mt_counters_header *header, uint64_t file_bytes)
{
	uint64_t total = header->total_bytes;
	uint64_t block =
	    sizeof(struct mt_counters_shared_block) + header->cell_count * (uint64_t)sizeof(uint64_t);

	return total <= file_bytes && total <= OBJECT_MAX && header->block_bytes >= block &&
	       header->block_count > 0 && header->block_count == (uint64_t)header->worker_count + 1 &&
	       header->block_first + (uint64_t)header->block_count * header->block_bytes <= total &&
	       header->directory_stride >= sizeof(struct mt_counters_entry) &&
	       header->directory_first + (uint64_t)header->directory_count * header->directory_stride <=
		   total &&
	       memchr(header->version, 0, sizeof(header->version)) != NULL && is_text(header->version);
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
	if (!is_header_sane(ret, (uint64_t)status.st_size))
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
	reader->series = calloc((size_t)header->directory_count + 1, sizeof(*reader->series));
	reader->block = calloc(header->block_count, sizeof(*reader->block));
	return reader->object != NULL && reader->copy != NULL && reader->cells != NULL &&
		       reader->series != NULL && reader->block != NULL
		   ? 0
		   : -ENOMEM;
}

/* Result  false where an entry points out of the object or holds what no exporter may show */
static bool view_directory(struct mt_counters_reader *reader)
{
	const struct mt_counters_header *header = &reader->header;
	struct mt_counters_entry entry;

	for (uint32_t i = 0; i < header->directory_count; i++) {
		memcpy(&entry,
		       reader->object + header->directory_first + (size_t)i * header->directory_stride,
		       sizeof(entry));
		if (entry.kind >= MT_COUNTERS_KIND_COUNT)
			continue;
		if (!view_entry(reader, &entry, &reader->series[reader->snapshot.series_count++]))
			return false;
	}
	return true;
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
	reader->snapshot.run_start_ns = header->run_start_ns;
	reader->snapshot.block_count = header->block_count;
	reader->snapshot.block = reader->block;
	reader->snapshot.series = reader->series;
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
	if (result != 0) {
		fail(error, error_size, result, "counters %s: %s", name, strerror(-result));
		goto close_reader;
	}
	if (!view_directory(reader)) {
		result = fail(error, error_size, -EBADMSG, "counters %s: its directory is damaged", name);
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
	free(reader->object);
	free(reader->copy);
	free(reader->cells);
	free(reader->series);
	free(reader->block);
	free(reader);
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

static int read_block(struct mt_counters_reader *reader, uint32_t index)
{
	const struct mt_counters_header *header = &reader->header;
	const struct timespec pause = {.tv_nsec = RETRY_NS};
	int result = -EAGAIN;

	for (unsigned i = 0; i < COPY_TRIES && result == -EAGAIN; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		result = copy_block(reader, header->block_first + (size_t)index * header->block_bytes);
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
	uint32_t state;
	/* Asked first: values read after the writer has gone are its last, values read before may not be. */
	bool has_writer = mt_counters_has_writer(reader->fd);
	int result = read_at(reader->fd, &state, sizeof(state), offsetof(struct mt_counters_header, state));

	for (uint32_t i = 0; i < reader->header.block_count && result == 0; i++)
		result = read_block(reader, i);
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
