/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/** What the files of this folder share. */
#ifndef MT_RECORD_PRIV_H
#define MT_RECORD_PRIV_H

#include "base.h"

/**
 * Make text from the wire printable: record.h says how.
 * ret       room for ret_size bytes; zero-terminated. What finds no room is left out, from the first
 *           character that does not fit whole.
 * Result    bytes written, without the zero
 */
size_t printable_text(struct mt_span wire, char *ret, size_t ret_size);

#endif
