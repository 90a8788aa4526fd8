/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "match_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define UNKNOWN_PRODUCT "unknown"
#define PRODUCT_BYTES	33

mt_static_assert(PRODUCT_BYTES == sizeof(*((struct mt_banners *)0)->products), "a name and its zero");

/* One line of the file. */
struct banner {
	enum mt_protocol protocol;
	uint32_t product; /* index into the products */
	unsigned line;	  /* counted from 1 */
	char *expression; /* owned */
};

/* A file while it is being read, and where to say what is wrong with it. */
struct reader {
	const char *path;
	unsigned line;
	char *error;
	size_t error_size;
	struct banner *banners;
	size_t banner_count;
	char (*products)[PRODUCT_BYTES];
	uint32_t product_count;
};

__attribute__((format(printf, 3, 4))) static int refuse_line(struct reader *reader, unsigned line,
							     const char *format, ...)
{
	char reason[320];
	va_list values;

	va_start(values, format);
	vsnprintf(reason, sizeof(reason), format, values);
	va_end(values);
	snprintf(reader->error, reader->error_size, "%s:%u: %s", reader->path, line, reason);
	return -EINVAL;
}

/* The file itself, or memory, has failed: there is no line to name. */
static int fail_file(struct reader *reader, int error)
{
	snprintf(reader->error, reader->error_size, "%s: %s", reader->path, strerror(error));
	return -error;
}

static bool is_product(struct mt_span name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = mt_upper(name.data[i]);

		if (!(c >= 'A' && c <= 'Z') && !mt_is_digit(c) && (c == 0 || strchr("._+-", c) == NULL))
			return false;
	}
	return name.len >= 1 && name.len < PRODUCT_BYTES;
}

static bool find_protocol(struct mt_span word, enum mt_protocol *ret)
{
	for (unsigned i = 0; i < MT_PROTOCOL_COUNT; i++) {
		const char *name = mt_protocol_name(i);

		if (word.len == strlen(name) && memcmp(word.data, name, word.len) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* The index of the product, entered at its first appearance. */
static int enter_product(struct reader *reader, struct mt_span name, uint32_t *ret)
{
	void *grown;

	for (uint32_t i = 0; i < reader->product_count; i++) {
		if (strlen(reader->products[i]) == name.len &&
		    memcmp(reader->products[i], name.data, name.len) == 0) {
			*ret = i;
			return 0;
		}
	}
	grown = realloc(reader->products, (reader->product_count + 1) * sizeof(*reader->products));
	if (grown == NULL)
		return fail_file(reader, ENOMEM);
	reader->products = grown;
	memset(reader->products[reader->product_count], 0, PRODUCT_BYTES);
	memcpy(reader->products[reader->product_count], name.data, name.len);
	*ret = reader->product_count++;
	return 0;
}

static int enter_banner(struct reader *reader, enum mt_protocol protocol, uint32_t product,
			struct mt_span expression)
{
	struct banner *grown =
	    realloc(reader->banners, (reader->banner_count + 1) * sizeof(*reader->banners));
	char *copy;

	if (grown == NULL)
		return fail_file(reader, ENOMEM);
	reader->banners = grown;
	copy = strndup((const char *)expression.data, expression.len);
	if (copy == NULL)
		return fail_file(reader, ENOMEM);
	grown[reader->banner_count++] = (struct banner){protocol, product, reader->line, copy};
	return 0;
}

static int read_line(struct reader *reader, struct mt_span line)
{
	struct mt_span rest = mt_span_trim(line), word, name;
	enum mt_protocol protocol;
	uint32_t product;
	int result;

	if (rest.len == 0 || rest.data[0] == '#')
		return 0;
	if (memchr(rest.data, 0, rest.len) != NULL)
		return refuse_line(reader, reader->line, "a zero byte");
	word = mt_span_word(&rest);
	if (!find_protocol(word, &protocol))
		return refuse_line(reader, reader->line, "unknown protocol \"%.*s\"",
				   (int)mt_span_first(word, 64).len, (const char *)word.data);
	name = mt_span_word(&rest);
	if (name.len == 0)
		return refuse_line(reader, reader->line, "no product");
	if (!is_product(name))
		return refuse_line(reader, reader->line,
				   "bad product \"%.*s\" (1 to 32 of letters, digits and ._+-)",
				   (int)mt_span_first(name, 64).len, (const char *)name.data);
	rest = mt_span_trim(rest);
	if (rest.len == 0)
		return refuse_line(reader, reader->line, "no expression");
	result = enter_product(reader, name, &product);
	return result != 0 ? result : enter_banner(reader, protocol, product, rest);
}

static int read_file(struct reader *reader)
{
	FILE *file = fopen(reader->path, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int result = 0;

	if (file == NULL)
		return fail_file(reader, errno);
	while (result == 0 && (len = getline(&line, &room, file)) >= 0) {
		reader->line++;
		result = read_line(reader, mt_span(line, (size_t)len));
	}
	/* A directory opens, and fails at the first read. */
	if (result == 0 && !feof(file))
		result = fail_file(reader, errno);
	free(line);
	fclose(file);
	if (result == 0 && reader->banner_count == 0) {
		snprintf(reader->error, reader->error_size, "%s: no pattern", reader->path);
		result = -EINVAL;
	}
	return result;
}

static int compile_protocol(struct reader *reader, enum mt_protocol protocol, struct mt_match_set **ret)
{
	struct mt_match_row *rows = calloc(reader->banner_count, sizeof(*rows));
	unsigned *lines = calloc(reader->banner_count, sizeof(*lines));
	struct mt_match_fault fault;
	size_t count = 0;
	int result = -ENOMEM;

	if (rows == NULL || lines == NULL)
		goto release;
	for (size_t i = 0; i < reader->banner_count; i++) {
		const struct banner *banner = &reader->banners[i];

		if (banner->protocol != protocol)
			continue;
		lines[count] = banner->line;
		rows[count++] = (struct mt_match_row){.id = banner->product, .pattern = banner->expression};
	}
	result = mt_match_compile(ret, rows, count, &fault);
	if (result == -EINVAL && fault.row < count)
		refuse_line(reader, lines[fault.row], "%s", fault.reason);
	else if (result == -EINVAL)
		snprintf(reader->error, reader->error_size, "%s: %s", reader->path, fault.reason);
release:
	free(lines);
	free(rows);
	return result == -ENOMEM ? fail_file(reader, ENOMEM) : result;
}

static void release_reader(struct reader *reader)
{
	for (size_t i = 0; i < reader->banner_count; i++)
		free(reader->banners[i].expression);
	free(reader->banners);
	free(reader->products);
}

int mt_banners_reload(struct mt_banners *ret, const struct mt_banners *previous, const char *path,
		      char *error, size_t error_size)
{
	struct reader reader = {.path = path, .error = error, .error_size = error_size};
	struct mt_banners banners = {0};
	uint32_t number;
	int result = 0;

	for (uint32_t i = 0; i < previous->product_count && result == 0; i++)
		result = enter_product(&reader, mt_span_text(previous->products[i]), &number);
	if (result == 0)
		result = read_file(&reader);
	for (unsigned i = 0; result == 0 && i < MT_PROTOCOL_COUNT; i++)
		result = compile_protocol(&reader, i, &banners.set[i]);
	if (result == 0) {
		banners.products = reader.products;
		banners.product_count = reader.product_count;
		banners.serial = previous->serial + 1;
		reader.products = NULL;
		*ret = banners;
	} else {
		mt_banners_unload(&banners);
	}
	release_reader(&reader);
	return result;
}

int mt_banners_load(struct mt_banners *ret, const char *path, char *error, size_t error_size)
{
	char unknown[][PRODUCT_BYTES] = {UNKNOWN_PRODUCT};
	const struct mt_banners nothing = {.products = unknown, .product_count = 1};

	return mt_banners_reload(ret, &nothing, path, error, error_size);
}

void mt_banners_unload(struct mt_banners *banners)
{
	for (unsigned i = 0; i < MT_PROTOCOL_COUNT; i++)
		mt_match_destroy(banners->set[i]);
	free(banners->products);
	*banners = (struct mt_banners){0};
}

uint32_t mt_banners_identify(const struct mt_banners *banners, struct mt_match_scratch *scratch,
			     enum mt_protocol protocol, struct mt_span greeting)
{
	uint32_t product = mt_match_first(banners->set[protocol], scratch, mt_span_trim(greeting));

	return product == MT_MATCH_NONE ? 0 : product;
}
