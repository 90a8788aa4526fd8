#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""SIGHUP while workers are busy: other banner patterns, another record file, and nothing lost.

A long capture is replayed by two workers. Again and again the file of patterns is rewritten, the record file is moved
away, as logrotate does, and the signal sent. Every record names one of the two products that the file had in turn, both
occur, and the files together hold the records of a run that nobody disturbed. Before the last of it a file with a
mistake is refused by name, and what was in use stays in use.
"""
import json
import os
import signal
import subprocess
import time

import common

PACKETS = 600000
RELOADS_LEAST = 3
PRODUCTS = ("first", "second")
PATIENCE = 60  # seconds until a thing that takes a moment is called a hang


def write_patterns(path, text):
    """In one step, as an editor does: the program never sees half a file."""
    beside = path.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.rename(path)


def patterns_of(product):
    return "".join(f"{protocol} {product} .\n" for protocol in ("smtp", "imap", "pop3"))


def reloads_of(name):
    """Outcome -> number, as the counters say."""
    done = subprocess.run([common.program("MAILTAP_STAT"), "--counters", name, "--json"], capture_output=True,
                          check=False)
    metrics = json.loads(done.stdout)["metrics"] if done.stdout else {}
    return {one["labels"]["outcome"]: one["value"] for one in metrics.get("mailtap_reloads_total", {}).get("series", [])}


class Replay:
    """mailtap -r in the background, and what it is told meanwhile."""

    def __init__(self, folder, feed):
        self.folder = folder
        self.name = f"reload-test-{os.getpid()}"
        self.patterns, self.records = folder / "banners.conf", folder / "records.json"
        write_patterns(self.patterns, patterns_of(PRODUCTS[0]))
        self.process = subprocess.Popen(
            [common.program(), "-r", feed, "--workers", "2", "--banners", self.patterns, "--records", self.records,
             "--report", "json", "--counters", self.name],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_for(self, outcome, number):
        """Result: False where the replay was over before."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            if reloads_of(self.name).get(outcome) == number:
                return True
            time.sleep(0.005)
        if self.process.poll() is None:
            raise TimeoutError(f"{outcome} does not become {number} in {PATIENCE} s")
        return False

    def reload(self, outcome, number, patterns):
        write_patterns(self.patterns, patterns)
        if self.records.exists():
            self.records.rename(self.folder / f"records.{outcome}.{number}")
        self.process.send_signal(signal.SIGHUP)
        return self.wait_for(outcome, number)

    def finish(self):
        out, errors = self.process.communicate(timeout=PATIENCE)
        lines = [line for path in self.folder.glob("records.*") for line in path.read_bytes().splitlines()]
        return out, errors, lines

    def give_up(self):
        self.process.kill()
        self.process.wait()
        common.SHARED_MEMORY.joinpath(self.name).unlink(missing_ok=True)


def without_software(lines):
    """Records by their numbers, as far as they do not depend on the patterns."""
    records = [json.loads(line) for line in lines]
    for record in records:
        record["mail"].pop("software")
    return sorted(records, key=lambda record: record["flow_id"])


def reload_again_and_again(replay):
    """Result: how often."""
    if not (replay.wait_for("done", 0) and replay.reload("refused", 1, "smtp broken (\n")):
        return 0
    number = 1
    while replay.reload("done", number, patterns_of(PRODUCTS[number % 2])):
        number += 1
    return number - 1


def check(folder, feed):
    undisturbed = common.replay(feed, 2)
    replay = Replay(folder, feed)
    try:
        reloads = reload_again_and_again(replay)
        out, errors, lines = replay.finish()
    finally:
        replay.give_up()
    if replay.process.returncode != 0:
        return reloads, [f"ended with {replay.process.returncode}: {errors.decode()[-300:]}"]
    findings = []
    products = {json.loads(line)["mail"]["software"] for line in lines} - {None}
    if reloads < RELOADS_LEAST or products != set(PRODUCTS):
        findings.append(f"{reloads} reloads, the records name {sorted(products)}")
    if without_software(lines) != without_software(undisturbed.lines.splitlines()):
        findings.append(f"the {len(lines)} records are not those of a run that nobody disturbed")
    if common.losses_of(json.loads(out)):
        findings.append(f"losses: {common.losses_of(json.loads(out))}")
    if b"banners.conf:1: " not in errors or b"stay in use" not in errors:
        findings.append(f"the mistake is not named: {errors.decode()[-300:]!r}")
    return reloads, findings


def main():
    with common.Workspace() as folder:
        feed = folder / "feed.pcap"
        subprocess.run([common.program("TRAFFIC"), "sessions", str(PACKETS), feed,
                        *sorted(common.OWN_CAPTURES.glob("*.pcap"))], check=True)
        reloads, findings = check(folder, feed)
    common.finish(findings, f"{reloads} reloads, nothing lost")


main()
