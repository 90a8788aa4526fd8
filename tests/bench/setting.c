/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "setting.h"

#include <err.h>

#include "imap.h"
#include "pop3.h"
#include "smtp.h"

#define DIALOGUES_MOST	 (1u << 17) /* as a live run has them */
#define REASSEMBLY_BYTES (64u << 20)
#define TIMEOUT_NS	 (1800 * MT_NS_PER_SECOND)

void setting_open(struct setting *ret, const char *banners)
{
	static const struct mt_dialogue *const dialogues[] = {[MT_PROTOCOL_SMTP] = &mt_smtp_dialogue,
							      [MT_PROTOCOL_IMAP] = &mt_imap_dialogue,
							      [MT_PROTOCOL_POP3] = &mt_pop3_dialogue};
	struct mt_identify_ports ports;
	char error[256];

	if (mt_identify_ports_parse(&ports, NULL, error, sizeof(error)) != 0 ||
	    mt_session_shared_init(&ret->shared, dialogues, &ports, error, sizeof(error)) != 0 ||
	    mt_banners_load(&ret->banners, banners, error, sizeof(error)) != 0)
		errx(1, "%s", error);
}

struct mt_engine_config setting_config(struct setting *setting, uint32_t flows)
{
	struct mt_engine_config ret = {.shared = &setting->shared,
				       .banners = &setting->banners,
				       .cells = setting->cells,
				       .flows = flows,
				       .dialogues = flows < DIALOGUES_MOST ? flows : DIALOGUES_MOST,
				       .reassembly_bytes = REASSEMBLY_BYTES,
				       .timeout_ns = TIMEOUT_NS};

	mt_flow_secret_init(&ret.secret, 1, 2);
	return ret;
}
