/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "conversation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	conversation_run(110, data, len);
	return 0;
}
