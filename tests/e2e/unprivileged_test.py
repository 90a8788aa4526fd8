#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""A replay needs neither root nor huge pages, several run at once, and none of them touches memory wrongly.

Four replays of one capture as an ordinary user have to end well with the same records. The time from start to end
for a hundred packets is printed for the reader; no verdict hangs on it. One replay runs under valgrind; valgrind.supp
names what is not ours. Absent valgrind skips the test after the other parts have passed.
"""
import concurrent.futures
import pathlib
import shutil
import time

import common
import craft

AT_ONCE = 4
SESSIONS = 8  # with 13 frames each: the 104 packets of the printed time
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
            f"--suppressions={pathlib.Path(__file__).with_name('valgrind.supp')}"]
VALGRIND_TIMEOUT = 150


def at_once(capture):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        runs = list(pool.map(lambda _: common.replay(capture, prefix=common.as_nobody()), range(AT_ONCE)))
    findings = [f"one of {AT_ONCE} at once: status {run.status}: {run.says()}" for run in runs if run.status != 0]
    if any(run.lines != runs[0].lines for run in runs) or len(runs[0].records) != SESSIONS:
        findings.append(f"records of {AT_ONCE} at once: {[len(run.records) for run in runs]}, not the same {SESSIONS}")
    return findings


def leaves_nothing(capture):
    """Without --counters a replay leaves no object in shared memory and no runtime folder behind."""
    def left():
        return {str(path) for folder in ("/dev/shm", "/tmp/dpdk", "/var/run/dpdk", "/run/dpdk")
                for path in pathlib.Path(folder).glob("*")}
    before = left()
    common.replay(capture, prefix=common.as_nobody())
    return [f"left behind: {path}" for path in sorted(left() - before)]


def print_time(capture, packets):
    began = time.monotonic()
    run = common.replay(capture)
    took = time.monotonic() - began
    print(f"{packets} packets from start to end in {took:.3f} s (status {run.status}), for information")


def under_valgrind(capture):
    run = common.replay(capture, workers=2, prefix=VALGRIND, timeout=VALGRIND_TIMEOUT)
    findings = []
    if run.status == 99:
        findings.append("valgrind found errors:\n" + run.err.decode("utf-8", "replace")[-4000:])
    elif run.status != 0:
        findings.append(f"under valgrind: status {run.status}: {run.says()}")
    if run.status == 0 and len(run.records) != SESSIONS:
        findings.append(f"under valgrind: {len(run.records)} records, expected {SESSIONS}")
    return findings


def main():
    program = common.program()
    frames = [frame for number in range(SESSIONS) for frame in craft.session(client_port=40000 + number)]
    with common.Workspace() as folder:
        capture = folder / "hundred.pcap"
        capture.write_bytes(craft.pcap(frames))
        findings = at_once(capture) + leaves_nothing(capture)
        print_time(capture, len(frames))
        is_sanitized = b"__asan_init" in pathlib.Path(program).read_bytes()
        if not findings and is_sanitized:
            print("valgrind is left out: the program is built with the address sanitizer")
        elif not findings and shutil.which("valgrind") is None:
            common.skip("skipped in part: valgrind is not installed")
        else:
            findings += under_valgrind(capture)
    common.finish(findings, "replays need no privilege, and no error in memory")


if __name__ == "__main__":
    main()
