#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""mailtap -i on a veth pair in a network namespace of the test's own.

To the packet: what the sender sent is what mailtap received and what the kernel had no room for. The capture process is
stopped while more comes than its rings take; when it goes on, the kernel's drops stand under rx_missed, and what comes
afterwards is received whole. The interface is left as it was: its promiscuous flag, set or not, whether mailtap ends or
is killed, and its offloads.
"""
import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time

import common

PATIENCE = 30
FLOOD = 40000  # frames; the rings take 10240 a queue
AFTERWARDS = 3000
ETH_P_ALL, HEADER = 3, struct.Struct("=IIII")


def run(*words, check=True):
    return subprocess.run(words, capture_output=True, text=True, check=check, stdin=subprocess.DEVNULL).stdout


@contextlib.contextmanager
def namespace():
    """A namespace with two ends of a wire, near and far, quiet: nobody but the test sends anything."""
    name = f"mailtap-{os.getpid()}"
    run("ip", "netns", "add", name)
    try:
        within = ["ip", "netns", "exec", name]
        run(*within, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.all.disable_ipv6=1")
        run(*within, "ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
        for end in ("near", "far"):
            run(*within, "ip", "link", "set", end, "up")
        yield within
    finally:
        run("ip", "netns", "del", name)


class Watch:
    """mailtap -i near, in the background."""

    def __init__(self, within, folder, *options):
        self.counters = f"interface-test-{os.getpid()}"
        self.errors = folder / "errors"
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                [*within, common.program(), "-i", "near", "--report", "json", "--counters", self.counters, *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        self.wait_for(lambda: self.value("mailtap_up") == 1)

    def value(self, metric):
        """The sum of a metric's series."""
        done = subprocess.run([common.program("MAILTAP_STAT"), "--counters", self.counters, "--openmetrics"],
                              capture_output=True, text=True, check=False)
        return sum(float(number) for number in re.findall(rf"^{metric}(?:\{{.*\}})? (\S+)$", done.stdout, re.M))

    def wait_for(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)

    def received(self):
        return self.value("mailtap_rx_packets_total") + self.value("mailtap_rx_missed_packets_total")

    def finish(self):
        """The report."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=PATIENCE)
        return json.loads(out)

    def give_up(self):
        self.process.kill()
        self.process.wait()
        common.SHARED_MEMORY.joinpath(self.counters).unlink(missing_ok=True)


@contextlib.contextmanager
def watch(*arguments):
    watching = Watch(*arguments)
    try:
        yield watching
    finally:
        watching.give_up()


def sender(within, capture):
    """Send a capture's frames from the far end; a process of its own, since it must stand in the namespace."""
    run(*within, "/usr/bin/python3", __file__, "--send", str(capture))


def send_frames(path):
    """What sender() runs. The file's header is 24 bytes, little-endian, as the generator writes it."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.bind(("far", 0))
    with open(path, "rb") as file:
        file.read(24)
        while header := file.read(HEADER.size):
            wire.send(file.read(HEADER.unpack(header)[2]))


def make_frames(path, number):
    run(common.program("TRAFFIC"), "udp", str(number), str(path))
    return path


def check_sums(within, folder, workers):
    flood = make_frames(folder / "flood.pcap", FLOOD)
    afterwards = make_frames(folder / "afterwards.pcap", AFTERWARDS)
    findings = []
    with watch(within, folder, "--workers", str(workers)) as watching:
        sender(within, afterwards)
        watching.wait_for(lambda: watching.received() >= AFTERWARDS)
        watching.process.send_signal(signal.SIGSTOP)
        sender(within, flood)
        watching.process.send_signal(signal.SIGCONT)
        watching.wait_for(lambda: watching.received() >= AFTERWARDS + FLOOD)
        missed = watching.value("mailtap_rx_missed_packets_total")
        sender(within, afterwards)
        watching.wait_for(lambda: watching.received() >= 2 * AFTERWARDS + FLOOD)
        report = watching.finish()
    if not 0 < missed < FLOOD or report["losses"]["rx_missed"] != missed:
        findings.append(f"{missed} of {FLOOD} dropped in the flood, {report['losses']['rx_missed']} at the end")
    if report["packets"] + report["losses"]["rx_missed"] != 2 * AFTERWARDS + FLOOD:
        findings.append(f"{report['packets']} received and {report['losses']['rx_missed']} dropped of "
                        f"{2 * AFTERWARDS + FLOOD} sent")
    if common.sum_of(report["verdicts"]) != report["packets"]:
        findings.append(f"verdicts sum to {common.sum_of(report['verdicts'])}, packets {report['packets']}")
    return [f"{workers} workers: {finding}" for finding in findings]


def promiscuity(within):
    """The operator's flag, and the number of those who asked for packets for others."""
    link = json.loads(run(*within, "ip", "-j", "-d", "link", "show", "near"))[0]
    return "PROMISC" in link["flags"], link["promiscuity"]


def check_promiscuous(within, folder, is_set):
    findings = []
    run(*within, "ip", "link", "set", "near", "promisc", "on" if is_set else "off")
    before = promiscuity(within)
    for ending in ("finish", "give_up"):
        with watch(within, folder) as watching:
            during = promiscuity(within)
            if during != (is_set, before[1] + 1):
                findings.append(f"promiscuous {during} while it runs, {before} before")
            getattr(watching, ending)()
        if promiscuity(within) != before:
            findings.append(f"promiscuous {promiscuity(within)} after {ending}, {before} before")
    return findings


def has_gro(within):
    return "generic-receive-offload: on" in run(*within, "ethtool", "-k", "near")


def check_offloads(within, folder):
    findings = []
    run(*within, "ethtool", "-K", "near", "gro", "on")
    for option, expected in (("keep", True), ("off", False)):
        with watch(within, folder, "--receive-offloads", option) as watching:
            if has_gro(within) != expected:
                findings.append(f"--receive-offloads {option}: gro {has_gro(within)} while it runs")
            watching.finish()
            is_said = b"generic-receive-offload is on" in watching.errors.read_bytes()
        if is_said != expected or not has_gro(within):
            findings.append(f"--receive-offloads {option}: said {is_said}, afterwards gro {has_gro(within)}")
    return findings


def main():
    if os.geteuid() != 0:
        common.skip("skipped: only root makes network namespaces")
    common.need("ip", "ethtool", "sysctl")
    with common.Workspace() as folder, namespace() as within:
        findings = [finding for workers in (1, 2) for finding in check_sums(within, folder, workers)]
        for is_set in (False, True):
            findings += check_promiscuous(within, folder, is_set)
        findings += check_offloads(within, folder)
    common.finish(findings, "every packet sent is received or counted as dropped; the interface is as it was")


if __name__ == "__main__":
    import sys
    if "--send" in sys.argv:
        send_frames(sys.argv[-1])
    else:
        main()
