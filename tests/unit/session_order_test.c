/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * Whatever stays within the limits gives the record of in-order delivery: dialogues in random segments that
 * come in random order, some of them again. The same seed is the same run on every machine.
 */
#include "unit.h"

#include <stdio.h>

#include "session_run.h"
#include "tls_samples.h"

#define RUNS	     60
#define RUNS_LONG    3000 /* with MAILTAP_TEST_LONG */
#define SEGMENTS_MAX 4096
#define STREAM_BYTES 16384
#define START	     (1000 * SECOND)
#define LATE_MAX_NS  (150 * MT_NS_PER_MS) /* DESIGN.md, decision 5: less than what is given up as lost */

/** What is said: C: and S: in front of what a side sends in one go, TLS for every flight of a handshake. */
static const struct script {
	const char *name;
	uint16_t port;
	enum mt_outcome outcome;
	unsigned messages;
	const char *turns[32]; /* NULL after the last */
} scripts[] = {
    {"smtp, two mails and a login",
     25,
     MT_OUTCOME_OFFERED_UNUSED,
     2,
     {"S:220-mx.example ESMTP\r\n220 ready\r\n",
      "C:EHLO client.example\r\n",
      "S:250-mx.example\r\n250-PIPELINING\r\n250-AUTH LOGIN PLAIN\r\n250 STARTTLS\r\n",
      "C:AUTH LOGIN\r\n",
      "S:334 VXNlcm5hbWU6\r\n",
      "C:dXNlcg==\r\n",
      "S:334 UGFzc3dvcmQ6\r\n",
      "C:c2VjcmV0\r\n",
      "S:235 2.7.0 ok\r\n",
      "C:MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n",
      "S:250 ok\r\n250 ok\r\n354 go\r\n",
      "C:Subject: one\r\n\r\n..\r\nSTARTTLS\r\n.\r\n",
      "S:250 queued\r\n",
      "C:MAIL FROM:<a@example.org>\r\n",
      "S:250 ok\r\n",
      "C:RCPT TO:<b@example.org>\r\n",
      "S:250 ok\r\n",
      "C:DATA\r\n",
      "S:354 go\r\n",
      "C:two\n.\r\nMAIL FROM:<x>\r\n.\r\nQUIT\r\n",
      "S:250 queued\r\n221 bye\r\n"}},
    {"smtp, chunks",
     587,
     MT_OUTCOME_NOT_OFFERED,
     1,
     {"S:220 mx.example ESMTP\r\n", "C:EHLO client.example\r\n", "S:250-mx.example\r\n250 CHUNKING\r\n",
      "C:MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n"
      "BDAT 10\r\n\r\n.\r\nQUIT\rBDAT 13 LAST\r\nSTARTTLS\r\n.\r\n",
      "S:250 ok\r\n250 ok\r\n250 ok\r\n250 queued\r\n", "C:QUIT\r\n", "S:221 bye\r\n"}},
    {"smtp, an upgrade refused and granted",
     25,
     MT_OUTCOME_ESTABLISHED,
     0,
     {"S:220 mx.example ESMTP\r\n", "C:EHLO client.example\r\n", "S:250-mx.example\r\n250 STARTTLS\r\n",
      "C:STARTTLS\r\n", "S:454 later\r\n", "C:STARTTLS\r\n", "S:220-go\r\n220 ahead\r\n", "TLS"}},
    {"smtp, commands injected behind STARTTLS",
     25,
     MT_OUTCOME_ESTABLISHED,
     0,
     {"S:220 mx.example ESMTP\r\n", "C:EHLO client.example\r\n", "S:250-mx.example\r\n250 STARTTLS\r\n",
      "C:STARTTLS\r\nRSET\r\n", "S:220 go\r\n", "TLS"}},
    {"imap, literals either way",
     143,
     MT_OUTCOME_OFFERED_UNUSED,
     1,
     {"S:* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", "C:a LOGIN {4}\r\n", "S:+ go\r\n", "C:user {6}\r\n",
      "S:+ go\r\n", "C:secret\r\n", "S:a OK in\r\n", "C:b APPEND INBOX {14+}\r\nx STARTTLS\r\n\r\n\r\n",
      "S:b OK done\r\n", "C:c FETCH 1 BODY[]\r\n",
      "S:* 1 FETCH (BODY[] {12}\r\nc OK no\r\nx\r\n)\r\nc OK yes\r\n", "C:d IDLE\r\n",
      "S:+ idling\r\n* 2 EXISTS\r\n", "C:DONE\r\n", "S:d OK\r\n", "C:e LOGOUT\r\n", "S:* BYE\r\ne OK\r\n"}},
    {"imap, an upgrade",
     143,
     MT_OUTCOME_ESTABLISHED,
     0,
     {"S:* OK ready\r\n", "C:a CAPABILITY\r\nb STARTTLS\r\n",
      "S:* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na OK\r\n* OK a moment\r\nb OK go\r\n", "TLS"}},
    {"pop3, a login and a mail",
     110,
     MT_OUTCOME_REFUSED,
     1,
     {"S:+OK ready <1@example>\r\n", "C:CAPA\r\n", "S:+OK\r\nSTLS\r\nUSER\r\n.\r\n",
      "C:USER user\r\nPASS secret\r\nSTAT\r\n", "S:+OK\r\n+OK\r\n+OK 1 20\r\n", "C:RETR 1\r\n",
      "S:+OK\r\nmail\r\n..\r\n+OK\r\n.\r\n", "C:STLS\r\n", "S:-ERR too late\r\n", "C:QUIT\r\n", "S:+OK\r\n"}},
    {"pop3, an upgrade without a question",
     110,
     MT_OUTCOME_ESTABLISHED,
     0,
     {"S:+OK\r\n", "C:STLS\r\n", "S:+OK\r\n", "TLS"}},
};

/** A segment on its way. */
struct piece {
	enum mt_direction direction;
	uint8_t flags;
	uint32_t offset, len; /* in the direction's stream */
	uint32_t ack;	      /* bytes of the other direction that its sender had */
	uint64_t sent_ns, here_ns;
};

static uint8_t streams[MT_DIRECTION_COUNT][STREAM_BYTES];
static uint32_t lens[MT_DIRECTION_COUNT];
static struct piece pieces[SEGMENTS_MAX];
static unsigned piece_count;
static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % below;
}

static struct piece *add(struct piece piece)
{
	assert_true(piece_count < SEGMENTS_MAX);
	pieces[piece_count] = piece;
	return &pieces[piece_count++];
}

/* Whole, or cut into as many segments as it pleases. */
static void send_turn(enum mt_direction direction, const void *bytes, uint32_t len, bool is_cut)
{
	uint64_t now_ns = piece_count > 0 ? pieces[piece_count - 1].sent_ns + MT_NS_PER_MS : START;

	assert_true(lens[direction] + len <= STREAM_BYTES);
	memcpy(streams[direction] + lens[direction], bytes, len);
	for (uint32_t n; len > 0; len -= n) {
		n = is_cut && draw(3) > 0 ? 1 + draw(len < 40 ? len : 40) : len;
		add((struct piece){direction, MT_TCP_ACK, lens[direction], n, lens[mt_opposite(direction)],
				   now_ns, now_ns});
		lens[direction] += n;
		now_ns += 1000;
	}
}

static void send_handshake(bool is_cut)
{
	static uint8_t bytes[STREAM_BYTES];

	for (const struct tls_flight *flight = flights_tls12; flight->hex != NULL; flight++) {
		uint32_t len = 0;

		for (; flight->hex[2 * len] != 0; len++)
			sscanf(flight->hex + 2 * (size_t)len, "%2hhx", &bytes[len]);
		send_turn(flight->direction, bytes, len, is_cut);
	}
}

static void say_goodbye(void)
{
	uint64_t now_ns = pieces[piece_count - 1].sent_ns + SECOND;

	for (unsigned i = 0; i < MT_DIRECTION_COUNT; i++)
		add((struct piece){i, MT_TCP_FIN | MT_TCP_ACK, lens[i], 0, lens[!i] + (i > 0), now_ns,
				   now_ns});
	add((struct piece){MT_TO_SERVER, MT_TCP_ACK, lens[MT_TO_SERVER] + 1, 0, lens[MT_TO_CLIENT] + 1,
			   now_ns, now_ns});
}

static void write_script(const struct script *script, bool is_cut)
{
	piece_count = 0;
	memset(lens, 0, sizeof(lens));
	for (const char *const *turn = script->turns; *turn != NULL; turn++)
		if (strcmp(*turn, "TLS") == 0)
			send_handshake(is_cut);
		else
			send_turn((*turn)[0] == 'C' ? MT_TO_SERVER : MT_TO_CLIENT, *turn + 2,
				  (uint32_t)strlen(*turn + 2), is_cut);
}

static int by_arrival(const void *a, const void *b)
{
	const struct piece *left = a, *right = b;

	if (left->here_ns != right->here_ns)
		return left->here_ns < right->here_ns ? -1 : 1;
	return left->sent_ns < right->sent_ns ? -1 : left->sent_ns > right->sent_ns;
}

/* Some segments again, alone or with what was sent before them in one; never before they came first. */
static void repeat(void)
{
	unsigned count = piece_count;

	for (unsigned i = 0; i < count && piece_count < SEGMENTS_MAX; i++) {
		struct piece again = pieces[i];

		if (draw(4) > 0)
			continue;
		for (unsigned more = draw(4), k = i; more > 0 && k-- > 0;)
			if (pieces[k].direction == again.direction) {
				again.offset = pieces[k].offset;
				again.len += pieces[k].len;
				again.here_ns =
				    again.here_ns > pieces[k].here_ns ? again.here_ns : pieces[k].here_ns;
				more--;
			}
		again.here_ns += draw(20 * MT_NS_PER_MS);
		again.sent_ns = again.here_ns;
		add(again);
	}
}

static void shuffle(void)
{
	/* One of the directions may be late as a whole, as behind another tap. */
	uint32_t late_ns[MT_DIRECTION_COUNT] = {0}, spread_ns = draw(3) * 20 * MT_NS_PER_MS;

	late_ns[draw(MT_DIRECTION_COUNT)] = draw((uint32_t)(LATE_MAX_NS - 2 * 20 * MT_NS_PER_MS));
	for (unsigned i = 0; i < piece_count; i++)
		pieces[i].here_ns += late_ns[pieces[i].direction] + (spread_ns > 0 ? draw(spread_ns) : 0);
	repeat();
	qsort(pieces, piece_count, sizeof(pieces[0]), by_arrival);
}

static struct mt_report whole, found;
static unsigned facts_seen, ends_seen;

static bool keep(void *context, const struct mt_report *report)
{
	(void)context;
	if (report->part_bytes > 0)
		return true;
	if (report->has_facts) {
		memset(&found, 0, sizeof(found));
		memcpy(&found, report, mt_report_bytes(report));
	}
	facts_seen += report->has_facts;
	ends_seen += report->has_end;
	return true;
}

static void send_piece(const struct script *script, const struct piece *piece)
{
	static const uint32_t isn[] = {[MT_TO_SERVER] = 0xffffff80u, [MT_TO_CLIENT] = 0xffffffc0u};
	bool is_client = piece->direction == MT_TO_SERVER;
	uint8_t *payload = calloc(1, piece->len + (piece->len == 0));
	struct mt_engine_packet packet = {
	    .packet = {.ip_version = 4,
		       .tcp_flags = piece->flags,
		       .src_port = is_client ? 40000 : script->port,
		       .dst_port = is_client ? script->port : 40000,
		       .src = {10, 0, 0, is_client ? 1 : 2},
		       .dst = {10, 0, 0, is_client ? 2 : 1},
		       .seq = isn[piece->direction] + piece->offset + ((piece->flags & MT_TCP_SYN) == 0),
		       .ack = (piece->flags & MT_TCP_ACK) != 0 ? isn[!piece->direction] + piece->ack + 1 : 0,
		       .ip_bytes = 40 + piece->len,
		       .payload_wire_len = piece->len,
		       .payload = mt_span(payload, piece->len)},
	    .time_ns = piece->here_ns,
	};

	assert_non_null(payload);
	memcpy(payload, streams[piece->direction] + piece->offset, piece->len);
	put(packet);
	free(payload);
}

static void run(const struct script *script)
{
	facts_seen = ends_seen = 0;
	receiver = keep;
	create(8, 8);
	send_piece(script,
		   &(struct piece){MT_TO_SERVER, MT_TCP_SYN, 0, 0, 0, START, START - 2 * MT_NS_PER_MS});
	send_piece(script, &(struct piece){MT_TO_CLIENT, MT_TCP_SYN | MT_TCP_ACK, 0, 0, 0, START,
					   START - MT_NS_PER_MS});
	for (unsigned i = 0; i < piece_count; i++)
		send_piece(script, &pieces[i]);
	mt_engine_finish(engine, pieces[piece_count - 1].here_ns);
	for (unsigned loss = 0; loss < MT_LOSS_COUNT; loss++)
		assert_int_equal(cells[MT_CELL1(LOST, loss)], 0);
	assert_clean();
	mt_engine_destroy(engine);
	assert_int_equal(facts_seen, 1);
	assert_int_equal(ends_seen, 1);
}

/* When things happened depends on how the packets went; what happened must not. */
static void forget_times(struct mt_facts *facts)
{
	facts->start_ns = facts->synack_ns = facts->greeting_ns = facts->request_ns = 0;
	facts->response_ns = facts->hello_ns = facts->established_ns = 0;
}

static void any_order_within_the_limits_gives_the_record_of_the_one_that_was_sent(void **state)
{
	unsigned runs = getenv("MAILTAP_TEST_LONG") != NULL ? RUNS_LONG : RUNS;

	(void)state;
	for (size_t s = 0; s < MT_ARRAY_LEN(scripts); s++) {
		write_script(&scripts[s], false);
		say_goodbye();
		run(&scripts[s]);
		whole = found;
		assert_int_equal(mt_facts_outcome(&whole.facts), scripts[s].outcome);
		assert_int_equal(whole.facts.messages, scripts[s].messages);
		assert_int_equal(whole.facts.has_gap, false);
		assert_int_equal(whole.facts.is_midstream, false);
		forget_times(&whole.facts);
		for (unsigned i = 0; i < runs; i++) {
			seed = s * 1000003 + i;
			write_script(&scripts[s], true);
			shuffle();
			say_goodbye();
			run(&scripts[s]);
			forget_times(&found.facts);
			if (memcmp(&whole.facts, &found.facts, sizeof(whole.facts)) != 0)
				fail_msg("%s: run %u says something else", scripts[s].name, i);
			assert_int_equal(found.missing[0] + found.missing[1], 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_order_within_the_limits_gives_the_record_of_the_one_that_was_sent),
	};
	return cmocka_run_group_tests_name("session_order", tests, compile, release);
}
