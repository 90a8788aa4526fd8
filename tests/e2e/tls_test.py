#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The tls object of every record, field by field, against what tshark shows of the same handshake (tls_oracle.py).

The project's captures, and the shared ones whose list says that mail goes with TLS in them. Arguments after the
program: names of captures.
"""
import csv
import os
import re

import common
import tls_oracle

DISSECTOR = {"smtp": "smtp", "imap": "imap", "pop3": "pop"}
KNOWN_TO_TSHARK = {25, 587, 465, 143, 993, 110, 995}
OPTIONS = {"imaps-alpn-port-10993.pcap": ("--ports", "10993=smtps")}
COMPARED = ("version", "sni", "client_alpns", "server_alpns", "session_resumed", "ja4", "certificate", "subject",
            "issuerdn", "notbefore", "notafter", "fingerprint", "self_signed", "name_mismatch")
ALERTS = "tls.alert_message.desc"
SUITES = "tls.handshake.ciphersuite"


# Where tshark is blind, and how we know.
TSHARK_IS_BLIND = {
    # The connection ends inside the chain of certificates, behind the first of them; tshark shows none of it. Cut out
    # of the payload by hand, the first one has the fingerprint that we give.
    "pops.pcapng": {"certificate", "fingerprint", "issuerdn", "name_mismatch", "notafter", "notbefore", "self_signed",
                    "subject"},
    # A hello where the server speaks in clear: to tshark the line of an SMTP client.
    "smtp-tls-after-greeting-on-25.pcap": {"tls"},
    "smtp-tls-at-once-on-25.pcap": {"tls"},
}


def chosen_captures():
    """Those with something that may be a handshake record in them."""
    captures = list(common.OWN_CAPTURES.glob("*.pcap*"))
    if common.SHARED_CAPTURES.is_dir():
        with open(common.SHARED_CAPTURES / "MANIFEST.tsv", encoding="utf-8", newline="") as table:
            captures += [common.SHARED_CAPTURES / row["path"] for row in csv.DictReader(table, delimiter="\t")
                         if "tls" in row["protocols"].split(",") and row["mail_ports"]]
    return [path for path in captures if b"\x16\x03" in path.read_bytes()]


def ends_of(record):
    return ((record["src_ip"], record["src_port"]), (record["dest_ip"], record["dest_port"]))


def dissectors(records):
    """For the ports that tshark does not know."""
    found = {}
    for record in records:
        if record["dest_port"] not in KNOWN_TO_TSHARK:
            is_implicit = record["mail"]["security"] == "implicit_tls"
            found[record["dest_port"]] = "tls" if is_implicit else DISSECTOR[record["app_proto"]]
    return found


def in_words(tls, names):
    """A tls object in the oracle's words: hashes without their objects, and the codes behind the names."""
    words = {field: tls[field] for field in COMPARED if field in tls}
    words.update({field: tls[field]["hash"] for field in ("ja3", "ja3s") if field in tls})
    suite = tls.get("cipher_suite", "")
    words["cipher_code"] = next((code for code, name in names[SUITES].items() if name == suite), suite or None)
    words["alerts"] = [{"sender": alert["sender"], "code": alert["code"]} for alert in tls.get("alerts", [])]
    return words


def misnamed(tls, names):
    """Alerts that tshark calls otherwise, blanks and capitals apart."""
    for alert in tls.get("alerts", []):
        if re.sub(r"[^a-z]+", "_", names[ALERTS].get(alert["code"], "other").lower()) != alert["description"]:
            yield f"alert {alert['code']} is called {alert['description']}, tshark: {names[ALERTS].get(alert['code'])}"


def compare(record, answer, names):
    """(field, sentence) for everything in which a record and tshark's answer disagree."""
    tls = record.get("tls")
    if answer is None or tls is None:
        if answer is not None or tls is not None:
            yield "tls", f"tls is {tls}, tshark: {answer}"
        return
    ours = in_words(tls, names)
    for field in sorted(ours.keys() | answer.keys()):
        if ours.get(field) != answer.get(field):
            yield field, f"{field} is {ours.get(field)}, tshark: {answer.get(field)}"
    for sentence in misnamed(tls, names):
        yield "alerts", sentence


def check(item):
    path, names = item
    run = common.replay(path, options=OPTIONS.get(path.name, ()))
    found = tls_oracle.examine(str(path), dissectors(run.records)) if run.records else {}
    blind = TSHARK_IS_BLIND.get(path.name, set())
    findings, missed = [], set()
    for record in run.records:
        answers = found.get(ends_of(record))
        for field, sentence in compare(record, answers.pop(0) if answers else None, names):
            missed.add(field)
            if field not in blind:
                findings.append(f"{path.name}: {record['src_port']}: {sentence}")
    return findings + [f"{path.name}: tshark does see {field}" for field in sorted(blind - missed)]


def main():
    common.need("tshark", "openssl")
    if not common.SHARED_CAPTURES.is_dir():
        if os.environ.get("CI") == "true":
            common.skip("../shared/captures is absent")
        print("../shared/captures is absent: the project's own captures alone")
    names = {field: tls_oracle.value_names(field) for field in (ALERTS, SUITES)}
    captures = common.named_captures(chosen_captures())
    findings = common.in_parallel(check, [(path, names) for path in captures])
    common.finish(findings, f"the tls objects of {len(captures)} captures are what tshark shows")


if __name__ == "__main__":
    main()
