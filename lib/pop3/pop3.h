/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The POP3 dialogue (RFC 1939, CAPA RFC 2449, STLS RFC 2595, AUTH RFC 5034), seen from outside.
 * All it does stands in pop3.def. Called by lib/session through the descriptor.
 */
#ifndef MT_POP3_H
#define MT_POP3_H

#include "dialogue.h"

extern const struct mt_dialogue mt_pop3_dialogue;

#endif
