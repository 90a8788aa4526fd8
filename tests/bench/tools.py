# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""tools.py MAILTAP TRAFFIC CAPTURES [FILE...] [--rounds N] [--packets N] [--json]: replay, beside two other tools.

mailtap -r, ndpiReader and tshark read the same files, in turn, round after round. Without FILE that is one of complete
mail sessions, made of the captures in the folder CAPTURES. Figures:
- CPU time of the whole process, start and end included, as a median and as a ratio to mailtap's;
- memory a flow: by how much more is resident at the most than for the first hundred packets of the file, by the flows
  that ndpiReader counts;
- from start to end of those hundred packets, on the clock.
All have to count the same packets, or there are no figures. tshark is shown twice: where it looks into the packets, for
what mailtap says of a session, and where it counts them alone.
"""
import argparse
import dataclasses
import hashlib
import json
import pathlib
import re
import statistics
import struct
import subprocess
import tempfile
import typing

import rounds

FEW = 100  # packets of the short file
GOALS = {"ndpiReader": 10, "tshark": 300, "start_seconds": 0.3, "bytes_per_flow": 130}
# The byte order of a file by its first bytes; times in microseconds or nanoseconds.
ORDERS = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}
FIELDS = ("frame.number", "tcp.stream", "smtp.req.command", "smtp.response.code", "imap.request", "imap.response",
          "pop.request.command", "pop.response.indicator", "tls.handshake.type", "tls.handshake.extensions_server_name")


@dataclasses.dataclass
class Tool:
    """A program that reads a capture: how it is called, and how many packets its output says there were."""
    name: str
    command: typing.Callable
    packets: typing.Callable


def tshark(*arguments):
    """tshark says on the standard error that it would rather not be root."""
    return lambda capture: ["sh", "-c", 'exec tshark -r "$@" 2>/dev/null', "sh", capture, *arguments]


def found(pattern):
    return lambda output: int(re.search(pattern, output.decode())[1])


def tools(options, folder):
    """The first is what the others are compared with."""
    replay = [options.mailtap, "--report", "json", "--records"]
    fields = [word for field in FIELDS for word in ("-e", field)]
    return [
        Tool("mailtap", lambda capture: [*replay, "none", "-r", capture], found(r'"packets": (\d+)')),
        Tool("mailtap, records", lambda capture: [*replay, folder / "records.json", "-r", capture],
             found(r'"packets": (\d+)')),
        Tool("ndpiReader", lambda capture: ["ndpiReader", "-i", capture], found(r"of (\d+) packets total")),
        Tool("tshark", tshark("-T", "fields", *fields), lambda output: output.count(b"\n")),
        Tool("tshark, counting", tshark("-q", "-z", "io,stat,0"), found(r"<>[^|]*\|\s*(\d+)\s*\|")),
    ]


def make_capture(options, folder):
    path = folder / "sessions.pcap"
    rounds.run_once([options.traffic, "sessions", str(options.packets), path,
                     *sorted(map(str, options.captures.glob("*.pcap")))])
    return path


def copy_first(capture, path):
    """The first packets of a file (draft-ietf-opsawg-pcap: the header is of 24 bytes, a packet's of 16)."""
    with open(capture, "rb") as whole, open(path, "wb") as few:
        header = whole.read(24)
        order = ORDERS.get(header[:4])
        if order is None:
            raise SystemExit(f"{capture}: no file in the format of libpcap")
        few.write(header)
        for _ in range(FEW):
            header = whole.read(16)
            if len(header) == 16:
                few.write(header + whole.read(struct.unpack_from(order + "I", header, 8)[0]))


def most_resident(command):
    """Bytes of memory that were resident at the most. A child of this process would begin with what this one has."""
    result = subprocess.run(["time", "-q", "-f", "%M", *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, check=True)
    return int(result.stderr.split()[-1]) * 1024


def count_flows(capture):
    return found(r"Unique flows:\s+(\d+)")(subprocess.run(["ndpiReader", "-i", capture], capture_output=True,
                                                          check=True).stdout)


def require_same(capture, counted):
    if len(set(counted.values())) != 1:
        raise SystemExit(f"{capture}: no figures, for the packets counted differ: {counted}")


def measure(options, capture, folder):
    """The rows of one file."""
    few = folder / "few.pcap"
    copy_first(capture, few)
    flows, flows_of_few = count_flows(capture), count_flows(few)
    measured = tools(options, folder)
    results, dropped = rounds.interleave([tool.command(capture) for tool in measured], options.rounds)
    starts, _ = rounds.interleave([tool.command(few) for tool in measured], options.rounds)
    counted = {tool.name: tool.packets(result[-1][0]) for tool, result in zip(measured, results)}
    require_same(capture, counted)
    rows = {}
    for tool, result, start in zip(measured, results, starts):
        resident, resident_of_few = (most_resident(tool.command(path)) for path in (capture, few))
        seconds = [cpu for _, cpu, _ in result]
        rows[tool.name] = {
            "cpu_seconds": rounds.summary(seconds),
            "packets_per_cpu_second": counted[tool.name] / statistics.median(seconds),
            "ratio": statistics.median(b / a for (_, a, _), b in zip(results[0], seconds)),
            "resident_bytes": resident,
            "resident_bytes_of_few": resident_of_few,
            "bytes_per_flow": (resident - resident_of_few) / max(flows - flows_of_few, 1),
            "start_seconds": rounds.summary([clock for _, _, clock in start]),
            "start_cpu_seconds": rounds.summary([cpu for _, cpu, _ in start]),
        }
    with open(capture, "rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    return {"sha256": digest, "bytes": capture.stat().st_size, "packets": counted["mailtap"], "flows": flows,
            "rounds": options.rounds, "dropped_rounds": dropped, "tools": rows}


def print_table(result):
    for name, row in result["files"].items():
        print(f"{name}: {row['packets']} packets, {row['flows']} flows, sha256 {row['sha256']}")
        print(f"  {'':18} {'CPU s':>8} {'spread':>6} {'packets/CPU s':>13} {'ratio':>7} {'goal':>5} {'MB':>6} "
              f"{'bytes/flow':>10} {'100 packets: s':>14} {'CPU s':>6}")
        for tool, figures in row["tools"].items():
            print(f"  {tool:18} {figures['cpu_seconds']['median']:8.3f} {figures['cpu_seconds']['spread']:6.2f} "
                  f"{figures['packets_per_cpu_second']:13.0f} {figures['ratio']:7.2f} {GOALS.get(tool, ''):>5} "
                  f"{figures['resident_bytes'] / 1e6:6.0f} {figures['bytes_per_flow']:10.0f} "
                  f"{figures['start_seconds']['median']:14.3f} {figures['start_cpu_seconds']['median']:6.3f}")
    print(f"goals: the ratio as above; of mailtap's, {GOALS['start_seconds']} s for 100 packets, "
          f"{GOALS['bytes_per_flow']} bytes a flow. spread: slowest round over fastest")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mailtap")
    parser.add_argument("traffic")
    parser.add_argument("captures", type=pathlib.Path)
    parser.add_argument("files", type=pathlib.Path, nargs="*")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--packets", type=int, default=400000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailtap-bench-") as name:
        folder = pathlib.Path(name)
        captures = options.files or [make_capture(options, folder)]
        result = {"goals": GOALS, "files": {capture.name: measure(options, capture, folder) for capture in captures}}
    print(json.dumps(result)) if options.json else print_table(result)


if __name__ == "__main__":
    main()
