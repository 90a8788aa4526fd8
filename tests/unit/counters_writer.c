/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * A capture process without a capture: publishes counters under a name, for tests of programs that read.
 * Says "ready", then does what standard input says, a word a line, each answered with "done":
 *
 *   session  one more SMTP session, upgraded with STARTTLS, in the block of worker 0
 *   silent   heartbeats are a minute old from now on
 *   end      mark the object closed and leave; so does the end of the input
 */
#include <err.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"

#define BEAT_MS 20
#define WORKERS 2

static uint64_t age_ns;

static void publish(struct mt_counters_publisher *publisher, const uint64_t *counted, const uint64_t *none)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (uint32_t i = 0; i <= WORKERS; i++)
		mt_counters_publish(mt_counters_publisher_block(publisher, i), i == 0 ? counted : none,
				    (uint64_t)now.tv_sec * MT_NS_PER_SECOND + (uint64_t)now.tv_nsec - age_ns);
}

/* Result  whether to go on */
static bool obey(uint64_t *cells)
{
	char line[32];

	if (fgets(line, sizeof(line), stdin) == NULL || strcmp(line, "end\n") == 0)
		return false;
	if (strcmp(line, "session\n") == 0)
		cells[MT_CELL2(SESSIONS, MT_PROTOCOL_SMTP, MT_SECURITY_STARTTLS)]++;
	else if (strcmp(line, "silent\n") == 0)
		age_ns = 60 * MT_NS_PER_SECOND;
	else
		errx(2, "unknown: %s", line);
	return true;
}

int main(int argc, char **argv)
{
	static char products[][MT_COUNTERS_PRODUCT_SIZE] = {"unknown", "postfix"};
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	struct mt_counters_layout *layout;
	struct mt_counters_publisher *publisher;
	const struct mt_counters_start start = {.name = argc == 2 ? argv[1] : "",
						.version = "9.8",
						.workers = WORKERS,
						.run_start_ns = 1500000000};

	if (mt_counters_layout_create(&layout, products, 2, 1, 1) != 0 ||
	    mt_counters_publisher_open(&publisher, layout, &start) != 0)
		errx(1, "no counters under '%s'", start.name);
	uint64_t *cells = mt_counters_cells_create(layout), *none = mt_counters_cells_create(layout);

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	publish(publisher, cells, none);
	puts("ready");
	for (;;) {
		bool has_order = poll(&input, 1, BEAT_MS) > 0;

		if (has_order && !obey(cells))
			break;
		publish(publisher, cells, none);
		if (has_order)
			puts("done");
	}
	mt_counters_publisher_close(publisher);
	mt_counters_layout_destroy(layout);
	free(cells);
	free(none);
	return 0;
}
