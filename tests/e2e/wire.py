# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""A wire of the test's own, a mailtap that watches one end of it, and a way to hold one of its threads.

Only root makes network namespaces; nothing leaves the one that is made here.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import common

PATIENCE = 30  # seconds until a thing that takes a moment is called a hang
HEADER = struct.Struct("<IIII")
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 17, 0x4206, 0x4207, 0x40000000


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout


def wait_for(condition):
    """Result: whether it came true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def need_root():
    if os.geteuid() != 0:
        common.skip("skipped: only root makes network namespaces")
    common.need("ip", "ethtool", "sysctl")


@contextlib.contextmanager
def namespace():
    """Two ends of a wire, near and far, in a namespace of their own, and quiet: nobody but the test sends anything.

    Gives the words that run a command in there.
    """
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


def send(within, capture, end="far"):
    """Send a capture's frames from an end; by a process of its own, since it must stand in the namespace."""
    run(*within, "/usr/bin/python3", __file__, str(capture), end)


def send_in_time(within, capture, end="far"):
    """The same, each at the time that the capture says. Result: seconds between two of them, at most."""
    return float(run(*within, "/usr/bin/python3", __file__, str(capture), end, "in time"))


def send_frames(path, end, pace=""):
    """What send() runs. The file is of the old format, little-endian, in microseconds."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.bind((end, 0))
    first, last, longest = None, time.monotonic(), 0
    with open(path, "rb") as file:
        file.read(24)
        while header := file.read(HEADER.size):
            seconds, microseconds, length, _ = HEADER.unpack(header)
            if pace:
                now, stamp = time.monotonic(), seconds + microseconds / 1e6
                first = now - stamp if first is None else first
                time.sleep(max(0, first + stamp - now))
            wire.send(file.read(length))
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
    print(longest)


@contextlib.contextmanager
def held(process, thread):
    """One thread of a process stands still, by its name; all others go on. The process has to be --dumpable."""
    trace = ctypes.CDLL(None, use_errno=True).ptrace
    trace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    tasks = [task for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir()
             if (task / "comm").read_text().strip() == thread]
    number = int(tasks[0].name)
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if trace(request, number, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace of {thread}")
    os.waitpid(number, WALL)  # until it stands still
    try:
        yield
    finally:
        trace(PTRACE_DETACH, number, None, None)


class Watch:
    """mailtap -i near, in the background; or with other words before the options, and in another file its errors."""

    def __init__(self, within, folder, *options, end="near", counters=f"wire-test-{os.getpid()}", words=None,
                 program=None):
        self.counters = counters
        self.errors = folder / f"errors-{counters}-{end}"
        with open(self.errors, "wb") as errors:
            # Seen from here the process is mailtap itself: `ip netns exec` becomes what it runs.
            self.process = subprocess.Popen(
                [*within, program or common.program(), *(words or ["-i", end]), "--report", "json", "--counters", self.counters,
                 "--server-memory", "none", *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        try:
            if not wait_for(lambda: self.value("mailtap_up") == 1):
                raise TimeoutError(f"mailtap does not start: {self.errors.read_text()}")
        except BaseException:
            self.give_up()
            raise

    def values(self, metric):
        """(labels, value) of each of its series."""
        done = subprocess.run([common.program("MAILTAP_STAT"), "--counters", self.counters, "--openmetrics"],
                              capture_output=True, text=True, check=False)
        found = re.findall(rf"^{metric}(?:\{{(.*)\}})? (\S+)$", done.stdout, re.M)
        return [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(number)) for labels, number in found]

    def value(self, metric, **wanted):
        """The sum of a metric's series that have these labels."""
        return sum(number for labels, number in self.values(metric) if wanted.items() <= labels.items())

    def received(self):
        """What came, and what the kernel or we had no room for."""
        return sum(self.value(f"mailtap_rx_{what}_total") for what in ("packets", "missed_packets", "nombuf"))

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
def watch(*arguments, **more):
    watching = Watch(*arguments, **more)
    try:
        yield watching
    finally:
        watching.give_up()


if __name__ == "__main__":
    send_frames(*sys.argv[1:])
