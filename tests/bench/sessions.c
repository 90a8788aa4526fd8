/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * sessions BANNERS CAPTURE FLOWS ROUNDS: what a session costs the worker, packet by packet.
 *
 * The first connection of the capture is fed to the engine as many times as FLOWS says, a power of two, all
 * of them under way at once, each from an address and with sequence numbers of its own: first everybody's
 * first packet, then everybody's second, in bursts, as a worker hands them over. A burst is of one kind, so
 * that the clock around it tells what that kind costs; decoding and the device stand outside. Between two
 * packets of a flow lie all the other flows: what a dialogue keeps is as far away as their number makes it.
 *
 * Each report is copied out as the worker does it. Every one must say the same, and the counts must be right:
 * else there is no figure. Prints one JSON object; figures are TSC cycles, medians over the rounds.
 * Where the kernel lets itself be asked, instructions and the core's own cycles stand beside them, means over
 * all rounds: what else runs on the machine moves the former not at all, and the latter less.
 */
#include <ctype.h>
#include <err.h>
#include <linux/perf_event.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "imap.h"
#include "pop3.h"
#include "session.h"
#include "smtp.h"

#define BURST	    32
#define STEPS_MAX   256
#define ROUNDS_MAX  1000
#define TABLE_FLOWS (1u << 20) /* as live: see app/mailtap/plan.c, as the next three */
#define DIALOGUES   (1u << 17)
#define REASSEMBLY  (256u << 20)
#define REPORTS	    1024
#define PACKET_NS   100 /* from one packet to the next, whoever sends it */
#define TIMEOUT_NS  (1800 * MT_NS_PER_SECOND)

/* One packet of the connection. */
struct step {
	struct mt_packet packet;
	bool is_client; /* sent by the side that sent the first one */
	enum mt_verdict verdict;
	double cycles[ROUNDS_MAX];
	uint64_t instructions, core_cycles; /* of all rounds; 0 where nobody counts */
	uint64_t reports;		    /* with facts that left here */
};

struct bench {
	struct step step[STEPS_MAX];
	uint32_t step_count;
	uint32_t flows, rounds;
	struct mt_session_shared shared;
	struct mt_banners banners;
	struct mt_engine *engine;
	uint64_t cells[MT_COUNTERS_FIXED_CELLS];
	uint64_t now_ns;
	struct mt_report *blocks; /* a ring, as a worker's blocks go round */
	uint32_t put, taken;
	uint64_t facts, ends, other, report_bytes;
	struct mt_report first; /* with facts: what all others must say too */
	int counter;		/* of the kernel's, a group of two; -1 for none */
	double per_session[ROUNDS_MAX], to_verdict[ROUNDS_MAX], forget[ROUNDS_MAX];
};

static const struct mt_dialogue *const dialogues[] = {[MT_PROTOCOL_SMTP] = &mt_smtp_dialogue,
						      [MT_PROTOCOL_IMAP] = &mt_imap_dialogue,
						      [MT_PROTOCOL_POP3] = &mt_pop3_dialogue};

/* ---- The capture ---- */

static bool is_same(const uint8_t a[16], uint16_t a_port, const uint8_t b[16], uint16_t b_port)
{
	return memcmp(a, b, 16) == 0 && a_port == b_port;
}

/* Result  true where the packet is the first connection's */
static bool add_step(struct bench *bench, const struct mt_packet *packet)
{
	const struct mt_packet *first = &bench->step[0].packet;
	struct step *step = &bench->step[bench->step_count];
	bool is_client =
	    bench->step_count == 0 || (is_same(packet->src, packet->src_port, first->src, first->src_port) &&
				       is_same(packet->dst, packet->dst_port, first->dst, first->dst_port));

	if (!is_client && !(is_same(packet->src, packet->src_port, first->dst, first->dst_port) &&
			    is_same(packet->dst, packet->dst_port, first->src, first->src_port)))
		return false;
	step->packet = *packet;
	step->is_client = is_client;
	bench->step_count++;
	return true;
}

static void read_connection(struct bench *bench, const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *bytes;
	pcap_t *capture = pcap_open_offline(path, error);

	if (capture == NULL)
		errx(1, "%s", error);
	if (pcap_datalink(capture) != DLT_EN10MB)
		errx(1, "%s: no Ethernet", path);
	while (pcap_next_ex(capture, &header, &bytes) == 1 && bench->step_count < STEPS_MAX) {
		uint8_t *copy = malloc(header->caplen); /* of a step's frame: as long as the program */
		struct mt_packet packet;

		if (copy == NULL)
			errx(1, "no memory");
		memcpy(copy, bytes, header->caplen);
		if (mt_packet_decode(MT_PACKET_LINK_ETHERNET, mt_span(copy, header->caplen), &packet) !=
			MT_VERDICT_DIALOGUE ||
		    !add_step(bench, &packet) || packet.payload.len == 0)
			free(copy);
	}
	pcap_close(capture);
	if (bench->step_count == 0)
		errx(1, "%s: no connection", path);
}

/* ---- Reports ---- */

static bool take_report(void *context, const struct mt_report *report)
{
	struct bench *bench = context;

	if (bench->put - bench->taken == REPORTS)
		return false;
	memcpy(&bench->blocks[bench->put++ % REPORTS], report, mt_report_bytes(report));
	return true;
}

/* Text and verdict are what they were at the first; times and addresses are each session's own. */
static bool agrees(const struct mt_report *report, const struct mt_report *first)
{
	const struct mt_facts *a = &report->facts, *b = &first->facts;

	return mt_facts_security(a) == mt_facts_security(b) && mt_facts_outcome(a) == mt_facts_outcome(b) &&
	       a->anomalies == b->anomalies && a->software == b->software && a->tls_cipher == b->tls_cipher &&
	       a->text_len == b->text_len && memcmp(a->text, b->text, a->text_len) == 0;
}

/* Outside the clock. */
static uint32_t read_reports(struct bench *bench)
{
	uint32_t with_facts = 0;

	for (; bench->taken != bench->put; bench->taken++) {
		const struct mt_report *report = &bench->blocks[bench->taken % REPORTS];

		if (report->part_bytes > 0)
			continue;
		bench->ends += report->has_end;
		if (!report->has_facts)
			continue;
		if (bench->facts++ == 0) {
			memcpy(&bench->first, report, mt_report_bytes(report));
			bench->report_bytes = mt_report_bytes(report);
		}
		bench->other += !agrees(report, &bench->first);
		with_facts++;
	}
	return with_facts;
}

/* ---- The processor's own counters ---- */

struct core {
	uint64_t count, instructions, cycles; /* as the kernel writes a group */
};

static int open_counter(uint64_t config, int leader)
{
	struct perf_event_attr event = {.type = PERF_TYPE_HARDWARE,
					.size = sizeof(event),
					.config = config,
					.read_format = PERF_FORMAT_GROUP,
					.exclude_kernel = 1,
					.exclude_hv = 1};

	return (int)syscall(SYS_perf_event_open, &event, 0, -1, leader, 0);
}

static struct core ask_core(const struct bench *bench)
{
	struct core core = {0};

	if (bench->counter >= 0 && read(bench->counter, &core, sizeof(core)) != sizeof(core))
		errx(1, "the kernel has stopped counting");
	return core;
}

/* ---- The run ---- */

/* Addresses and numbers of flow number n. */
static void fill(struct bench *bench, const struct step *step, uint32_t n, struct mt_engine_packet *ret)
{
	uint32_t client_offset = n * 0x9e3779b1, server_offset = n * 0x85ebca6b, name = n + 1;
	uint8_t *client;

	ret->packet = step->packet;
	client = step->is_client ? ret->packet.src : ret->packet.dst;
	for (unsigned i = 0; i < 4; i++)
		client[i] ^= (uint8_t)(name >> 8 * i);
	ret->packet.seq += step->is_client ? client_offset : server_offset;
	ret->packet.ack += step->is_client ? server_offset : client_offset;
	ret->time_ns = bench->now_ns += PACKET_NS;
}

/* All packets of a step have one verdict, in every round. before: the counts of verdicts until then. */
static void expect(struct bench *bench, struct step *step, const uint64_t before[MT_VERDICT_COUNT],
		   bool is_first)
{
	const uint64_t *now = &bench->cells[MT_CELL1(PACKETS, 0)];

	for (unsigned verdict = 0; verdict < MT_VERDICT_COUNT; verdict++)
		if (is_first && now[verdict] == before[verdict] + bench->flows)
			step->verdict = verdict;
	if (now[step->verdict] != before[step->verdict] + bench->flows)
		errx(1, "not every packet of a kind was %s", mt_verdict_name(step->verdict));
}

/* Result  cycles of one packet of everybody's, all together. Neighbours in the order of packets are none in
 * memory. */
static uint64_t take_step(struct bench *bench, struct step *step, uint32_t first_flow)
{
	struct mt_engine_packet packets[BURST];
	uint64_t verdicts[MT_VERDICT_COUNT], cycles = 0, begin;

	memcpy(verdicts, &bench->cells[MT_CELL1(PACKETS, 0)], sizeof(verdicts));
	for (uint32_t flow = 0; flow < bench->flows; flow += BURST) {
		for (uint32_t i = 0; i < BURST; i++)
			fill(bench, step, first_flow + (flow + i) * 0x9e3779b1 % bench->flows, &packets[i]);
		struct core before = ask_core(bench);
		begin = __rdtsc();
		mt_engine_burst(bench->engine, packets, BURST);
		cycles += __rdtsc() - begin;
		struct core after = ask_core(bench);
		step->instructions += after.instructions - before.instructions;
		step->core_cycles += after.cycles - before.cycles;
		step->reports += read_reports(bench);
	}
	expect(bench, step, verdicts, first_flow == 0);
	return cycles;
}

/* So much later that every flow is over. What was reset is reported now, some at a time: there are no more
 * blocks. Result  cycles */
static uint64_t forget_all(struct bench *bench)
{
	uint64_t cycles = 0, begin;
	bool is_round = false;

	bench->now_ns += TIMEOUT_NS + MT_NS_PER_SECOND;
	while (!is_round) {
		begin = __rdtsc();
		is_round = mt_engine_sweep(bench->engine, REPORTS / 2, bench->now_ns);
		cycles += __rdtsc() - begin;
		read_reports(bench);
	}
	return cycles;
}

static void run_round(struct bench *bench, uint32_t round)
{
	bool is_decided = false;

	for (uint32_t s = 0; s < bench->step_count; s++) {
		struct step *step = &bench->step[s];
		uint64_t reports = step->reports;

		step->cycles[round] =
		    (double)take_step(bench, step, round * bench->flows) / (double)bench->flows;
		bench->per_session[round] += step->cycles[round];
		if (!is_decided)
			bench->to_verdict[round] += step->cycles[round];
		is_decided |= step->reports > reports;
	}
	bench->forget[round] = (double)forget_all(bench) / (double)bench->flows;
	if (mt_engine_flows(bench->engine) != 0)
		errx(1, "a flow is left");
}

static void create(struct bench *bench, const char *banners)
{
	static struct mt_identify_ports ports;
	struct mt_engine_config config = {.shared = &bench->shared,
					  .banners = &bench->banners,
					  .cells = bench->cells,
					  .emit = take_report,
					  .emit_context = bench,
					  .flows = TABLE_FLOWS,
					  .dialogues = DIALOGUES,
					  .reassembly_bytes = REASSEMBLY,
					  .timeout_ns = TIMEOUT_NS};
	char error[512];

	if (mt_banners_load(&bench->banners, banners, error, sizeof(error)) != 0 ||
	    mt_identify_ports_parse(&ports, NULL, error, sizeof(error)) != 0 ||
	    mt_session_shared_init(&bench->shared, dialogues, &ports, error, sizeof(error)) != 0)
		errx(1, "%s", error);
	mt_flow_secret_init(&config.secret, 0x0123456789abcdef, 0xfedcba9876543210);
	bench->blocks = calloc(REPORTS, sizeof(*bench->blocks));
	if (bench->blocks == NULL || mt_engine_create(&bench->engine, &config) != 0)
		errx(1, "no memory");
	bench->now_ns = 1000 * MT_NS_PER_SECOND;
}

static void destroy(struct bench *bench)
{
	mt_engine_destroy(bench->engine);
	free(bench->blocks);
	mt_session_shared_fini(&bench->shared);
	mt_banners_unload(&bench->banners);
}

/* ---- What is printed ---- */

static double tsc_hz(void)
{
	const struct timespec while_ = {.tv_nsec = 100 * MT_NS_PER_MS};
	struct timespec begin, end;
	uint64_t tsc;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	tsc = __rdtsc();
	nanosleep(&while_, NULL);
	tsc = __rdtsc() - tsc;
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (double)tsc /
	       ((double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, uint32_t count)
{
	qsort(values, count, sizeof(values[0]), compare);
	return values[count / 2];
}

/* packets: of all rounds */
static void print_step(struct step *step, uint32_t rounds, double packets)
{
	struct mt_span begin = mt_span_first(step->packet.payload, 24);
	double cycles = median(step->cycles, rounds);

	printf("{\"from\": \"%s\", \"flags\": %u, \"payload\": %zu, \"begins\": \"",
	       step->is_client ? "client" : "server", step->packet.tcp_flags, step->packet.payload.len);
	for (size_t i = 0; i < begin.len; i++)
		putchar(isprint(begin.data[i]) && begin.data[i] != '"' && begin.data[i] != '\\'
			    ? begin.data[i]
			    : '.');
	printf("\", \"verdict\": \"%s\", \"reports\": %llu, \"cycles\": %.1f, \"least\": %.1f, "
	       "\"instructions\": %.1f, \"core_cycles\": %.1f}",
	       mt_verdict_name(step->verdict), (unsigned long long)step->reports, cycles, step->cycles[0],
	       (double)step->instructions / packets, (double)step->core_cycles / packets);
}

static void print_all(struct bench *bench)
{
	const struct mt_report *first = &bench->first;
	double per_session = median(bench->per_session, bench->rounds);
	double to_verdict = median(bench->to_verdict, bench->rounds);

	printf("{\"tsc_hz\": %.0f, \"flows\": %u, \"rounds\": %u, \"sessions\": %llu, \"ends\": %llu, "
	       "\"report_bytes\": %llu, "
	       "\"app_proto\": \"%s\", \"security\": \"%s\", \"outcome\": \"%s\", "
	       "\"per_session\": %.1f, \"to_verdict\": %.1f, \"to_verdict_least\": %.1f, \"forget\": %.1f, "
	       "\"steps\": [",
	       tsc_hz(), bench->flows, bench->rounds, (unsigned long long)bench->facts,
	       (unsigned long long)bench->ends, (unsigned long long)bench->report_bytes,
	       mt_protocol_name(first->facts.protocol), mt_security_name(mt_facts_security(&first->facts)),
	       mt_outcome_name(mt_facts_outcome(&first->facts)), per_session, to_verdict,
	       bench->to_verdict[0], median(bench->forget, bench->rounds));
	for (uint32_t s = 0; s < bench->step_count; s++) {
		if (s > 0)
			printf(", ");
		print_step(&bench->step[s], bench->rounds, (double)bench->flows * bench->rounds);
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	static struct bench bench;
	uint64_t wanted;

	bench.flows = argc == 5 ? (uint32_t)atoi(argv[3]) : 0;
	bench.rounds = argc == 5 ? (uint32_t)atoi(argv[4]) : 0;
	if (bench.flows < BURST || bench.flows > DIALOGUES || (bench.flows & (bench.flows - 1)) != 0 ||
	    bench.rounds == 0 || bench.rounds > ROUNDS_MAX)
		errx(2, "usage: sessions BANNERS CAPTURE FLOWS ROUNDS");
	read_connection(&bench, argv[2]);
	create(&bench, argv[1]);
	bench.counter = open_counter(PERF_COUNT_HW_INSTRUCTIONS, -1);
	if (bench.counter >= 0 && open_counter(PERF_COUNT_HW_CPU_CYCLES, bench.counter) < 0)
		bench.counter = -1;
	for (uint32_t i = 0; i < bench.rounds; i++)
		run_round(&bench, i);
	wanted = (uint64_t)bench.flows * bench.rounds;
	if (bench.facts != wanted || bench.ends != wanted || bench.other != 0)
		errx(1, "%llu sessions, %llu ends and %llu that say other than the first; %llu were to come",
		     (unsigned long long)bench.facts, (unsigned long long)bench.ends,
		     (unsigned long long)bench.other, (unsigned long long)wanted);
	print_all(&bench);
	destroy(&bench);
	return 0;
}
