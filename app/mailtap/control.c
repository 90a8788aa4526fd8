/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "control.h"

#include <err.h>
#include <errno.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"

#define NAP_NS		  1000000 /* between two looks at the rings, live */
#define NAP_REPLAY_NS	  100000  /* a replay's end should not wait for a sleeper */
#define STATS_PER_SECOND  10
#define SHOWS_PER_SECOND  1000 /* of the counters: a busy thread takes many turns in a millisecond */
#define REPORTS_AT_A_TIME 64
#define CERTIFICATES	  1024	/* remembered: a site talks to fewer servers than that in an hour */
#define WAIT_SECONDS	  1	/* live: a record waits for its place at least so long, at most twice */
#define LIVE_WAITING_MAX  65536 /* records; 40 MB where they are of a usual length */

/*
 * Records that a replay gathers between two rounds of its workers: so many at least, and one for so many
 * places of a worker's flow table. What waits then takes less memory than the table, and a round costs little
 * by session.
 */
#define ENOUGH_WAITING 4096
#define ENOUGH_PLACES  64

/* ---- Signals ---- */

static volatile sig_atomic_t is_ending, is_reloading;

static void note_end(int number)
{
	(void)number;
	is_ending = 1;
}

static void note_reload(int number)
{
	(void)number;
	is_reloading = 1;
}

void mt_control_catch_signals(void)
{
	static const struct {
		int number;
		void (*handler)(int);
	} signals[] = {{SIGINT, note_end},
		       {SIGTERM, note_end},
		       {SIGHUP, note_reload},
		       {SIGPIPE, SIG_IGN},
		       {SIGXFSZ, SIG_IGN}};

	for (size_t i = 0; i < MT_ARRAY_LEN(signals); i++) {
		struct sigaction action = {.sa_handler = signals[i].handler, .sa_flags = SA_RESTART};

		sigaction(signals[i].number, &action, NULL);
	}
}

/* ---- Records ---- */

/* To make a line is dear: where nobody wants it, the session is only counted. */
static void write_line(struct mt_control *control, const struct mt_report *report)
{
	uint64_t flow_id = control->next_flow_id++;
	char *line = NULL;

	if (!mt_record_sink_is_none(control->sink))
		line = mt_record_format(report, flow_id, mt_patterns_banners(control->run->patterns));
	mt_record_sink_write(control->sink, &report->ends, line);
	free(line);
}

/* The session is counted whether or not its record can be written: the counters are what was seen. */
static void write_record(struct mt_control *control, struct mt_report *report)
{
	if (report->end.over_ns < control->written_ns)
		control->cells[MT_CELL0(RECORDS_LATE)]++;
	else
		control->written_ns = report->end.over_ns;
	/* Here, where sessions come in their order, whatever the count of workers. */
	mt_servers_judge(control->memory->servers, report, control->cells);
	mt_record_count(report, control->run->layout, mt_patterns_banners(control->run->patterns),
			control->cells);
	write_line(control, report);
}

static void write_ripe(struct mt_control *control, uint64_t before_ns)
{
	struct mt_report *report;

	while ((report = mt_record_queue_take(control->queue, before_ns)) != NULL) {
		write_record(control, report);
		free(report);
	}
}

/* A session is known whole; its record waits for its place, unless memory has run out. report is transferred.
 */
static void finish_session(struct mt_control *control, struct mt_report *report)
{
	if (report->end.over_ns > control->latest_ns)
		control->latest_ns = report->end.over_ns;
	if (mt_record_queue_put(control->queue, report))
		return;
	write_record(control, report);
	free(report);
}

/* The same, of a report that the worker wants back. */
static void finish_copy(struct mt_control *control, struct mt_report *report)
{
	struct mt_report *copy = malloc(mt_report_bytes(report));

	if (copy == NULL) {
		write_record(control, report);
		return;
	}
	memcpy(copy, report, mt_report_bytes(report));
	finish_session(control, copy);
}

/*
 * No place among the parked, or no handle was free: what is known becomes the record now, and the later
 * end is ignored.
 */
static void write_early(struct mt_control *control, struct mt_report *report)
{
	struct mt_mail_end *end = &report->end;

	report->has_end = true;
	*end = (struct mt_mail_end){.reason = MT_REASON_EVICTED, .end_ns = report->facts.start_ns};
	if (report->facts.established_ns > end->end_ns)
		end->end_ns = report->facts.established_ns;
	end->over_ns = end->end_ns;
	memcpy(end->missing, report->missing, sizeof(end->missing));
	control->cells[MT_CELL1(LOST, MT_LOSS_PARKED_FULL)]++;
	finish_copy(control, report);
}

/* Streams are read no more once a session is parked: what was missing by then is what counts. */
static void join_end(struct mt_control *control, uint32_t worker, const struct mt_report *end)
{
	struct mt_report *whole = mt_parked_take(control->parked, worker, end->handle);

	if (control->bypass != NULL)
		mt_bypass_end(control->bypass, worker, end->handle, end->end.reason);
	if (whole == NULL)
		return;
	whole->has_end = true;
	whole->end = end->end;
	for (unsigned d = 0; d < MT_DIRECTION_COUNT; d++)
		if (whole->end.missing[d] < whole->missing[d])
			whole->end.missing[d] = whole->missing[d];
	finish_session(control, whole);
}

/* A certificate comes ahead of the facts it belongs to; what it says is kept with them, never the DER. */
static void read_certificate(struct mt_control *control, uint32_t worker, struct mt_report *report)
{
	if (report->has_facts && !mt_certificate_join(control->certificates, &control->parts[worker], report))
		control->cells[MT_CELL1(LOST, MT_LOSS_TEXT_LIMIT)]++;
}

/* The verdict stands, and the connection goes on. */
static void park(struct mt_control *control, uint32_t worker, struct mt_report *report)
{
	if (report->handle == UINT32_MAX || !mt_parked_put(control->parked, worker, report))
		write_early(control, report);
	else if (control->bypass != NULL && report->facts.is_established)
		mt_bypass_begin(control->bypass, worker, report->handle, &report->ends);
}

static void take_report(struct mt_control *control, uint32_t worker, struct mt_report *report)
{
	if (report->part_bytes > 0) {
		mt_certificate_add_part(&control->parts[worker], report);
		return;
	}
	read_certificate(control, worker, report);
	if (report->has_facts && report->has_end)
		finish_copy(control, report);
	else if (report->has_facts)
		park(control, worker, report);
	else
		join_end(control, worker, report);
}

/* Result  reports taken. */
static unsigned take_reports(struct mt_control *control)
{
	const struct mt_run *run = control->run;
	void *blocks[REPORTS_AT_A_TIME];
	unsigned total = 0;

	for (uint32_t w = 0; w < run->plan->workers; w++) {
		/* Acquire: the reports that the mark speaks of stand in the ring. */
		uint64_t mark_ns = atomic_load_explicit(&run->workers[w]->mark_ns, memory_order_acquire);
		unsigned n =
		    rte_ring_sc_dequeue_burst(run->workers[w]->reports, blocks, REPORTS_AT_A_TIME, NULL);

		if (n < REPORTS_AT_A_TIME)
			control->marks[w] = mark_ns;
		for (unsigned i = 0; i < n; i++)
			take_report(control, w, blocks[i]);
		if (n > 0)
			rte_mempool_put_bulk(run->workers[w]->blocks, blocks, n);
		total += n;
	}
	return total;
}

/* ---- Order ---- */

static uint64_t lowest_mark(const struct mt_control *control)
{
	uint64_t lowest = UINT64_MAX;

	for (uint32_t w = 0; w < control->run->plan->workers; w++)
		lowest = control->marks[w] < lowest ? control->marks[w] : lowest;
	return lowest;
}

static bool have_all_gone_round(const struct mt_control *control)
{
	const struct mt_run *run = control->run;
	unsigned wanted = atomic_load_explicit(&run->rounds_wanted, memory_order_relaxed);

	for (uint32_t w = 0; w < run->plan->workers; w++)
		if (atomic_load_explicit(&run->workers[w]->rounds_done, memory_order_acquire) != wanted)
			return false;
	return true;
}

static size_t enough_waiting(const struct mt_control *control)
{
	size_t by_table = control->run->plan->flows / ENOUGH_PLACES;

	return by_table > ENOUGH_WAITING ? by_table : ENOUGH_WAITING;
}

/*
 * A replay writes in order whatever that takes. Its workers' tables have a place for every packet, and a
 * round of them is dear: they are asked for one as often as so many sessions have come.
 */
static void ask_for_round(struct mt_control *control)
{
	size_t waiting = mt_record_queue_count(control->queue);

	if (!have_all_gone_round(control))
		return;
	if (control->is_asking)
		control->enough = waiting + enough_waiting(control);
	control->is_asking = waiting >= control->enough;
	if (control->is_asking)
		atomic_fetch_add_explicit(&control->run->rounds_wanted, 1, memory_order_relaxed);
}

/* Live nobody waits longer than two ticks for a worker that comes round slowly, nor in too large a crowd. */
static void end_waits(struct mt_control *control)
{
	uint64_t now_tsc = rte_rdtsc();

	if (now_tsc - control->tick_tsc > rte_get_tsc_hz() * WAIT_SECONDS) {
		write_ripe(control, control->old_ns + 1);
		control->old_ns = control->latest_ns;
		control->tick_tsc = now_tsc;
	}
	while (mt_record_queue_count(control->queue) > LIVE_WAITING_MAX) {
		struct mt_report *first = mt_record_queue_take(control->queue, UINT64_MAX);

		write_record(control, first);
		free(first);
	}
}

static void keep_order(struct mt_control *control)
{
	write_ripe(control, lowest_mark(control));
	if (control->run->capture != NULL)
		ask_for_round(control);
	else
		end_waits(control);
}

/* ---- Devices ---- */

/* A driver without numbers of its queues gives its total, which then stands under the first. */
static void count_port(struct mt_control *control, uint16_t number)
{
	const struct mt_counters_layout *layout = control->run->layout;
	const struct mt_port *port = &control->run->ports->port[number];
	struct rte_eth_stats stats;
	uint64_t rest_packets, rest_bytes, *cells = control->cells;

	if (rte_eth_stats_get(port->id, &stats) != 0)
		return;
	rest_packets = stats.ipackets;
	rest_bytes = stats.ibytes;
	for (uint16_t q = 0; q < port->queues && q < RTE_ETHDEV_QUEUE_STAT_CNTRS; q++) {
		cells[mt_counters_cell(layout, MT_COUNTER_RX_PACKETS, number, q, 0)] = stats.q_ipackets[q];
		cells[mt_counters_cell(layout, MT_COUNTER_RX_BYTES, number, q, 0)] = stats.q_ibytes[q];
		rest_packets -= stats.q_ipackets[q] < rest_packets ? stats.q_ipackets[q] : rest_packets;
		rest_bytes -= stats.q_ibytes[q] < rest_bytes ? stats.q_ibytes[q] : rest_bytes;
	}
	cells[mt_counters_cell(layout, MT_COUNTER_RX_PACKETS, number, 0, 0)] += rest_packets;
	cells[mt_counters_cell(layout, MT_COUNTER_RX_BYTES, number, 0, 0)] += rest_bytes;
	cells[mt_counters_cell(layout, MT_COUNTER_RX_MISSED, number, 0, 0)] =
	    stats.imissed + (port->kernel != NULL ? mt_kernel_drops(port->kernel) : 0);
	cells[mt_counters_cell(layout, MT_COUNTER_RX_ERRORS, number, 0, 0)] = stats.ierrors;
	cells[mt_counters_cell(layout, MT_COUNTER_RX_NOMBUF, number, 0, 0)] = stats.rx_nombuf;
}

static void count_buffers(struct mt_control *control)
{
	const struct mt_ports *ports = control->run->ports;
	uint64_t total = 0, unused = 0;

	for (unsigned i = 0; i < MT_PORTS_MAX && ports->pool[i] != NULL; i++) {
		total += ports->pool[i]->size;
		unused += rte_mempool_avail_count(ports->pool[i]);
	}
	control->cells[MT_CELL0(BUFFERS)] = total;
	control->cells[MT_CELL0(BUFFERS_USED)] = unused < total ? total - unused : 0;
}

static void count_ports(struct mt_control *control)
{
	for (uint16_t i = 0; i < control->run->ports->count; i++)
		count_port(control, i);
	count_buffers(control);
	control->stats_tsc = rte_rdtsc();
}

/* ---- Reloading ---- */

/* Nothing that cannot be had anew is given up: the old stays in use, and the operator is told. */
static void reload(struct mt_control *control)
{
	char error[512] = "";
	int rc;

	mt_supervisor_reload(false);
	rc = mt_patterns_reload(control->run->patterns, error, sizeof(error));

	/* Two signals in short succession: some worker has not yet polled since the first. */
	if (rc == -EBUSY)
		return;
	is_reloading = 0;
	control->cells[MT_CELL1(RELOADS, rc == 0 ? MT_RELOAD_DONE : MT_RELOAD_REFUSED)]++;
	if (rc != 0)
		warnx("%s; the old patterns stay in use", error);
	else
		MT_LOG(control, INFO, "%u products are known by patterns that were read again",
		       mt_patterns_banners(control->run->patterns)->product_count - 1);
	rc = mt_record_sink_reopen(control->sink);
	if (rc != 0)
		warnx("the records cannot be reopened: %s; the old file stays in use", strerror(-rc));
	mt_servers_file_save_at_times(control->memory, true);
	mt_supervisor_reload(true);
}

/* ---- The run ---- */

static bool have_all(const struct mt_control *control, enum mt_worker_state state)
{
	const struct mt_run *run = control->run;

	for (uint32_t w = 0; w < run->plan->workers; w++)
		if (atomic_load_explicit(&run->workers[w]->state, memory_order_acquire) < (unsigned)state)
			return false;
	return true;
}

static void set_phase(struct mt_control *control, enum mt_phase phase)
{
	static const char *const names[] = {[MT_PHASE_RECEIVE] = "receive",
					    [MT_PHASE_DRAIN] = "receive no more",
					    [MT_PHASE_GATHER] = "give up datagrams that are not whole",
					    [MT_PHASE_FINISH] = "end every session"};

	MT_LOG(control, DEBUG, "workers are to %s", names[phase]);
	atomic_store_explicit(&control->run->phase, phase, memory_order_release);
}

static void publish(struct mt_control *control)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	control->shown_tsc = rte_rdtsc();
	mt_counters_publish(control->block, control->cells,
			    (uint64_t)now.tv_sec * MT_NS_PER_SECOND + (uint64_t)now.tv_nsec);
}

static void say_trouble(struct mt_control *control)
{
	const char *trouble;

	while ((trouble = mt_record_sink_trouble(control->sink)) != NULL)
		warnx("%s", trouble);
}

/* One turn: reports, signals, devices; a nap where there was nothing to do. */
static void turn(struct mt_control *control)
{
	const struct timespec nap = {.tv_nsec = control->run->capture != NULL ? NAP_REPLAY_NS : NAP_NS};
	bool is_idle = take_reports(control) == 0;

	keep_order(control);
	if (control->bypass != NULL)
		mt_bypass_look(control->bypass);
	mt_servers_file_save_at_times(control->memory, false);
	mt_supervisor_watch(&control->supervisor, control->run);
	if (is_reloading)
		reload(control);
	mt_patterns_reclaim(control->run->patterns);
	say_trouble(control);
	if (rte_rdtsc() - control->stats_tsc > rte_get_tsc_hz() / STATS_PER_SECOND)
		count_ports(control);
	if (rte_rdtsc() - control->shown_tsc >= rte_get_tsc_hz() / SHOWS_PER_SECOND)
		publish(control);
	if (is_idle) {
		mt_record_sink_flush(control->sink);
		nanosleep(&nap, NULL);
	}
}

/* The latest time that any worker has seen; all have stopped receiving. */
static uint64_t latest_clock(const struct mt_run *run)
{
	uint64_t latest = 0;

	for (uint32_t w = 0; w < run->plan->workers; w++) {
		uint64_t ns = atomic_load_explicit(&run->workers[w]->stopped_ns, memory_order_relaxed);

		latest = ns > latest ? ns : latest;
	}
	return latest;
}

static bool is_over(const struct mt_control *control, uint64_t begin_tsc)
{
	double seconds = (double)(rte_rdtsc() - begin_tsc) / (double)rte_get_tsc_hz();

	return is_ending || have_all(control, MT_WORKER_EXHAUSTED) ||
	       (control->duration_ns != 0 && seconds * MT_NS_PER_SECOND >= (double)control->duration_ns);
}

static void close_accounts(struct mt_control *control)
{
	if (control->bypass != NULL)
		mt_bypass_finish(control->bypass);
	mt_record_sink_finish(control->sink);
	say_trouble(control);
	count_ports(control);
	publish(control);
}

void mt_control_run(struct mt_control *control)
{
	struct mt_run *run = control->run;
	uint64_t begin_tsc = rte_rdtsc();

	mt_supervisor_begin(&control->supervisor);
	while (!is_over(control, begin_tsc))
		turn(control);
	mt_supervisor_end();
	control->is_interrupted = !have_all(control, MT_WORKER_EXHAUSTED);
	set_phase(control, MT_PHASE_DRAIN);
	while (!have_all(control, MT_WORKER_STOPPED))
		turn(control);
	atomic_store_explicit(&run->finish_ns, latest_clock(run), memory_order_release);
	set_phase(control, MT_PHASE_GATHER);
	while (!have_all(control, MT_WORKER_GATHERED))
		turn(control);
	set_phase(control, MT_PHASE_FINISH);
	while (!have_all(control, MT_WORKER_FINISHED))
		turn(control);
	while (take_reports(control) > 0)
		;
	write_ripe(control, UINT64_MAX);
	close_accounts(control);
}

/* ---- Making one ---- */

int mt_control_init(struct mt_control *control, struct mt_run *run, struct mt_record_sink *sink,
		    struct mt_servers_file *memory, struct mt_counters_block *block, uint64_t duration_ns)
{
	*control = (struct mt_control){.run = run,
				       .sink = sink,
				       .memory = memory,
				       .block = block,
				       .duration_ns = duration_ns,
				       .next_flow_id = 1};
	control->cells = mt_counters_cells_create(run->layout);
	control->parked = mt_parked_create(run->plan->workers, run->plan->parked_bytes);
	control->certificates = mt_certificates_create(CERTIFICATES);
	control->parts = calloc(run->plan->workers, sizeof(*control->parts));
	control->queue = mt_record_queue_create();
	control->marks = calloc(run->plan->workers, sizeof(*control->marks));
	control->enough = enough_waiting(control);
	if (control->cells != NULL && control->parked != NULL && control->certificates != NULL &&
	    control->parts != NULL && control->queue != NULL && control->marks != NULL) {
		mt_record_sink_count_in(sink, control->cells);
		return 0;
	}
	mt_control_fini(control);
	return -ENOMEM;
}

void mt_control_fini(struct mt_control *control)
{
	free(control->marks);
	mt_record_queue_destroy(control->queue);
	free(control->parts);
	mt_certificates_destroy(control->certificates);
	mt_parked_destroy(control->parked);
	free(control->cells);
}
