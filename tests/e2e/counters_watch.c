/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * counters_watch NAME: reads the counters of that name again and again, through every restart, and holds each
 * reading to its accounts. Ends with standard input; prints a line for each fault, then what it has seen.
 */
#include <errno.h>
#include <inttypes.h>
#include <mailtap-counters.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAULTS_MOST 20

/* Of one run, since it was first seen: sums that went back, or another run's values, would show. */
struct run {
	uint32_t pid;
	uint64_t process_start, run_start_ns;
	uint64_t *cells; /* of all blocks, as they were read before */
	size_t cell_count;
	bool was_dead; /* nobody wrote any more when they were read */
};

struct tally {
	unsigned runs, readings, live, stale, changed, faults;
};

static void fault(struct tally *tally, const struct mt_counters_snapshot *snapshot, uint32_t block,
		  const char *what, uint64_t a, uint64_t b)
{
	if (tally->faults++ < FAULTS_MOST)
		printf("process %u, worker %s: %s: %" PRIu64 " and %" PRIu64 "\n", snapshot->pid,
		       snapshot->block[block].worker, what, a, b);
}

/* All series of a metric in a block, added up. */
static uint64_t sum_of(const struct mt_counters_snapshot *snapshot, uint32_t block, const char *name)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < snapshot->series_count; i++)
		if (strcmp(snapshot->series[i].name, name) == 0)
			sum += snapshot->block[block].cells[snapshot->series[i].cell];
	return sum;
}

static void check_accounts(struct tally *tally, const struct mt_counters_snapshot *snapshot, uint32_t block)
{
	uint64_t in = sum_of(snapshot, block, "mailtap_received_packets_total") +
		      sum_of(snapshot, block, "mailtap_taken_over_packets_total");
	uint64_t out = sum_of(snapshot, block, "mailtap_packets_total") +
		       sum_of(snapshot, block, "mailtap_handed_over_packets_total");
	uint64_t opened = sum_of(snapshot, block, "mailtap_sessions_opened_total");
	uint64_t closed = sum_of(snapshot, block, "mailtap_flows_closed_total");
	uint64_t made = sum_of(snapshot, block, "mailtap_records_made_total");

	if (in != out)
		fault(tally, snapshot, block, "packets in, packets out", in, out);
	if (opened < closed || opened - closed > sum_of(snapshot, block, "mailtap_flows"))
		fault(tally, snapshot, block, "sessions opened, closed", opened, closed);
	if (opened != made)
		fault(tally, snapshot, block, "sessions opened, records made", opened, made);
}

/* Sums and the buckets of histograms never go back; where nobody writes, nothing moves. */
static void check_progress(struct tally *tally, const struct run *run,
			   const struct mt_counters_snapshot *snapshot, uint32_t block)
{
	for (uint32_t i = 0; i < snapshot->series_count; i++) {
		const struct mt_counters_view *series = &snapshot->series[i];

		for (uint32_t c = series->cell; c < series->cell + series->cells; c++) {
			uint64_t now = snapshot->block[block].cells[c];
			uint64_t before = run->cells[block * run->cell_count + c];

			if (series->kind != MT_COUNTERS_GAUGE && now < before)
				fault(tally, snapshot, block, series->name, before, now);
			if (run->was_dead && now != before)
				fault(tally, snapshot, block, "counted by nobody", before, now);
			tally->changed += now != before;
		}
	}
}

static void begin_run(struct run *run, const struct mt_counters_snapshot *snapshot)
{
	free(run->cells);
	*run = (struct run){.pid = snapshot->pid,
			    .process_start = snapshot->process_start,
			    .run_start_ns = snapshot->run_start_ns,
			    .cell_count = snapshot->cell_count};
	run->cells = calloc(snapshot->block_count * run->cell_count, sizeof(*run->cells));
	if (run->cells == NULL)
		abort();
}

static void check_reading(struct tally *tally, struct run *run, const struct mt_counters_snapshot *snapshot)
{
	if (snapshot->pid != run->pid || snapshot->process_start != run->process_start ||
	    snapshot->run_start_ns != run->run_start_ns)
		fault(tally, snapshot, 0, "another run in the same reader", run->pid, snapshot->pid);
	for (uint32_t b = 0; b < snapshot->block_count; b++) {
		tally->stale += snapshot->block[b].is_stale;
		if (b + 1 < snapshot->block_count)
			check_accounts(tally, snapshot, b);
		check_progress(tally, run, snapshot, b);
	}
	for (uint32_t b = 0; b < snapshot->block_count; b++)
		memcpy(run->cells + b * run->cell_count, snapshot->block[b].cells,
		       run->cell_count * sizeof(*run->cells));
	run->was_dead = !snapshot->has_writer;
	tally->readings++;
	tally->live += mt_counters_is_up(snapshot);
}

/* Result  1 where this is another run's object, 0 for the same, negative where there is none that can be read
 */
static int find_object(struct mt_counters_reader **reader, const char *name, char *error, size_t size)
{
	int result;

	if (*reader != NULL)
		return mt_counters_reader_renew(reader, error, size);
	result = mt_counters_reader_open(reader, name, (uid_t)-1, error, size);
	return result == 0 ? 1 : result;
}

int main(int argc, char **argv)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	struct mt_counters_reader *reader = NULL;
	const struct mt_counters_snapshot *snapshot;
	struct tally tally = {0};
	struct run run = {0};
	char error[256];

	if (argc != 2)
		return 2;
	while (poll(&input, 1, 0) == 0) {
		int found = find_object(&reader, argv[1], error, sizeof(error));

		if (found < 0 && found != -ENOENT)
			printf("%u: %s\n", tally.faults++, error);
		if (reader == NULL)
			continue;
		if (mt_counters_read(reader, &snapshot, error, sizeof(error)) != 0) {
			printf("%u: %s\n", tally.faults++, error);
			continue;
		}
		if (found == 1) {
			begin_run(&run, snapshot);
			tally.runs++;
		}
		check_reading(&tally, &run, snapshot);
		usleep(100);
	}
	printf("{\"runs\": %u, \"readings\": %u, \"live\": %u, \"stale\": %u, \"changed\": %u, \"faults\": "
	       "%u}\n",
	       tally.runs, tally.readings, tally.live, tally.stale, tally.changed, tally.faults);
	free(run.cells);
	mt_counters_reader_close(reader);
	return tally.faults > 0;
}
