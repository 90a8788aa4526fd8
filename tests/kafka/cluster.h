/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * A cluster of Kafka brokers for tests: librdkafka's own imitation, on the loopback. It speaks the protocol
 * over real connections, can be told to fail in every way a broker may, and its topics are read back by a
 * consumer. Unlike a real one it keeps no more than 5 MB a partition, and does not notice what an idempotent
 * producer sends twice.
 */
#ifndef MT_TESTS_KAFKA_CLUSTER_H
#define MT_TESTS_KAFKA_CLUSTER_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>
#include <stddef.h>

struct cluster {
	rd_kafka_t *owner;
	rd_kafka_mock_cluster_t *mock;
};

/** Brokers are numbered from 1. Result  false where it cannot be; cluster_stop() in every case. */
bool cluster_start(struct cluster *cluster, int brokers);
void cluster_stop(struct cluster *cluster);

/** HOST:PORT,... */
const char *cluster_brokers(const struct cluster *cluster);

/** Partitions are numbered from 0. Result  false where it cannot be. */
bool cluster_add_topic(struct cluster *cluster, const char *topic, int partitions);

/** Numbers of requests, which errors are injected for (Kafka's protocol guide, "API keys"). */
enum { REQUEST_PRODUCE = 0, REQUEST_INIT_PRODUCER_ID = 22 };

/** The next so many requests of that kind are answered with that error. */
void cluster_fail(struct cluster *cluster, int request, rd_kafka_resp_err_t error, int times);

/** Read a topic from its beginning to its end, each partition in its order. Result  messages */
typedef void cluster_message(void *context, const rd_kafka_message_t *message);
int cluster_read(const struct cluster *cluster, const char *topic, int partitions, cluster_message *take,
		 void *context);

#endif
