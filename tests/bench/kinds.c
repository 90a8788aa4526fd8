/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "generator.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct kind kinds[] = {
    {"udp",       "small datagrams, no mail by their headers",                NULL,            send_udp,      false},
    {"bare",      "TCP without payload on port 8080",                         NULL,            send_bare,     false},
    {"foreign",   "TCP payload of 100 bytes on port 8080",                    NULL,            send_foreign,  false},
    {"web",       "TCP payload on port 443, 900 bytes a frame on average",    NULL,            send_web,      false},
    {"syn",       "a flood of SYNs to port 25",                               NULL,            send_syn,      false},
    {"answered",  "SYN, SYN-ACK and RST on port 25",                          begin_answered,  send_sessions, false},
    {"greetings", "the same with a greeting before the RST",                  begin_greetings, send_sessions, false},
    {"lines",     "long dialogues on port 25, of commands of 100 bytes",      begin_lines,     send_sessions, false},
    {"short",     "complete sessions that go to TLS by STARTTLS",             begin_short,     send_sessions, false},
    {"decided",   "sessions under implicit TLS that are opened, and go on",   NULL,            send_decided,  false},
    {"sessions",  "the sessions of the captures named",                       NULL,            send_sessions, true},
    {"disturbed", "those, their segments reordered, overlapped or in bytes",  begin_disturbed, send_sessions, true},
    {"mixed",     "2 % of the sessions' packets, the rest is web",            NULL,            send_mixed,    true},
};
/* clang-format on */

const struct kind *traffic_find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

void traffic_list_kinds(void)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		fprintf(stderr, "  %-10s %s\n", kinds[i].name, kinds[i].about);
}
