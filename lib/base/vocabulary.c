/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "vocabulary.h"

#define WORD(list, id, word) word,

#define DEFINE_LIST(LIST, list)                                                                              \
	const char *mt_##list##_name(unsigned value)                                                         \
	{                                                                                                    \
		static const char *const words[] = {MT_##LIST##_LIST(WORD)};                                 \
		return value < sizeof(words) / sizeof(words[0]) ? words[value] : NULL;                       \
	}

MT_VOCABULARY(DEFINE_LIST)
