# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""rates.py MAILTAP MAILTAP_STAT TRAFFIC CAPTURES: what a packet costs, above one that is only received.

mailtap and dpdk-testpmd (rxonly, bursts of 32) receive the same capture from net_pcap, which plays it in a loop from
memory, in turn on the same CPU, round by round. A figure is TSC cycles a packet, ours less testpmd's, of the median
round. A row whose packets, verdicts and sessions are not what the generator made is void.

The frames of a capture are named with it: 20,000 small ones fit the second and third cache, 120,000 do not.
"""
import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile

import receivers
import rounds

HOT, COLD = 20000, 120000  # frames
MBUFS_MORE = 8192          # beside those that hold the capture: bursts, caches
MBUF_BYTES = 2560          # data room, headroom, header, the pool's own
PROCESS_BYTES = 256 << 20  # of huge pages, beside mbufs
SHARE_LEAST = 0.95         # of the CPU; a round with less is dropped as one with too much steal is
HUGE_PAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")
# What has no dialogue with a mail server on a mail port: not a session each.
OTHER_CAPTURES = ("other-", "imaps-alpn-port-")
# Control plane: a loss of reports is shown; all other losses make a row void.
REPORT_LOSSES = ("record_ring_full", "certificate_ring_full", "parked_full", "record_sink", "server_memory_full",
                 "retry_memory_full", "text_limit", "auth_limit", "capability_limit", "line_limit", "pending_limit",
                 "handshake_limit")


@dataclasses.dataclass
class Row:
    """figure: `packet` or `connection`: cycles above rxonly for each; `first`: those of a connection, less those of the
    row `answered`. goal: of PERFORMANCE.md, None where it has none. verdict: that of all packets."""
    name: str
    about: str
    kind: str
    frames: int = HOT
    figure: str = "packet"
    goal: float = None
    verdict: str = None
    arguments: tuple = ()


ROWS = [
    Row("udp", "not mail by its headers: datagrams of 64 bytes", "udp", goal=12, verdict="not_tcp"),
    Row("udp-cold", "the same, out of the cache", "udp", COLD, verdict="not_tcp"),
    Row("bare", "not mail by its headers: TCP without payload", "bare", goal=12, verdict="not_mail"),
    Row("bare-cold", "the same, out of the cache", "bare", COLD, verdict="not_mail"),
    Row("foreign", "TCP payload of 100 bytes on another port", "foreign", goal=25, verdict="not_mail"),
    Row("foreign-cold", "the same, out of the cache", "foreign", COLD, verdict="not_mail"),
    Row("web", "TCP payload on port 443, 900 bytes a frame", "web", goal=25, verdict="not_mail"),
    Row("web-cold", "the same, out of the cache", "web", COLD, verdict="not_mail"),
    Row("decided", "decided flows, 1,000", "decided", goal=50),
    Row("decided-zipf", "decided flows, 1,000 by Zipf's law", "decided", goal=50, arguments=("--zipf",)),
    Row("decided-10k", "decided flows, 10,000", "decided", COLD, goal=50, arguments=("--tuples", "10000")),
    Row("answered", "a handshake and a reset", "answered", figure="connection"),
    Row("greeting", "first payload: a greeting", "greetings", figure="first", goal=120),
    Row("setup", "a flow from SYN to RST, one payload", "greetings", figure="connection"),
    Row("lines", "payload of 100 bytes, one block scan", "lines", goal=300),
    Row("short", "a whole session to its verdict", "short", figure="connection", goal=2200),
    Row("sessions", "sessions of all kinds, a packet", "sessions"),
    Row("sessions-cold", "the same, out of the cache", "sessions", COLD),
    Row("disturbed", "their segments out of order and in bytes", "disturbed", COLD),
    Row("syn", "a flood of SYNs", "syn", goal=None, verdict="handshake"),
    Row("mixed", "2 % mail in the web's frames", "mixed"),
    Row("mixed-cold", "the same, out of the cache", "mixed", COLD),
]


# ---- Before and after ----

@contextlib.contextmanager
def huge_pages(count):
    """So many pages of 2 MiB at least, and as many as before afterwards."""
    before = int(HUGE_PAGES.read_text(encoding="ascii"))
    try:
        if before < count:
            HUGE_PAGES.write_text(str(count), encoding="ascii")
        there = int(HUGE_PAGES.read_text(encoding="ascii"))
        if there < count:
            raise SystemExit(f"{count} huge pages are needed, {there} can be had")
        yield
    finally:
        if before < count:
            HUGE_PAGES.write_text(str(before), encoding="ascii")


def mbufs_for(packets):
    return packets + MBUFS_MORE


def pages_for(packets):
    """Huge pages that both programs take together; as many MiB each of them takes alone."""
    return 2 * (mbufs_for(packets) * MBUF_BYTES + PROCESS_BYTES) // (2 << 20)


def make_capture(options, row, folder):
    """Path of the row's capture, and what the generator says of it."""
    path = pathlib.Path(folder) / "-".join((row.kind, str(row.frames), *row.arguments))
    models = sorted(path for path in options.captures.glob("*.pcap") if not path.name.startswith(OTHER_CAPTURES))
    out = subprocess.run([options.traffic, *row.arguments, row.kind, str(row.frames), path, *models],
                         stdout=subprocess.PIPE, check=True).stdout
    return path, {**json.loads(out), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def check(row, truth, report):
    """A fast wrong number is void."""
    packets, sessions = report["packets"], sum(worker["sessions"] for worker in report["workers"])
    lost = {name: count for name, count in report["losses"].items() if count and name not in REPORT_LOSSES}
    loops, connections = packets // truth["packets"], truth["connections"]
    if row.kind == "decided":
        least = most = connections
    else:
        least, most = loops * connections, (loops + 1) * connections
    findings = []
    if sum(report["verdicts"].values()) != packets:
        findings.append(f"{packets} packets in, {sum(report['verdicts'].values())} under a verdict")
    if row.verdict is not None and report["verdicts"][row.verdict] != packets:
        findings.append(f"of {packets} packets {report['verdicts'][row.verdict]} are {row.verdict}")
    if row.kind == "decided" and report["verdicts"]["decided"] < packets - truth["setup"]:
        findings.append(f"of {packets} packets {report['verdicts']['decided']} are of decided flows")
    if not least <= sessions <= most:
        findings.append(f"{sessions} sessions, not {least} to {most}")
    if lost:
        findings.append(f"lost: {lost}")
    return findings


# ---- One row ----

def take_turns(both, options):
    """Rounds: a turn of each. Result: those kept, and how many were dropped."""
    kept, dropped = [], 0
    while len(kept) < options.rounds:
        steal, ticks = rounds.steal_and_all()
        round_ = [receiver.turn(options.seconds) for receiver in both]
        steal_now, ticks_now = rounds.steal_and_all()
        is_noisy = steal_now - steal > rounds.STEAL_MOST * (ticks_now - ticks)
        if (is_noisy or min(turn["share"] for turn in round_) < SHARE_LEAST) and dropped < options.rounds:
            dropped += 1
            continue
        kept.append(round_)
    return kept, dropped


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def figures(row, truth, kept):
    """What the table shows, in cycles and nanoseconds."""
    ghz = statistics.median(ours["others"]["cycles"] / ours["moments"] for ours, _ in kept) / 1e9
    times = truth["packets"] / truth["connections"] if row.figure != "packet" and truth["connections"] else 1
    if row.kind == "answered":
        times = 3  # packets an attempt
    return {
        "ghz": ghz,
        "above": summary([(ours["ns"] - base["ns"]) * times * ghz for ours, base in kept]),
        "above_ns": statistics.median((ours["ns"] - base["ns"]) * times for ours, base in kept),
        "ours": summary([ours["ns"] * ghz for ours, _ in kept]),
        "base": summary([base["ns"] * ghz for _, base in kept]),
        "mpps": summary([ours["pps"] / 1e6 for ours, _ in kept]),
        "gbps": statistics.median(ours["pps"] * truth["bytes"] * 8 / truth["packets"] / 1e9 for ours, _ in kept),
        "connections_per_second": None if row.kind == "decided" else statistics.median(
            ours["pps"] * truth["connections"] / truth["packets"] for ours, _ in kept),
        "share": min(turn["share"] for round_ in kept for turn in round_),
    }


def measure(options, row, folder):
    capture, truth = make_capture(options, row, folder)
    devices = ["--vdev", f"net_pcap0,rx_pcap={capture},infinite_rx=1"]
    control, worker = receivers.cpus()
    lcores, mbufs = f"0@{control},1@{worker}", mbufs_for(truth["packets"])
    memory = ("--no-huge", "-m", str(pages_for(truth["packets"]))) if options.no_huge else ("--in-memory",)
    with contextlib.ExitStack() as stack:
        if not options.no_huge:
            stack.enter_context(huge_pages(pages_for(truth["packets"])))
        both = []
        for begin in (lambda: receivers.Mailtap(options, devices, f"{folder}/mailtap", mbufs, memory, lcores),
                      lambda: receivers.Testpmd(devices, f"{folder}/testpmd", mbufs, memory, lcores)):
            receiver = begin()
            stack.callback(receiver.kill)
            receiver.start()
            receiver.pause()
            both.append(receiver)
        kept, dropped = take_turns(both, options)
        report = both[0].finish()
        both[1].finish()
    capture.unlink()
    return {"about": row.about, "figure": row.figure, "goal": row.goal, "truth": truth, "dropped_rounds": dropped,
            "received": report["packets"], "verdicts": report["verdicts"], "findings": check(row, truth, report),
            "reports_lost": report["losses"]["record_ring_full"] + report["losses"]["certificate_ring_full"],
            **figures(row, truth, kept)}


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


def machine(options):
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    facts = dict(line.split("\t: ", 1) for line in reversed(cpuinfo) if "\t: " in line)
    flags = [flag for flag in facts["flags\t"].split() if flag in ("sse4_2", "avx2", "avx512f", "avx512bw", "vaes", "gfni")]
    commit = subprocess.run(["git", "-C", pathlib.Path(__file__).parent, "describe", "--always", "--dirty"],
                            capture_output=True, text=True, check=False).stdout.strip()
    return {"cpu": facts["model name"], "flags": flags, "kernel": platform.release(), "cpus": os.cpu_count(),
            "commit": commit or "unknown", "rounds": options.rounds, "seconds": options.seconds}


def print_head(facts):
    print(f"{facts['cpu']}, {facts['cpus']} CPUs, {' '.join(facts['flags'])}; Linux {facts['kernel']}; "
          f"commit {facts['commit']}; {facts['rounds']} rounds of {facts['seconds']:g} s")
    print(f"{'row':14} {'frames':>7} {'rxonly':>7} {'ours':>7}  {'above':>7} {'least':>7} {'most':>7} {'ns':>7}  {'goal':>5} "
          f"{'Mpps':>6} {'Gbit/s':>6} {'conn./s':>8}  {'CPU':>4} {'lost':>4}  what")


def print_row(name, row):
    goal = f"{row['goal']:5g}" if row["goal"] is not None else "    -"
    per_second = f"{row['connections_per_second']:8.0f}" if row["connections_per_second"] else "       -"
    print(f"{name:14} {row['truth']['packets']:7} {row['base']['median']:7.1f} {row['ours']['median']:7.1f}  "
          f"{row['above']['median']:7.1f} {row['above']['min']:7.1f} {row['above']['max']:7.1f} {row['above_ns']:7.1f}  "
          f"{goal} {row['mpps']['median']:6.2f} {row['gbps']:6.1f} {per_second}  {row['share']:4.0%} "
          f"{row['dropped_rounds']:4}  {row['about']}", flush=True)
    for finding in row["findings"]:
        print(f"  VOID: {finding}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for program in ("mailtap", "mailtap_stat", "traffic"):
        parser.add_argument(program)
    parser.add_argument("captures", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1, help="of a turn")
    parser.add_argument("--only", action="append", metavar="ROW", choices=[row.name for row in ROWS])
    parser.add_argument("--no-huge", action="store_true", help="small pages: to see that it works, no figures")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    facts, results = machine(options), {}
    if not options.json:
        print_head(facts)
    wanted = set(options.only or [row.name for row in ROWS])
    for row in ROWS:
        if row.name in wanted:
            with tempfile.TemporaryDirectory(prefix="mailtap-bench-") as folder:
                results[row.name] = measure(options, row, folder)
            derive(results, row)
            if not options.json:
                print_row(row.name, results[row.name])
    if options.json:
        print(json.dumps({"machine": facts, "rows": results}))
    else:
        print("rxonly, ours: TSC cycles a packet; above: ours less rxonly, of a packet or what the row names")
    return 1 if any(row["findings"] for row in results.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
