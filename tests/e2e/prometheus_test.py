#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Prometheus reads what the counters hold, through mailtap-exporter, while captures run and after they have ended.

Two captures: a live one without end, and a replay beside it. After both every sample of the text format, of
OpenMetrics, of the JSON and of Prometheus' own answers has to be the same, and the same as the report and the records
say. promtool, the parser of Prometheus' Python client and Prometheus itself read the formats. The project's rules are
loaded and have to work on the live capture.
"""
import collections
import json
import math
import os
import re
import subprocess

import common
import monitoring
import stat_test
from monitoring import get, until

SCRAPES = 10  # of the live capture, before it is told to end
# What time alone changes.
CHANGING = ("mailtap_heartbeat_age_seconds",)
NO_RECORD = "not_mail_on_mail_port"  # an anomaly of connections that are no mail session: a counter, in no record
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}
SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? (\S+)$')


def key_of(name, labels):
    """One name for a series, however its bounds are written; without what Prometheus adds."""
    return name, tuple(sorted((label, str(float(value)) if label == "le" else value) for label, value in labels.items()
                              if label not in ("job", "instance", "__name__")))


def of_text(text):
    """{series: value} of the text format, and of OpenMetrics."""
    found = [SAMPLE.match(line).groups() for line in text.splitlines() if not line.startswith("#")]
    return {key_of(name, dict(stat_test.LABEL.findall(labels or ""))): float(value) for name, labels, value in found}


def of_histogram(name, labels, sample):
    rows, count = {}, 0
    for bucket in sample["buckets"]:
        count += bucket["count"]
        bound = "+Inf" if bucket["up_to"] is None else bucket["up_to"]
        rows[key_of(name + "_bucket", {**labels, "le": bound})] = count
    return {**rows, key_of(name + "_count", labels): sample["count"], key_of(name + "_sum", labels): sample["sum"]}


def made_of(instance):
    """What no cell holds and the reader makes."""
    counters = {"counters": instance["counters"]}
    rows = {key_of("mailtap_up", counters): instance["up"],
            key_of("mailtap_build_info", {**counters, "version": instance["version"]}): 1,
            key_of("mailtap_start_time_seconds", counters): instance["start_time_seconds"]}
    for thread in instance["threads"]:
        labels = {**counters, "worker": thread["worker"]}
        rows[key_of("mailtap_stale", labels)] = thread["stale"]
        if thread["poll_busy_ratio"] is not None:
            rows[key_of("mailtap_poll_busy_ratio", labels)] = round(thread["poll_busy_ratio"], 6)
    return rows


def of_json(text):
    rows = {}
    for instance in json.loads(text)["instances"]:
        rows.update(made_of(instance))
        for name, metric in instance["metrics"].items():
            for sample in metric["series"]:
                labels = {**sample["labels"], "counters": instance["counters"]}
                if "value" in sample:
                    rows[key_of(name, labels)] = sample["value"]
                else:
                    rows.update(of_histogram(name, labels, sample))
    return rows


def of_prometheus(prometheus):
    return {key_of(labels["__name__"], labels): value
            for labels, value in prometheus.query('{__name__=~"mailtap_.+"}')}


def are_equal(one, other):
    """Counts exactly, times as closely as both sides write them."""
    if one is None or other is None or one == other:
        return one == other
    return one % 1 != 0 and math.isclose(one, other, rel_tol=1e-9)


def differences(what, rows, expected):
    keys = [key for key in sorted(rows.keys() | expected.keys()) if key[0] not in CHANGING]
    return [f"{what}: {key[0]} {dict(key[1])}: {rows.get(key)}, expected {expected.get(key)}"
            for key in keys if not are_equal(rows.get(key), expected.get(key))][:20]


def counted(records):
    """{series without the counters' name: number} of what the records say."""
    rows = collections.Counter()
    for record in records:
        mail, tls, protocol = record["mail"], record.get("tls"), record["app_proto"]
        def count(name, number=1, **labels):
            rows[key_of(name, labels)] += number
        count("mailtap_sessions_total", protocol=protocol, security=mail["security"])
        count("mailtap_evidence_total", protocol=protocol, evidence=record["flow"]["evidence"])
        count("mailtap_messages_total", mail.get("messages") or 0, protocol=protocol)
        count("mailtap_records_written_total")
        if mail["starttls"] is not None:
            count("mailtap_starttls_total", protocol=protocol, outcome=mail["starttls"]["outcome"])
        for kind in mail.get("anomalies") or []:
            count("mailtap_anomalies_total", protocol=protocol, kind=kind)
            assert kind != NO_RECORD
        for auth in mail.get("auth") or []:
            count("mailtap_auth_total", protocol=protocol, mechanism=auth["mechanism"], outcome=auth["outcome"])
        if mail.get("policy") == "tls_required":
            count("mailtap_tls_required_total", protocol=protocol)
        if tls:
            count("mailtap_certificates_total", protocol=protocol, certificate=tls["certificate"])
        if tls and tls.get("session_resumed"):
            count("mailtap_tls_resumed_total", protocol=protocol)
    return rows


def against_records(rows, records, name):
    """Everything that the records know, the zeros too."""
    told = counted(records)
    metrics = {metric for metric, _ in told}
    shown = {(metric, tuple(label for label in labels if label[0] != "counters")): value
             for (metric, labels), value in rows.items()
             if ("counters", name) in labels and metric in metrics and ("kind", NO_RECORD) not in labels}
    return differences("records", shown, {series: told.get(series, 0) for series in shown.keys() | told.keys()})


def against_report(what, rows, report, name):
    samples = {}
    for (metric, labels), value in rows.items():
        if ("counters", name) in labels:
            samples.setdefault(metric, []).append((dict(labels), value))
    return stat_test.compare(f"{what} {name}", samples, report)


def check_formats(url):
    """What independent readers say of the formats."""
    text = get(f"{url}/metrics")
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    findings = [f"promtool: {line}" for line in (lint.stdout + lint.stderr).splitlines()]
    if lint.returncode != 0:
        findings.append(f"promtool ends with {lint.returncode}")
    document = (common.ROOT / "lib/counters/COUNTERS.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"(?m)^\| `(mailtap_\w+)` \|", document))
    exported = set(re.findall(r"(?m)^# TYPE (\w+) ", text))
    findings += [f"COUNTERS.md or the exporter lacks {name}" for name in sorted(listed ^ exported)]
    try:
        from prometheus_client.openmetrics import parser  # pylint: disable=import-outside-toplevel
    except ImportError:
        common.skip("skipped: python3-prometheus-client is not installed")
    families = list(parser.text_string_to_metric_families(get(f"{url}/metrics", OPENMETRICS)))
    suffixes = {"counter": "_total", "info": "_info"}
    parsed = {family.name + suffixes.get(family.type, "") for family in families}
    return findings + [f"the parser of OpenMetrics does not see {name}" for name in sorted(listed ^ parsed)]


def check_rules(prometheus, live):
    """Every rule works, and those that record have recorded the live capture."""
    findings = []
    for group in prometheus.api("rules")["groups"]:
        for rule in group["rules"]:
            if rule["health"] != "ok":
                findings.append(f"rule {rule['name']}: {rule['health']} {rule.get('lastError')}")
            if rule["type"] == "recording" and "lost" not in rule["name"] and \
                    not prometheus.query(f'{rule["name"]}{{counters="{live}"}}'):
                findings.append(f"rule {rule['name']} has recorded nothing")
    unit = prometheus.api("targets/metadata", metric="mailtap_greeting_seconds")[0]["unit"]
    if unit != "seconds":
        findings.append(f"Prometheus was not given OpenMetrics: it knows the unit {unit!r}")
    return findings


def wait_for_scrapes(prometheus, name, value, number):
    seen = f'count_over_time((mailtap_up{{counters="{name}"}} == {value})[2m:200ms]) >= {number}'
    until(f"{number} scrapes of {name}", lambda: prometheus.query(seen))


def watch(folder, live_name, replay_name):
    """Findings of a live capture and a replay, from their begin to after their end."""
    capture = monitoring.merge(folder)
    with monitoring.Exporter(folder, live_name, replay_name) as exporter, \
            monitoring.Prometheus(folder, exporter.url) as prometheus:
        with monitoring.Live(folder, live_name, monitoring.endless(capture, folder)) as live:
            replay = common.replay(capture, workers=2, options=["--counters", replay_name])
            wait_for_scrapes(prometheus, live_name, 1, SCRAPES)
            findings = check_formats(exporter.url) + check_rules(prometheus, live_name)
            report = live.report()
        wait_for_scrapes(prometheus, live_name, 0, 2)
        rows = of_text(get(f"{exporter.url}/metrics"))
        findings += differences("OpenMetrics", of_text(get(f"{exporter.url}/metrics", OPENMETRICS)), rows)
        findings += differences("Prometheus", of_prometheus(prometheus), rows)
        # Only the JSON holds the control thread's gauges that are zero.
        shown = of_json(get(f"{exporter.url}/metrics.json")).items()
        findings += differences("JSON", {key: value for key, value in shown if key in rows or value != 0}, rows)
        findings += against_report("live", rows, report, live_name)
        findings += against_report("replay", rows, replay.report, replay_name)
        findings += against_records(rows, replay.records, replay_name)
        if common.sum_of(report["sessions"]) < 2 * len(replay.records) or not replay.records:
            findings.append(f"sessions: live {report['sessions']}, replay {len(replay.records)}")
    return findings


def main():
    common.program()
    common.need("prometheus", "promtool", "mergecap")
    names = [f"mailtap-e2e-{word}-{os.getpid()}" for word in ("live", "replay")]
    try:
        with common.Workspace() as folder:
            findings = watch(folder, *names)
    finally:
        for name in names:
            monitoring.remove_counters(name)
    common.finish(findings, "every path shows the same counters, and they are what report and records say")


if __name__ == "__main__":
    main()
