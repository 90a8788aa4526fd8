/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * The logic of the bypass table: who gets rules, when they go, and what is counted. The device is a list in
 * memory that counts what the test says; nothing here says anything about a real one.
 */
#include "unit.h"

#include "bypass.h"
#include "counters.h"

#include <errno.h>

#define TIMEOUT	  (1800 * MT_NS_PER_SECOND)
#define RULES_MAX (MT_BYPASS_MAX * 4 + 16)
#define STEPS	  128 /* calls for a look at every place, more than the table needs */

struct fake_rule {
	bool stands;
	unsigned port;
	enum mt_direction direction;
	uint16_t client_port;
	struct mt_bypass_count dropped;
};

static struct fake_rule rules[RULES_MAX];
static struct mt_bypass_count dropped; /* by all rules, ever */
static uint64_t cells[MT_COUNTERS_FIXED_CELLS];
static struct mt_bypass *bypass;
static uint64_t clock_ns, cost_ns; /* of a call */
static unsigned words, rules_at_word, standing;
static bool is_deaf, refuses_query, refuses_destroy;
static int create_result[2][MT_DIRECTION_COUNT]; /* by port and direction */

/* ---- The device that is none ---- */

static int create(void *context, unsigned port, const struct mt_mail_ends *ends, enum mt_direction direction,
		  void **ret)
{
	struct fake_rule *rule = rules;

	(void)context;
	clock_ns += cost_ns;
	if (create_result[port][direction] != 0)
		return create_result[port][direction];
	while (rule->stands)
		rule++;
	*rule = (struct fake_rule){
	    .stands = true, .port = port, .direction = direction, .client_port = ends->client_port};
	standing++;
	*ret = rule;
	return 0;
}

static int query(void *context, unsigned port, void *handle, struct mt_bypass_count *ret)
{
	const struct fake_rule *rule = handle;

	(void)context;
	clock_ns += cost_ns;
	assert_true(rule->stands && rule->port == port);
	if (refuses_query)
		return -EIO;
	*ret = rule->dropped;
	return 0;
}

static int destroy(void *context, unsigned port, void *handle)
{
	struct fake_rule *rule = handle;

	(void)context;
	clock_ns += cost_ns;
	assert_true(rule->stands && rule->port == port);
	if (refuses_destroy)
		return -EBUSY;
	rule->stands = false;
	standing--;
	return 0;
}

static bool tell(void *context, uint32_t worker, const struct mt_mail_ends *ends)
{
	(void)context;
	assert_int_equal(worker, ends->client_port % 2);
	words += !is_deaf;
	rules_at_word = standing;
	return !is_deaf;
}

static uint64_t read_clock(void *context)
{
	(void)context;
	return clock_ns;
}

static const struct mt_bypass_hands hands = {create, query, destroy, tell, read_clock};

/* ---- What the tests do ---- */

static int set_up_ports(unsigned ports)
{
	const struct mt_bypass_config config = {
	    .hands = &hands, .ports = ports, .timeout_ns = TIMEOUT, .cells = cells};

	memset(rules, 0, sizeof(rules));
	memset(cells, 0, sizeof(cells));
	memset(create_result, 0, sizeof(create_result));
	dropped = (struct mt_bypass_count){0};
	clock_ns = 1000 * MT_NS_PER_SECOND;
	cost_ns = words = standing = rules_at_word = 0;
	is_deaf = refuses_query = refuses_destroy = false;
	bypass = mt_bypass_create(&config);
	assert_non_null(bypass);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_ports(1);
}

static int set_up_two_ports(void **state)
{
	(void)state;
	return set_up_ports(2);
}

static uint64_t outcome(enum mt_bypass_outcome value)
{
	return cells[MT_CELL1(BYPASS_SESSIONS, value)];
}

static uint64_t failures(enum mt_bypass_call call)
{
	return cells[MT_CELL1(BYPASS_FAILURES, call)];
}

/* Every test ends so: all that the device dropped is counted, and nothing stands. */
static int tear_down(void **state)
{
	(void)state;
	refuses_query = refuses_destroy = false;
	mt_bypass_finish(bypass);
	assert_int_equal(standing, 0);
	assert_int_equal(cells[MT_CELL0(BYPASS_RULES)], 0);
	assert_int_equal(cells[MT_CELL0(BYPASSED)], dropped.packets);
	assert_int_equal(cells[MT_CELL0(BYPASSED_BYTES)], dropped.bytes);
	mt_bypass_destroy(bypass);
	return 0;
}

/* A session is its client's port: handle and worker follow from it. */
static void begin(uint16_t client_port)
{
	const struct mt_mail_ends ends = {.ip_version = 4,
					  .client_addr = {192, 0, 2, 1},
					  .server_addr = {192, 0, 2, 2},
					  .client_port = client_port,
					  .server_port = 993};

	mt_bypass_begin(bypass, client_port % 2, client_port / 2, &ends);
}

static void end(uint16_t client_port, enum mt_reason reason)
{
	mt_bypass_end(bypass, client_port % 2, client_port / 2, reason);
}

/* The device drops packets of a session, on every port the same. */
static void drop(uint16_t client_port, enum mt_direction direction, uint64_t packets)
{
	for (struct fake_rule *rule = rules; rule < rules + RULES_MAX; rule++)
		if (rule->stands && rule->client_port == client_port && rule->direction == direction) {
			rule->dropped.packets += packets;
			rule->dropped.bytes += packets * 1514;
			dropped.packets += packets;
			dropped.bytes += packets * 1514;
		}
}

/* Time passes, and the table looks as the control thread does. */
static void pass(uint64_t ns)
{
	for (unsigned i = 0; i < STEPS; i++) {
		clock_ns += ns / STEPS;
		mt_bypass_look(bypass);
	}
}

static void look_round(void)
{
	pass(MT_BYPASS_LOOK_NS + STEPS);
}

/* ---- Who gets rules ---- */

static void both_directions_are_dropped_on_every_port(void **state)
{
	bool is_there[2][MT_DIRECTION_COUNT] = {0};

	(void)state;
	begin(50000);
	assert_int_equal(standing, 4);
	assert_int_equal(cells[MT_CELL0(BYPASS_RULES)], 4);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_RULES), 1);
	for (unsigned i = 0; i < 4; i++)
		is_there[rules[i].port][rules[i].direction] = rules[i].client_port == 50000;
	for (unsigned port = 0; port < 2; port++)
		assert_true(is_there[port][MT_TO_SERVER] && is_there[port][MT_TO_CLIENT]);
	end(50001, MT_REASON_RST); /* another session's */
	assert_int_equal(standing, 4);
	end(50000, MT_REASON_RST);
	assert_int_equal(standing, 0);
}

static void a_port_that_cannot_is_passed_over(void **state)
{
	(void)state;
	create_result[0][MT_TO_SERVER] = create_result[0][MT_TO_CLIENT] = -ENOTSUP;
	begin(50000);
	assert_int_equal(standing, 2);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_RULES), 1);
	create_result[1][MT_TO_SERVER] = create_result[1][MT_TO_CLIENT] = -ENOTSUP;
	begin(50001);
	assert_int_equal(standing, 2);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_REFUSED), 1);
	assert_int_equal(failures(MT_BYPASS_CALL_CREATE), 0);
}

static void half_a_connection_is_not_dropped(void **state)
{
	(void)state;
	create_result[1][MT_TO_CLIENT] = -ENOSPC;
	begin(50000);
	assert_int_equal(standing, 0);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_REFUSED), 1);
	assert_int_equal(failures(MT_BYPASS_CALL_CREATE), 1);
	create_result[1][MT_TO_CLIENT] = 0;
	begin(50001);
	assert_int_equal(standing, 4);
}

static void a_name_that_comes_again_replaces_the_old_one(void **state)
{
	(void)state;
	begin(50000);
	drop(50000, MT_TO_CLIENT, 3);
	begin(50000);
	assert_int_equal(standing, 2);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_RULES), 2);
}

static void a_full_table_makes_room_of_what_is_idle(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MT_BYPASS_MAX; i++)
		begin((uint16_t)(10000 + i));
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_RULES), MT_BYPASS_MAX);
	begin(9999);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_FULL), 1);
	/* All speak but one. */
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 2 * MT_BYPASS_MAX; i++)
			if (rules[i].client_port != 12345) {
				rules[i].dropped.packets++;
				dropped.packets++;
			}
		look_round();
	}
	begin(9998);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_RULES), MT_BYPASS_MAX + 1);
	assert_int_equal(standing, 2 * MT_BYPASS_MAX);
	for (unsigned i = 0; i < RULES_MAX; i++)
		assert_false(rules[i].stands && rules[i].client_port == 12345);
	begin(9997);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_FULL), 2);
}

static void a_slow_device_does_not_take_all_the_time(void **state)
{
	const uint64_t pause_ns = 2 * MT_NS_PER_MS * MT_BYPASS_SHARE;

	(void)state;
	cost_ns = MT_NS_PER_MS;
	begin(50000);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_RULES), 1);
	clock_ns += pause_ns - 1;
	begin(50002);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_BUSY), 1);
	clock_ns++;
	begin(50004);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_RULES), 2);
	/* Removing costs as much, and is never put off. */
	end(50000, MT_REASON_RST);
	end(50004, MT_REASON_RST);
	assert_int_equal(standing, 0);
	begin(50006);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_BUSY), 2);
}

/* ---- What workers hear ---- */

static void the_worker_is_told_first(void **state)
{
	(void)state;
	begin(50000);
	assert_int_equal(words, 1);
	assert_int_equal(rules_at_word, 0);
	is_deaf = true;
	begin(50001);
	assert_int_equal(standing, 2);
	assert_int_equal(outcome(MT_BYPASS_OUTCOME_BUSY), 1);
}

static void the_worker_is_told_as_long_as_packets_come(void **state)
{
	(void)state;
	begin(50000);
	look_round();
	assert_int_equal(words, 1); /* nothing was dropped */
	drop(50000, MT_TO_CLIENT, 1);
	look_round();
	assert_int_equal(words, 2);
	drop(50000, MT_TO_SERVER, 1);
	is_deaf = true;
	look_round();
	is_deaf = false;
	look_round();
	assert_int_equal(words, 3); /* what could not be said is said later */
	look_round();
	assert_int_equal(words, 3);
	/* Half an hour of it, and the rules stay. */
	for (unsigned i = 0; i < 700; i++) {
		drop(50000, MT_TO_CLIENT, 1);
		look_round();
	}
	assert_int_equal(standing, 2);
	assert_int_equal(words, 703);
}

/* ---- When rules go ---- */

static void a_proper_close_is_counted_to_its_end(void **state)
{
	(void)state;
	begin(50000);
	end(50000, MT_REASON_FIN);
	assert_int_equal(standing, 2);
	drop(50000, MT_TO_CLIENT, 7); /* what the device had not yet told */
	/* Its handle may be another session's by now. */
	begin(50000);
	assert_int_equal(standing, 4);
	pass(MT_BYPASS_SETTLE_NS);
	look_round();
	assert_int_equal(standing, 2);
	assert_int_equal(cells[MT_CELL0(BYPASSED)], dropped.packets);
	end(50000, MT_REASON_RST);
	assert_int_equal(standing, 0);
}

static void any_other_end_removes_them_at_once(void **state)
{
	(void)state;
	for (unsigned reason = 0; reason < MT_REASON_COUNT; reason++) {
		if (reason == MT_REASON_FIN)
			continue;
		begin(50000);
		drop(50000, MT_TO_SERVER, reason + 1);
		end(50000, reason);
		assert_int_equal(standing, 0);
	}
}

static void silence_ends_them(void **state)
{
	(void)state;
	begin(50000);
	pass(TIMEOUT / 2);
	drop(50000, MT_TO_CLIENT, 1);
	look_round();
	pass(TIMEOUT - MT_BYPASS_LOOK_NS);
	assert_int_equal(standing, 2);
	pass(2 * MT_BYPASS_LOOK_NS);
	assert_int_equal(standing, 0);
	end(50000, MT_REASON_TIMEOUT); /* the worker's own time came later */
}

/* ---- Failures ---- */

static void what_was_not_told_is_counted_later(void **state)
{
	(void)state;
	begin(50000);
	drop(50000, MT_TO_CLIENT, 5);
	refuses_query = true;
	look_round();
	assert_true(failures(MT_BYPASS_CALL_QUERY) >= 2);
	assert_int_equal(cells[MT_CELL0(BYPASSED)], 0);
	refuses_query = false;
	look_round();
	assert_int_equal(cells[MT_CELL0(BYPASSED)], 5);
	look_round();
	assert_int_equal(cells[MT_CELL0(BYPASSED)], 5);
}

static void a_rule_that_stays_is_counted_and_tried_again(void **state)
{
	(void)state;
	begin(50000);
	refuses_destroy = true;
	end(50000, MT_REASON_RST);
	assert_int_equal(standing, 2);
	assert_int_equal(failures(MT_BYPASS_CALL_DESTROY), 2);
	drop(50000, MT_TO_CLIENT, 4);
	look_round();
	assert_int_equal(cells[MT_CELL0(BYPASSED)], 4);
	assert_int_equal(standing, 2);
	refuses_destroy = false;
	look_round();
	assert_int_equal(standing, 0);
}

/* Whatever happens in whatever order: tear_down() holds what was counted against what was dropped. */
static void the_accounts_agree(void **state)
{
	unsigned begun = 0;
	uint64_t sum = 0;

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		uint16_t client_port = (uint16_t)(10000 + rand() % 50);

		cost_ns = (uint64_t)rand() % 20000;
		refuses_destroy = rand() % 10 == 0;
		create_result[rand() % 2][rand() % 2] = rand() % 8 == 0 ? -EIO : 0;
		is_deaf = rand() % 10 == 0;
		if (rand() % 3 == 0) {
			begin(client_port);
			begun++;
		}
		drop((uint16_t)(10000 + rand() % 50), rand() % 2, (uint64_t)rand() % 100);
		if (rand() % 3 == 0)
			end(client_port, rand() % MT_REASON_COUNT);
		clock_ns += (uint64_t)rand() % (MT_NS_PER_SECOND / 10);
		mt_bypass_look(bypass);
		assert_int_equal(cells[MT_CELL0(BYPASS_RULES)], standing);
	}
	for (unsigned value = 0; value < MT_BYPASS_OUTCOME_COUNT; value++)
		sum += outcome(value);
	assert_int_equal(sum, begun);
	assert_true(outcome(MT_BYPASS_OUTCOME_RULES) > 1000);
}

#define TEST(name)	  cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_OF_TWO(name) cmocka_unit_test_setup_teardown(name, set_up_two_ports, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST_OF_TWO(both_directions_are_dropped_on_every_port),
	    TEST_OF_TWO(a_port_that_cannot_is_passed_over),
	    TEST_OF_TWO(half_a_connection_is_not_dropped),
	    TEST(a_name_that_comes_again_replaces_the_old_one),
	    TEST(a_full_table_makes_room_of_what_is_idle),
	    TEST(a_slow_device_does_not_take_all_the_time),
	    TEST(the_worker_is_told_first),
	    TEST(the_worker_is_told_as_long_as_packets_come),
	    TEST(a_proper_close_is_counted_to_its_end),
	    TEST(any_other_end_removes_them_at_once),
	    TEST(silence_ends_them),
	    TEST(what_was_not_told_is_counted_later),
	    TEST(a_rule_that_stays_is_counted_and_tried_again),
	    TEST_OF_TWO(the_accounts_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
