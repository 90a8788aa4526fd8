# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""counting.py MAILTAP MAILTAP_STAT TRAFFIC COUNTING CAPTURES [--rounds N] [--packets N] [--json]: what counters cost.

Three figures, each taken within one run:
- counting: the cycles by which a packet becomes dearer when its verdict is counted, measured in memory on the way of a
  packet that is no mail, as a share of all that a worker spends on such a packet (the report's busy cycles of a live run
  over the same frames);
- publishing: a replay that shows its counters against one that shows none (--counters none), CPU time a packet of the
  whole process, in turn; and how much of each millisecond a publication takes, with every cell changed;
- reading: the CPU time of `mailtap-stat --openmetrics`, start and end of the program included, on a live mailtap of
  sixteen workers that is stopped meanwhile.
"""
import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

import rounds

NAME = f"mailtap-bench-{os.getpid()}"
OBJECT = pathlib.Path("/dev/shm", NAME)
FRAMES = 2048  # of the captures that are looked at in memory: they fit the second cache
TIMES = 10000  # as often are these looked at
WORKERS = 16
SECONDS = 2
LIVE = ["--no-pci", "--no-shconf", "--no-telemetry", "--no-huge", "-m", "512"]


def make_capture(options, folder, kind, packets):
    path = pathlib.Path(folder) / f"{kind}.{packets}.pcap"
    if not path.exists():
        rounds.run_once([options.traffic, kind, str(packets), path, *sorted(map(str, options.captures.glob("*.pcap")))])
    return path


def live(options, devices, lcores, *more):
    return [options.mailtap, *LIVE, "--lcores", lcores, *devices, "--", "--server-memory", "none", "--report", "json", *more]


def counting(options, folder, kind):
    """Cycles a packet in memory, with and without counting, and those of a worker for the same frames."""
    capture = make_capture(options, folder, kind, FRAMES)
    in_memory = json.loads(rounds.run_once([options.counting, str(TIMES), capture])[0])
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    command = live(options, ["--vdev", f"net_pcap0,rx_pcap={capture},infinite_rx=1"], f"(0-1)@({cpus})", "--counters",
                   "none", "--duration", str(SECONDS))
    report = json.loads(subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout)
    busy = report["workers"][0]["busy_cycles_per_packet"]
    cost = in_memory["counting_cycles"] - in_memory["bare_cycles"]
    return {"counting_cycles": cost, "in_memory_cycles": in_memory["bare_cycles"], "worker_cycles": busy,
            "share": cost / busy, "share_in_memory": in_memory["ratio"] - 1, "publish_ns": in_memory["publish_all_ns"],
            "publish_share": in_memory["publish_all_ns"] / 1e6, "cells": in_memory["cells"], "packets": report["packets"]}


def publishing(options, folder, kind):
    """CPU time a packet of replays, with counters in shared memory and without."""
    capture = make_capture(options, folder, kind, options.packets)
    commands = [[options.mailtap, "-r", capture, "--records", "none", "--report", "json", "--counters", name]
                for name in ("none", NAME)]
    (without, shown), dropped = rounds.interleave(commands, options.rounds)
    packets = json.loads(without[0][0])["packets"]
    ratios = [b[1] / a[1] for a, b in zip(without, shown)]
    return {"packets": packets, "without": rounds.summary([cpu / packets * 1e9 for _, cpu, _ in without]),
            "shown": rounds.summary([cpu / packets * 1e9 for _, cpu, _ in shown]),
            "ratio": statistics.median(ratios), "dropped_rounds": dropped}


def reading(options):
    """CPU milliseconds of one reading."""
    OBJECT.unlink(missing_ok=True)
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    process = subprocess.Popen(live(options, ["--vdev", "net_null0"], f"(0-{WORKERS})@({cpus})", "--counters", NAME),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not OBJECT.exists():
            if process.poll() is not None:
                raise SystemExit(f"mailtap with {WORKERS} workers ended with {process.returncode}")
            time.sleep(0.05)
        time.sleep(SECONDS)
        process.send_signal(signal.SIGSTOP)
        runs = [rounds.run_once([options.mailtap_stat, "--counters", NAME, "--openmetrics"]) for _ in range(50)]
        return {"workers": WORKERS, "lines": len(runs[0][0].splitlines()),
                "cpu_ms": rounds.summary([cpu * 1e3 for _, cpu, _ in runs])}
    finally:
        process.kill()
        process.wait()


def print_table(result):
    print("counting       cycles  of a worker's  share   (in memory)    publication  of each ms")
    for kind, row in result["counting"].items():
        print(f"  {kind:10} {row['counting_cycles']:8.2f} {row['worker_cycles']:13.0f} {row['share']:7.2%} "
              f"{row['share_in_memory']:12.2%} {row['publish_ns']:10.0f} ns {row['publish_share']:10.3%}")
    print("publishing   packets  ns a packet: none     shown  ratio  dropped")
    for kind, row in result["publishing"].items():
        print(f"  {kind:10} {row['packets']:8} {row['without']['median']:17.1f} {row['shown']['median']:9.1f} "
              f"{row['ratio']:6.3f} {row['dropped_rounds']:8}")
    row = result["reading"]
    print(f"reading      {row['workers']} workers, {row['lines']} lines: {row['cpu_ms']['median']:.1f} ms of CPU "
          f"(at least {row['cpu_ms']['min']:.1f}, spread {row['cpu_ms']['spread']:.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for program in ("mailtap", "mailtap_stat", "traffic", "counting"):
        parser.add_argument(program)
    parser.add_argument("captures", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--packets", type=int, default=1000000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="mailtap-bench-") as folder:
            result = {"counting": {kind: counting(options, folder, kind) for kind in ("udp", "web", "syn")},
                      "publishing": {kind: publishing(options, folder, kind) for kind in ("udp", "sessions")},
                      "reading": reading(options)}
    finally:
        OBJECT.unlink(missing_ok=True)
    if options.json:
        print(json.dumps(result))
    else:
        print_table(result)


if __name__ == "__main__":
    main()
