-- SPDX-License-Identifier: BSD-3-Clause
-- Copyright (c) 2026 the mailtap authors
--
-- Records from files: what is inserted is not kept here, but goes through the view of mail_sessions.sql.
--
--   clickhouse-client --query 'INSERT INTO mail_records FORMAT JSONAsString' < records.json

CREATE TABLE mail_records (record String) ENGINE = Null;
