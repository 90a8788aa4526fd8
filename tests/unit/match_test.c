/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "match.h"

/* BANNERS_FILE is the path of config/banners.conf; the build gives it. */

static uint32_t first_in(const struct mt_match_row *rows, size_t count, const char *line)
{
	struct mt_match_set *set;
	struct mt_match_scratch *scratch = NULL;
	char error[256] = "";

	if (mt_match_create(&set, rows, count, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	assert_int_equal(mt_match_scratch_grow(&scratch, set), 0);
	uint32_t id = mt_match_first(set, scratch, guarded(line, strlen(line)));
	mt_match_scratch_destroy(scratch);
	mt_match_destroy(set);
	return id;
}

/* One word of each length; the first letters differ, and A leads two. */
static const struct mt_match_row words[] = {
    {1, "Q", NULL},	{2, "NO", NULL},     {3, "TOP", NULL},	   {4, "EHLO", NULL},
    {5, "LOGIN", NULL}, {6, "STATUS", NULL}, {7, "RETRIEV", NULL}, {8, "STARTTLS", NULL},
    {9, "A1", NULL},	{10, "A12", NULL},   {11, "+OK", NULL},	   {12, "* BYE", NULL},
};

static uint32_t first_word(const char *line)
{
	return first_in(words, MT_ARRAY_LEN(words), line);
}

static void words_of_every_length_match_in_any_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(words); i++) {
		char line[32];

		/* G5: keywords in any case, blanks behind. */
		snprintf(line, sizeof(line), "%s", words[i].word);
		assert_int_equal(first_word(line), words[i].id);
		for (char *c = line; *c != 0; c++)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
		assert_int_equal(first_word(line), words[i].id);
		snprintf(line, sizeof(line), "%s argument\r\n", words[i].word);
		assert_int_equal(first_word(line), words[i].id);
	}
	assert_int_equal(first_word("sTaRtTlS\r\n"), 8);
}

static void a_word_ends_at_the_end_a_blank_or_a_line_end(void **state)
{
	(void)state;
	assert_int_equal(first_word("EHLO"), 4);
	assert_int_equal(first_word("EHLO "), 4);
	assert_int_equal(first_word("EHLO\t"), 4);
	assert_int_equal(first_word("EHLO\r"), 4);
	assert_int_equal(first_word("EHLO\n"), 4);
	assert_int_equal(first_word("EHLOX"), MT_MATCH_NONE);
	assert_int_equal(first_word("EHLO-"), MT_MATCH_NONE);
	assert_int_equal(first_word("EHLO:"), MT_MATCH_NONE);
	assert_int_equal(first_word("STARTTLSX"), MT_MATCH_NONE);
	assert_int_equal(first_word("STARTTLS="), MT_MATCH_NONE);
	assert_int_equal(first_word("A1 x"), 9);
	assert_int_equal(first_word("A12 x"), 10);
	assert_int_equal(first_word("A123 x"), MT_MATCH_NONE);
	/* Only at the very beginning. */
	assert_int_equal(first_word(" EHLO"), MT_MATCH_NONE);
}

static void a_line_shorter_than_the_word_does_not_match(void **state)
{
	(void)state;
	assert_int_equal(first_word("S"), MT_MATCH_NONE);
	assert_int_equal(first_word("STARTTL"), MT_MATCH_NONE);
	assert_int_equal(first_word("START"), MT_MATCH_NONE);
	assert_int_equal(first_word("STA"), MT_MATCH_NONE);
	assert_int_equal(first_word("E\r\n"), MT_MATCH_NONE);
}

static void an_empty_line_never_matches(void **state)
{
	(void)state;
	const struct mt_match_row rows[] = {{1, "NOOP", "^a*b?c*x"}};
	struct mt_match_set *set;
	struct mt_match_scratch *scratch = NULL;
	char error[256];

	assert_int_equal(mt_match_create(&set, rows, 1, error, sizeof(error)), 0);
	assert_int_equal(mt_match_scratch_grow(&scratch, set), 0);
	assert_int_equal(mt_match_first(set, scratch, mt_span(NULL, 0)), MT_MATCH_NONE);
	mt_match_scratch_destroy(scratch);
	mt_match_destroy(set);
}

/* Bit 0x20 tells 'A' from 'a', but also '[' from '{' and 0x1f from '?': only letters may be folded. */
static void folding_touches_letters_alone(void **state)
{
	(void)state;
	const struct mt_match_row rows[] = {
	    {1, "[", NULL}, {2, "@", NULL}, {3, "\xc1", NULL}, {4, "AZ", NULL}};

	assert_int_equal(first_in(rows, 4, "["), 1);
	assert_int_equal(first_in(rows, 4, "{"), MT_MATCH_NONE);
	assert_int_equal(first_in(rows, 4, "@"), 2);
	assert_int_equal(first_in(rows, 4, "`"), MT_MATCH_NONE);
	assert_int_equal(first_in(rows, 4, "\xc1"), 3);
	assert_int_equal(first_in(rows, 4, "\xe1"), MT_MATCH_NONE);
	assert_int_equal(first_in(rows, 4, "az"), 4);
}

static void an_empty_table_matches_nothing(void **state)
{
	(void)state;
	assert_int_equal(first_in(words, 0, "EHLO"), MT_MATCH_NONE);
}

static void patterns_are_caseless_and_anchor_themselves(void **state)
{
	(void)state;
	const struct mt_match_row rows[] = {{7, NULL, "^220[ -].*ESMTP"}, {8, NULL, "STARTTLS$"}};

	assert_int_equal(first_in(rows, 2, "220 mail.example.org esmtp"), 7);
	assert_int_equal(first_in(rows, 2, "x220 mail.example.org ESMTP"), MT_MATCH_NONE);
	assert_int_equal(first_in(rows, 2, "250-starttls"), 8);
	assert_int_equal(first_in(rows, 2, "starttls now"), MT_MATCH_NONE);
	/* A dot is no line end. */
	assert_int_equal(first_in(rows, 2, "220 a\nESMTP"), MT_MATCH_NONE);
}

static void the_first_row_wins(void **state)
{
	(void)state;
	/* The last row of the two matches first in the line, and so is reported first. */
	const struct mt_match_row late[] = {{1, NULL, "zzz"}, {2, NULL, "aaa"}};
	const struct mt_match_row early[] = {{2, NULL, "aaa"}, {1, NULL, "zzz"}};
	const struct mt_match_row shared[] = {{5, NULL, "nothing"}, {6, NULL, "b"}, {5, NULL, "a"}};
	const struct mt_match_row twice[] = {{1, "NOOP", NULL}, {2, "NOOP", NULL}};

	assert_int_equal(first_in(late, 2, "aaa zzz"), 1);
	assert_int_equal(first_in(early, 2, "aaa zzz"), 2);
	assert_int_equal(first_in(shared, 3, "ab"), 6);
	assert_int_equal(first_in(shared, 3, "a"), 5);
	assert_int_equal(first_in(twice, 2, "NOOP"), 1);
}

/* A large table is kept as two databases: order must hold across them. */
static void the_first_row_wins_in_a_large_table(void **state)
{
	(void)state;
	struct mt_match_row rows[64];
	char texts[64][16];

	for (unsigned i = 0; i < 64; i++) {
		snprintf(texts[i], sizeof(texts[i]), i % 4 == 0 ? "^.*w%02u" : "w%02u", i);
		rows[i] = (struct mt_match_row){100 + i, NULL, texts[i]};
	}
	assert_int_equal(first_in(rows, 64, "w05 w04"), 104);
	assert_int_equal(first_in(rows, 64, "w08 w07"), 107);
	assert_int_equal(first_in(rows, 64, "w63"), 163);
	assert_int_equal(first_in(rows, 64, "w60"), 160);
	assert_int_equal(first_in(rows, 64, "w64"), MT_MATCH_NONE);
}

static void a_word_is_tried_before_the_patterns(void **state)
{
	(void)state;
	const struct mt_match_row rows[] = {
	    {1, NULL, "^AUTH"}, {2, "AUTH", "^AUTH="}, {3, "QUIT", NULL}, {4, NULL, "^Q"}};

	assert_int_equal(first_in(rows, 4, "AUTH PLAIN"), 2);
	assert_int_equal(first_in(rows, 4, "AUTH=LOGIN"), 1);
	assert_int_equal(first_in(rows, 4, "QUIT\r\n"), 3);
	assert_int_equal(first_in(rows, 4, "QUITE"), 4);
	assert_int_equal(first_in(rows, 4, "NOOP"), MT_MATCH_NONE);
}

static void a_scan_sees_the_span_and_nothing_behind(void **state)
{
	(void)state;
	const struct mt_match_row rows[] = {{1, NULL, "abc$"}, {2, NULL, "abcd"}};
	struct mt_match_set *set;
	struct mt_match_scratch *scratch = NULL;
	char error[256];

	assert_int_equal(mt_match_create(&set, rows, 2, error, sizeof(error)), 0);
	assert_int_equal(mt_match_scratch_grow(&scratch, set), 0);
	assert_int_equal(mt_match_first(set, scratch, mt_span("xabcd", 4)), 1);
	assert_int_equal(mt_match_first(set, scratch, mt_span("xabcd", 5)), 2);
	/* A zero byte is a byte like any other. */
	assert_int_equal(mt_match_first(set, scratch, guarded("\0\0abc", 5)), 1);
	mt_match_scratch_destroy(scratch);
	mt_match_destroy(set);
}

/* A copy that begins exactly behind a page nobody may touch. */
static struct mt_span guarded_before(const char *data, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (len + page - 1) / page * page;
	uint8_t *area = mmap(NULL, page + room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(area, MAP_FAILED);
	assert_int_equal(mprotect(area, page, PROT_NONE), 0);
	memcpy(area + page, data, len);
	return mt_span(area + page, len);
}

/* Of some databases Hyperscan reads past what it scans; each of these sizes makes another kind of one. */
static void no_scan_reads_outside_the_line(void **state)
{
	(void)state;
	const char filler[] =
	    "x w0x W1 w w w00y [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ AUTH=PLAIN] Dovecot ready. "
	    "and more of the same, so that every width of vector has its turn: 0123456789";
	struct mt_match_row rows[128];
	char texts[128][16];

	for (unsigned i = 0; i < 128; i++) {
		snprintf(texts[i], sizeof(texts[i]), "w%02uw z", i);
		rows[i] = (struct mt_match_row){i, NULL, texts[i]};
	}
	for (size_t count = 1; count <= 128; count *= 2) {
		struct mt_match_set *set;
		struct mt_match_scratch *scratch = NULL;
		char error[256];

		assert_int_equal(mt_match_create(&set, rows, count, error, sizeof(error)), 0);
		assert_int_equal(mt_match_scratch_grow(&scratch, set), 0);
		for (size_t len = 1; len < sizeof(filler); len++) {
			assert_int_equal(mt_match_first(set, scratch, guarded(filler, len)), MT_MATCH_NONE);
			assert_int_equal(mt_match_first(set, scratch, guarded_before(filler, len)),
					 MT_MATCH_NONE);
		}
		assert_int_equal(mt_match_first(set, scratch, guarded("xw00w zx", 8)), 0);
		assert_int_equal(mt_match_first(set, scratch, guarded_before("xw00w zx", 8)), 0);
		mt_match_scratch_destroy(scratch);
		mt_match_destroy(set);
	}
}

/* Many plain patterns are scanned for apart from those with operators: a line that both match tells nothing
 * of it.
 */
static void the_first_row_wins_whether_it_is_plain_or_not(void **state)
{
	(void)state;
	enum { ROWS = 40 };
	struct mt_match_row rows[ROWS];
	char texts[ROWS][16];

	for (unsigned place = 0; place < ROWS; place += 13) {
		for (unsigned i = 0; i < ROWS; i++) {
			snprintf(texts[i], sizeof(texts[i]), "word%02u", i);
			rows[i] = (struct mt_match_row){i, NULL, texts[i]};
		}
		rows[place].pattern = "^any[thing]+";
		for (unsigned other = 0; other < ROWS; other += 3) {
			char line[40];

			snprintf(line, sizeof(line), "anything word%02u", other);
			assert_int_equal(first_in(rows, ROWS, line), other < place ? other : place);
		}
		assert_int_equal(first_in(rows, ROWS, "anything"), place);
		assert_int_equal(first_in(rows, ROWS, "word"), MT_MATCH_NONE);
	}
}

static void a_line_is_scanned_up_to_the_limit_wherever_it_lies(void **state)
{
	(void)state;
	static char line[MT_MATCH_SCAN_MAX + 8];
	const struct mt_match_row rows[] = {{1, NULL, "abc"}};

	memset(line, 'x', sizeof(line) - 1);
	memcpy(line + MT_MATCH_SCAN_MAX - 3, "abc", 3);
	assert_int_equal(first_in(rows, 1, line), 1);
	memcpy(line + MT_MATCH_SCAN_MAX - 3, "xabc", 4);
	assert_int_equal(first_in(rows, 1, line), MT_MATCH_NONE);
}

static void one_scratch_serves_every_set_it_was_grown_for(void **state)
{
	(void)state;
	const struct mt_match_row small[] = {{1, NULL, "abc"}};
	const struct mt_match_row large[] = {{2, NULL, "a[bc]{3,40}d.*e[^f]{2,30}g"}, {3, NULL, "^x.*y.*z$"}};
	struct mt_match_set *sets[3];
	struct mt_match_scratch *scratch = NULL;
	char error[256];

	assert_int_equal(mt_match_create(&sets[0], words, MT_ARRAY_LEN(words), error, sizeof(error)), 0);
	assert_int_equal(mt_match_create(&sets[1], small, 1, error, sizeof(error)), 0);
	assert_int_equal(mt_match_create(&sets[2], large, 2, error, sizeof(error)), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(mt_match_scratch_grow(&scratch, sets[i]), 0);
	assert_int_equal(mt_match_first(sets[0], scratch, guarded("EHLO", 4)), 4);
	assert_int_equal(mt_match_first(sets[1], scratch, guarded("xabcx", 5)), 1);
	assert_int_equal(mt_match_first(sets[2], scratch, guarded("x-y-z", 5)), 3);
	for (unsigned i = 0; i < 3; i++)
		mt_match_destroy(sets[i]);
	mt_match_scratch_destroy(scratch);
	mt_match_destroy(NULL);
	mt_match_scratch_destroy(NULL);
}

static void a_bad_row_is_refused_by_name(void **state)
{
	(void)state;
	const struct {
		struct mt_match_row row;
		const char *named;
	} cases[] = {
	    {{2, NULL, "broken(group"}, "broken(group"},
	    {{2, NULL, "back(a)\\1"}, "back(a)\\1"},
	    {{2, NULL, "x*"}, "x*"}, /* matches emptiness, and so everywhere */
	    {{2, "TOOLONGER", NULL}, "TOOLONGER"},
	    {{2, "lower", NULL}, "lower"},
	    {{2, "", NULL}, "\"\""},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(cases); i++) {
		struct mt_match_row rows[] = {{1, NULL, "fine"}, cases[i].row, {3, "WORD", "good"}};
		struct mt_match_set *set = NULL;
		char error[256] = "";

		assert_int_equal(mt_match_create(&set, rows, 3, error, sizeof(error)), -EINVAL);
		assert_null(set);
		assert_non_null(strstr(error, cases[i].named));
		assert_null(strstr(error, "fine"));
		assert_null(strstr(error, "good"));
	}
}

/* A file with these bytes; the name lives until the next call. */
static const char *write_file(const char *text, size_t len)
{
	static char path[64];

	snprintf(path, sizeof(path), "banners-XXXXXX");
	int file = mkstemp(path);
	assert_true(file >= 0);
	assert_int_equal(write(file, text, len), len);
	close(file);
	return path;
}

static void faults_of_a_banner_file_name_their_line(void **state)
{
	(void)state;
	const struct {
		const char *text;
		const char *reason; /* what stands behind the file's name */
	} cases[] = {
	    {"# comment\n\nlmtp postfix Postfix\n", ":3: unknown protocol \"lmtp\""},
	    {"SMTP postfix Postfix\n", ":1: unknown protocol \"SMTP\""},
	    {"smtp\n", ":1: no product"},
	    {"smtp a ok\nsmtp post/fix Postfix\n", ":2: bad product \"post/fix\""},
	    {"smtp abcdefghijklmnopqrstuvwxyz1234567 x\n",
	     ":1: bad product \"abcdefghijklmnopqrstuvwxyz1234567\""},
	    {"smtp a ok\n  # indented\nimap dovecot  \t\r\n", ":3: no expression"},
	    {"smtp a ok\nimap b ok\nimap c x(y\nimap d ok\n", ":3: Missing close parenthesis"},
	    {"smtp a ok\nimap b ok\npop3 c x*", ":3: Pattern matches empty buffer"},
	    {"", ": no pattern"},
	    {"# nothing\n\n", ": no pattern"},
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(cases); i++) {
		const char *path = write_file(cases[i].text, strlen(cases[i].text));
		struct mt_banners banners = {.product_count = 77};
		char error[256] = "", expected[256];

		snprintf(expected, sizeof(expected), "%s%s", path, cases[i].reason);
		assert_int_equal(mt_banners_load(&banners, path, error, sizeof(error)), -EINVAL);
		assert_int_equal(unlink(path), 0);
		if (strncmp(error, expected, strlen(expected)) != 0)
			fail_msg("expected \"%s…\", was \"%s\"", expected, error);
		assert_int_equal(banners.product_count, 77);
	}
	const char *path = write_file("smtp a x\0y\n", 11);
	struct mt_banners banners;
	char error[256] = "";
	assert_int_equal(mt_banners_load(&banners, path, error, sizeof(error)), -EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_non_null(strstr(error, ":1: a zero byte"));
}

static void a_banner_file_that_cannot_be_read_says_why(void **state)
{
	(void)state;
	struct mt_banners banners;
	char error[256] = "";

	assert_int_equal(mt_banners_load(&banners, "/", error, sizeof(error)), -EISDIR);
	assert_string_equal(error, "/: Is a directory");
	assert_int_equal(mt_banners_load(&banners, "/nowhere/banners.conf", error, sizeof(error)), -ENOENT);
	assert_string_equal(error, "/nowhere/banners.conf: No such file or directory");
	/* A buffer too small takes what fits. */
	assert_int_equal(mt_banners_load(&banners, "/", error, 5), -EISDIR);
	assert_string_equal(error, "/: I");
}

static void a_banner_file_gives_its_products_in_order(void **state)
{
	(void)state;
	const char text[] =
	    "smtp beta+1 ^a b  c\n\timap\talpha_x._-\tfoo\r\nsmtp unknown hidden\nsmtp beta+1 hidden one\n"
	    "pop3 abcdefghijklmnopqrstuvwxyz123456 last line without end";
	const char *path = write_file(text, sizeof(text) - 1);
	struct mt_banners banners;
	struct mt_match_scratch *scratch = NULL;
	char error[256] = "";

	assert_int_equal(mt_banners_load(&banners, path, error, sizeof(error)), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(banners.product_count, 4);
	assert_string_equal(banners.products[0], "unknown");
	assert_string_equal(banners.products[1], "beta+1");
	assert_string_equal(banners.products[2], "alpha_x._-");
	assert_string_equal(banners.products[3], "abcdefghijklmnopqrstuvwxyz123456");
	for (unsigned i = 0; i < MT_PROTOCOL_COUNT; i++)
		assert_int_equal(mt_match_scratch_grow(&scratch, banners.set[i]), 0);
	assert_int_equal(mt_banners_identify(&banners, scratch, MT_PROTOCOL_SMTP, mt_span_text("A B  C")), 1);
	assert_int_equal(mt_banners_identify(&banners, scratch, MT_PROTOCOL_SMTP, mt_span_text("hidden one")),
			 0);
	assert_int_equal(mt_banners_identify(&banners, scratch, MT_PROTOCOL_IMAP, mt_span_text("foo")), 2);
	assert_int_equal(mt_banners_identify(&banners, scratch, MT_PROTOCOL_SMTP, mt_span_text("foo")), 0);
	assert_int_equal(mt_banners_identify(&banners, scratch, MT_PROTOCOL_POP3,
					     mt_span_text("last line without end\r\n")),
			 3);
	mt_match_scratch_destroy(scratch);
	mt_banners_unload(&banners);
}

static void load_text(struct mt_banners *ret, const struct mt_banners *previous, const char *text)
{
	const char *path = write_file(text, strlen(text));
	char error[256] = "";
	int result = previous == NULL ? mt_banners_load(ret, path, error, sizeof(error))
				      : mt_banners_reload(ret, previous, path, error, sizeof(error));

	assert_string_equal(error, "");
	assert_int_equal(result, 0);
	assert_int_equal(unlink(path), 0);
}

/* A number that a report carries means the same before and after, whatever the new file names and in what
 * order. */
static void products_keep_their_numbers_over_a_reload(void **state)
{
	(void)state;
	static const char *const expected[] = {"unknown", "one", "two", "three"};
	struct mt_banners before, after;
	struct mt_match_scratch *scratch = NULL;

	load_text(&before, NULL, "smtp one alpha\nsmtp two beta\n");
	load_text(&after, &before, "smtp three gamma\nsmtp two alpha\n");
	mt_banners_unload(&before);
	assert_int_equal(after.product_count, MT_ARRAY_LEN(expected));
	for (size_t i = 0; i < MT_ARRAY_LEN(expected); i++)
		assert_string_equal(after.products[i], expected[i]);
	assert_int_equal(mt_match_scratch_grow(&scratch, after.set[MT_PROTOCOL_SMTP]), 0);
	assert_int_equal(mt_banners_identify(&after, scratch, MT_PROTOCOL_SMTP, mt_span_text("alpha")), 2);
	assert_int_equal(mt_banners_identify(&after, scratch, MT_PROTOCOL_SMTP, mt_span_text("beta")), 0);
	assert_int_equal(mt_banners_identify(&after, scratch, MT_PROTOCOL_SMTP, mt_span_text("gamma")), 3);
	mt_match_scratch_destroy(scratch);
	mt_banners_unload(&after);
}

#define SMTP MT_PROTOCOL_SMTP
#define IMAP MT_PROTOCOL_IMAP
#define POP3 MT_PROTOCOL_POP3

/* What the software of that name says in its default settings; reply codes are gone. */
static const struct greeting {
	enum mt_protocol protocol;
	const char *product;
	const char *text;
} greetings[] = {
#include "match_greetings.def"
};

struct corpus {
	struct mt_banners banners;
	struct mt_match_scratch *scratch;
};

static int load_corpus(void **state)
{
	static struct corpus corpus;
	char error[256];

	corpus.scratch = NULL;
	if (mt_banners_load(&corpus.banners, BANNERS_FILE, error, sizeof(error)) != 0) {
		print_error("%s\n", error);
		return -1;
	}
	for (unsigned i = 0; i < MT_PROTOCOL_COUNT; i++)
		if (mt_match_scratch_grow(&corpus.scratch, corpus.banners.set[i]) != 0)
			return -1;
	*state = &corpus;
	return 0;
}

static int unload_corpus(void **state)
{
	struct corpus *corpus = *state;

	mt_match_scratch_destroy(corpus->scratch);
	mt_banners_unload(&corpus->banners);
	return 0;
}

static void greetings_name_their_software(void **state)
{
	struct corpus *corpus = *state;
	unsigned wrong = 0;

	for (size_t i = 0; i < MT_ARRAY_LEN(greetings); i++) {
		const struct greeting *greeting = &greetings[i];
		uint32_t product = mt_banners_identify(&corpus->banners, corpus->scratch, greeting->protocol,
						       guarded(greeting->text, strlen(greeting->text)));

		if (strcmp(corpus->banners.products[product], greeting->product) != 0) {
			print_error("%s \"%s\": expected %s, was %s\n", mt_protocol_name(greeting->protocol),
				    greeting->text, greeting->product, corpus->banners.products[product]);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static void every_product_has_a_greeting(void **state)
{
	struct corpus *corpus = *state;

	for (uint32_t product = 0; product < corpus->banners.product_count; product++) {
		size_t i = 0;

		while (i < MT_ARRAY_LEN(greetings) &&
		       strcmp(greetings[i].product, corpus->banners.products[product]) != 0)
			i++;
		if (i == MT_ARRAY_LEN(greetings))
			fail_msg("no greeting of %s", corpus->banners.products[product]);
	}
	assert_true(corpus->banners.product_count > 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_of_every_length_match_in_any_case),
	    cmocka_unit_test(a_word_ends_at_the_end_a_blank_or_a_line_end),
	    cmocka_unit_test(a_line_shorter_than_the_word_does_not_match),
	    cmocka_unit_test(an_empty_line_never_matches),
	    cmocka_unit_test(folding_touches_letters_alone),
	    cmocka_unit_test(an_empty_table_matches_nothing),
	    cmocka_unit_test(patterns_are_caseless_and_anchor_themselves),
	    cmocka_unit_test(the_first_row_wins),
	    cmocka_unit_test(the_first_row_wins_in_a_large_table),
	    cmocka_unit_test(a_word_is_tried_before_the_patterns),
	    cmocka_unit_test(a_scan_sees_the_span_and_nothing_behind),
	    cmocka_unit_test(no_scan_reads_outside_the_line),
	    cmocka_unit_test(the_first_row_wins_whether_it_is_plain_or_not),
	    cmocka_unit_test(a_line_is_scanned_up_to_the_limit_wherever_it_lies),
	    cmocka_unit_test(one_scratch_serves_every_set_it_was_grown_for),
	    cmocka_unit_test(a_bad_row_is_refused_by_name),
	    cmocka_unit_test(faults_of_a_banner_file_name_their_line),
	    cmocka_unit_test(a_banner_file_that_cannot_be_read_says_why),
	    cmocka_unit_test(a_banner_file_gives_its_products_in_order),
	    cmocka_unit_test(products_keep_their_numbers_over_a_reload),
	    cmocka_unit_test_setup_teardown(greetings_name_their_software, load_corpus, unload_corpus),
	    cmocka_unit_test_setup_teardown(every_product_has_a_greeting, load_corpus, unload_corpus),
	};
	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
