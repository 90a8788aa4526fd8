/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * A cluster as a program, for tests that run mailtap as its users do.
 *
 *   kafka_cluster BROKERS TOPIC PARTITIONS
 *
 * Says its brokers' addresses, then obeys the lines of standard input until that ends, each answered with a
 * line:
 *
 *   down BROKER, up BROKER    close its connections and its port, open them again
 *   fail ERROR TIMES          answer the next messages with an error of Kafka's, such as
 * NOT_LEADER_FOR_PARTITION read                      show the topic: PARTITION, tabulator, KEY, tabulator,
 * VALUE, a line each
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"

static const char *topic;
static int partitions;

static void show_message(void *context, const rd_kafka_message_t *message)
{
	(void)context;
	printf("%d\t%.*s\t%.*s\n", message->partition, (int)message->key_len, (const char *)message->key,
	       (int)message->len, (const char *)message->payload);
}

/* Result  the error of that name; 0 where there is none */
static rd_kafka_resp_err_t error_of(const char *name)
{
	const struct rd_kafka_err_desc *all;
	size_t count;

	rd_kafka_get_err_descs(&all, &count);
	for (size_t i = 0; i < count; i++)
		if (all[i].name != NULL && strcmp(all[i].name, name) == 0)
			return all[i].code;
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool obey(struct cluster *cluster, char *line)
{
	char name[64];
	int number;

	if (sscanf(line, "down %d", &number) == 1)
		return rd_kafka_mock_broker_set_down(cluster->mock, number) == RD_KAFKA_RESP_ERR_NO_ERROR;
	if (sscanf(line, "up %d", &number) == 1)
		return rd_kafka_mock_broker_set_up(cluster->mock, number) == RD_KAFKA_RESP_ERR_NO_ERROR;
	if (sscanf(line, "fail %63s %d", name, &number) == 2) {
		rd_kafka_resp_err_t error = error_of(name);

		if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
			cluster_fail(cluster, REQUEST_PRODUCE, error, number);
		return error != RD_KAFKA_RESP_ERR_NO_ERROR;
	}
	if (strcmp(line, "read\n") != 0)
		return false;
	cluster_read(cluster, topic, partitions, show_message, NULL);
	return true;
}

int main(int argc, char **argv)
{
	struct cluster cluster;
	char line[256];

	if (argc != 4) {
		fprintf(stderr, "usage: kafka_cluster BROKERS TOPIC PARTITIONS\n");
		return 2;
	}
	topic = argv[2];
	partitions = atoi(argv[3]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!cluster_start(&cluster, atoi(argv[1])) || !cluster_add_topic(&cluster, topic, partitions)) {
		fprintf(stderr, "no cluster\n");
		return 1;
	}
	puts(cluster_brokers(&cluster));
	while (fgets(line, sizeof(line), stdin) != NULL)
		puts(obey(&cluster, line) ? "done" : "not understood");
	cluster_stop(&cluster);
	return 0;
}
