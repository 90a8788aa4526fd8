-- SPDX-License-Identifier: BSD-3-Clause
-- Copyright (c) 2026 the mailtap authors
--
-- Session records in ClickHouse (21.3 or later): a column for each field of session.schema.json, its name the field's
-- path with _ for a dot. A list of objects is a list for each of their fields, in the same order.
--
-- Records come from files or from Kafka; the table mail_records that they come through is of the one kind or the other:
--
--   cat records-from-files.sql mail_sessions.sql | clickhouse-client --multiquery
--   cat records-from-kafka.sql mail_sessions.sql | clickhouse-client --multiquery

CREATE TABLE mail_sessions
(
    timestamp DateTime64(6, 'UTC'),
    event_type LowCardinality(String),
    schema_version UInt16,
    flow_id UInt64,
    src_ip String,
    src_port UInt16,
    dest_ip String,
    dest_port UInt16,
    proto LowCardinality(String),
    vlan Array(UInt16),
    community_id String,
    app_proto LowCardinality(String),
    flow_start DateTime64(6, 'UTC'),
    flow_end DateTime64(6, 'UTC'),
    flow_pkts_toserver UInt64,
    flow_pkts_toclient UInt64,
    flow_bytes_toserver UInt64,
    flow_bytes_toclient UInt64,
    flow_reason LowCardinality(String),
    flow_evidence LowCardinality(String),
    flow_missing_toserver UInt64,
    flow_missing_toclient UInt64,
    mail_security LowCardinality(String),
    mail_detected_by LowCardinality(String),
    mail_banner Nullable(String),
    mail_software LowCardinality(Nullable(String)),
    mail_client_name Nullable(String),
    mail_capabilities Array(String), -- empty where none was seen too: then mail_starttls_offered is NULL
    mail_policy LowCardinality(Nullable(String)),
    mail_starttls_offered Nullable(UInt8),
    mail_starttls_requested Nullable(UInt8), -- NULL, as all of mail_starttls_, under implicit TLS
    mail_starttls_response LowCardinality(Nullable(String)),
    mail_starttls_code LowCardinality(Nullable(String)),
    mail_starttls_outcome LowCardinality(Nullable(String)),
    mail_auth_mechanism Array(String),
    mail_auth_outcome Array(String),
    mail_messages UInt64,
    mail_anomalies Array(String),
    tls_version LowCardinality(Nullable(String)), -- NULL, as all of tls_, where no TLS hello was seen
    tls_cipher_suite LowCardinality(Nullable(String)),
    tls_sni Nullable(String),
    tls_client_alpns Array(String),
    tls_server_alpns Array(String),
    tls_session_resumed Nullable(UInt8),
    tls_ja3_hash Nullable(String),
    tls_ja3s_hash Nullable(String),
    tls_ja4 Nullable(String),
    tls_alerts_sender Array(String),
    tls_alerts_description Array(String),
    tls_alerts_code Array(UInt8),
    tls_subject Nullable(String),
    tls_issuerdn Nullable(String),
    tls_notbefore Nullable(DateTime64(0, 'UTC')), -- NULL where the certificate names no time that there is
    tls_notafter Nullable(DateTime64(0, 'UTC')),
    tls_fingerprint Nullable(String),
    tls_self_signed Nullable(UInt8),
    tls_name_mismatch Nullable(UInt8),
    tls_certificate LowCardinality(Nullable(String))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (app_proto, dest_ip, timestamp);

CREATE MATERIALIZED VIEW mail_sessions_view TO mail_sessions AS
SELECT
    parseDateTime64BestEffort(JSONExtract(record, 'timestamp', 'String'), 6, 'UTC') AS timestamp,
    JSONExtract(record, 'event_type', 'String') AS event_type,
    JSONExtract(record, 'schema_version', 'UInt16') AS schema_version,
    JSONExtract(record, 'flow_id', 'UInt64') AS flow_id,
    JSONExtract(record, 'src_ip', 'String') AS src_ip,
    JSONExtract(record, 'src_port', 'UInt16') AS src_port,
    JSONExtract(record, 'dest_ip', 'String') AS dest_ip,
    JSONExtract(record, 'dest_port', 'UInt16') AS dest_port,
    JSONExtract(record, 'proto', 'String') AS proto,
    JSONExtract(record, 'vlan', 'Array(UInt16)') AS vlan,
    JSONExtract(record, 'community_id', 'String') AS community_id,
    JSONExtract(record, 'app_proto', 'String') AS app_proto,
    parseDateTime64BestEffort(JSONExtract(record, 'flow', 'start', 'String'), 6, 'UTC') AS flow_start,
    parseDateTime64BestEffort(JSONExtract(record, 'flow', 'end', 'String'), 6, 'UTC') AS flow_end,
    JSONExtract(record, 'flow', 'pkts_toserver', 'UInt64') AS flow_pkts_toserver,
    JSONExtract(record, 'flow', 'pkts_toclient', 'UInt64') AS flow_pkts_toclient,
    JSONExtract(record, 'flow', 'bytes_toserver', 'UInt64') AS flow_bytes_toserver,
    JSONExtract(record, 'flow', 'bytes_toclient', 'UInt64') AS flow_bytes_toclient,
    JSONExtract(record, 'flow', 'reason', 'String') AS flow_reason,
    JSONExtract(record, 'flow', 'evidence', 'String') AS flow_evidence,
    JSONExtract(record, 'flow', 'missing_toserver', 'UInt64') AS flow_missing_toserver,
    JSONExtract(record, 'flow', 'missing_toclient', 'UInt64') AS flow_missing_toclient,
    JSONExtract(record, 'mail', 'security', 'String') AS mail_security,
    JSONExtract(record, 'mail', 'detected_by', 'String') AS mail_detected_by,
    JSONExtract(record, 'mail', 'banner', 'Nullable(String)') AS mail_banner,
    JSONExtract(record, 'mail', 'software', 'Nullable(String)') AS mail_software,
    JSONExtract(record, 'mail', 'client_name', 'Nullable(String)') AS mail_client_name,
    JSONExtract(record, 'mail', 'capabilities', 'Array(String)') AS mail_capabilities,
    JSONExtract(record, 'mail', 'policy', 'Nullable(String)') AS mail_policy,
    JSONExtract(record, 'mail', 'starttls', 'offered', 'Nullable(UInt8)') AS mail_starttls_offered,
    JSONExtract(record, 'mail', 'starttls', 'requested', 'Nullable(UInt8)') AS mail_starttls_requested,
    JSONExtract(record, 'mail', 'starttls', 'response', 'Nullable(String)') AS mail_starttls_response,
    JSONExtract(record, 'mail', 'starttls', 'code', 'Nullable(String)') AS mail_starttls_code,
    JSONExtract(record, 'mail', 'starttls', 'outcome', 'Nullable(String)') AS mail_starttls_outcome,
    arrayMap(x -> JSONExtractString(x, 'mechanism'), JSONExtractArrayRaw(record, 'mail', 'auth')) AS mail_auth_mechanism,
    arrayMap(x -> JSONExtractString(x, 'outcome'), JSONExtractArrayRaw(record, 'mail', 'auth')) AS mail_auth_outcome,
    JSONExtract(record, 'mail', 'messages', 'UInt64') AS mail_messages,
    JSONExtract(record, 'mail', 'anomalies', 'Array(String)') AS mail_anomalies,
    JSONExtract(record, 'tls', 'version', 'Nullable(String)') AS tls_version,
    JSONExtract(record, 'tls', 'cipher_suite', 'Nullable(String)') AS tls_cipher_suite,
    JSONExtract(record, 'tls', 'sni', 'Nullable(String)') AS tls_sni,
    JSONExtract(record, 'tls', 'client_alpns', 'Array(String)') AS tls_client_alpns,
    JSONExtract(record, 'tls', 'server_alpns', 'Array(String)') AS tls_server_alpns,
    JSONExtract(record, 'tls', 'session_resumed', 'Nullable(UInt8)') AS tls_session_resumed,
    JSONExtract(record, 'tls', 'ja3', 'hash', 'Nullable(String)') AS tls_ja3_hash,
    JSONExtract(record, 'tls', 'ja3s', 'hash', 'Nullable(String)') AS tls_ja3s_hash,
    JSONExtract(record, 'tls', 'ja4', 'Nullable(String)') AS tls_ja4,
    arrayMap(x -> JSONExtractString(x, 'sender'), JSONExtractArrayRaw(record, 'tls', 'alerts')) AS tls_alerts_sender,
    arrayMap(x -> JSONExtractString(x, 'description'), JSONExtractArrayRaw(record, 'tls', 'alerts')) AS tls_alerts_description,
    arrayMap(x -> JSONExtractUInt(x, 'code'), JSONExtractArrayRaw(record, 'tls', 'alerts')) AS tls_alerts_code,
    JSONExtract(record, 'tls', 'subject', 'Nullable(String)') AS tls_subject,
    JSONExtract(record, 'tls', 'issuerdn', 'Nullable(String)') AS tls_issuerdn,
    parseDateTime64BestEffortOrNull(JSONExtract(record, 'tls', 'notbefore', 'Nullable(String)'), 0, 'UTC') AS tls_notbefore,
    parseDateTime64BestEffortOrNull(JSONExtract(record, 'tls', 'notafter', 'Nullable(String)'), 0, 'UTC') AS tls_notafter,
    JSONExtract(record, 'tls', 'fingerprint', 'Nullable(String)') AS tls_fingerprint,
    JSONExtract(record, 'tls', 'self_signed', 'Nullable(UInt8)') AS tls_self_signed,
    JSONExtract(record, 'tls', 'name_mismatch', 'Nullable(UInt8)') AS tls_name_mismatch,
    JSONExtract(record, 'tls', 'certificate', 'Nullable(String)') AS tls_certificate
FROM mail_records;
