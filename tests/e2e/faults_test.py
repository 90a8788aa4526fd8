#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Faults on demand: each ends in the loss that names it, every account agrees, and nothing else is lost.

mailtap_faults is mailtap as a debug build has it (lib/fault). Live, with two workers, it reads sessions whose greeting
comes late, so that segments wait; one thing at a time is refused, each third time or always. What an ordinary build says
to such an option is a sentence and status 2.
"""
import json

import common
import craft
import monitoring
import wire

SESSIONS = 300
# name of the fault, how often, the loss, and the exit status
CASES = [
    ("buffer", 3, "rx_nombuf", 0),
    ("flow", 3, "table_full", 0),
    ("dialogue", 3, "sessions_full", 0),
    ("reassembly", 3, "reassembly_full", 0),
    ("inbox", 3, "handoff_full", 0),
    ("report", 3, "record_ring_full", 0),
    ("record", 1, "record_sink", 1),
]


def feed(folder):
    frames = []
    for number in range(SESSIONS):
        one = craft.session(client=f"198.51.100.{number % 250 + 1}", client_port=20000 + number)
        one[3], one[4] = one[4], one[3]
        frames += one
    path = folder / "feed.pcap"
    path.write_bytes(craft.pcap(frames))
    return path, len(frames)


def run(path, frames, folder, fault, every):
    """Report, lines of records, exit status, and what it says, of a run that is ended when all has come."""
    records = folder / f"{fault}.json"
    words = [*monitoring.LIVE, "--log-level=*:error", "--lcores", "(0-2)@(0,1)", "--vdev", f"net_pcap0,rx_pcap={path}", "--",
             "--fault", f"{fault}={every}"]
    with wire.watch([], folder, "--records", records, words=words, program=common.program("MAILTAP_FAULTS")) as watching:
        wire.wait_for(lambda: watching.received() >= frames)
        report = watching.finish()
        return report, records.read_bytes().splitlines(), watching.process.returncode, watching.errors.read_text()


def check(path, frames, folder, case):
    fault, every, loss, expected = case
    report, lines, status, said = run(path, frames, folder, fault, every)
    losses, findings = report["losses"], []
    others = {name: number for name, number in losses.items() if number and name != loss}
    if status != expected or not losses[loss] or others:
        findings.append(f"status {status}, {loss} {losses[loss]}, others {others}: {said[-200:]}")
    if report["packets"] + losses["rx_nombuf"] != frames or common.sum_of(report["verdicts"]) != report["packets"]:
        findings.append(f"{report['packets']} packets and {losses['rx_nombuf']} without a buffer of {frames}, verdicts "
                        f"{common.sum_of(report['verdicts'])}")
    if common.sum_of(report["sessions"]) != len(lines) + losses["record_sink"]:
        findings.append(f"{report['sessions']}, {len(lines)} records, {losses['record_sink']} unwritten")
    if fault == "report" and common.sum_of(report["sessions"]) + losses[loss] != SESSIONS:
        findings.append(f"{common.sum_of(report['sessions'])} and {losses[loss]} of {SESSIONS} sessions")
    for line in lines:
        json.loads(line)
    return [f"{fault}: {finding}" for finding in findings]


def check_refused():
    """By the program under test, unless it is a debug build itself, and by the other where the name is none."""
    findings = []
    for program, word in ((common.program(), "flow"), (common.program("MAILTAP_FAULTS"), "everything")):
        refused = common.Run([program, "--fault", word, "--version"])
        is_debug = program == common.program() and refused.status == 0
        if not is_debug and (refused.status != 2 or word not in refused.says()):
            findings.append(f"--fault {word}: status {refused.status}: {refused.says()}")
    return findings


def main():
    common.program()
    with common.Workspace() as folder:
        path, frames = feed(folder)
        findings = check_refused()
        for case in CASES:
            findings += check(path, frames, folder, case)
    common.finish(findings, f"{len(CASES)} faults, each of them a loss with a name")


main()
