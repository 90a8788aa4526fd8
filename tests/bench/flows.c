/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * flows FLOWS uniform|zipf|small PACKETS: what the flow table costs a packet, with so many flows in it;
 * small is uniform, in small pages.
 * flows crafted PACKETS: a million tuples picked to collide, beside a million random ones.
 *
 * As a worker does it: of a burst of 32 packets first all fingerprints and prefetches ("prepare"), then
 * one look-up after the other, each touching what a packet of a decided flow touches ("find"). Headers come
 * decoded. Prints one JSON object; figures are TSC cycles a packet, and where the table's memory is.
 */
#include <err.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <x86intrin.h>

#include "../unit/crafted_tuples.h"

#define BURST	  32
#define HUGE_PAGE (2u << 20)

#define APART_MOST                                                                                           \
	32768 /* flows that begin between two packets of a handshake: 30 ms at a million a second */

/* Of a hundred bursts the dearest is left out: during these the processor was taken away. */
#define KEPT_PERCENT 99

/** A table and the tuples that are or were in it. */
struct bench {
	struct mt_flow_table table;
	struct mt_flow_syn_cache syns;
	struct mt_flow_secret secret;
	const struct crafted *crafted; /* NULL: random tuples */
	uint32_t flows;
	uint32_t next; /* tuple that comes in next; the oldest in the table is flows behind it */
	void *memory, *syn_memory;
	size_t bytes, syn_bytes;
	const char *pages; /* what the memory is made of */
	uint64_t fingerprints[BURST];
	struct mt_packet packets[BURST];
	uint64_t random, sum;
};

/** What happens to bursts of packets. From FILL on the packets' preparation is in the figure. */
enum figure {
	PREPARE,
	FIND,
	PREPARE_APART,
	FIND_APART,
	MEMORY,
	FIND_NONE,
	FILL,
	SYN,
	SYN_ACK,
	SET_UP,
	REMOVAL,
	FIGURE_COUNT
};

static const char *const figure_names[FIGURE_COUNT] = {
    [PREPARE] = "prepare",
    [FIND] = "find",
    [PREPARE_APART] = "prepare_apart",
    [FIND_APART] = "find_apart",
    [MEMORY] = "memory",
    [FIND_NONE] = "find_none",
    [FILL] = "fill",
    [SYN] = "syn",
    [SYN_ACK] = "syn_ack",
    [SET_UP] = "set_up",
    [REMOVAL] = "removal",
};

/** Cycles of bursts, one by one. */
struct bursts {
	uint32_t *cycles;
	size_t count, room;
};

/* Vigna 2016, xorshift64* */
static uint64_t draw(struct bench *bench)
{
	uint64_t x = bench->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	bench->random = x;
	return x * 0x2545f4914f6cdd1d;
}

static void *map_more(size_t bytes, int flags)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

/* Huge pages that are set aside, else those that the kernel makes by itself. */
static void *map(size_t bytes, bool is_small, const char **pages)
{
	void *memory = is_small ? MAP_FAILED : map_more(bytes, MAP_HUGETLB | MAP_POPULATE);

	*pages = "hugetlb";
	if (memory != MAP_FAILED)
		return memory;
	/* MAP_POPULATE would fill it before the advice is given. */
	memory = map_more(bytes + HUGE_PAGE, 0);
	if (memory == MAP_FAILED)
		err(1, "%zu bytes", bytes);
	memory = (void *)(((uintptr_t)memory + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
	*pages = madvise(memory, bytes, is_small ? MADV_NOHUGEPAGE : MADV_HUGEPAGE) != 0 || is_small
		     ? "small"
		     : "transparent";
	memset(memory, 0, bytes);
	return memory;
}

static size_t whole_pages(size_t bytes)
{
	return (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
}

/* ---- A burst ---- */

/* What was read before has come. */
static inline uint64_t cycles_now(void)
{
	_mm_lfence();
	return __rdtsc();
}

/* What decoding would have left of a packet of the tuple, in either direction. Not measured. */
static void receive(struct bench *bench, unsigned at, uint32_t tuple)
{
	struct mt_flow_key key = crafted_tuple(bench->crafted, tuple);
	struct mt_packet *packet = &bench->packets[at];
	unsigned side = draw(bench) >> 63;

	packet->ip_version = key.ip_version;
	memcpy(packet->src, key.addr[side], sizeof(packet->src));
	memcpy(packet->dst, key.addr[side ^ 1], sizeof(packet->dst));
	packet->src_port = key.port[side];
	packet->dst_port = key.port[side ^ 1];
}

/* Result  cycles of the burst */
static uint64_t prepare(struct bench *bench)
{
	uint64_t begin = cycles_now();

	for (unsigned i = 0; i < BURST; i++) {
		bench->fingerprints[i] = mt_flow_name(&bench->packets[i], false, &bench->secret).fingerprint;
		mt_flow_prefetch(&bench->table, bench->fingerprints[i]);
	}
	return cycles_now() - begin;
}

/* The same with all prefetches behind the last fingerprint, where they wait for memory together. */
static uint64_t prepare_apart(struct bench *bench)
{
	uint64_t begin = cycles_now();

	for (unsigned i = 0; i < BURST; i++) {
		bench->fingerprints[i] = mt_flow_name(&bench->packets[i], false, &bench->secret).fingerprint;
	}
	for (unsigned i = 0; i < BURST; i++)
		mt_flow_prefetch(&bench->table, bench->fingerprints[i]);
	return cycles_now() - begin;
}

/* A packet of a flow that is there: counted, and its time noted. */
static uint64_t find(struct bench *bench)
{
	uint64_t begin = cycles_now();

	for (unsigned i = 0; i < BURST; i++) {
		struct mt_flow *flow = mt_flow_find(&bench->table, bench->fingerprints[i]);

		if (flow == NULL)
			errx(1, "a flow is missing: no figures");
		flow->last_seen_ns = begin;
		flow->pkts[i & 1]++;
		flow->bytes[i & 1] += 100;
	}
	return cycles_now() - begin;
}

/* The memory alone: lines of the table at random, asked for and read as above, with nothing to compute. */
static uint64_t read_lines(struct bench *bench)
{
	const struct mt_flow *lines[BURST];
	uint64_t begin;

	for (unsigned i = 0; i < BURST; i++)
		lines[i] = &bench->table.slots[draw(bench) >> 32 & bench->table.mask];
	begin = cycles_now();
	for (unsigned i = 0; i < BURST; i++)
		__builtin_prefetch(lines[i], 1);
	for (unsigned i = 0; i < BURST; i++)
		bench->sum += lines[i]->fingerprint;
	return cycles_now() - begin;
}

static uint64_t find_none(struct bench *bench)
{
	uint64_t begin = cycles_now();

	for (unsigned i = 0; i < BURST; i++)
		bench->sum += mt_flow_find(&bench->table, bench->fingerprints[i]) != NULL;
	return cycles_now() - begin;
}

/* A first payload: no flow yet, what the handshake left behind, a new entry. */
static uint64_t insert(struct bench *bench)
{
	uint64_t begin = cycles_now();

	for (unsigned i = 0; i < BURST; i++) {
		struct mt_flow_syn syn;
		struct mt_flow *flow;

		if (mt_flow_find(&bench->table, bench->fingerprints[i]) != NULL)
			errx(1, "a flow is there already: no figures");
		bench->sum += mt_flow_syn_take(&bench->syns, bench->fingerprints[i], &syn);
		flow = mt_flow_insert(&bench->table, bench->fingerprints[i]);
		if (flow == NULL)
			errx(1, "the table is full: no figures");
		flow->last_seen_ns = begin;
	}
	return cycles_now() - begin;
}

static uint64_t remove_all(struct bench *bench)
{
	uint64_t begin = cycles_now();

	for (unsigned i = 0; i < BURST; i++)
		mt_flow_remove(&bench->table, mt_flow_find(&bench->table, bench->fingerprints[i]));
	return cycles_now() - begin;
}

/* A handshake's first or second packet. */
static uint64_t note_syn(struct bench *bench, unsigned side)
{
	uint64_t begin = cycles_now();

	for (unsigned i = 0; i < BURST; i++) {
		mt_flow_syn_note(&bench->syns, bench->fingerprints[i], side, i, side == 0, begin);
		if (side == 0)
			mt_flow_syn_note_ack(&bench->syns, bench->fingerprints[i], side, i);
	}
	return cycles_now() - begin;
}

/* ---- Figures ---- */

static void note(struct bursts *bursts, uint64_t cycles)
{
	if (bursts->count == bursts->room) {
		bursts->room = bursts->room * 2 + 1024;
		bursts->cycles = reallocarray(bursts->cycles, bursts->room, sizeof(*bursts->cycles));
		if (bursts->cycles == NULL)
			errx(1, "no memory");
	}
	bursts->cycles[bursts->count++] = cycles < UINT32_MAX ? (uint32_t)cycles : UINT32_MAX;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Result  cycles a packet; what was noted is given back */
static double average(struct bursts *bursts)
{
	size_t kept = (bursts->count * KEPT_PERCENT + 99) / 100;
	double sum = 0;

	qsort(bursts->cycles, bursts->count, sizeof(*bursts->cycles), compare);
	for (size_t i = 0; i < kept; i++)
		sum += bursts->cycles[i];
	free(bursts->cycles);
	*bursts = (struct bursts){0};
	return kept == 0 ? 0 : sum / (double)(kept * BURST);
}

/* Which flow the next packet belongs to. Zipf with exponent 1, by the inverse of the harmonic numbers'
 * logarithm: the flow of rank r comes with log((r + 1) / r) / log(n + 1). */
static uint32_t choose(struct bench *bench, bool is_zipf)
{
	uint64_t drawn = draw(bench);

	if (!is_zipf)
		return (uint32_t)((drawn >> 32) * bench->flows >> 32);
	return (uint32_t)exp((double)(drawn >> 11) * 0x1p-53 * log(bench->flows + 1.0)) - 1;
}

/* With the prefetches here and there, in turn. */
static void look_up(struct bench *bench, struct bursts *figures, bool is_zipf, uint64_t packets)
{
	uint32_t oldest = bench->next - bench->flows;

	for (uint64_t n = 0; n < packets / BURST; n++) {
		for (unsigned i = 0; i < BURST; i++)
			receive(bench, i, oldest + choose(bench, is_zipf));
		note(&figures[n % 2 == 0 ? PREPARE : PREPARE_APART],
		     n % 2 == 0 ? prepare(bench) : prepare_apart(bench));
		note(&figures[n % 2 == 0 ? FIND : FIND_APART], find(bench));
	}
}

static void look_up_strangers(struct bench *bench, struct bursts *figures, uint64_t packets)
{
	for (uint64_t n = 0; n < packets; n += BURST) {
		for (unsigned i = 0; i < BURST; i++)
			receive(bench, i, 0x40000000 | (uint32_t)draw(bench) >> 2);
		prepare(bench);
		note(&figures[FIND_NONE], find_none(bench));
		note(&figures[MEMORY], read_lines(bench));
	}
}

static void receive_next(struct bench *bench, uint32_t first)
{
	for (unsigned i = 0; i < BURST; i++)
		receive(bench, i, first + i);
}

static void fill(struct bench *bench, struct bursts *figures)
{
	for (uint32_t i = 0; i < bench->flows; i += BURST) {
		uint64_t cycles;

		receive_next(bench, bench->next);
		cycles = prepare(bench);
		note(&figures[FILL], cycles + insert(bench));
		bench->next += BURST;
	}
}

/* Result  cycles of the burst, preparation included */
static uint64_t shake(struct bench *bench, uint32_t first, unsigned side)
{
	uint64_t cycles;

	receive_next(bench, first);
	cycles = prepare(bench);
	return cycles + note_syn(bench, side);
}

/* The table stays as full as it is: the oldest go, new ones come, with a handshake each. So many others come
 * between the packets of one flow as a fraction of a second brings, and what a packet needs is cold again. */
static void turn_over(struct bench *bench, struct bursts *figures, uint64_t flows)
{
	uint32_t apart = bench->flows / 4 < APART_MOST ? bench->flows / 4 / BURST * BURST : APART_MOST;

	for (uint32_t i = 0; i < 2 * apart; i += BURST) {
		shake(bench, bench->next + i, 1);
		if (i < apart)
			shake(bench, bench->next + i, 0);
	}
	for (uint64_t n = 0; n < flows; n += BURST) {
		uint64_t cycles;

		receive_next(bench, bench->next - bench->flows);
		cycles = prepare(bench);
		note(&figures[REMOVAL], cycles + remove_all(bench));
		note(&figures[SYN], shake(bench, bench->next + 2 * apart, 1));
		note(&figures[SYN_ACK], shake(bench, bench->next + apart, 0));
		receive_next(bench, bench->next);
		cycles = prepare(bench);
		note(&figures[SET_UP], cycles + insert(bench));
		bench->next += BURST;
	}
}

static double find_tsc_hz(void)
{
	const struct timespec while_ = {.tv_nsec = 50 * MT_NS_PER_MS};
	struct timespec begin, end;
	uint64_t cycles;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	cycles = __rdtsc();
	nanosleep(&while_, NULL);
	cycles = __rdtsc() - cycles;
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (double)cycles /
	       ((double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
}

static void open_bench(struct bench *bench, uint32_t flows, const struct crafted *crafted, bool is_small)
{
	*bench = (struct bench){.crafted = crafted, .flows = flows, .random = 0x9e3779b97f4a7c15};
	mt_flow_secret_init(&bench->secret, 0x243f6a8885a308d3, 0x13198a2e03707344);
	bench->bytes = whole_pages(mt_flow_table_bytes(flows));
	bench->syn_bytes = whole_pages(mt_flow_syn_cache_bytes(flows));
	bench->syn_memory = map(bench->syn_bytes, is_small, &bench->pages);
	bench->memory = map(bench->bytes, is_small, &bench->pages);
	mt_flow_table_init(&bench->table, bench->memory, flows);
	mt_flow_syn_cache_init(&bench->syns, bench->syn_memory, flows);
}

static void print_figures(struct bursts *figures, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		printf("%s\"%s\": %.2f", i == 0 ? "" : ", ", figure_names[i], average(&figures[i]));
}

static void run_flows(uint32_t flows, bool is_zipf, bool is_small, uint64_t packets)
{
	static struct bench bench;
	struct bursts figures[FIGURE_COUNT] = {0};

	open_bench(&bench, flows, NULL, is_small);
	fill(&bench, figures);
	look_up(&bench, figures, is_zipf, packets / 8);
	for (unsigned i = 0; i < FILL; i++)
		figures[i].count = 0; /* that was to warm up */
	look_up(&bench, figures, is_zipf, packets);
	look_up_strangers(&bench, figures, packets / 4);
	turn_over(&bench, figures, packets / 4);
	printf(
	    "{\"flows\": %u, \"packets\": %llu, \"table_bytes\": %zu, \"pages\": \"%s\", \"hash\": \"%s\", "
	    "\"tsc_hz\": %.0f, ",
	    flows, (unsigned long long)packets, mt_flow_table_bytes(flows), bench.pages,
	    bench.secret.has_aes ? "AES" : "SipHash", find_tsc_hz());
	print_figures(figures, FIGURE_COUNT);
	printf(", \"sum\": %llu}\n", (unsigned long long)bench.sum);
}

/* A slice of each, again and again: what the machine does meanwhile falls on all. */
static void run_crafted(uint64_t packets)
{
	static const char *const names[] = {"crc32c", "toeplitz", "both", "random"};
	static struct bench bench[CRAFTED_COUNT_OF_HASHES];
	static struct bursts figures[CRAFTED_COUNT_OF_HASHES][FIGURE_COUNT];
	unsigned slices = 8;

	for (unsigned i = 0; i < CRAFTED_COUNT_OF_HASHES; i++) {
		struct crafted *crafted = crafted_create(i);

		if (crafted == NULL)
			errx(1, "no tuples collide under %s", names[i]);
		open_bench(&bench[i], CRAFTED_COUNT, i == CRAFTED_RANDOM ? NULL : crafted, false);
		fill(&bench[i], figures[i]);
	}
	for (unsigned slice = 0; slice < slices; slice++)
		for (unsigned i = 0; i < CRAFTED_COUNT_OF_HASHES; i++)
			look_up(&bench[i], figures[i], false, packets / slices);
	printf("{\"flows\": %u, \"packets\": %llu, \"pages\": \"%s\", \"tsc_hz\": %.0f", CRAFTED_COUNT,
	       (unsigned long long)packets, bench[0].pages, find_tsc_hz());
	for (unsigned i = 0; i < CRAFTED_COUNT_OF_HASHES; i++) {
		printf(", \"%s\": {", names[i]);
		print_figures(figures[i], FILL + 1);
		printf("}");
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	bool is_crafted = argc == 3 && strcmp(argv[1], "crafted") == 0;
	bool is_zipf = argc == 4 && strcmp(argv[2], "zipf") == 0;
	bool is_small = argc == 4 && strcmp(argv[2], "small") == 0;
	/* Whole bursts. */
	uint64_t packets = argc < 3 ? 0 : strtoull(argv[argc - 1], NULL, 10) / (8 * BURST) * (8 * BURST);
	uint64_t flows = argc == 4 ? strtoull(argv[1], NULL, 10) / BURST * BURST : 0;
	bool is_table = flows > 0 && flows <= MT_FLOW_FLOWS_MAX &&
			(is_zipf || is_small || strcmp(argv[2], "uniform") == 0);

	if (packets == 0 || (!is_crafted && !is_table))
		errx(2, "usage: flows FLOWS uniform|zipf|small PACKETS, or flows crafted PACKETS; packets in "
			"256s, "
			"flows in 32s");
	if (is_crafted)
		run_crafted(packets);
	else
		run_flows((uint32_t)flows, is_zipf, is_small, packets);
	return 0;
}
