/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The framer's inside. framing.c reads lines and counts bytes, body.c finds the end of a body.
 */
#ifndef MT_FRAMING_PRIV_H
#define MT_FRAMING_PRIV_H

#include "framing.h"

/* Begin a body: what stands before it is the line end of a command or of a reply. */
void mt_framing_begin_body(struct mt_framer *framer);
/* Bytes of the body are missing: what stands before the next one is not known. */
void mt_framing_lose_body(struct mt_framer *framer);
/* Read on in a body. Result  MT_FRAMING_SKIPPED where it ends, behind *taken bytes; else _MORE. */
enum mt_framing_event mt_framing_read_body(struct mt_framer *framer, struct mt_span bytes, size_t *taken);

#endif
