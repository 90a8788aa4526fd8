/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* The captures of the project through the engine: whole, in small pieces, and damaged by seeds. */
#include "unit.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>

#include "../captures/link.h"
#include "session_run.h"

#define STRESS_FLOWS	64
#define STRESS_ROUNDS	100
#define STRESS_SECONDS	4
#define FRAMES_MAX	1024
#define FILE_BYTES_MAX	(64 * 1024) /* a longer capture is mostly one body */
#define PIECE_BYTES_MAX 65536

/** Reports of a run, held together. */
static struct {
	unsigned facts, whole, parked, ended;
	unsigned certificate_bytes; /* of the parts since the last report */
	bool is_parked[STRESS_FLOWS];
} tally;

static struct mt_span secret_words[32];
static unsigned secret_count;

static void assert_no_secret(const void *bytes, size_t len)
{
	for (unsigned i = 0; i < secret_count; i++)
		if (memmem(bytes, len, secret_words[i].data, secret_words[i].len) != NULL)
			fail_msg("a secret is left: %.*s", (int)secret_words[i].len,
				 (const char *)secret_words[i].data);
}

static bool tally_up(void *context, const struct mt_report *report)
{
	(void)context;
	if (report->part_bytes > 0) {
		assert_int_equal(report->part_at, report->part_at == 0 ? 0 : tally.certificate_bytes);
		tally.certificate_bytes = report->part_at + report->part_bytes;
		return true;
	}
	if (report->has_facts) {
		assert_int_equal(report->certificate_bytes, tally.certificate_bytes);
		tally.certificate_bytes = 0;
		tally.facts++;
		assert_no_secret(report->facts.text, report->facts.text_len);
		assert_true(report->facts.protocol < MT_PROTOCOL_COUNT);
	}
	if (report->has_facts && report->has_end) {
		tally.whole++;
		assert_int_equal(report->handle, HANDLE_NONE);
		return true;
	}
	assert_true(report->handle < STRESS_FLOWS);
	assert_int_equal(tally.is_parked[report->handle], report->has_end);
	tally.is_parked[report->handle] = !report->has_end;
	tally.parked += report->has_facts;
	tally.ended += report->has_end;
	return true;
}

/** A packet of a capture; payload is its own memory, exactly as long as it is. */
struct frame {
	struct mt_packet packet;
	uint64_t time_ns;
};

static struct frame frames[FRAMES_MAX];
static unsigned frame_count;

static struct mt_span copy_of(struct mt_span bytes)
{
	uint8_t *copy = malloc(bytes.len + (bytes.len == 0));

	assert_non_null(copy);
	if (bytes.len > 0)
		memcpy(copy, bytes.data, bytes.len);
	return mt_span(copy, bytes.len);
}

/* Result  bytes of payload in the file. */
static size_t load(const char *path)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	size_t total = 0;

	assert_non_null(pcap);
	for (frame_count = 0; frame_count < FRAMES_MAX && pcap_next_ex(pcap, &header, &bytes) == 1;) {
		struct frame *frame = &frames[frame_count];

		if (mt_packet_decode(link_of(pcap), mt_span(bytes, header->caplen), &frame->packet) !=
		    MT_VERDICT_DIALOGUE)
			continue;
		frame->packet.payload = copy_of(frame->packet.payload);
		frame->time_ns = (uint64_t)header->ts.tv_sec * SECOND + (uint64_t)header->ts.tv_usec;
		total += frame->packet.payload.len;
		frame_count++;
	}
	pcap_close(pcap);
	return total;
}

static void unload(void)
{
	for (unsigned i = 0; i < frame_count; i++)
		free((void *)frames[i].packet.payload.data);
}

static uint64_t given_bytes;

static void offer(struct frame frame)
{
	struct mt_engine_packet packet = {.packet = frame.packet, .time_ns = frame.time_ns};
	enum mt_verdict verdict;

	packet.packet.payload = copy_of(frame.packet.payload);
	verdict = put(packet);
	assert_non_null(mt_verdict_name(verdict));
	if (verdict == MT_VERDICT_DIALOGUE)
		given_bytes += packet.packet.payload.len;
	free((void *)packet.packet.payload.data);
}

static void begin_run(void)
{
	memset(&tally, 0, sizeof(tally));
	given_bytes = 0;
	receiver = tally_up;
	create(STRESS_FLOWS, 32);
}

static void end_run(void)
{
	mt_engine_finish(engine, frames[frame_count - 1].time_ns);
	assert_clean();
	assert_int_equal(engine->handle_count, STRESS_FLOWS);
	assert_int_equal(tally.parked, tally.ended);
	assert_int_equal(tally.facts, tally.whole + tally.parked);
	assert_int_equal(cells[MT_CELL0(RECORDS_MADE)], tally.facts);
	assert_int_equal(cells[MT_CELL0(SESSIONS_OPENED)], tally.facts);
	assert_true(cells[MT_CELL0(STREAM_DELIVERED)] + cells[MT_CELL0(STREAM_REPEATED)] +
			cells[MT_CELL0(STREAM_REFUSED)] <=
		    given_bytes);
	mt_engine_destroy(engine);
	engine = NULL;
}

/* In pieces of so many bytes; no session ever holds a secret outside of held segments. */
static void run_whole(size_t piece_bytes)
{
	begin_run();
	for (unsigned i = 0; i < frame_count; i++) {
		struct frame frame = frames[i];
		struct mt_span rest = frame.packet.payload;

		do {
			frame.packet.payload = mt_span_first(rest, piece_bytes);
			frame.packet.payload_wire_len = (uint32_t)frame.packet.payload.len;
			rest = mt_span_after(rest, piece_bytes);
			if (rest.len > 0)
				frame.packet.tcp_flags &= (uint8_t)~MT_TCP_FIN;
			else
				frame.packet.tcp_flags = frames[i].packet.tcp_flags;
			offer(frame);
			frame.packet.seq += (uint32_t)piece_bytes;
		} while (rest.len > 0);
		for (uint32_t s = 0; s < engine->sessions.untouched; s++)
			assert_no_secret(mt_pool_at(&engine->sessions, s), engine->sessions.piece_bytes);
	}
	end_run();
}

static uint32_t draw(uint64_t *seed, uint32_t below)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 33) % below;
}

/* One packet, damaged or not, once, twice or in two. */
static void offer_damaged(struct frame frame, uint64_t *seed)
{
	struct mt_packet *packet = &frame.packet;
	struct mt_span payload = copy_of(packet->payload);
	uint32_t kind = draw(seed, 24), at = payload.len > 0 ? draw(seed, (uint32_t)payload.len) : 0;

	packet->payload = payload;
	if (kind == 0 && payload.len > 0)
		((uint8_t *)payload.data)[at] ^= (uint8_t)(1u << draw(seed, 8));
	else if (kind == 1)
		packet->ack += draw(seed, 2000) - 1000;
	else if (kind == 2)
		packet->seq += draw(seed, 40) - 20;
	else if (kind == 3)
		packet->tcp_flags ^= (uint8_t)(1u << draw(seed, 5));
	else if (kind == 4)
		frame.time_ns += draw(seed, 4000) * SECOND;
	if (kind == 5) {
		packet->is_truncated = true;
		packet->payload = mt_span_first(payload, at);
	}
	if (kind == 6 && at > 0) {
		struct frame second = frame;

		packet->payload = mt_span_first(payload, at);
		packet->payload_wire_len = at;
		second.packet.payload = mt_span_after(payload, at);
		second.packet.payload_wire_len = (uint32_t)second.packet.payload.len;
		second.packet.seq += at;
		if (draw(seed, 2) == 0)
			offer(second);
		offer(frame);
		frame = second;
	}
	if (kind != 7)
		offer(frame);
	if (kind == 8)
		offer(frame);
	free((void *)payload.data);
}

static void run_damaged(uint64_t seed)
{
	int late = -1;

	begin_run();
	for (unsigned i = 0; i < frame_count; i++) {
		if (late < 0 && draw(&seed, 12) == 0) {
			late = (int)i;
			continue;
		}
		offer_damaged(frames[i], &seed);
		if (late >= 0 && draw(&seed, 3) == 0) {
			offer_damaged(frames[late], &seed);
			late = -1;
		}
		if (draw(&seed, 16) == 0)
			mt_engine_sweep(engine, 20, frames[i].time_ns);
	}
	end_run();
}

static void load_secrets(void)
{
	static char text[4096];
	FILE *file = fopen(CAPTURES "/secrets.txt", "r");

	assert_non_null(file);
	size_t len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = 0;
	secret_count = 0;
	for (char *word = strtok(text, "\n"); word != NULL && secret_count < 32; word = strtok(NULL, "\n"))
		secret_words[secret_count++] = mt_span_text(word);
	assert_true(secret_count > 0);
}

static int is_capture(const struct dirent *entry)
{
	return strstr(entry->d_name, ".pcap") != NULL;
}

static void damaged_captures_break_no_account_and_leave_no_secret(void **state)
{
	struct dirent **names;
	int count = scandir(CAPTURES, &names, is_capture, alphasort);
	clock_t end = clock() + STRESS_SECONDS * CLOCKS_PER_SEC;
	unsigned runs = 0;

	(void)state;
	if (count <= 0) {
		print_message("no captures in %s: skipped\n", CAPTURES);
		skip();
	}
	load_secrets();
	for (unsigned round = 0; round < STRESS_ROUNDS && clock() < end; round++)
		for (int i = 0; i < count && (round == 0 || clock() < end); i++) {
			char path[1024];

			snprintf(path, sizeof(path), "%s/%s", CAPTURES, names[i]->d_name);
			if (load(path) < FILE_BYTES_MAX && frame_count > 0) {
				if (round == 0)
					run_whole(PIECE_BYTES_MAX);
				if (round == 1)
					run_whole(7);
				run_damaged(round * 1000 + (unsigned)i);
				runs++;
			}
			unload();
		}
	print_message("%u damaged runs over %d captures\n", runs, count);
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(damaged_captures_break_no_account_and_leave_no_secret),
	};
	return cmocka_run_group_tests_name("session_stress", tests, compile, release);
}
