/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The IMAP dialogue (RFC 9051, RFC 3501), seen from outside. All it does stands in imap.def; capability
 * lists and literals are read here. Called by lib/session through the descriptor.
 */
#ifndef MT_IMAP_H
#define MT_IMAP_H

#include "dialogue.h"

extern const struct mt_dialogue mt_imap_dialogue;

#endif
