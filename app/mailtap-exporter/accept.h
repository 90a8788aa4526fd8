/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Which text format a client wants. Prometheus lists those it reads, each with a weight, in its Accept
 * header (RFC 9110 12.5.1); curl and browsers take anything.
 */
#ifndef MT_EXPORTER_ACCEPT_H
#define MT_EXPORTER_ACCEPT_H

#include "exposition.h"

/**
 * Choose a format.
 * accept  the header's value; NULL without one
 * Result  the format of the higher weight; OpenMetrics only for those who name it. Who accepts neither gets
 *         the older one all the same, as from other exporters: a refusal would help nobody.
 */
enum mt_exposition_format mt_accept_format(const char *accept);

/** What a response in that format calls itself. */
const char *mt_accept_content_type(enum mt_exposition_format format);

#endif
