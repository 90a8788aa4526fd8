/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * golden BANNERS DIRECTORY [NAME]: every dialogue of the directory, or only the one of that name, whose
 * facts are then printed as well. Ends with 1 where something differs.
 */
#include "golden.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* A segment is cut behind each of its first bytes, and behind some of the others: a handshake's inside has
 * tests of its own. */
#define CUTS_FIRST 256
#define CUTS_LATER 64

/** One dialogue's directory. */
struct golden {
	const char *name;
	struct dialogue dialogue;
	char whole[WORDS_MAX]; /* what the engine said of it as sent */
	char words[WORDS_MAX]; /* ... as it was sent last */
	struct wire wire;
	struct watch *watch;
	unsigned failures;
	char way[64]; /* in which it was sent last */
};

static void complain(struct golden *golden, const char *key, const char *expected, const char *found)
{
	/* The first few differences say it all. */
	if (golden->failures++ < 8)
		printf("FAIL %s, %s: %s: expected \"%s\", found \"%s\"\n", golden->name, golden->way, key,
		       expected, found);
}

/* The value of a key; false where there is no such line. */
static bool find_value(const char *words, const char *key, char *ret_value, size_t size)
{
	size_t len = strlen(key);

	for (const char *line = words; *line != 0; line += strcspn(line, "\n") + 1) {
		if (strncmp(line, key, len) != 0 || line[len] != ':')
			continue;
		const char *value = line + len + 1 + strspn(line + len + 1, " ");
		snprintf(ret_value, size, "%.*s", (int)strcspn(value, "\n"), value);
		return true;
	}
	return false;
}

static void send_wire(struct golden *golden)
{
	watch_run(golden->watch, &golden->wire, golden->words);
}

static void expect_value(struct golden *golden, const char *key, const char *expected)
{
	char found[WORDS_MAX] = "no such key";

	find_value(golden->words, key, found, sizeof(found));
	if (strcmp(found, expected) != 0)
		complain(golden, key, expected, found);
}

/* The lines of expect.txt whose key begins with prefix, against the last run. records: 1 need not be said. */
static void expect_file(struct golden *golden, const char *path, const char *prefix)
{
	char line[2048];
	bool has_records = false;
	FILE *file = fopen(path, "r");

	if (file == NULL) {
		complain(golden, "expect.txt", "a file", "none");
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		char *key = line, *value = strstr(line, ": ");

		line[strcspn(line, "\n")] = 0;
		if (line[0] == 0 || line[0] == '#')
			continue;
		if (value == NULL) {
			complain(golden, "expect.txt", "key: value", line);
			continue;
		}
		*value = 0;
		bool is_prefixed = strchr(key, '.') != NULL;
		if (is_prefixed != (prefix[0] != 0) || strncmp(key, prefix, strlen(prefix)) != 0)
			continue;
		key += strlen(prefix);
		has_records |= strcmp(key, "records") == 0;
		expect_value(golden, key, value + 2);
	}
	fclose(file);
	if (!has_records && prefix[0] == 0)
		expect_value(golden, "records", "1");
}

static void compare_words(struct golden *golden)
{
	const char *a = golden->whole, *b = golden->words;

	while (*a != 0 || *b != 0) {
		size_t a_len = strcspn(a, "\n"), b_len = strcspn(b, "\n");

		if (a_len != b_len || memcmp(a, b, a_len) != 0) {
			char expected[256], found[256];

			snprintf(expected, sizeof(expected), "%.*s", (int)a_len, a);
			snprintf(found, sizeof(found), "%.*s", (int)b_len, b);
			complain(golden, "differs from whole", expected, found);
			return;
		}
		a += a_len + (a[a_len] != 0);
		b += b_len + (b[b_len] != 0);
	}
}

/* The same facts, whatever way the bytes took. */
static void expect_same(struct golden *golden)
{
	send_wire(golden);
	compare_words(golden);
}

/* G4: bytes split anywhere. */
static void cut_everywhere(struct golden *golden)
{
	for (uint32_t i = 0; i < golden->dialogue.step_count; i++) {
		const struct step *step = &golden->dialogue.steps[i];
		uint32_t later = step->len / CUTS_LATER + 1;

		for (uint32_t at = 1; at < step->len && !step->is_lost; at += at < CUTS_FIRST ? 1 : later) {
			snprintf(golden->way, sizeof(golden->way), "segment %u cut behind byte %u", i + 1,
				 at);
			wire_cut(&golden->wire, &golden->dialogue, i, at);
			expect_same(golden);
		}
	}
}

/* A greeting on another port is found by its first byte: that one must arrive first (DESIGN.md 3). */
static bool may_swap(const struct golden *golden)
{
	static const uint16_t mail_ports[] = {25, 110, 143, 465, 587, 993, 995, 2525};

	for (size_t i = 0; i < MT_ARRAY_LEN(mail_ports); i++)
		if (golden->dialogue.server_port == mail_ports[i])
			return true;
	return false;
}

static void reorder(struct golden *golden)
{
	if (!may_swap(golden))
		return;
	for (uint32_t nth = 0; wire_swapped(&golden->wire, &golden->dialogue, nth); nth++) {
		snprintf(golden->way, sizeof(golden->way), "pair %u swapped", nth);
		expect_same(golden);
	}
	snprintf(golden->way, sizeof(golden->way), "all pairs swapped");
	wire_all_swapped(&golden->wire, &golden->dialogue);
	expect_same(golden);
}

static void delay(struct golden *golden)
{
	static const unsigned ms[] = {2, 7, 30, 100};

	if (!may_swap(golden))
		return;
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		for (size_t i = 0; i < MT_ARRAY_LEN(ms); i++) {
			snprintf(golden->way, sizeof(golden->way), "%s %u ms late",
				 direction == MT_TO_SERVER ? "client" : "server", ms[i]);
			wire_delayed(&golden->wire, &golden->dialogue, direction, ms[i] * MT_NS_PER_MS);
			expect_same(golden);
		}
}

/* Take the anomaly that contradictions earn out of what was said. Result: how many records had it. */
static unsigned take_out_inconsistency(char *words)
{
	static const char anomaly[] = " inconsistent_retransmission";
	unsigned records = 0;
	char *at;

	while ((at = strstr(words, anomaly)) != NULL) {
		char *rest = at + strlen(anomaly);
		const char *instead = at[-1] == ':' && *rest == '\n' ? " none" : "";

		memmove(at + strlen(instead), rest, strlen(rest) + 1);
		memcpy(at, instead, strlen(instead));
		records++;
	}
	return records;
}

/* G8: what comes again with other bytes is ignored and flagged; the first seen stand. */
static void contradict(struct golden *golden)
{
	char found[16], records[16] = "";

	wire_contradict(&golden->wire);
	send_wire(golden);
	snprintf(found, sizeof(found), "%u", take_out_inconsistency(golden->words));
	find_value(golden->words, "records", records, sizeof(records));
	if (strcmp(found, records) != 0)
		complain(golden, "records with inconsistent_retransmission", records, found);
	compare_words(golden);
}

static void contradict_everything(struct golden *golden)
{
	snprintf(golden->way, sizeof(golden->way), "contradicted");
	wire_as_sent(&golden->wire, &golden->dialogue);
	contradict(golden);
	snprintf(golden->way, sizeof(golden->way), "going back and contradicted");
	wire_gone_back(&golden->wire, &golden->dialogue);
	contradict(golden);
	snprintf(golden->way, sizeof(golden->way), "overlapping and contradicted");
	wire_overlapping(&golden->wire, &golden->dialogue);
	contradict(golden);
	if (!may_swap(golden))
		return;
	snprintf(golden->way, sizeof(golden->way), "all pairs swapped and contradicted");
	wire_all_swapped(&golden->wire, &golden->dialogue);
	contradict(golden);
}

static void send_in_every_way(struct golden *golden)
{
	static const uint32_t sizes[] = {1, 2, 3, 7, 536};

	for (size_t i = 0; i < MT_ARRAY_LEN(sizes); i++) {
		snprintf(golden->way, sizeof(golden->way), "%u bytes a segment", sizes[i]);
		wire_in_pieces(&golden->wire, &golden->dialogue, sizes[i]);
		expect_same(golden);
	}
	snprintf(golden->way, sizeof(golden->way), "joined");
	wire_joined(&golden->wire, &golden->dialogue);
	expect_same(golden);
	snprintf(golden->way, sizeof(golden->way), "every segment twice");
	wire_twice(&golden->wire, &golden->dialogue);
	expect_same(golden);
	snprintf(golden->way, sizeof(golden->way), "going back");
	wire_gone_back(&golden->wire, &golden->dialogue);
	expect_same(golden);
	cut_everywhere(golden);
	reorder(golden);
	delay(golden);
	contradict_everything(golden);
}

/* What nobody may claim who saw one side alone. */
struct claim {
	const char *key, *forbidden;
	bool is_allowed_if_true; /* that side can have seen it */
};

static const struct claim from_client_alone[] = {
    {"evidence", "complete", false}, {"offered", "yes", false},
    {"offered", "no", false},	     {"response", "refused", false},
    {"outcome", "refused", false},   {"outcome", "not_offered", false},
    {"outcome", "stripped", true},   {"outcome", "offered_unused", false},
    {"messages", "1", false},	     {"security", "implicit_tls", true},
};
/* Each side shows a mask of its own. That STARTTLS was asked for, the server's hello proves. */
static const struct claim from_server_alone[] = {
    {"evidence", "complete", false}, {"requested", "yes", true},	 {"outcome", "refused", false},
    {"outcome", "stripped", true},   {"security", "implicit_tls", true},
};

static void forbid(struct golden *golden, const struct claim *claims, size_t count)
{
	char found[256], whole[256];

	for (size_t i = 0; i < count; i++) {
		if (!find_value(golden->words, claims[i].key, found, sizeof(found)) ||
		    strcmp(found, claims[i].forbidden) != 0)
			continue;
		if (claims[i].is_allowed_if_true &&
		    find_value(golden->whole, claims[i].key, whole, sizeof(whole)) &&
		    strcmp(whole, found) == 0)
			continue;
		complain(golden, claims[i].key, "something that was seen", found);
	}
	/* A handshake went by: whatever it is, it is not clear text. */
	if (golden->dialogue.has_tls && find_value(golden->whole, "security", whole, sizeof(whole)) &&
	    strcmp(whole, "cleartext") != 0 && find_value(golden->words, "security", found, sizeof(found)) &&
	    strcmp(found, "cleartext") == 0)
		complain(golden, "security", whole, found);
}

static void send_one_sided(struct golden *golden, const char *expect_path)
{
	snprintf(golden->way, sizeof(golden->way), "client alone");
	wire_one_sided(&golden->wire, &golden->dialogue, MT_TO_SERVER);
	send_wire(golden);
	forbid(golden, from_client_alone, MT_ARRAY_LEN(from_client_alone));
	expect_file(golden, expect_path, "client-alone.");
	snprintf(golden->way, sizeof(golden->way), "server alone");
	wire_one_sided(&golden->wire, &golden->dialogue, MT_TO_CLIENT);
	send_wire(golden);
	forbid(golden, from_server_alone, MT_ARRAY_LEN(from_server_alone));
	expect_file(golden, expect_path, "server-alone.");
}

/* Result: how many expectations did not hold. */
static unsigned run_golden(struct watch *watch, const char *directory, const char *name, bool is_shown)
{
	struct golden *golden = calloc(1, sizeof(*golden));
	char path[1024];
	unsigned failures;

	golden->name = name;
	golden->watch = watch;
	snprintf(path, sizeof(path), "%s/%s/dialogue.txt", directory, name);
	golden->failures = dialogue_read(&golden->dialogue, path) != 0;
	if (golden->failures == 0) {
		snprintf(path, sizeof(path), "%s/%s/expect.txt", directory, name);
		snprintf(golden->way, sizeof(golden->way), "whole");
		wire_as_sent(&golden->wire, &golden->dialogue);
		send_wire(golden);
		memcpy(golden->whole, golden->words, sizeof(golden->whole));
		if (is_shown)
			fputs(golden->whole, stdout);
		expect_file(golden, path, "");
		send_in_every_way(golden);
		send_one_sided(golden, path);
	}
	failures = golden->failures;
	printf("%s %s\n", failures == 0 ? "ok" : "not ok", name);
	wire_free(&golden->wire);
	dialogue_free(&golden->dialogue);
	free(golden);
	return failures;
}

static int is_dialogue(const struct dirent *entry)
{
	/* Beside them lie files, and what Python keeps of its own. */
	return strchr(entry->d_name, '.') == NULL && entry->d_name[0] != '_';
}

int main(int argc, char **argv)
{
	struct dirent **names;
	unsigned failures = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: %s BANNERS DIRECTORY [NAME]\n", argv[0]);
		return 2;
	}
	int count = scandir(argv[2], &names, is_dialogue, alphasort);
	if (count <= 0) {
		fprintf(stderr, "%s: no dialogues\n", argv[2]);
		return 2;
	}
	struct watch *watch = watch_create(argv[1]);
	for (int i = 0; i < count; i++) {
		if (argc == 3 || strcmp(argv[3], names[i]->d_name) == 0)
			failures += run_golden(watch, argv[2], names[i]->d_name, argc > 3) > 0;
		free(names[i]);
	}
	free(names);
	watch_destroy(watch);
	printf("%d dialogues, %u failed\n", count, failures);
	return failures > 0;
}
