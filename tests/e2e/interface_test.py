#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""mailtap -i on a veth pair in a network namespace of the test's own.

To the packet: what the sender sent is what mailtap received and what the kernel had no room for. The capture process is
stopped while more comes than its rings take; when it goes on, the kernel's drops stand under rx_missed, and what comes
afterwards is received whole. The interface is left as it was: its promiscuous flag, set or not, whether mailtap ends or
is killed, and its offloads.
"""
import json
import signal

import common
import wire

FLOOD = 40000  # frames; the rings take 10240 a queue
AFTERWARDS = 3000


def make_frames(path, number):
    wire.run(common.program("TRAFFIC"), "udp", str(number), str(path))
    return path


def check_sums(within, folder, workers):
    flood = make_frames(folder / "flood.pcap", FLOOD)
    afterwards = make_frames(folder / "afterwards.pcap", AFTERWARDS)
    findings = []
    with wire.watch(within, folder, "--workers", str(workers)) as watching:
        wire.send(within, afterwards)
        wire.wait_for(lambda: watching.received() >= AFTERWARDS)
        watching.process.send_signal(signal.SIGSTOP)
        wire.send(within, flood)
        watching.process.send_signal(signal.SIGCONT)
        wire.wait_for(lambda: watching.received() >= AFTERWARDS + FLOOD)
        missed = watching.value("mailtap_rx_missed_packets_total")
        wire.send(within, afterwards)
        wire.wait_for(lambda: watching.received() >= 2 * AFTERWARDS + FLOOD)
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
    link = json.loads(wire.run(*within, "ip", "-j", "-d", "link", "show", "near"))[0]
    return "PROMISC" in link["flags"], link["promiscuity"]


def check_promiscuous(within, folder, is_set):
    findings = []
    wire.run(*within, "ip", "link", "set", "near", "promisc", "on" if is_set else "off")
    before = promiscuity(within)
    for ending in ("finish", "give_up"):
        with wire.watch(within, folder) as watching:
            during = promiscuity(within)
            if during != (is_set, before[1] + 1):
                findings.append(f"promiscuous {during} while it runs, {before} before")
            getattr(watching, ending)()
        if promiscuity(within) != before:
            findings.append(f"promiscuous {promiscuity(within)} after {ending}, {before} before")
    return findings


def has_gro(within):
    return "generic-receive-offload: on" in wire.run(*within, "ethtool", "-k", "near")


def check_offloads(within, folder):
    findings = []
    wire.run(*within, "ethtool", "-K", "near", "gro", "on")
    for option, expected in (("keep", True), ("off", False)):
        with wire.watch(within, folder, "--receive-offloads", option) as watching:
            if has_gro(within) != expected:
                findings.append(f"--receive-offloads {option}: gro {has_gro(within)} while it runs")
            watching.finish()
            is_said = b"generic-receive-offload is on" in watching.errors.read_bytes()
        if is_said != expected or not has_gro(within):
            findings.append(f"--receive-offloads {option}: said {is_said}, afterwards gro {has_gro(within)}")
    return findings


def main():
    wire.need_root()
    with common.Workspace() as folder, wire.namespace() as within:
        findings = [finding for workers in (1, 2) for finding in check_sums(within, folder, workers)]
        for is_set in (False, True):
            findings += check_promiscuous(within, folder, is_set)
        findings += check_offloads(within, folder)
    common.finish(findings, "every packet sent is received or counted as dropped; the interface is as it was")


main()
