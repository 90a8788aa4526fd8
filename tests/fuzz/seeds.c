/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * seeds GOLDEN CAPTURES HAND-MADE OUT: write what the fuzzers begin with, a folder OUT/<fuzzer> each, the
 * list of its files OUT/<fuzzer>.list, and OUT/<fuzzer>.dict where the parser has words. Nearly everything
 * comes from what is in the project already: golden dialogues, captures, the handshakes and certificates of
 * the unit tests, the tables of tokens.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "../captures/link.h"
#include "../golden/golden.h"
#include "../unit/certificate_samples.h"
#include "../unit/tls_samples.h"
#include "conversation.h"
#include "../../lib/counters/shared_priv.h"
#include "imap.h"
#include "pop3.h"
#include "smtp.h"

#define SEED_MAX (32 * 1024) /* longer ones are mostly body */

static const char *out;

static struct {
	size_t len;
	uint8_t bytes[SEED_MAX];
	bool is_over;
} seed;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "seeds: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void begin(void)
{
	seed.len = 0;
	seed.is_over = false;
}

static void add(const void *bytes, size_t len)
{
	if (len > SEED_MAX - seed.len) {
		seed.is_over = true;
		return;
	}
	memcpy(seed.bytes + seed.len, bytes, len);
	seed.len += len;
}

static void add_byte(uint8_t byte)
{
	add(&byte, 1);
}

/* Bytes of a conversation: the mark is doubled (fuzz.h). */
static void add_piece(uint8_t op, struct mt_span bytes)
{
	add((uint8_t[]){FUZZ_MARK, op}, 2);
	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.data[i] == FUZZ_MARK)
			add_byte(FUZZ_MARK);
		add_byte(bytes.data[i]);
	}
}

/* OUT/fuzzer and what follows, opened. */
static FILE *open_out(const char *fuzzer, const char *rest, const char *mode)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s%s", out, fuzzer, rest);
	FILE *file = fopen(path, mode);
	must(file != NULL, path);
	return file;
}

static void end(const char *fuzzer, const char *name)
{
	char path[1024];

	if (seed.is_over)
		return;
	snprintf(path, sizeof(path), "%s/%s", out, fuzzer);
	must(mkdir(path, 0755) == 0 || errno == EEXIST, path);
	snprintf(path, sizeof(path), "/%s", name);
	FILE *file = open_out(fuzzer, path, "w");
	must(fwrite(seed.bytes, 1, seed.len, file) == seed.len && fclose(file) == 0, name);
	/* libFuzzer takes a list with commas between, and none at its beginning. */
	file = open_out(fuzzer, ".list", "a");
	fprintf(file, "%s%s/%s/%s", ftell(file) > 0 ? "," : "", out, fuzzer, name);
	must(fclose(file) == 0, name);
}

__attribute__((format(printf, 2, 3))) static void end_nth(const char *fuzzer, const char *format, ...)
{
	char name[256];
	va_list values;

	va_start(values, format);
	vsnprintf(name, sizeof(name), format, values);
	va_end(values);
	end(fuzzer, name);
}

static struct mt_span from_hex(const char *hex)
{
	static uint8_t bytes[SEED_MAX];
	size_t len = 0;
	unsigned value;

	for (; sscanf(hex, "%2x", &value) == 1 && len < sizeof(bytes); hex += 2)
		bytes[len++] = (uint8_t)value;
	return mt_span(bytes, len);
}

static bool is_imap(uint16_t port)
{
	return port == 143 || port == 993 || port == 1143;
}

static bool is_pop3(uint16_t port)
{
	return port == 110 || port == 995;
}

/* For the fuzzer of its protocol, and with that protocol in front (cuts_fuzz.c) for the one that cuts. */
static void end_conversation(uint16_t port, const char *name)
{
	end(is_imap(port) ? "imap" : is_pop3(port) ? "pop3" : "smtp", name);
	if (seed.len == SEED_MAX)
		return;
	memmove(seed.bytes + 1, seed.bytes, seed.len++);
	seed.bytes[0] = is_imap(port) ? 1 : is_pop3(port) ? 2 : port == 465 ? 3 : 0;
	end("cuts", name);
}

/* ---- Golden dialogues: the conversation, and each direction's bytes as they are framed ---- */

static void write_framing(const char *name, const struct dialogue *dialogue)
{
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		begin();
		add_byte((uint8_t)(direction | 2));
		add("\3\14\1\100", 4); /* cuts */
		add(dialogue->stream[direction], dialogue->len[direction]);
		end_nth("framing", "%s.%u", name, direction);
	}
}

static void write_dialogue(const char *folder, const char *name)
{
	static struct dialogue dialogue;
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s/dialogue.txt", folder, name);
	if (access(path, R_OK) != 0)
		return;
	must(dialogue_read(&dialogue, path) == 0, path);
	begin();
	add_byte(dialogue.is_midstream);
	for (uint32_t i = 0; i < dialogue.step_count; i++) {
		const struct step *step = &dialogue.steps[i];

		add_piece(conversation_op(step->is_lost ? CONVERSATION_LOST : CONVERSATION_AS_SENT,
					  step->direction),
			  mt_span(dialogue.stream[step->direction] + step->offset, step->len));
	}
	for (unsigned side = 0; side < MT_DIRECTION_COUNT; side++)
		if (dialogue.goodbye[side] != 0)
			add_piece(conversation_op(dialogue.goodbye[side] == MT_TCP_FIN ? CONVERSATION_FIN
										       : CONVERSATION_RESET,
						  side),
				  mt_span(NULL, 0));
	end_conversation(dialogue.server_port, name);
	write_framing(name, &dialogue);
	dialogue_free(&dialogue);
}

/* ---- Captures: frames, and the sessions in them ---- */

static bool is_mail_port(uint16_t port)
{
	static const uint16_t ports[] = {25, 465, 587, 2525, 143, 993, 1143, 110, 995};

	for (size_t i = 0; i < MT_ARRAY_LEN(ports); i++)
		if (ports[i] == port)
			return true;
	return false;
}

static void write_frames(pcap_t *pcap, const char *name)
{
	struct pcap_pkthdr *header;
	const uint8_t *bytes;

	for (unsigned nth = 0; nth < 8 && pcap_next_ex(pcap, &header, &bytes) == 1; nth++) {
		/* The handshake, and what lies behind it: most frames of a capture look alike. */
		if (nth != 0 && nth != 4 && nth != 7)
			continue;
		begin();
		add_byte((uint8_t)link_of(pcap));
		add(bytes, header->caplen);
		end_nth("packet", "%s.%u", name, nth);
	}
}

static void write_session(pcap_t *pcap, const char *name)
{
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	uint16_t port = 0;

	begin();
	add_byte(0);
	while (pcap_next_ex(pcap, &header, &bytes) == 1) {
		struct mt_packet packet;

		if (mt_packet_decode(link_of(pcap), mt_span(bytes, header->caplen), &packet) !=
			MT_VERDICT_DIALOGUE ||
		    packet.payload.len == 0)
			continue;
		bool is_to_server = is_mail_port(packet.dst_port);
		if (port == 0)
			port = is_to_server ? packet.dst_port : packet.src_port;
		add_piece(conversation_op(CONVERSATION_AS_SENT, is_to_server ? MT_TO_SERVER : MT_TO_CLIENT),
			  packet.payload);
	}
	if (port != 0)
		end_conversation(port, name);
}

static void write_capture(const char *folder, const char *name)
{
	static void (*const writers[])(pcap_t * pcap, const char *name) = {write_frames, write_session};
	char path[1024], why[PCAP_ERRBUF_SIZE];

	if (strstr(name, ".pcap") == NULL)
		return;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	for (size_t i = 0; i < MT_ARRAY_LEN(writers); i++) {
		pcap_t *pcap = pcap_open_offline(path, why);

		must(pcap != NULL, path);
		writers[i](pcap, name);
		pcap_close(pcap);
	}
}

static void each_entry(const char *folder, void (*visit)(const char *folder, const char *name))
{
	struct dirent **names;
	int count = scandir(folder, &names, NULL, alphasort);

	must(count > 0, folder);
	for (int i = 0; i < count; i++) {
		if (names[i]->d_name[0] != '.')
			visit(folder, names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

/* ---- Made by hand: a folder a fuzzer ---- */

static void copy_file(const char *folder, const char *name)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "r");
	must(file != NULL, path);
	begin();
	seed.len = fread(seed.bytes, 1, SEED_MAX, file);
	fclose(file);
	end(strrchr(folder, '/') + 1, name);
}

static void copy_folder(const char *folder, const char *name)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	each_entry(path, copy_file);
}

/* ---- Tunnels, of which the captures have none ---- */

/* An IPv4 header without a length, as offload leaves it, so that whatever stands behind it is in it. */
#define IPV4(protocol) "450000001234400040" protocol "0000c0000201c6336402"
#define UDP(port)      IPV4("11") "c000" port "00000000"
#define ETHERNET       "0200000000010200000000020800"

static const struct {
	const char *name, *outer;
	bool is_ethernet; /* what is inside */
} tunnels[] = {
    {"vlans", "02000000000102000000000288a8000a810000140800", false},
    {"mpls", "02000000000102000000000288470001004000010140", false},
    {"pppoe",
     "0200000000010200000000028864110000010000"
     "0021",
     false},
    {"ip-in-ip", ETHERNET IPV4("04"), false},
    {"mpls-in-ip", ETHERNET IPV4("89") "00010140", false},
    {"gre", ETHERNET IPV4("2f") "00000800", false},
    {"gre-with-key", ETHERNET IPV4("2f") "2000655800000001", true},
    {"erspan-2", ETHERNET IPV4("2f") "100088be000000011001000100000000", true},
    {"erspan-3", ETHERNET IPV4("2f") "100022eb00000001200100010000000000000000", true},
    {"vxlan", ETHERNET UDP("12b5") "0800000000000100", true},
    {"geneve", ETHERNET UDP("17c1") "0000655800000100", true},
    {"gtp-u", ETHERNET UDP("0868") "30ff002800000001", false},
    {"authentication",
     ETHERNET IPV4("33") "04040000000000010000000100000000"
			 "00000000",
     false},
    {"two-of-them", ETHERNET UDP("12b5") "0800000000000100" ETHERNET IPV4("2f") "00000800", false},
};

static void write_tunnels(void)
{
	static const char segment[] = IPV4("06") "c822008f0102030405060708501800ff00000000"
						 "2a204f4b0d0a";

	for (size_t i = 0; i < MT_ARRAY_LEN(tunnels); i++) {
		struct mt_span part = from_hex(tunnels[i].outer);

		begin();
		add_byte(MT_PACKET_LINK_ETHERNET);
		add(part.data, part.len);
		part = from_hex(tunnels[i].is_ethernet ? ETHERNET : "");
		add(part.data, part.len);
		part = from_hex(segment);
		add(part.data, part.len);
		end("packet", tunnels[i].name);
	}
}

/* ---- What the unit tests know ---- */

static void write_handshakes(void)
{
	for (size_t i = 0; i < MT_ARRAY_LEN(TLS_SAMPLES); i++) {
		begin();
		add_byte(255); /* pieces of the pool */
		for (const struct tls_flight *flight = TLS_SAMPLES[i].flights; flight->hex != NULL; flight++)
			add_piece(flight->direction, from_hex(flight->hex));
		end("tls", TLS_SAMPLES[i].name);
	}
}

static void write_certificates(void)
{
	for (size_t i = 0; i < MT_ARRAY_LEN(CERTIFICATES); i++) {
		struct mt_span der = from_hex(CERTIFICATES[i].der);

		begin();
		add("\20mail.example.org", 17);
		add(der.data, der.len);
		end("certificate", CERTIFICATES[i].name);
	}
}

/* ---- Counters: a small object of each kind; the publisher's own has some hundred kilobytes ---- */

enum { CELLS = 4 };
struct counters_block {
	uint64_t sequence, heartbeat_ns, pad[6], cell[8];
};
struct counters_object {
	struct mt_counters_header header;
	struct mt_counters_entry entry[3];
	char empty[1], sum[16], gauge[16], histogram[16], labels[32], help[16], unit[8], bounds[8];
	_Alignas(MT_CACHE_LINE) struct counters_block block[2];
};

#define TEXT(member) offsetof(struct counters_object, member)

static void write_counters(void)
{
	static const struct counters_object object = {
	    .header = {.magic = "mailtap\n",
		       .major = MT_COUNTERS_MAJOR,
		       .state = MT_COUNTERS_LIVE,
		       .total_bytes = sizeof(object),
		       .worker_count = 1,
		       .block_first = offsetof(struct counters_object, block),
		       .block_bytes = sizeof(struct counters_block),
		       .block_count = MT_ARRAY_LEN(object.block),
		       .cell_count = 2 + CELLS,
		       .directory_first = offsetof(struct counters_object, entry),
		       .directory_stride = sizeof(object.entry[0]),
		       .directory_count = MT_ARRAY_LEN(object.entry),
		       .version = "0.1"},
	    .entry = {{TEXT(sum), TEXT(labels), TEXT(help), TEXT(empty), TEXT(help), TEXT(empty),
		       MT_COUNTERS_SUM, 0, 0, 1, 1},
		      {TEXT(gauge), TEXT(empty), TEXT(help), TEXT(unit), TEXT(help), TEXT(empty),
		       MT_COUNTERS_GAUGE, 1, 1, 1, 1000},
		      {TEXT(histogram), TEXT(labels), TEXT(help), TEXT(unit), TEXT(help), TEXT(bounds),
		       MT_COUNTERS_HISTOGRAM, 0, 2, CELLS, MT_NS_PER_SECOND}},
	    .sum = "mailtap_a_total",
	    .gauge = "mailtap_b",
	    .histogram = "mailtap_seconds",
	    .labels = "protocol=\"smtp\",kind=\"x\"",
	    .help = "In a sentence.",
	    .unit = "seconds",
	    .bounds = "0.1 1",
	    .block = {{.sequence = 2, .cell = {1, 2, 3, 4, 5, 6}}, {.sequence = 4, .cell = {7}}},
	};

	begin();
	add_byte(0); /* nothing of it is cut off */
	add(&object, sizeof(object));
	end("counters", "one-of-each-kind");
}

/* ---- Words ---- */

/* The ops, the secret, and every word of the protocol's tables. */
static void write_words(const char *fuzzer, const struct mt_dialogue *dialogue)
{
	FILE *file = open_out(fuzzer, ".dict", "w");

	for (unsigned op = 0; op < CONVERSATION_MANNER_COUNT * MT_DIRECTION_COUNT; op++)
		fprintf(file, "\"\\x%02x\\x%02x\"\n", FUZZ_MARK, op);
	fprintf(file, "\"\\x%02x\\x%02x\\x0d\\x0a\"\n\"\\x0d\\x0a\"\n", FUZZ_MARK, FUZZ_SECRET);
	for (size_t i = 0; i < dialogue->command_count; i++)
		if (dialogue->commands[i].word != NULL)
			fprintf(file, "\"%s\"\n", dialogue->commands[i].word);
	for (size_t i = 0; i < dialogue->reply_count; i++)
		if (dialogue->replies[i].word != NULL)
			fprintf(file, "\"%s\"\n", dialogue->replies[i].word);
	fclose(file);
}

/* A login of each kind, with the place where the secret goes. */
static void write_logins(void)
{
	static const struct {
		const char *fuzzer, *greeting, *login;
	} logins[] = {
	    {"smtp", "220 x ESMTP\r\n", "AUTH PLAIN "},
	    {"smtp", "220 x ESMTP\r\n", "AUTH LOGIN "},
	    {"smtp", "220 x ESMTP\r\n", "AUTH XOAUTH2 "},
	    {"imap", "* OK x\r\n", "A1 LOGIN "},
	    {"imap", "* OK x\r\n", "A1 LOGIN fred "},
	    {"imap", "* OK x\r\n", "A1 AUTHENTICATE PLAIN "},
	    {"pop3", "+OK x\r\n", "USER "},
	    {"pop3", "+OK x\r\n", "PASS "},
	    {"pop3", "+OK x\r\n", "APOP "},
	    {"pop3", "+OK x\r\n", "AUTH PLAIN "},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(logins); i++)
		for (unsigned cut = 0; cut < 2; cut++) {
			/* Only a line that comes in pieces is copied anywhere. */
			enum conversation_manner manner = cut ? CONVERSATION_BYTEWISE : CONVERSATION_AS_SENT;

			begin();
			add_byte(0);
			add_piece(MT_TO_CLIENT, mt_span_text(logins[i].greeting));
			add_piece(conversation_op(manner, MT_TO_SERVER), mt_span_text(logins[i].login));
			add((uint8_t[]){FUZZ_MARK, FUZZ_SECRET, '\r', '\n'}, 4);
			end_nth(logins[i].fuzzer, "login.%zu.%u", i, cut);
		}
}

static void forget_list(const char *folder, const char *name)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (strstr(name, ".list") != NULL)
		unlink(path);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: seeds GOLDEN CAPTURES HAND-MADE OUT\n");
		return 2;
	}
	out = argv[4];
	must(mkdir(out, 0755) == 0 || errno == EEXIST, out);
	each_entry(out, forget_list);
	each_entry(argv[1], write_dialogue);
	each_entry(argv[2], write_capture);
	each_entry(argv[3], copy_folder);
	write_tunnels();
	write_handshakes();
	write_certificates();
	write_counters();
	write_words("smtp", &mt_smtp_dialogue);
	write_words("imap", &mt_imap_dialogue);
	write_words("pop3", &mt_pop3_dialogue);
	write_logins();
	return 0;
}
