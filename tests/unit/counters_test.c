/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

#include <errno.h>

#include "counters.h"

static char products[][MT_COUNTERS_PRODUCT_SIZE] = {"unknown", "postfix", "dovecot"};

static struct mt_counters_layout *layout_of_test(void)
{
	struct mt_counters_layout *layout;

	assert_int_equal(mt_counters_layout_create(&layout, products, 3, 2, 4), 0);
	return layout;
}

/* What the compiler counted and what the start laid out must be the same cells. */
static void both_ways_to_a_cell_agree(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();

	assert_int_equal(layout->first[MT_COUNTER_PACKETS], 0);
	assert_int_equal(layout->first[MT_COUNTER_RX_PACKETS], MT_COUNTERS_FIXED_CELLS);
	assert_int_equal(mt_counters_cell(layout, MT_COUNTER_CYCLES, MT_POLL_IDLE, 0, 0),
			 MT_CELL1(CYCLES, MT_POLL_IDLE));
	assert_int_equal(mt_counters_cell(layout, MT_COUNTER_FLOWS, 0, 0, 0), MT_CELL0(FLOWS));
	assert_int_equal(mt_counters_cell(layout, MT_COUNTER_TLS_HANDSHAKE, MT_PROTOCOL_POP3, 0, 0),
			 MT_CELL1(TLS_HANDSHAKE, MT_PROTOCOL_POP3));
	assert_int_equal(
	    mt_counters_cell(layout, MT_COUNTER_SESSIONS, MT_PROTOCOL_IMAP, MT_SECURITY_UNKNOWN, 0),
	    MT_CELL2(SESSIONS, MT_PROTOCOL_IMAP, MT_SECURITY_UNKNOWN));
	assert_int_equal(
	    mt_counters_cell(layout, MT_COUNTER_AUTH, MT_PROTOCOL_POP3, MT_MECHANISM_APOP, MT_AUTH_FAILURE),
	    MT_CELL3(AUTH, MT_PROTOCOL_POP3, MT_MECHANISM_APOP, MT_AUTH_FAILURE));
	mt_counters_layout_destroy(layout);
	mt_counters_layout_destroy(NULL);
}

/* Series cover every cell, none twice. */
static void every_cell_has_one_series(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();
	uint64_t *cells = mt_counters_cells_create(layout);

	for (uint32_t i = 0; i < layout->series_of[MT_COUNTER_COUNT]; i++)
		for (uint32_t c = 0; c < layout->series[i].cells; c++) {
			assert_true(layout->series[i].cell + c < layout->cell_count);
			cells[layout->series[i].cell + c]++;
		}
	for (uint32_t i = 0; i < layout->cell_count; i++)
		assert_int_equal(cells[i], 1);
	free(cells);
	mt_counters_layout_destroy(layout);
}

static void a_series_is_found_by_its_name_and_words(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();
	uint32_t count;
	const struct mt_counters_series *series = mt_counters_find(layout, "mailtap_banners_total", &count);

	assert_int_equal(count, 9);
	assert_string_equal(series[5].labels, "protocol=\"imap\",software=\"dovecot\"");
	assert_string_equal(series[5].value[1], "dovecot");
	assert_null(series[5].value[2]);
	assert_int_equal(series[5].cell, mt_counters_cell(layout, MT_COUNTER_BANNERS, MT_PROTOCOL_IMAP,
							  mt_counters_product(layout, "dovecot"), 0));
	assert_int_equal(mt_counters_product(layout, "added-later"), 0);
	assert_int_equal(mt_counters_cell(layout, MT_COUNTER_BANNERS, MT_PROTOCOL_IMAP, 77, 0),
			 series[3].cell);
	assert_null(mt_counters_find(layout, "mailtap_nothing", &count));
	assert_int_equal(count, 0);
	mt_counters_layout_destroy(layout);
}

static void a_product_that_would_need_escapes_is_refused(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = NULL;
	char bad[][MT_COUNTERS_PRODUCT_SIZE] = {"unknown", "post\"fix"};

	assert_int_equal(mt_counters_layout_create(&layout, bad, 2, 1, 1), -EINVAL);
	strcpy(bad[1], "");
	assert_int_equal(mt_counters_layout_create(&layout, bad, 2, 1, 1), -EINVAL);
	memset(bad[1], 'x', sizeof(bad[1]));
	assert_int_equal(mt_counters_layout_create(&layout, bad, 2, 1, 1), -EINVAL);
	assert_null(layout);
}

static void a_bucket_holds_its_bound(void **state)
{
	(void)state;
	uint64_t cells[MT_COUNTERS_FIXED_CELLS] = {0};
	size_t h = MT_CELL1(GREETING, MT_PROTOCOL_IMAP);
	uint64_t before = 0;

	mt_counters_observe(cells, h, 0);
	mt_counters_observe(cells, h, MT_NS_PER_MS);	 /* le="0.001" holds one millisecond */
	mt_counters_observe(cells, h, MT_NS_PER_MS + 1); /* the next bucket */
	mt_counters_observe(cells, h, 300 * MT_NS_PER_SECOND);
	mt_counters_observe(cells, h, 300 * MT_NS_PER_SECOND + 1); /* above all bounds */
	assert_int_equal(cells[h], 2);
	assert_int_equal(cells[h + 1], 1);
	assert_int_equal(cells[h + MT_COUNTERS_BOUNDS - 1], 1);
	assert_int_equal(cells[h + MT_COUNTERS_BOUNDS], 1);
	assert_int_equal(cells[h + MT_COUNTERS_BOUNDS + 1], 600 * MT_NS_PER_SECOND + 2 * MT_NS_PER_MS + 2);
	for (size_t i = 0; i < MT_COUNTERS_FIXED_CELLS; i++)
		if (i < h || i >= h + MT_COUNTERS_EACH_HISTOGRAM)
			before += cells[i];
	assert_int_equal(before, 0);
}

static void sums_add_every_cell(void **state)
{
	(void)state;
	struct mt_counters_layout *layout = layout_of_test();
	uint64_t *one = mt_counters_cells_create(layout), *total = mt_counters_cells_create(layout);

	one[MT_CELL0(FLOWS)] = 3;
	one[layout->cell_count - 1] = 5;
	mt_counters_sum(layout, total, one);
	mt_counters_sum(layout, total, one);
	assert_int_equal(total[MT_CELL0(FLOWS)], 6);
	assert_int_equal(total[layout->cell_count - 1], 10);
	assert_int_equal(total[0], 0);
	free(one);
	free(total);
	mt_counters_layout_destroy(layout);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_ways_to_a_cell_agree),
	    cmocka_unit_test(every_cell_has_one_series),
	    cmocka_unit_test(a_series_is_found_by_its_name_and_words),
	    cmocka_unit_test(a_product_that_would_need_escapes_is_refused),
	    cmocka_unit_test(a_bucket_holds_its_bound),
	    cmocka_unit_test(sums_add_every_cell),
	};
	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
