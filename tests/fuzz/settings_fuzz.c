/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* Input: a file of settings. A line that the parser below would cut in two must have been refused. */
#include <errno.h>

#include "../../app/mailtap/options.h"
#include "file.h"

#define INI_LINE 199 /* bytes that inih takes of a line (INI_MAX_LINE), its end apart */

static void check(const struct mt_settings *settings, const char *path)
{
	FUZZ_MUST(settings->workers <= MT_WORKERS_MAX);
	FUZZ_MUST(settings->report <= MT_REPORT_NONE);
	FUZZ_MUST(settings->timeout_ns > 0);
	/* What must not come from a file. */
	FUZZ_MUST(!settings->help && !settings->version && !settings->check_config);
	FUZZ_MUST(settings->replay == NULL && settings->interface == NULL &&
		  strcmp(settings->config, path) == 0);
}

static size_t longest_line(struct mt_span text)
{
	size_t longest = 0;

	for (size_t i = 0, begin = 0; i < text.len; i++) {
		begin = text.data[i] == '\n' ? i + 1 : begin;
		longest = i + 1 - begin > longest ? i + 1 - begin : longest;
	}
	return longest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char path[64], error[512] = "";
	char *arguments[] = {"--config", path};
	static struct mt_settings settings;

	strcpy(path, fuzz_file(data, len));
	int result = mt_settings_read(&settings, MT_ARRAY_LEN(arguments), arguments, error, sizeof(error));
	FUZZ_MUST(result == 0 || result == -EINVAL);
	FUZZ_MUST(result != 0 || longest_line(mt_span(data, len)) < INI_LINE);
	if (result == 0)
		check(&settings, path);
	else
		fuzz_check_refusal(path, error);
	mt_settings_fini(&settings);
	return 0;
}
