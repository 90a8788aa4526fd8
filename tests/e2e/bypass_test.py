#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""--bypass on: what mailtap asks of a device, and that its accounts hold; with rules in software of the test's own.

soft_rules.c stands where a driver's rules would: no device here has any that will do, and nothing is said about one
that has. Two sessions under TLS, over IPv4 and IPv6, go on for longer than the timeout with nothing but what is
dropped; both stay open, and end with a reset whose numbers lie far behind what was seen. Every frame that was sent is
received or counted as dropped. Then the drivers that are here are asked, and say no: the run goes on, and everything
comes.
"""
import json
import os
import struct

import common
import craft
import monitoring
import wire

CAPTURES = ("imap-starttls-tls13.pcap", "pop3-stls-tls12-ipv6.pcap")
TIMEOUT = 8  # seconds
BEGIN, END, AFTERWARDS = 1, 11.5, 12.5  # seconds behind the handshakes: what is dropped, the ends, stragglers
STEP, BURST = 0.5, 125  # seconds from one burst to the next; frames of each direction and session
HELD_UP = TIMEOUT / 2  # seconds without a frame after which the sender, not mailtap, has failed: a busy machine
ATTEMPTS = 3
ENOUGH = 1000  # frames: more than a window of a MiB
DATA = bytes(1200)
WORD = struct.Struct("!I")


class Connection:
    """A capture's only session, up to its end, and frames that go on with it. Checksums are left as they are."""

    def __init__(self, name):
        self.frames, self.next = [], {}  # side: its last frame's headers, number of its next byte
        with open(common.OWN_CAPTURES / name, "rb") as file:
            file.read(24)
            while header := file.read(wire.HEADER.size):
                frame = file.read(wire.HEADER.unpack(header)[2])
                self.tcp = 34 if frame[12:14] == b"\x08\x00" else 54
                if frame[self.tcp + 13] & (craft.FIN | craft.RESET):
                    break
                self.note(frame)

    def note(self, frame):
        end = self.tcp + (frame[self.tcp + 12] >> 4) * 4
        length = int.from_bytes(frame[16:18], "big") - (end - 14) if self.tcp == 34 else \
            int.from_bytes(frame[18:20], "big") - (end - 54)
        seq = WORD.unpack_from(frame, self.tcp + 4)[0] + length + bool(frame[self.tcp + 13] & craft.SYN)
        side = frame[self.tcp:self.tcp + 2]
        seq = max(seq, self.next[side][1]) if side in self.next else seq
        self.next[side] = frame[:end], seq
        self.frames.append(frame)

    def go_on(self, side, flags, data=b""):
        """The next frame of a side."""
        headers, seq = self.next[side]
        other = next(one for one in self.next if one != side)
        frame = bytearray(headers) + data
        if self.tcp == 34:
            frame[16:18] = (len(frame) - 14).to_bytes(2, "big")
        else:
            frame[18:20] = (len(frame) - 54).to_bytes(2, "big")
        frame[self.tcp + 4:self.tcp + 12] = WORD.pack(seq % 2**32) + WORD.pack(self.next[other][1] % 2**32)
        frame[self.tcp + 13] = flags
        self.next[side] = headers, seq + len(data)
        return bytes(frame)

    def burst(self):
        return [self.go_on(side, craft.ACK, DATA) for _ in range(BURST) for side in self.next]

    def reset(self):
        return self.go_on(next(iter(self.next)), craft.RESET | craft.ACK)


def life(connections):
    """(seconds, frames) of the whole of it."""
    yield 0, [frame for one in connections for frame in one.frames]
    for step in range(int((END - BEGIN) / STEP)):
        yield BEGIN + step * STEP, [frame for one in connections for frame in one.burst()]
    yield END, [one.reset() for one in connections]
    yield AFTERWARDS, [frame for one in connections for frame in one.burst()]


def play(within, folder, records):
    """Result: what was sent, the report, what was said, findings; or None where the sender was held up."""
    preloaded = [*within, "env", f"LD_PRELOAD={os.environ['SOFT_RULES']}"]
    sent = [(int(seconds * 1e6), frame) for seconds, frames in life([Connection(name) for name in CAPTURES])
            for frame in frames]
    (folder / "feed.pcap").write_bytes(craft.timed_pcap(sent))
    findings = []
    options = ("--bypass", "on", "--timeout", str(TIMEOUT), "--records", str(records))
    with wire.watch(preloaded, folder, *options) as watching:
        if wire.send_in_time(within, folder / "feed.pcap") > HELD_UP:
            return None
        if not wire.wait_for(lambda: watching.value("mailtap_bypass_rules") == 0):
            findings.append("rules outlive their connections")
        if watching.value("mailtap_stray_packets_total"):
            findings.append(f"{watching.value('mailtap_stray_packets_total')} packets count as strays")
        wire.wait_for(lambda: watching.received() == len(sent))
        return [frame for _, frame in sent], watching.finish(), watching.errors.read_text(), findings


def check_rules(within, folder):
    records = folder / "records.json"
    for _ in range(ATTEMPTS):
        records.unlink(missing_ok=True)
        played = play(within, folder, records)
        if played is not None:
            break
    else:
        return [f"the sender was held up {ATTEMPTS} times: this machine has too much to do"]
    sent, report, said, findings = played
    if "port 0: bypass, the device drops decided encrypted connections over IPv4 and IPv6" not in said:
        findings.append(f"said at the start: {said}")
    bypassed, written = report["bypassed"], [json.loads(line) for line in records.read_text().splitlines()]
    size = sum(map(len, sent))
    if report["packets"] + bypassed["packets"] != len(sent) or report["bytes"] + bypassed["bytes"] != size:
        findings.append(f"{len(sent)} frames of {size} bytes sent, {report['packets']} of {report['bytes']} received, "
                        f"{bypassed['packets']} of {bypassed['bytes']} dropped")
    if bypassed["packets"] < ENOUGH * 2 * len(CAPTURES):
        findings.append(f"of what came while rules stood only {bypassed['packets']} were dropped")
    if bypassed["sessions"] != {"rules": len(CAPTURES), "refused": 0, "full": 0, "busy": 0} or \
            any(bypassed["failures"].values()):
        findings.append(f"{bypassed}")
    if sorted((one["flow"]["reason"], one["mail"]["security"]) for one in written) != [("rst", "starttls")] * 2:
        findings.append(f"{written}")
    return findings


def check_without(within, folder):
    """No driver here takes such rules: said, and without consequence."""
    sent, findings = [], []
    for connection in map(Connection, CAPTURES):
        sent += connection.frames + connection.burst()
    (folder / "feed.pcap").write_bytes(craft.pcap(sent))
    with wire.watch(within, folder, "--bypass", "on") as watching:
        wire.send(within, folder / "feed.pcap")
        wire.wait_for(lambda: watching.received() == len(sent))
        report = watching.finish()
        said = watching.errors.read_text()
    bypassed = report["bypassed"]
    if report["packets"] != len(sent) or bypassed["packets"] or any(bypassed["sessions"].values()):
        findings.append(f"without rules: {report['packets']} of {len(sent)} received, {bypassed}")
    devices = ["--vdev", "net_null0,copy=0", "--vdev", "net_ring0"]
    options = ["--bypass", "on", "--duration", "0.1", "--counters", "none", "--server-memory", "none"]
    done = common.Run([*within, common.program(), *monitoring.LIVE, *devices, "--", *options])
    said += done.err.decode()
    if said.count(": no bypass, the driver does not take its rules: ") != 3 or done.status != 0:
        findings.append(f"status {done.status}, said at the start: {said}")
    return findings


def main():
    wire.need_root()
    with common.Workspace() as folder, wire.namespace() as within:
        findings = check_rules(within, folder) + check_without(within, folder)
    common.finish(findings, "what a device drops is counted, keeps its session alive, and ends with it")


main()
