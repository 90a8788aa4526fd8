/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "session_priv.h"

#include <stdio.h>

/* Names of up to eight bytes are compared, longer ones scanned for; nothing in a SASL name is special there.
 */
static int compile_mechanisms(struct mt_session_shared *shared, char *error, size_t error_size)
{
	struct mt_match_row rows[MT_MECHANISM_COUNT];
	char patterns[MT_MECHANISM_COUNT][40];

	for (unsigned i = 0; i < MT_MECHANISM_OTHER; i++) {
		const char *name = mt_mechanism_name(i);

		snprintf(patterns[i], sizeof(patterns[i]), "^%s$", name);
		rows[i] = strlen(name) <= 8 ? (struct mt_match_row){i, name, NULL}
					    : (struct mt_match_row){i, NULL, patterns[i]};
	}
	return mt_match_create(&shared->mechanisms, rows, MT_MECHANISM_OTHER, error, error_size);
}

int mt_session_shared_init(struct mt_session_shared *shared, const struct mt_dialogue *const *dialogues,
			   const struct mt_identify_ports *ports, char *error, size_t error_size)
{
	int result = 0;

	memset(shared, 0, sizeof(*shared));
	shared->ports = *ports;
	shared->dialogues = dialogues;
	for (unsigned i = 0; i < MT_PROTOCOL_COUNT && result == 0; i++) {
		result = mt_match_create(&shared->commands[i], dialogues[i]->commands,
					 dialogues[i]->command_count, error, error_size);
		if (result == 0)
			result = mt_match_create(&shared->replies[i], dialogues[i]->replies,
						 dialogues[i]->reply_count, error, error_size);
	}
	if (result == 0)
		result = compile_mechanisms(shared, error, error_size);
	if (result != 0)
		mt_session_shared_fini(shared);
	return result;
}

void mt_session_shared_fini(struct mt_session_shared *shared)
{
	for (unsigned i = 0; i < MT_PROTOCOL_COUNT; i++) {
		mt_match_destroy(shared->commands[i]);
		mt_match_destroy(shared->replies[i]);
	}
	mt_match_destroy(shared->mechanisms);
	memset(shared, 0, sizeof(*shared));
}
