/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* The sink on Kafka, against a cluster that fails as it is told. */
#include <errno.h>
#include <stdio.h>

#include "unit.h"

#include "cluster.h"
#include "record.h"
#include "record_samples.h"

#define BROKERS	    2
#define PARTITIONS  3
#define RECORDS	    1000
#define CONNECTIONS 50 /* so each has 20 records */

static struct cluster cluster;
static char topic[32];
static uint64_t cells[MT_COUNTERS_FIXED_CELLS];

static uint64_t written(void)
{
	return cells[MT_CELL0(RECORDS_WRITTEN)];
}

static uint64_t full(void)
{
	return cells[MT_CELL1(LOST, MT_LOSS_RECORD_KAFKA_FULL)];
}

static uint64_t failed(void)
{
	return cells[MT_CELL1(LOST, MT_LOSS_RECORD_KAFKA_FAILED)];
}

static int start_cluster(void **state)
{
	(void)state;
	return cluster_start(&cluster, BROKERS) ? 0 : -1;
}

static int stop_cluster(void **state)
{
	(void)state;
	cluster_stop(&cluster);
	return 0;
}

static void set_brokers_down(bool is_down)
{
	for (int i = 1; i <= BROKERS; i++)
		if (is_down)
			rd_kafka_mock_broker_set_down(cluster.mock, i);
		else
			rd_kafka_mock_broker_set_up(cluster.mock, i);
}

/* Each test has a topic of its own, in a cluster that is whole. */
static int make_topic(void **state)
{
	static unsigned number;

	(void)state;
	set_brokers_down(false);
	rd_kafka_mock_clear_request_errors(cluster.mock, REQUEST_PRODUCE);
	rd_kafka_mock_clear_request_errors(cluster.mock, REQUEST_INIT_PRODUCER_ID);
	snprintf(topic, sizeof(topic), "mail-%u", ++number);
	return cluster_add_topic(&cluster, topic, PARTITIONS) ? 0 : -1;
}

/* Beside what the test is about: connections are tried again soon, for the test's sake. */
static struct mt_record_sink *open_sink(bool is_patient, const char *name, const char *value)
{
	struct rd_kafka_conf_s *properties = NULL;
	struct mt_record_sink *sink = NULL;
	char path[256], error[256] = "";

	snprintf(path, sizeof(path), "kafka://%s/%s", cluster_brokers(&cluster), topic);
	assert_int_equal(
	    mt_record_kafka_set(&properties, "reconnect.backoff.max.ms", "200", error, sizeof(error)), 0);
	if (name != NULL)
		assert_int_equal(mt_record_kafka_set(&properties, name, value, error, sizeof(error)), 0);
	const struct mt_record_target target = {.path = path, .is_patient = is_patient, .kafka = properties};
	if (mt_record_sink_open(&sink, &target, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	mt_record_kafka_forget(properties);
	memset(cells, 0, sizeof(cells));
	mt_record_sink_count_in(sink, cells);
	return sink;
}

static void end_sink(struct mt_record_sink *sink)
{
	mt_record_sink_finish(sink);
	assert_int_equal(mt_record_sink_close(sink), 0);
}

static struct mt_mail_ends ends_of(unsigned record)
{
	return sample_ends("192.0.2.1", (uint16_t)(10000 + record % CONNECTIONS), "192.0.2.2", 25);
}

static void write_records(struct mt_record_sink *sink, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++) {
		const struct mt_mail_ends ends = ends_of(i);
		char line[64];

		snprintf(line, sizeof(line), "{\"record\":%u}", i);
		mt_record_sink_write(sink, &ends, line);
	}
}

/* What came: how often each record, and of each connection its partition and its latest record. */
struct arrived {
	unsigned times[RECORDS];
	int partition[CONNECTIONS];
	unsigned latest[CONNECTIONS]; /* counted from 1; 0: none yet */
};

static void take_message(void *context, const rd_kafka_message_t *message)
{
	struct arrived *arrived = context;
	char text[64], key[MT_RECORD_COMMUNITY_SIZE];
	unsigned record;

	assert_in_range(message->len, 1, sizeof(text) - 1);
	memcpy(text, message->payload, message->len);
	text[message->len] = 0;
	assert_int_equal(sscanf(text, "{\"record\":%u}", &record), 1);
	assert_in_range(record, 0, RECORDS - 1);
	const struct mt_mail_ends ends = ends_of(record);
	mt_record_community_id(&ends, key);
	assert_int_equal(message->key_len, strlen(key));
	assert_memory_equal(message->key, key, strlen(key));

	unsigned connection = record % CONNECTIONS;
	if (arrived->latest[connection] > 0) {
		assert_int_equal(message->partition, arrived->partition[connection]);
		assert_true(record + 1 > arrived->latest[connection]);
	}
	arrived->partition[connection] = message->partition;
	arrived->latest[connection] = record + 1;
	arrived->times[record]++;
}

/* Each record that is there is there once. Result  how many of a range are. */
static unsigned count_arrived(unsigned first, unsigned count)
{
	static struct arrived arrived;
	unsigned there = 0;

	memset(&arrived, 0, sizeof(arrived));
	cluster_read(&cluster, topic, PARTITIONS, take_message, &arrived);
	for (unsigned i = 0; i < RECORDS; i++)
		assert_in_range(arrived.times[i], 0, 1);
	for (unsigned i = first; i < first + count; i++)
		there += arrived.times[i];
	return there;
}

/* ---- Delivery ---- */

static void records_arrive_once_and_in_order_in_their_connections_partition(void **state)
{
	(void)state;
	struct mt_record_sink *sink = open_sink(false, NULL, NULL);

	write_records(sink, 0, RECORDS);
	end_sink(sink);
	assert_int_equal(written(), RECORDS);
	assert_int_equal(full() + failed(), 0);
	assert_int_equal(count_arrived(0, RECORDS), RECORDS);
}

static void what_brokers_may_answer_for_a_while_loses_nothing(void **state)
{
	(void)state;
	static const rd_kafka_resp_err_t errors[] = {
	    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
	    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,	RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
	    RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,	RD_KAFKA_RESP_ERR__TRANSPORT,
	};
	struct mt_record_sink *sink = open_sink(false, NULL, NULL);

	for (size_t i = 0; i < MT_ARRAY_LEN(errors); i++)
		cluster_fail(&cluster, REQUEST_PRODUCE, errors[i], 2);
	write_records(sink, 0, RECORDS / 2);
	for (int i = 0; i < PARTITIONS; i++)
		rd_kafka_mock_partition_set_leader(cluster.mock, topic, i, 1 + i % BROKERS);
	write_records(sink, RECORDS / 2, RECORDS / 2);
	end_sink(sink);
	assert_int_equal(written(), RECORDS);
	assert_int_equal(full() + failed(), 0);
	assert_int_equal(count_arrived(0, RECORDS), RECORDS);
}

static void brokers_that_are_not_there_yet_are_waited_for(void **state)
{
	(void)state;
	const char *trouble = NULL;

	set_brokers_down(true);
	struct mt_record_sink *sink = open_sink(false, NULL, NULL);
	write_records(sink, 0, RECORDS);
	while ((trouble = mt_record_sink_trouble(sink)) == NULL)
		assert_int_equal(mt_record_sink_flush(sink), 0);
	assert_non_null(strstr(trouble, "no broker"));
	assert_int_equal(written(), 0);
	set_brokers_down(false);
	end_sink(sink);
	assert_int_equal(written(), RECORDS);
	assert_int_equal(count_arrived(0, RECORDS), RECORDS);
}

static void what_a_broker_refuses_is_lost_and_said_once(void **state)
{
	(void)state;
	struct mt_record_sink *sink = open_sink(false, NULL, NULL);
	const char *trouble;

	cluster_fail(&cluster, REQUEST_PRODUCE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 2);
	write_records(sink, 0, RECORDS);
	mt_record_sink_finish(sink);
	assert_in_range(failed(), 2, RECORDS - 1);
	assert_int_equal(written() + failed(), RECORDS);
	assert_int_equal(count_arrived(0, RECORDS), written());
	trouble = mt_record_sink_trouble(sink);
	assert_non_null(trouble);
	assert_non_null(strstr(trouble, rd_kafka_err2str(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)));
	assert_null(mt_record_sink_trouble(sink));
	assert_int_equal(mt_record_sink_close(sink), 0);
}

/* ---- The queue ---- */

static void a_full_queue_loses_what_comes_then(void **state)
{
	(void)state;
	set_brokers_down(true);
	struct mt_record_sink *sink = open_sink(false, "queue.buffering.max.messages", "10");
	write_records(sink, 0, 100);
	assert_int_equal(full(), 90);
	set_brokers_down(false);
	end_sink(sink);
	assert_int_equal(written(), 10);
	assert_int_equal(failed(), 0);
	assert_int_equal(count_arrived(0, 10), 10);
	assert_int_equal(count_arrived(10, 90), 0);
}

static void one_with_patience_waits_for_room(void **state)
{
	(void)state;
	struct mt_record_sink *sink = open_sink(true, "queue.buffering.max.messages", "10");

	write_records(sink, 0, RECORDS);
	end_sink(sink);
	assert_int_equal(written(), RECORDS);
	assert_int_equal(count_arrived(0, RECORDS), RECORDS);
}

static void what_nobody_takes_in_time_is_lost(void **state)
{
	(void)state;
	set_brokers_down(true);
	struct mt_record_sink *sink = open_sink(true, "message.timeout.ms", "500");
	write_records(sink, 0, RECORDS);
	end_sink(sink);
	assert_int_equal(written() + full(), 0);
	assert_int_equal(failed(), RECORDS);
}

/* ---- Giving up ---- */

/* Forbidden to be idempotent is forbidden for good, says librdkafka; until somebody allows it. */
static void a_producer_that_gave_up_is_replaced(void **state)
{
	(void)state;
	const char *trouble;

	cluster_fail(&cluster, REQUEST_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, 1);
	struct mt_record_sink *sink = open_sink(false, NULL, NULL);
	write_records(sink, 0, 10);
	while (failed() < 10)
		assert_int_equal(mt_record_sink_flush(sink), 0);
	trouble = mt_record_sink_trouble(sink);
	assert_non_null(trouble);
	assert_non_null(strstr(trouble, rd_kafka_err2str(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)));
	write_records(sink, 10, 10);
	assert_int_equal(failed(), 20);
	assert_int_equal(mt_record_sink_reopen(sink), 0);
	write_records(sink, 20, 10);
	end_sink(sink);
	assert_int_equal(failed(), 20);
	assert_int_equal(written(), 10);
	assert_int_equal(count_arrived(20, 10), 10);
}

/* ---- Words that are wrong ---- */

static void a_destination_that_cannot_be_is_refused(void **state)
{
	(void)state;
	static const char *const paths[] = {
	    "kafka://",	      "kafka://broker",		"kafka://broker/",   "kafka:///topic",
	    "kafka://b/a/b",  "kafka://b/a topic",	"kafka://b/..",	     "kafka://b/.",
	    "kafka://b/t?x=", "kafka://user:pw@b/mail", "kafka://b;rm/mail",
	};

	for (size_t i = 0; i < MT_ARRAY_LEN(paths); i++) {
		const struct mt_record_target target = {.path = paths[i]};
		struct mt_record_sink *sink = NULL;
		char error[256] = "";

		assert_int_equal(mt_record_sink_open(&sink, &target, error, sizeof(error)), -EINVAL);
		assert_null(sink);
		assert_non_null(strstr(error, paths[i]));
		error[0] = 0;
		assert_int_equal(mt_record_target_check(&target, error, sizeof(error)), -EINVAL);
		assert_non_null(strstr(error, paths[i]));
	}
}

static void a_property_that_cannot_be_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value;
		int result;
	} rows[] = {
	    {"compression.codec", "zstd", 0},
	    {"security.protocol", "sasl_ssl", 0},
	    {"enable.idempotence", "false", 0},
	    {"partitioner", "murmur2_random", 0},
	    {"compression.codec", "arj", -EINVAL},
	    {"message.timeout.ms", "soon", -EINVAL},
	    {"no.such.property", "1", -EINVAL},
	    {"bootstrap.servers", "broker", -EINVAL},
	    {"metadata.broker.list", "broker", -EINVAL},
	    {"transactional.id", "t", -EINVAL},
	    {"delivery.report.only.error", "true", -EINVAL},
	};
	struct rd_kafka_conf_s *properties = NULL;

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		char error[256] = "";

		assert_int_equal(
		    mt_record_kafka_set(&properties, rows[i].name, rows[i].value, error, sizeof(error)),
		    rows[i].result);
		if (rows[i].result != 0)
			assert_int_not_equal(error[0], 0);
	}
	mt_record_kafka_forget(properties);
	mt_record_kafka_forget(NULL);
}

/* Each is right by itself: librdkafka says so when a producer is made. */
static void properties_that_exclude_each_other_are_refused(void **state)
{
	(void)state;
	struct rd_kafka_conf_s *properties = NULL;
	struct mt_record_sink *sink = NULL;
	char error[256] = "";

	assert_int_equal(mt_record_kafka_set(&properties, "acks", "0", error, sizeof(error)), 0);
	const struct mt_record_target target = {.path = "kafka://127.0.0.1:1/mail", .kafka = properties};
	assert_int_equal(mt_record_sink_open(&sink, &target, error, sizeof(error)), -EINVAL);
	assert_null(sink);
	assert_non_null(strstr(error, "acks"));
	assert_int_equal(mt_record_target_check(&target, error, sizeof(error)), -EINVAL);
	mt_record_kafka_forget(properties);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(records_arrive_once_and_in_order_in_their_connections_partition,
				   make_topic),
	    cmocka_unit_test_setup(what_brokers_may_answer_for_a_while_loses_nothing, make_topic),
	    cmocka_unit_test_setup(brokers_that_are_not_there_yet_are_waited_for, make_topic),
	    cmocka_unit_test_setup(what_a_broker_refuses_is_lost_and_said_once, make_topic),
	    cmocka_unit_test_setup(a_full_queue_loses_what_comes_then, make_topic),
	    cmocka_unit_test_setup(one_with_patience_waits_for_room, make_topic),
	    cmocka_unit_test_setup(what_nobody_takes_in_time_is_lost, make_topic),
	    cmocka_unit_test_setup(a_producer_that_gave_up_is_replaced, make_topic),
	    cmocka_unit_test(a_destination_that_cannot_be_is_refused),
	    cmocka_unit_test(a_property_that_cannot_be_is_refused),
	    cmocka_unit_test(properties_that_exclude_each_other_are_refused),
	};
	return cmocka_run_group_tests_name("record_kafka", tests, start_cluster, stop_cluster);
}
