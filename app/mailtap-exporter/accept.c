/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "accept.h"

/** A format that can be had, and what was found to fit it best. */
struct offer {
	const char *type, *any_subtype, *version; /* in upper case, as mt_span_is() wants it */
	unsigned
	    rank; /* how closely a range has named it: 1 for any type, 4 with its version; 0 not at all */
	unsigned weight; /* that range's, in thousandths */
};

/* Take the text up to a separator off the front; one inside quotes does not count. */
static struct mt_span take(struct mt_span *rest, char separator)
{
	bool is_quoted = false;
	size_t len = 0;

	for (; len < rest->len && (is_quoted || rest->data[len] != (uint8_t)separator); len++) {
		if (rest->data[len] == '\\' && is_quoted && len + 1 < rest->len)
			len++;
		else if (rest->data[len] == '"')
			is_quoted = !is_quoted;
	}
	struct mt_span taken = mt_span(rest->data, len);
	*rest = mt_span_after(*rest, len + 1);
	return mt_span_trim(taken);
}

static struct mt_span unquote(struct mt_span text)
{
	if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"')
		return mt_span(text.data + 1, text.len - 2);
	return text;
}

/* Result  a weight in thousandths: 0, 1 and up to three digits between (RFC 9110 12.4.2); false for others */
static bool read_weight(struct mt_span text, unsigned *ret)
{
	unsigned weight, step = 100;

	if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
	    (text.len > 1 && text.data[1] != '.'))
		return false;
	weight = text.data[0] == '1' ? 1000 : 0;
	for (size_t i = 2; i < text.len; i++, step /= 10) {
		if (!mt_is_digit(text.data[i]))
			return false;
		weight += (unsigned)(text.data[i] - '0') * step;
	}
	*ret = weight;
	return weight <= 1000;
}

/* How closely a range without its parameters names an offer. */
static unsigned rank_of(const struct offer *offer, struct mt_span type)
{
	return mt_span_is(type, offer->type)	      ? 3
	       : mt_span_is(type, offer->any_subtype) ? 2
						      : mt_span_is(type, "*/*");
}

/* One element of the header: a range, its parameters, its weight. A closer range outdoes a wider one. */
static void consider(struct offer *offer, struct mt_span element)
{
	struct mt_span type = take(&element, ';');
	unsigned rank = rank_of(offer, type), weight = 1000;

	while (element.len > 0) {
		struct mt_span value = take(&element, ';'), key = take(&value, '=');

		if (mt_span_is(key, "Q") && !read_weight(value, &weight))
			return;
		if (mt_span_is(key, "VERSION") && rank == 3)
			rank = mt_span_is(unquote(value), offer->version) ? 4 : 0;
	}
	if (rank > offer->rank || (rank == offer->rank && rank > 0 && weight > offer->weight)) {
		offer->rank = rank;
		offer->weight = weight;
	}
}

enum mt_exposition_format mt_accept_format(const char *accept)
{
	struct offer text = {.type = "TEXT/PLAIN", .any_subtype = "TEXT/*", .version = "0.0.4"};
	struct offer openmetrics = {
	    .type = "APPLICATION/OPENMETRICS-TEXT", .any_subtype = "APPLICATION/*", .version = "1.0.0"};
	struct mt_span rest = mt_span_text(accept != NULL ? accept : "");

	while (rest.len > 0) {
		struct mt_span element = take(&rest, ',');

		consider(&text, element);
		consider(&openmetrics, element);
	}
	return openmetrics.rank >= 3 && openmetrics.weight > 0 && openmetrics.weight >= text.weight
		   ? MT_EXPOSITION_OPENMETRICS
		   : MT_EXPOSITION_TEXT;
}

const char *mt_accept_content_type(enum mt_exposition_format format)
{
	return format == MT_EXPOSITION_OPENMETRICS
		   ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		   : "text/plain; version=0.0.4; charset=utf-8";
}
