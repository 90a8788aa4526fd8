/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "unit.h"

#include "record.h"

static char folder[] = "/tmp/mailtap-record-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static const char *in_folder(const char *name)
{
	static char path[4][128];
	static unsigned next;
	char *at = path[next++ % MT_ARRAY_LEN(path)];

	snprintf(at, sizeof(path[0]), "%s/%s", folder, name);
	return at;
}

static const char *content_of(const char *path)
{
	static char content[4 * 1024 * 1024];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	content[fread(content, 1, sizeof(content) - 1, file)] = 0;
	fclose(file);
	return content;
}

/* Where the sink of a test counts. */
static uint64_t cells[MT_COUNTERS_FIXED_CELLS];
static const struct mt_mail_ends ends; /* a file does not ask for them */

static struct mt_record_sink *open_sink(const char *path)
{
	struct mt_record_sink *sink = NULL;
	char error[256] = "";

	if (mt_record_sink_open(&sink, &(struct mt_record_target){.path = path}, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	memset(cells, 0, sizeof(cells));
	mt_record_sink_count_in(sink, cells);
	return sink;
}

static uint64_t written(void)
{
	return cells[MT_CELL0(RECORDS_WRITTEN)];
}

static uint64_t lost(void)
{
	return cells[MT_CELL1(LOST, MT_LOSS_RECORD_SINK)];
}

/* As a run ends. */
static int end_sink(struct mt_record_sink *sink)
{
	mt_record_sink_finish(sink);
	return mt_record_sink_close(sink);
}

static void a_file_is_appended_to_and_not_for_everybody(void **state)
{
	(void)state;
	const char *path = in_folder("records");
	struct mt_record_sink *sink;
	struct stat status;
	mode_t mask = umask(022);

	sink = open_sink(path);
	umask(mask);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	mt_record_sink_write(sink, &ends, "one");
	assert_int_equal(written(), 0);
	assert_int_equal(mt_record_sink_flush(sink), 0);
	assert_int_equal(written(), 1);
	assert_string_equal(content_of(path), "one\n");
	assert_int_equal(end_sink(sink), 0);
	sink = open_sink(path);
	mt_record_sink_write(sink, &ends, "two");
	assert_int_equal(end_sink(sink), 0);
	assert_string_equal(content_of(path), "one\ntwo\n");
	assert_int_equal(unlink(path), 0);
}

static void what_a_killed_program_left_of_a_line_is_ended(void **state)
{
	(void)state;
	const char *path = in_folder("records");
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs("whole\nha", file);
	fclose(file);
	for (unsigned i = 0; i < 2; i++) {
		struct mt_record_sink *sink = open_sink(path);

		mt_record_sink_write(sink, &ends, "new");
		assert_int_equal(end_sink(sink), 0);
		assert_int_equal(written(), 1);
	}
	assert_string_equal(content_of(path), "whole\nha\nnew\nnew\n");
	assert_int_equal(unlink(path), 0);
}

static void a_symbolic_link_is_followed(void **state)
{
	(void)state;
	const char *path = in_folder("link"), *target = in_folder("target");

	assert_int_equal(symlink(target, path), 0);
	struct mt_record_sink *sink = open_sink(path);
	mt_record_sink_write(sink, &ends, "through");
	assert_int_equal(end_sink(sink), 0);
	assert_string_equal(content_of(target), "through\n");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(target), 0);
}

static void reopening_follows_a_rotation(void **state)
{
	(void)state;
	const char *path = in_folder("records"), *old = in_folder("records.1");
	struct mt_record_sink *sink = open_sink(path);

	mt_record_sink_write(sink, &ends, "before");
	assert_int_equal(rename(path, old), 0);
	mt_record_sink_write(sink, &ends, "between");
	assert_int_equal(mt_record_sink_reopen(sink), 0);
	mt_record_sink_write(sink, &ends, "after");
	assert_int_equal(mt_record_sink_flush(sink), 0);
	assert_string_equal(content_of(old), "before\nbetween\n");
	assert_string_equal(content_of(path), "after\n");

	/* Where the path cannot be opened the file in use stays in use. */
	assert_int_equal(unlink(old), 0);
	assert_int_equal(rename(path, old), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(mt_record_sink_reopen(sink), -EISDIR);
	mt_record_sink_write(sink, &ends, "still");
	assert_int_equal(end_sink(sink), 0);
	assert_string_equal(content_of(old), "after\nstill\n");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(unlink(old), 0);
}

static void a_path_that_cannot_be_written_is_named(void **state)
{
	(void)state;
	const char *paths[] = {folder, in_folder("no/such/folder")};
	const int results[] = {-EISDIR, -ENOENT};

	for (unsigned i = 0; i < 2; i++) {
		const struct mt_record_target target = {.path = paths[i]};
		struct mt_record_sink *sink = NULL;
		char error[256] = "";

		assert_int_equal(mt_record_sink_open(&sink, &target, error, sizeof(error)), results[i]);
		assert_null(sink);
		assert_non_null(strstr(error, paths[i]));
		assert_non_null(strstr(error, strerror(-results[i])));
	}
}

static void a_full_disk_loses_lines_one_by_one_and_says_so(void **state)
{
	(void)state;
	struct mt_record_sink *sink = open_sink("/dev/full");
	static char line[1000];

	memset(line, 'x', sizeof(line) - 1);
	for (unsigned i = 0; i < 1000; i++)
		mt_record_sink_write(sink, &ends, line);
	uint64_t lost_at_once = lost();
	assert_in_range(lost_at_once, 1, 999);
	assert_int_equal(mt_record_sink_flush(sink), -ENOSPC);
	assert_int_equal(lost(), lost_at_once);
	/* It is said once, however often it fails. */
	const char *trouble = mt_record_sink_trouble(sink);
	assert_non_null(trouble);
	assert_non_null(strstr(trouble, "/dev/full"));
	assert_non_null(strstr(trouble, strerror(ENOSPC)));
	assert_int_equal(mt_record_sink_flush(sink), -ENOSPC);
	assert_null(mt_record_sink_trouble(sink));
	assert_int_equal(end_sink(sink), 0);
	assert_int_equal(lost(), 1000);
	assert_int_equal(written(), 0);
}

/* What could not be made, or could never fit, is lost at once; the next is not. */
static void a_line_that_is_none_is_lost_alone(void **state)
{
	(void)state;
	const char *path = in_folder("records");
	struct mt_record_sink *sink = open_sink(path);
	static char huge[1024 * 1024];

	memset(huge, 'x', sizeof(huge) - 1);
	mt_record_sink_write(sink, &ends, "before");
	mt_record_sink_write(sink, &ends, NULL);
	mt_record_sink_write(sink, &ends, huge);
	mt_record_sink_write(sink, &ends, "after");
	assert_int_equal(end_sink(sink), 0);
	assert_string_equal(content_of(path), "before\nafter\n");
	assert_int_equal(written(), 2);
	assert_int_equal(lost(), 2);
	assert_int_equal(unlink(path), 0);
}

/* A limit on file size stands for a disk that fills up in the middle of a line. */
static void a_file_never_ends_in_the_middle_of_a_line(void **state)
{
	(void)state;
	const char *path = in_folder("records");
	struct mt_record_sink *sink = open_sink(path);
	struct rlimit before, limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	limit = (struct rlimit){25, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (unsigned i = 0; i < 4; i++)
		mt_record_sink_write(sink, &ends, "123456789");
	assert_int_equal(mt_record_sink_flush(sink), -EFBIG);
	assert_int_equal(written(), 2);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_string_equal(content_of(path), "123456789\n123456789\n");
	assert_int_equal(mt_record_sink_flush(sink), 0);
	assert_string_equal(content_of(path), "123456789\n123456789\n123456789\n123456789\n");
	assert_int_equal(written(), 4);
	assert_int_equal(end_sink(sink), 0);
	assert_int_equal(unlink(path), 0);
}

static void more_than_is_gathered_arrives_whole(void **state)
{
	(void)state;
	const char *path = in_folder("records");
	struct mt_record_sink *sink = open_sink(path);
	static char line[3000];
	size_t len;

	for (unsigned i = 0; i < 1000; i++) {
		memset(line, 'a' + (int)(i % 26), sizeof(line) - 1);
		mt_record_sink_write(sink, &ends, line);
	}
	assert_int_equal(end_sink(sink), 0);
	const char *content = content_of(path);
	for (unsigned i = 0; i < 1000; i++, content += len + 1) {
		len = strcspn(content, "\n");
		assert_int_equal(len, sizeof(line) - 1);
		assert_int_equal(content[0], 'a' + i % 26);
		assert_int_equal(content[len - 1], 'a' + i % 26);
	}
	assert_int_equal(*content, 0);
	assert_int_equal(unlink(path), 0);
}

static void standard_output_takes_lines_and_none_takes_nothing(void **state)
{
	(void)state;
	const char *path = in_folder("out");
	int out = dup(STDOUT_FILENO), file = open(path, O_CREAT | O_WRONLY, 0600);
	struct mt_record_sink *sink = open_sink("-");

	fflush(stdout);
	dup2(file, STDOUT_FILENO);
	mt_record_sink_write(sink, &ends, "line");
	assert_int_equal(mt_record_sink_reopen(sink), 0);
	int result = end_sink(sink);
	/* Standard output is not the sink's to close. */
	ssize_t len = write(STDOUT_FILENO, "more\n", 5);
	dup2(out, STDOUT_FILENO);
	close(out);
	close(file);
	assert_int_equal(result, 0);
	assert_int_equal(len, 5);
	assert_string_equal(content_of(path), "line\nmore\n");
	assert_int_equal(unlink(path), 0);

	sink = open_sink("none");
	mt_record_sink_write(sink, &ends, "line");
	assert_int_equal(written(), 1);
	assert_int_equal(mt_record_sink_flush(sink), 0);
	assert_int_equal(mt_record_sink_reopen(sink), 0);
	assert_int_equal(end_sink(sink), 0);
	assert_int_equal(access("none", F_OK), -1);
	assert_int_equal(mt_record_sink_close(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_file_is_appended_to_and_not_for_everybody),
	    cmocka_unit_test(what_a_killed_program_left_of_a_line_is_ended),
	    cmocka_unit_test(a_symbolic_link_is_followed),
	    cmocka_unit_test(reopening_follows_a_rotation),
	    cmocka_unit_test(a_path_that_cannot_be_written_is_named),
	    cmocka_unit_test(a_full_disk_loses_lines_one_by_one_and_says_so),
	    cmocka_unit_test(a_line_that_is_none_is_lost_alone),
	    cmocka_unit_test(a_file_never_ends_in_the_middle_of_a_line),
	    cmocka_unit_test(more_than_is_gathered_arrives_whole),
	    cmocka_unit_test(standard_output_takes_lines_and_none_takes_nothing),
	};
	return cmocka_run_group_tests_name("record_sink", tests, make_folder, remove_folder);
}
