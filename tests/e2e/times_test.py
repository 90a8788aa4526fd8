#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The histograms of times say what the packets' time stamps say, as tshark sees them.

Count and sum of each histogram, by protocol, for the captures of the project whose sessions are on ports that tshark
knows: from the SYN-ACK to the server's first words, from STARTTLS to its answer, from the client's hello to the later
one of the two first encrypted records. Those with a finished handshake, which have all of it; with MAILTAP_TEST_LONG=1
the others too. Arguments after the program: words in the names of captures.
"""
import collections
import json
import os

import common

FIELDS = ["frame.time_epoch", "tcp.stream", "tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.len", "smtp.command_line",
          "imap.request.command", "pop.request.command", "tls.record.content_type", "tls.record.opaque_type",
          "tls.handshake.type", "tls.handshake.extensions.supported_version"]
PORTS = {25: "smtp", 587: "smtp", 465: "smtp", 143: "imap", 993: "imap", 110: "pop3", 995: "pop3"}
ASKS = {"STARTTLS", "STARTTLS\\R\\N", "STLS"}
SYN_ACK = 0x12
FINISHED = ("starttls", "implicit_tls")
CHANGE_CIPHER_SPEC, CLIENT_HELLO, SERVER_HELLO, TLS_1_3 = "20", "1", "2", "0x0304"
ROUNDED_NS = 1000  # a replay's time stamps are whole microseconds
# tshark sees a command where there is none: in a mailbox's literal.
NO_COMMANDS = {"imap-append-keywords.pcap"}


def nanoseconds(text):
    seconds, fraction = text.split(".")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9])


def packets_of(capture):
    """Stream -> its packets that are known to tshark as TCP."""
    command = ["tshark", "-n", "-2", "-r", capture, "-Y", "tcp.stream", "-T", "fields", "-E", "separator=/t",
               "-E", "aggregator=;"]
    streams = collections.defaultdict(list)
    for line in common.Run(command + [word for field in FIELDS for word in ("-e", field)]).out.decode().splitlines():
        packet = dict(zip(FIELDS, line.split("\t")))
        streams[packet["tcp.stream"]].append(packet)
    return streams.values()


def is_tls_1_3(packet):
    return SERVER_HELLO in packet["tls.handshake.type"].split(";") and \
        TLS_1_3 in packet["tls.handshake.extensions.supported_version"]


def is_encrypted(packet, records, is_new, has_changed):
    """TLS 1.3 marks a record by its outer type; before it, what follows a ChangeCipherSpec is encrypted."""
    if is_new:
        return packet["tls.record.opaque_type"] != ""
    return bool(records) and (has_changed or CHANGE_CIPHER_SPEC in records[:-1])


def moments_of(packets, server_port):
    """The moments of one connection, by name."""
    seen, changed, encrypted = {}, set(), {}
    is_new = any(map(is_tls_1_3, packets))
    for packet in packets:
        time, is_server = nanoseconds(packet["frame.time_epoch"]), int(packet["tcp.srcport"]) == server_port
        if int(packet["tcp.flags"], 16) & SYN_ACK == SYN_ACK:
            seen["syn_ack"] = time
        if packet["tcp.len"] == "0":
            continue
        if is_server and "hello" not in seen:
            seen.setdefault("greeting", time)
        words = packet["smtp.command_line"] or packet["imap.request.command"] or packet["pop.request.command"]
        if not is_server and set(words.upper().split(";")) & ASKS:
            seen["asked"] = time
            seen.pop("answered", None)
        elif is_server and "asked" in seen:
            seen.setdefault("answered", time)
        if CLIENT_HELLO in packet["tls.handshake.type"].split(";"):
            seen.setdefault("hello", time)
        records = packet["tls.record.content_type"].split(";") if packet["tls.record.content_type"] else []
        if is_encrypted(packet, records, is_new, is_server in changed):
            encrypted.setdefault(is_server, time)
        if CHANGE_CIPHER_SPEC in records:
            changed.add(is_server)
    if len(encrypted) == 2:
        seen["encrypted"] = max(encrypted.values())
    return seen


HISTOGRAMS = {"mailtap_greeting_seconds": ("syn_ack", "greeting"),
              "mailtap_starttls_response_seconds": ("asked", "answered"),
              "mailtap_tls_handshake_seconds": ("hello", "encrypted")}


def expected(capture):
    """{(metric, protocol): [nanoseconds of each session]}. The truth says where a handshake came to its end."""
    found = collections.defaultdict(list)
    established = {one["src_port"] for one in common.truth_of(capture) if one["security"] in FINISHED}
    for packets in packets_of(capture):
        port = int(packets[0]["tcp.dstport"])
        seen = moments_of(packets, port)
        if int(packets[0]["tcp.srcport"]) not in established:
            seen.pop("encrypted", None)
        for metric, (begin, end) in HISTOGRAMS.items():
            if port in PORTS and begin in seen and end in seen:
                found[metric, PORTS[port]].append(seen[end] - seen[begin])
    return found


def shown(metrics):
    return {(metric, sample["labels"]["protocol"]): sample for metric in HISTOGRAMS
            for sample in metrics[metric]["series"] if sample["count"]}


def check(capture):
    name = f"mailtap-e2e-times-{os.getpid()}"
    try:
        run = common.replay(capture, options=["--counters", name])
        said = common.Run([common.program("MAILTAP_STAT"), "--counters", name, "--json"])
    finally:
        (common.SHARED_MEMORY / name).unlink(missing_ok=True)
    ours, wanted = shown(json.loads(said.out)["metrics"]), expected(capture)
    findings = []
    for place in sorted(ours.keys() | wanted.keys()):
        times, sample = wanted.get(place, []), ours.get(place, {"count": 0, "sum": 0})
        if sample["count"] != len(times) or abs(sample["sum"] * 1e9 - sum(times)) > ROUNDED_NS * len(times):
            findings.append(f"{capture.name}: {place}: {sample['count']} in {sample['sum']} s, tshark {times} ns")
    return findings if run.status == 0 else [f"{capture.name}: status {run.status}: {run.says()}"]


def is_comparable(capture):
    """A record is owed, and tshark knows the port."""
    sessions = common.truth_of(capture)
    is_wanted = os.environ.get("MAILTAP_TEST_LONG") == "1" or any(one["security"] in FINISHED for one in sessions)
    return sessions and is_wanted and capture.name not in NO_COMMANDS and \
        all(one["dest_port"] in PORTS for one in sessions)


def main():
    common.need("tshark")
    common.program()
    common.program("MAILTAP_STAT")
    captures = [capture for capture in common.named_captures(common.OWN_CAPTURES.glob("*.pcap*"))
                if is_comparable(capture)]
    common.finish(common.in_parallel(check, captures), f"the times of {len(captures)} captures are tshark's")


if __name__ == "__main__":
    main()
