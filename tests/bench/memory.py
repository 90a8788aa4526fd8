# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""memory.py MAILTAP MAILTAP_STAT BENCH BANNERS CAPTURES [--flows N,...] [--replay N,...] [--json]: bytes a flow.

By slope: with as many flows as there is room for, less with none. In one process of an engine alone (memory.c): decided
flows, in the engine and as parked records; flows in dialogue; and the records parked for the sessions of the captures.
And of whole programs: the most that was resident while `mailtap -r` read a file of decided flows that all stay open;
and what a live one holds, small pages and huge ones, before the first packet has come.
"""
import argparse
import contextlib
import json
import pathlib
import subprocess
import tempfile

import feeds
import receivers
import rounds

DIALOGUES = 100_000   # side by side, ten packets each
PACKETS = 400_000     # of the sessions of the captures
GOALS = {"decided": 64, "dialogue": 64 + 2048, "parked": 512}
PAGE_BYTES = 2 << 20


def run(options, flows, kind, packets=0, captures=()):
    return json.loads(rounds.run_once([options.bench / "memory", options.banners, "--tuples", str(flows), kind, str(packets),
                                       "-", *captures])[0])


# ---- An engine alone ----

def decided(options, flows):
    said = run(options, flows, "decided")
    if not said["flows"] == said["parked_now"] == flows:
        raise SystemExit(f"no figures: {said['flows']} of {flows} flows, {said['parked_now']} of them parked")
    return {"flows": flows, "engine": (said["bytes"] - said["heap_bytes"]) / flows, "parked": said["heap_bytes"] / flows}


def in_dialogue(options):
    said = run(options, DIALOGUES, "lines", 10 * DIALOGUES)
    return {"flows": said["flows"], "engine": said["bytes"] / said["flows"]}


def parked(options):
    """With what malloc() and the table of the parked add to the reports of decided sessions alone."""
    entry = decided(options, DIALOGUES)["parked"]
    alone = run(options, DIALOGUES, "decided")
    said = run(options, 64, "sessions", PACKETS, feeds.models(options))
    each = said["parked_report_bytes"] / said["parked"]
    return {"sessions": said["sessions"], "parked": said["parked"], "report": each,
            "bytes": each + entry - alone["parked_report_bytes"] / alone["parked"]}


# ---- Whole programs ----

def replay(options, flows, folder):
    """Nothing is lost in a replay, so all of the flows are parked when it ends."""
    path = folder / "decided.pcap"
    rounds.run_once([options.bench / "traffic", "--tuples", str(flows), "decided", "0", path])
    command = [options.mailtap, "-r", path, "--records", "none", "--report", "json", "--flows", str(flows)]
    result = subprocess.run(["time", "-q", "-f", "%M", *command], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    path.unlink()
    sessions = sum(worker["sessions"] for worker in json.loads(result.stdout)["workers"])
    if sessions != flows:
        raise SystemExit(f"no figures: {sessions} sessions of {flows}")
    return {"flows": flows, "resident": int(result.stderr.split()[-1]) << 10}


def replays(options, folder):
    rows = [replay(options, flows, folder) for flows in options.replay]
    return {"steps": rows, "bytes": (rows[-1]["resident"] - rows[0]["resident"]) / (rows[-1]["flows"] - rows[0]["flows"])}


def process_bytes(pid):
    words = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    kib = {name: int(value.split()[0]) for name, value in words.items() if value.endswith("kB")}
    return {"resident": kib["Rss"] << 10, "huge": (kib["Private_Hugetlb"] + kib["Shared_Hugetlb"]) << 10}


def at_rest(options, flows, folder):
    """A live run that has room for so many flows, before any has come."""
    pages = 2 * feeds.PROCESS_BYTES // PAGE_BYTES + flows * feeds.FLOW_BYTES // PAGE_BYTES
    with contextlib.ExitStack() as stack:
        stack.enter_context(feeds.huge_pages(pages))
        ours = receivers.Mailtap(options, ["--vdev", "net_ring0"], folder, feeds.MBUFS_MORE, ("--in-memory",),
                                 feeds.lcores(1), options=("--flows", str(flows)))
        stack.callback(ours.kill)
        ours.wait_until(ours.is_up, "up")
        held = process_bytes(ours.process.pid)
        ours.finish()
    return {"room": flows, **held}


# ---- Output ----

def print_table(result):
    print(f"{'':34} {'flows':>8} {'bytes':>7} {'goal':>6}")
    for row in result["decided"]:
        print(f"{'decided, in the worker':34} {row['flows']:8} {row['engine']:7.0f} {GOALS['decided']:6}")
        print(f"{'decided, its parked record':34} {row['flows']:8} {row['parked']:7.0f} {GOALS['parked']:6}")
    slope = result["decided_slope"]
    print(f"{'decided, both by slope':34} {'':8} {slope['engine'] + slope['parked']:7.0f}")
    row = result["dialogue"]
    print(f"{'in dialogue, in the worker':34} {row['flows']:8} {row['engine']:7.0f} {GOALS['dialogue']:6}")
    row = result["parked"]
    print(f"{'parked records of the captures':34} {row['parked']:8} {row['bytes']:7.0f} {GOALS['parked']:6}")
    row = result["replay"]
    print(f"{'decided, mailtap -r, all of it':34} {row['steps'][-1]['flows']:8} {row['bytes']:7.0f}        by slope from "
          f"{row['steps'][0]['flows']}; at the most {row['steps'][-1]['resident'] >> 20} MiB")
    for row in result["at_rest"]:
        print(f"live, with room for {row['room']} flows and none there: {row['resident'] >> 20} MiB resident, "
              f"{row['huge'] >> 20} MiB in huge pages")


def numbers(words):
    return [int(word) for word in words.split(",")]


def measure(options, folder):
    rows = [decided(options, flows) for flows in options.flows]
    first, last = rows[0], rows[-1]
    slope = {part: (last[part] * last["flows"] - first[part] * first["flows"]) / (last["flows"] - first["flows"])
             for part in ("engine", "parked")}
    return {"goals": GOALS, "decided": rows, "decided_slope": slope, "dialogue": in_dialogue(options),
            "parked": parked(options), "replay": replays(options, folder),
            "at_rest": [at_rest(options, flows, folder) for flows in options.flows]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mailtap")
    parser.add_argument("mailtap_stat")
    parser.add_argument("bench", type=pathlib.Path, help="folder of the programs that measure")
    parser.add_argument("banners")
    parser.add_argument("captures", type=pathlib.Path)
    parser.add_argument("--flows", type=numbers, default="1000000,4000000", help="two or more")
    parser.add_argument("--replay", type=numbers, default="100000,500000", help="flows of the files that are replayed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailtap-bench-") as folder:
        result = measure(options, pathlib.Path(folder))
    print(json.dumps(result)) if options.json else print_table(result)


if __name__ == "__main__":
    main()
