/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The SMTP dialogue (RFC 5321, STARTTLS RFC 3207, AUTH RFC 4954, chunks RFC 3030), seen from outside.
 * All it does stands in smtp.def. Called by lib/session through the descriptor.
 */
#ifndef MT_SMTP_H
#define MT_SMTP_H

#include "dialogue.h"

extern const struct mt_dialogue mt_smtp_dialogue;

#endif
