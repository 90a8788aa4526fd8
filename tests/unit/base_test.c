/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

static void words_are_taken_one_by_one(void **state)
{
	(void)state;
	struct mt_span rest = guarded("  EHLO \t name", 13);

	assert_true(mt_span_is(mt_span_word(&rest), "EHLO"));
	struct mt_span name = mt_span_word(&rest);
	assert_int_equal(name.len, 4);
	assert_memory_equal(name.data, "name", 4);
	assert_int_equal(mt_span_word(&rest).len, 0);
	assert_int_equal(mt_span_word(&rest).len, 0);
}

static void an_empty_span_may_have_no_pointer(void **state)
{
	(void)state;
	assert_null(mt_span_after(mt_span(NULL, 0), 0).data);
	assert_null(mt_span_after(mt_span(NULL, 0), 3).data);
	assert_int_equal(mt_span_after(mt_span_text("abc"), 5).len, 0);
}

static void case_is_folded_for_ascii_only(void **state)
{
	(void)state;
	assert_true(mt_span_begins(guarded("starttls", 8), "STARTTLS"));
	assert_false(mt_span_begins(guarded("startt", 6), "STARTTLS"));
	assert_false(mt_span_is(guarded("STARTTLS2", 9), "STARTTLS"));
	assert_int_equal(mt_upper(0xe4), 0xe4);
}

static void trimming_removes_blanks_and_line_ends(void **state)
{
	(void)state;
	assert_int_equal(mt_span_trim(guarded(" \tx\r\r\n", 6)).len, 1);
	assert_int_equal(mt_span_trim(guarded("\r\n", 2)).len, 0);
	assert_int_equal(mt_span_trim(mt_span(NULL, 0)).len, 0);
}

static void sequence_numbers_wrap(void **state)
{
	(void)state;
	assert_int_equal(mt_seq_diff(5, 0xfffffffb), 10);
	assert_int_equal(mt_seq_diff(0xfffffffb, 5), -10);
}

static void every_word_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(mt_protocol_name(MT_PROTOCOL_POP3), "pop3");
	assert_string_equal(mt_mechanism_name(MT_MECHANISM_OTHER), "OTHER");
	assert_int_equal(MT_MECHANISM_OTHER, MT_MECHANISM_COUNT - 1);
	assert_null(mt_verdict_name(MT_VERDICT_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_are_taken_one_by_one),
	    cmocka_unit_test(an_empty_span_may_have_no_pointer),
	    cmocka_unit_test(case_is_folded_for_ascii_only),
	    cmocka_unit_test(trimming_removes_blanks_and_line_ends),
	    cmocka_unit_test(sequence_numbers_wrap),
	    cmocka_unit_test(every_word_has_a_name),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
