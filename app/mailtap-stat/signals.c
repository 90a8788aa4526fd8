/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "stat.h"

#include <signal.h>

static volatile sig_atomic_t is_ending;

static void note_end(int number)
{
	(void)number;
	is_ending = 1;
}

void mt_stat_catch_end(void)
{
	/* Without SA_RESTART: what waits, ends. */
	const struct sigaction action = {.sa_handler = note_end};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

bool mt_stat_is_ending(void)
{
	return is_ending != 0;
}
