#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What a mirror port delivers: the same sessions, packed another way, give the same records.

Captures of the project are packed into every tunnel and cut into fragments by scapy (mirror.py), and tshark has to
read the same TCP segments out of them before mailtap is asked. Row G19. What cannot be put together is a loss with a
name.
"""
import itertools
import subprocess

import common
import mirror

CAPTURES = ("smtp-starttls-tls13", "pop3-stls-tls12-ipv6")


def segments(path):
    """TCP's own numbers of every segment, the innermost of each frame, as tshark reads them."""
    done = subprocess.run(["tshark", "-r", path, "-n", "-o", "tcp.desegment_tcp_streams:FALSE", "-T", "fields", "-e",
                           "tcp.srcport", "-e", "tcp.seq_raw", "-e", "tcp.len"], capture_output=True, text=True,
                          check=True)
    return [line for line in done.stdout.splitlines() if line.strip()]


def then(*changes):
    """Changes of a list of frames, one after the other."""
    def change(frames):
        for one in changes:
            frames = one(frames)
        return frames
    return change


def wrap(name):
    return mirror.each(mirror.around(name))


def twice(parts):
    return [part for part in parts for _ in range(2)]


# What is done to a capture without changing what is said in it.
CHANGES = {
    **{f"in {name}": wrap(name) for name in mirror.TUNNELS},
    "in two tunnels": then(wrap("gre"), wrap("vxlan")),
    "in fragments": mirror.cut(3),
    "in fragments, backwards": mirror.cut(8, lambda parts: parts[::-1]),
    "in fragments, each twice": mirror.cut(4, twice),
    "in a tunnel in fragments": then(wrap("vxlan"), mirror.cut(2)),
    "in an IPv6 tunnel in fragments": then(wrap("gre_key_over_ipv6"), mirror.cut(3, lambda parts: parts[::-1])),
    "in fragments in a tunnel": then(mirror.cut(3), wrap("gre")),
}


def check_change(case):
    name, change = case
    source = common.OWN_CAPTURES / f"{name}.pcap"
    plain = common.replay(source)
    with common.Workspace() as folder:
        changed = folder / "changed.pcap"
        packets = mirror.rewrite(source, changed, CHANGES[change])
        if segments(changed) != segments(source):
            return [f"{name} {change}: tshark reads other segments than before"]
        run = common.replay(changed)
        findings = common.check_accounts(run, packets)
        findings += common.check_every_worker_count(changed, run)
    if run.lines != plain.lines:
        findings.append(f"other records than before: {run.lines[:300]!r}")
    if not plain.records:
        findings.append("no records to compare")
    if sum(run.report["losses"].values()):
        findings.append(f"losses: {run.report['losses']}")
    return [f"{name} {change}: {finding}" for finding in findings]


def first_data(frames):
    """The number of the first frame with a payload to spoil."""
    return next(i for i, frame in enumerate(frames) if frame.haslayer("Raw") and len(frame["Raw"].load) > 80)


def spoiled(spoil):
    """A change that cuts one datagram into fragments and spoils them; the rest of the capture stays whole."""
    def change(frames):
        at = first_data(frames)
        return frames[:at] + spoil(frames[at]) + frames[at + 1:]
    return change


def overlapping(frame):
    """Three fragments, and in front of the last one another that covers a part of the second again."""
    parts = mirror.pieces(frame, 32)
    again = parts[1].copy()
    again["IP"].frag -= 1
    del again["IP"].chksum
    return parts[:2] + [again] + parts[2:]


# name: what happens to the fragments of one datagram, the loss that names it, and how many fragments that loses
LOSSES = {
    "one is missing": (lambda frame: mirror.pieces(frame, 32)[:-1], "fragment_timeout", lambda parts: parts),
    "more than eight": (lambda frame: mirror.pieces(frame, 24), "fragment_too_many", None),
    "they overlap": (overlapping, "fragment_overlap", lambda parts: parts),
    "one is cut": (lambda frame: [mirror.Ether(bytes(part)[:-4]) if i == 0 else part
                                  for i, part in enumerate(mirror.pieces(frame, 32))], "fragment_cut", lambda parts: 1),
}


def check_loss(name):
    """A datagram that cannot be put together is a loss with a name, and the session goes on behind a gap."""
    spoil, reason, expected = LOSSES[name]
    source = common.OWN_CAPTURES / "smtp-starttls-tls13.pcap"
    with common.Workspace() as folder:
        changed = folder / "changed.pcap"
        packets = mirror.rewrite(source, changed, spoiled(spoil))
        parts = packets - common.packets_of(source) + 1
        run = common.replay(changed)
        findings = common.check_accounts(run, packets) + common.check_every_worker_count(changed, run)
    lost = run.report["losses"].get(reason, 0)
    if lost == 0 or (expected and lost != expected(parts)):
        findings.append(f"{reason} {lost} of {parts} fragments: {run.report['losses']}")
    if [record["flow"]["evidence"] for record in run.records] != ["gap"]:
        findings.append(f"the session does not say that bytes are missing: {run.records}")
    return [f"{name}: {finding}" for finding in findings]


def check(case):
    return check_loss(case[1]) if case[0] is None else check_change(case)


def main():
    common.need("capinfos", "tshark")
    common.program()
    cases = list(itertools.product(CAPTURES, CHANGES)) + [(None, name) for name in LOSSES]
    common.finish(common.in_parallel(check, cases), f"{len(cases)} changed captures say what the plain ones say")


if __name__ == "__main__":
    main()
