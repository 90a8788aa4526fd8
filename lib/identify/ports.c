/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "identify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* 25 and 587 RFC 6409, 465 RFC 8314, the others RFC 8314 and RFC 9051; 2525 is a custom of submission. */
static const char default_ports[] =
    "25=smtp,587=smtp,2525=smtp,465=smtps,143=imap,993=imaps,110=pop3,995=pop3s";

static const struct {
	const char *word;
	struct mt_identify_port port;
} kinds[] = {
    {"smtp", {MT_PROTOCOL_SMTP, false}}, {"smtps", {MT_PROTOCOL_SMTP, true}},
    {"imap", {MT_PROTOCOL_IMAP, false}}, {"imaps", {MT_PROTOCOL_IMAP, true}},
    {"pop3", {MT_PROTOCOL_POP3, false}}, {"pop3s", {MT_PROTOCOL_POP3, true}},
};

const char *mt_identify_ports_default(void)
{
	return default_ports;
}

static const struct mt_identify_port *find_kind(const char *word, size_t len)
{
	for (size_t i = 0; i < MT_ARRAY_LEN(kinds); i++)
		if (strlen(kinds[i].word) == len && memcmp(kinds[i].word, word, len) == 0)
			return &kinds[i].port;
	return NULL;
}

int mt_identify_ports_parse(struct mt_identify_ports *ret, const char *list, char *error, size_t error_size)
{
	const char *item = list == NULL ? default_ports : list;

	for (size_t i = 0; i < MT_ARRAY_LEN(ret->port); i++)
		ret->port[i] = (struct mt_identify_port){MT_PROTOCOL_COUNT, false};
	memset(ret->is_mail, 0, sizeof(ret->is_mail));
	while (*item != 0) {
		size_t len = strcspn(item, ",");
		char *end;
		unsigned long number = strtoul(item, &end, 10);
		const struct mt_identify_port *kind = NULL;

		if (mt_is_digit((uint8_t)*item) && *end == '=' && end < item + len && number > 0 &&
		    number < 65536)
			kind = find_kind(end + 1, len - (size_t)(end + 1 - item));
		if (kind == NULL) {
			snprintf(error, error_size,
				 "\"%.*s\" is no mail port: a number from 1 to 65535, =, and one of smtp, "
				 "smtps, imap, "
				 "imaps, pop3, pop3s",
				 (int)len, item);
			return -EINVAL;
		}
		ret->port[number] = *kind;
		ret->is_mail[number / 64] |= 1ull << number % 64;
		item += len + (item[len] == ',');
	}
	return 0;
}
