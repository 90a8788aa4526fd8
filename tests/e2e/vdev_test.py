#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Ports by the ordinary --vdev: what comes in by shared memory or a tap gives the records of the replay.

net_memif: dpdk-testpmd on the other side reads a capture and sends it over, to one worker and to two. net_tap: frames are
written to the interface that the kernel shows. net_ring: opened, polled and named; only DPDK itself could fill it.
"""
import json
import pathlib
import re
import subprocess
import time

import common
import monitoring
import wire

# No more frames than testpmd has room for on its way: it drops what does not fit.
CAPTURES = ("smtp-starttls-tls13", "smtp-auth-login", "smtp-pipelined", "imap-starttls-refused", "imap-append",
            "pop3-stls-tls12-ipv6", "pop3-pipelined", "imaps-tls12", "mixed-six-sessions")
ROOM = 1000
SETTLE = 2  # seconds for both ends of net_memif: one that is asked how it is while it connects does so twice
NO_TELEMETRY = [*monitoring.LIVE, "--log-level=*:error"]


def comparable(records):
    """All but what the time of arrival says."""
    return sorted(map(common.without_times, records), key=lambda record: (record["src_port"], record["dest_port"]))


class Testpmd:
    """dpdk-testpmd in the namespace, where memif's sockets are, told what to do line by line."""

    def __init__(self, within, *words):
        self.process = subprocess.Popen(
            [*within, "stdbuf", "-oL", "dpdk-testpmd", *NO_TELEMETRY, "-l", "0,1", *words], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def hear(self, pattern):
        """What the next line that has it holds of a pattern."""
        for line in self.process.stdout:
            found = re.search(pattern, line)
            if found:
                return found.group(1)
        raise RuntimeError(f"dpdk-testpmd ends without {pattern}")

    def ask(self, command, pattern):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.hear(pattern)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.communicate()


class Case:
    """One device: how mailtap is started, and how the capture gets there."""

    def __init__(self, within, folder, capture):
        self.within, self.folder, self.capture = within, folder, capture
        self.packets = common.packets_of(capture)

    def has_come(self, watching):
        """By our own count: what net_memif says of itself stays 0."""
        return wire.wait_for(lambda: watching.value("mailtap_received_packets_total") >= self.packets)

    def watch(self, name, device, send, workers=1):
        """What differs from the replay."""
        records = self.folder / f"{name}-{workers}.json"
        words = [*NO_TELEMETRY, "--lcores", f"(0-{workers})@(0,1)", "--vdev", device, "--"]
        with wire.watch(self.within, self.folder, "--records", records, words=words) as watching:
            said = watching.errors.read_text()
            send(watching)
            if not self.has_come(watching):
                return [f"{name}: {watching.value('mailtap_received_packets_total')} of {self.packets} frames came"]
            report = watching.finish()
        findings = [] if f"driver {name}" in said else [f"it says {said!r}"]
        if report["packets"] != self.packets or common.losses_of(report):
            findings.append(f"{report['packets']} packets, {self.packets} sent, losses {common.losses_of(report)}")
        expected = comparable(common.replay(self.capture).records)
        found = comparable([json.loads(line) for line in records.read_bytes().splitlines()])
        if len(found) != len(expected):
            findings.append(f"{len(found)} records, {len(expected)} in the replay")
        findings += [f"{str(one)[:600]}, in the replay {str(other)[:600]}" for one, other in zip(found, expected) if one != other]
        return [f"{name}, {workers} workers: {finding}" for finding in findings]

    def memif(self, workers):
        socket = self.folder / "memif.sock"

        def send(watching):
            with Testpmd(self.within, "--vdev", f"net_pcap0,rx_pcap={self.capture}", "--vdev",
                         f"net_memif1,role=client,socket={socket}", "--", "-i", "--forward-mode=io", "--no-flush-rx",
                         "--total-num-mbufs=8192") as sender:
                sender.hear(r"^(Done)")
                time.sleep(SETTLE)
                if wire.wait_for(lambda: sender.ask("show port info 1", r"Link status: (\w+)") == "up"):
                    sender.ask("start", r"(packet forwarding)")
                    self.has_come(watching)
        return self.watch("net_memif", f"net_memif0,role=server,socket={socket}", send, workers)

    def tap(self, workers):
        return self.watch("net_tap", "net_tap0,iface=tapped",
                          lambda _: wire.send(self.within, self.capture, "tapped"), workers)

    def ring(self):
        """It runs for a while; what it says of itself, and that it ends well, is all there is to see."""
        run = common.Run([common.program(), *NO_TELEMETRY, "--lcores", "(0-2)@(0,1)", "--vdev", "net_ring0", "--",
                          "--counters", "none", "--server-memory", "none", "--duration", "1", "--report", "json"])
        if run.status != 0 or "driver net_ring" not in run.says() or json.loads(run.out)["packets"] != 0:
            return [f"net_ring: status {run.status}: {run.says()}"]
        return []


def main():
    wire.need_root()
    common.need("dpdk-testpmd", "mergecap", "capinfos")
    with common.Workspace() as folder, wire.namespace() as within:
        capture = folder / "sent.pcap"
        wire.run("mergecap", "-F", "pcap", "-w", str(capture),
                 *[str(common.OWN_CAPTURES / f"{name}.pcap") for name in CAPTURES])
        case = Case(within, folder, capture)
        assert case.packets <= ROOM, f"{case.packets} frames are too many"
        findings = case.memif(1) + case.memif(2) + case.ring()
        if pathlib.Path("/dev/net/tun").exists():
            findings += case.tap(1) + case.tap(2)
        else:
            print("net_tap is not tested: there is no /dev/net/tun")
    common.finish(findings, "what comes by net_memif and net_tap is what the replay sees")


main()
