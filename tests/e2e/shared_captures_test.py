#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Every shared capture through mailtap, compared with what tshark says about it (oracle.py).

Protocol, security, STARTTLS asked for and offered have to agree for every mail session, and no other connection may
have a record. Where we differ and can prove that we are right, the proof stands in exceptions.tsv; a row there that
no longer applies is a finding too, so that the table cannot rot. Arguments after the program: names of captures.
"""
import csv
import ipaddress
import pathlib
import sys

import common
import oracle

EXCEPTIONS = pathlib.Path(__file__).with_name("exceptions.tsv")
COMPARED = ("app_proto", "security", "requested", "offered")

# What else than "done" is right: the status, a word that standard error then holds, and the packets that libpcap
# gives (None: as many as capinfos counts).
STATUS = {
    "smtp-to-comma__10.7.29.101_49898-178.63.41.150_25.pcap": (3, "smtp-to-comma", None),  # damaged on purpose
    "defrag__bug-6887-defrag-ppp-ipv4-tcp-syn__frag-ppp-ip-tcp-syn.pcap": (2, "PPP", 0),  # link type not decoded
    "gap-data-missing.pcapng": (2, "cannot be read", 0),  # libpcap refuses interfaces of unequal snap lengths
}


def read_exceptions():
    with open(EXCEPTIONS, encoding="utf-8", newline="") as table:
        rows = [line for line in table if not line.startswith("#")]
    return {(row["capture"], row["session"], row["field"]): row for row in csv.DictReader(rows, delimiter="\t")}


def key(source, source_port, target, target_port):
    return (str(ipaddress.ip_address(source)), source_port, str(ipaddress.ip_address(target)), target_port)


def by_connection(sessions):
    """Sessions of the same ends one after the other stay in their order."""
    found = {}
    for session in sessions:
        ends = key(session["src_ip"], session["src_port"], session["dest_ip"], session["dest_port"])
        found.setdefault(ends, []).append(session)
    return found


def of_record(record):
    """A record in the oracle's words. "offered: null" (no list seen whole) and false both mean: no offer was seen."""
    starttls = record["mail"]["starttls"] or {}
    return {"app_proto": record["app_proto"], "security": record["mail"]["security"],
            "requested": bool(starttls.get("requested")), "offered": bool(starttls.get("offered"))}


def differences(truth, records):
    """(session, field, ours, tshark's, packet) for everything in which the two disagree."""
    expected, written = by_connection(truth), by_connection(records)
    for ends in sorted(expected.keys() | written.keys(), key=str):
        name = f"{ends[1]}>{ends[3]}"
        wanted, ours = expected.get(ends, []), written.get(ends, [])
        if len(wanted) != len(ours):
            yield name, "records", str(len(ours)), str(len(wanted)), wanted[0]["packets"] if wanted else []
            continue
        for session, record in zip(wanted, ours):
            left, right = of_record(record), oracle.in_short(session)
            for field in COMPARED:
                if left[field] != right[field]:
                    yield name, field, str(left[field]), str(right[field]), session["packets"]


def check(path):
    """All findings of one capture."""
    exceptions = read_exceptions()
    name = f"{path.parent.name}/{path.name}"
    status, word, packets = STATUS.get(path.name, (0, "", None))
    run = common.replay(path)
    findings = []
    if run.status != status:
        findings.append(f"status {run.status}, expected {status}: {run.says()}")
    if word and word not in run.err.decode("utf-8", "replace"):
        findings.append(f"standard error does not name {word}: {run.says()}")
    if status != 2:
        findings += common.check_accounts(run, common.packets_of(path) if packets is None else packets)
    findings += common.check_every_worker_count(path, run)
    findings += common.check_records(run)
    if run.report is not None:
        findings += compare(path, run, name, exceptions)
    return [f"{name}: {finding}" for finding in findings]


def compare(path, run, name, exceptions):
    findings, used = [], set()
    for session, field, ours, theirs, packets in differences(oracle.examine(str(path))["sessions"], run.records):
        row = exceptions.get((name, session, field))
        if row and (row["ours"], row["tshark"]) == (ours, theirs):
            used.add((name, session, field))
        else:
            findings.append(f"{session} {field}: ours {ours}, tshark's {theirs} (packets {packets})")
    findings += [f"the exception {entry[1]} {entry[2]} does not apply" for entry in exceptions
                 if entry[0] == name and entry not in used]
    return findings


def main():
    if not common.SHARED_CAPTURES.is_dir():
        common.skip("skipped: the shared captures are not beside the project (../shared/captures)")
    common.need("tshark", "capinfos")
    common.program()
    captures = common.named_captures(path for path in common.SHARED_CAPTURES.glob("*/*")
                                     if path.suffix in (".pcap", ".pcapng"))
    names = {f"{path.parent.name}/{path.name}" for path in captures}
    unknown = [] if len(sys.argv) > 2 else [f"exceptions.tsv names {entry[0]}, which does not exist"
                                            for entry in read_exceptions() if entry[0] not in names]
    common.finish(unknown + common.in_parallel(check, captures), f"{len(captures)} captures agree with tshark")


if __name__ == "__main__":
    main()
