/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* Input: a file of the server memory. What is read of it is written and read again. */
#include <errno.h>

#include "file.h"
#include "servers.h"

#define SERVERS 8

static uint64_t cells[MT_COUNTERS_FIXED_CELLS];

static void check_again(const struct mt_servers *servers)
{
	struct mt_servers *others = mt_servers_create(SERVERS, SERVERS, true);
	struct mt_servers_copy *copy = mt_servers_copy_create(servers);
	char path[64], error[512] = "";

	FUZZ_MUST(others != NULL && copy != NULL);
	snprintf(path, sizeof(path), "/dev/shm/mailtap-fuzz-servers.%d", (int)getpid());
	FUZZ_MUST(mt_servers_copy_write(copy, path, error, sizeof(error)) == 0);
	int result = mt_servers_load(others, path, error, sizeof(error));
	unlink(path);
	FUZZ_MUST(result == 0);
	FUZZ_MUST(mt_servers_count(others) == mt_servers_count(servers));
	mt_servers_copy_destroy(copy);
	mt_servers_destroy(others);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct mt_report report;
	const char *path = fuzz_file(data, len);
	struct mt_servers *servers = mt_servers_create(SERVERS, SERVERS, true);
	char error[512] = "";

	FUZZ_MUST(servers != NULL);
	int result = mt_servers_load(servers, path, error, sizeof(error));
	FUZZ_MUST(result == 0 || result == -EINVAL || result == -EBADMSG);
	if (result != 0) {
		fuzz_check_refusal(path, error);
		FUZZ_MUST(mt_servers_count(servers) == 0);
	}
	FUZZ_MUST(mt_servers_count(servers) <= SERVERS);
	if (result == 0)
		check_again(servers);
	/* Whatever was remembered, the next session is judged, and remembered. */
	memset(&report, 0, sizeof(report));
	report.has_facts = report.has_end = true;
	report.ends.ip_version = 4;
	report.facts.offered = MT_SEEN_NO;
	mt_servers_judge(servers, &report, cells);
	FUZZ_MUST((uint64_t)report.facts.anomalies >> MT_ANOMALY_COUNT == 0);
	mt_servers_destroy(servers);
	return 0;
}
