/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

#include "identify.h"

#define SMTP MT_PROTOCOL_SMTP
#define IMAP MT_PROTOCOL_IMAP
#define POP3 MT_PROTOCOL_POP3
#define NONE MT_PROTOCOL_COUNT

static struct mt_identify_ports ports;
static char error[200];

/* Ports. */

static void the_built_in_ports_are_those_of_the_contract(void **state)
{
	(void)state;
	/* CONTRACT.md 1, --ports. */
	static const struct {
		uint16_t number;
		enum mt_protocol protocol;
		bool is_implicit;
	} rows[] = {{25, SMTP, false},	{587, SMTP, false}, {2525, SMTP, false}, {465, SMTP, true},
		    {143, IMAP, false}, {993, IMAP, true},  {110, POP3, false},	 {995, POP3, true}};
	unsigned count = 0;

	assert_int_equal(mt_identify_ports_parse(&ports, NULL, error, sizeof(error)), 0);
	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		assert_int_equal(ports.port[rows[i].number].protocol, rows[i].protocol);
		assert_int_equal(ports.port[rows[i].number].is_implicit, rows[i].is_implicit);
	}
	for (unsigned i = 0; i < 65536; i++)
		count += ports.port[i].protocol != NONE;
	assert_int_equal(count, MT_ARRAY_LEN(rows));
	assert_int_equal(mt_identify_ports_parse(&ports, mt_identify_ports_default(), error, sizeof(error)),
			 0);
}

static void a_list_of_ports_replaces_the_built_in_one(void **state)
{
	(void)state;
	assert_int_equal(mt_identify_ports_parse(&ports, "1=smtps,65535=pop3,1=imap", error, sizeof(error)),
			 0);
	assert_int_equal(ports.port[1].protocol, IMAP);
	assert_false(ports.port[1].is_implicit);
	assert_int_equal(ports.port[65535].protocol, POP3);
	assert_int_equal(ports.port[25].protocol, NONE);
}

static void a_bad_list_is_refused_with_a_sentence_that_names_it(void **state)
{
	(void)state;
	static const char *const lists[] = {"25",
					    "25=",
					    "=smtp",
					    "25=http",
					    "0=smtp",
					    "65536=smtp",
					    "-1=smtp",
					    "+25=smtp",
					    " 25=smtp",
					    "25 =smtp",
					    "25=SMTP",
					    "25=smtpx",
					    "25=smtp;26",
					    "x=imap",
					    "25=smtp,,26=smtp",
					    "25=smt",
					    "4294967321=smtp",
					    "99999999999999999999=smtp"};

	for (size_t i = 0; i < MT_ARRAY_LEN(lists); i++) {
		error[0] = 0;
		assert_int_equal(mt_identify_ports_parse(&ports, lists[i], error, sizeof(error)), -22);
		assert_non_null(strstr(error, "no mail port"));
	}
}

/* First look. */

static void a_greeting_is_known_by_its_beginning_or_a_beginning_of_that(void **state)
{
	(void)state;
	static const char *const whole[] = {"220 x",  "220-x",	     "+OK",    "+OK x",
					    "* OK x", "* PREAUTH x", "* BYE x"};
	static const char *const no[] = {"",	 "x",	  "221 x", "2200", "220x",   "+ok",	  "-ERR",
					 "* NO", "*  OK", "HTTP",  "+ x",  "* ok x", "* PREAUTi", "22 x"};

	for (size_t i = 0; i < MT_ARRAY_LEN(whole); i++)
		for (size_t n = 1; n <= strlen(whole[i]); n++)
			assert_true(mt_identify_begins_like_greeting(guarded(whole[i], n)));
	for (size_t i = 0; i < MT_ARRAY_LEN(no); i++)
		assert_false(mt_identify_begins_like_greeting(guarded(no[i], strlen(no[i]))));
	assert_int_equal(mt_identify_greeting(guarded("220", 3)), MT_IDENTIFY_PERHAPS);
	assert_int_equal(mt_identify_greeting(guarded("* PREAUT", 8)), MT_IDENTIFY_PERHAPS);
	assert_int_equal(mt_identify_greeting(guarded("* PREAUTH", MT_IDENTIFY_GREETING_BYTES)),
			 MT_IDENTIFY_YES);
	assert_int_equal(mt_identify_greeting(guarded("220 ", 4)), MT_IDENTIFY_YES);
	assert_int_equal(mt_identify_greeting(guarded("250-x", 5)), MT_IDENTIFY_NO);
}

static struct mt_packet packet_of(uint8_t from, uint16_t src_port, uint8_t to, uint16_t dst_port,
				  const char *payload)
{
	return (struct mt_packet){.ip_version = 4,
				  .src = {10, 0, 0, from},
				  .dst = {10, 0, 0, to},
				  .src_port = src_port,
				  .dst_port = dst_port,
				  .payload = mt_span_text(payload)};
}

static struct mt_identify_filter filter;

static enum mt_identify_look look(uint8_t from, uint16_t src_port, uint8_t to, uint16_t dst_port,
				  const char *payload, uint64_t now)
{
	struct mt_packet packet = packet_of(from, src_port, to, dst_port, payload);

	return mt_identify_first_look(&filter, &ports, &packet, now, 100);
}

static void a_server_that_greets_is_known_from_then_on(void **state)
{
	(void)state;
	memset(&filter, 0, sizeof(filter));
	mt_identify_ports_parse(&ports, NULL, error, sizeof(error));
	assert_int_equal(look(1, 40000, 2, 25, "", 1000), MT_IDENTIFY_MAIL_PORT);
	assert_int_equal(look(2, 25, 1, 40000, "HTTP", 1000), MT_IDENTIFY_MAIL_PORT);
	assert_int_equal(look(1, 40000, 2, 26, "EHLO x", 1000), MT_IDENTIFY_DROP);
	assert_int_equal(look(2, 26, 1, 40000, "220 x", 1000), MT_IDENTIFY_GREETING);
	assert_int_equal(look(1, 40000, 2, 26, "EHLO x", 1001), MT_IDENTIFY_KNOWN);
	assert_int_equal(look(2, 26, 1, 40000, "250 x", 1002), MT_IDENTIFY_KNOWN);
	/* The server is known, not its neighbour's port nor its client. */
	assert_int_equal(look(1, 40000, 2, 27, "EHLO x", 1003), MT_IDENTIFY_DROP);
	assert_int_equal(look(1, 40000, 3, 26, "EHLO x", 1003), MT_IDENTIFY_DROP);
}

static void a_server_is_forgotten_after_one_to_two_periods(void **state)
{
	(void)state;
	memset(&filter, 0, sizeof(filter));
	mt_identify_ports_parse(&ports, NULL, error, sizeof(error));
	look(9, 9, 9, 9, "x", 1000);
	assert_int_equal(look(2, 26, 1, 40000, "220 x", 1050), MT_IDENTIFY_GREETING);
	look(9, 9, 9, 9, "x", 1100);
	assert_int_equal(look(1, 40000, 2, 26, "x", 1149), MT_IDENTIFY_KNOWN);
	/* Its traffic renewed it: it is known for another period at least. */
	look(9, 9, 9, 9, "x", 1200);
	look(9, 9, 9, 9, "x", 1240);
	assert_int_equal(look(1, 40000, 2, 26, "x", 1248), MT_IDENTIFY_KNOWN);
	look(9, 9, 9, 9, "x", 1300);
	look(9, 9, 9, 9, "x", 1400);
	look(9, 9, 9, 9, "x", 1500);
	assert_int_equal(look(1, 40000, 2, 26, "x", 1501), MT_IDENTIFY_DROP);
	/* Also where nothing at all came in between. */
	assert_int_equal(look(2, 26, 1, 40000, "220 x", 1550), MT_IDENTIFY_GREETING);
	assert_int_equal(look(1, 40000, 2, 26, "x", 1760), MT_IDENTIFY_DROP);
}

/* Lines of servers. */

static const struct {
	const char *line;
	enum mt_protocol hint;
	bool is_first;
	enum mt_identify_answer answer;
	enum mt_protocol protocol;
	bool is_greeting;
} server_lines[] = {
    /* On its port a greeting needs no product; S1: refusing ones as well. */
    {"220 mx.example", SMTP, true, MT_IDENTIFY_YES, SMTP, true},
    {"220-mx.example", SMTP, true, MT_IDENTIFY_YES, SMTP, true},
    {"220", SMTP, true, MT_IDENTIFY_YES, SMTP, true},
    {"554 no service", SMTP, true, MT_IDENTIFY_YES, SMTP, true},
    {"421 4.3.2 busy", SMTP, true, MT_IDENTIFY_YES, SMTP, true},
    {"250 ok", SMTP, false, MT_IDENTIFY_YES, SMTP, false},
    {"554 refused", SMTP, false, MT_IDENTIFY_YES, SMTP, false},
    /* Elsewhere it does; FTP says 220 too (mistake-8). */
    {"220 mx ESMTP Postfix", NONE, true, MT_IDENTIFY_YES, SMTP, true},
    {"220 ready for mail", NONE, true, MT_IDENTIFY_YES, SMTP, true},
    {"220 mx.example", NONE, true, MT_IDENTIFY_PERHAPS, SMTP, true},
    {"220 (vsFTPd 3.0.3)", NONE, true, MT_IDENTIFY_PERHAPS, SMTP, true},
    {"220 FileZilla Server", SMTP, true, MT_IDENTIFY_PERHAPS, SMTP, true},
    {"220 ProFTPD Server", SMTP, true, MT_IDENTIFY_PERHAPS, SMTP, true},
    {"554 no service", NONE, true, MT_IDENTIFY_NO, NONE, false},
    {"250 ok", NONE, false, MT_IDENTIFY_NO, NONE, false},
    {"2200 x", SMTP, true, MT_IDENTIFY_NO, NONE, false},
    {"200x", SMTP, true, MT_IDENTIFY_NO, NONE, false},
    /* P1, P8: +OK alone is Redis and NATS too. */
    {"+OK", POP3, true, MT_IDENTIFY_YES, POP3, true},
    {"+OK Dovecot ready.", POP3, true, MT_IDENTIFY_YES, POP3, true},
    {"-ERR busy", POP3, true, MT_IDENTIFY_YES, POP3, true},
    {"+OK 2 320", POP3, false, MT_IDENTIFY_YES, POP3, false},
    {"+OK", NONE, true, MT_IDENTIFY_PERHAPS, POP3, true},
    {"+OK POP3 ready", NONE, true, MT_IDENTIFY_YES, POP3, true},
    {"+OK <1.2@host>", NONE, true, MT_IDENTIFY_YES, POP3, true},
    {"-ERR unknown command", NONE, true, MT_IDENTIFY_NO, NONE, false},
    {"+OKAY", POP3, true, MT_IDENTIFY_NO, NONE, false},
    /* I1. */
    {"* OK Dovecot ready.", IMAP, true, MT_IDENTIFY_YES, IMAP, true},
    {"* ok x", NONE, true, MT_IDENTIFY_YES, IMAP, true},
    {"* PREAUTH x", NONE, true, MT_IDENTIFY_YES, IMAP, true},
    {"* BYE x", NONE, true, MT_IDENTIFY_YES, IMAP, true},
    {"a1 OK done", IMAP, false, MT_IDENTIFY_YES, IMAP, false},
    {"* 3 EXISTS", IMAP, false, MT_IDENTIFY_YES, IMAP, false},
    {"* 3 EXISTS", NONE, false, MT_IDENTIFY_NO, NONE, false},
    /* I10: ACAP and ManageSieve. */
    {"* ACAP (IMPLEMENTATION \"x\")", IMAP, true, MT_IDENTIFY_NO, NONE, false},
    {"\"IMPLEMENTATION\" \"Dovecot\"", NONE, true, MT_IDENTIFY_NO, NONE, false},
    {"OK \"Dovecot ready.\"", NONE, true, MT_IDENTIFY_NO, NONE, false},
    /* Something else on a mail port. */
    {"SSH-2.0-OpenSSH_9.2", SMTP, true, MT_IDENTIFY_NO, NONE, false},
    {"HTTP/1.1 400 Bad Request", SMTP, true, MT_IDENTIFY_NO, NONE, false},
    {"HTTP/1.1 400 Bad Request", POP3, true, MT_IDENTIFY_NO, NONE, false},
    {"", SMTP, true, MT_IDENTIFY_NO, NONE, false},
    {"22", SMTP, true, MT_IDENTIFY_NO, NONE, false},
};

static void a_server_is_known_by_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(server_lines); i++) {
		const char *line = server_lines[i].line;
		struct mt_identify_result result = mt_identify_server_line(
		    guarded(line, strlen(line)), server_lines[i].hint, server_lines[i].is_first);

		if (result.answer != server_lines[i].answer)
			print_error("%s\n", line);
		assert_int_equal(result.answer, server_lines[i].answer);
		if (result.answer == MT_IDENTIFY_NO)
			continue;
		assert_int_equal(result.protocol, server_lines[i].protocol);
		assert_int_equal(result.is_greeting, server_lines[i].is_greeting);
	}
}

/* Lines of clients. */

static const struct {
	const char *line;
	enum mt_protocol hint;
	bool is_greeted;
	enum mt_identify_answer answer;
	enum mt_protocol protocol;
} client_lines[] = {
    /* No other protocol says these. */
    {"EHLO x", NONE, false, MT_IDENTIFY_YES, SMTP},
    {"  helo x", POP3, false, MT_IDENTIFY_YES, SMTP},
    {"MAIL FROM:<>", NONE, false, MT_IDENTIFY_YES, SMTP},
    {"mail from:<>", NONE, false, MT_IDENTIFY_YES, SMTP},
    {"MAIL x", NONE, false, MT_IDENTIFY_NO, NONE},
    {"CAPA", NONE, false, MT_IDENTIFY_YES, POP3},
    {"STLS", NONE, false, MT_IDENTIFY_YES, POP3},
    {"a1 CAPABILITY", NONE, false, MT_IDENTIFY_YES, IMAP},
    {"a1 LOGIN", NONE, false, MT_IDENTIFY_YES, IMAP},
    {"x starttls", NONE, false, MT_IDENTIFY_YES, IMAP},
    {"a AUTHENTICATE PLAIN", POP3, false, MT_IDENTIFY_YES, IMAP},
    /* FTP says USER and PASS: only port or greeting make them POP3's. */
    {"USER", POP3, false, MT_IDENTIFY_YES, POP3},
    {"USER", NONE, false, MT_IDENTIFY_PERHAPS, POP3},
    {"USER", POP3, true, MT_IDENTIFY_YES, POP3},
    {"USER", SMTP, true, MT_IDENTIFY_PERHAPS, POP3},
    {"PASS", SMTP, true, MT_IDENTIFY_PERHAPS, POP3},
    /* What everybody says is no proof behind a doubtful greeting. */
    {"QUIT", SMTP, false, MT_IDENTIFY_YES, SMTP},
    {"QUIT", SMTP, true, MT_IDENTIFY_PERHAPS, SMTP},
    {"QUIT", POP3, false, MT_IDENTIFY_YES, POP3},
    {"AUTH PLAIN", POP3, false, MT_IDENTIFY_YES, POP3},
    {"AUTH PLAIN", SMTP, false, MT_IDENTIFY_YES, SMTP},
    {"AUTH TLS", SMTP, true, MT_IDENTIFY_PERHAPS, SMTP},
    {"DATA", SMTP, true, MT_IDENTIFY_YES, SMTP},
    {"a NOOP", IMAP, false, MT_IDENTIFY_YES, IMAP},
    {"a NOOP", NONE, false, MT_IDENTIFY_PERHAPS, IMAP},
    /* Something else. */
    {"GET / HTTP/1.1", SMTP, false, MT_IDENTIFY_NO, NONE},
    {"SSH-2.0-x", SMTP, false, MT_IDENTIFY_NO, NONE},
    {"PING", POP3, true, MT_IDENTIFY_NO, NONE},
    {"CONNECT {}", POP3, true, MT_IDENTIFY_NO, NONE},
    {"LHLO x", SMTP, false, MT_IDENTIFY_NO, NONE},
    {"EHLOX", SMTP, false, MT_IDENTIFY_NO, NONE},
    {"", SMTP, false, MT_IDENTIFY_NO, NONE},
    {"   ", IMAP, false, MT_IDENTIFY_NO, NONE},
};

static void a_client_is_known_by_its_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(client_lines); i++) {
		const char *line = client_lines[i].line;
		struct mt_identify_result result = mt_identify_client_line(
		    guarded(line, strlen(line)), client_lines[i].hint, client_lines[i].is_greeted);

		if (result.answer != client_lines[i].answer)
			print_error("%s\n", line);
		assert_int_equal(result.answer, client_lines[i].answer);
		if (result.answer != MT_IDENTIFY_NO)
			assert_int_equal(result.protocol, client_lines[i].protocol);
	}
}

/* G18: proxy-protocol.txt 2.1 and 2.2, whole, cut short everywhere, and what only looks like it. */
static void a_header_of_a_balancer_is_measured(void **state)
{
	(void)state;
	static const char line[] = "PROXY TCP4 192.0.2.1 192.0.2.25 40000 25\r\n";
	static const char block[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x01\x02";
	static const char endless[] = "PROXY 45678901234567890123456789012345678901234567890123456789"
				      "0123456789012345678901234567890123456789012345678\n";

	for (size_t len = 1; len < sizeof(line) - 1; len++)
		assert_int_equal(mt_identify_proxy_header(guarded(line, len)), UINT32_MAX);
	assert_int_equal(mt_identify_proxy_header(mt_span_text(line)), sizeof(line) - 1);
	for (size_t len = 1; len < sizeof(block) - 1; len++)
		assert_int_equal(mt_identify_proxy_header(guarded(block, len)), UINT32_MAX);
	assert_int_equal(mt_identify_proxy_header(guarded(block, sizeof(block) - 1)), 16 + 0x0102);
	assert_int_equal(mt_identify_proxy_header(mt_span_text(endless)), 0);
	assert_int_equal(mt_identify_proxy_header(mt_span_text("PASS x")), 0);
	assert_int_equal(mt_identify_proxy_header(mt_span_text("\r\nEHLO")), 0);
}

static void names_of_the_alpn_registry_are_known(void **state)
{
	(void)state;
	assert_int_equal(mt_identify_alpn(mt_span_text("imap")), IMAP);
	assert_int_equal(mt_identify_alpn(mt_span_text("pop3")), POP3);
	assert_int_equal(mt_identify_alpn(mt_span_text("smtp")), SMTP);
	assert_int_equal(mt_identify_alpn(mt_span_text("h2")), NONE);
	assert_int_equal(mt_identify_alpn(mt_span_text("imap4")), NONE);
	assert_int_equal(mt_identify_alpn(mt_span("", 0)), NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_built_in_ports_are_those_of_the_contract),
	    cmocka_unit_test(a_list_of_ports_replaces_the_built_in_one),
	    cmocka_unit_test(a_bad_list_is_refused_with_a_sentence_that_names_it),
	    cmocka_unit_test(a_greeting_is_known_by_its_beginning_or_a_beginning_of_that),
	    cmocka_unit_test(a_server_that_greets_is_known_from_then_on),
	    cmocka_unit_test(a_server_is_forgotten_after_one_to_two_periods),
	    cmocka_unit_test(a_server_is_known_by_its_line),
	    cmocka_unit_test(a_client_is_known_by_its_words),
	    cmocka_unit_test(a_header_of_a_balancer_is_measured),
	    cmocka_unit_test(names_of_the_alpn_registry_are_known),
	};
	return cmocka_run_group_tests_name("identify", tests, NULL, NULL);
}
