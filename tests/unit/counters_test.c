/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "counters.h"
#include "shared_priv.h"

static char products[][MT_COUNTERS_PRODUCT_SIZE] = {"unknown", "postfix", "dovecot"};

static struct mt_counters_layout *layout_of_test(void)
{
	struct mt_counters_layout *layout;

	assert_int_equal(mt_counters_layout_create(&layout, products, 3, 2, 4), 0);
	return layout;
}

/* What the compiler counted and what the start laid out must be the same cells. */
static void both_ways_to_a_cell_agree(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();

	assert_int_equal(layout->first[MT_COUNTER_PACKETS], 0);
	assert_int_equal(layout->first[MT_COUNTER_RX_PACKETS], MT_COUNTERS_FIXED_CELLS);
	assert_int_equal(mt_counters_cell(layout, MT_COUNTER_CYCLES, MT_POLL_IDLE, 0, 0),
			 MT_CELL1(CYCLES, MT_POLL_IDLE));
	assert_int_equal(mt_counters_cell(layout, MT_COUNTER_FLOWS, 0, 0, 0), MT_CELL0(FLOWS));
	assert_int_equal(mt_counters_cell(layout, MT_COUNTER_TLS_HANDSHAKE, MT_PROTOCOL_POP3, 0, 0),
			 MT_CELL1(TLS_HANDSHAKE, MT_PROTOCOL_POP3));
	assert_int_equal(
	    mt_counters_cell(layout, MT_COUNTER_SESSIONS, MT_PROTOCOL_IMAP, MT_SECURITY_UNKNOWN, 0),
	    MT_CELL2(SESSIONS, MT_PROTOCOL_IMAP, MT_SECURITY_UNKNOWN));
	assert_int_equal(
	    mt_counters_cell(layout, MT_COUNTER_AUTH, MT_PROTOCOL_POP3, MT_MECHANISM_APOP, MT_AUTH_FAILURE),
	    MT_CELL3(AUTH, MT_PROTOCOL_POP3, MT_MECHANISM_APOP, MT_AUTH_FAILURE));
	mt_counters_layout_destroy(layout);
	mt_counters_layout_destroy(NULL);
}

/* Series cover every cell, none twice. */
static void every_cell_has_one_series(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();
	uint64_t *cells = mt_counters_cells_create(layout);

	for (uint32_t i = 0; i < layout->series_of[MT_COUNTER_COUNT]; i++)
		for (uint32_t c = 0; c < layout->series[i].cells; c++) {
			assert_true(layout->series[i].cell + c < layout->cell_count);
			cells[layout->series[i].cell + c]++;
		}
	for (uint32_t i = 0; i < layout->cell_count; i++)
		assert_int_equal(cells[i], 1);
	free(cells);
	mt_counters_layout_destroy(layout);
}

static void a_series_is_found_by_its_name_and_words(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();
	uint32_t count;
	const struct mt_counters_series *series = mt_counters_find(layout, "mailtap_banners_total", &count);

	assert_int_equal(count, 9);
	assert_string_equal(series[5].labels, "protocol=\"imap\",software=\"dovecot\"");
	assert_string_equal(series[5].value[1], "dovecot");
	assert_null(series[5].value[2]);
	assert_int_equal(series[5].cell, mt_counters_cell(layout, MT_COUNTER_BANNERS, MT_PROTOCOL_IMAP,
							  mt_counters_product(layout, "dovecot"), 0));
	assert_int_equal(mt_counters_product(layout, "added-later"), 0);
	assert_int_equal(mt_counters_cell(layout, MT_COUNTER_BANNERS, MT_PROTOCOL_IMAP, 77, 0),
			 series[3].cell);
	assert_null(mt_counters_find(layout, "mailtap_nothing", &count));
	assert_int_equal(count, 0);
	mt_counters_layout_destroy(layout);
}

static void a_product_that_would_need_escapes_is_refused(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = NULL;
	char bad[][MT_COUNTERS_PRODUCT_SIZE] = {"unknown", "post\"fix"};

	assert_int_equal(mt_counters_layout_create(&layout, bad, 2, 1, 1), -EINVAL);
	strcpy(bad[1], "");
	assert_int_equal(mt_counters_layout_create(&layout, bad, 2, 1, 1), -EINVAL);
	memset(bad[1], 'x', sizeof(bad[1]));
	assert_int_equal(mt_counters_layout_create(&layout, bad, 2, 1, 1), -EINVAL);
	assert_null(layout);
}

static void a_bucket_holds_its_bound(void **state)
{
	(void)state;
	uint64_t cells[MT_COUNTERS_FIXED_CELLS] = {0};
	size_t h = MT_CELL1(GREETING, MT_PROTOCOL_IMAP);
	uint64_t before = 0;

	mt_counters_observe(cells, h, 0);
	mt_counters_observe(cells, h, MT_NS_PER_MS);	 /* le="0.001" holds one millisecond */
	mt_counters_observe(cells, h, MT_NS_PER_MS + 1); /* the next bucket */
	mt_counters_observe(cells, h, 300 * MT_NS_PER_SECOND);
	mt_counters_observe(cells, h, 300 * MT_NS_PER_SECOND + 1); /* above all bounds */
	assert_int_equal(cells[h], 2);
	assert_int_equal(cells[h + 1], 1);
	assert_int_equal(cells[h + MT_COUNTERS_BOUNDS - 1], 1);
	assert_int_equal(cells[h + MT_COUNTERS_BOUNDS], 1);
	assert_int_equal(cells[h + MT_COUNTERS_BOUNDS + 1], 600 * MT_NS_PER_SECOND + 2 * MT_NS_PER_MS + 2);
	for (size_t i = 0; i < MT_COUNTERS_FIXED_CELLS; i++)
		if (i < h || i >= h + MT_COUNTERS_EACH_HISTOGRAM)
			before += cells[i];
	assert_int_equal(before, 0);
}

static void sums_add_every_cell(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();
	uint64_t *one = mt_counters_cells_create(layout), *total = mt_counters_cells_create(layout);

	one[MT_CELL0(FLOWS)] = 3;
	one[layout->cell_count - 1] = 5;
	mt_counters_sum(layout, total, one);
	mt_counters_sum(layout, total, one);
	assert_int_equal(total[MT_CELL0(FLOWS)], 6);
	assert_int_equal(total[layout->cell_count - 1], 10);
	assert_int_equal(total[0], 0);
	free(one);
	free(total);
	mt_counters_layout_destroy(layout);
}

/* ---- Shared memory ---- */

static char object[MT_COUNTERS_NAME_MAX + 1];
static char path[MT_COUNTERS_PATH_SIZE];
static char error[256];

static int name_object(void **state)
{
	(void)state;
	snprintf(object, sizeof(object), "mailtap-test.%d", getpid());
	assert_int_equal(mt_counters_path(path, object), 0);
	return 0;
}

static int remove_object(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static struct mt_counters_publisher *publisher_of_test(const struct mt_counters_layout *layout)
{
	const struct mt_counters_start start = {
	    .name = object, .version = "1.2.3", .workers = 2, .run_start_ns = 1700000000 * MT_NS_PER_SECOND};
	struct mt_counters_publisher *publisher = NULL;

	assert_int_equal(mt_counters_publisher_open(&publisher, layout, &start), 0);
	return publisher;
}

static int try_to_open(const char *name)
{
	struct mt_counters_layout *layout = layout_of_test();
	const struct mt_counters_start start = {.name = name, .version = "", .workers = 1};
	struct mt_counters_publisher *publisher = NULL;
	int result = mt_counters_publisher_open(&publisher, layout, &start);

	mt_counters_publisher_close(publisher);
	mt_counters_layout_destroy(layout);
	return result;
}

static int try_to_read(void)
{
	struct mt_counters_reader *reader = NULL;
	int result = mt_counters_reader_open(&reader, object, (uid_t)-1, error, sizeof(error));

	mt_counters_reader_close(reader);
	return result;
}

static const struct mt_counters_snapshot *snapshot_of(struct mt_counters_reader *reader)
{
	const struct mt_counters_snapshot *snapshot = NULL;

	assert_int_equal(mt_counters_read(reader, &snapshot, error, sizeof(error)), 0);
	return snapshot;
}

static struct mt_counters_reader *reader_of_test(void)
{
	struct mt_counters_reader *reader = NULL;

	assert_int_equal(mt_counters_reader_open(&reader, object, (uid_t)-1, error, sizeof(error)), 0);
	return reader;
}

static const struct mt_counters_view *view_of(const struct mt_counters_snapshot *snapshot, const char *name,
					      const char *labels)
{
	for (uint32_t i = 0; i < snapshot->series_count; i++)
		if (strcmp(snapshot->series[i].name, name) == 0 &&
		    strcmp(snapshot->series[i].labels, labels) == 0)
			return &snapshot->series[i];
	fail_msg("no series %s{%s}", name, labels);
	return NULL;
}

static void a_reader_sees_what_was_published(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();
	struct mt_counters_publisher *publisher = publisher_of_test(layout);
	uint64_t *cells = mt_counters_cells_create(layout);

	cells[MT_CELL2(SESSIONS, MT_PROTOCOL_IMAP, MT_SECURITY_STARTTLS)] = 7;
	mt_counters_publish(mt_counters_publisher_block(publisher, 0), cells, 11);
	mt_counters_publish(mt_counters_publisher_block(publisher, 2), cells, 13);
	assert_null(mt_counters_publisher_block(publisher, 3));
	assert_null(mt_counters_publisher_block(NULL, 0));
	mt_counters_publish(NULL, cells, 0);

	struct mt_counters_reader *reader = reader_of_test();
	const struct mt_counters_snapshot *snapshot = snapshot_of(reader);
	const struct mt_counters_view *view =
	    view_of(snapshot, "mailtap_sessions_total", "protocol=\"imap\",security=\"starttls\"");
	assert_int_equal(snapshot->total[view->cell], 14);
	assert_int_equal(snapshot->block[0].cells[view->cell], 7);
	assert_int_equal(snapshot->block[1].cells[view->cell], 0);
	assert_int_equal(snapshot->block[0].heartbeat_ns, 11);
	assert_int_equal(snapshot->block_count, 3);
	assert_string_equal(snapshot->block[1].worker, "1");
	assert_string_equal(snapshot->block[2].worker, "control");
	assert_int_equal(snapshot->series_count, layout->series_of[MT_COUNTER_COUNT]);
	assert_int_equal(view->label_count, 2);
	assert_string_equal(view->label[0].key, "protocol");
	assert_string_equal(mt_counters_label_of(view, "security"), "starttls");
	assert_null(mt_counters_label_of(view, "verdict"));
	for (uint32_t i = 0; i < snapshot->series_count; i++)
		for (uint32_t l = 0; l < snapshot->series[i].label_count; l++)
			assert_string_equal(snapshot->series[i].label[l].value, layout->series[i].value[l]);
	assert_string_equal(snapshot->version, "1.2.3");
	assert_int_equal(snapshot->pid, getpid());
	assert_int_equal(snapshot->run_start_ns, 1700000000 * MT_NS_PER_SECOND);
	assert_int_equal(snapshot->state, MT_COUNTERS_LIVE);
	assert_true(snapshot->has_writer);
	assert_false(snapshot->block[0].is_stale);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);

	mt_counters_publisher_close(publisher);
	snapshot = snapshot_of(reader);
	assert_int_equal(snapshot->state, MT_COUNTERS_CLOSED);
	assert_false(snapshot->has_writer);
	assert_int_equal(snapshot->total[view->cell], 14);
	mt_counters_reader_close(reader);
	free(cells);
	mt_counters_layout_destroy(layout);
}

static void a_live_instance_keeps_its_name(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();
	struct mt_counters_publisher *publisher = publisher_of_test(layout);
	struct mt_counters_reader *reader = reader_of_test();

	assert_int_equal(try_to_open(object), -EBUSY);
	assert_int_equal(snapshot_of(reader)->state, MT_COUNTERS_LIVE);
	mt_counters_reader_close(reader);
	mt_counters_publisher_close(publisher);
	mt_counters_layout_destroy(layout);
}

/* A process that dies without a word leaves state live and no lock. */
static void a_dead_run_is_closed_and_replaced(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();
	int status;
	pid_t child = fork();

	if (child == 0) {
		publisher_of_test(layout);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	struct mt_counters_reader *old = reader_of_test();
	assert_int_equal(snapshot_of(old)->state, MT_COUNTERS_LIVE);
	assert_false(snapshot_of(old)->has_writer);

	struct mt_counters_publisher *publisher = publisher_of_test(layout);
	assert_int_equal(snapshot_of(old)->state, MT_COUNTERS_CLOSED);
	assert_false(snapshot_of(old)->has_writer);
	assert_int_equal(snapshot_of(old)->pid, child);
	struct mt_counters_reader *reader = reader_of_test();
	assert_int_equal(snapshot_of(reader)->pid, getpid());
	assert_true(snapshot_of(reader)->has_writer);
	mt_counters_reader_close(reader);
	mt_counters_reader_close(old);
	mt_counters_publisher_close(publisher);
	mt_counters_layout_destroy(layout);
}

/* The old run's values stay as long as there are no others; then none of them is left. */
static void a_renewed_reader_is_at_the_next_run(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();
	struct mt_counters_publisher *publisher = publisher_of_test(layout);
	struct mt_counters_reader *reader = reader_of_test();
	uint64_t *cells = mt_counters_cells_create(layout);

	cells[MT_CELL0(FLOWS)] = 5;
	mt_counters_publish(mt_counters_publisher_block(publisher, 0), cells, 1);
	assert_int_equal(mt_counters_reader_renew(&reader, error, sizeof(error)), 0);
	assert_int_equal(snapshot_of(reader)->total[MT_CELL0(FLOWS)], 5);
	mt_counters_publisher_close(publisher);
	assert_int_equal(mt_counters_reader_renew(&reader, error, sizeof(error)), 0);
	assert_int_equal(snapshot_of(reader)->total[MT_CELL0(FLOWS)], 5);

	publisher = publisher_of_test(layout);
	assert_int_equal(snapshot_of(reader)->total[MT_CELL0(FLOWS)], 5);
	assert_int_equal(mt_counters_reader_renew(&reader, error, sizeof(error)), 1);
	assert_int_equal(snapshot_of(reader)->total[MT_CELL0(FLOWS)], 0);
	assert_true(mt_counters_is_up(snapshot_of(reader)));
	unlink(path);
	assert_int_equal(mt_counters_reader_renew(&reader, error, sizeof(error)), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(mt_counters_reader_renew(&reader, error, sizeof(error)), -EBADMSG);
	assert_true(mt_counters_is_up(snapshot_of(reader)));
	mt_counters_reader_close(reader);
	free(cells);
	mt_counters_publisher_close(publisher);
	mt_counters_layout_destroy(layout);
}

/* Whoever may only read can neither feign a writer nor keep one from starting. */
static void a_readers_lock_counts_for_nothing(void **state)
{
	(void)state;
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	assert_int_equal(try_to_open(object), 0);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	struct mt_counters_reader *reader = reader_of_test();
	assert_false(snapshot_of(reader)->has_writer);
	mt_counters_reader_close(reader);
	assert_int_equal(try_to_open(object), 0);
	close(fd);
}

static void only_plain_names_are_taken(void **state)
{
	(void)state;
	char longest[MT_COUNTERS_NAME_MAX + 2];
	static const char *const bad[] = {"", ".", "..", "a/b", "../a", "a b", "a\n", "\xc3\xa4", "a%"};

	for (unsigned i = 0; i < MT_ARRAY_LEN(bad); i++)
		assert_int_equal(try_to_open(bad[i]), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[MT_COUNTERS_NAME_MAX + 1] = 0;
	assert_int_equal(try_to_open(longest), -EINVAL);
	longest[MT_COUNTERS_NAME_MAX] = 0;
	char room[MT_COUNTERS_PATH_SIZE];
	assert_int_equal(mt_counters_path(room, longest), 0);
	assert_int_equal(mt_counters_path(room, "Az09._-"), 0);
	assert_string_equal(room, "/dev/shm/Az09._-");
}

/* A link planted under the name is neither followed nor written through. */
static void a_planted_link_is_refused(void **state)
{
	(void)state;
	char target[MT_COUNTERS_PATH_SIZE + 8];
	struct stat status;

	snprintf(target, sizeof(target), "%s.target", path);
	int fd = open(target, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(try_to_open(object), -ELOOP);
	assert_int_equal(try_to_read(), -ELOOP);
	assert_int_equal(stat(target, &status), 0);
	assert_int_equal(status.st_size, 0);
	unlink(target);
}

static void what_is_no_object_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(try_to_open(object), -EEXIST);
	assert_int_equal(try_to_read(), -EBADMSG);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(try_to_open(object), -EEXIST);
	assert_int_equal(try_to_read(), -EBADMSG);
	rmdir(path);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "somebody's", 10), 10);
	assert_int_equal(try_to_open(object), -EEXIST);
	assert_int_equal(try_to_read(), -EBADMSG);
	assert_int_equal(lseek(fd, 0, SEEK_END), 10);
	close(fd);
	unlink(path);
	assert_int_equal(try_to_read(), -ENOENT);
	assert_non_null(strstr(error, object));
}

static void an_unknown_owner_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(try_to_open(object), 0);
	assert_int_equal(chown(path, 4242, 4242), 0);
	assert_int_equal(try_to_read(), -EPERM);
	struct mt_counters_reader *reader = NULL;
	assert_int_equal(mt_counters_reader_open(&reader, object, 4242, error, sizeof(error)), 0);
	mt_counters_reader_close(reader);
}

/* ---- Damage: each is written into a good object and undone ---- */

static void poke(size_t offset, const void *bytes, size_t len, void *ret_old)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, ret_old, len, (off_t)offset), len);
	assert_int_equal(pwrite(fd, bytes, len, (off_t)offset), len);
	close(fd);
}

static void a_damaged_object_is_refused(void **state)
{
	(void)state;
	const uint32_t far = UINT32_MAX, odd = 0xfffffff8;
	const uint64_t huge = UINT64_MAX, zero = 0;
	const uint16_t major = MT_COUNTERS_MAJOR + 1;
	const size_t entry = sizeof(struct mt_counters_header) + 3 * sizeof(struct mt_counters_entry);
	const struct {
		size_t offset;
		const void *bytes;
		size_t len;
		int result;
	} damages[] = {
#define HEADER(field, value, result)                                                                         \
	{offsetof(struct mt_counters_header, field), &(value), sizeof(value), result}
#define ENTRY(field, value)                                                                                  \
	{                                                                                                    \
		entry + offsetof(struct mt_counters_entry, field), &(value), sizeof(value), -EBADMSG         \
	}
	    HEADER(magic, far, -EBADMSG),
	    HEADER(major, major, -EPROTONOSUPPORT),
	    HEADER(total_bytes, huge, -EBADMSG),
	    HEADER(total_bytes, zero, -EBADMSG),
	    HEADER(worker_count, far, -EBADMSG),
	    HEADER(block_first, odd, -EBADMSG),
	    HEADER(block_bytes, far, -EBADMSG),
	    HEADER(block_count, far, -EBADMSG),
	    HEADER(cell_count, far, -EBADMSG),
	    HEADER(directory_first, odd, -EBADMSG),
	    HEADER(directory_stride, far, -EBADMSG),
	    HEADER(directory_count, far, -EBADMSG),
	    ENTRY(name, far),
	    ENTRY(labels, odd),
	    ENTRY(help, far),
	    ENTRY(unit, far),
	    ENTRY(topic, far),
	    ENTRY(bounds, far),
	    ENTRY(cell, far),
	    ENTRY(cells, far),
	    ENTRY(divisor, zero),
	    ENTRY(divisor, huge),
	};
	uint64_t old;

	assert_int_equal(try_to_open(object), 0);
	for (unsigned i = 0; i < MT_ARRAY_LEN(damages); i++) {
		poke(damages[i].offset, damages[i].bytes, damages[i].len, &old);
		assert_int_equal(try_to_read(), damages[i].result);
		assert_non_null(strstr(error, object));
		poke(damages[i].offset, &old, damages[i].len, &(uint64_t){0});
		assert_int_equal(try_to_read(), 0);
	}
}

/* A later minor version may bring kinds of series that this reader does not know. */
static void an_unknown_kind_is_left_out(void **state)
{
	(void)state;
	const uint32_t kind = 99;
	uint32_t old;

	assert_int_equal(try_to_open(object), 0);
	struct mt_counters_reader *reader = reader_of_test();
	uint32_t count = snapshot_of(reader)->series_count;
	mt_counters_reader_close(reader);
	poke(sizeof(struct mt_counters_header) + offsetof(struct mt_counters_entry, kind), &kind,
	     sizeof(kind), &old);
	reader = reader_of_test();
	assert_int_equal(snapshot_of(reader)->series_count, count - 1);
	mt_counters_reader_close(reader);
}

static void every_truncation_is_survived(void **state)
{
	(void)state;
	const struct mt_counters_snapshot *snapshot;
	struct stat status;

	assert_int_equal(try_to_open(object), 0);
	assert_int_equal(stat(path, &status), 0);
	struct mt_counters_reader *reader = reader_of_test();
	snapshot_of(reader);
	for (off_t size = status.st_size - 1; size > 0; size -= size > 256 ? 997 : 1) {
		assert_int_equal(truncate(path, size), 0);
		assert_int_equal(try_to_read(), -EBADMSG);
		/* The header's size is what counts; a block's end may be unused. */
		if (size < status.st_size - MT_CACHE_LINE * 2)
			assert_int_equal(mt_counters_read(reader, &snapshot, error, sizeof(error)), -ENODATA);
	}
	mt_counters_reader_close(reader);
}

/* A writer that died while it copied leaves its number odd: the last good values stay, marked. */
static void an_odd_sequence_gives_the_last_good_values(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();
	struct mt_counters_publisher *publisher = publisher_of_test(layout);
	struct mt_counters_block *block = mt_counters_publisher_block(publisher, 1);
	struct mt_counters_reader *reader = reader_of_test();
	uint64_t *cells = mt_counters_cells_create(layout), sequence, old;
	struct mt_counters_header header;

	cells[MT_CELL0(FLOWS)] = 5;
	mt_counters_publish(block, cells, 1);
	assert_int_equal(snapshot_of(reader)->total[MT_CELL0(FLOWS)], 5);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	close(fd);
	const size_t offset = header.block_first + header.block_bytes;
	const uint64_t odd = 3;
	poke(offset, &odd, sizeof(odd), &sequence);
	assert_int_equal(sequence, 2);
	const uint64_t nine = 9;
	poke(offset + sizeof(struct mt_counters_shared_block) + MT_CELL0(FLOWS) * 8, &nine, 8, &old);
	assert_int_equal(snapshot_of(reader)->total[MT_CELL0(FLOWS)], 5);
	assert_true(snapshot_of(reader)->block[1].is_stale);
	assert_false(snapshot_of(reader)->block[0].is_stale);
	mt_counters_reader_close(reader);
	free(cells);
	mt_counters_publisher_close(publisher);
	mt_counters_layout_destroy(layout);
}

static void labels_are_taken_one_by_one(void **state)
{
	(void)state;
	const char *labels = "a=\"1,x\",b_2=\"\"";
	static const char *const bad[] = {"a",	    "a=",	"a=\"",	    "a=\"1",
					  "=\"1\"", "a=\"1\"b", "a=\"1\",", "a=\"\\\"\""};
	struct mt_span key, value;

	assert_true(mt_counters_label_next(&labels, &key, &value));
	assert_int_equal(value.len, 3);
	assert_memory_equal(value.data, "1,x", 3);
	assert_true(mt_counters_label_next(&labels, &key, &value));
	assert_int_equal(key.len, 3);
	assert_memory_equal(key.data, "b_2", 3);
	assert_int_equal(value.len, 0);
	assert_false(mt_counters_label_next(&labels, &key, &value));
	for (unsigned i = 0; i < MT_ARRAY_LEN(bad); i++) {
		struct mt_span text = guarded(bad[i], strlen(bad[i]) + 1);

		labels = (const char *)text.data;
		assert_false(mt_counters_label_next(&labels, &key, &value));
	}
}

/* ---- Torn reads: FLOWS is the sum of all other cells whenever it is published ---- */

struct churn {
	const struct mt_counters_layout *layout;
	struct mt_counters_block *block;
	_Atomic bool is_over; /* the reader has seen enough; relaxed: it orders nothing */
	uint64_t rounds;
};

static void *publish_all_the_time(void *context)
{
	struct churn *churn = context;
	uint64_t *cells = mt_counters_cells_create(churn->layout);

	for (; !atomic_load_explicit(&churn->is_over, memory_order_relaxed); churn->rounds++) {
		for (uint32_t i = 0; i < churn->layout->cell_count; i++)
			cells[i]++;
		cells[MT_CELL0(FLOWS)] = cells[0] * (churn->layout->cell_count - 1);
		mt_counters_publish(churn->block, cells, churn->rounds);
		usleep(20);
	}
	free(cells);
	return NULL;
}

static void parts_always_sum_to_their_total(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();
	struct mt_counters_publisher *publisher = publisher_of_test(layout);
	struct churn churn = {.layout = layout, .block = mt_counters_publisher_block(publisher, 0)};
	struct mt_counters_reader *reader = reader_of_test();
	pthread_t thread;
	unsigned good = 0, torn = 0;
	uint64_t last = 0, moves = 0;

	assert_int_equal(pthread_create(&thread, NULL, publish_all_the_time, &churn), 0);
	/*
	 * Nothing is asserted while the thread runs: a failure leaves the function, and the thread needs it.
	 * On a busy machine the two take turns: it goes on until something has moved between readings.
	 */
	for (unsigned n = 0; n < 2000 || ((good <= 100 || moves <= 20) && n < 10000000); n++) {
		const struct mt_counters_snapshot *snapshot;

		if (mt_counters_read(reader, &snapshot, error, sizeof(error)) != 0)
			break;
		const uint64_t *cells = snapshot->block[0].cells;
		uint64_t sum = 0;

		for (uint32_t i = 0; i < layout->cell_count; i++)
			sum += i == MT_CELL0(FLOWS) ? 0 : cells[i];
		torn += sum != cells[MT_CELL0(FLOWS)];
		good += !snapshot->block[0].is_stale;
		moves += cells[0] != last;
		last = cells[0];
	}
	atomic_store_explicit(&churn.is_over, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	assert_int_equal(torn, 0);
	/* Else the test would have proven nothing. */
	assert_true(good > 100);
	assert_true(moves > 20);
	mt_counters_reader_close(reader);
	mt_counters_publisher_close(publisher);
	mt_counters_layout_destroy(layout);
}

#define OBJECT_TEST(test) cmocka_unit_test_teardown(test, remove_object)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_ways_to_a_cell_agree),
	    cmocka_unit_test(every_cell_has_one_series),
	    cmocka_unit_test(a_series_is_found_by_its_name_and_words),
	    cmocka_unit_test(a_product_that_would_need_escapes_is_refused),
	    cmocka_unit_test(a_bucket_holds_its_bound),
	    cmocka_unit_test(sums_add_every_cell),
	    cmocka_unit_test(labels_are_taken_one_by_one),
	    cmocka_unit_test(only_plain_names_are_taken),
	    OBJECT_TEST(a_reader_sees_what_was_published),
	    OBJECT_TEST(a_live_instance_keeps_its_name),
	    OBJECT_TEST(a_dead_run_is_closed_and_replaced),
	    OBJECT_TEST(a_renewed_reader_is_at_the_next_run),
	    OBJECT_TEST(a_readers_lock_counts_for_nothing),
	    OBJECT_TEST(a_planted_link_is_refused),
	    OBJECT_TEST(what_is_no_object_is_refused),
	    OBJECT_TEST(an_unknown_owner_is_refused),
	    OBJECT_TEST(a_damaged_object_is_refused),
	    OBJECT_TEST(an_unknown_kind_is_left_out),
	    OBJECT_TEST(every_truncation_is_survived),
	    OBJECT_TEST(an_odd_sequence_gives_the_last_good_values),
	    OBJECT_TEST(parts_always_sum_to_their_total),
	};
	return cmocka_run_group_tests_name("counters", tests, name_object, NULL);
}
