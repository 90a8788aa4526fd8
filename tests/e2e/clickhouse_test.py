#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Records into ClickHouse, from files and through Kafka, as config/clickhouse has it: each row says what its record says.

Debian's server, 18.16, is older than what those files are written for. older() puts into words that it knows what it
lacks (DateTime64, LowCardinality everywhere, JSONExtract, JSONAsString); tables, columns, paths, types, views and the
engine stay as they are, and so does what is tested: that records come through, column by column.
"""
import json
import os
import re
import socket
import subprocess
import time
import urllib.request

import common
import kafka_cluster

PATIENCE = 60  # seconds until a thing that takes a moment is called a hang
CAPTURES = ("imap-authenticate-plain", "imap-starttls-certificate-rejected", "imaps-alpn-port-10993", "imaps-tls12",
            "mixed-six-sessions", "smtp-policy-tls-required", "smtp-starttls-resumed-tls12", "smtp-vlan-200-30")

CONFIG = """<yandex>
<logger><level>warning</level><console>1</console></logger>
<listen_host>127.0.0.1</listen_host><http_port>{port}</http_port>
<path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path>
<users_config>{folder}/users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>16777216</mark_cache_size>
<kafka><auto_offset_reset>earliest</auto_offset_reset></kafka>
</yandex>
"""
# A tabulator stands in no record: with it as the delimiter a line of CSV is one value, whatever it holds.
USERS = """<yandex>
<profiles><default>
<format_csv_delimiter>\t</format_csv_delimiter>
<output_format_json_quote_64bit_integers>0</output_format_json_quote_64bit_integers>
</default></profiles>
<users><default><password></password><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></default></users>
<quotas><default></default></quotas>
</yandex>
"""


def raw(path):
    """The JSON text at a path of a record."""
    text = "record"
    for name in path:
        text = f"visitParamExtractRaw({text}, '{name}')"
    return text


def extract(match):
    """JSONExtract(record, 'a', 'b', 'Type') in functions that look for a name in a text."""
    path, kind = re.findall(r"'(\w+)'", match[1]), match[2]
    parent, name, text = raw(path[:-1]), path[-1], raw(path)
    number = re.fullmatch(r"UInt\d+", kind)
    if number:
        return f"to{kind}(visitParamExtractUInt({parent}, '{name}'))"
    if kind == "Nullable(UInt8)":
        return f"if({text} IN ('', 'null'), NULL, visitParamExtractBool({parent}, '{name}'))"
    if kind == "Array(UInt16)":
        return f"arrayMap(x -> toUInt16(x), extractAll({text}, '[0-9]+'))"
    if kind == "Array(String)":
        return f"extractAll({text}, '\"([^\"]*)\"')"
    string = f"visitParamExtractString({parent}, '{name}')"
    return string if kind == "String" else f"if({text} IN ('', 'null'), NULL, {string})"


def extract_each(match):
    """A field of each object of a list."""
    values = f"extractAll({raw(re.findall(r'[a-z]+', match[3]))}, '\"{match[2]}\":\"?([^\",}}]*)')"
    return values if match[1] == "String" else f"arrayMap(x -> toUInt8(x), {values})"


def older(sql):
    sql = re.sub(r"--.*", "", sql)
    sql = re.sub(r"LowCardinality\((Nullable\(String\)|String)\)", r"\1", sql)
    sql = re.sub(r"DateTime64\(\d, 'UTC'\)", "DateTime('UTC')", sql)
    sql = re.sub(r"parseDateTime64BestEffort(\w*)\((.*), \d, 'UTC'\)", r"parseDateTimeBestEffort\1(\2, 'UTC')", sql)
    sql = re.sub(r"arrayMap\(x -> JSONExtract(\w+)\(x, '(\w+)'\), JSONExtractArrayRaw\(record, (.*?)\)\)", extract_each, sql)
    sql = re.sub(r"JSONExtract\(record, ((?:'\w+', )+)'([\w()]+)'\)", extract, sql)
    return sql.replace("'JSONAsString'", "'CSV', kafka_row_delimiter = '\\n'")


class Server:
    """clickhouse-server in a folder of its own."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "config.xml").write_text(CONFIG.format(port=self.port, folder=folder), encoding="utf-8")
        (folder / "users.xml").write_text(USERS, encoding="utf-8")
        (folder / "data").mkdir()
        (folder / "tmp").mkdir()
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(["clickhouse-server", f"--config-file={folder}/config.xml"], cwd=folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(self, query):
        """Result: the lines of the answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", query.encode(), timeout=PATIENCE) as answer:
                return answer.read().decode().splitlines()
        except urllib.error.HTTPError as refusal:
            raise RuntimeError(f"{refusal.read().decode()[:300]} in: {query.strip()[:120]}") from None

    def wait_for(self, query, value):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.ask(query) == [value]:
                    return
            except OSError:
                pass  # not listening yet
            time.sleep(0.1)
        raise TimeoutError(f"{query} does not give {value}: {self.log.read_text()[-300:]}")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def flatten(value, path=()):
    """A record as columns, as config/clickhouse/mail_sessions.sql says."""
    if isinstance(value, dict):
        return {name: leaf for key, branch in value.items() for name, leaf in flatten(branch, (*path, key)).items()}
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return {"_".join((*path, key)): [one[key] for one in value] for key in value[0]}
    if isinstance(value, bool):
        value = int(value)
    name = "_".join(path)
    if name in ("timestamp", "flow_start", "flow_end", "tls_notbefore", "tls_notafter"):
        value = value[:19].replace("T", " ")  # 18.16 knows no parts of a second
    return {name: value}


def check_row(row, record):
    """Both by column; a column that the record lacks has nothing in it."""
    expected = {name: value for name, value in flatten(record).items() if value is not None}
    findings = [f"{name} is no column" for name in expected.keys() - row.keys() if expected[name] != []]
    for name, value in row.items():
        if value != expected.get(name, [] if isinstance(value, list) else None):
            findings.append(f"{name} is {value!r}, the record says {expected.get(name)!r}")
    return findings


def by_session(item):
    return item["community_id"], item["flow_id"], item["src_port"]


def create(server, source, brokers=""):
    """The tables and the view, with records from there."""
    for name in (source, "mail_sessions.sql"):
        sql = older((common.ROOT / "config" / "clickhouse" / name).read_text("utf-8"))
        for statement in filter(str.strip, sql.replace("localhost:9092", brokers).split(";\n")):
            server.ask(statement)


def check_rows(server, records):
    """Result: the rows, and what is wrong with them."""
    server.wait_for("SELECT count() FROM mail_sessions", str(len(records)))
    rows = [json.loads(row) for row in server.ask("SELECT * FROM mail_sessions FORMAT JSONEachRow")]
    findings = []
    for row, record in zip(sorted(rows, key=by_session), sorted(records, key=by_session)):
        findings += [f"{record['community_id']}: {finding}" for finding in check_row(row, record)]
    return rows, findings


def from_files(server):
    """Records with every fact there is, with none, and with each word of the closed lists."""
    lines = subprocess.run([common.program("RECORD_LINES")], check=True, capture_output=True).stdout.decode()
    create(server, "records-from-files.sql")
    server.ask(f"INSERT INTO mail_records FORMAT CSV\n{lines}")
    return check_rows(server, [json.loads(line) for line in lines.splitlines()])


def from_kafka(server, cluster):
    """Records of real sessions, written to the topic by mailtap."""
    records, failures = [], []
    for name in CAPTURES:
        capture = common.OWN_CAPTURES / f"{name}.pcap"
        run = common.Run([common.program(), "-r", capture, "--records", cluster.records, "--report", "none"])
        if run.status != 0:
            failures.append(f"{name}: status {run.status}: {run.says()}")
        records += common.replay(capture).records
    create(server, "records-from-kafka.sql", cluster.brokers)
    rows, findings = check_rows(server, records)
    return rows, failures + findings


def check(server, cluster):
    server.wait_for("SELECT 1", "1")
    rows, findings = from_files(server)
    for table in ("mail_sessions_view", "mail_sessions", "mail_records"):
        server.ask(f"DROP TABLE {table}")
    more_rows, more_findings = from_kafka(server, cluster)
    rows += more_rows
    empty = [f"{name} is empty in every row" for name in rows[0] if all(row[name] in (None, []) for row in rows)]
    return findings + more_findings + empty


def main():
    common.need("clickhouse-server")
    with common.Workspace() as folder, kafka_cluster.Cluster("mail-sessions", partitions=2) as cluster:
        server = Server(folder)
        try:
            findings = check(server, cluster)
        finally:
            server.stop()
    common.finish(findings, "what the records say stands in the columns")


if __name__ == "__main__":
    main()
