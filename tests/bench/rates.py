# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""rates.py MAILTAP MAILTAP_STAT BENCH CAPTURES: what a packet costs, above one that is only received.

mailtap and a baseline receive the same traffic in turn on the same CPU, round by round. Over a capture that net_pcap
plays in a loop from memory the baseline is dpdk-testpmd (rxonly, bursts of 32). Where another core makes the packets it
is sink.c, which reads 64 bytes of each; there a figure is of the polls that brought packets. A figure is TSC cycles,
ours less the baseline's, of the median round. A row whose packets, verdicts and sessions are not what the generator made
is void.

net_pcap's rate is one of copying memory: the frames of the capture are named with it. Bursts have the size that mailtap
was built with, 32.
"""
import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile

import feeds
import rounds
import rows

SHARE_LEAST = 0.95  # of the CPU; a round with less is dropped as one with too much steal is
# What is lost behind the worker, or was no loss of packets: shown. All other losses make a row void.
REPORT_LOSSES = ("record_ring_full", "certificate_ring_full", "parked_full", "record_sink", "server_memory_full",
                 "retry_memory_full", "text_limit", "auth_limit", "capability_limit", "line_limit", "pending_limit",
                 "handshake_limit")
UNDER_WAY = 1100 + 32  # connections, at most, that have begun and not said anything, or lie in the feed's last burst


@contextlib.contextmanager
def one_at_a_time():
    """Two that measure on one machine measure each other."""
    with open(pathlib.Path(tempfile.gettempdir(), "mailtap-bench.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# ---- One row ----

def sessions_expected(row, truth):
    """The least and the most."""
    connections = truth["connections"]
    if row.kind == "decided":
        return connections, connections
    if row.feed == "ring":
        return max(0, connections - UNDER_WAY), connections
    # Two ports are not at the same place of their captures: each may be a loop ahead.
    return (truth["loops"] - row.workers + 1) * connections, (truth["loops"] + row.workers) * connections


def check(row, truth, report):
    """A fast wrong number is void. Result: what is wrong."""
    packets, verdicts = report["packets"], report["verdicts"]
    sessions = sum(worker["sessions"] for worker in report["workers"])
    lost = {name: count for name, count in report["losses"].items() if count and name not in REPORT_LOSSES}
    least, most = sessions_expected(row, truth)
    findings = []
    if sum(verdicts.values()) != packets:
        findings.append(f"{packets} packets in, {sum(verdicts.values())} under a verdict")
    if row.feed == "ring" and packets != truth["sent"]:
        findings.append(f"{truth['sent']} packets sent, {packets} received")
    if row.verdict is not None and verdicts[row.verdict] != packets:
        findings.append(f"of {packets} packets {verdicts[row.verdict]} are {row.verdict}")
    if row.kind == "decided" and verdicts["decided"] < packets - truth["setup"]:
        findings.append(f"of {packets} packets {verdicts['decided']} are of decided flows")
    if not least <= sessions <= most:
        findings.append(f"{sessions} sessions, not {least} to {most}")
    if lost:
        findings.append(f"lost: {lost}")
    return findings


def take_turns(row, both, options):
    """Rounds: a turn of each. Result: those kept, and how many were dropped."""
    share_least = 0 if row.feed == "ring" else SHARE_LEAST  # who waits for a ring gives its CPU away
    kept, dropped = [], 0
    while len(kept) < options.rounds:
        steal, ticks = rounds.steal_and_all()
        round_ = [receiver.turn(options.seconds) for receiver in both]
        steal_now, ticks_now = rounds.steal_and_all()
        share = min(turn["share"] for turn in round_)
        is_noisy = steal_now - steal > rounds.STEAL_MOST * (ticks_now - ticks) or share < share_least
        if is_noisy and (share == 0 or dropped < options.rounds):
            dropped += 1
            if dropped > 10 * options.rounds:
                raise SystemExit("this machine is too busy to measure on")
            continue
        kept.append(round_)
    return kept, dropped


def summary(values):
    values = list(values)
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def cycles(row, turn, ghz):
    """Cycles a packet. From a ring comes less than the loop could take: only polls that brought packets count."""
    if row.feed == "ring":
        return turn["others"]["busy_cycles"] / turn["packets"]
    return turn["ns"] * ghz


def figures(row, truth, kept):
    """What the table shows, in cycles and nanoseconds."""
    ghz = statistics.median(ours["others"]["cycles"] / ours["seconds"] / row.workers for ours, _ in kept) / 1e9
    ours, base = ([cycles(row, turn, ghz) for turn in turns] for turns in zip(*kept))
    rates = [row.workers * ghz * 1e9 / figure for figure in ours]
    times = 1
    if row.figure != "packet":  # no connection is counted that says nothing: SYN, SYN-ACK, RST
        times = truth["packets"] / truth["connections"] if truth["connections"] else 3
    above = summary((a - b) * times for a, b in zip(ours, base))
    return {
        "ghz": ghz,
        "ours": summary(ours),
        "base": summary(base),
        "above": above,
        "above_ns": above["median"] / ghz,
        "mpps": summary(rate / 1e6 for rate in rates),
        "gbps": summary(rate * truth["bytes"] * 8 / truth["packets"] / 1e9 for rate in rates),
        "thousands": summary(0 if row.kind == "decided" else rate * truth["connections"] / truth["packets"] / 1e3
                             for rate in rates),
        "share": min(turn["share"] for round_ in kept for turn in round_),
    }


def measure(options, row, folder):
    with feeds.FEEDS[row.feed](options, row, folder) as (ours, base, finish):
        kept, dropped = take_turns(row, (ours, base), options)
        report, truth = finish()
    return {"about": row.about, "feed": row.feed, "figure": row.figure, "workers": row.workers, "truth": truth,
            "baseline": base.name, "dropped_rounds": dropped, "received": report["packets"], "verdicts": report["verdicts"],
            "findings": check(row, truth, report),
            "reports_lost": sum(report["losses"][name] for name in REPORT_LOSSES), **figures(row, truth, kept)}


# ---- All of them ----

def derive(results, row):
    """A first payload: what a connection with it costs more than one without."""
    result, without = results[row.name], results.get("answered")
    if row.figure != "first":
        return
    if without is None:
        result["findings"].append("the row `answered` is needed beside it")
        return
    for key in ("median", "min", "max"):
        result["above"][key] -= without["above"]["median"]
    result["above_ns"] -= without["above_ns"]


def goals(results):
    """What was reached of what is to be reached, of the rows that were measured."""
    for goal in rows.GOALS:
        row, beside = results.get(goal.row), results.get(goal.beside)
        if row is None or row["findings"] or (goal.beside is not None and (beside is None or beside["findings"])):
            continue
        by = beside[goal.key]["median"] if beside is not None else 1
        figure = {key: value / by for key, value in row[goal.key].items()}
        is_met = figure["median"] >= goal.goal if goal.is_least else figure["median"] <= goal.goal
        yield {"about": goal.about, "row": goal.row, "unit": goal.unit, "goal": goal.goal, "is_least": goal.is_least,
               "is_met": is_met, "baseline": row["base"]["median"], **figure}


def machine(options):
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    facts = dict(line.split("\t: ", 1) for line in reversed(cpuinfo) if "\t: " in line)
    interesting = ("sse4_2", "avx2", "avx512f", "avx512bw", "vaes", "gfni")
    commit = subprocess.run(["git", "-C", pathlib.Path(__file__).parent, "describe", "--always", "--dirty"],
                            capture_output=True, text=True, check=False).stdout.strip()
    return {"cpu": facts["model name"], "flags": [flag for flag in facts["flags\t"].split() if flag in interesting],
            "kernel": platform.release(), "cpus": os.cpu_count(), "commit": commit or "unknown",
            "rounds": options.rounds, "seconds": options.seconds}


# ---- The tables ----

def print_head(facts):
    print(f"{facts['cpu']}, {facts['cpus']} CPUs, {' '.join(facts['flags'])}; Linux {facts['kernel']}; "
          f"commit {facts['commit']}; {facts['rounds']} rounds of {facts['seconds']:g} s")
    print(f"{'row':16} {'frames':>7} {'base':>6} {'ours':>6}  {'above':>7} {'least':>7} {'most':>7} {'ns':>7}  "
          f"{'Mpps':>6} {'Gbit/s':>6} {'k/s':>6}  {'CPU':>4} {'dropped':>7}  {'sha256':8}  what")


def print_row(name, row):
    frames = row["truth"].get("of", "-")
    print(f"{name:16} {frames:>7} {row['base']['median']:6.1f} {row['ours']['median']:6.1f}  "
          f"{row['above']['median']:7.1f} {row['above']['min']:7.1f} {row['above']['max']:7.1f} {row['above_ns']:7.1f}  "
          f"{row['mpps']['median']:6.2f} {row['gbps']['median']:6.1f} {row['thousands']['median']:6.0f}  {row['share']:4.0%} "
          f"{row['dropped_rounds']:7}  {row['truth'].get('sha256', '-')[:8]:8}  {row['about']}", flush=True)
    for finding in row["findings"]:
        print(f"  VOID: {finding}")
    if row["reports_lost"] > 0:
        print(f"  behind the worker, {row['reports_lost']} reports found no room")


def print_goals(results):
    print(f"base, ours: cycles of a TSC of {statistics.median(row['ghz'] for row in results.values()):.3f} GHz a packet; "
          "above: of a packet, or of what the row names")
    print(f"\n{'goal':38} {'reached':>9} {'least':>9} {'most':>9}  {'goal':>7} {'unit':8} {'baseline':>8}  row")
    for goal in goals(results):
        print(f"{goal['about']:38} {goal['median']:9.2f} {goal['min']:9.2f} {goal['max']:9.2f}  {goal['goal']:7g} "
              f"{goal['unit']:8} {goal['baseline']:8.1f}  {goal['row']}{'' if goal['is_met'] else ', missed'}")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mailtap")
    parser.add_argument("mailtap_stat")
    parser.add_argument("bench", type=pathlib.Path, help="the folder of traffic, feed and sink")
    parser.add_argument("captures", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1, help="of a turn")
    parser.add_argument("--only", action="append", metavar="ROW", choices=[row.name for row in rows.ROWS])
    parser.add_argument("--long", action="store_true", help="16 million flows too: 8 GiB of memory, minutes")
    parser.add_argument("--curves", action="store_true", help="over flows, frame size and share of mail, too")
    parser.add_argument("--no-huge", action="store_true", help="small pages: to see that it works, no figures")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main():
    options = read_options()
    groups = {"always"} | ({"long"} if options.long else set()) | ({"curve"} if options.curves else set())
    facts, results = machine(options), {}
    if not options.json:
        print_head(facts)
    with contextlib.nullcontext() if options.no_huge else one_at_a_time():
        for row in rows.ROWS:
            if row.name not in options.only if options.only else row.group not in groups:
                continue
            with tempfile.TemporaryDirectory(prefix="mailtap-bench-") as folder:
                results[row.name] = measure(options, row, pathlib.Path(folder))
            derive(results, row)
            if not options.json:
                print_row(row.name, results[row.name])
    if options.json:
        print(json.dumps({"machine": facts, "rows": results, "goals": list(goals(results))}))
    else:
        print_goals(results)
    return 1 if any(row["findings"] for row in results.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
