/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * A topic of Kafka's as a sink, by librdkafka. Its threads do whatever may take time: find brokers, send,
 * send again. Ours puts a record into its bounded queue, and asks between times what became of the others.
 *
 * A producer may give up for good ("fatal"): where brokers forbid it, or where it can no longer promise that
 * nothing comes twice. A box that runs for months then needs another producer.
 */
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#include "record_priv.h"

#define SCHEME "kafka://"
/* What Kafka allows in a topic's name. */
#define TOPIC_CHARS    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
#define TOPIC_MAX      249
#define PATIENCE_MS    10000 /* without an acknowledgement, before what waits is given up */
#define SLICE_MS       100   /* of a wait: librdkafka returns from it as soon as there is anything */
#define ABANDON_MS     1000  /* to learn the fate of what was purged, which takes no network */
#define RENEW_AFTER_MS 60000 /* between a producer that gave up and the next */

struct kafka {
	struct mt_record_sink sink;
	char *path, *brokers, *topic;
	bool is_patient;
	rd_kafka_conf_t *properties; /* of which producers are made */
	rd_kafka_t *producer;
	uint64_t made_ms;     /* when a producer was last made */
	uint64_t waiting;     /* records in its queue and on their way */
	uint64_t silent_ms;   /* since when nothing is acknowledged though something waits; 0: it is */
	char last_error[192]; /* what a broker's connection failed of */
};

/* What is ours to choose where the settings file says nothing, and why it is not left to librdkafka. */
static const struct {
	const char *name, *value;
} defaults[] = {
    {"client.id", "mailtap"},
    {"enable.idempotence", "true"},	     /* nothing twice and in order, even where an answer was lost */
    {"queue.buffering.max.kbytes", "65536"}, /* it would take 1 GiB of a box that has other things to do */
    {"log_level", "0"},			     /* standard error has one sentence of ours instead */
};

static const struct {
	const char *name, *why;
} reserved[] = {
    {"bootstrap.servers", "the brokers stand in the destination of the records"},
    {"metadata.broker.list", "the brokers stand in the destination of the records"},
    {"delivery.report.only.error", "of every record must be known what became of it"},
    {"transactional.id", "records are sent as they come, without transactions"},
};

/* ---- Properties ---- */

static rd_kafka_conf_t *default_properties(void)
{
	rd_kafka_conf_t *properties = rd_kafka_conf_new();

	for (size_t i = 0; i < MT_ARRAY_LEN(defaults); i++)
		rd_kafka_conf_set(properties, defaults[i].name, defaults[i].value, NULL, 0);
	return properties;
}

int mt_record_kafka_set(struct rd_kafka_conf_s **properties, const char *name, const char *value, char *error,
			size_t error_size)
{
	if (*properties == NULL)
		*properties = default_properties();
	for (size_t i = 0; i < MT_ARRAY_LEN(reserved); i++)
		if (strcmp(name, reserved[i].name) == 0) {
			snprintf(error, error_size, "not for you to set: %s", reserved[i].why);
			return -EINVAL;
		}
	return rd_kafka_conf_set(*properties, name, value, error, error_size) == RD_KAFKA_CONF_OK ? 0
												  : -EINVAL;
}

void mt_record_kafka_forget(struct rd_kafka_conf_s *properties)
{
	if (properties != NULL)
		rd_kafka_conf_destroy(properties);
}

/* ---- What becomes of records ---- */

/* Called by rd_kafka_poll() on our thread, once for each record. */
static void note_fate(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
	struct kafka *kafka = opaque;

	(void)producer;
	if (kafka->waiting == 0) /* a straggler: it was given up, and counted */
		return;
	kafka->waiting--;
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		kafka->sink.cells[MT_CELL0(RECORDS_WRITTEN)]++;
		kafka->silent_ms = kafka->waiting > 0 ? monotonic_ms() : 0;
		note_success(&kafka->sink);
		return;
	}
	kafka->sink.cells[MT_CELL1(LOST, MT_LOSS_RECORD_KAFKA_FAILED)]++;
	/* What we purge ourselves is no news; why it had to be was said. */
	if (message->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
	    message->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
		note_trouble(&kafka->sink, TROUBLE_LOSING, "%s: records are lost: %s", kafka->path,
			     rd_kafka_err2str(message->err));
}

/*
 * One broker of several may come and go; librdkafka finds another. What counts is that none is left, or that
 * it gives up.
 */
static void note_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
	struct kafka *kafka = opaque;

	if (error == RD_KAFKA_RESP_ERR__FATAL) {
		rd_kafka_fatal_error(producer, kafka->last_error, sizeof(kafka->last_error));
		note_trouble(&kafka->sink, TROUBLE_LOSING, "%s: records are lost: %s", kafka->path,
			     kafka->last_error);
	} else if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		note_trouble(&kafka->sink, TROUBLE_WAITING, "%s: no broker can be reached, records wait: %s",
			     kafka->path, kafka->last_error[0] != 0 ? kafka->last_error : reason);
	else
		snprintf(kafka->last_error, sizeof(kafka->last_error), "%s", reason);
}

/* A level below 1 is said by note_error(), in one sentence; others come where the settings ask for them. */
static void write_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
	if (level > 0)
		rd_kafka_log_print(producer, level, facility, text);
}

static bool is_hopeless(const struct kafka *kafka)
{
	return kafka->silent_ms != 0 && monotonic_ms() - kafka->silent_ms >= PATIENCE_MS;
}

/* What waits is lost. Some of it may have reached a broker that could not say so. */
static void abandon(struct kafka *kafka)
{
	if (kafka->waiting == 0)
		return;
	rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_flush(kafka->producer, ABANDON_MS);
	kafka->sink.cells[MT_CELL1(LOST, MT_LOSS_RECORD_KAFKA_FAILED)] += kafka->waiting;
	kafka->waiting = 0;
}

/* ---- Producers ---- */

static int make_producer(struct kafka *kafka, rd_kafka_t **ret, char *error, size_t error_size)
{
	rd_kafka_conf_t *properties = rd_kafka_conf_dup(kafka->properties);
	rd_kafka_t *producer;

	kafka->made_ms = monotonic_ms();
	producer = rd_kafka_new(RD_KAFKA_PRODUCER, properties, error, error_size);
	if (producer == NULL) {
		rd_kafka_conf_destroy(properties);
		return -EINVAL;
	}
	*ret = producer;
	return 0;
}

static bool has_given_up(const struct kafka *kafka)
{
	return rd_kafka_fatal_error(kafka->producer, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Nothing of the producer's calls back after this. */
static void end_producer(struct kafka *kafka)
{
	abandon(kafka);
	rd_kafka_destroy(kafka->producer);
}

static int renew_producer(struct kafka *kafka)
{
	rd_kafka_t *fresh;
	int rc = make_producer(kafka, &fresh, NULL, 0);

	if (rc != 0)
		return rc;
	end_producer(kafka);
	kafka->producer = fresh;
	return 0;
}

static int flush_kafka(struct mt_record_sink *sink)
{
	struct kafka *kafka = (struct kafka *)sink;

	rd_kafka_poll(kafka->producer, 0);
	if (has_given_up(kafka) && monotonic_ms() - kafka->made_ms >= RENEW_AFTER_MS)
		return renew_producer(kafka);
	return 0;
}

static int reopen_kafka(struct mt_record_sink *sink)
{
	struct kafka *kafka = (struct kafka *)sink;

	return has_given_up(kafka) ? renew_producer(kafka) : 0;
}

/* ---- Writing ---- */

static rd_kafka_resp_err_t produce(struct kafka *kafka, const char *key, const char *line)
{
	return rd_kafka_producev(kafka->producer, RD_KAFKA_V_TOPIC(kafka->topic),
				 RD_KAFKA_V_KEY(key, strlen(key)),
				 RD_KAFKA_V_VALUE((void *)(uintptr_t)line, strlen(line)),
				 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
}

static void write_to_topic(struct mt_record_sink *sink, const struct mt_mail_ends *ends, const char *line)
{
	struct kafka *kafka = (struct kafka *)sink;
	char key[MT_RECORD_COMMUNITY_SIZE];
	rd_kafka_resp_err_t error;
	enum mt_loss loss;

	mt_record_community_id(ends, key);
	flush_kafka(sink);
	while ((error = produce(kafka, key, line)) == RD_KAFKA_RESP_ERR__QUEUE_FULL && kafka->is_patient &&
	       !is_hopeless(kafka))
		rd_kafka_poll(kafka->producer, SLICE_MS);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
		kafka->waiting++;
		if (kafka->silent_ms == 0)
			kafka->silent_ms = monotonic_ms();
		return;
	}
	loss =
	    error == RD_KAFKA_RESP_ERR__QUEUE_FULL ? MT_LOSS_RECORD_KAFKA_FULL : MT_LOSS_RECORD_KAFKA_FAILED;
	sink->cells[MT_CELL1(LOST, loss)]++;
	note_trouble(sink, TROUBLE_LOSING, "%s: records are lost: %s", kafka->path, rd_kafka_err2str(error));
}

static void finish_kafka(struct mt_record_sink *sink)
{
	struct kafka *kafka = (struct kafka *)sink;

	kafka->silent_ms = monotonic_ms(); /* a last chance, whatever was before */
	while (kafka->waiting > 0 && !is_hopeless(kafka) && !has_given_up(kafka))
		rd_kafka_poll(kafka->producer, SLICE_MS);
	abandon(kafka);
}

/* ---- Opening ---- */

bool is_kafka_path(const char *path)
{
	return strncmp(path, SCHEME, strlen(SCHEME)) == 0;
}

/* kafka://BROKER[,BROKER...]/TOPIC. Result  what is wrong with it, or NULL. */
static const char *split_path(struct kafka *kafka, const char *path)
{
	const char *brokers = path + strlen(SCHEME), *topic;
	size_t brokers_len = strspn(brokers, TOPIC_CHARS ":[],"), topic_len;

	if (brokers_len == 0 || brokers[brokers_len] != '/')
		return "it is not of the form kafka://BROKER[:PORT][,...]/TOPIC";
	topic = brokers + brokers_len + 1;
	topic_len = strspn(topic, TOPIC_CHARS);
	if (topic_len == 0 || topic_len > TOPIC_MAX || topic[topic_len] != 0 || strcmp(topic, ".") == 0 ||
	    strcmp(topic, "..") == 0)
		return "a topic is named by 1 to 249 of the characters A-Z a-z 0-9 . _ -";
	kafka->path = strdup(path);
	kafka->brokers = strndup(brokers, brokers_len);
	kafka->topic = strdup(topic);
	return kafka->path != NULL && kafka->brokers != NULL && kafka->topic != NULL ? NULL
										     : strerror(ENOMEM);
}

static int close_kafka(struct mt_record_sink *sink)
{
	struct kafka *kafka = (struct kafka *)sink;

	if (kafka->producer != NULL)
		end_producer(kafka);
	mt_record_kafka_forget(kafka->properties);
	free(kafka->topic);
	free(kafka->brokers);
	free(kafka->path);
	free(kafka);
	return 0;
}

static const struct sink_kind kafka_kind = {write_to_topic, reopen_kafka, flush_kafka, finish_kafka,
					    close_kafka};

/* is_dry: all that can go wrong without a broker goes wrong, and none is looked for. */
static int create_sink(struct kafka **ret, const struct mt_record_target *target, bool is_dry, char *error,
		       size_t error_size)
{
	struct kafka *kafka = calloc(1, sizeof(*kafka));
	const char *wrong;
	int rc = -EINVAL;

	if (kafka == NULL)
		return -ENOMEM;
	kafka->sink.kind = &kafka_kind;
	kafka->is_patient = target->is_patient;
	wrong = split_path(kafka, target->path);
	if (wrong != NULL) {
		snprintf(error, error_size, "%s", wrong);
		goto close;
	}
	kafka->properties = target->kafka != NULL ? rd_kafka_conf_dup(target->kafka) : default_properties();
	if (!is_dry)
		rd_kafka_conf_set(kafka->properties, "bootstrap.servers", kafka->brokers, NULL, 0);
	rd_kafka_conf_set_opaque(kafka->properties, kafka);
	rd_kafka_conf_set_dr_msg_cb(kafka->properties, note_fate);
	rd_kafka_conf_set_error_cb(kafka->properties, note_error);
	rd_kafka_conf_set_log_cb(kafka->properties, write_log);
	rc = make_producer(kafka, &kafka->producer, error, error_size);
	if (rc != 0)
		goto close;
	*ret = kafka;
	return 0;
close:
	close_kafka(&kafka->sink);
	return rc;
}

int check_kafka_target(const struct mt_record_target *target, char *error, size_t error_size)
{
	struct kafka *kafka;
	int rc = create_sink(&kafka, target, true, error, error_size);

	return rc != 0 ? rc : close_kafka(&kafka->sink);
}

int open_kafka_sink(struct mt_record_sink **ret, const struct mt_record_target *target, char *error,
		    size_t error_size)
{
	struct kafka *kafka;
	int rc = create_sink(&kafka, target, false, error, error_size);

	if (rc == 0)
		*ret = &kafka->sink;
	return rc;
}
