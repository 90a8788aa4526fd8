/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * One protocol's table as text, through the X-macros that make its lookup arrays. Included once for each
 * protocol, with TABLE_DEF naming the file and NAMED() the arrays; hence without a guard.
 */

static const char *const NAMED(states)[] = {
#define STATE(id, meaning) #id,
#include TABLE_DEF
#undef STATE
};

static const char *const NAMED(events)[] = {
#define EVENT(id) #id,
#include TABLE_DEF
#undef EVENT
};

static const char *const NAMED(verbs)[] = {
#define VERB(id, ...) #__VA_ARGS__,
#include TABLE_DEF
#undef VERB
};

static const struct row NAMED(rows)[] = {
#define ROW(state, event, next, act) {#state, #event, #next, #act},
#define ROW_ANY(event, next, act)    {NULL, #event, #next, #act},
#include TABLE_DEF
#undef ROW
#undef ROW_ANY
};
