/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "calls.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "../captures/link.h"
#include "match_priv.h"
#include "setting.h"

#define FLOWS	  1024 /* of one capture, at most */
#define LINE_ROOM 64   /* bytes that may be read behind the last line: see MARGIN_BYTES of lib/match */

static struct calls *taken; /* what is being collected; NULL while nothing is */

/* ---- In the place of lib/match ---- */

int __real_mt_match_create(struct mt_match_set **ret, const struct mt_match_row *rows, size_t count,
			   char *error, size_t error_size);
int __real_mt_match_compile(struct mt_match_set **ret, const struct mt_match_row *rows, size_t count,
			    struct mt_match_fault *fault);
uint32_t __real_mt_match_first(const struct mt_match_set *set, struct mt_match_scratch *scratch,
			       struct mt_span line);
int __wrap_mt_match_create(struct mt_match_set **ret, const struct mt_match_row *rows, size_t count,
			   char *error, size_t error_size);
int __wrap_mt_match_compile(struct mt_match_set **ret, const struct mt_match_row *rows, size_t count,
			    struct mt_match_fault *fault);
uint32_t __wrap_mt_match_first(const struct mt_match_set *set, struct mt_match_scratch *scratch,
			       struct mt_span line);

static void *grow(void *array, size_t count, size_t size)
{
	/* By doubling: room runs out where a power of two is full. */
	if ((count & (count - 1)) != 0)
		return array;
	array = reallocarray(array, count == 0 ? 1 : count * 2, size);
	if (array == NULL)
		errx(1, "no memory");
	return array;
}

static char *copy_text(const char *text)
{
	return text == NULL ? NULL : strdup(text);
}

static void add_set(struct mt_match_set *set, const struct mt_match_row *rows, size_t count)
{
	struct call_set *made;

	taken->sets = grow(taken->sets, taken->set_count, sizeof(*taken->sets));
	made = &taken->sets[taken->set_count++];
	*made = (struct call_set){.set = set, .rows = calloc(count + 1, sizeof(*rows)), .row_count = count};
	for (size_t i = 0; i < count; i++)
		made->rows[i] =
		    (struct mt_match_row){rows[i].id, copy_text(rows[i].word), copy_text(rows[i].pattern)};
}

int __wrap_mt_match_create(struct mt_match_set **ret, const struct mt_match_row *rows, size_t count,
			   char *error, size_t error_size)
{
	int result = __real_mt_match_create(ret, rows, count, error, error_size);

	if (result == 0)
		add_set(*ret, rows, count);
	return result;
}

int __wrap_mt_match_compile(struct mt_match_set **ret, const struct mt_match_row *rows, size_t count,
			    struct mt_match_fault *fault)
{
	int result = __real_mt_match_compile(ret, rows, count, fault);

	if (result == 0)
		add_set(*ret, rows, count);
	return result;
}

static struct call_set *find_set(const struct mt_match_set *set)
{
	for (size_t i = 0; i < taken->set_count; i++)
		if (taken->sets[i].set == set)
			return &taken->sets[i];
	errx(1, "a line was looked up in a set that nobody made");
}

/* Lines move while they are collected: until the end their data is counted from the first byte of all. */
static void add_line(struct call_set *set, struct mt_span line, uint32_t found)
{
	set->lines = grow(set->lines, set->line_count, sizeof(*set->lines));
	set->found = grow(set->found, set->line_count, sizeof(*set->found));
	set->lines[set->line_count] = (struct mt_span){(const uint8_t *)set->byte_count, line.len};
	set->found[set->line_count++] = found;
	set->bytes = realloc(set->bytes, set->byte_count + line.len + LINE_ROOM);
	if (set->bytes == NULL)
		errx(1, "no memory");
	memcpy(set->bytes + set->byte_count, line.data, line.len);
	set->byte_count += line.len;
}

uint32_t __wrap_mt_match_first(const struct mt_match_set *set, struct mt_match_scratch *scratch,
			       struct mt_span line)
{
	uint32_t found = __real_mt_match_first(set, scratch, line);

	if (taken != NULL && line.len > 0)
		add_line(find_set(set), line, found);
	return found;
}

/* ---- Reading captures ---- */

static bool count_session(void *context, const struct mt_report *report)
{
	struct calls *calls = context;

	calls->sessions += report->has_facts;
	return true;
}

static void read_capture(const char *path, const struct mt_engine_config *config)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
	struct pcap_pkthdr *header;
	struct mt_engine *engine;
	const uint8_t *bytes;
	uint64_t last_ns = 0;

	if (pcap == NULL)
		errx(2, "%s", error);
	if (mt_engine_create(&engine, config) != 0)
		errx(1, "no memory");
	while (pcap_next_ex(pcap, &header, &bytes) == 1) {
		struct mt_engine_packet packet;

		if (mt_packet_decode(link_of(pcap), mt_span(bytes, header->caplen), &packet.packet) !=
		    MT_VERDICT_DIALOGUE)
			continue;
		last_ns = (uint64_t)header->ts.tv_sec * MT_NS_PER_SECOND + (uint64_t)header->ts.tv_usec;
		packet.time_ns = last_ns;
		mt_engine_prepare(engine, &packet);
		mt_engine_packet(engine, &packet);
	}
	mt_engine_finish(engine, last_ns);
	mt_engine_destroy(engine);
	pcap_close(pcap);
}

static void name_set(const struct mt_match_set *set, enum mt_protocol protocol, const char *of)
{
	struct call_set *named = find_set(set);

	snprintf(named->name, sizeof(named->name), "%s %s", mt_protocol_name(protocol), of);
}

static void name_sets(const struct mt_session_shared *shared, const struct mt_banners *banners)
{
	for (unsigned i = 0; i < MT_PROTOCOL_COUNT; i++) {
		name_set(shared->commands[i], i, "commands");
		name_set(shared->replies[i], i, "replies");
		name_set(banners->set[i], i, "banners");
	}
	strcpy(find_set(shared->mechanisms)->name, "mechanisms");
}

/* Sets and what they belong to stay until the program ends. */
void calls_collect(struct calls *ret, const char *banners, char *const *captures, int count)
{
	static struct setting setting;
	struct mt_engine_config config = setting_config(&setting, FLOWS);

	*ret = (struct calls){0};
	config.emit = count_session;
	config.emit_context = ret;
	taken = ret;
	setting_open(&setting, banners);
	name_sets(&setting.shared, &setting.banners);
	for (int i = 0; i < count; i++)
		read_capture(captures[i], &config);
	taken = NULL;
	for (size_t s = 0; s < ret->set_count; s++) {
		struct call_set *set = &ret->sets[s];

		for (size_t i = 0; i < set->line_count; i++)
			set->lines[i].data = set->bytes + (uintptr_t)set->lines[i].data;
		if (mt_match_scratch_grow(&ret->scratch, set->set) != 0)
			errx(1, "no memory");
	}
}
