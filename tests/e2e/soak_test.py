#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Load without a pause, flows that come and go: nothing grows, nothing leaks, no counter goes down, all accounts agree.

The feed goes round and round, and every round brings new connections between its ends: sessions of real servers and
clients, plain, in every tunnel and in fragments (mirror.py), a flood of SYNs and what is no mail. Two workers, of which
one receives all and hands over what is the other's. Counters are read several times a second, by the specification
(counters_reader.py), resident memory beside them. SECONDS of it; with MAILTAP_TEST_LONG=1 until 100 million packets have
come.
"""
import os
import pathlib
import random
import struct
import subprocess
import time

from scapy.all import IP, Ether, IPv6

import common
import counters_reader
import craft
import mirror
import monitoring

IS_LONG = os.environ.get("MAILTAP_TEST_LONG") == "1"
SECONDS = 16  # a minute has no place in CI
PACKETS = 100_000_000
PAUSE = 0.2
ROUNDS = 4  # in a feed: when the first comes again its fragments should be no copies any more (10 ms)
FLOOD, NOISE = 8000, 2000  # frames of the feed
BUFFERS, MEMORY = 49152, "320"
SLACK_BYTES = 2 << 20  # what a third of the run may hold more than the third before
SLACK_BUFFERS = 8192  # ... which wait in the workers' inboxes
NAME = f"mailtap-e2e-soak-{os.getpid()}"
# What traffic itself exceeds, or what a machine that is too slow for the feed loses: counted, and no fault here.
TOTALS = ("mailtap_packets_total", "mailtap_received_packets_total", "mailtap_taken_over_packets_total",
          "mailtap_handed_over_packets_total", "mailtap_sessions_opened_total", "mailtap_flows_closed_total",
          "mailtap_flows", "mailtap_records_made_total", "mailtap_records_written_total")


def frames_of(path):
    data, at = path.read_bytes(), 24
    while at < len(data):
        kept, = struct.unpack_from("<I", data, at + 8)
        yield data[at + 16:at + 16 + kept]
        at += 16 + kept


def packed(frames, pack):
    """Datagrams of frames, packed by one of mirror's changes."""
    read = [Ether(frame) for frame in frames]
    return [bytes(frame) for frame in pack([frame for frame in read if IP in frame or IPv6 in frame])]


def renumbered(frame, by):
    """An IPv4 datagram with another identification: its fragments are no copies of those of the round before."""
    if frame[12:14] != b"\x08\x00":
        return frame
    number, = struct.unpack_from("!H", frame, 18)
    header = frame[14:18] + struct.pack("!H", (number + by) % 2 ** 16) + frame[20:24] + b"\0\0" + frame[26:34]
    return frame[:14] + header[:10] + struct.pack("!H", craft.checksum(header)) + header[12:] + frame[34:]


def feed(folder):
    """Everything several times, in other sequence numbers, so that a round's connections are new ones."""
    captures = [path for path in sorted(common.OWN_CAPTURES.glob("*.pcap")) if "-format-" not in path.name]
    changes = [mirror.each(mirror.around(name)) for name in mirror.TUNNELS] + [mirror.cut(3)] * 8
    changed = dict(zip(captures[::len(captures) // len(changes)], changes))
    rounds = []
    for number in range(ROUNDS):
        for path in captures:
            frames = [monitoring.moved(frame, number * 2 ** 32 // ROUNDS) for frame in frames_of(path)]
            if path in changed:
                frames = packed([renumbered(frame, number * 2 ** 16 // ROUNDS) for frame in frames], changed[path])
            rounds += frames
    noise = []
    for kind, count in (("syn", FLOOD), ("udp", NOISE)):
        subprocess.run([common.program("TRAFFIC"), kind, str(count), folder / "noise.pcap"], check=True)
        noise += frames_of(folder / "noise.pcap")
    # Each session in its order, with the flood all over it.
    chance = random.Random(1)
    places = sorted(chance.sample(range(len(rounds) + len(noise)), len(noise)))
    for place, frame in zip(places, noise):
        rounds.insert(place, frame)
    (folder / "feed.pcap").write_bytes(craft.pcap(rounds))
    return folder / "feed.pcap", len(rounds)


class Reading:
    """What stood in shared memory at one moment, and the resident memory of the process."""

    def __init__(self, reader, process):
        self.at = time.monotonic()
        self.values = {(name, *sorted(labels.items())): value[0] if isinstance(value, tuple) else value
                       for name, labels, value in reader.samples()}
        statm = pathlib.Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii") if process else "0 0"
        self.resident = int(statm.split()[1]) * os.sysconf("SC_PAGESIZE")
        self.buffers = self.sum("mailtap_packet_buffers_used")

    def sum(self, metric, **labels):
        return sum(value for key, value in self.values.items()
                   if key[0] == metric and labels.items() <= dict(key[1:]).items())

    def of_worker(self, worker):
        return {metric: self.sum(metric, worker=worker) for metric in TOTALS}

    def faults(self):
        """Accounts of lib/counters/README.md that do not agree: every block is of one moment."""
        for worker in ("0", "1"):
            number = self.of_worker(worker)
            came = number["mailtap_received_packets_total"] + number["mailtap_taken_over_packets_total"]
            went = number["mailtap_packets_total"] + number["mailtap_handed_over_packets_total"]
            going_on = number["mailtap_sessions_opened_total"] - number["mailtap_flows_closed_total"]
            if came != went:
                yield f"worker {worker}: {came} packets came, {went} are accounted for"
            if not 0 <= going_on <= number["mailtap_flows"]:
                yield f"worker {worker}: {going_on} sessions go on in {number['mailtap_flows']} flows"

    def fallen_since(self, earlier):
        return [f"{'/'.join(map(str, key))} fell from {earlier.values[key]} to {value}"
                for key, value in self.values.items()
                if key[0].endswith(("_total", "_seconds")) and key[0] != "mailtap_start_time_seconds" and
                value < earlier.values[key]]


def is_enough(began, reading):
    if IS_LONG:
        return reading.sum("mailtap_received_packets_total") >= PACKETS
    return time.monotonic() - began >= SECONDS


def watch(live, reader):
    """Readings until it is enough, and what is wrong with any of them."""
    began, readings, findings = time.monotonic(), [Reading(reader, live.process)], []
    while not is_enough(began, readings[-1]) and live.process.poll() is None:
        time.sleep(PAUSE)
        readings.append(Reading(reader, live.process))
        findings += [*readings[-1].faults(), *readings[-1].fallen_since(readings[-2])]
    return readings, findings


def check_growth(readings):
    """The first third is for getting warm; the last must hold no more than the second."""
    third = len(readings) // 3
    second, last = readings[third:2 * third], readings[2 * third:]
    findings = []
    for what, of, slack in (("resident bytes", lambda r: r.resident, SLACK_BYTES),
                            ("packet buffers", lambda r: r.buffers, SLACK_BUFFERS)):
        before, now = min(map(of, second)), min(map(of, last))
        print(f"{what}: {of(readings[0]):.0f} at first, {before:.0f} to {max(map(of, second)):.0f} in the second third, "
              f"{now:.0f} to {max(map(of, last)):.0f} in the last")
        if now > before + slack:
            findings.append(f"{what} grow from {before} to {now}")
    return findings


def check_end(report, last, frames):
    """Nothing is open any more, and every sum is closed."""
    findings = []
    opened, closed, made = (last.sum(f"mailtap_{what}_total") for what in ("sessions_opened", "flows_closed",
                                                                          "records_made"))
    lost = sum(last.sum("mailtap_lost_total", reason=reason) for reason in ("record_ring_full", "record_sink"))
    print(f"{report['packets']} packets in {report['seconds']:.1f} s, {report['packets'] / frames:.0f} rounds, "
          f"{opened:.0f} sessions, losses { {name: n for name, n in report['losses'].items() if n} }")
    if last.buffers != frames:  # the device has one for every frame of the feed
        findings.append(f"{last.buffers} packet buffers in use at the end, the feed has {frames} frames")
    if common.sum_of(report["verdicts"]) != report["packets"]:
        findings.append(f"verdicts sum to {common.sum_of(report['verdicts'])}, packets {report['packets']}")
    if last.sum("mailtap_flows") or opened != closed or opened != made:
        findings.append(f"{opened} sessions opened, {closed} closed, {made} records made")
    if common.sum_of(report["sessions"]) + lost != made:
        findings.append(f"{made} records made, {report['sessions']} and {lost} lost")
    for verdict in ("dialogue", "handshake", "fragment", "not_tcp"):
        if not report["verdicts"].get(verdict):
            findings.append(f"no packet was under {verdict}: {report['verdicts']}")
    if min(common.sum_of(kinds) for kinds in report["sessions"].values()) == 0:
        findings.append(f"a protocol without sessions: {report['sessions']}")
    return findings


def soak(folder):
    path, frames = feed(folder)
    device = f"net_pcap0,rx_pcap={path},infinite_rx=1"
    lcores = f"(0-2)@({','.join(map(str, sorted(os.sched_getaffinity(0))))})"
    command = [common.program(), *monitoring.LIVE[:-1], MEMORY, "--log-level=*:error", "--lcores", lcores, "--vdev", device, "--",
               "--mbufs", BUFFERS, "--timeout", "2", "--counters", NAME, "--server-memory", "none", "--report", "json"]
    with monitoring.Program(folder, "live", command) as live:
        monitoring.until("counters", (common.SHARED_MEMORY / NAME).exists)
        reader = counters_reader.Reader(NAME)
        readings, findings = watch(live, reader)
        status = live.end()
    if status != 0:
        return findings + [f"status {status}: {live.log.read_text()[-500:]}"]
    return findings + check_growth(readings) + check_end(monitoring.json.loads(live.out.read_text()),
                                                         Reading(reader, None), frames)


def main():
    common.program()
    try:
        with common.Workspace() as folder:
            findings = soak(folder)
    finally:
        (common.SHARED_MEMORY / NAME).unlink(missing_ok=True)
    common.finish(findings[:40], "nothing grew, and every account agreed all the time")


main()
