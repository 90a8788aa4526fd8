#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Prometheus reads what the counters hold, through mailtap-exporter, while captures run and after they have ended.

Two captures: a live one without end, and a replay beside it. After both every sample of the text format, of
OpenMetrics, of the JSON and of Prometheus' own answers has to be the same, and the same as the report and the records
say. promtool, the parser of Prometheus' Python client and Prometheus itself read the formats. The project's rules are
loaded and have to work on the live capture, and every question of the dashboard for Grafana has to have an answer.
"""
import json
import re
import subprocess

import common
import dashboard
import monitoring
import stat_test
from monitoring import get, until
from stat_test import place, samples_in, samples_of

SCRAPES = 10  # of the live capture, before it is told to end
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}


def made_of(instance):
    """What no cell holds and the reader makes."""
    rows = {("mailtap_up", place({})): instance["up"],
            ("mailtap_build_info", place({"version": instance["version"]})): 1,
            ("mailtap_start_time_seconds", place({})): instance["start_time_seconds"]}
    for thread in instance["threads"]:
        labels = place({"worker": thread["worker"]})
        rows["mailtap_stale", labels] = thread["stale"]
        if thread["poll_busy_ratio"] is not None:
            rows["mailtap_poll_busy_ratio", labels] = round(thread["poll_busy_ratio"], 6)
    return rows


def of_json(text):
    """{(sample's name, its labels): value} of all captures."""
    return {(metric, where | {("counters", instance["counters"])}): value
            for instance in json.loads(text)["instances"]
            for (metric, where), value in {**made_of(instance), **samples_in(json.dumps(instance))}.items()}


def of_prometheus(prometheus):
    """The same of everything that Prometheus knows now, without the labels that it adds."""
    return {(labels["__name__"], place({label: value for label, value in labels.items()
                                        if label not in ("__name__", "instance", "job")})): value
            for labels, value in prometheus.query('{__name__=~"mailtap_.+"}')}


def of_capture(samples, name):
    return {(metric, where - {("counters", name)}): value for (metric, where), value in samples.items()
            if ("counters", name) in where}


def compare(what, ours, wanted):
    """Every series, a missing zero too; but for what time alone changes."""
    ours, wanted = ({series: value for series, value in samples.items() if series[0] != "mailtap_heartbeat_age_seconds"}
                    for samples in (ours, wanted))
    findings = [f"{what}: {series} stands on one side alone" for series in sorted(ours.keys() ^ wanted.keys(), key=str)]
    return (findings + stat_test.differences(what, ours, wanted))[:20]


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
            findings = ["the exporter may be dumped"] if exporter.may_be_dumped() else []
            findings += check_formats(exporter.url) + check_rules(prometheus, live_name)
            findings += dashboard.check(prometheus, live_name)
            report = live.report()
        wait_for_scrapes(prometheus, live_name, 0, 2)
        samples = samples_of(get(f"{exporter.url}/metrics"))
        findings += compare("OpenMetrics", samples_of(get(f"{exporter.url}/metrics", OPENMETRICS)), samples)
        findings += compare("Prometheus", of_prometheus(prometheus), samples)
        # Only the JSON holds the control thread's gauges that are zero.
        shown = {series: value for series, value in of_json(get(f"{exporter.url}/metrics.json")).items()
                 if series in samples or value != 0}
        findings += compare("JSON", shown, samples)
        findings += stat_test.compare_report(of_capture(samples, live_name), report)
        findings += stat_test.compare_report(of_capture(samples, replay_name), replay.report)
        findings += stat_test.compare_records(of_capture(samples, replay_name), replay.records)
        if common.sum_of(report["sessions"]) < 2 * len(replay.records) or not replay.records:
            findings.append(f"sessions: live {report['sessions']}, replay {len(replay.records)}")
    return findings


if __name__ == "__main__":
    monitoring.main(watch, "every path shows the same counters, and they are what report and records say",
                    "prometheus", "promtool")
