/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* Input: the protocol, then a conversation. */
#include "conversation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint16_t ports[] = {25, 143, 110, 465};

	if (len > 0)
		conversation_cut(ports[data[0] % MT_ARRAY_LEN(ports)], data + 1, len - 1);
	return 0;
}
