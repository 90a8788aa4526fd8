/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * memory BANNERS FLOWS KIND PACKETS - [CAPTURE...]: what an engine and the records parked for it keep in
 * memory.
 *
 * Traffic of a kind (kinds.c) goes through an engine with room for so many flows, and its reports to what the
 * control thread parks them in, until so many packets have come and, where the kind opens them one by one, as
 * many flows are open. Nothing ends. Prints one JSON object: bytes resident and in huge pages, more than
 * before the engine was there, those of the parked records apart.
 */
#include "generator.h"

#include <err.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../app/mailtap/parked.h"
#include "setting.h"

#define ROOM_LEAST 65536 /* flows */

struct bench {
	struct mt_engine *engine;
	struct mt_parked *parked;
	uint64_t sessions;     /* reported, parked or whole */
	uint64_t parked_count; /* put there, taken out again or not */
	uint64_t parked_bytes; /* of them: of the reports alone */
	uint64_t parked_now;   /* still there */
	uint64_t refused;      /* for which there was no room */
	uint64_t now_ns;
};

/* Bytes of this process: of small and of huge pages. */
static uint64_t bytes_now(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[128];
	uint64_t sum = 0;
	unsigned long long kib;

	if (status == NULL)
		err(1, "/proc/self/status");
	while (fgets(line, sizeof(line), status) != NULL)
		if (sscanf(line, "VmRSS: %llu kB", &kib) == 1 ||
		    sscanf(line, "HugetlbPages: %llu kB", &kib) == 1)
			sum += kib * 1024;
	fclose(status);
	return sum;
}

/* Bytes that malloc() has given out, with its own words. */
static uint64_t heap_now(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* As the control thread does it. */
static bool take_report(void *context, const struct mt_report *report)
{
	struct bench *bench = context;

	if (report->part_bytes > 0)
		return true;
	bench->sessions += report->has_facts;
	if (report->has_facts && !report->has_end && report->handle != UINT32_MAX) {
		bool is_parked = mt_parked_put(bench->parked, 0, report);

		bench->parked_count += is_parked;
		bench->parked_now += is_parked;
		bench->parked_bytes += is_parked ? mt_report_bytes(report) : 0;
		bench->refused += !is_parked;
	} else if (!report->has_facts && report->has_end) {
		struct mt_report *whole = mt_parked_take(bench->parked, 0, report->handle);

		bench->parked_now -= whole != NULL;
		free(whole);
	}
	return true;
}

static void take_frame(void *context, const uint8_t *bytes, uint32_t len)
{
	struct bench *bench = context;
	struct mt_engine_packet packet;

	bench->now_ns += 1000;
	if (mt_packet_decode(MT_PACKET_LINK_ETHERNET, mt_span(bytes, len), &packet.packet) !=
	    MT_VERDICT_DIALOGUE)
		return;
	packet.time_ns = bench->now_ns;
	mt_engine_prepare(bench->engine, &packet);
	mt_engine_packet(bench->engine, &packet);
}

/* Kinds that open their flows before anything else. */
static bool opens_first(const struct kind *kind)
{
	return strcmp(kind->name, "decided") == 0;
}

static void send_traffic(struct traffic *traffic, const struct kind *kind, uint32_t flows)
{
	if (kind->begin != NULL)
		kind->begin(traffic);
	while (traffic->packets < traffic->wanted || (opens_first(kind) && traffic->next_tuple < flows))
		kind->send(traffic);
}

int main(int argc, char **argv)
{
	static struct setting setting;
	struct bench bench = {.now_ns = MT_NS_PER_SECOND};
	struct traffic traffic = {.write = take_frame, .context = &bench, .random = 0x9e3779b97f4a7c15};
	struct mt_engine_config config;
	const struct kind *kind;
	uint64_t bytes, heap;
	const char *target;
	uint32_t room;

	if (argc < 2)
		errx(2, "usage: memory BANNERS --tuples FLOWS KIND PACKETS - [CAPTURE...]");
	kind = traffic_read_options(&traffic, argc - 1, argv + 1, &target);
	if (traffic.tuples == 0)
		errx(2, "how many flows?");
	setting_open(&setting, argv[1]);
	/* What is captured has several connections a copy, and those that ended are remembered for a while.
	 */
	room = opens_first(kind) || traffic.tuples > ROOM_LEAST ? traffic.tuples : ROOM_LEAST;
	config = setting_config(&setting, room);
	config.emit = take_report;
	config.emit_context = &bench;
	bytes = bytes_now();
	heap = heap_now();
	bench.parked = mt_parked_create(1, SIZE_MAX);
	if (bench.parked == NULL || mt_engine_create(&bench.engine, &config) != 0)
		errx(1, "no memory");
	send_traffic(&traffic, kind, traffic.tuples);
	bytes = bytes_now() - bytes;
	heap = heap_now() - heap;
	printf("{\"kind\": \"%s\", \"room\": %u, \"flows\": %u, \"packets\": %llu, \"sessions\": %llu, "
	       "\"bytes\": %llu, "
	       "\"heap_bytes\": %llu, \"parked\": %llu, \"parked_now\": %llu, \"parked_report_bytes\": %llu, "
	       "\"refused\": %llu}\n",
	       kind->name, room, mt_engine_flows(bench.engine), (unsigned long long)traffic.packets,
	       (unsigned long long)bench.sessions, (unsigned long long)bytes, (unsigned long long)heap,
	       (unsigned long long)bench.parked_count, (unsigned long long)bench.parked_now,
	       (unsigned long long)bench.parked_bytes, (unsigned long long)bench.refused);
	mt_engine_destroy(bench.engine);
	mt_parked_destroy(bench.parked);
	return 0;
}
