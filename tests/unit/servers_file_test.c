/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* The server memory's file. */
#include "servers_sessions.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char folder[] = "/tmp/servers-test-XXXXXX";
static char path[64];

static int enter_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/servers", folder);
	return 0;
}

static int leave_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder); /* fails where a temporary file was left */
}

static void save(const struct mt_servers *servers)
{
	struct mt_servers_copy *copy = mt_servers_copy_create(servers);
	char error[256] = "";

	assert_non_null(copy);
	if (mt_servers_copy_write(copy, path, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	mt_servers_copy_destroy(copy);
}

static struct mt_servers *load(void)
{
	struct mt_servers *servers = make(SERVERS, FAILURES, true);
	char error[256] = "";

	if (mt_servers_load(servers, path, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	return servers;
}

static void write_file(const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void read_file(char *text, size_t size)
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	text[fread(text, 1, size - 1, file)] = 0;
	fclose(file);
}

/* Two servers. The issuers' ids are `printf '\0CN=C' | sha256sum | cut -c-32` and so on. */
static const char SAVED[] =
    "{\"format\":\"mailtap server memory\",\"version\":1,\"servers\":2}\n"
    "{\"address\":\"2001:db8::25\",\"port\":143,\"lists\":0,\"offers\":0,\"offering\":false,"
    "\"issuers\":[{\"id\":\"b14ee3f0137b0818e0f3cb223af87a50\",\"seen\":\"2023-11-14T22:15:20Z\"}],\"vlan\":"
    "10}\n"
    "{\"address\":\"192.0.2.25\",\"port\":25,\"lists\":4,\"offers\":3,\"offering\":true,"
    "\"issuers\":[{\"id\":\"b5c914e8c57c3aa906ff7d4e7eb9ba8b\",\"seen\":\"2023-11-14T22:20:20Z\"}],"
    "\"since\":\"2023-11-14T22:17:20Z\",\"again\":\"2023-11-14T22:18:20Z\"}\n";

static void fill_memory(struct mt_servers *servers)
{
	const struct session sessions[] = {
	    {0, 1, offer, 0}, {2, 3, nothing, WITHHELD}, {4, 5, offer, 0}, {6, 7, signed_by_d, 0}};
	struct mt_report report;

	fill(&report, 1, 2);
	signed_by_c(&report);
	implicit(&report);
	report.ends.ip_version = 6;
	report.ends.server_port = 143;
	report.ends.vlan_count = 1;
	report.ends.vlan[0] = 10;
	inet_pton(AF_INET6, "2001:db8::25", report.ends.server_addr);
	mt_servers_judge(servers, &report, cells);
	for (size_t i = 0; i < MT_ARRAY_LEN(sessions); i++)
		assert_int_equal(judge(servers, &sessions[i], &report), sessions[i].flagged);
}

static void the_file_says_what_is_remembered(void **state)
{
	(void)state;
	struct mt_servers *servers = make(SERVERS, FAILURES, true);
	struct stat status;
	char text[2048];

	umask(077);
	fill_memory(servers);
	save(servers);
	read_file(text, sizeof(text));
	assert_string_equal(text, SAVED);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_null(strstr(text, "192.0.2.10")); /* no client */
	mt_servers_destroy(servers);

	/* Read and written again it is the same. */
	servers = load();
	assert_int_equal(mt_servers_count(servers), 2);
	save(servers);
	read_file(text, sizeof(text));
	assert_string_equal(text, SAVED);
	mt_servers_destroy(servers);
}

static void the_file_carries_judgement_from_run_to_run(void **state)
{
	(void)state;
	static const struct story stories[] = {
	    {"an offer", {{0, 1, offer, 0}, {2, 3, nothing, WITHHELD}, {4, 5, nothing, 0}}},
	    {"a pool",
	     {{0, 1, offer, 0},
	      {2, 3, nothing, WITHHELD},
	      {4, 5, offer, 0},
	      {6, 7, nothing, 0},
	      {8, 9, offer, 0},
	      {2 * DAY, 2 * DAY, nothing, WITHHELD}}},
	    {"a long session", {{0, 1, nothing, 0}, {10, 11, offer, 0}, {2, 20, nothing, 0}}},
	    {"issuers",
	     {{0, 1, signed_by_a, 0},
	      {2, 3, signed_by_b, CHANGED},
	      {4, 5, signed_by_a, 0},
	      {DAY + 5, DAY + 5, signed_by_b, CHANGED}}},
	    {"but no client", {{0, 1, failed, 0}, {2, 3, offer, 0}}},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(stories); i++) {
		unlink(path);
		for (unsigned s = 0; s < SESSIONS_MAX && stories[i].session[s].is != NULL; s++) {
			struct mt_servers *servers = load();
			struct mt_report report;

			if (judge(servers, &stories[i].session[s], &report) != stories[i].session[s].flagged)
				fail_msg("%s: session %u", stories[i].tells, s + 1);
			save(servers);
			mt_servers_destroy(servers);
		}
	}
}

static void order_is_kept_in_the_file(void **state)
{
	(void)state;
	struct mt_servers *servers = make(SERVERS, FAILURES, false);

	for (uint32_t i = 0; i < SERVERS; i++)
		judge_server(servers, i, offer, i);
	judge_server(servers, 0, offer, SERVERS);
	save(servers);
	mt_servers_destroy(servers);
	servers = load();
	judge_server(servers, SERVERS, offer, SERVERS); /* 1 makes room */
	assert_int_equal(judge_server(servers, 0, nothing, SERVERS + 1), WITHHELD);
	assert_int_equal(judge_server(servers, 1, nothing, SERVERS + 1), 0);
	mt_servers_destroy(servers);
}

/* Nothing of a file that is refused is remembered, and nothing of what was remembered before. */
static void assert_refused(const char *text, size_t len, int result, const char *says)
{
	struct mt_servers *servers = make(SERVERS, FAILURES, false);
	char error[256] = "";
	int rc;

	judge_server(servers, 1, offer, 0);
	write_file(text, len);
	rc = mt_servers_load(servers, path, error, sizeof(error));
	if (rc != result || strstr(error, path) == NULL || strstr(error, says) == NULL)
		fail_msg("result %d, expected %d; '%s' should name the file and say '%s'", rc, result, error,
			 says);
	assert_int_equal(mt_servers_count(servers), 0);
	mt_servers_destroy(servers);
}

static void a_damaged_file_is_told_from_somebody_elses(void **state)
{
	(void)state;
#define HEAD(version, servers)                                                                               \
	"{\"format\":\"mailtap server memory\",\"version\":" version ",\"servers\":" servers "}\n"
#define LISTS                                                                                                \
	"\"lists\":1,\"offers\":1,\"offering\":true,\"since\":\"2023-11-14T22:17:20Z\",\"issuers\":[]}\n"
#define GOOD "{\"address\":\"192.0.2.25\",\"port\":25," LISTS
	static const struct {
		const char *text;
		int result;
		const char *says; /* behind the file's name */
	} rows[] = {
	    {"root:x:0:0:root:/root:/bin/bash\n", -EINVAL, "is no server memory"},
	    {"{\"format\":\"something else\",\"version\":1,\"servers\":0}\n", -EINVAL, "is no server memory"},
	    {"[1]\n", -EINVAL, "is no server memory"},
	    {"\n", -EINVAL, "is no server memory"},
	    {HEAD("2", "0"), -EBADMSG, ":1: version 2, only 1 is known"},
	    {HEAD("1", "\"many\""), -EBADMSG, ":1: does not say how many"},
	    {HEAD("1", "2") GOOD, -EBADMSG, ":2: 1 servers of 2"},
	    {HEAD("1", "1") GOOD GOOD, -EBADMSG, ":3: the server was there before"},
	    {HEAD("1", "1") "{\"port\":25," LISTS, -EBADMSG, ":2: Object item not found: address"},
	    {HEAD("1", "1") "{\"address\":\"mail\",\"port\":25," LISTS, -EBADMSG, ":2: no address"},
	    {HEAD("1", "1") "{\"address\":\"192.0.2.25\",\"port\":65536," LISTS, -EBADMSG, ":2: no address"},
	    {HEAD("1", "1") "{\"address\":\"192.0.2.25\",\"port\":25,\"vlan\":4096," LISTS, -EBADMSG,
	     ":2: no address"},
	    {HEAD("1", "1") "{\"address\":\"192.0.2.25\",\"port\":25,\"port\":25," LISTS, -EBADMSG,
	     ":2: duplicate"},
	    {HEAD("1",
		  "1") "{\"address\":\"192.0.2.25\",\"port\":25,\"lists\":1,\"offers\":2,\"offering\":true,"
		       "\"since\":\"2023-11-14T22:17:20Z\",\"issuers\":[]}\n",
	     -EBADMSG, ":2: lists, offers"},
	    {HEAD("1",
		  "1") "{\"address\":\"192.0.2.25\",\"port\":25,\"lists\":1,\"offers\":0,\"offering\":true,"
		       "\"since\":\"2023-11-14T22:17:20Z\",\"issuers\":[]}\n",
	     -EBADMSG, ":2: lists, offers"},
	    {HEAD("1",
		  "1") "{\"address\":\"192.0.2.25\",\"port\":25,\"lists\":1,\"offers\":1,\"offering\":true,"
		       "\"issuers\":[]}\n",
	     -EBADMSG, ":2: lists, offers"},
	    {HEAD("1",
		  "1") "{\"address\":\"192.0.2.25\",\"port\":25,\"lists\":1,\"offers\":1,\"offering\":true,"
		       "\"since\":\"yesterday\",\"issuers\":[]}\n",
	     -EBADMSG, ":2: no time"},
	    {HEAD("1",
		  "1") "{\"address\":\"192.0.2.25\",\"port\":25,\"lists\":0,\"offers\":0,\"offering\":false,"
		       "\"issuers\":[{\"id\":\"00\",\"seen\":\"2023-11-14T22:17:20Z\"}]}\n",
	     -EBADMSG, ":2: an issuer without"},
	    {HEAD("1",
		  "1") "{\"address\":\"192.0.2.25\",\"port\":25,\"lists\":0,\"offers\":0,\"offering\":false,"
		       "\"issuers\":[1,2,3,4,5]}\n",
	     -EBADMSG, ":2: no list of at most four"},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++)
		assert_refused(rows[i].text, strlen(rows[i].text), rows[i].result, rows[i].says);
	assert_refused(HEAD("1", "1") "{\"address\":\0", strlen(HEAD("1", "1")) + 13, -EBADMSG, ":2: cut");
}

/* Cut anywhere behind its first line the file is damaged; nowhere is it half a memory. */
static void a_file_that_was_cut_is_refused(void **state)
{
	(void)state;
	size_t head = (size_t)(strchr(SAVED, '\n') - SAVED) + 1;

	for (size_t len = 1; len < strlen(SAVED); len++)
		assert_refused(SAVED, len, len < head ? -EINVAL : -EBADMSG, "servers");
}

static void no_file_and_an_empty_one_are_an_empty_memory(void **state)
{
	(void)state;
	struct mt_servers *servers;

	unlink(path);
	servers = load();
	assert_int_equal(mt_servers_count(servers), 0);
	mt_servers_destroy(servers);
	write_file("", 0);
	servers = load();
	assert_int_equal(mt_servers_count(servers), 0);
	mt_servers_destroy(servers);
}

static void a_file_that_cannot_be_written_leaves_the_old_one(void **state)
{
	(void)state;
	struct mt_servers *servers = make(SERVERS, FAILURES, true);
	struct mt_servers_copy *copy;
	char absent[128], error[256] = "", text[16] = "";

	fill_memory(servers);
	copy = mt_servers_copy_create(servers);
	snprintf(absent, sizeof(absent), "%s/absent/servers", folder);
	assert_int_equal(mt_servers_copy_write(copy, absent, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, absent));
	/* A folder stands where the file should: the name cannot be taken, and nothing is left lying about.
	 */
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(mt_servers_copy_write(copy, path, error, sizeof(error)) < 0);
	assert_true(mt_servers_load(servers, path, error, sizeof(error)) < 0);
	assert_int_equal(rmdir(path), 0);
	mt_servers_copy_destroy(copy);
	/* The disk is full: the old file stays as it was. */
	write_file("old", 3);
	struct rlimit limit, none = {0};
	fill_memory(servers);
	copy = mt_servers_copy_create(servers);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(mt_servers_copy_write(copy, path, error, sizeof(error)), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	read_file(text, sizeof(text));
	assert_string_equal(text, "old");
	mt_servers_copy_destroy(copy);
	mt_servers_destroy(servers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_file_says_what_is_remembered),
	    cmocka_unit_test(the_file_carries_judgement_from_run_to_run),
	    cmocka_unit_test(order_is_kept_in_the_file),
	    cmocka_unit_test(a_damaged_file_is_told_from_somebody_elses),
	    cmocka_unit_test(a_file_that_was_cut_is_refused),
	    cmocka_unit_test(no_file_and_an_empty_one_are_an_empty_memory),
	    cmocka_unit_test(a_file_that_cannot_be_written_leaves_the_old_one),
	};
	return cmocka_run_group_tests_name("servers_file", tests, enter_folder, leave_folder);
}
