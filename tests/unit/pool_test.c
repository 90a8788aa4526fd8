/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

#include "pool.h"

#define PIECE 128

static void every_piece_is_given_once_and_empty_is_said(void **state)
{
	(void)state;
	static _Alignas(64) uint8_t area[4 * PIECE];
	struct mt_pool pool;
	void *taken[4];

	memset(area, 0, sizeof(area));
	mt_pool_init(&pool, area, PIECE, 4);
	for (unsigned i = 0; i < 4; i++) {
		taken[i] = mt_pool_take(&pool);
		assert_int_equal(mt_pool_index(&pool, taken[i]), i);
	}
	assert_null(mt_pool_take(&pool));
	assert_int_equal(pool.free_pieces, 0);
	mt_pool_give(&pool, taken[2]);
	mt_pool_give(&pool, taken[0]);
	mt_pool_give(&pool, NULL);
	assert_int_equal(pool.free_pieces, 2);
	assert_ptr_equal(mt_pool_take(&pool), taken[0]);
	assert_ptr_equal(mt_pool_take(&pool), taken[2]);
	assert_null(mt_pool_take(&pool));
}

static void a_piece_given_back_keeps_no_secret(void **state)
{
	(void)state;
	static _Alignas(64) uint8_t area[2 * PIECE];
	struct mt_pool pool;

	memset(area, 0, sizeof(area));
	mt_pool_init(&pool, area, PIECE, 2);
	uint8_t *piece = mt_pool_take(&pool);
	memset(piece, 'p', PIECE);
	mt_pool_give(&pool, piece);
	assert_null(memchr(area, 'p', sizeof(area)));
	piece = mt_pool_take(&pool);
	for (unsigned i = 0; i < PIECE; i++)
		assert_int_equal(piece[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_piece_is_given_once_and_empty_is_said),
	    cmocka_unit_test(a_piece_given_back_keeps_no_secret),
	};
	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
