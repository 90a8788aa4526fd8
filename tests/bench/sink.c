/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * sink EAL-OPTIONS -- BYTES: receives in bursts of 32, reads so many bytes of every frame, and frees it.
 *
 * What a packet costs that is touched and no more: the baseline where frames come from another core. Each
 * line on standard input is answered with packets received, TSC cycles of the polls that brought any, and all
 * cycles; its end ends the program.
 */
#include <err.h>
#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_prefetch.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BURST	    32
#define DESCRIPTORS 1024
#define MBUFS	    8191

/** Written by the polling thread alone, read by the other. */
struct sink {
	uint32_t bytes;
	_Atomic bool is_stopped;
	_Atomic uint64_t packets, busy, all, read; /* relaxed: figures of one poll more or less */
};

static uint64_t read_bytes(const struct rte_mbuf *mbuf, uint32_t bytes)
{
	const uint64_t *words = rte_pktmbuf_mtod(mbuf, const uint64_t *);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < bytes / sizeof(*words); i++)
		sum += words[i];
	return sum;
}

/* Each pass brings closer what the next one needs: all the misses of a burst are under way at once. */
static uint64_t touch(struct rte_mbuf **mbufs, uint16_t count, uint32_t bytes)
{
	uint64_t sum = 0;

	for (uint16_t i = 0; i < count; i++)
		rte_prefetch0(mbufs[i]);
	for (uint16_t i = 0; i < count; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (uint16_t i = 0; i < count; i++)
		sum += read_bytes(mbufs[i], bytes);
	return sum;
}

static uint16_t poll_once(struct sink *sink)
{
	struct rte_mbuf *mbufs[BURST];
	uint16_t n = rte_eth_rx_burst(0, 0, mbufs, BURST);

	if (sink->bytes > 0)
		atomic_store_explicit(&sink->read, touch(mbufs, n, sink->bytes), memory_order_relaxed);
	rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}

static void add(_Atomic uint64_t *to, uint64_t amount)
{
	atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + amount,
			      memory_order_relaxed);
}

/*
 * As mailtap rests on a port of memory (clock.c): who asks without a pause disturbs who fills the ring, and
 * finds every burst where it has just been written, in the other core's first cache.
 */
static void rest(unsigned idle_polls)
{
	const struct timespec nap = {.tv_nsec = 50000};

	if (idle_polls < 64)
		rte_pause();
	else if (idle_polls < 512)
		sched_yield();
	else
		nanosleep(&nap, NULL);
}

static int receive(void *context)
{
	struct sink *sink = context;
	uint64_t before = rte_rdtsc();
	unsigned idle_polls = 0;

	while (!atomic_load_explicit(&sink->is_stopped, memory_order_relaxed)) {
		uint16_t n = poll_once(sink);
		uint64_t now;

		idle_polls = n > 0 ? 0 : idle_polls + 1;
		if (n == 0)
			rest(idle_polls);
		now = rte_rdtsc();
		add(&sink->packets, n);
		add(&sink->busy, n > 0 ? now - before : 0);
		add(&sink->all, now - before);
		before = now;
	}
	return 0;
}

static void open_port(void)
{
	struct rte_eth_conf conf = {0};
	struct rte_mempool *pool =
	    rte_pktmbuf_pool_create("packets", MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

	if (pool == NULL || rte_eth_dev_count_avail() != 1 || rte_eth_dev_configure(0, 1, 0, &conf) != 0 ||
	    rte_eth_rx_queue_setup(0, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL, pool) != 0 ||
	    rte_eth_dev_start(0) != 0)
		errx(2, "one port is needed that can be opened: %s", rte_strerror(rte_errno));
}

int main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);
	static struct sink sink;

	if (used < 0 || argc - used != 2 || rte_lcore_count() != 2)
		errx(2, "usage: sink EAL-OPTIONS -- BYTES, on two lcores");
	sink.bytes = (uint32_t)strtoul(argv[used + 1], NULL, 10);
	open_port();
	rte_eal_mp_remote_launch(receive, &sink, SKIP_MAIN);
	for (int c; (c = getchar()) != EOF;)
		if (c == '\n') {
			printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", sink.packets, sink.busy, sink.all);
			fflush(stdout);
		}
	sink.is_stopped = true;
	rte_eal_mp_wait_lcore();
	rte_eal_cleanup();
	return 0;
}
