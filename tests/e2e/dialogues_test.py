#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Golden dialogues as packets through the whole program: what a record says is what expect.txt says, field by field.

Every way of a dialogue is a connection of its own, all of them in one capture, at the same time. It is replayed with 1,
2 and 4 workers. The ways that must agree do so in every field that does not tell times or count packets. A few
dialogues; all of them with MAILTAP_TEST_LONG=1. Arguments after the program: names of dialogues.
"""
import calendar
import functools
import os
import sys
import time

import common

GOLDEN = common.ROOT / "tests" / "golden"
sys.path.insert(0, str(GOLDEN))

import dialogue  # pylint: disable=wrong-import-position

CHOSEN = """
    ftp-greets-like-mail imap-authenticate-forms imap-command-injected-behind-starttls
    imap-gap-in-the-answer-to-starttls imap-literals-of-every-form imap-login-in-upper-case imap-over-ipv6
    imap-starttls-refused-no-then-accepted imap-tls-from-the-first-byte-on-993 managesieve-is-not-imap
    pop3-answer-injected-behind-ok pop3-bare-ok pop3-implicit-tls-on-995 pop3-mail-full-of-commands
    pop3-pipelined-login pop3-stls-refused smtp-answer-injected-behind-220 smtp-body-full-of-commands
    smtp-certificate-of-the-server smtp-chunks-full-of-commands smtp-close-with-the-last-bytes
    smtp-commands-injected-behind-starttls smtp-downgraded-to-tls-1-2 smtp-each-direction-in-its-own-vlan
    smtp-gap-in-the-capabilities smtp-implicit-tls-on-465 smtp-masked-by-a-middlebox smtp-met-in-the-middle
    smtp-on-an-unusual-port smtp-policy-tls-required smtp-proxy-block-before-the-greeting smtp-refused-though-offered
    smtp-reset-in-the-handshake smtp-starttls-split-and-joined""".split()
MAIL_PORTS = {25, 110, 143, 465, 587, 993, 995, 2525}
LONGEST = 1500  # bytes of a dialogue that travels a byte a segment
INCONSISTENT = "inconsistent_retransmission"
# What differs between connections that say the same.
OWN = ("timestamp", "flow_id", "src_ip", "dest_ip", "community_id", "vlan")
OWN_OF_FLOW = ("start", "end", "pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient")


def word(value):
    """A value of a record as expect.txt writes it."""
    return {True: "yes", False: "no", None: "null"}.get(value, value)


def words(values):
    return " ".join(values or []) or "none"


@functools.lru_cache(maxsize=None)
def number_of_cipher(name):
    """By scapy's table of the registry."""
    from scapy.layers.tls.crypto.suites import _tls_cipher_suites  # pylint: disable=import-outside-toplevel
    return next((f"{number:04x}" for number, known in _tls_cipher_suites.items() if known == name), "0000")


def seconds_of(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))


def said(record):
    """Keys of expect.txt, and what a record says of each."""
    mail, flow, tls = record["mail"], record["flow"], record.get("tls") or {}
    starttls = mail["starttls"] or {}
    return {
        "protocol": record["app_proto"],
        "security": mail["security"],
        "outcome": starttls.get("outcome", "unknown"),
        "evidence": flow["evidence"],
        "detected_by": mail["detected_by"],
        "offered": word(starttls.get("offered")),
        "requested": word(starttls.get("requested", False)),
        "response": word(starttls.get("response")),
        "code": starttls.get("code") or "none",
        "policy": word(mail["policy"]),
        "banner": mail["banner"] or "none",
        "software": mail["software"] or "unknown",
        "client_name": mail["client_name"] or "none",
        "capabilities": words(mail["capabilities"]),
        "auth": ", ".join(f"{one['mechanism']} {one['outcome']}" for one in mail["auth"]) or "none",
        "messages": str(mail["messages"]),
        "anomalies": words(mail["anomalies"]),
        "missing": f"{flow['missing_toserver']} {flow['missing_toclient']}",
        "tls_version": tls.get("version", "unknown"),
        "tls_cipher": number_of_cipher(tls.get("cipher_suite")),
        "certificate": tls.get("certificate", "none"),
        "subject": tls.get("subject"),
        "issuer": tls.get("issuerdn"),
        "valid": " ".join(str(seconds_of(tls[key])) for key in ("notbefore", "notafter") if key in tls),
        "fingerprint": tls.get("fingerprint", "").replace(":", ""),
        "self_signed": word(tls.get("self_signed")),
        "names_host": {True: "no", False: "yes", None: "null"}[tls.get("name_mismatch")],
        "resumed": word(tls.get("session_resumed", False)),
        "alerts": words(f"{one['sender']} {one['code']}" for one in tls.get("alerts", [])),
        "sni": tls.get("sni", "none"),
        "client_alpns": words(tls.get("client_alpns")),
        "server_alpn": words(tls.get("server_alpns")),
    }


# Counters are of the whole run; a hello's bytes are in no record.
NOT_COMPARED = {"records", "lost", "lone_lf", "not_mail", "oversized", "client_hello"}


def expected(path, prefix):
    """What expect.txt says of one side (`client-alone.`), or without a prefix of both."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(": ")
        if value and not key.startswith("#") and key.startswith(prefix) and "." not in key[len(prefix):]:
            found[key[len(prefix):]] = value
    return found


def ways_of(read, is_short):
    """name -> the segments of every way in which a dialogue may travel here."""
    ways = dict(dialogue.ALL_WAYS)
    if read.length("C") + read.length("S") > LONGEST:
        del ways["a byte a segment"]
    # A greeting on another port is found by its first byte: that one must arrive first (DESIGN.md 3).
    if read.server_port not in MAIL_PORTS:
        ways = {name: way for name, way in ways.items() if "swapped" not in name and "late" not in name}
    made = {name: way(read) for name, way in ways.items()}
    if is_short:
        made.update(cuts_around_starttls(read))
    return made


def cuts_around_starttls(read):
    """The segment that asks and the one behind it, cut at every position."""
    made, segments = {}, dialogue.between(read)
    for asked, segment in enumerate(segments):
        if segment.side != "C" or not segment.data.rstrip().upper().endswith((b"STARTTLS", b"STLS")):
            continue
        for number in range(asked, min(asked + 2, len(segments))):
            for at in range(1, min(len(segments[number].data), 40)):
                made[f"segment {number + 1} cut behind byte {at}"] = dialogue.cut(read, number, at)
    return made


class Connection:
    """One way of one dialogue, and what has to be said of it."""

    def __init__(self, name, way):
        self.name, self.way = name, way
        self.side = way.replace(" ", "-") + "." if way in dialogue.ONE_SIDED else ""
        self.expected = expected(GOLDEN / name / "expect.txt", self.side)

    def check(self, records):
        findings = []
        if not self.side and len(records) != int(self.expected.get("records", 1)):
            findings.append(f"{len(records)} records")
        for record in records:
            anomalies = record["mail"]["anomalies"]
            if self.way in dialogue.CONTRADICTIONS and INCONSISTENT in anomalies:
                anomalies.remove(INCONSISTENT)
            elif self.way in dialogue.CONTRADICTIONS:
                findings.append(f"no {INCONSISTENT}")
            ours = said(record)
            findings += [f"{key}: ours {ours.get(key)!r}, expected {value!r}" for key, value in self.expected.items()
                         if key not in NOT_COMPARED and ours.get(key) != value]
        return [f"{self.name}, {self.way}: {finding}" for finding in findings]


def facts(records, way):
    """What connections that say the same have in common."""
    # Where a FIN overtakes the only data there is, it comes to no session.
    own_of_flow = (*OWN_OF_FLOW, "reason") if "swapped" in way else OWN_OF_FLOW
    return [{key: value for key, value in record.items() if key not in (*OWN, "flow")} |
            {"flow": {key: value for key, value in record["flow"].items() if key not in own_of_flow}}
            for record in records]


def make_capture(path, names):
    """Every way of the dialogues in one capture. Gives {addresses: Connection}, and the number of packets."""
    import packets  # pylint: disable=import-outside-toplevel
    connections, frames = {}, []
    for name in names:
        read = dialogue.read(GOLDEN / name / "dialogue.txt")
        for way, segments in ways_of(read, name in CHOSEN).items():
            number = len(connections)
            ends = packets.ends_of(number, read.is_ipv6)
            connections[ends["C"], ends["S"]] = Connection(name, way)
            frames += packets.connection(read, segments, number, number * 100)
    packets.write(path, frames)
    return connections, len(frames)


def check(run, connections):
    by_ends, whole, findings = {}, {}, []
    for record in run.records:
        by_ends.setdefault((record["src_ip"], record["dest_ip"]), []).append(record)
    for ends in by_ends.keys() - connections.keys():
        findings.append(f"a record of {ends}: client and server mistaken for each other")
    for ends, connection in connections.items():
        records = by_ends.get(ends, [])
        findings += connection.check(records)
        if connection.side:
            continue
        ours = facts(records, connection.way)
        if ours != facts(whole.setdefault(connection.name, records), connection.way):
            findings.append(f"{connection.name}, {connection.way}: {ours} differs from whole")
    return findings


def main():
    common.program()
    everything = sorted(path.parent.name for path in GOLDEN.glob("*/dialogue.txt"))
    names = sys.argv[2:] or (everything if os.environ.get("MAILTAP_TEST_LONG") else CHOSEN)
    with common.Workspace() as folder:
        capture = folder / "golden.pcap"
        connections, packets = make_capture(capture, names)
        run = common.replay(capture)
        findings = [] if run.status == 0 else [f"status {run.status}: {run.says()}"]
        findings += common.check_accounts(run, packets)
        findings += common.check_every_worker_count(capture, run)
        findings += common.check_records(run)
        findings += check(run, connections)
    common.finish(findings, f"{len(names)} dialogues say what is expected, {len(connections)} connections of them")


if __name__ == "__main__":
    main()
