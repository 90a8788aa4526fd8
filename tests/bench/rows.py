# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What scripts/bench rates measures: traffic, the way it comes in, and what is to be reached."""
import dataclasses

HOT, COLD = 20000, 120000  # frames of a capture: small ones fit the second and third cache, or do not


@dataclasses.dataclass
class Row:
    """feed: `file`, played in a loop by net_pcap from memory; `ring`, made and written by another core; `null`, nothing
    is copied or read (net_null). figure: cycles above the baseline for each `packet` or `connection`, or those for the
    `first` payload of a connection, which are those of one less those of the row `answered`. verdict: that of all
    packets. workers: each with a port and a capture of its own. flows: that mailtap has room for, 0 for its own number.
    group: `always`, `long` and `curve` are measured where they are asked for."""
    name: str
    about: str
    kind: str
    frames: int = HOT
    feed: str = "file"
    figure: str = "packet"
    verdict: str = None
    arguments: tuple = ()
    workers: int = 1
    flows: int = 0
    group: str = "always"


def decided_ring(name, tuples, *arguments, about="", group="always"):
    return Row(f"ring-{name}", f"decided flows, {tuples:,}{about}", "decided", 0, "ring", flows=max(tuples, 1 << 20),
               arguments=("--tuples", str(tuples), *arguments), group=group)


ROWS = [
    Row("udp", "not mail by its headers: datagrams of 64 bytes", "udp", verdict="not_tcp"),
    Row("udp-cold", "the same, out of the cache", "udp", COLD, verdict="not_tcp"),
    Row("bare", "not mail by its headers: TCP without payload", "bare", verdict="not_mail"),
    Row("bare-cold", "the same, out of the cache", "bare", COLD, verdict="not_mail"),
    Row("foreign", "TCP payload of 100 bytes on another port", "foreign", verdict="not_mail"),
    Row("foreign-cold", "the same, out of the cache", "foreign", COLD, verdict="not_mail"),
    Row("web", "TCP payload on port 443, 900 bytes a frame", "web", verdict="not_mail"),
    Row("web-cold", "the same, out of the cache", "web", COLD, verdict="not_mail"),
    Row("decided", "decided flows, 1,000", "decided"),
    Row("decided-zipf", "the same, by Zipf's law", "decided", arguments=("--zipf",)),
    Row("decided-10k", "decided flows, 10,000", "decided", COLD, arguments=("--tuples", "10000")),
    Row("answered", "a handshake and a reset", "answered", figure="connection"),
    Row("greeting", "first payload, a greeting, and the flow's end", "greetings", figure="first"),
    Row("setup", "a flow from SYN to RST, one payload", "greetings", figure="connection"),
    Row("setup-cold", "the same, out of the cache", "greetings", COLD, figure="connection"),
    Row("lines", "payload of 100 bytes, one block scan", "lines"),
    Row("short", "a whole session to its verdict", "short", figure="connection"),
    Row("sessions", "sessions of all kinds, a packet", "sessions"),
    Row("sessions-cold", "the same, out of the cache", "sessions", COLD),
    Row("disturbed", "their segments out of order, overlapped, in bytes", "disturbed", COLD),
    Row("syn", "a flood of SYNs", "syn", verdict="handshake"),
    Row("mixed", "2 % mail in the web's frames", "mixed"),
    Row("mixed-cold", "the same, out of the cache", "mixed", COLD),
    Row("two-foreign", "`foreign`, two workers", "foreign", workers=2, verdict="not_mail"),
    Row("two-web", "`web`, two workers", "web", workers=2, verdict="not_mail"),
    Row("two-mixed", "`mixed`, two workers, mail handed over", "mixed", workers=2),
    Row("ring-udp", "datagrams of 64 bytes", "udp", 0, "ring", verdict="not_tcp"),
    Row("ring-foreign", "TCP payload of 100 bytes on another port", "foreign", 0, "ring", verdict="not_mail"),
    Row("ring-web", "900 bytes a frame on port 443", "web", 0, "ring", verdict="not_mail"),
    decided_ring("decided-1k", 1000),
    decided_ring("decided-100k", 100000),
    decided_ring("decided-1m", 1000000),
    decided_ring("zipf-1m", 1000000, "--zipf", about=" by Zipf's law"),
    Row("ring-mixed", "2 % mail in the web's frames", "mixed", 0, "ring"),
    Row("null", "the loop's ceiling: no frame is read in", "", 0, "null"),
    decided_ring("decided-16m", 16000000, group="long"),
    decided_ring("zipf-16m", 16000000, "--zipf", about=" by Zipf's law", group="long"),
]
ROWS += [Row(f"size-{size}", f"no mail, frames of {size} bytes", "web", arguments=("--bytes", str(size)), verdict="not_mail",
             group="curve") for size in (64, 128, 256, 512, 1024, 1514)]
ROWS += [Row(f"share-{share}", f"{share} % mail in the web's frames", "mixed", arguments=("--mail", str(share)), group="curve")
         for share in (1, 5, 10, 25, 50, 100)]
ROWS += [decided_ring(f"flows-{tuples}", tuples, group="curve") for tuples in (1000, 10000, 100000, 1000000, 4000000)]
ROWS += [Row(f"open-{sessions}", f"sessions of all kinds, {sessions} at a time", "sessions", COLD,
             arguments=("--tuples", str(sessions)), group="curve") for sessions in (1, 16, 256, 1024)]


@dataclasses.dataclass
class Goal:
    """key: of a row's figures; is_least: the goal is to be reached, not to be stayed below. beside: the row whose figure
    it is divided by."""
    about: str
    row: str
    key: str
    goal: float
    unit: str
    is_least: bool = False
    beside: str = None


GOALS = [
    Goal("not mail by its headers: UDP", "udp", "above", 12, "cycles"),
    Goal("not mail by its headers: TCP", "bare", "above", 12, "cycles"),
    Goal("TCP payload on another port", "foreign", "above", 25, "cycles"),
    Goal("decided mail flow", "decided", "above", 50, "cycles"),
    Goal("decided mail flow, 1 M, other core", "ring-decided-1m", "above", 50, "cycles"),
    Goal("decided mail flow, 16 M, other core", "ring-decided-16m", "above", 80, "cycles"),
    Goal("16 M decided flows beside 100 K", "ring-decided-16m", "ours", 1.6, "times", beside="ring-decided-100k"),
    Goal("first payload, and the flow's end", "greeting", "above", 120, "cycles"),
    Goal("payload with one block scan", "lines", "above", 300, "cycles"),
    Goal("a whole session to its verdict", "short", "above", 2200, "cycles"),
    Goal("mixed traffic, one core", "mixed", "gbps", 46, "Gbit/s", is_least=True),
    Goal("mixed traffic, one core", "mixed", "mpps", 6.3, "Mpps", is_least=True),
    Goal("sessions to their verdict, a second", "short", "thousands", 800, "thousand", is_least=True),
    Goal("flow set-up, a second", "setup", "thousands", 8000, "thousand", is_least=True),
    Goal("two workers, no mail", "two-foreign", "mpps", 1.8, "times", is_least=True, beside="foreign"),
    Goal("two workers, no mail, large frames", "two-web", "mpps", 1.8, "times", is_least=True, beside="web"),
    Goal("two workers, mixed, mail handed over", "two-mixed", "mpps", 1.8, "times", is_least=True, beside="mixed"),
]
