/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * feed EAL-OPTIONS -- TRAFFIC-OPTIONS KIND PACKETS RING [CAPTURE...]: traffic into a net_ring of another
 * process.
 *
 * A secondary process of the one that receives, on a CPU of its own. Each packet is made anew and copied into
 * a buffer that the receiver gave back, so the receiver finds it where a card's would be found: not in its
 * own caches. Bursts are put into the ring whole, and nothing is dropped: a full ring is waited for. PACKETS
 * 0 goes on until SIGTERM. Standard output says `ready` once the connections that the kind wants are open,
 * and at the end what was sent.
 */
#include "generator.h"

#include <err.h>
#include <inttypes.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_ring.h>
#include <signal.h>
#include <stdio.h>

#define BURST 32
/* More bytes than any cache holds, so that a buffer comes back cold. */
#define MBUFS 32767

struct feed {
	struct rte_ring *ring;
	struct rte_mempool *pool;
	struct rte_mbuf *burst[BURST];
	unsigned filled;
	uint64_t sent;
};

static volatile sig_atomic_t is_stopped;

static void stop(int number)
{
	(void)number;
	is_stopped = 1;
}

static void refill(struct feed *feed)
{
	while (rte_pktmbuf_alloc_bulk(feed->pool, feed->burst, BURST) != 0 && !is_stopped)
		rte_pause();
	feed->filled = 0;
}

static void flush(struct feed *feed)
{
	while (rte_ring_sp_enqueue_bulk(feed->ring, (void **)feed->burst, BURST, NULL) == 0) {
		if (is_stopped)
			return;
		rte_pause();
	}
	feed->sent += BURST;
	refill(feed);
}

static void write_frame(void *context, const uint8_t *bytes, uint32_t len)
{
	struct feed *feed = context;
	struct rte_mbuf *mbuf = feed->burst[feed->filled];

	if (is_stopped)
		return;
	rte_memcpy(rte_pktmbuf_mtod(mbuf, void *), bytes, len);
	mbuf->data_len = (uint16_t)len;
	mbuf->pkt_len = len;
	if (++feed->filled == BURST)
		flush(feed);
}

static void send_until_stopped(struct traffic *traffic, const struct kind *kind)
{
	bool is_ready = false;

	if (kind->begin != NULL)
		kind->begin(traffic);
	while (!is_stopped && kind->send(traffic))
		if (!is_ready && traffic->packets > traffic->setup + BURST) {
			puts("ready");
			fflush(stdout);
			is_ready = true;
		}
}

int main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);
	struct feed feed = {0};
	struct traffic traffic = {.write = write_frame, .context = &feed};
	const struct kind *kind;
	const char *name;

	if (used < 0)
		errx(2, "EAL: %s", rte_strerror(rte_errno));
	kind = traffic_read_options(&traffic, argc - used, argv + used, &name);
	if (traffic.wanted == 0)
		traffic.wanted = UINT64_MAX;
	feed.ring = rte_ring_lookup(name);
	feed.pool = rte_pktmbuf_pool_create("feed", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (feed.ring == NULL || feed.pool == NULL)
		errx(2, "%s: %s", feed.ring == NULL ? name : "pool", rte_strerror(rte_errno));
	signal(SIGTERM, stop);
	refill(&feed);
	send_until_stopped(&traffic, kind);
	printf("{\"sent\": %" PRIu64 ", \"made\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"setup\": %" PRIu64
	       ", \"connections\": %" PRIu64 "}\n",
	       feed.sent, traffic.packets, traffic.total_bytes, traffic.setup, traffic.connections);
	fflush(stdout);
	return 0;
}
