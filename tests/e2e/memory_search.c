/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Preloaded into mailtap by secrets_test.py: searches the process's whole memory for secrets at the end of a
 * run.
 *
 * A search from inside needs no debugger, sees the same memory as a core image, and knows exactly which bytes
 * are not mailtap's to wipe. Three kinds of memory may hold packets as they came, each told by its address:
 *   buffer    the mbufs: the chunks of every mempool that was made as a packet pool
 *   handed    what libpcap handed out: pcap_next() and pcap_next_ex() are watched for address and length
 *   file      the stdio buffers of files that libpcap reads: they get a buffer of ours
 * An occurrence anywhere else, in memory that was freed as well, is a copy: a line "copy ..." in the report.
 * Only pages that are in memory are read. The search runs when the workers have ended
 * (rte_eal_mp_wait_lcore), while everything is still held, and once more when the process exits.
 *
 * So that the search finds no secret of its own, every pattern is kept with each byte xored, in files as
 * well. MEMORY_SEARCH_FOR    file: one pattern a line, xored with MASK, hexadecimal MEMORY_SEARCH_TO file:
 * gets the report MEMORY_SEARCH_PLANT  "heap" or "eal": copy the first pattern there in clear, so that the
 * search must fail
 */
/* Else fopen() would be compiled as fopen64(), and libpcap's calls would pass it by. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pcap/pcap.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#define MASK	     0x55
#define PATTERNS_MAX 1024
#define RANGES_MAX   4096
#define FILES_MAX    8

enum kind { BUFFER, HANDED, KIND_COUNT };
static const char *const kind_names[KIND_COUNT] = {"buffer", "handed"};

struct range {
	enum kind kind;
	const uint8_t *start;
	size_t len;
};

struct pattern {
	uint8_t masked[256];
	size_t len;
};

static struct pattern patterns[PATTERNS_MAX];
static size_t pattern_count;
static uint8_t begins[65536 / 8]; /* a bit for each pair of masked bytes that some pattern begins with */
static struct range ranges[RANGES_MAX];
static size_t range_count;
static uint8_t file_buffers[FILES_MAX][BUFSIZ]; /* one for each file that libpcap reads */
static size_t file_count;
static FILE *report;
static bool is_planted;

static void *find(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* A range that grows: libpcap hands out the same buffer again and again. */
static void add_range(enum kind kind, const void *start, size_t len)
{
	for (size_t i = 0; i < range_count; i++) {
		if (ranges[i].kind == kind && ranges[i].start == start) {
			if (len > ranges[i].len)
				ranges[i].len = len;
			return;
		}
	}
	if (range_count == RANGES_MAX)
		fprintf(report, "copy: more than %d ranges, the search cannot tell\n", RANGES_MAX);
	else
		ranges[range_count++] = (struct range){kind, start, len};
}

static void add_chunk(struct rte_mempool *pool, void *unused, struct rte_mempool_memhdr *chunk,
		      unsigned index)
{
	(void)pool, (void)unused, (void)index;
	add_range(BUFFER, chunk->addr, chunk->len);
}

/* A packet pool is told from any other by its private data: rte_pktmbuf_pool_create() alone puts some there.
 */
static void add_pool(struct rte_mempool *pool, void *unused)
{
	uint32_t (*iterate)(struct rte_mempool *, rte_mempool_mem_cb_t *, void *) =
	    find("rte_mempool_mem_iter");

	(void)unused;
	if (pool->private_data_size >= sizeof(struct rte_pktmbuf_pool_private) && iterate)
		iterate(pool, add_chunk, NULL);
}

static bool is_at(const struct pattern *pattern, const uint8_t *at, const uint8_t *end)
{
	if ((size_t)(end - at) < pattern->len)
		return false;
	for (size_t i = 0; i < pattern->len; i++) {
		if ((at[i] ^ MASK) != pattern->masked[i])
			return false;
	}
	return true;
}

static bool is_in_file_buffer(const uint8_t *at)
{
	return at >= file_buffers[0] && at < file_buffers[0] + sizeof(file_buffers);
}

/* The kind of packet memory that holds the byte; KIND_COUNT for none. */
static enum kind kind_of(const uint8_t *at)
{
	for (size_t i = 0; i < range_count; i++) {
		if (at >= ranges[i].start && at < ranges[i].start + ranges[i].len)
			return ranges[i].kind;
	}
	return KIND_COUNT;
}

static void search_pages(const uint8_t *start, const uint8_t *end, const char *mapping, size_t *found)
{
	for (const uint8_t *at = start; at + 1 < end; at++) {
		unsigned pair = (unsigned)(at[0] ^ MASK) << 8 | (at[1] ^ MASK);

		if (!(begins[pair / 8] & 1 << pair % 8))
			continue;
		for (size_t i = 0; i < pattern_count; i++) {
			if (!is_at(&patterns[i], at, end))
				continue;
			if (is_in_file_buffer(at))
				continue;
			enum kind kind = kind_of(at);

			if (kind == KIND_COUNT)
				fprintf(report, "copy: pattern %zu at %p in %s\n", i, (const void *)at,
					mapping);
			else
				found[kind]++;
		}
	}
}

/* Search the pages of a mapping that are in memory; neighbours together, a secret may lie across. */
static size_t search_mapping(uint8_t *start, uint8_t *end, const char *mapping, size_t *found)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (size_t)(end - start) / page, searched = 0;
	unsigned char *is_resident =
	    mmap(NULL, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (is_resident == MAP_FAILED)
		return 0;
	if (mincore(start, (size_t)(end - start), is_resident))
		memset(is_resident, 1, pages);
	for (size_t first = 0, last; first < pages; first = last + 1) {
		for (last = first; last < pages && is_resident[last] & 1; last++)
			;
		search_pages(start + first * page, start + last * page, mapping, found);
		searched += (last - first) * page;
	}
	munmap(is_resident, pages);
	return searched;
}

/* The kernel's list of mappings, whole, before the search itself changes it. */
static char *read_maps(void)
{
	static char text[1 << 20];
	int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got;

	while (file >= 0 && used < sizeof(text) - 1 &&
	       (got = read(file, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)got;
	if (file >= 0)
		close(file);
	text[used] = '\0';
	return text;
}

/* has_pools: EAL's memory is there. */
static void search(const char *when, bool has_pools)
{
	void (*walk)(void (*)(struct rte_mempool *, void *), void *) = find("rte_mempool_walk");
	size_t found[KIND_COUNT] = {0}, searched = 0;
	char *rest = read_maps(), *line;

	if (has_pools && walk)
		walk(add_pool, NULL);
	while ((line = strsep(&rest, "\n")) && *line) {
		char *middle, *tail;
		uint8_t *start = (uint8_t *)strtoul(line, &middle, 16),
			*end = (uint8_t *)strtoul(middle + 1, &tail, 16);

		if (tail[1] == 'r' && !strstr(tail, "[v"))
			searched += search_mapping(start, end, tail + 1, found);
	}
	fprintf(report, "searched at %s: %zu bytes", when, searched);
	for (int kind = 0; kind < KIND_COUNT; kind++)
		fprintf(report, ", %s %zu", kind_names[kind], found[kind]);
	fprintf(report, "\n");
	fflush(report);
}

static void plant(void)
{
	const char *where = getenv("MEMORY_SEARCH_PLANT");
	void *(*eal)(const char *, size_t, unsigned) = find("rte_malloc");
	const struct pattern *first = &patterns[0];

	if (!where || is_planted || !pattern_count)
		return;
	uint8_t *copy = !strcmp(where, "eal") && eal ? eal("planted", first->len, 0) : malloc(first->len);

	is_planted = copy != NULL; /* EAL has none before it runs: then at a later packet */

	for (size_t i = 0; copy && i < first->len; i++)
		((volatile uint8_t *)copy)[i] = first->masked[i] ^ MASK;
}

static void handed_out(const u_char *data, const struct pcap_pkthdr *header)
{
	plant();
	if (data && report)
		add_range(HANDED, data, header->caplen);
}

const u_char *pcap_next(pcap_t *capture, struct pcap_pkthdr *header)
{
	const u_char *(*next)(pcap_t *, struct pcap_pkthdr *) = find("pcap_next");
	const u_char *data = next(capture, header);

	handed_out(data, header);
	return data;
}

int pcap_next_ex(pcap_t *capture, struct pcap_pkthdr **header, const u_char **data)
{
	int (*next)(pcap_t *, struct pcap_pkthdr **, const u_char **) = find("pcap_next_ex");
	int result = next(capture, header, data);

	if (result == 1)
		handed_out(*data, *header);
	return result;
}

/* A file that libpcap reads gets a buffer whose address is known: one that libpcap opens, and one it is
 * given. */
static void know_buffer(FILE *file)
{
	if (file && file_count < FILES_MAX)
		setvbuf(file, (char *)file_buffers[file_count++], _IOFBF, BUFSIZ);
}

FILE *fopen(const char *path, const char *mode)
{
	FILE *(*open_file)(const char *, const char *) = find("fopen");
	FILE *file = open_file(path, mode);
	Dl_info caller;

	if (dladdr(__builtin_return_address(0), &caller) && caller.dli_fname &&
	    strstr(caller.dli_fname, "libpcap"))
		know_buffer(file);
	return file;
}

pcap_t *pcap_fopen_offline(FILE *file, char *error)
{
	pcap_t *(*open_capture)(FILE *, char *) = find("pcap_fopen_offline");

	know_buffer(file);
	return open_capture(file, error);
}

void rte_eal_mp_wait_lcore(void)
{
	void (*wait)(void) = find("rte_eal_mp_wait_lcore");

	wait();
	if (report)
		search("the end of the run", true);
}

static void read_patterns(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[2 * sizeof(patterns[0].masked) + 2];

	while (file && pattern_count < PATTERNS_MAX && fgets(line, sizeof(line), file)) {
		struct pattern *pattern = &patterns[pattern_count++];
		unsigned byte;

		for (const char *at = line; sscanf(at, "%2x", &byte) == 1; at += 2)
			pattern->masked[pattern->len++] = (uint8_t)byte;
		unsigned pair = (unsigned)pattern->masked[0] << 8 | pattern->masked[1];

		begins[pair / 8] |= (uint8_t)(1 << pair % 8);
	}
	if (file)
		fclose(file);
}

__attribute__((constructor)) static void begin(void)
{
	const char *patterns_path = getenv("MEMORY_SEARCH_FOR"), *report_path = getenv("MEMORY_SEARCH_TO");

	if (!patterns_path || !report_path)
		return;
	read_patterns(patterns_path);
	report = fopen(report_path, "w");
}

__attribute__((destructor)) static void end(void)
{
	if (report)
		search("exit", false);
}
