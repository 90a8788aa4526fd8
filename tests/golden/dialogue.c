/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "golden.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "../unit/tls_samples.h"

/* What is being read. */
struct reading {
	struct dialogue *dialogue;
	uint64_t now_ns;
	const char *problem; /* NULL as long as there is none */
};

static void append(struct reading *reading, enum mt_direction direction, const void *bytes, size_t len)
{
	struct dialogue *dialogue = reading->dialogue;

	if (dialogue->len[direction] + len > STREAM_MAX) {
		reading->problem = "too many bytes";
		return;
	}
	memcpy(dialogue->stream[direction] + dialogue->len[direction], bytes, len);
	dialogue->len[direction] += (uint32_t)len;
	dialogue->steps[dialogue->step_count - 1].len += (uint32_t)len;
}

/* What its sender has of the other direction: all that stands above, unless the two cross on their way. */
static uint32_t acknowledged(const struct dialogue *dialogue, enum mt_direction direction, bool has_crossed)
{
	for (uint32_t i = dialogue->step_count; has_crossed && i-- > 0;)
		if (dialogue->steps[i].direction != direction)
			return dialogue->steps[i].offset;
	return dialogue->len[mt_opposite(direction)];
}

static void begin_step(struct reading *reading, enum mt_direction direction, char form)
{
	struct dialogue *dialogue = reading->dialogue;

	if (dialogue->step_count == STEPS_MAX) {
		reading->problem = "too many steps";
		return;
	}
	reading->now_ns += MT_NS_PER_MS;
	dialogue->steps[dialogue->step_count] =
	    (struct step){.direction = (uint8_t)direction,
			  .is_lost = form == '-',
			  .offset = dialogue->len[direction],
			  .ack = acknowledged(dialogue, direction, form == '~'),
			  .time_ns = reading->now_ns};
	dialogue->step_count++;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *found = strchr(digits, tolower((unsigned char)c));

	return c != 0 && found != NULL ? (int)(found - digits) : -1;
}

static void append_hex(struct reading *reading, enum mt_direction direction, const char *hex)
{
	while (*hex != 0 && reading->problem == NULL) {
		int high, low;

		if (isspace((unsigned char)*hex)) {
			hex++;
			continue;
		}
		high = hex_digit(hex[0]);
		low = high < 0 ? -1 : hex_digit(hex[1]);
		if (low < 0) {
			reading->problem = "not hexadecimal";
			return;
		}
		append(reading, direction, &(uint8_t){(uint8_t)(high * 16 + low)}, 1);
		hex += 2;
	}
}

/* \{600x}: 600 times x. Result: the character behind it. */
static const char *append_many(struct reading *reading, enum mt_direction direction, const char *text)
{
	char *end;
	unsigned long times = strtoul(text, &end, 10);

	if (end == text || end[0] == 0 || end[1] != '}') {
		reading->problem = "a repetition is \\{600x}";
		return text;
	}
	for (unsigned long i = 0; i < times && reading->problem == NULL; i++)
		append(reading, direction, end, 1);
	return end + 2;
}

/* \r \n \t \\ \xNN \{600x}. text stands behind the backslash. Result: the character behind the escape. */
static const char *append_escape(struct reading *reading, enum mt_direction direction, const char *text)
{
	static const char names[] = "rnt\\", bytes[] = "\r\n\t\\";
	const char *name = strchr(names, *text);

	if (*text == '{')
		return append_many(reading, direction, text + 1);
	if (*text == 'x' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
		append(reading, direction,
		       &(uint8_t){(uint8_t)(hex_digit(text[1]) * 16 + hex_digit(text[2]))}, 1);
		return text + 3;
	}
	if (name == NULL)
		reading->problem = "an escape that is none";
	else
		append(reading, direction, bytes + (name - names), 1);
	return text + 1;
}

/* A line's text; CRLF follows unless a backslash ends it. */
static void append_text(struct reading *reading, enum mt_direction direction, const char *text)
{
	while (*text != 0 && reading->problem == NULL) {
		if (*text != '\\') {
			append(reading, direction, text++, 1);
			continue;
		}
		if (text[1] == 0)
			return;
		text = append_escape(reading, direction, text + 1);
	}
	append(reading, direction, "\r\n", 2);
}

/* C: S: and their forms: + same segment, - sent but not captured, ~ crosses the line above, < hexadecimal. */
static void read_line(struct reading *reading, enum mt_direction direction, const char *line)
{
	struct dialogue *dialogue = reading->dialogue;
	char form = line[1] == ':' ? ' ' : line[1];
	const char *text = strchr(line, ':') + 1;

	if (strchr(" +-~<", form) == NULL) {
		reading->problem = "a line that is none";
		return;
	}
	text += *text == ' ';
	if (form != '+')
		begin_step(reading, direction, form);
	else if (dialogue->step_count == 0 ||
		 dialogue->steps[dialogue->step_count - 1].direction != direction)
		reading->problem = "no line before it to share a segment with";
	if (reading->problem == NULL)
		(form == '<' ? append_hex : append_text)(reading, direction, text);
}

/* TLS name: every flight of a handshake recorded in tests/unit/tls_samples.h. TLS name n: only the nth. */
static void read_tls(struct reading *reading, const char *text)
{
	char name[64];
	int only = -1, found = sscanf(text, "%63s %d", name, &only);

	for (size_t i = 0; found >= 1 && i < MT_ARRAY_LEN(TLS_SAMPLES); i++) {
		const struct tls_flight *flight = TLS_SAMPLES[i].flights;

		if (strcmp(TLS_SAMPLES[i].name, name) != 0)
			continue;
		reading->dialogue->has_tls |= found == 1 && TLS_SAMPLES[i].is_established;
		for (int n = 0; flight[n].hex != NULL && reading->problem == NULL; n++) {
			if (only >= 0 && n != only)
				continue;
			begin_step(reading, flight[n].direction, ' ');
			append_hex(reading, flight[n].direction, flight[n].hex);
		}
		return;
	}
	reading->problem = "no recorded handshake of that name";
}

static void read_port(struct reading *reading, const char *text)
{
	reading->dialogue->server_port = (uint16_t)atoi(text);
}

static void read_client_port(struct reading *reading, const char *text)
{
	reading->dialogue->client_port = (uint16_t)atoi(text);
}

static void read_ipv6(struct reading *reading, const char *text)
{
	(void)text;
	reading->dialogue->is_ipv6 = true;
}

static void read_midstream(struct reading *reading, const char *text)
{
	(void)text;
	reading->dialogue->is_midstream = true;
}

static void read_vlan(struct reading *reading, const char *text)
{
	unsigned vlan[MT_DIRECTION_COUNT];

	if (sscanf(text, "%u %u", &vlan[MT_TO_SERVER], &vlan[MT_TO_CLIENT]) != MT_DIRECTION_COUNT)
		reading->problem = "vlan: takes a number for each direction";
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT && reading->problem == NULL; direction++)
		reading->dialogue->vlan[direction] = (uint16_t)vlan[direction];
}

/* Which side's goodbye: C, S, or both. */
static void read_goodbye(struct reading *reading, const char *text, uint8_t flag)
{
	static const char sides[MT_DIRECTION_COUNT] = {[MT_TO_SERVER] = 'C', [MT_TO_CLIENT] = 'S'};

	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		if (*text == 0 || *text == sides[direction])
			reading->dialogue->goodbye[direction] = flag;
}

static void read_close(struct reading *reading, const char *text)
{
	reading->dialogue->is_close_with_data = strcmp(text, "WITH DATA") == 0;
	read_goodbye(reading, reading->dialogue->is_close_with_data ? "" : text, MT_TCP_FIN);
}

static void read_reset(struct reading *reading, const char *text)
{
	read_goodbye(reading, text, MT_TCP_RST);
}

static void read_pause(struct reading *reading, const char *text)
{
	reading->now_ns += strtoull(text, NULL, 10) * MT_NS_PER_MS;
}

static const struct {
	const char *word;
	void (*read)(struct reading *reading, const char *text);
} words[] = {
    {"port:", read_port},  {"client-port:", read_client_port},
    {"ipv6", read_ipv6},   {"midstream", read_midstream},
    {"vlan:", read_vlan},  {"TLS", read_tls},
    {"PAUSE", read_pause}, {"CLOSE", read_close},
    {"RESET", read_reset},
};

static void read_any(struct reading *reading, const char *line)
{
	if (line[0] == 0 || line[0] == '#' || strncmp(line, "rows:", 5) == 0)
		return;
	for (size_t i = 0; i < MT_ARRAY_LEN(words); i++) {
		size_t len = strlen(words[i].word);

		if (strncmp(line, words[i].word, len) != 0)
			continue;
		words[i].read(reading, line + len + strspn(line + len, " "));
		return;
	}
	if ((line[0] == 'C' || line[0] == 'S') && strchr(line, ':') != NULL)
		read_line(reading, line[0] == 'C' ? MT_TO_SERVER : MT_TO_CLIENT, line);
	else
		reading->problem = "a line that is none";
}

int dialogue_read(struct dialogue *ret, const char *path)
{
	struct reading reading = {.dialogue = ret};
	char line[8192];
	unsigned number = 0;
	FILE *file = fopen(path, "r");

	*ret = (struct dialogue){.client_port = 40000};
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		ret->stream[direction] = malloc(STREAM_MAX);
	if (file == NULL) {
		perror(path);
		return -1;
	}
	while (reading.problem == NULL && fgets(line, sizeof(line), file) != NULL) {
		number++;
		line[strcspn(line, "\n")] = 0;
		read_any(&reading, line);
	}
	fclose(file);
	ret->end_ns = reading.now_ns;
	if (reading.problem == NULL && ret->server_port == 0)
		reading.problem = "no port";
	if (reading.problem != NULL)
		fprintf(stderr, "%s:%u: %s\n", path, number, reading.problem);
	return reading.problem == NULL ? 0 : -1;
}

void dialogue_free(struct dialogue *dialogue)
{
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		free(dialogue->stream[direction]);
}
