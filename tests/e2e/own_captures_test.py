#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Every capture of the project through mailtap, compared with what was known when it was recorded.

Beside NAME.pcap stands NAME.truth.json, written from the servers' logs by whoever recorded the session: a list of the
sessions, [] where no connection may have a record. Every key that the truth has is compared; and no packet that was
received is counted as lost (mistake-12 of other tools). Arguments after the program: names of captures.
"""
import ipaddress
import re

import common

NO_TLS = {"version": None, "sni": None}

# A key of the truth, and where a record says the same.
PLACES = {
    "src_port": lambda record: record["src_port"],
    "dest_port": lambda record: record["dest_port"],
    "ip": lambda record: ipaddress.ip_address(record["src_ip"]).version,
    "app_proto": lambda record: record["app_proto"],
    "security": lambda record: record["mail"]["security"],
    "starttls": lambda record: record["mail"]["starttls"],
    "banner": lambda record: record["mail"].get("banner"),
    "auth": lambda record: record["mail"].get("auth") or [],
    "messages": lambda record: record["mail"].get("messages"),
    "tls_version": lambda record: (record.get("tls") or NO_TLS).get("version"),
    "sni": lambda record: (record.get("tls") or NO_TLS).get("sni"),
    "policy": lambda record: record["mail"].get("policy"),
    "software": lambda record: record["mail"].get("software"),
    "anomalies": lambda record: record["mail"].get("anomalies") or [],
}
AT_LEAST = {"anomalies"}  # the truth names some, the record may have more
# TLS is looked into on the configured ports alone (README, Limits). Here the port is said to carry SMTP, and the
# client's ALPN says better.
OPTIONS = {"imaps-alpn-port-10993.pcap": ("--ports", "10993=smtps")}
NOT_COMPARED = {"source"}  # how the truth is known


def by_ports(items):
    found = {}
    for item in items:
        found.setdefault((item["src_port"], item["dest_port"]), []).append(item)
    return found


def differs(wanted, ours):
    """Objects are compared in the keys that the truth has: a record may say more, such as the reply's code."""
    if isinstance(wanted, dict) and isinstance(ours, dict):
        return any(differs(value, ours.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(ours, list):
        return len(wanted) != len(ours) or any(map(differs, wanted, ours))
    return wanted != ours


def lost_alerts(session, record):
    """Alerts of the client's that the server's log has and the record has not."""
    alerts = {(alert["sender"], alert["code"]) for alert in (record.get("tls") or {}).get("alerts", [])}
    return {int(code) for code in re.findall(r"SSL alert number (\d+)", session["source"])
            if ("client", int(code)) not in alerts}


def compare(truth, records):
    expected, written = by_ports(truth), by_ports(records)
    findings = []
    for ports in sorted(expected.keys() | written.keys()):
        name = f"{ports[0]}>{ports[1]}"
        wanted, ours = expected.get(ports, []), written.get(ports, [])
        if len(wanted) != len(ours):
            findings.append(f"{name}: {len(ours)} records, {len(wanted)} expected")
            continue
        for session, record in zip(wanted, ours):
            for key in session.keys() - NOT_COMPARED:
                if key not in PLACES:
                    findings.append(f"{name}: the truth has a key that is not compared: {key}")
                elif (set(session[key]) - set(PLACES[key](record)) if key in AT_LEAST
                      else differs(session[key], PLACES[key](record))):
                    findings.append(f"{name} {key}: ours {PLACES[key](record)!r}, true {session[key]!r}")
            findings += [f"{name}: no alert {code}, which is in the server's log"
                         for code in lost_alerts(session, record)]
    return findings


def check(path):
    options = OPTIONS.get(path.name, ())
    run = common.replay(path, options=options)
    findings = []
    if run.status != 0:
        findings.append(f"status {run.status}: {run.says()}")
    findings += common.check_accounts(run, common.packets_of(path))
    findings += common.check_every_worker_count(path, run, options)
    findings += common.check_records(run)
    findings += compare(common.truth_of(path), run.records)
    return [f"{path.name}: {finding}" for finding in findings]


def main():
    common.need("capinfos")
    common.program()
    captures = common.named_captures(common.OWN_CAPTURES.glob("*.pcap*"))
    common.finish(common.in_parallel(check, captures), f"{len(captures)} captures say what was recorded")


if __name__ == "__main__":
    main()
