/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* What the server memory flags. Expected is CONTRACT.md 2, and what servers.h says where that is silent. */
#include "servers_sessions.h"

static void check_story(const struct story *story)
{
	struct mt_servers *servers = make(SERVERS, FAILURES, false);
	struct mt_report report;

	for (unsigned i = 0; i < SESSIONS_MAX && story->session[i].is != NULL; i++) {
		uint32_t flagged = judge(servers, &story->session[i], &report);

		if (flagged != story->session[i].flagged)
			fail_msg("%s: session %u: flagged %x, expected %x", story->tells, i + 1, flagged,
				 story->session[i].flagged);
		if (flagged == WITHHELD)
			assert_int_equal(mt_facts_outcome(&report.facts), MT_OUTCOME_STRIPPED);
	}
	mt_servers_destroy(servers);
}

#define CHECK_STORIES(stories)                                                                               \
	for (size_t i = 0; i < MT_ARRAY_LEN(stories); i++)                                                   \
	check_story(&(stories)[i])

/* ---- Rules ---- */

/* X1 */
static void what_was_offered_before_is_withheld(void **state)
{
	(void)state;
	static const struct story stories[] = {
	    {"the first is flagged, then it is a server that does not offer",
	     {{0, 1, offer, 0}, {2, 3, nothing, WITHHELD}, {4, 5, nothing, 0}}},
	    {"an upgrade is an offer as well", {{0, 1, upgraded, 0}, {2, 3, nothing, WITHHELD}}},
	    {"a server that never offered", {{0, 1, nothing, 0}, {2, 3, nothing, 0}}},
	    {"a server that learnt it",
	     {{0, 1, nothing, 0}, {2, 3, offer, 0}, {4, 5, offer, 0}, {6, 7, nothing, WITHHELD}}},
	    {"a year is nothing", {{0, 1, offer, 0}, {365 * DAY, 365 * DAY + 1, nothing, WITHHELD}}},
	};

	CHECK_STORIES(stories);
}

/* X1: "Weak alone (pools, rate limits)" */
static void an_address_that_offers_again_is_a_pool(void **state)
{
	(void)state;
	static const struct story stories[] = {
	    {"for a day",
	     {{0, 1, offer, 0},
	      {2, 3, nothing, WITHHELD},
	      {4, 5, offer, 0},
	      {6, 7, nothing, 0},
	      {8, 8, offer, 0},
	      {DAY + 6, DAY + 7, nothing, 0}}}, /* a minute less than a day after it offered again */
	    {"and no longer",
	     {{0, 1, offer, 0},
	      {2, 3, nothing, WITHHELD},
	      {4, 5, offer, 0},
	      {DAY + 4, DAY + 5, nothing, WITHHELD}}},
	    {"whose day begins anew each time",
	     {{0, 1, offer, 0},
	      {2, 3, nothing, WITHHELD},
	      {4, 5, offer, 0},
	      {HOUR, HOUR, nothing, 0},
	      {DAY, DAY, offer, 0},
	      {2 * DAY - 1, 2 * DAY - 1, nothing, 0}}},
	};

	CHECK_STORIES(stories);
}

/* X1: a greeting of 421 or 554, an EHLO that is refused, HELO: the session has no list. */
static void no_list_says_nothing(void **state)
{
	(void)state;
	static const struct story stories[] = {
	    {"a rate limit",
	     {{0, 1, offer, 0},
	      {2, 3, no_list, 0},
	      {4, 5, no_list, 0},
	      {6, 7, offer, 0},
	      {8, 9, nothing, WITHHELD}}}, /* no pool: it has offered all the time */
	    {"implicit TLS", {{0, 1, offer, 0}, {2, 3, implicit, 0}, {4, 5, nothing, WITHHELD}}},
	    {"first", {{0, 1, no_list, 0}, {2, 3, nothing, 0}}},
	};

	CHECK_STORIES(stories);
}

/* DESIGN.md: "a loss never reads as stripped" */
static void only_a_complete_session_withholds(void **state)
{
	(void)state;
	static const struct story stories[] = {
	    {"a gap",
	     {{0, 1, offer, 0}, {2, 3, nothing_and_a_gap, 0}, {4, 5, nothing, WITHHELD}, {6, 7, nothing, 0}}},
	    {"from the middle", {{0, 1, offer, 0}, {2, 3, nothing_midstream, 0}, {4, 5, nothing, WITHHELD}}},
	    {"one side", {{0, 1, offer, 0}, {2, 3, nothing_one_sided, 0}, {4, 5, nothing, WITHHELD}}},
	    {"a snap length", {{0, 1, offer, 0}, {2, 3, nothing_truncated, 0}, {4, 5, nothing, WITHHELD}}},
	    {"an offer is one whatever is missing", {{0, 1, offer_and_a_gap, 0}, {2, 3, nothing, WITHHELD}}},
	};

	CHECK_STORIES(stories);
}

static void a_long_session_does_not_contradict_what_came_while_it_lasted(void **state)
{
	(void)state;
	static const struct story stories[] = {
	    {"it began when nothing was offered yet",
	     {{0, 1, nothing, 0}, {10, 11, offer, 0}, {2, 20, nothing, 0}, {21, 22, nothing, WITHHELD}}},
	    {"it began when it was offered still, and makes no pool",
	     {{0, 1, offer, 0},
	      {10, 11, nothing, WITHHELD},
	      {2, 20, offer, 0},
	      {21, 22, nothing, 0},
	      {23, 24, offer, 0}}},
	    {"a short one beside many others is flagged",
	     {{0, 1, offer, 0}, {4, 5, offer, 0}, {2, 6, nothing, WITHHELD}}},
	};

	CHECK_STORIES(stories);
}

/* X6 */
static void another_issuer_is_a_change(void **state)
{
	(void)state;
	static const struct story stories[] = {
	    {"and a renewal is none",
	     {{0, 1, signed_by_a, 0},
	      {90 * DAY, 90 * DAY, signed_by_a, 0},
	      {91 * DAY, 91 * DAY, signed_by_b, CHANGED}}},
	    {"self-signed after signed", {{0, 1, signed_by_a, 0}, {2, 3, signed_by_itself, CHANGED}}},
	    {"no certificate in clear says nothing: TLS 1.3, resumption",
	     {{0, 1, upgraded, 0}, {2, 3, signed_by_a, 0}, {4, 5, upgraded, 0}, {6, 7, signed_by_a, 0}}},
	    {"a malformed one says nothing",
	     {{0, 1, signed_by_a, 0}, {2, 3, malformed, 0}, {4, 5, signed_by_a, 0}}},
	    {"implicit TLS shows certificates too",
	     {{0, 1, signed_by_a, 0}, {2, 3, implicit_signed_by_b, CHANGED}}},
	    {"several in turn",
	     {{0, 1, signed_by_a, 0},
	      {2, 3, signed_by_b, CHANGED},
	      {4, 5, signed_by_a, 0},
	      {6, 7, signed_by_b, 0},
	      {8, 9, signed_by_c, CHANGED},
	      {10, 11, signed_by_a, 0}}},
	    {"one that comes back after a day is a change",
	     {{0, 0, signed_by_a, 0},
	      {1, 1, signed_by_b, CHANGED},
	      {DAY - 1, DAY - 1, signed_by_a, 0},
	      {DAY + 1, DAY + 1, signed_by_b, CHANGED}}},
	    {"four are kept",
	     {{0, 0, signed_by_a, 0},
	      {1, 1, signed_by_b, CHANGED},
	      {2, 2, signed_by_c, CHANGED},
	      {3, 3, signed_by_d, CHANGED},
	      {4, 4, signed_by_e, CHANGED},
	      {5, 5, signed_by_b, 0},
	      {6, 6, signed_by_a, CHANGED}}},
	};

	CHECK_STORIES(stories);
}

/* X5 */
static void who_comes_back_in_clear_is_flagged(void **state)
{
	(void)state;
	static const struct story stories[] = {
	    {"within minutes, each time",
	     {{0, 1, failed, 0}, {2, 3, offer, RETRY}, {10, 12, offer, RETRY}, {11, 11, offer, 0}}},
	    {"whatever is offered then", {{0, 1, failed, 0}, {2, 3, nothing, RETRY | WITHHELD}}},
	    {"a refusal is no failure", {{0, 1, refused, 0}, {2, 3, offer, 0}}},
	    {"nor is what nobody saw end", {{0, 1, lost_sight, 0}, {2, 3, offer, 0}}},
	    {"a retry that is refused and goes on is in clear", {{0, 1, failed, 0}, {2, 3, refused, RETRY}}},
	    {"an upgrade settles it",
	     {{0, 1, failed, 0}, {2, 3, failed, 0}, {4, 5, upgraded, 0}, {6, 7, offer, 0}}},
	    {"who had begun before was not coming back", {{1, 2, failed, 0}, {0, 5, offer, 0}}},
	    {"nor was who came in clear before", {{0, 1, offer, 0}, {2, 3, failed, 0}}},
	    {"the old connection may linger", {{0, 5, failed, 0}, {4, 6, offer, RETRY}}},
	    {"a long retry", {{0, 1, failed, 0}, {2, HOUR, offer, RETRY}}},
	    {"a client is forgotten after an hour", {{0, 1, failed, 0}, {2, HOUR + 2, offer, 0}}},
	    {"implicit TLS is no retry in clear", {{0, 1, failed, 0}, {2, 3, implicit, 0}}},
	};

	CHECK_STORIES(stories);
}

static void each_server_is_remembered_for_itself(void **state)
{
	(void)state;
	static const struct {
		const char *address;
		uint16_t port, vlan;
		bool is_known, is_known_by_vlan; /* as the one that offered: 192.0.2.25, port 25, VLAN 10 */
	} rows[] = {
	    {"192.0.2.25", 25, 10, true, true},	   {"192.0.2.25", 25, 20, true, false},
	    {"192.0.2.25", 587, 10, false, false}, {"192.0.2.26", 25, 10, false, false},
	    {"c000:219::", 25, 10, false, false}, /* the same bytes, IPv6 */
	};

	for (size_t i = 0; i < 2 * MT_ARRAY_LEN(rows); i++) {
		bool is_by_vlan = i % 2;
		struct mt_servers *servers = make(SERVERS, FAILURES, is_by_vlan);
		struct mt_report report;

		fill(&report, 0, 1);
		failed(&report);
		report.ends.vlan_count = 1;
		report.ends.vlan[0] = 10;
		mt_servers_judge(servers, &report, cells);
		fill(&report, 2, 3);
		nothing(&report);
		report.ends.vlan_count = 1;
		report.ends.vlan[0] = rows[i / 2].vlan;
		report.ends.server_port = rows[i / 2].port;
		report.ends.ip_version = strchr(rows[i / 2].address, ':') != NULL ? 6 : 4;
		memset(report.ends.server_addr, 0, sizeof(report.ends.server_addr));
		inet_pton(report.ends.ip_version == 4 ? AF_INET : AF_INET6, rows[i / 2].address,
			  report.ends.server_addr);
		mt_servers_judge(servers, &report, cells);
		assert_int_equal(report.facts.anomalies,
				 (is_by_vlan ? rows[i / 2].is_known_by_vlan : rows[i / 2].is_known)
				     ? WITHHELD | RETRY
				     : 0);
		mt_servers_destroy(servers);
	}
}

static void another_client_is_no_retry(void **state)
{
	(void)state;
	struct mt_servers *servers = make(SERVERS, FAILURES, false);
	struct mt_report report;

	fill(&report, 0, 1);
	failed(&report);
	mt_servers_judge(servers, &report, cells);
	fill(&report, 2, 3);
	offer(&report);
	report.ends.client_addr[3]++;
	mt_servers_judge(servers, &report, cells);
	assert_int_equal(report.facts.anomalies, 0);
	mt_servers_destroy(servers);
}

/* ---- Bounds ---- */

static void who_was_not_seen_for_longest_makes_room(void **state)
{
	(void)state;
	struct mt_servers *servers = make(SERVERS, FAILURES, false);

	for (uint32_t i = 0; i < SERVERS; i++)
		judge_server(servers, i, offer, i);
	assert_int_equal(lost(MT_LOSS_SERVER_MEMORY_FULL), 0);
	judge_server(servers, 0, offer, SERVERS); /* seen again: the oldest is 1 now */
	judge_server(servers, SERVERS, offer, SERVERS + 1);
	assert_int_equal(mt_servers_count(servers), SERVERS);
	assert_int_equal(lost(MT_LOSS_SERVER_MEMORY_FULL), 1);
	assert_int_equal(judge_server(servers, 0, nothing, SERVERS + 2), WITHHELD);
	assert_int_equal(judge_server(servers, 2, nothing, SERVERS + 3), WITHHELD);
	assert_int_equal(judge_server(servers, 1, nothing, SERVERS + 4), 0);
	assert_int_equal(lost(MT_LOSS_SERVER_MEMORY_FULL), 2);
	mt_servers_destroy(servers);
}

static void failures_make_room_and_age(void **state)
{
	(void)state;
	struct mt_servers *servers = make(SERVERS, FAILURES, false);

	for (uint32_t i = 0; i < FAILURES + 1; i++)
		judge_server(servers, i, failed, 0);
	assert_int_equal(lost(MT_LOSS_RETRY_MEMORY_FULL), 1);
	assert_int_equal(judge_server(servers, 0, offer, 1), 0);
	assert_int_equal(judge_server(servers, 1, offer, 1), RETRY);
	/* An hour later all are forgotten, which is no loss. */
	for (uint32_t i = 0; i < FAILURES; i++)
		judge_server(servers, i, failed, HOUR + 1);
	assert_int_equal(lost(MT_LOSS_RETRY_MEMORY_FULL), 1);
	mt_servers_destroy(servers);
}

/* Sessions that say nothing take no place: who only connects drives nobody out. */
static void what_says_nothing_is_not_remembered(void **state)
{
	(void)state;
	struct mt_servers *servers = make(SERVERS, FAILURES, false);

	judge_server(servers, 0, no_list, 0);
	judge_server(servers, 1, implicit, 0);
	judge_server(servers, 2, nothing_and_a_gap, 0);
	judge_server(servers, 3, malformed, 0);
	assert_int_equal(mt_servers_count(servers), 1); /* the last was offered an upgrade */
	mt_servers_destroy(servers);
}

/*
 * Addresses in order are what ruins a tree that is not balanced, and equal low bits a table that is not
 * keyed. A hundred thousand of each, with room for all: quadratic work would not end.
 */
static void addresses_of_somebodys_choice_cost_no_more(void **state)
{
	(void)state;
	const uint32_t many = 100000;

	for (unsigned shift = 0; shift <= 15; shift += 15) {
		struct mt_servers *servers = make(many, 1, false);

		for (uint32_t i = 0; i < many; i++)
			judge_server(servers, i << shift, offer, 0);
		assert_int_equal(mt_servers_count(servers), many);
		for (uint32_t i = 0; i < many; i++)
			assert_int_equal(judge_server(servers, i << shift, nothing, 1), WITHHELD);
		assert_int_equal(lost(MT_LOSS_SERVER_MEMORY_FULL), 0);
		mt_servers_destroy(servers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_offered_before_is_withheld),
	    cmocka_unit_test(an_address_that_offers_again_is_a_pool),
	    cmocka_unit_test(no_list_says_nothing),
	    cmocka_unit_test(only_a_complete_session_withholds),
	    cmocka_unit_test(a_long_session_does_not_contradict_what_came_while_it_lasted),
	    cmocka_unit_test(another_issuer_is_a_change),
	    cmocka_unit_test(who_comes_back_in_clear_is_flagged),
	    cmocka_unit_test(each_server_is_remembered_for_itself),
	    cmocka_unit_test(another_client_is_no_retry),
	    cmocka_unit_test(who_was_not_seen_for_longest_makes_room),
	    cmocka_unit_test(failures_make_room_and_age),
	    cmocka_unit_test(what_says_nothing_is_not_remembered),
	    cmocka_unit_test(addresses_of_somebodys_choice_cost_no_more),
	};
	return cmocka_run_group_tests_name("servers", tests, NULL, NULL);
}
