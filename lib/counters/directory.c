/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * What an object says of itself is somebody else's word: every number is held against the object's size and
 * every text is looked at, once, in memory of our own, before anybody follows it.
 */
#include <errno.h>
#include <stdlib.h>

#include "shared_priv.h"

#define OBJECT_MAX  (256u << 20) /* bytes; a hundred workers need a hundredth of it */
#define TEXT_MAX    1024	 /* of any text, its end included; the longest help has a tenth of it */
#define DIVISOR_MAX 1000000000u

static bool is_text(const char *text)
{
	for (; *text != 0; text++)
		if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
			return false;
	return true;
}

static bool is_metric_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

	return len > 0 && name[len] == 0 && !mt_is_digit((uint8_t)name[0]);
}

bool mt_counters_label_next(const char **labels, struct mt_span *ret_key, struct mt_span *ret_value)
{
	const char *at = *labels;
	size_t key = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

	if (key == 0 || at[key] != '=' || at[key + 1] != '"')
		return false;
	*ret_key = mt_span(at, key);
	at += key + 2;
	*ret_value = mt_span(at, strcspn(at, "\"\\"));
	at += ret_value->len;
	if (at[0] != '"' || (at[1] != 0 && at[1] != ',') || (at[1] == ',' && at[2] == 0))
		return false;
	*labels = at + (at[1] == ',' ? 2 : 1);
	return true;
}

/* Result  how many labels there are, in *ret; false where the text is none of labels */
static bool count_labels(const char *labels, uint32_t *ret)
{
	struct mt_span key, value;

	for (const char *at = labels; *at != 0; at++)
		if (*at < ' ' || *at > '~')
			return false;
	for (*ret = 0; *labels != 0; ++*ret)
		if (!mt_counters_label_next(&labels, &key, &value))
			return false;
	return true;
}

/* The same part in a copy of the object, with an end behind it. */
static const char *cut(char *words, const uint8_t *object, struct mt_span part)
{
	char *copy = words + (part.data - object);

	copy[part.len] = 0;
	return copy;
}

/* As many numbers as the cells of a histogram ask for. */
static bool are_bounds(const char *bounds, uint32_t cells)
{
	uint64_t count = *bounds != 0;

	for (const char *at = bounds; *at != 0; at++) {
		if (strchr("0123456789.+-e ", *at) == NULL)
			return false;
		count += *at == ' ';
	}
	return count + 2 == cells;
}

/* A zero-terminated text within the object, or NULL. */
static const char *text_at(const uint8_t *object, const struct mt_counters_header *header, uint32_t offset)
{
	uint64_t total = header->total_bytes, left = offset < total ? total - offset : 0;

	if (left == 0 || memchr(object + offset, 0, left < TEXT_MAX ? left : TEXT_MAX) == NULL)
		return NULL;
	return (const char *)object + offset;
}

static bool view_entry(const uint8_t *object, const struct mt_counters_header *header,
		       const struct mt_counters_entry *entry, struct mt_counters_view *ret)
{
	*ret = (struct mt_counters_view){
	    .name = text_at(object, header, entry->name),
	    .help = text_at(object, header, entry->help),
	    .unit = text_at(object, header, entry->unit),
	    .topic = text_at(object, header, entry->topic),
	    .labels = text_at(object, header, entry->labels),
	    .bounds = text_at(object, header, entry->bounds),
	    .divisor = entry->divisor,
	    .cell = entry->cell,
	    .cells = entry->cells,
	    .kind = (uint8_t)entry->kind,
	    .is_by_worker = entry->scope == 1,
	};
	return ret->name != NULL && ret->help != NULL && ret->unit != NULL && ret->topic != NULL &&
	       ret->labels != NULL && ret->bounds != NULL && is_metric_name(ret->name) &&
	       is_text(ret->help) && is_text(ret->unit) && is_text(ret->topic) &&
	       count_labels(ret->labels, &ret->label_count) && entry->divisor > 0 &&
	       entry->divisor <= DIVISOR_MAX && (uint64_t)entry->cell + entry->cells <= header->cell_count &&
	       (entry->kind == MT_COUNTERS_HISTOGRAM ? are_bounds(ret->bounds, entry->cells)
						     : entry->cells == 1);
}

bool mt_counters_is_header_sane(const struct mt_counters_header *header, uint64_t file_bytes)
{
	uint64_t total = header->total_bytes;
	uint64_t block =
	    sizeof(struct mt_counters_shared_block) + header->cell_count * (uint64_t)sizeof(uint64_t);

	return total <= file_bytes && total <= OBJECT_MAX && header->block_bytes >= block &&
	       header->block_count > 0 && header->block_count == (uint64_t)header->worker_count + 1 &&
	       header->block_first + (uint64_t)header->block_count * header->block_bytes <= total &&
	       header->directory_stride >= sizeof(struct mt_counters_entry) &&
	       header->directory_first + (uint64_t)header->directory_count * header->directory_stride <=
		   total &&
	       memchr(header->version, 0, sizeof(header->version)) != NULL && is_text(header->version);
}

/* Result  0, or -EBADMSG; the labels that they have together in *ret_label_count */
static int view_entries(struct mt_counters_directory *directory, const uint8_t *object,
			const struct mt_counters_header *header, size_t *ret_label_count)
{
	struct mt_counters_entry entry;

	*ret_label_count = 0;
	for (uint32_t i = 0; i < header->directory_count; i++) {
		struct mt_counters_view *series = &directory->series[directory->count];

		memcpy(&entry, object + header->directory_first + (size_t)i * header->directory_stride,
		       sizeof(entry));
		if (entry.kind >= MT_COUNTERS_KIND_COUNT)
			continue;
		if (!view_entry(object, header, &entry, series))
			return -EBADMSG;
		*ret_label_count += series->label_count;
		directory->count++;
	}
	return 0;
}

static int view_labels(struct mt_counters_directory *directory, const uint8_t *object,
		       const struct mt_counters_header *header, size_t label_count)
{
	struct mt_counters_label *next;

	directory->words = malloc(header->total_bytes);
	directory->labels = next = calloc(label_count + 1, sizeof(*next));
	if (directory->words == NULL || directory->labels == NULL)
		return -ENOMEM;
	memcpy(directory->words, object, header->total_bytes);
	for (uint32_t i = 0; i < directory->count; i++) {
		const char *labels = directory->series[i].labels;
		struct mt_span key, value;

		directory->series[i].label = next;
		for (; mt_counters_label_next(&labels, &key, &value); next++)
			*next = (struct mt_counters_label){cut(directory->words, object, key),
							   cut(directory->words, object, value)};
	}
	return 0;
}

int mt_counters_directory_init(struct mt_counters_directory *ret, const uint8_t *object,
			       const struct mt_counters_header *header)
{
	size_t label_count;
	int result;

	*ret = (struct mt_counters_directory){
	    .series = calloc((size_t)header->directory_count + 1, sizeof(*ret->series))};
	if (ret->series == NULL)
		return -ENOMEM;
	result = view_entries(ret, object, header, &label_count);
	if (result == 0)
		result = view_labels(ret, object, header, label_count);
	if (result != 0)
		mt_counters_directory_fini(ret);
	return result;
}

void mt_counters_directory_fini(struct mt_counters_directory *directory)
{
	free(directory->words);
	free(directory->labels);
	free(directory->series);
	*directory = (struct mt_counters_directory){0};
}
