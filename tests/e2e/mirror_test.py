#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What a mirror port delivers: the same sessions, packed another way, give the same records.

Captures of the project are packed into every tunnel by scapy (mirror.py), and tshark has to read the same TCP segments
out of them before mailtap is asked. Row G19.
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


def check_tunnel(case):
    name, tunnel = case
    source = common.OWN_CAPTURES / f"{name}.pcap"
    plain = common.replay(source)
    with common.Workspace() as folder:
        packed = folder / "packed.pcap"
        mirror.rewrite(source, packed, mirror.each(mirror.around(tunnel)))
        if segments(packed) != segments(source):
            return [f"{name} in {tunnel}: tshark reads other segments than before"]
        run = common.replay(packed)
        findings = common.check_accounts(run, common.packets_of(source))
        findings += common.check_every_worker_count(packed, run)
    if run.lines != plain.lines:
        findings.append(f"other records than without: {run.lines[:300]!r}")
    if not plain.records:
        findings.append("no records to compare")
    return [f"{name} in {tunnel}: {finding}" for finding in findings]


def main():
    common.need("capinfos", "tshark")
    common.program()
    cases = list(itertools.product(CAPTURES, mirror.TUNNELS))
    common.finish(common.in_parallel(check_tunnel, cases), f"{len(cases)} packed captures give the records of plain ones")


if __name__ == "__main__":
    main()
