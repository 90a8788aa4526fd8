/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * An engine with the three dialogues for a test, and what must hold when it has finished. One at a time.
 */
#ifndef MT_TESTS_SESSION_RUN_H
#define MT_TESTS_SESSION_RUN_H

#include "unit.h"

#include "imap.h"
#include "pop3.h"
#include "session_priv.h"
#include "smtp.h"

#define SECOND	MT_NS_PER_SECOND
#define TIMEOUT (1800 * SECOND)

static const struct mt_dialogue *const dialogues[] = {[MT_PROTOCOL_SMTP] = &mt_smtp_dialogue,
						      [MT_PROTOCOL_IMAP] = &mt_imap_dialogue,
						      [MT_PROTOCOL_POP3] = &mt_pop3_dialogue};
static struct mt_session_shared shared;
static uint64_t cells[MT_COUNTERS_FIXED_CELLS];
static struct mt_engine *engine;
static mt_session_emit *receiver; /* of the reports */

static inline int compile(void **state)
{
	static struct mt_identify_ports ports;
	char error[200] = "";

	(void)state;
	assert_int_equal(mt_identify_ports_parse(&ports, NULL, error, sizeof(error)), 0);
	return mt_session_shared_init(&shared, dialogues, &ports, error, sizeof(error));
}

static inline int release(void **state)
{
	(void)state;
	mt_session_shared_fini(&shared);
	return 0;
}

static inline void create_with(uint32_t flows, uint32_t sessions, size_t reassembly_bytes)
{
	struct mt_engine_config config = {.shared = &shared,
					  .secret = {.word = {1, 2}},
					  .cells = cells,
					  .emit = receiver,
					  .flows = flows,
					  .dialogues = sessions,
					  .reassembly_bytes = reassembly_bytes,
					  .timeout_ns = TIMEOUT};

	memset(cells, 0, sizeof(cells));
	assert_int_equal(mt_engine_create(&engine, &config), 0);
}

static inline void create(uint32_t flows, uint32_t sessions)
{
	create_with(flows, sessions, 256 * 1024);
}

static inline void assert_wiped(const struct mt_pool *pool)
{
	assert_int_equal(pool->free_pieces, pool->pieces);
	for (uint32_t i = 0; i < pool->untouched; i++) {
		const uint8_t *piece = mt_pool_at(pool, i);

		for (uint32_t b = sizeof(uint32_t); b < pool->piece_bytes; b++)
			if (piece[b] != 0)
				fail_msg("byte %u of piece %u is left", b, i);
	}
}

/* Every test ends so: nothing is open, nothing is held, nothing of a session is left in memory. */
static inline void assert_clean(void)
{
	uint64_t closed = 0;

	for (unsigned reason = 0; reason < MT_REASON_COUNT; reason++)
		closed += cells[MT_CELL1(FLOWS_CLOSED, reason)];
	assert_int_equal(cells[MT_CELL0(SESSIONS_OPENED)], closed);
	assert_int_equal(mt_engine_flows(engine), 0);
	assert_wiped(&engine->sessions);
	assert_wiped(&engine->pieces);
}

static inline enum mt_verdict put(struct mt_engine_packet packet)
{
	mt_engine_prepare(engine, &packet);
	return mt_engine_packet(engine, &packet);
}

#endif
