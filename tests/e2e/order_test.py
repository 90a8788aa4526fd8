#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Records come in one order: by the time at which a session was known to be over, whatever the workers.

A capture with more sessions than a replay gathers before it writes: most close, some are reset, some fall silent and
are over a timeout later, some are open when the capture ends. The order that is expected is computed from the packets'
times alone. The counter of records behind their place has to stay 0.
"""
import ipaddress
import os
import pathlib
import random
import subprocess

import common
import craft

SESSIONS = 6000
TIMEOUT = 30  # seconds
ENDS = ("fin",) * 6 + ("rst", "silent")


def connection(number, chance):
    """Packets with their times in microseconds, how the session ends, and the client's address and port."""
    how = chance.choice(ENDS)
    client, port = f"198.51.100.{number % 200}", 20000 + number // 200
    frames = craft.session(craft.DIALOGUE[:3], client_port=port, client=client, ending=how)
    begin, gap = chance.randrange(120_000_000), chance.choice((100, 5_000, 400_000))
    return [(begin + place * gap, frame) for place, frame in enumerate(frames)], how, (client, port)


def expected_order(connections):
    """The clients in the order of ends; the last packet's time, address and port decide between equals."""
    capture_end = max(packets[-1][0] for packets, _, _ in connections)
    keys = []
    for packets, how, (client, port) in connections:
        last = packets[-1][0]
        over = min(last + TIMEOUT * 1_000_000, capture_end) if how == "silent" else last
        keys.append((over, last, ipaddress.ip_address(client), port))
    return [(str(client), port) for _, _, client, port in sorted(keys)]


def late_records(capture, workers):
    """The counter of records behind their place, by mailtap-stat."""
    name = f"order-{os.getpid()}"
    options = ("--counters", name, "--timeout", TIMEOUT)
    try:
        common.replay(capture, workers, options)
        shown = subprocess.run([common.program("MAILTAP_STAT"), "--counters", name, "--openmetrics"],
                               capture_output=True, text=True, check=False).stdout
    finally:
        pathlib.Path("/dev/shm", name).unlink(missing_ok=True)
    return [line.split()[1] for line in shown.splitlines() if line.startswith("mailtap_records_late_total")]


def main():
    common.program()
    chance = random.Random(1)  # the same capture each time
    connections = [connection(number, chance) for number in range(SESSIONS)]
    packets = sorted(packet for one in connections for packet in one[0])
    expected = expected_order(connections)
    findings = []
    with common.Workspace() as folder:
        capture = folder / "order.pcap"
        capture.write_bytes(craft.timed_pcap(packets))
        for workers in (1, 2, 4):
            run = common.replay(capture, workers, ("--timeout", TIMEOUT))
            written = [(record["src_ip"], record["src_port"]) for record in run.records]
            if run.status != 0:
                findings.append(f"{workers} workers: status {run.status}: {run.says()}")
            elif sorted(written) != sorted(expected):
                findings.append(f"{workers} workers: {len(written)} records, {len(expected)} sessions")
            elif written != expected:
                place = next(i for i, pair in enumerate(zip(written, expected)) if pair[0] != pair[1])
                findings.append(f"{workers} workers: record {place + 1} is not in its place")
            if [record["flow_id"] for record in run.records] != list(range(1, len(run.records) + 1)):
                findings.append(f"{workers} workers: flow_id does not follow the order")
        late = late_records(capture, 4)
        if late != ["0"]:
            findings.append(f"records behind their place: {late}")
    common.finish(findings, f"{SESSIONS} records in one order")


if __name__ == "__main__":
    main()
