#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""A device that brings everything to the wrong core: fragments, tunnels and both directions over all queues in turn.

Sessions of the project's captures, each packed in its own way by scapy (mirror.py), go on side by side; every queue of one
port, a wire of its own, gets each so-manieth frame, and one, two or four workers read them. Nothing may hang on who is
faster: a frame is sent when the one before is accounted for. The records are those of the plain captures' replays, but for
times, and for the numbers of frames and bytes: tunnels and fragments have more of those.
"""
import json
import os
import socket
import sys
import time

from scapy.all import IP, rdpcap

import common
import counters_reader
import craft
import mirror
import monitoring
import wire

QUEUES = 4
FRAGMENTS, TUNNEL = mirror.cut(3), mirror.each(mirror.around("vxlan"))
# capture: what is done to it, one thing after the other
PACKED = {
    "smtp-starttls-tls13": (),
    "smtp-auth-login": (FRAGMENTS,),
    "smtp-pipelined": (mirror.cut(8, lambda parts: parts[::-1]),),
    "imap-starttls-refused": (TUNNEL,),
    "imap-append": (mirror.each(mirror.around("gre")), mirror.cut(2)),
    "pop3-stls-tls12-ipv6": (mirror.cut(4),),
    "pop3-pipelined": (mirror.each(mirror.around("gtp_u")),),
    "imaps-tls12": (FRAGMENTS, mirror.each(mirror.around("erspan_ii"))),
    "imap-clear-ipv6": (mirror.each(mirror.around("gre_key_over_ipv6")), FRAGMENTS),
}
WORKERS = (1, 2, 4)
NAME = f"mailtap-e2e-queues-{os.getpid()}"


class Account:
    """Packets under a verdict, as the counters of that name say."""

    def __init__(self, name):
        self.reader = counters_reader.Reader(name)
        self.cells = [cell for metric, _, _, _, cell, _, _ in self.reader.series if metric == "mailtap_packets_total"]

    def packets(self):
        blocks = [self.reader.read_block(index)[0] for index in range(self.reader.blocks)]
        return sum(block[cell] for block in blocks for cell in self.cells)


def send(path, name):
    """Each frame in its turn by the next wire. Runs in the namespace."""
    account, wires = Account(name), []
    for number in range(QUEUES):
        wires.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        wires[-1].bind((f"far{number}", 0))
    with open(path, "rb") as file:
        file.read(24)
        sent, end = 0, time.monotonic() + wire.PATIENCE
        while header := file.read(wire.HEADER.size):
            wires[sent % QUEUES].send(file.read(wire.HEADER.unpack(header)[2]))
            sent += 1
            while account.packets() < sent and time.monotonic() < end:
                time.sleep(0.0005)


def packed(name):
    """(share of the session's time, frame) of a capture."""
    frames = list(rdpcap(str(common.OWN_CAPTURES / f"{name}.pcap")))
    for frame in frames:
        if IP in frame:  # a sender's last words all have the number 0, and hours become seconds here
            frame[IP].id = next(mirror.IDENTS)
    for change in PACKED[name]:
        frames = change(frames)
    begin, end = float(frames[0].time), max(float(frame.time) for frame in frames)
    return [((float(frame.time) - begin) / max(end - begin, 1e-3), bytes(frame)) for frame in frames]


def receive(within, capture, workers, folder):
    """Records and report of a live run that was ended when all had come."""
    records = folder / f"records-{workers}.json"
    device = "net_pcap0" + "".join(f",rx_iface=near{number}" for number in range(QUEUES))
    words = [*monitoring.LIVE, "--log-level=*:error", "--lcores", f"(0-{workers})@(0,1)", "--vdev", device, "--"]
    with wire.watch(within, folder, "--records", records, words=words, counters=NAME) as watching:
        wire.run(*within, "/usr/bin/python3", __file__, "send", str(capture), NAME)
        report = watching.finish()
    return common.comparable([json.loads(line) for line in records.read_bytes().splitlines()]), report


def check(within, capture, packets, expected, workers, folder):
    found, report = receive(within, capture, workers, folder)
    findings = []
    if report["packets"] != packets or common.sum_of(report["verdicts"]) != packets:
        findings.append(f"{report['packets']} packets of {packets}, verdicts {report['verdicts']}")
    if sum(report["losses"].values()):
        findings.append(f"losses { {name: n for name, n in report['losses'].items() if n} }")
    if len(found) != len(expected):
        findings.append(f"{len(found)} records, {len(expected)} expected")
    findings += [f"port {one['src_port']}: {difference}" for one, other in zip(expected, found)
                 for difference in common.differences(one, other)]
    return [f"{workers} workers: {finding}" for finding in findings]


def main():
    wire.need_root()
    with common.Workspace() as folder, wire.namespace() as within:
        for number in range(QUEUES):
            wire.run(*within, "ip", "link", "add", f"near{number}", "type", "veth", "peer", "name", f"far{number}")
            for end in ("near", "far"):
                wire.run(*within, "ip", "link", "set", f"{end}{number}", "up")
        frames = sorted((frame for name in PACKED for frame in packed(name)), key=lambda frame: frame[0])
        capture = folder / "frames.pcap"
        capture.write_bytes(craft.pcap([frame for _, frame in frames]))
        expected = common.comparable([record for name in PACKED
                               for record in common.replay(common.OWN_CAPTURES / f"{name}.pcap").records])
        findings = [finding for workers in WORKERS
                    for finding in check(within, capture, len(frames), expected, workers, folder)]
    common.finish(findings, f"{len(expected)} sessions in {len(frames)} frames, whatever queue each came by")


if sys.argv[1:2] == ["send"]:
    send(*sys.argv[2:])
else:
    main()
