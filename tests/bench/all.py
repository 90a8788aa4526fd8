# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""all.py BENCH FOLDER [--quick] [--only NAME]...: every measurement, into a folder.

BENCH is scripts/bench. The folder gets bench.json, with all that each measurement said; bench.txt, a table of the goals
and each measurement's own; and the curves as SVG (plots.py). --quick takes two minutes instead of twenty: it shows that
all of it runs, and no figure to quote. One that fails is named in both, and the others are still made.
"""
import argparse
import contextlib
import dataclasses
import io
import json
import pathlib
import subprocess
import sys
import time

import counting
import flows
import memory
import plots
import rates
import scan
import sessions
import tools


@dataclasses.dataclass
class Step:
    """One measurement: its switches, those of --quick, and what prints its table."""
    name: str
    switches: str
    quick: str
    print_table: object


def print_rates(result):
    rates.print_head(result["machine"])
    for name, row in result["rows"].items():
        rates.print_row(name, row)


STEPS = [
    Step("rates", "--curves --rounds 5 --seconds 0.5",
         "--rounds 2 --seconds 0.1 --only udp --only foreign --only decided --only short --only mixed", print_rates),
    Step("flows", "--rounds 3", "--rounds 1 --packets 1000000 --most 1000000", flows.print_table),
    Step("scan", "--rounds 10", "--rounds 2 --ms 10", scan.print_table),
    Step("sessions", "", "--sessions 3000 --flows 1024", sessions.print_table),
    Step("tools", "--rounds 5", "--rounds 1 --packets 20000", tools.print_table),
    Step("memory", "", "--flows 50000,200000 --replay 10000,40000", memory.print_table),
    Step("counting", "--rounds 5", "--rounds 1 --packets 50000", counting.print_table),
]


# ---- Goals, from everywhere ----

def goal(about, figure, wanted, unit, is_least=False, least=None, most=None):
    return {"about": about, "median": figure, "min": figure if least is None else least, "max": figure if most is None else most,
            "goal": wanted, "unit": unit, "is_met": figure >= wanted if is_least else figure <= wanted}


def goals_of_flows(result):
    wanted, crafted = result["goals"], result["crafted"]
    for spread, ratio in result["slow_down"].items():
        rows = result["spreads"][spread]
        yield goal(f"flow table alone, {rows[-1]['flows']:,} beside {rows[1]['flows']:,}, {spread}", ratio["look_up"],
                   wanted["slow_down"], "times")
    for row in result["spreads"]["uniform"][1:]:
        where = "cache" if row["table_bytes"] <= 32 << 20 else "memory"
        yield goal(f"flow table alone, first payloads, {row['flows']:,} flows", row["set_up_per_second"] / 1e6,
                   wanted["set_up_per_second"][where] / 1e6, "M/s", True)
    for name in ("crc32c", "toeplitz", "both"):
        yield goal(f"a million tuples crafted for {name}", crafted["ratio"][name], wanted["crafted"], "times")


def goals_of_scan(result):
    for name, row in result["sets"].items():
        yield goal(f"scan stage of Hyperscan alone, {name}", row["all"]["ratio"], result["goal"], "of speed", True)


def goals_of_tools(result):
    for name, row in result["files"].items():
        ours = row["tools"]["mailtap"]
        for tool in ("ndpiReader", "tshark"):
            yield goal(f"mailtap -r beside {tool}, {name}", row["tools"][tool]["ratio"], result["goals"][tool], "times", True)
        start = ours["start_seconds"]
        yield goal(f"mailtap -r, {tools.FEW} packets", start["median"], result["goals"]["start_seconds"], "s", False, start["min"],
                   start["min"] * start["spread"])


def goals_of_memory(result):
    wanted = result["goals"]
    yield goal("a decided flow in the worker", result["decided_slope"]["engine"], wanted["decided"], "bytes")
    yield goal("a flow in dialogue in the worker", result["dialogue"]["engine"], wanted["dialogue"], "bytes")
    yield goal("a decided session's parked record", result["parked"]["bytes"], wanted["parked"], "bytes")


def goals_of_sessions(result):
    for name, row in result["rows"]:
        yield goal(f"{name} to its verdict, {row['flows']:,} under way", row["to_verdict"], result["goal"], "cycles", False,
                   row["to_verdict_least"])


GOALS = {"rates": lambda result: result["goals"], "flows": goals_of_flows, "scan": goals_of_scan, "tools": goals_of_tools,
         "memory": goals_of_memory, "sessions": goals_of_sessions}


def print_goals(goals):
    print(f"{'goal':60} {'reached':>9} {'least':>9} {'most':>9} {'goal':>8} unit")
    for row in goals:
        print(f"{row['about']:60} {row['median']:9.2f} {row['min']:9.2f} {row['max']:9.2f} {row['goal']:8g} {row['unit']:8}"
              f"{'' if row['is_met'] else ' missed'}")


# ---- One after the other ----

def run(options, step):
    """What it said, or what it failed with."""
    switches = (step.quick if options.quick else step.switches).split()
    begin = time.monotonic()
    done = subprocess.run([options.bench, step.name, *switches, "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          check=False)
    print(f"{step.name}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"failed": f"{step.name} ended with {done.returncode} and no figures"}


def table(step, result):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        print(f"== {step.name} ==")
        if "failed" in result:
            print(result["failed"])
        else:
            step.print_table(result)
    return text.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", choices=[step.name for step in STEPS])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    steps = [step for step in STEPS if not options.only or step.name in options.only]
    results = {}
    for step in steps:
        results[step.name] = run(options, step)
        # What follows may take long, or be stopped.
        (options.folder / "bench.json").write_text(json.dumps(results))
    made = {name: result for name, result in results.items() if "failed" not in result}
    goals = [row for name, result in made.items() if name in GOALS for row in GOALS[name](result)]
    (options.folder / "bench.json").write_text(json.dumps({"is_quick": options.quick, "goals": goals, **results}, indent=1))
    with open(options.folder / "bench.txt", "w", encoding="utf-8") as text, contextlib.redirect_stdout(text):
        print_goals(goals)
        for step in steps:
            print("\n" + table(step, results[step.name]), end="")
    print((options.folder / "bench.txt").read_text(), end="")
    plots.draw_all(made, options.folder)
    return 0 if made == results else 1


if __name__ == "__main__":
    raise SystemExit(main())
