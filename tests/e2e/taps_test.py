#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Two taps, one for each direction, on two ports: the records are those of the whole wire.

The project's captures are taken apart by direction, one direction's time stamps moved by up to 100 ms, and both parts
received at once by two ports and one, two or four workers, live. A worker gets nothing of the other direction from its
own port: every session needs what was handed over. Everything is compared with the replay of the capture but times, and
the numbers of frames and their bytes, which begin with the first payload to arrive: the other tap's may be on its way.

Files come as fast as they are read, in any order, while a wire keeps time: so the captures are played in 90 ms, and in no
order of arrival does a byte seem to be missing for the 200 ms after which it is given up.
"""
import json
import os
import pathlib
import signal
import struct
import subprocess
import time

import common

CAPTURES = ("smtp-starttls-tls13", "smtp-auth-login", "smtp-pipelined", "imap-starttls-refused", "imap-append",
            "pop3-stls-tls12-ipv6", "pop3-pipelined", "imaps-tls12", "mixed-six-sessions")
LATE_MS = (0, 30, 100)
PLAYED_US = 90000
PATIENCE = 30
HEADER = struct.Struct("<IIII")


def frames_of(path):
    """(microseconds, frame) of a capture of the old format, little-endian."""
    data, at, frames = path.read_bytes(), 24, []
    while at < len(data):
        seconds, micros, kept, _ = HEADER.unpack_from(data, at)
        at += HEADER.size
        frames.append((seconds * 1_000_000 + micros, data[at:at + kept]))
        at += kept
    return data[:24], frames


def is_clients(frame):
    """The project's clients have ports above all the servers'."""
    ip = frame[14:]
    ports = ip[(ip[0] & 15) * 4:] if ip[0] >> 4 == 4 else ip[40:]
    source, target = struct.unpack_from("!HH", ports)
    return source > target


def take_apart(capture, folder, late_ms):
    """The two files."""
    head, frames = frames_of(capture)
    begin, end = frames[0][0], max(when for when, _ in frames)
    frames = [(begin + (when - begin) * PLAYED_US // max(end - begin, PLAYED_US), frame) for when, frame in frames]
    paths = []
    for name, wanted, late in (("to-server", True, 0), ("to-client", False, late_ms * 1000)):
        path = folder / f"{name}.pcap"
        path.write_bytes(head + b"".join(
            HEADER.pack((when + late) // 1_000_000, (when + late) % 1_000_000, len(frame), len(frame)) + frame
            for when, frame in frames if is_clients(frame) == wanted))
        paths.append(path)
    return paths, len(frames)


def packets_taken(name):
    done = subprocess.run([common.program("MAILTAP_STAT"), "--counters", name, "--json"], capture_output=True,
                          check=False)
    metrics = json.loads(done.stdout)["metrics"] if done.stdout else {}
    return sum(one["value"] for one in metrics.get("mailtap_packets_total", {}).get("series", []))


def receive(paths, packets, workers, folder):
    """The records of a live run that was ended when all had come."""
    name, records = f"taps-test-{os.getpid()}", folder / "records.json"
    records.unlink(missing_ok=True)
    command = [common.program(), "--no-huge", "-m", "256", "--no-pci", "--no-shconf", "--no-telemetry", "--log-level=*:error",
               "--lcores", f"(0-{workers})@(0,1)"]
    for number, path in enumerate(paths):
        command += ["--vdev", f"net_pcap{number},rx_pcap={path}"]
    command += ["--", "--records", records, "--counters", name, "--report", "none", "--server-memory", "none"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE
        while packets_taken(name) < packets and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
        pathlib.Path("/dev/shm", name).unlink(missing_ok=True)
    return [json.loads(line) for line in records.read_bytes().splitlines()]


def check(name, folder):
    capture, findings = common.OWN_CAPTURES / f"{name}.pcap", []
    expected = common.comparable(common.replay(capture).records)
    for number, late_ms in enumerate(LATE_MS):
        paths, packets = take_apart(capture, folder, late_ms)
        workers = (1, 2, 4)[number]
        found = common.comparable(receive(paths, packets, workers, folder))
        if len(found) != len(expected):
            findings.append(f"{name}, {late_ms} ms late, {workers} workers: {len(found)} records, {len(expected)} expected")
        findings += [f"{name}, {late_ms} ms late, {workers} workers: {difference}"
                     for one, other in zip(expected, found) for difference in common.differences(one, other)]
    return findings


def main():
    with common.Workspace() as folder:
        findings = [finding for name in CAPTURES for finding in check(name, folder)]
    common.finish(findings, f"{len(CAPTURES)} captures by two taps, up to {max(LATE_MS)} ms apart")


main()
