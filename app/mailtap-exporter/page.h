/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * page.html as it is served at `/`; embed.py makes it part of the program.
 */
#ifndef MT_EXPORTER_PAGE_H
#define MT_EXPORTER_PAGE_H

#include <stddef.h>

extern const char mt_page[]; /* mt_page_bytes of them, no zero behind */
extern const size_t mt_page_bytes;
extern const char
    mt_page_policy[]; /* Content-Security-Policy: this style and script alone, and nothing from elsewhere */

#endif
