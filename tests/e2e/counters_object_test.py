#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What stands in /dev/shm, and what does not: who may write it, what is refused there, and by whom.

A live mailtap: a second one of its name is refused, nobody else can write or feign a writer, a stopped process is alive
and silent, and what mailtap-stat says of it is what the specification gives. Then things that are no counters, planted
under the name: mailtap and mailtap-stat refuse each, name it and leave it as it was.
"""
import json
import os
import pwd
import signal
import socket
import sys
import time

import common
import counters_reader
import monitoring

NAME = f"mailtap-e2e-object-{os.getpid()}"
PATH = common.SHARED_MEMORY / NAME
SILENT = 5.5  # seconds after which a thread counts as stuck, and a little
NOBODY = """
import fcntl, os, struct, sys
try:
    os.open(sys.argv[1], os.O_RDWR)
    sys.exit("it can be opened for writing")
except PermissionError:
    pass
file = os.open(sys.argv[1], os.O_RDONLY)
try:
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
    sys.exit("it can be locked as a writer locks it")
except OSError:
    pass
"""


def mailtap(*options):
    """One live run without traffic, for a moment."""
    return common.Run([common.program(), *monitoring.LIVE, "--vdev", "net_null0", "--", "--counters", NAME,
                       "--server-memory", "none", "--report", "none", *options])


def stat(*options, prefix=()):
    return common.Run([*prefix, common.program("MAILTAP_STAT"), "--counters", NAME, *options])


def check_second():
    second = mailtap("--duration", "1")
    if second.status != 2 or f"--counters {NAME}: a running instance".encode() not in second.err:
        return [f"a second instance: status {second.status}: {second.says()}"]
    return []


def check_nobody():
    """An ordinary user reads, and that is all; even so nobody is told of a writer that is none."""
    findings = []
    tried = common.Run([*common.as_nobody(), sys.executable, "-c", NOBODY, PATH])
    if tried.status != 0:
        findings.append(f"as nobody: {tried.says()}")
    if PATH.stat().st_mode & 0o777 != 0o644:
        findings.append(f"mode {PATH.stat().st_mode & 0o777:o}")
    read = stat("--json", prefix=common.as_nobody())
    if read.status != 0 or not json.loads(read.out)["healthy"]:
        findings.append(f"nobody reads: status {read.status}: {read.out[:300]} {read.says()}")
    return findings


def check_silent(process):
    """It holds the object and does nothing. Values that nobody changes are the same in every reader."""
    process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(SILENT)
        shown = json.loads(stat("--json").out)
        reader = counters_reader.Reader(NAME)
        findings = [] if reader.state() == (True, 2) and shown["up"] and not shown["healthy"] and \
            "not been heard of" in shown["health"] else [f"stopped: {reader.state()}, {shown['health']}"]
        ages = [thread["heartbeat_age_seconds"] for thread in shown["threads"]]
        if not all(SILENT - 1 < age < monitoring.SECONDS for age in ages):
            findings.append(f"heartbeats are {ages} seconds old, the process was stopped {SILENT} s ago")
        ours = {(name, frozenset(sample["labels"].items())): sample["value"] for name, metric in shown["metrics"].items()
                for sample in metric["series"] if "value" in sample}
        theirs = {(name, frozenset(labels.items())): value for name, labels, value in reader.samples()
                  if not isinstance(value, tuple)}
        return findings + ([] if ours == theirs else [f"series differ: {set(ours.items()) ^ set(theirs.items())}"])
    finally:
        process.send_signal(signal.SIGCONT)


def check_live(folder):
    command = [common.program(), *monitoring.LIVE, "--vdev", "net_null0", "--", "--counters", NAME, "--server-memory",
               "none", "--report", "none"]
    with monitoring.Program(folder, "live", command) as live:
        monitoring.until("counters that are live", lambda: stat().status == 0)
        findings = check_second() + check_nobody() + check_silent(live.process)
        live.process.kill()
        live.process.wait()
        gone = stat()
        if gone.status != 3 or b"no writer: last values" not in gone.out:
            findings.append(f"killed: status {gone.status}: {gone.out[:200]}")
    return findings


def plant_link():
    target = PATH.with_name(NAME + ".target")
    target.write_bytes(b"somebody's")
    PATH.symlink_to(target)


def plant_socket():
    with socket.socket(socket.AF_UNIX) as planted:
        planted.bind(str(PATH))


def plant_zeros():
    """As long as an object is, and nothing in it."""
    PATH.write_bytes(bytes(1 << 20))


def state_of(path):
    """What would change if somebody wrote there."""
    status = path.lstat()
    return status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns


def check_planted(what, plant):
    plant()
    before = {path: state_of(path) for path in common.SHARED_MEMORY.glob(f"{NAME}*")}
    findings = []
    for who, run in (("mailtap", mailtap("--duration", "1")), ("mailtap-stat", stat())):
        if run.status not in ((2,) if who == "mailtap" else (1,)) or NAME.encode() not in run.err:
            findings.append(f"{what}: {who} ended with {run.status}: {run.says()}")
    if {path: state_of(path) for path in common.SHARED_MEMORY.glob(f"{NAME}*")} != before:
        findings.append(f"{what}: it was changed")
    for path in before:
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    return findings


def check_damaged():
    """An object cut short is refused by its readers; the next start puts its own in its place."""
    mailtap("--duration", "0.1")
    findings, size = [], PATH.stat().st_size
    for left in (size - 1, size // 2, 128, 127, 1):
        os.truncate(PATH, left)
        read = stat()
        if read.status != 1 or NAME.encode() not in read.err:
            findings.append(f"{left} of {size} bytes: status {read.status}: {read.says()}")
        if left == size // 2:
            again = mailtap("--duration", "0.1")
            if again.status != 0 or stat().status != 3:
                findings.append(f"a start over a damaged object: status {again.status}: {again.says()}")
    PATH.unlink()
    return findings


def check_owner():
    """Another's counters are not believed; root's and one's own are."""
    if os.geteuid() != 0:
        return []
    mailtap("--duration", "0.1")
    findings = []
    if stat(prefix=common.as_nobody()).status != 3:
        findings.append("nobody does not read root's counters")
    user = pwd.getpwnam("daemon").pw_uid
    os.chown(PATH, user, -1)
    read, trusted = stat(), stat("--owner", "daemon")
    if read.status != 1 or NAME.encode() not in read.err or f"user {user}".encode() not in read.err:
        findings.append(f"user {user}'s counters: status {read.status}: {read.says()}")
    if trusted.status != 3:
        findings.append(f"counters of a trusted user: status {trusted.status}: {trusted.says()}")
    PATH.unlink()
    return findings


PLANTED = {"a link": plant_link, "a socket": plant_socket, "a pipe": lambda: os.mkfifo(PATH),
           "a folder": PATH.mkdir, "zeros": plant_zeros, "a text": lambda: PATH.write_text("mailtap"),
           "nothing": PATH.touch}


def main():
    common.program()
    common.program("MAILTAP_STAT")
    findings = []
    try:
        with common.Workspace() as folder:
            findings += check_live(folder)
        PATH.unlink()
        for what, plant in PLANTED.items():
            findings += check_planted(what, plant)
        findings += check_damaged() + check_owner()
    finally:
        for path in common.SHARED_MEMORY.glob(f"*{NAME}*"):
            path.rmdir() if path.is_dir() else path.unlink()
    common.finish(findings, "one writes, all read, and nothing else is taken for counters")


if __name__ == "__main__":
    main()
