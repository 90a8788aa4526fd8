/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* Input: the value of an Accept header, up to its first zero. */
#include "../../app/mailtap-exporter/accept.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char header[FUZZ_INPUT_MAX];
	const size_t kept = len < FUZZ_INPUT_MAX - 1 ? len : FUZZ_INPUT_MAX - 1;

	/* At the buffer's end, so that a step too far leaves it. */
	char *value = header + FUZZ_INPUT_MAX - 1 - kept;
	memcpy(value, data, kept);
	enum mt_exposition_format format = mt_accept_format(value);
	/* Who does not name it does not get it. */
	FUZZ_MUST(format == MT_EXPOSITION_TEXT || strcasestr(value, "application/openmetrics-text") != NULL);
	return 0;
}
