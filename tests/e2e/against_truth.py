# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Records beside the truth about the same sessions, as tests/record/truth.py has it."""
import ipaddress
import re

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
