-- SPDX-License-Identifier: BSD-3-Clause
-- Copyright (c) 2026 the mailtap authors
--
-- Records from Kafka, where `mailtap --records kafka://BROKER/mail-sessions` puts them. Name the brokers and the topic;
-- passwords for them belong into the section <kafka> of the server's configuration. A record may come twice, where this
-- server stopped in the middle: then flow_id, flow_start and community_id are the same.

CREATE TABLE mail_records (record String)
ENGINE = Kafka
SETTINGS kafka_broker_list = 'localhost:9092',
    kafka_topic_list = 'mail-sessions',
    kafka_group_name = 'clickhouse',
    kafka_format = 'JSONAsString';
