#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Counters are read while they are written, and the writer is killed with SIGKILL at random moments.

Captures of three kinds follow each other under one name: a replay, a live one of mail, a live one of what is no IP. Each
has its own number of workers and verdicts of its own, so that values of two runs in one reading would show. Four readers
never stop: counters_watch, on the library, holds each reading to the accounts of lib/counters/README.md;
counters_reader, on the specification; mailtap-stat, started anew each time; and mailtap-stat --watch, which lives
through all of it. Fifty kills; a thousand with MAILTAP_TEST_LONG=1. The seed of a run is printed; an argument after the
program is one.
"""
import json
import os
import random
import re
import subprocess
import sys
import threading
import time

import common
import counters_reader
import monitoring

KILLS = 1000 if os.environ.get("MAILTAP_TEST_LONG") == "1" else 50
STARTING, COUNTING = 0.2, 0.1  # seconds within which it is killed: of its start, or of its counters' appearance
PACKETS = 200000
HANG = 30  # seconds that a reader may take; it takes a few milliseconds
NAME = f"mailtap-e2e-kill-{os.getpid()}"
WORKERS = {"replay": 2, "mail": 3, "null": 1}
BURST = 64  # packets that may be ARP's at the beginning of mail
FORMATS = ("--json", "--openmetrics", None)


def command(kind, folder):
    """A capture of a kind; its workers float over the processors."""
    options = ["--counters", NAME, "--records", "none", "--report", "none"]
    if kind == "replay":
        return [common.program(), "-r", folder / "replay.pcap", "--workers", WORKERS[kind], *options]
    device = "net_null0" if kind == "null" else f"net_pcap0,rx_pcap={folder / 'endless.pcap'},infinite_rx=1"
    lcores = f"(0-{WORKERS[kind]})@({','.join(map(str, sorted(os.sched_getaffinity(0))))})"
    return [common.program(), *monitoring.LIVE, "--lcores", lcores, "--vdev", device, "--", "--server-memory", "none",
            *options]


class Shown(threading.Thread):
    """mailtap-stat, again and again, in each format. Nothing but statuses and JSON is looked at."""

    def __init__(self, kinds):
        super().__init__()
        self.kinds, self.findings, self.count, self.is_over = kinds, [], 0, False

    def look(self, option):
        done = common.Run([common.program("MAILTAP_STAT"), "--counters", NAME, *([option] if option else [])],
                          timeout=HANG)
        if done.status == 2 and b"No such file" in done.err and not self.count:
            return
        self.count += 1
        if done.status not in (0, 3):
            self.findings.append(f"mailtap-stat {option}: status {done.status}: {done.says()}")
        elif option == "--json":
            self.findings += self.check(json.loads(done.out), done.status)

    def check(self, document, status):
        """One run's values and no other's."""
        kind = self.kinds.get(document["pid"])
        verdicts = {}
        for sample in document["metrics"]["mailtap_packets_total"]["series"]:
            verdict = sample["labels"]["verdict"]
            verdicts[verdict] = verdicts.get(verdict, 0) + sample["value"]
        others = sum(verdicts.values()) - verdicts["not_ip"]
        is_foreign = others if kind == "null" else verdicts["not_ip"] > others + BURST
        if kind is None or len(document["threads"]) != WORKERS[kind] + 1 or is_foreign:
            return [f"{kind} with process {document['pid']}: {len(document['threads'])} threads, {verdicts}"]
        return [] if (status == 0) == document["up"] or document["state"] == "closed" else [f"{status}, {document['up']}"]

    def run(self):
        while not self.is_over:
            for option in FORMATS:
                self.look(option)


def accounts(reader):
    """{worker: packets in that are none out}"""
    account = {}
    for metric, labels, value in reader.samples():
        sign = {"mailtap_received_packets_total": 1, "mailtap_taken_over_packets_total": 1,
                "mailtap_packets_total": -1, "mailtap_handed_over_packets_total": -1}.get(metric)
        if sign:
            account[labels["worker"]] = account.get(labels["worker"], 0) + sign * value
    return account


def read_by_specification(is_over):
    """Read until it is over. Faults in the accounts of any worker."""
    findings = []
    while True:
        try:
            reader = counters_reader.Reader(NAME)
        except FileNotFoundError:
            reader = None
        if is_over(reader):
            return findings
        if reader is None:
            time.sleep(0.001)
            continue
        findings += [f"process {reader.pid}, worker {worker}: {rest} packets too many"
                     for worker, rest in accounts(reader).items() if rest]
        os.close(reader.file)


def live_a_while(process, chance):
    """Let it run for a moment of chance: half of them are killed while they start, half when they count."""
    def until(moment):
        return read_by_specification(lambda _: time.monotonic() >= moment)
    if chance.random() < 0.5:
        return until(time.monotonic() + chance.uniform(0, STARTING))
    hung = time.monotonic() + HANG
    findings = read_by_specification(lambda reader: time.monotonic() >= hung or process.poll() is not None or
                                     (reader is not None and reader.pid == process.pid))
    if time.monotonic() >= hung:
        findings.append(f"process {process.pid} shows no counters in {HANG} s")
    return findings + until(time.monotonic() + chance.uniform(0, COUNTING))


def check_dead(process, kind):
    """What is said of a process that was just killed, if it had come so far."""
    try:
        reader = counters_reader.Reader(NAME)
    except FileNotFoundError:
        return []
    has_writer, state = reader.state()
    if has_writer or (reader.pid == process.pid and state != 2 and kind != "replay"):
        return [f"{kind} {process.pid} was killed: writer {has_writer}, state {state}"]
    return []


def kill_again_and_again(folder, kinds, chance):
    findings = []
    for number in range(KILLS):
        kind = chance.choice(list(WORKERS))
        process = subprocess.Popen([str(word) for word in command(kind, folder)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        kinds[process.pid] = kind
        try:
            findings += live_a_while(process, chance)
        finally:
            process.kill()
        _, errors = process.communicate()
        if process.returncode not in (-9, 0):
            findings.append(f"{number}: {kind} ended with {process.returncode}: {errors.decode()[-200:]}")
        findings += check_dead(process, kind)
    return findings


def check_watch(watch):
    """What counters_watch has seen, and that it has seen enough to mean anything."""
    out, _ = watch.communicate(timeout=HANG)
    *faults, last = out.decode().splitlines()
    print("counters_watch:", last)
    tally = json.loads(last)
    if watch.returncode != 0 or tally["runs"] < KILLS / 4 or tally["changed"] < 1000 or not tally["live"]:
        return [f"counters_watch ended with {watch.returncode}: {line}" for line in [*faults, last]]
    return []


def start_watching(folder, kinds):
    """mailtap-stat --watch, on an object that a short run has left."""
    with monitoring.Program(folder, "first", [*command("null", folder), "--duration", "0.1"]) as first:
        kinds[first.process.pid] = "null"
        first.process.wait(HANG)
    return monitoring.Program(folder, "watch", [common.program("MAILTAP_STAT"), "--counters", NAME, "--watch"])


def check_stat_watch(watching):
    """It has outlived every writer, and none of its rates is out of two runs: they would be negative or enormous."""
    is_alive = watching.process.poll() is None
    status, lines = watching.end(), watching.out.read_text().splitlines()
    if not is_alive or status != 3 or watching.log.read_text():
        return [f"--watch: alive {is_alive}, ended with {status}: {watching.log.read_text()}"]
    packets = [line.split()[1] for line in lines if re.match(r"\d\d:\d\d:\d\d +[-0-9.]+[kMG]?( |$)", line)]
    print(f"mailtap-stat --watch: {len(lines)} lines, {len(packets)} of them rates")
    return [f"--watch: {rate} packets a second" for rate in packets if rate.startswith("-") and rate != "-" or "G" in rate]


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    print(f"seed {seed}, {KILLS} kills")
    kinds, findings = {}, []
    try:
        with common.Workspace() as folder:
            models = sorted(common.OWN_CAPTURES.glob("*.pcap"))
            subprocess.run([common.program("TRAFFIC"), "sessions", str(PACKETS), folder / "replay.pcap", *models],
                           check=True)
            monitoring.endless(monitoring.merge(folder), folder)
            watch = subprocess.Popen([common.program("COUNTERS_WATCH"), NAME], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)
            watching = start_watching(folder, kinds)
            shown = Shown(kinds)
            shown.start()
            try:
                findings += kill_again_and_again(folder, kinds, random.Random(seed))
            finally:
                shown.is_over = True
                shown.join()
                findings += check_watch(watch) + check_stat_watch(watching)
            findings += shown.findings
            print(f"mailtap-stat: {shown.count} times")
        litter = [path.name for path in common.SHARED_MEMORY.glob(f"*{NAME}*") if path.name != NAME]
        findings += [f"left behind: {litter}"] if litter else []
    finally:
        (common.SHARED_MEMORY / NAME).unlink(missing_ok=True)
    common.finish(findings[:40], f"{KILLS} writers killed, no reader led astray")


if __name__ == "__main__":
    main()
