/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "counters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "counters_priv.h"
#include "shared_priv.h"

#define BLOCKS_ALIGN 4096 /* blocks begin on a page: none shares one with the directory */
#define BLOCK_ALIGN  128  /* two lines: the processor fetches them in pairs */
#define PLACE_TRIES  16	  /* each try after the first means that somebody else changed the name meanwhile */

struct mt_counters_block {
	struct mt_counters_shared_block *shared;
	uint32_t cell_count;
};

struct mt_counters_publisher {
	struct mt_counters_header *header; /* the mapped object */
	size_t bytes;			   /* of it */
	int fd;				   /* carries the lock */
	struct mt_counters_block block[];  /* header->block_count of them */
};

/* Where things stand in an object that is being made. */
struct plan {
	size_t text_first, text_bytes;
	size_t block_first, block_bytes;
	size_t total_bytes;
};

/* A lock of the open file, not of the process: it dies with the last descriptor, whatever else is closed. */
static bool lock_as_writer(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* proc(5): the 22nd field; the second is a name in parentheses that may hold blanks. */
static uint64_t read_process_start(void)
{
	char text[1024], *at;
	uint64_t start = 0;
	FILE *file = fopen("/proc/self/stat", "re");

	if (file == NULL)
		return 0;
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	at = strrchr(text, ')');
	for (unsigned field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at != NULL)
		start = strtoull(at, NULL, 10);
	return start;
}

static size_t put_text(char *base, size_t *at, const char *text)
{
	size_t offset = *at, len = strlen(text) + 1;

	if (base != NULL)
		memcpy(base + offset, text, len);
	*at += len;
	return offset;
}

static void list_bounds(char *ret, size_t size)
{
	size_t used = 0;

	for (unsigned i = 0; i < MT_COUNTERS_BOUNDS; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s", i > 0 ? " " : "",
					 mt_counters_bounds[i].text);
}

/*
 * Write the directory and its texts; a metric's own texts stand once. With base NULL nothing is written,
 * only measured, so that the room and its use cannot differ.
 * Result  where the texts end
 */
static size_t put_directory(char *base, size_t directory, size_t text,
			    const struct mt_counters_layout *layout)
{
	struct mt_counters_entry entry = {0};
	char bounds[MT_COUNTERS_BOUNDS * 8];
	size_t empty = put_text(base, &text, "");

	list_bounds(bounds, sizeof(bounds));
	for (uint32_t i = 0; i < layout->series_of[MT_COUNTER_COUNT]; i++) {
		const struct mt_counters_series *series = &layout->series[i];
		const struct mt_counters_metric *metric = series->metric;

		if (i == 0 || metric != series[-1].metric) {
			entry.name = (uint32_t)put_text(base, &text, metric->name);
			entry.help = (uint32_t)put_text(base, &text, metric->help);
			entry.unit = (uint32_t)put_text(base, &text, metric->unit);
			entry.topic = (uint32_t)put_text(base, &text, metric->topic);
			entry.bounds =
			    (uint32_t)(metric->kind == MT_COUNTERS_HISTOGRAM ? put_text(base, &text, bounds)
									     : empty);
		}
		entry.labels = (uint32_t)put_text(base, &text, series->labels);
		entry.kind = metric->kind;
		entry.scope = metric->is_by_worker;
		entry.cell = series->cell;
		entry.cells = series->cells;
		entry.divisor = metric->divisor;
		if (base != NULL)
			memcpy(base + directory + i * sizeof(entry), &entry, sizeof(entry));
	}
	return text;
}

static struct plan plan_object(const struct mt_counters_layout *layout, uint32_t block_count)
{
	struct plan plan;

	plan.text_first = sizeof(struct mt_counters_header) +
			  layout->series_of[MT_COUNTER_COUNT] * sizeof(struct mt_counters_entry);
	plan.text_bytes =
	    put_directory(NULL, sizeof(struct mt_counters_header), plan.text_first, layout) - plan.text_first;
	plan.block_first = mt_counters_round_up(plan.text_first + plan.text_bytes, BLOCKS_ALIGN);
	plan.block_bytes = mt_counters_round_up(
	    sizeof(struct mt_counters_shared_block) + layout->cell_count * sizeof(uint64_t), BLOCK_ALIGN);
	plan.total_bytes = plan.block_first + plan.block_bytes * block_count;
	return plan;
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * MT_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Everything but the state: that comes last. */
static void fill_object(struct mt_counters_header *header, const struct plan *plan,
			const struct mt_counters_layout *layout, const struct mt_counters_start *start)
{
	uint64_t now_ns = monotonic_ns();

	memcpy(header->magic, MT_COUNTERS_MAGIC, sizeof(header->magic));
	header->major = MT_COUNTERS_MAJOR;
	header->minor = MT_COUNTERS_MINOR;
	atomic_store_explicit(&header->state, MT_COUNTERS_BUILDING, memory_order_relaxed);
	header->total_bytes = plan->total_bytes;
	header->pid = (uint32_t)getpid();
	header->worker_count = start->workers;
	header->process_start = read_process_start();
	header->run_start_ns = start->run_start_ns;
	header->block_first = (uint32_t)plan->block_first;
	header->block_bytes = (uint32_t)plan->block_bytes;
	header->block_count = start->workers + 1;
	header->cell_count = layout->cell_count;
	header->directory_first = sizeof(*header);
	header->directory_stride = sizeof(struct mt_counters_entry);
	header->directory_count = layout->series_of[MT_COUNTER_COUNT];
	snprintf(header->version, sizeof(header->version), "%s", start->version);
	put_directory((char *)header, header->directory_first, plan->text_first, layout);
	for (uint32_t i = 0; i < header->block_count; i++) {
		struct mt_counters_shared_block *block =
		    (void *)((char *)header + plan->block_first + i * plan->block_bytes);

		atomic_store_explicit(&block->heartbeat_ns, now_ns, memory_order_relaxed);
	}
}

/*
 * A file without a name: a start that dies leaves nothing behind, and nobody can have planted it. Locked
 * before anyone else can come across it.
 */
static int create_nameless(void)
{
	int fd = open(MT_COUNTERS_DIR, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	if (fd >= 0 && !lock_as_writer(fd)) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd >= 0 ? fd : -errno;
}

/* Give it a name that is free. Result  0, -EEXIST, or another -errno */
static int link_as(int fd, const char *path)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ? 0 : -errno;
}

/* Give it a name that is taken: by way of another that nobody can foresee. */
static int link_over(int fd, const char *path)
{
	char aside[MT_COUNTERS_PATH_SIZE + 32];
	uint64_t chance;
	int result;

	if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
		return -EIO;
	snprintf(aside, sizeof(aside), "%s.%016llx", path, (unsigned long long)chance);
	result = link_as(fd, aside);
	if (result == 0 && rename(aside, path) != 0) {
		result = -errno;
		unlink(aside);
	}
	return result;
}

/* Result  false where it is not ours to replace: some other program's, or planted there */
static bool is_object(int fd, struct stat *ret)
{
	struct mt_counters_header header;

	return fstat(fd, ret) == 0 && S_ISREG(ret->st_mode) &&
	       pread(fd, &header, sizeof(header), 0) == sizeof(header) &&
	       memcmp(header.magic, MT_COUNTERS_MAGIC, sizeof(header.magic)) == 0;
}

/* Tell those who still read a dead run's object. Only where the object is ours to write. */
static void mark_closed(int fd, const struct stat *status)
{
	uint32_t closed = MT_COUNTERS_CLOSED;

	if (status->st_uid != geteuid() ||
	    pwrite(fd, &closed, sizeof(closed), offsetof(struct mt_counters_header, state)) != sizeof(closed))
		return; /* its readers see the missing lock all the same */
}

/*
 * Put ours in the place of what has the name. The old inode's lock is held meanwhile, so that of two
 * programs that start at once one finds the other's lock.
 * Result  0, -EAGAIN (the name changed hands: look again), or why it must stay
 */
static int replace_leftover(int ours, const char *path)
{
	struct stat status, named;
	int result = -EAGAIN;
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : errno == EISDIR ? -EEXIST : -errno;
	if (!is_object(fd, &status)) {
		result = -EEXIST;
		goto close_leftover;
	}
	if (!lock_as_writer(fd) && mt_counters_has_writer(fd)) {
		result = -EBUSY;
		goto close_leftover;
	}
	if (lstat(path, &named) == 0 && named.st_dev == status.st_dev && named.st_ino == status.st_ino) {
		mark_closed(fd, &status);
		result = link_over(ours, path);
	}
close_leftover:
	close(fd);
	return result;
}

static int show_under_name(int fd, const char *path)
{
	int result = -EAGAIN;

	for (unsigned i = 0; i < PLACE_TRIES && result == -EAGAIN; i++) {
		result = link_as(fd, path);
		if (result == -EEXIST)
			result = replace_leftover(fd, path);
	}
	return result;
}

/* The caller of this holds nothing yet: all is released here on failure. */
static struct mt_counters_publisher *create_handles(struct mt_counters_header *header, int fd)
{
	struct mt_counters_publisher *publisher =
	    calloc(1, sizeof(*publisher) + header->block_count * sizeof(publisher->block[0]));

	if (publisher == NULL)
		return NULL;
	publisher->header = header;
	publisher->bytes = header->total_bytes;
	publisher->fd = fd;
	for (uint32_t i = 0; i < header->block_count; i++) {
		publisher->block[i].shared =
		    (void *)((char *)header + header->block_first + (size_t)i * header->block_bytes);
		publisher->block[i].cell_count = header->cell_count;
	}
	return publisher;
}

int mt_counters_publisher_open(struct mt_counters_publisher **ret, const struct mt_counters_layout *layout,
			       const struct mt_counters_start *start)
{
	char path[MT_COUNTERS_PATH_SIZE];
	struct plan plan = plan_object(layout, start->workers + 1);
	struct mt_counters_header *header;
	struct mt_counters_publisher *publisher;
	int fd, result = mt_counters_path(path, start->name);

	if (result != 0)
		return result;
	if (plan.total_bytes > UINT32_MAX)
		return -EFBIG;
	fd = create_nameless();
	if (fd < 0)
		return fd;
	result = -posix_fallocate(fd, 0, (off_t)plan.total_bytes);
	if (result != 0)
		goto close_object;
	result = -ENOMEM;
	header = mmap(NULL, plan.total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (header == MAP_FAILED)
		goto close_object;
	fill_object(header, &plan, layout, start);
	publisher = create_handles(header, fd);
	if (publisher == NULL)
		goto unmap_object;
	/* The last store into it: a reader that sees live (acquire, in mt_counters_read) sees all the rest.
	 */
	atomic_store_explicit(&header->state, MT_COUNTERS_LIVE, memory_order_release);
	result = fchmod(fd, 0644) == 0 ? show_under_name(fd, path) : -errno;
	if (result != 0)
		goto free_publisher;
	*ret = publisher;
	return 0;

free_publisher:
	free(publisher);
unmap_object:
	munmap(header, plan.total_bytes);
close_object:
	close(fd);
	return result;
}

void mt_counters_publisher_close(struct mt_counters_publisher *publisher)
{
	if (publisher == NULL)
		return;
	atomic_store_explicit(&publisher->header->state, MT_COUNTERS_CLOSED, memory_order_release);
	munmap(publisher->header, publisher->bytes);
	close(publisher->fd);
	free(publisher);
}

struct mt_counters_block *mt_counters_publisher_block(struct mt_counters_publisher *publisher, uint32_t index)
{
	return publisher != NULL && index < publisher->header->block_count ? &publisher->block[index] : NULL;
}

/*
 * Cells are stored with release: whoever sees a new cell also sees that the sequence is odd or further
 * on, and throws its copy away (partner: copy_block() in reader.c). No fence is needed, and on x86-64
 * all of these are plain stores.
 */
void mt_counters_publish(struct mt_counters_block *block, const uint64_t *cells, uint64_t now_ns)
{
	if (block == NULL)
		return;
	struct mt_counters_shared_block *shared = block->shared;
	uint64_t sequence = atomic_load_explicit(&shared->sequence, memory_order_relaxed);

	atomic_store_explicit(&shared->sequence, sequence + 1, memory_order_relaxed);
	for (uint32_t i = 0; i < block->cell_count; i++)
		if (atomic_load_explicit(&shared->cell[i], memory_order_relaxed) != cells[i])
			atomic_store_explicit(&shared->cell[i], cells[i], memory_order_release);
	atomic_store_explicit(&shared->heartbeat_ns, now_ns, memory_order_release);
	atomic_store_explicit(&shared->sequence, sequence + 2, memory_order_release);
}
