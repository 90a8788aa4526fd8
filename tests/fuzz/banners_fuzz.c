/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* Input: a banner file. */
#include <errno.h>

#include "file.h"
#include "match.h"

static const char *const greetings[] = {"", "mail.example.org ESMTP Postfix", "Dovecot ready.",
					"\x80\xff <1.2@pop.example.org>", "220 \t"};

static void identify(const struct mt_banners *banners)
{
	struct mt_match_scratch *scratch = NULL;

	for (unsigned protocol = 0; protocol < MT_PROTOCOL_COUNT; protocol++)
		FUZZ_MUST(mt_match_scratch_grow(&scratch, banners->set[protocol]) == 0);
	for (unsigned protocol = 0; protocol < MT_PROTOCOL_COUNT; protocol++)
		for (size_t i = 0; i < MT_ARRAY_LEN(greetings); i++)
			FUZZ_MUST(mt_banners_identify(banners, scratch, protocol,
						      mt_span_text(greetings[i])) < banners->product_count);
	mt_match_scratch_destroy(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *path = fuzz_file(data, len);
	struct mt_banners banners;
	char error[400] = "";
	int result = mt_banners_load(&banners, path, error, sizeof(error));

	FUZZ_MUST(result == 0 || result == -EINVAL);
	if (result != 0) {
		fuzz_check_refusal(path, error);
		return 0;
	}
	FUZZ_MUST(banners.product_count >= 1 && strcmp(banners.products[0], "unknown") == 0);
	for (uint32_t i = 0; i < banners.product_count; i++)
		FUZZ_MUST(strlen(banners.products[i]) - 1 < sizeof(banners.products[i]) - 1);
	identify(&banners);
	mt_banners_unload(&banners);
	return 0;
}
