# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""against.py BEFORE NOW TRAFFIC CAPTURES [--rounds N] [--packets N] [--json]: the speed of two builds, as a ratio.

BEFORE and NOW are mailtap programs, TRAFFIC the generator, CAPTURES the folder it takes sessions from. Both replay the
same files in turn. A figure is packets a CPU second of the whole process, records and report left out; the ratio is
that of NOW over that of BEFORE, above 1 where it has become faster.
"""
import argparse
import hashlib
import json
import pathlib
import tempfile

import rounds

KINDS = ("sessions", "mixed", "web", "udp", "syn")


def make_captures(options, folder):
    """Kind -> path of a capture of it."""
    models = sorted(map(str, options.captures.glob("*.pcap")))
    captures = {}
    for kind in KINDS:
        captures[kind] = pathlib.Path(folder) / f"{kind}.pcap"
        rounds.run_once([options.traffic, kind, str(options.packets), captures[kind], *models])
    return captures


def command(program, capture):
    return [program, "-r", capture, "--records", "none", "--report", "json"]


def measure(options, capture):
    """The row of one capture."""
    (before, now), dropped = rounds.interleave([command(options.before, capture), command(options.now, capture)],
                                               options.rounds)
    reports = [json.loads(result[0][0]) for result in (before, now)]
    packets = reports[0]["packets"]
    if reports[1]["packets"] != packets:
        raise SystemExit(f"{capture}: {packets} packets before, {reports[1]['packets']} now: a figure is void")
    figures = [rounds.summary([packets / cpu for _, cpu, _ in result]) for result in (before, now)]
    return {
        "packets": packets,
        "sha256": hashlib.sha256(capture.read_bytes()).hexdigest(),
        "sessions": [sum(sum(kinds.values()) for kinds in report["sessions"].values()) for report in reports],
        "before": figures[0],
        "now": figures[1],
        "ratio": figures[1]["median"] / figures[0]["median"],
        "dropped_rounds": dropped,
    }


def print_table(rows):
    print(f"{'traffic':10} {'packets':>9} {'sessions':>15} {'before':>10} {'now':>10} {'spread':>11} {'ratio':>6}")
    for kind, row in rows.items():
        sessions = "/".join(map(str, row["sessions"]))
        print(f"{kind:10} {row['packets']:9} {sessions:>15} {row['before']['median']:10.0f} {row['now']['median']:10.0f} "
              f"{row['before']['spread']:5.2f} {row['now']['spread']:5.2f} {row['ratio']:6.3f}")
    print("before and now: packets a CPU second of the whole process, median; spread: fastest round over slowest")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before")
    parser.add_argument("now")
    parser.add_argument("traffic")
    parser.add_argument("captures", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--packets", type=int, default=500000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailtap-bench-") as folder:
        rows = {kind: measure(options, capture) for kind, capture in make_captures(options, folder).items()}
    if options.json:
        print(json.dumps(rows))
    else:
        print_table(rows)


main()
