/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Dialogues made up here, each a table of who sends what. They become models, and are sent as captured ones
 * are.
 */
#include "generator.h"

#include <string.h>

#define CLIENT	    0x0a000001
#define SERVER	    0x0a000002
#define CLIENT_PORT 40000
#define LINES	    100 /* commands of a long dialogue, each answered */

enum sender { FROM_CLIENT, FROM_SERVER };

/** One segment. */
struct step {
	enum sender sender;
	uint8_t flags;
	const char *bytes;
	uint32_t len;
};
#define SAYS(sender, text)                                                                                   \
	{                                                                                                    \
		sender, PSH | ACK, text, sizeof(text) - 1                                                    \
	}
#define SENDS(sender, flags)                                                                                 \
	{                                                                                                    \
		sender, flags, NULL, 0                                                                       \
	}
#define OPENING	     SENDS(FROM_CLIENT, SYN), SENDS(FROM_SERVER, SYN | ACK)
#define CLOSING	     SENDS(FROM_CLIENT, FIN | ACK), SENDS(FROM_SERVER, FIN | ACK), SENDS(FROM_CLIENT, ACK)
#define STEPS(table) table, sizeof(table) / sizeof((table)[0])

/* ---- What is said ---- */

#define RANDOM "0123456789abcdef0123456789ABCDEF"

/*
 * RFC 8446 4.1.2, 4.1.3: two suites, the name `mail.test`, TLS 1.3, one group, one signature algorithm, one
 * key. Encrypted records are as long as a Finished under SHA-256 at least: 53 bytes (RFC 8446 4.4.4, 5.2).
 */
#define ENCRYPTED "\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x35" RANDOM "0123456789abcdef01234"
#define CLIENT_HELLO                                                                                         \
	"\x16\x03\x01\x00\x84\x01\x00\x00\x80\x03\x03" RANDOM "\x00\x00\x04\x13\x01\x13\x02\x01\x00\x00\x53" \
	"\x00\x00\x00\x0e\x00\x0c\x00\x00\x09mail.test"                                                      \
	"\x00\x2b\x00\x03\x02\x03\x04\x00\x0a\x00\x04\x00\x02\x00\x1d"                                       \
	"\x00\x0d\x00\x04\x00\x02\x04\x03\x00\x33\x00\x26\x00\x24\x00\x1d\x00\x20" RANDOM
#define SERVER_HELLO                                                                                         \
	"\x16\x03\x03\x00\x5a\x02\x00\x00\x56\x03\x03" RANDOM "\x00\x13\x01\x00\x00\x2e"                     \
	"\x00\x2b\x00\x02\x03\x04\x00\x33\x00\x24\x00\x1d\x00\x20" RANDOM ENCRYPTED

#define GREETING "220 mail.test ESMTP Postfix\r\n"
#define EHLO	 "EHLO client.test\r\n"
#define OFFER                                                                                                \
	"250-mail.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n250-8BITMIME\r\n"           \
	"250 SMTPUTF8\r\n"

/* 100 bytes each, line end included. */
#define NOOP                                                                                                 \
	"NOOP 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "      \
	"01234\r\n"
#define OK                                                                                                   \
	"250 2.0.0 Ok 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "         \
	"01234567\r\n"

static const struct step starttls[] = {
    OPENING,
    SAYS(FROM_SERVER, GREETING),
    SAYS(FROM_CLIENT, EHLO),
    SAYS(FROM_SERVER, OFFER),
    SAYS(FROM_CLIENT, "STARTTLS\r\n"),
    SAYS(FROM_SERVER, "220 2.0.0 Ready to start TLS\r\n"),
    SAYS(FROM_CLIENT, CLIENT_HELLO),
    SAYS(FROM_SERVER, SERVER_HELLO),
    SAYS(FROM_CLIENT, ENCRYPTED),
    CLOSING,
};

static const struct step greeted[] = {
    OPENING,
    SAYS(FROM_SERVER, GREETING),
    SENDS(FROM_CLIENT, RST | ACK),
};

static const struct step answered[] = {
    OPENING,
    SENDS(FROM_CLIENT, RST | ACK),
};

static const struct step hello[] = {
    OPENING,
    SAYS(FROM_SERVER, GREETING),
    SAYS(FROM_CLIENT, EHLO),
    SAYS(FROM_SERVER, OFFER),
};

static const struct step line[] = {
    SAYS(FROM_CLIENT, NOOP),
    SAYS(FROM_SERVER, OK),
};

static const struct step farewell[] = {
    SAYS(FROM_CLIENT, "QUIT\r\n"),
    SAYS(FROM_SERVER, "221 2.0.0 Bye\r\n"),
    CLOSING,
};

static const struct step handshake[] = {
    OPENING,
    SAYS(FROM_CLIENT, CLIENT_HELLO),
    SAYS(FROM_SERVER, SERVER_HELLO),
    SAYS(FROM_CLIENT, ENCRYPTED),
};

/* ---- Steps to frames ---- */

/** A connection while its frames are written. */
struct script {
	struct model model;
	uint16_t port;
	uint32_t next[2]; /* sequence number, by sender */
};

static void add_steps(struct script *script, const struct step *steps, size_t count)
{
	for (const struct step *step = steps; step < steps + count; step++) {
		bool is_server = step->sender == FROM_SERVER;
		struct segment segment = {
		    .source = is_server ? SERVER : CLIENT,
		    .target = is_server ? CLIENT : SERVER,
		    .source_port = is_server ? script->port : CLIENT_PORT,
		    .target_port = is_server ? CLIENT_PORT : script->port,
		    .seq = script->next[step->sender],
		    .ack = step->flags & ACK ? script->next[!step->sender] : 0,
		    .flags = step->flags,
		    .len = step->len,
		};
		uint8_t frame[FRAME_MAX], *payload = put_headers(frame, &segment);

		if (step->len > 0)
			memcpy(payload, step->bytes, step->len);
		add_frame(&script->model, frame, HEADERS + step->len);
		script->next[step->sender] += step->len + ((step->flags & (SYN | FIN)) != 0);
	}
}

static struct script begin_script(uint16_t port)
{
	return (struct script){.port = port, .next = {1000000, 2000000}};
}

static void begin_with(struct traffic *traffic, const struct step *steps, size_t count)
{
	struct script script = begin_script(25);

	add_steps(&script, steps, count);
	add_model(traffic, &script.model);
}

void begin_short(struct traffic *traffic)
{
	begin_with(traffic, STEPS(starttls));
}

void begin_greetings(struct traffic *traffic)
{
	begin_with(traffic, STEPS(greeted));
}

void begin_answered(struct traffic *traffic)
{
	begin_with(traffic, STEPS(answered));
	traffic->models[0].connections = 0; /* none that says anything */
}

void begin_lines(struct traffic *traffic)
{
	struct script script = begin_script(25);

	add_steps(&script, STEPS(hello));
	for (int i = 0; i < LINES; i++)
		add_steps(&script, STEPS(line));
	add_steps(&script, STEPS(farewell));
	add_model(traffic, &script.model);
}

const struct model *decided_opening(void)
{
	static struct script script;

	if (script.model.count == 0) {
		script = begin_script(993);
		add_steps(&script, STEPS(handshake));
	}
	return &script.model;
}
