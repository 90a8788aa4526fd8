#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Everything that can be full is filled, on a live wire: each loss has its name, and nothing else suffers.

Each case is the same story. A session begins. Then comes more than one resource takes, made scarce by an option or by
holding the thread that would empty it (wire.held()). The loss stands under its name, and every frame sent is received
or counted as dropped, under one verdict. Then the session goes on to its end, and more sessions come: their records are
whole. A flood of SYNs opens no flow and takes no memory (DESIGN.md, decision 4).
"""
import contextlib
import json
import struct
import subprocess
import time

import common
import craft
import monitoring
import wire

LATER = 20  # sessions after the load is gone
UNDER_WAY = 61000  # client port of the session that lives through it


def session(number, frames=None, **options):
    """The frames of one session of many; the first of them, or all."""
    return craft.session(client=f"198.51.{number // 250}.{number % 250 + 1}", client_port=20000 + number, **options)[:frames]


def beginnings():
    """Greetings to 400 clients, who say nothing: more dialogues than there is room for."""
    return [frame for number in range(400) for frame in session(number, 4)]


def holes():
    """Sessions of which a segment is missing, with much behind it that has to be held."""
    dialogue = craft.DIALOGUE[:3] + [("C", b"NOOP " + b"x" * 20 + b"\r\n")] + [("C", b"NOOP " + b"y" * 1200 + b"\r\n")] * 20
    return [frame for number in range(60) for place, frame in enumerate(session(number, dialogue=dialogue)[:-3])
            if place != 6]


def whole_sessions():
    """More sessions than there are places for reports of them."""
    return [frame for number in range(1500) for frame in session(number)]


def torn():
    """First fragments of datagrams whose rest never comes."""
    frames = []
    for number in range(1, 500):
        whole = craft.frame(f"198.51.{number // 250}.{number % 250 + 1}", 20000, craft.SERVER, 25, 1, 1, craft.ACK,
                            b"x" * 68)
        header = whole[14:18] + struct.pack("!HH", number, 0x2000) + whole[22:24] + b"\0\0" + whole[26:34]
        frames.append(whole[:14] + header[:10] + struct.pack("!H", craft.checksum(header)) + header[12:] + whole[34:])
    return frames


def flood(folder, frames=30000):
    """SYNs from everywhere."""
    path = folder / "syn.pcap"
    subprocess.run([common.program("TRAFFIC"), "syn", str(frames), path], check=True)
    return path


class Case:
    """options of mailtap; what is sent; the thread that is held meanwhile; the losses of which one at least occurs; EAL
    options where it is no plain -i."""

    def __init__(self, name, options, load, thread, losses, words=None):
        self.name, self.options, self.load, self.thread, self.losses = name, options, load, thread, losses
        self.words = words


# net_pcap takes a frame first and looks for a buffer then: each time in vain is a frame lost. And it shows fragments:
# behind net_af_packet the kernel has put them together.
LIBPCAP = [*monitoring.LIVE, "--log-level=*:error", "--lcores", "(0-2)@(0,1)", "--vdev", "net_pcap0,rx_iface=near", "--"]

CASES = [
    Case("dialogues", ("--flows", "64", "--timeout", "4"), beginnings, None, {"sessions_full", "table_full"}),
    Case("reassembly", ("--reassembly", "64K", "--timeout", "4"), holes, None, {"reassembly_full"}),
    Case("inbox", ("--workers", "2"), flood, "rte-worker-1", {"handoff_full"}),
    Case("reports", (), whole_sessions, "mailtap", {"record_ring_full"}),
    Case("fragments", ("--mbufs", "512"), torn, None, {"fragment_table_full"}, LIBPCAP),
    Case("buffers", ("--mbufs", "300"), flood, "rte-worker-2", {"rx_nombuf"}, LIBPCAP),
]


# What the kernel keeps for a worker that does not come at once (KERNEL_FRAMES in ports.c) holds a slice: on a machine
# with other things to do it would drop half of a load that is sent in one go, and what was to be full is not.
SLICE, SLICE_SECONDS = 8000, 0.3


class Story:
    """One case, told once."""

    def __init__(self, case, within, folder):
        self.case, self.within, self.folder = case, within, folder
        self.sent = 0
        self.findings = []

    def send(self, frames):
        if not isinstance(frames, list):
            wire.send(self.within, frames)
            self.sent += common.packets_of(frames)
            return
        path = self.folder / "frames.pcap"
        for begin in range(0, len(frames), SLICE):
            if begin > 0:
                time.sleep(SLICE_SECONDS)
            path.write_bytes(craft.pcap(frames[begin:begin + SLICE]))
            wire.send(self.within, path)
        self.sent += len(frames)

    def wait_until_taken(self, watching):
        if not wire.wait_for(lambda: watching.received() >= self.sent):
            self.findings.append(f"{watching.received()} of {self.sent} frames came")

    def load(self, watching):
        frames = self.case.load(self.folder) if self.case.load is flood else self.case.load()
        hold = wire.held(watching.process, self.case.thread) if self.case.thread else contextlib.nullcontext()
        with hold:
            self.send(frames)
            if not wire.wait_for(lambda: self.lost(watching)):
                self.findings.append(f"no loss is called {self.case.losses}")
        self.wait_until_taken(watching)

    def lost(self, watching):
        if "rx_nombuf" in self.case.losses:
            return watching.value("mailtap_rx_nombuf_total")
        return sum(watching.value("mailtap_lost_total", reason=reason) for reason in self.case.losses)

    def tell(self):
        records = self.folder / f"{self.case.name}.json"
        under_way = craft.session(client_port=UNDER_WAY)
        with wire.watch(self.within, self.folder, "--dumpable", "--records", records, *self.case.options,
                        words=self.case.words) as watching:
            self.send(under_way[:7])
            self.wait_until_taken(watching)
            self.load(watching)
            self.send(under_way[7:])
            if "--timeout" in self.case.options:  # what the load opened is over, and has left its places
                wire.wait_for(lambda: watching.value("mailtap_flows") < 32)
            before = self.lost(watching)
            self.send([frame for number in range(LATER) for frame in session(30000 + number)])
            self.wait_until_taken(watching)
            if self.lost(watching) != before:
                self.findings.append("losses go on when the load is gone")
            if not wire.wait_for(lambda: watching.value("mailtap_packet_buffers_used") == 0):
                self.findings.append(f"{watching.value('mailtap_packet_buffers_used')} packet buffers do not come back")
            report = watching.finish()
        self.check_sums(report)
        self.check_records([json.loads(line) for line in records.read_bytes().splitlines()])
        return [f"{self.case.name}: {finding}" for finding in self.findings]

    def check_sums(self, report):
        losses = report["losses"]
        if report["packets"] + losses["rx_missed"] + losses["rx_nombuf"] != self.sent or losses["rx_errors"]:
            self.findings.append(f"{report['packets']} received, {losses['rx_missed']} missed, {losses['rx_nombuf']} "
                                 f"without a buffer, {losses['rx_errors']} errors, {self.sent} sent")
        if ("rx_nombuf" in self.case.losses) != (losses["rx_nombuf"] > 0):
            self.findings.append(f"{losses['rx_nombuf']} found no buffer")
        if common.sum_of(report["verdicts"]) != report["packets"]:
            self.findings.append(f"verdicts sum to {common.sum_of(report['verdicts'])}, packets {report['packets']}")
        others = set(common.losses_of(report)) - self.case.losses - {"reassembly_limit"}
        if others:
            self.findings.append(f"others suffer: {common.losses_of(report)}")

    def check_records(self, records):
        ports = [UNDER_WAY] + [20000 + 30000 + number for number in range(LATER)]
        for port in ports:
            found = [record for record in records if record["src_port"] == port]
            if len(found) != 1 or found[0]["flow"]["evidence"] != "complete" or found[0]["flow"]["reason"] != "fin" or \
                    found[0]["mail"]["starttls"]["outcome"] != "offered_unused":
                self.findings.append(f"the session from port {port}: {str(found)[:300]}")


def resident_bytes(process):
    with open(f"/proc/{process.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def check_flood(within, folder):
    """Twice the same: the first touches what the fixed cache of handshakes is made of, the second nothing."""
    path, frames, findings, resident = flood(folder, 60000), 60000, [], []
    with wire.watch(within, folder) as watching:
        for turn in (1, 2):
            wire.send(within, path)
            wire.wait_for(lambda turn=turn: watching.received() >= turn * frames)
            resident.append(resident_bytes(watching.process))
        flows = watching.value("mailtap_flows")
        report = watching.finish()
    if flows or report["verdicts"]["handshake"] != report["packets"] or common.sum_of(report["sessions"]):
        findings.append(f"a flood of SYNs: {flows} flows, verdicts {report['verdicts']}")
    if resident[1] > resident[0] + (1 << 20):
        findings.append(f"a flood of SYNs: {resident[1] - resident[0]} bytes more the second time")
    return findings


def main():
    wire.need_root()
    common.need("capinfos")
    with common.Workspace() as folder, wire.namespace() as within:
        findings = [finding for case in CASES for finding in Story(case, within, folder).tell()]
        findings += check_flood(within, folder)
    common.finish(findings, f"{len(CASES)} resources were full, and what else went on did so unharmed")


main()
