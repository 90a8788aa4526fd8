/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "cluster.h"

#include <stdio.h>
#include <string.h>

static rd_kafka_t *make_client(rd_kafka_type_t type, const char *const (*properties)[2], size_t count)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char error[256];

	for (size_t i = 0; i < count; i++)
		if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], error, sizeof(error)) !=
		    RD_KAFKA_CONF_OK)
			fprintf(stderr, "%s\n", error);
	rd_kafka_t *client = rd_kafka_new(type, conf, error, sizeof(error));
	if (client == NULL) {
		fprintf(stderr, "%s\n", error);
		rd_kafka_conf_destroy(conf);
	}
	return client;
}

bool cluster_start(struct cluster *cluster, int brokers)
{
	static const char *const properties[][2] = {{"client.id", "cluster"}, {"log_level", "3"}};

	*cluster = (struct cluster){.owner = make_client(RD_KAFKA_PRODUCER, properties, 2)};
	if (cluster->owner == NULL)
		return false;
	cluster->mock = rd_kafka_mock_cluster_new(cluster->owner, brokers);
	return cluster->mock != NULL;
}

void cluster_stop(struct cluster *cluster)
{
	if (cluster->mock != NULL)
		rd_kafka_mock_cluster_destroy(cluster->mock);
	if (cluster->owner != NULL)
		rd_kafka_destroy(cluster->owner);
	*cluster = (struct cluster){0};
}

bool cluster_add_topic(struct cluster *cluster, const char *topic, int partitions)
{
	return rd_kafka_mock_topic_create(cluster->mock, topic, partitions, 1) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

const char *cluster_brokers(const struct cluster *cluster)
{
	return rd_kafka_mock_cluster_bootstraps(cluster->mock);
}

void cluster_fail(struct cluster *cluster, int request, rd_kafka_resp_err_t error, int times)
{
	while (times-- > 0)
		rd_kafka_mock_push_request_errors(cluster->mock, (int16_t)request, 1, error);
}

int cluster_read(const struct cluster *cluster, const char *topic, int partitions, cluster_message *take,
		 void *context)
{
	const char *const properties[][2] = {
	    {"bootstrap.servers", cluster_brokers(cluster)},
	    {"group.id", "reader"},
	    {"log_level", "3"},
	    {"fetch.wait.max.ms", "10"},
	    {"enable.partition.eof", "true"},
	    {"enable.auto.commit", "false"},
	};
	rd_kafka_t *reader =
	    make_client(RD_KAFKA_CONSUMER, properties, sizeof(properties) / sizeof(properties[0]));
	rd_kafka_topic_partition_list_t *wanted = rd_kafka_topic_partition_list_new(partitions);
	int messages = 0, ends = 0;

	for (int i = 0; i < partitions; i++)
		rd_kafka_topic_partition_list_add(wanted, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_assign(reader, wanted);
	rd_kafka_topic_partition_list_destroy(wanted);
	while (ends < partitions) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(reader, 10000);

		if (message == NULL) {
			fprintf(stderr, "a partition of %s has no end\n", topic);
			break;
		}
		if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			ends++;
		else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
			take(context, message);
			messages++;
		}
		rd_kafka_message_destroy(message);
	}
	rd_kafka_destroy_flags(reader, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	return messages;
}
