#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Killed and started anew, and two at once: nothing that one leaves or holds stands in another's way.

Two captures stand side by side, each on an interface of its own, once as -i and once with huge pages and EAL options. A
start that would share what cannot be shared (DPDK's runtime folder, the name of the counters) is refused with a sentence
that says which option to give, and harms nobody. Both are killed with SIGKILL in the middle of a session; started again
under the same names they see every frame, and the interfaces are as they were. Huge pages that the killed one left are
used again: after an orderly end there are as many as after the first.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess

import common
import craft
import wire

PAGES = 256  # of 2 MiB, for two captures and what a killed one leaves
NEEDED = 120
PREFIX = f"mailtap-restart-{os.getpid()}"
HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
RUNTIME = pathlib.Path("/var/run/dpdk")
KILLED_PORT, LATER_PORT = 41000, 42000


def free_pages():
    return int((HUGE / "free_hugepages").read_text(encoding="ascii"))


@contextlib.contextmanager
def huge_pages(folder):
    """A file system of huge pages of the test's own, with room in it; None where this kernel gives none."""
    mount, before = folder / "huge", (HUGE / "nr_hugepages").read_text(encoding="ascii")
    mount.mkdir()
    try:
        if free_pages() < NEEDED:
            (HUGE / "nr_hugepages").write_text(str(int(before) + PAGES), encoding="ascii")
        wire.run("mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", str(mount))
    except (OSError, subprocess.CalledProcessError) as reason:
        print(f"huge pages are not tested: {reason}")
        yield None
        return
    try:
        yield mount if free_pages() >= NEEDED else print("huge pages are not tested: the kernel has too few")
    finally:
        wire.run("umount", str(mount))
        if before != (HUGE / "nr_hugepages").read_text(encoding="ascii"):
            (HUGE / "nr_hugepages").write_text(before, encoding="ascii")
        for one in RUNTIME.glob(f"{PREFIX}*"):
            for file in one.iterdir():
                file.unlink()
            one.rmdir()


class Kind:
    """How a capture on an interface is started: the words, for an interface, a name of counters and a file prefix."""

    def __init__(self, name, words):
        self.name, self.words = name, words


def by_option(interface, _prefix):
    return ["-i", interface]


def by_huge_pages(mount):
    def words(interface, prefix):
        device = f"net_af_packet0,iface={interface},framesz=2048,framecnt=1024,blocksz=262144"
        return ["-l", "0,1", "--no-pci", "--huge-dir", str(mount), "--file-prefix", prefix, "--log-level=*:error",
                "--vdev", device, "--"]
    return words


class Pair:
    """Two captures of a kind, on near and far."""

    def __init__(self, kind, within, folder):
        self.kind, self.within, self.folder = kind, within, folder
        self.records = {end: folder / f"{kind.name}-{end}.json" for end in ("near", "far")}

    def name(self, end):
        return f"{PREFIX}-{self.kind.name}-{end}"

    def watch(self, end):
        return wire.watch(self.within, self.folder, "--records", self.records[end], end=end, counters=self.name(end),
                          words=self.kind.words(end, f"{PREFIX}-{end}"))

    def send(self, end, frames):
        """To the capture at this end."""
        path = self.folder / "frames.pcap"
        path.write_bytes(craft.pcap(frames))
        wire.send(self.within, path, {"near": "far", "far": "near"}[end])

    def check_refused(self, prefix, counters, option):
        """A start that shares a name with one that runs."""
        run = common.Run([*self.within, common.program(), *self.kind.words("far", prefix), "--counters", counters,
                          "--server-memory", "none", "--duration", "5"])
        if run.status != 2 or option not in run.says().splitlines()[-1]:
            return [f"{prefix} and {counters} are taken: status {run.status}: {run.says()}"]
        return []

    def promiscuity(self):
        return [json.loads(wire.run(*self.within, "ip", "-j", "-d", "link", "show", end))[0]["promiscuity"]
                for end in ("near", "far")]

    def see(self, captures, port):
        """A session of its own to each capture."""
        findings = []
        for end, watching in captures.items():
            frames = craft.session(client_port=port)
            before = watching.received()
            self.send(end, frames)
            if not wire.wait_for(lambda: watching.received() >= before + len(frames)):
                findings.append(f"{end}: {watching.received() - before} of {len(frames)} frames came")
        return findings

    def kill(self, captures):
        """In the middle of a session, and of a line of the records."""
        for end, watching in captures.items():
            self.send(end, craft.session(client_port=KILLED_PORT)[:8])
            watching.process.send_signal(signal.SIGKILL)
            watching.process.wait()
            with open(self.records[end], "ab") as file:
                file.write(b'{"timestamp":"2023-')

    def both(self, deed, ends=("near", "far")):
        with contextlib.ExitStack() as stack:
            return deed({end: stack.enter_context(self.watch(end)) for end in ends})

    def first(self, captures):
        findings = self.check_refused(f"{PREFIX}-other", self.name("near"), "--counters")
        if self.kind.words is not by_option:
            findings += self.check_refused(f"{PREFIX}-near", self.name("other"), "--file-prefix")
        findings += self.see(captures, LATER_PORT)
        self.kill(captures)
        return findings

    def again(self, captures):
        findings = self.see(captures, LATER_PORT + 1)
        for end, watching in captures.items():
            report = watching.finish()
            if common.sum_of(report["sessions"]) != 1 or common.losses_of(report):
                findings.append(f"{end}: sessions {report['sessions']}, losses {common.losses_of(report)}")
        return findings

    def check_records(self):
        """The half line stands alone: what was recorded before the kill, or behind it, is whole."""
        findings = []
        for end, path in self.records.items():
            lines = path.read_bytes().splitlines()
            ports = [json.loads(line)["src_port"] for line in lines if line.endswith(b"}")]
            if [port for port in ports if port != LATER_PORT] != [LATER_PORT + 1] or len(lines) - len(ports) != 1:
                findings.append(f"{end}: records of ports {ports} in {len(lines)} lines")
        return findings

    def check(self):
        before = self.promiscuity()
        findings = self.both(self.first)
        if self.promiscuity() != before:
            findings.append(f"promiscuity {self.promiscuity()} after SIGKILL, {before} before")
        findings += self.both(self.again) + self.check_records()
        return [f"{self.kind.name}: {finding}" for finding in findings]


def check_pages(pair, mount):
    """A page is a file here. Killed or not, a capture leaves none that the next one of its prefix does not take up."""
    left = []
    for _ in range(2):
        pair.both(lambda captures: [watching.finish() for watching in captures.values()])
        left.append(len(list(mount.iterdir())))
        pair.both(pair.kill)
        if len(list(mount.iterdir())) <= left[-1]:
            return ["a killed capture has left no page: nothing was tested"]
    return [] if left[0] == left[1] else [f"{left[1] - left[0]} huge pages are gone for good"]


def main():
    wire.need_root()
    try:
        with common.Workspace() as folder, wire.namespace() as within, huge_pages(folder) as mount:
            findings = Pair(Kind("option", by_option), within, folder).check()
            if mount:
                pair = Pair(Kind("huge-pages", by_huge_pages(mount)), within, folder)
                findings += pair.check() + check_pages(pair, mount)
    finally:
        for left in common.SHARED_MEMORY.glob(f"{PREFIX}*"):
            left.unlink()
    common.finish(findings, "killed or side by side, no capture stands in another's way")


main()
