# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""sessions.py SESSIONS BANNERS CAPTURES [NAME...] [--flows N,...] [--sessions N] [--packets] [--json]

What whole sessions cost a worker: those of the recorded captures, fed to the session engine again and again, with so
many of them under way at a time as --flows says. Few stay in the processor's caches, many do not. --packets shows each
packet of a session. The device, decoding and the control thread are not in the figures. What was found of each session
must be what the capture's truth says, or there is no figure.
"""
import argparse
import json
import pathlib

import rounds

GOAL = 2200  # cycles to a verdict
NAMES = ("smtp-starttls-tls13", "imap-starttls-tls13", "pop3-stls-after-capa", "smtps-tls13", "smtp-clear-offered-unused")


def check(name, result, truth):
    """The first session of the capture's truth."""
    wanted = truth[0] if isinstance(truth, list) else truth
    found = {"app_proto": result["app_proto"], "security": result["security"], "outcome": result["outcome"]}
    expected = {"app_proto": wanted["app_proto"], "security": wanted["security"]}
    if wanted.get("starttls"):
        expected["outcome"] = wanted["starttls"]["outcome"]
    if any(found[key] != value for key, value in expected.items()):
        raise SystemExit(f"{name}: found {found}, but the truth is {expected}: the figure is void")


def measure(options, name, flows):
    capture = options.captures / f"{name}.pcap"
    command = [options.program, options.banners, capture, str(flows), str(max(3, options.sessions // flows))]
    result = json.loads(rounds.run_once(command)[0])
    check(name, result, json.loads(capture.with_suffix(".truth.json").read_text()))
    return result


def print_packets(result):
    for step in result["steps"]:
        kind = f"{step['verdict']}{' -> decided' if step['reports'] else ''}"
        print(f"    {step['from']} {step['payload']:5} bytes {step['cycles']:8.0f} {step['least']:8.0f}  {kind:22} "
              f"{step['begins']}")


def print_table(result, has_packets=False):
    print(f"{'session':28} {'under way':>9} {'packets':>8} {'cycles to verdict':>18} {'least':>7} {'ns':>6} "
          f"{'a core and second':>18} {'whole':>7} {'report':>7}")
    for name, row in result["rows"]:
        decided = next(i for i, step in enumerate(row["steps"]) if step["reports"]) + 1
        cycles, hz = row["to_verdict"], row["tsc_hz"]
        print(f"{name:28} {row['flows']:9} {decided:8} {cycles:18.0f} {row['to_verdict_least']:7.0f} "
              f"{cycles / hz * 1e9:6.0f} {hz / cycles:18.0f} {row['per_session']:7.0f} {row['report_bytes']:7}")
        if has_packets:
            print_packets(row)
    print("cycles: median and least of the rounds; whole: with all packets behind the verdict; report: its bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("banners")
    parser.add_argument("captures", type=pathlib.Path)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--flows", default="1024,65536")
    parser.add_argument("--sessions", type=int, default=500000)
    parser.add_argument("--packets", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = [(name, measure(options, name, flows)) for name in options.names
               for flows in map(int, options.flows.split(","))]
    if options.json:
        print(json.dumps({"goal": GOAL, "rows": results}))
    else:
        print_table({"rows": results}, options.packets)


main()
