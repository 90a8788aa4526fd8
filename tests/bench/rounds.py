# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Commands measured side by side: one after the other, round after round, so that what disturbs one disturbs all.

What is measured is the CPU time of a process and all its threads: on a machine that others use too it moves less than
the time on the clock. A round during which the machine under this one took more than 1 % of the time is dropped.
"""
import os
import statistics
import subprocess
import tempfile
import time

STEAL_MOST = 0.01


def steal_and_all():
    """Ticks that were taken from this machine, and all ticks, since it was started."""
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = [int(word) for word in stat.readline().split()[1:9]]
    return ticks[7], sum(ticks)


def run_once(command, environment=None):
    """Standard output, CPU seconds and seconds of one run, which has to end with 0."""
    with tempfile.TemporaryFile() as out:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begin
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}")
        out.seek(0)
        return out.read(), usage.ru_utime + usage.ru_stime, seconds


def interleave(commands, rounds, environment=None):
    """For each command a list of (standard output, CPU seconds, seconds), by rounds that were quiet enough."""
    results = [[] for _ in commands]
    dropped = 0
    while len(results[0]) < rounds:
        steal, ticks = steal_and_all()
        round_ = [run_once(command, environment) for command in commands]
        steal_now, ticks_now = steal_and_all()
        if steal_now - steal > STEAL_MOST * (ticks_now - ticks) and dropped < rounds:
            dropped += 1
            continue
        for result, measured in zip(results, round_):
            result.append(measured)
    return results, dropped


def summary(values):
    """Median, minimum and spread (maximum over minimum)."""
    return {"median": statistics.median(values), "min": min(values), "spread": max(values) / min(values)}
