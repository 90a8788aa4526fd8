#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""After a replay the shared counters are closed, still readable, and say what the report and the records say.

Three ways to read them, mailtap-stat's JSON, its OpenMetrics and a reader of the specification's, have to agree in every
series. The report is compared in both directions, each metric's samples summed over the labels that it does not have
(the worker); the records are counted here, and each metric that follows from them has to be that count. Captures made
by hand, and some of the project's own; with MAILTAP_TEST_LONG=1 all of these.
"""
import collections
import json
import math
import os
import re
import sys

import common
import counters_reader
import craft

NO_WRITER = 3
# Sessions of each kind that the counters tell apart: clear, upgraded, implicit, refused, broken off, resumed.
OWN = {"imap-append.pcap", "mixed-six-sessions.pcap", "other-http-on-25.pcap", "pop3-apop-wrong.pcap",
       "smtp-auth-not-offered-in-clear.pcap", "smtp-policy-tls-required.pcap",
       "smtp-starttls-certificate-rejected-tls12.pcap", "smtp-starttls-refused-454.pcap",
       "smtp-starttls-resumed-tls12.pcap", "smtps-tls12.pcap"}

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


def place(labels):
    """Labels as a key; a bound is a number, however it is written."""
    return frozenset((name, float(value) if name == "le" else value) for name, value in labels.items())


def samples_of(text):
    """{(sample's name, its labels): value} of the OpenMetrics text."""
    found = {}
    for line in text.splitlines():
        sample = SAMPLE.match(line)
        if sample and not line.startswith("#"):
            found[sample["name"], place(dict(LABEL.findall(sample["labels"] or "")))] = float(sample["value"])
    return found


def samples_in(text):
    """The same of mailtap-stat's JSON: its buckets stand each for itself, those of OpenMetrics hold all before."""
    found = {}
    for name, metric in json.loads(text)["metrics"].items():
        for sample in metric["series"]:
            if metric["type"] != "histogram":
                found[name, place(sample["labels"])] = sample["value"]
                continue
            below = 0
            for bucket in sample["buckets"]:
                below += bucket["count"]
                bound = "inf" if bucket["up_to"] is None else bucket["up_to"]
                found[name + "_bucket", place({**sample["labels"], "le": bound})] = below
            found[name + "_count", place(sample["labels"])] = sample["count"]
            found[name + "_sum", place(sample["labels"])] = sample["sum"]
    return found


def samples_by_specification(name):
    """The same of the object itself, but for the buckets."""
    found = {}
    for metric, labels, value in counters_reader.Reader(name).samples():
        if isinstance(value, tuple):
            found[metric + "_count", place(labels)], found[metric + "_sum", place(labels)] = value[:2]
        else:
            found[metric, place(labels)] = value
    return found


def differences(what, ours, wanted):
    """Series that differ. Zeros may be left out: of the control thread's block OpenMetrics shows what is none."""
    return [f"{what}: {series[0]}{dict(series[1])}: {ours.get(series, 0)}, expected {wanted.get(series, 0)}"
            for series in sorted(ours.keys() | wanted.keys(), key=str)
            if not math.isclose(ours.get(series, 0), wanted.get(series, 0), rel_tol=1e-12, abs_tol=1e-9)]


def only(samples, names):
    return {series: value for series, value in samples.items() if series[0] in names}


def sums_of(samples, metric, labels):
    """{(label value, ...): sum} over all other labels, without the zeros."""
    sums = collections.Counter()
    for (name, where), value in samples.items():
        if name == metric:
            sums[tuple(dict(where).get(label) for label in labels)] += value
    return {where: value for where, value in sums.items() if value}


def compare_report(samples, report):
    findings = []
    for metric, labels, part in METRICS:
        shown, told = sums_of(samples, metric, labels), flatten(report[part])
        findings += [f"{metric} {where}: {shown.get(where, 0)}, report {told.get(where, 0)}"
                     for where in sorted(shown.keys() | told.keys(), key=str)
                     if shown.get(where, 0) != told.get(where, 0)]
    return findings


def compare_work(samples, report):
    """What the devices gave, the workers took; what one handed over, another took over; and what it cost them."""
    def total(metric, **labels):
        return sums_of(samples, metric, list(labels)).get(tuple(labels.values()), 0)
    findings = []
    for what, ours, told in [
            ("packets from the devices", total("mailtap_rx_packets_total"), report["packets"]),
            ("bytes from the devices", total("mailtap_rx_bytes_total"), report["bytes"]),
            ("packets received", total("mailtap_received_packets_total"), report["packets"]),
            ("bytes received", total("mailtap_received_bytes_total"), report["bytes"]),
            ("packets taken over", total("mailtap_taken_over_packets_total"), total("mailtap_handed_over_packets_total")),
            ("flows held at the end", total("mailtap_flows"), 0),
            ("the control thread's packets", total("mailtap_packets_total", worker="control"), 0)]:
        findings += [f"{what}: {ours}, expected {told}"] if ours != told else []
    for number, worker in enumerate(report["workers"]):
        of = {"worker": str(number)}
        held = total("mailtap_packets_total", **of) + total("mailtap_handed_over_packets_total", **of)
        busy = total("mailtap_cycles_total", **of, state="busy")
        if total("mailtap_packets_total", **of) != worker["packets"] or \
                total("mailtap_sessions_opened_total", **of) != worker["sessions"] or \
                not math.isclose(busy, worker["busy_cycles_per_packet"] * held, rel_tol=1e-6, abs_tol=1):
            findings.append(f"worker {number}: {held} packets in {busy} busy cycles, the report says {worker}")
        if not total("mailtap_flows_capacity", **of):
            findings.append(f"worker {number} has no room for flows")
    return findings


def count_record(record, counted):
    """Add what a record says to {metric: {(label value, ...): number}}."""
    mail, tls, protocol = record["mail"], record.get("tls") or {}, record["app_proto"]
    for metric, where, number in [
            ("sessions", (protocol, mail["security"]), 1),
            ("evidence", (protocol, record["flow"]["evidence"]), 1),
            ("starttls", (protocol, (mail["starttls"] or {}).get("outcome")), mail["starttls"] is not None),
            ("banners", (protocol, mail["software"] or "unknown"), mail["banner"] is not None),
            ("messages", (protocol,), mail["messages"]),
            ("tls_required", (protocol,), mail["policy"] == "tls_required"),
            ("tls_sessions", (protocol, tls.get("version")), mail["security"] in ("starttls", "implicit_tls")),
            ("tls_resumed", (protocol,), tls.get("session_resumed") is True),
            ("certificates", (protocol, tls.get("certificate")), "tls" in record),
            ("certificate_findings", (protocol, "self_signed"), tls.get("self_signed") is True),
            ("certificate_findings", (protocol, "name_mismatch"), tls.get("name_mismatch") is True),
            ("flows_closed", (record["flow"]["reason"],), 1),
            ("sessions_opened", (), 1), ("records_made", (), 1), ("records_written", (), 1)]:
        counted[metric][where] += number or 0
    for auth in mail["auth"]:
        counted["auth"][protocol, auth["mechanism"], auth["outcome"]] += 1
    for anomaly in mail["anomalies"]:
        counted["anomalies"][protocol, anomaly] += 1
    for alert in tls.get("alerts", []):
        counted["tls_alerts"][protocol, alert["sender"], alert["description"]] += 1


LABELS_OF_RECORDS = {
    "sessions": ("protocol", "security"), "evidence": ("protocol", "evidence"), "starttls": ("protocol", "outcome"),
    "banners": ("protocol", "software"), "messages": ("protocol",), "tls_required": ("protocol",),
    "tls_sessions": ("protocol", "version"), "tls_resumed": ("protocol",), "certificates": ("protocol", "certificate"),
    "certificate_findings": ("protocol", "finding"), "flows_closed": ("reason",), "sessions_opened": (),
    "records_made": (), "records_written": (), "auth": ("protocol", "mechanism", "outcome"),
    "anomalies": ("protocol", "kind"), "tls_alerts": ("protocol", "sender", "alert")}


def compare_records(samples, records):
    counted = collections.defaultdict(collections.Counter)
    for record in records:
        count_record(record, counted)
    findings = []
    for metric, labels in LABELS_OF_RECORDS.items():
        shown = sums_of(samples, f"mailtap_{metric}_total", labels)
        told = {where: number for where, number in counted[metric].items() if number}
        # A connection that is no mail has no record (CONTRACT.md 2), and its certificate may be out of date.
        shown = {where: value for where, value in shown.items()
                 if where[-1:] not in [("not_mail_on_mail_port",), ("expired",), ("not_yet_valid",)]}
        if shown != told:
            findings.append(f"mailtap_{metric}_total {shown}, records {told}")
    return findings


def compare_made(samples, document, name):
    """What no cell holds."""
    reader = counters_reader.Reader(name)
    wanted = {("mailtap_up", place({})): 0,
              ("mailtap_build_info", place({"version": reader.version})): 1,
              ("mailtap_start_time_seconds", place({})): reader.run_start_ns / 1e9}
    findings = differences("made", only(samples, {metric for metric, _ in wanted}), wanted)
    threads = [thread["worker"] for thread in document["threads"]]
    for metric in ("mailtap_heartbeat_age_seconds", "mailtap_stale"):
        if {dict(where)["worker"] for made, where in samples if made == metric} != set(threads):
            findings.append(f"{metric} is not there for each of {threads}")
    if (reader.state() != (False, 3), document["state"], document["up"], document["pid"], document["version"]) != \
            (False, "closed", False, reader.pid, reader.version):
        findings.append(f"state {reader.state()}, {document['state']}, up {document['up']}")
    cycles = {dict(where)["state"]: value for (metric, where), value in samples.items()
              if metric == "mailtap_cycles_total" and dict(where)["worker"] == "0"}
    busy = samples.get(("mailtap_poll_busy_ratio", place({"worker": "0"})), -1)
    if abs(busy - cycles["busy"] / sum(cycles.values())) > 1e-6:
        findings.append(f"busy ratio {busy}, cycles {cycles}")
    return findings


def check(capture):
    """One replay through every way of reading."""
    name = f"mailtap-e2e-stat-{os.getpid()}"
    try:
        run = common.replay(capture, workers=2, options=["--counters", name])
        if run.status != 0 or run.report is None:
            return [f"{capture.name}: status {run.status}: {run.says()}"]
        said = {option: common.Run([common.program("MAILTAP_STAT"), "--counters", name, option])
                for option in ("--json", "--openmetrics")}
        findings = [f"{option}: status {shown.status}, expected {NO_WRITER}: {shown.says()}"
                    for option, shown in said.items() if shown.status != NO_WRITER]
        samples = samples_in(said["--json"].out)
        metrics = samples_of(said["--openmetrics"].out.decode())
        findings += differences("OpenMetrics", only(metrics, {metric for metric, _ in samples}), samples)
        findings += differences("by the specification", samples_by_specification(name),
                                {series: value for series, value in samples.items() if not series[0].endswith("_bucket")})
        findings += compare_made(metrics, json.loads(said["--json"].out), name)
    finally:
        (common.SHARED_MEMORY / name).unlink(missing_ok=True)
    findings += compare_report(samples, run.report) + compare_work(samples, run.report)
    findings += compare_records(samples, run.records)
    return [f"{capture.name}: {finding}" for finding in findings]


def check_sessions(capture):
    """The capture made by hand holds what it should, and fills what is compared."""
    run = common.replay(capture, workers=2)
    told = {protocol: common.sum_of(kinds) for protocol, kinds in run.report["sessions"].items()}
    findings = [f"sessions {told}, the capture holds {EXPECTED_SESSIONS}"] if told != EXPECTED_SESSIONS else []
    return findings + [f"the capture fills nothing in {part}" for part in ("starttls", "auth", "anomalies")
                       if not common.sum_of(run.report[part])]


def check_absent():
    name = f"mailtap-e2e-stat-{os.getpid()}-absent"
    absent = common.Run([common.program("MAILTAP_STAT"), "--counters", name])
    if absent.status != 2 or name.encode() not in absent.err:
        return [f"counters that do not exist: status {absent.status}: {absent.says()}"]
    return []


def main():
    common.program()
    common.program("MAILTAP_STAT")
    captures = [capture for capture in common.named_captures(common.OWN_CAPTURES.glob("*.pcap*"))
                if os.environ.get("MAILTAP_TEST_LONG") == "1" or len(sys.argv) > 2 or capture.name in OWN]
    with common.Workspace() as folder:
        file = folder / "four.pcap"
        file.write_bytes(capture())
        findings = check_sessions(file) + check_absent() + common.in_parallel(check, [file, *captures])
    common.finish(findings, f"the counters of {len(captures) + 1} replays say what the reports and the records say")


if __name__ == "__main__":
    main()
