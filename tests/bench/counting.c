/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * counting ROUNDS CAPTURE: what it costs to count, beside what is counted.
 *
 * The frames of the capture stand in memory. They are decoded and looked at as a worker does it, burst by
 * burst, once with their verdicts counted and once without, in turn. That is the way of a packet that is no
 * mail: the shortest there is, without a device, so that the share of counting is nowhere larger. The second
 * figure is a publication alone, with every cell changed and with none. Prints one JSON object; all figures
 * are medians.
 */
#include <err.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <x86intrin.h>

#include "counters.h"
#include "figures.h"
#include "identify.h"
#include "packet.h"

#define BURST	   32
#define ROUNDS_MAX 100000
#define PRODUCTS   100
#define PERIOD_NS  (600 * MT_NS_PER_SECOND)

struct bench {
	struct mt_span *frame;
	size_t frame_count;
	struct mt_identify_ports ports;
	struct mt_identify_filter filter;
	struct mt_counters_layout *layout;
	struct mt_counters_publisher *publisher;
	uint64_t *cells;
	double cycles_per_ns;
	uint64_t sum; /* of all verdicts: so that looking is not left out where nothing is counted */
};

static void read_frames(struct bench *bench, const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *bytes;
	size_t room = 0;
	pcap_t *capture = pcap_open_offline(path, error);

	if (capture == NULL)
		errx(1, "%s", error);
	while (pcap_next_ex(capture, &header, &bytes) == 1) {
		if (bench->frame_count == room) {
			room = room * 2 + 1024;
			bench->frame = reallocarray(bench->frame, room, sizeof(*bench->frame));
		}
		uint8_t *copy = malloc(header->caplen);
		if (bench->frame == NULL || copy == NULL)
			errx(1, "no memory");
		memcpy(copy, bytes, header->caplen);
		bench->frame[bench->frame_count++] = mt_span(copy, header->caplen);
	}
	pcap_close(capture);
}

static void open_counters(struct bench *bench)
{
	static char products[PRODUCTS][MT_COUNTERS_PRODUCT_SIZE], name[32];
	struct mt_counters_start start = {.name = name, .version = "bench", .workers = 1};

	snprintf(name, sizeof(name), "mailtap-bench-%d", getpid());
	for (unsigned i = 0; i < PRODUCTS; i++)
		snprintf(products[i], sizeof(products[i]), "product%u", i);
	if (mt_counters_layout_create(&bench->layout, products, PRODUCTS, 1, 1) != 0 ||
	    mt_counters_publisher_open(&bench->publisher, bench->layout, &start) != 0)
		errx(1, "no counters under %s", name);
	/* Nobody reads it; nothing is to be left of it. */
	char path[64];
	snprintf(path, sizeof(path), "/dev/shm/%s", name);
	unlink(path);
	bench->cells = mt_counters_cells_create(bench->layout);
	if (bench->cells == NULL)
		errx(1, "no memory");
}

static enum mt_verdict look(struct bench *bench, struct mt_span frame, struct mt_packet *packet)
{
	enum mt_verdict verdict = mt_packet_decode(MT_PACKET_LINK_ETHERNET, frame, packet);

	if (verdict == MT_VERDICT_DIALOGUE &&
	    mt_identify_first_look(&bench->filter, &bench->ports, packet, 0, PERIOD_NS) == MT_IDENTIFY_DROP)
		return MT_VERDICT_NOT_MAIL;
	return verdict;
}

/* Result  cycles a packet */
static inline __attribute__((always_inline)) double run(struct bench *bench, bool is_counting)
{
	uint64_t begin = __rdtsc();
	struct mt_packet packets[BURST];

	for (size_t i = 0; i < bench->frame_count; i += BURST) {
		size_t n = bench->frame_count - i < BURST ? bench->frame_count - i : BURST;

		for (size_t p = 0; p < n; p++) {
			enum mt_verdict verdict = look(bench, bench->frame[i + p], &packets[p]);

			bench->sum += verdict;
			if (is_counting)
				bench->cells[MT_CELL1(PACKETS, verdict)]++;
		}
		if (is_counting) {
			bench->cells[MT_CELL0(RECEIVED)] += n;
			bench->cells[MT_CELL1(CYCLES, MT_POLL_BUSY)] += n;
		}
	}
	return (double)(__rdtsc() - begin) / (double)bench->frame_count;
}

static __attribute__((noinline)) double run_counting(struct bench *bench)
{
	return run(bench, true);
}

static __attribute__((noinline)) double run_bare(struct bench *bench)
{
	return run(bench, false);
}

/* Result  nanoseconds of a publication */
static double publish(struct bench *bench, bool is_all_changed)
{
	struct mt_counters_block *block = mt_counters_publisher_block(bench->publisher, 0);
	uint64_t begin;

	for (uint32_t i = 0; is_all_changed && i < bench->layout->cell_count; i++)
		bench->cells[i]++;
	begin = __rdtsc();
	mt_counters_publish(block, bench->cells, begin);
	return (double)(__rdtsc() - begin) / bench->cycles_per_ns;
}

static void calibrate(struct bench *bench)
{
	const struct timespec while_ = {.tv_nsec = 100 * MT_NS_PER_MS};
	uint64_t begin_ns = now_ns(), begin = __rdtsc();

	nanosleep(&while_, NULL);
	bench->cycles_per_ns = (double)(__rdtsc() - begin) / (double)(now_ns() - begin_ns);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	static double counting[ROUNDS_MAX], bare[ROUNDS_MAX], ratio[ROUNDS_MAX], all[ROUNDS_MAX],
	    none[ROUNDS_MAX];
	unsigned rounds = argc == 3 ? (unsigned)atoi(argv[1]) : 0;
	char error[256];

	if (rounds == 0 || rounds > ROUNDS_MAX)
		errx(2, "usage: counting ROUNDS CAPTURE");
	read_frames(&bench, argv[2]);
	if (bench.frame_count == 0 || mt_identify_ports_parse(&bench.ports, NULL, error, sizeof(error)) != 0)
		errx(1, "nothing to look at");
	open_counters(&bench);
	calibrate(&bench);
	run_counting(&bench); /* warm */
	for (unsigned i = 0; i < rounds; i++) {
		/* Which goes first alternates: what the machine does meanwhile falls on both. */
		if (i % 2 == 0)
			counting[i] = run_counting(&bench);
		bare[i] = run_bare(&bench);
		if (i % 2 != 0)
			counting[i] = run_counting(&bench);
		ratio[i] = counting[i] / bare[i];
	}
	for (unsigned i = 0; i < rounds; i++) {
		all[i] = publish(&bench, true);
		none[i] = publish(&bench, false);
	}
	printf("{\"frames\": %zu, \"cells\": %u, \"counting_cycles\": %.2f, \"bare_cycles\": %.2f, "
	       "\"ratio\": %.4f, \"publish_all_ns\": %.0f, \"publish_none_ns\": %.0f, \"sum\": %llu}\n",
	       bench.frame_count, bench.layout->cell_count, median(counting, rounds), median(bare, rounds),
	       median(ratio, rounds), median(all, rounds), median(none, rounds),
	       (unsigned long long)bench.sum);
	mt_counters_publisher_close(bench.publisher);
	mt_counters_layout_destroy(bench.layout);
	return 0;
}
