# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""scan.py SCAN BANNERS CAPTURES [--rounds N] [--ms N] [--json]: lib/match beside Hyperscan alone.

On the lines that the program looks up while it reads the captures of the folder CAPTURES, set by set. First all lines,
against one scan each of a database that has all rows of the set, words as patterns; then those that no word decides,
against one scan each of a database of the set's patterns. Both find the same in every line, or there are no figures.
"""
import argparse
import json
import pathlib
import statistics

import rounds

GOAL = 0.8  # of the speed of Hyperscan alone


def combine(runs, name, part):
    """The figures of one set over all rounds."""
    rows = [run["sets"][name][part] for run in runs]
    if rows[0]["lines"] == 0:
        return None
    return {"lines": rows[0]["lines"], "ours_ns": rounds.summary([row["ours_ns"] for row in rows]),
            "raw_ns": rounds.summary([row["raw_ns"] for row in rows]),
            "ratio": statistics.median(row["raw_ns"] / row["ours_ns"] for row in rows)}


def add_up(sets, sessions):
    """What all lines of all sets cost together."""
    total = {who: sum(row["all"]["lines"] * row["all"][who]["median"] for row in sets.values())
             for who in ("ours_ns", "raw_ns")}
    return {"lines": sum(row["all"]["lines"] for row in sets.values()), "ratio": total["raw_ns"] / total["ours_ns"],
            **{f"{who}_per_session": ns / sessions for who, ns in total.items()}}


def measure(options):
    captures = sorted(map(str, options.captures.glob("*.pcap")))
    (results,), dropped = rounds.interleave([[options.scan, str(options.ms), options.banners, *captures]], options.rounds)
    runs = [json.loads(out) for out, _, _ in results]
    sets = {name: {"rows": row["rows"], "bytes_per_line": row["bytes"] / row["all"]["lines"],
                   "all": combine(runs, name, "all"), "scanned": combine(runs, name, "scanned")}
            for name, row in runs[0]["sets"].items()}
    return {"hyperscan": runs[0]["hyperscan"], "sessions": runs[0]["sessions"], "goal": GOAL, "rounds": options.rounds,
            "dropped_rounds": dropped, "sets": sets, "total": add_up(sets, runs[0]["sessions"])}


def print_part(part):
    if part is None:
        return f" | {'':36}"
    return (f" | {part['lines']:6} {part['ours_ns']['median']:7.1f} {part['ours_ns']['spread']:5.2f} "
            f"{part['raw_ns']['median']:7.1f} {part['ratio']:7.2f}")


def print_table(result):
    head = f" | {'lines':>6} {'ours ns':>7} {'sprd':>5} {'raw ns':>7} {'of raw':>7}"
    print(f"{'':16} {'rows':>4} {'bytes':>5}{head}{head}   (left: all; right: those that no word decides)")
    for name, row in result["sets"].items():
        print(f"{name:16} {row['rows']:4} {row['bytes_per_line']:5.1f}{print_part(row['all'])}{print_part(row['scanned'])}")
    total = result["total"]
    print(f"together {total['lines']} lines of {result['sessions']} sessions: {total['ratio']:.2f} of the speed of "
          f"Hyperscan {result['hyperscan']} alone, goal {result['goal']}; {total['ours_ns_per_session']:.0f} ns a session, "
          f"{total['raw_ns_per_session']:.0f} alone")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan")
    parser.add_argument("banners")
    parser.add_argument("captures", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--ms", type=int, default=100, help="for each comparison of each set, a round")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options)
    print(json.dumps(result)) if options.json else print_table(result)


if __name__ == "__main__":
    main()
