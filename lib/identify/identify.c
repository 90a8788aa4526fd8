/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "identify.h"

enum mt_identify_answer mt_identify_greeting(struct mt_span begin)
{
	static const char *const beginnings[] = {"220 ", "220-", "+OK", "* OK", "* PREAUTH", "* BYE"};
	enum mt_identify_answer answer = MT_IDENTIFY_NO;

	for (size_t i = 0; i < MT_ARRAY_LEN(beginnings); i++) {
		size_t len = strlen(beginnings[i]);

		if (memcmp(begin.data, beginnings[i], begin.len < len ? begin.len : len) != 0)
			continue;
		if (begin.len >= len)
			return MT_IDENTIFY_YES;
		answer = MT_IDENTIFY_PERHAPS;
	}
	return answer;
}

uint32_t mt_identify_proxy_header(struct mt_span begin)
{
	static const char line[] = "PROXY ", block[] = "\r\n\r\n\0\r\nQUIT\n";
	const size_t line_len = sizeof(line) - 1, block_len = sizeof(block) - 1;
	begin = mt_span_first(begin, MT_IDENTIFY_PROXY_BYTES);

	if (memcmp(begin.data, line, begin.len < line_len ? begin.len : line_len) == 0) {
		const uint8_t *lf = memchr(begin.data, '\n', begin.len);

		if (lf != NULL)
			return (uint32_t)(lf - begin.data) + 1;
		return begin.len < MT_IDENTIFY_PROXY_BYTES ? UINT32_MAX : 0;
	}
	if (memcmp(begin.data, block, begin.len < block_len ? begin.len : block_len) != 0)
		return 0;
	/* Version and command, family, and the length of what follows. */
	return begin.len < block_len + 4 ? UINT32_MAX
					 : block_len + 4 + mt_read_be16(begin.data + block_len + 2);
}

/* What begins with the letter as it stands; memchr() steps over the others many at a time. */
static bool contains_at(struct mt_span text, uint8_t letter, const char *upper_word)
{
	const uint8_t *at;

	while (text.len > 0 && (at = memchr(text.data, letter, text.len)) != NULL) {
		text = mt_span_after(text, (size_t)(at - text.data));
		if (mt_span_begins(text, upper_word))
			return true;
		text = mt_span_after(text, 1);
	}
	return false;
}

static bool contains(struct mt_span text, const char *upper_word)
{
	uint8_t upper = (uint8_t)upper_word[0],
		lower = upper >= 'A' && upper <= 'Z' ? (uint8_t)(upper | 0x20) : upper;

	return contains_at(text, upper, upper_word) ||
	       (lower != upper && contains_at(text, lower, upper_word));
}

static const struct mt_identify_result no = {MT_IDENTIFY_NO, MT_PROTOCOL_COUNT, false, false};

/* Names of servers that greet with 220 and speak FTP (RFC 959 5.4): no mail without a mail command. */
static bool greets_like_ftp(struct mt_span text)
{
	return contains(text, "FTP") || contains(text, "FILEZILLA");
}

static struct mt_identify_result judge_smtp(struct mt_span line, enum mt_protocol hint, bool is_first)
{
	/* What a server that does not want to serve greets with (5321 3.1 and what is seen). */
	static const char *const refusals[] = {"421", "450", "451", "454", "471",
					       "520", "521", "550", "554", "571"};
	bool is_hinted = hint == MT_PROTOCOL_SMTP;
	bool is_220 = mt_span_begins(line, "220");
	struct mt_identify_result result = {MT_IDENTIFY_PERHAPS, MT_PROTOCOL_SMTP, is_220, false};

	if (line.len > 3 && line.data[3] != '-' && !mt_is_blank(line.data[3]))
		return no;
	for (size_t i = 0; !is_220 && is_first && is_hinted && i < MT_ARRAY_LEN(refusals); i++)
		result.is_greeting |= mt_span_begins(line, refusals[i]);
	if (is_220 && is_first && greets_like_ftp(line))
		return result;
	if (is_hinted && (result.is_greeting || !is_first || line.data[0] == '2'))
		result.answer = MT_IDENTIFY_YES;
	else if (is_220 && (contains(line, "SMTP") || contains(line, "MAIL")))
		result.answer = MT_IDENTIFY_YES;
	else if (!is_220)
		return no;
	return result;
}

static struct mt_identify_result judge_pop3(struct mt_span line, enum mt_protocol hint, bool is_first)
{
	bool is_ok = mt_span_begins(line, "+OK");
	static const char *const words[] = {"POP", "<", "READY", "SERVER", "HELLO", "WELCOME", "DOVECOT"};
	struct mt_identify_result result = {MT_IDENTIFY_PERHAPS, MT_PROTOCOL_POP3, is_first, true};

	for (size_t i = 0; result.is_ambiguous && i < MT_ARRAY_LEN(words); i++)
		result.is_ambiguous = !contains(line, words[i]);

	if (line.len > 3 && is_ok && !mt_is_blank(line.data[3]))
		return no;
	/* It greets as POP3 does, and its commands are USER and AUTH (BEHAVIOURS P8). */
	if (contains(line, "APPLEPASSWORDSERVER"))
		return no;
	/* +OK alone is Redis, NATS and others too (BEHAVIOURS P8). */
	if (hint == MT_PROTOCOL_POP3 ||
	    (is_ok && (contains(line, "POP") || memchr(line.data, '<', line.len) != NULL)))
		result.answer = MT_IDENTIFY_YES;
	else if (!is_ok)
		return no;
	return result;
}

static struct mt_identify_result judge_imap(struct mt_span line, enum mt_protocol hint, bool is_first)
{
	struct mt_span rest = line;
	bool is_untagged = mt_span_is(mt_span_word(&rest), "*");
	struct mt_span word = mt_span_word(&rest);
	bool is_status = mt_span_is(word, "OK") || mt_span_is(word, "NO") || mt_span_is(word, "BAD");

	if (is_untagged && (mt_span_is(word, "OK") || mt_span_is(word, "PREAUTH") || mt_span_is(word, "BYE")))
		return (struct mt_identify_result){MT_IDENTIFY_YES, MT_PROTOCOL_IMAP, is_first, false};
	/* Behind the greeting the words are other protocols' too: only the port makes them IMAP's. */
	if (hint == MT_PROTOCOL_IMAP && !mt_span_is(word, "ACAP") && (is_untagged || is_status))
		return (struct mt_identify_result){MT_IDENTIFY_YES, MT_PROTOCOL_IMAP, false, false};
	return no;
}

struct mt_identify_result mt_identify_server_line(struct mt_span line, enum mt_protocol hint, bool is_first)
{
	if (line.len >= 3 && mt_is_digit(line.data[0]) && mt_is_digit(line.data[1]) &&
	    mt_is_digit(line.data[2]))
		return judge_smtp(line, hint, is_first);
	if (mt_span_begins(line, "+OK") || mt_span_begins(line, "-ERR"))
		return judge_pop3(line, hint, is_first);
	return judge_imap(line, hint, is_first);
}

/** How much a client's first words say. */
enum weight {
	CERTAIN, /* no other protocol begins a line so */
	TYPICAL, /* enough behind a greeting of that protocol, or on its port */
	WEAK,	 /* FTP, Redis and others say it too: only the port makes it mail */
};

/* word   the line's first; NULL for IMAP, where a tag stands there
 * second the word behind it, or its beginning; NULL for any */
static const struct client_word {
	const char *word, *second;
	enum mt_protocol protocol;
	enum weight weight;
} client_words[] = {
    {"EHLO", NULL, MT_PROTOCOL_SMTP, CERTAIN},	   {"HELO", NULL, MT_PROTOCOL_SMTP, CERTAIN},
    {"MAIL", "FROM:", MT_PROTOCOL_SMTP, CERTAIN},  {"RCPT", "TO:", MT_PROTOCOL_SMTP, CERTAIN},
    {"BDAT", NULL, MT_PROTOCOL_SMTP, CERTAIN},	   {"STARTTLS", NULL, MT_PROTOCOL_SMTP, TYPICAL},
    {"DATA", NULL, MT_PROTOCOL_SMTP, TYPICAL},	   {"VRFY", NULL, MT_PROTOCOL_SMTP, TYPICAL},
    {"RSET", NULL, MT_PROTOCOL_SMTP, WEAK},	   {"NOOP", NULL, MT_PROTOCOL_SMTP, WEAK},
    {"QUIT", NULL, MT_PROTOCOL_SMTP, WEAK},	   {"AUTH", NULL, MT_PROTOCOL_SMTP, WEAK},
    {"CAPA", NULL, MT_PROTOCOL_POP3, CERTAIN},	   {"STLS", NULL, MT_PROTOCOL_POP3, CERTAIN},
    {"APOP", NULL, MT_PROTOCOL_POP3, CERTAIN},	   {"UIDL", NULL, MT_PROTOCOL_POP3, CERTAIN},
    {"USER", NULL, MT_PROTOCOL_POP3, TYPICAL},	   {"PASS", NULL, MT_PROTOCOL_POP3, TYPICAL},
    {"STAT", NULL, MT_PROTOCOL_POP3, TYPICAL},	   {"RETR", NULL, MT_PROTOCOL_POP3, TYPICAL},
    {"DELE", NULL, MT_PROTOCOL_POP3, TYPICAL},	   {"LIST", NULL, MT_PROTOCOL_POP3, TYPICAL},
    {"TOP", NULL, MT_PROTOCOL_POP3, TYPICAL},	   {"AUTH", NULL, MT_PROTOCOL_POP3, WEAK},
    {"NOOP", NULL, MT_PROTOCOL_POP3, WEAK},	   {"RSET", NULL, MT_PROTOCOL_POP3, WEAK},
    {"QUIT", NULL, MT_PROTOCOL_POP3, WEAK},	   {NULL, "CAPABILITY", MT_PROTOCOL_IMAP, CERTAIN},
    {NULL, "LOGIN", MT_PROTOCOL_IMAP, CERTAIN},	   {NULL, "AUTHENTICATE", MT_PROTOCOL_IMAP, CERTAIN},
    {NULL, "STARTTLS", MT_PROTOCOL_IMAP, CERTAIN}, {NULL, "SELECT", MT_PROTOCOL_IMAP, CERTAIN},
    {NULL, "EXAMINE", MT_PROTOCOL_IMAP, CERTAIN},  {NULL, "UID", MT_PROTOCOL_IMAP, CERTAIN},
    {NULL, "FETCH", MT_PROTOCOL_IMAP, CERTAIN},	   {NULL, "LOGOUT", MT_PROTOCOL_IMAP, CERTAIN},
    {NULL, "NOOP", MT_PROTOCOL_IMAP, TYPICAL},	   {NULL, "ID", MT_PROTOCOL_IMAP, TYPICAL},
    {NULL, "IDLE", MT_PROTOCOL_IMAP, TYPICAL},	   {NULL, "LIST", MT_PROTOCOL_IMAP, TYPICAL},
    {NULL, "LSUB", MT_PROTOCOL_IMAP, TYPICAL},	   {NULL, "STATUS", MT_PROTOCOL_IMAP, TYPICAL},
    {NULL, "APPEND", MT_PROTOCOL_IMAP, TYPICAL},
};

static bool is_row(const struct client_word *row, struct mt_span word, struct mt_span second)
{
	if (row->word == NULL)
		return word.len > 0 && mt_span_is(second, row->second);
	return mt_span_is(word, row->word) && (row->second == NULL || mt_span_begins(second, row->second));
}

struct mt_identify_result mt_identify_client_line(struct mt_span line, enum mt_protocol hint, bool is_greeted)
{
	enum weight enough = is_greeted ? TYPICAL : WEAK;
	struct mt_identify_result perhaps = no;
	struct mt_span rest = mt_span_trim(line);
	struct mt_span word = mt_span_word(&rest), second = mt_span_word(&rest);

	for (size_t i = 0; i < MT_ARRAY_LEN(client_words); i++) {
		const struct client_word *row = &client_words[i];

		if (!is_row(row, word, second))
			continue;
		if (row->weight == CERTAIN || (row->weight <= enough && row->protocol == hint))
			return (struct mt_identify_result){MT_IDENTIFY_YES, row->protocol, false, false};
		if (perhaps.answer == MT_IDENTIFY_NO)
			perhaps =
			    (struct mt_identify_result){MT_IDENTIFY_PERHAPS, row->protocol, false, false};
	}
	return perhaps;
}

enum mt_protocol mt_identify_alpn(struct mt_span name)
{
	static const struct {
		const char *name;
		enum mt_protocol protocol;
	} rows[] = {{"IMAP", MT_PROTOCOL_IMAP}, {"POP3", MT_PROTOCOL_POP3}, {"SMTP", MT_PROTOCOL_SMTP}};

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++)
		if (mt_span_is(name, rows[i].name))
			return rows[i].protocol;
	return MT_PROTOCOL_COUNT;
}
