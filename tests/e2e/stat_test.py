#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""After a replay the shared counters are closed, still readable, and say what the report says.

mailtap-stat ends with 3 because nobody writes any more, in JSON and as OpenMetrics. Each metric's samples are summed
over the labels that the report does not have (the worker) and compared one by one, in both directions.
"""
import json
import os
import re
import sys

import common
import craft

NO_WRITER = 3

# A metric, the labels that the report sorts by, in the order of its nesting, and the report's part.
METRICS = [
    ("mailtap_sessions_total", ("protocol", "security"), "sessions"),
    ("mailtap_starttls_total", ("protocol", "outcome"), "starttls"),
    ("mailtap_evidence_total", ("evidence",), "evidence"),
    ("mailtap_auth_total", ("protocol", "mechanism", "outcome"), "auth"),
    ("mailtap_anomalies_total", ("protocol", "kind"), "anomalies"),
    ("mailtap_banners_total", ("protocol", "software"), "software"),
    ("mailtap_packets_total", ("verdict",), "verdicts"),
    ("mailtap_lost_total", ("reason",), "losses"),
]
SAMPLE = re.compile(r"(?P<name>[a-z_:]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>[-+.0-9eE]+)( |$)")
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')

PASSWORDS = [
    ("S", b"220 mail.example.org ESMTP Postfix\r\n"),
    ("C", b"EHLO client.example.org\r\n"),
    ("S", b"250-mail.example.org\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n"),
    ("C", b"AUTH PLAIN AGdyYWNlAGhvcHBlcg==\r\n"),
    ("S", b"235 2.7.0 Authentication successful\r\n"),
    ("C", b"QUIT\r\n"),
    ("S", b"221 2.0.0 Bye\r\n"),
]
POP3 = [
    ("S", b"+OK Dovecot ready.\r\n"),
    ("C", b"CAPA\r\n"),
    ("S", b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n"),
    ("C", b"USER grace\r\n"),
    ("S", b"+OK\r\n"),
    ("C", b"PASS hopper\r\n"),
    ("S", b"-ERR [AUTH] Authentication failed.\r\n"),
    ("C", b"QUIT\r\n"),
    ("S", b"+OK Logging out\r\n"),
]
IMAP = [
    ("S", b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] Dovecot ready.\r\n"),
    ("C", b"a1 STARTTLS\r\n"),
    ("S", b"a1 BAD TLS is not available\r\n"),
    ("C", b"a2 LOGOUT\r\n"),
    ("S", b"* BYE Logging out\r\na2 OK Logout completed.\r\n"),
]
EXPECTED_SESSIONS = {"smtp": 2, "pop3": 1, "imap": 1}


def capture():
    """Four sessions of three protocols, with what fills every compared metric."""
    return craft.pcap(craft.session() + craft.session(PASSWORDS, 40001, 587)
                      + craft.session(POP3, 40002, 110) + craft.session(IMAP, 40003, 143))


def flatten(tree, path=()):
    """{(label value, ...): number}, without the zeros: a report may leave out what a directory of counters lists."""
    if isinstance(tree, dict):
        return {key: value for name, branch in tree.items() for key, value in flatten(branch, (*path, name)).items()}
    return {path: tree} if tree else {}


def samples_of(text):
    """{metric: [(labels, value)]} of the OpenMetrics text."""
    found = {}
    for line in text.splitlines():
        sample = SAMPLE.match(line)
        if sample and not line.startswith("#"):
            found.setdefault(sample["name"], []).append((dict(LABEL.findall(sample["labels"] or "")),
                                                        float(sample["value"])))
    return found


def samples_in(text):
    """The same of mailtap-stat's JSON; a histogram has no value of its own."""
    return {name: [(sample["labels"], sample["value"]) for sample in metric["series"] if "value" in sample]
            for name, metric in json.loads(text)["metrics"].items()}


def compare(what, samples, report):
    findings = []
    for metric, labels, part in METRICS:
        if metric not in samples:
            findings.append(f"{what}: no {metric}")
            continue
        sums = {}
        for sample, value in samples[metric]:
            place = tuple(sample.get(label) for label in labels)
            sums[place] = sums.get(place, 0) + value
        shown = {place: value for place, value in sums.items() if value}
        told = flatten(report[part])
        findings += [f"{what}: {metric} {place}: {shown.get(place, 0)}, report {told.get(place, 0)}"
                     for place in sorted(shown.keys() | told.keys(), key=str) if shown.get(place, 0) != told.get(place, 0)]
    return findings


def main():
    common.program()
    reader = common.program("MAILTAP_STAT")
    name = f"mailtap-e2e-stat-{os.getpid()}"
    findings = []
    try:
        with common.Workspace() as folder:
            file = folder / "four.pcap"
            file.write_bytes(capture())
            run = common.replay(file, workers=2, options=["--counters", name])
        if run.status != 0 or run.report is None:
            sys.exit(f"FAIL status {run.status}: {run.says()}")
        told = {protocol: common.sum_of(kinds) for protocol, kinds in run.report["sessions"].items()}
        if told != EXPECTED_SESSIONS:
            findings.append(f"sessions {told}, the capture holds {EXPECTED_SESSIONS}")
        findings += [f"the capture fills nothing in {part}" for part in ("starttls", "auth", "anomalies")
                     if not common.sum_of(run.report[part])]
        for option, read in (("--json", samples_in), ("--openmetrics", samples_of)):
            shown = common.Run([reader, "--counters", name, option])
            if shown.status != NO_WRITER:
                findings.append(f"{option}: status {shown.status}, expected {NO_WRITER}: {shown.says()}")
            findings += compare(option, read(shown.out.decode()), run.report)
        absent = common.Run([reader, "--counters", name + "-absent"])
        if absent.status == 0 or name.encode() + b"-absent" not in absent.err:
            findings.append(f"counters that do not exist: status {absent.status}: {absent.says()}")
    finally:
        for path in common.SHARED_MEMORY.glob(f"*{name}*"):
            path.unlink()
    common.finish(findings, "the counters say what the report says")


if __name__ == "__main__":
    main()
