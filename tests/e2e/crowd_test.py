#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""More than 500 real sessions at a time, live: the records are those of the servers' logs, and of a replay of the wire.

Postfix and Dovecot in one network namespace, clients in another; at the clients' end of the wire between them a
tcpdump, and beside it mailtap -i with 1, 2 and 4 workers and as many queues, all at once. Nothing may be lost on any
way; where a busy machine loses something all the same, the crowd comes again and more slowly, twice at most. All
records are equal but for times and flow_id, and each is what the client knows of its session, and what the server
wrote in its log. With MAILTAP_TEST_LONG=1 also each number of workers for itself, a crowd in a hurry, and all of them
at a mirror port.
"""
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time

import against_truth
import common
import crowd
import serverlogs
import wire
from network import Network
from servers import Servers
from tap import Tap
from truth import banner_of

CONCURRENT = 500
# Where mailtap listens, numbers of workers beside each other, and clients that begin a second.
ROUNDS = [("tap", (1, 2, 4), 200)]
LONG_ROUNDS = [("tap", (1,), 200), ("tap", (2,), 200), ("tap", (4,), 200), ("tap", (1, 2, 4), 1000)]
MIRROR_ROUNDS = [("mirror", (1, 2, 4), 200)]
TRIES = 3
BUFFER_KIB = "65536"
QUIET = 0.5  # seconds behind the last connection's end
LOG_SECONDS = 10
CROWD_SECONDS = 150
PORTS = 2000  # of the clients of one crowd, who never share one
LOSSES = ("mailtap_lost_total", "mailtap_rx_missed_packets_total", "mailtap_rx_errors_total", "mailtap_rx_nombuf_total")
NEEDED = ("capinfos", "dovecot", "openssl", "postfix", "ss", "tcpdump", "unshare")


class Live:
    """A mailtap -i, whose records, report and losses are known once it has ended."""

    def __init__(self, within, folder, interface, workers):
        self.path = folder / f"live-{workers}.json"
        self.path.unlink(missing_ok=True)
        self.name = f"{workers} workers at {interface}"
        self.watch = wire.watch(within, folder, "--workers", str(workers), "--records", str(self.path), end=interface,
                                counters=f"crowd-test-{os.getpid()}-{workers}")

    def __enter__(self):
        self.watching = self.watch.__enter__()
        return self

    def __exit__(self, *reason):
        return self.watch.__exit__(*reason)

    def finish(self):
        self.report = self.watching.finish()
        self.records = [json.loads(line) for line in self.path.read_bytes().splitlines()]
        self.lost = {}
        for metric in LOSSES:
            series = self.watching.values(metric)
            if not series:
                raise KeyError(metric)
            for labels, value in series:
                name = labels.get("reason", metric)
                self.lost[name] = self.lost.get(name, 0) + int(value)

    def check(self, of_servers, expected):
        """of_servers: what the servers and the clients say of a list of records. expected: records of the replay."""
        findings = common.check_accounts(self, self.report["packets"]) + common.check_records(self)
        findings += of_servers(self.records)
        if concurrent(self.records) < CONCURRENT:
            findings.append(f"{concurrent(self.records)} sessions at a time, of {len(self.records)}")
        findings += different_records(expected, self.records) + check_secrets(self.records)
        return [f"{self.name}: {finding}" for finding in findings]


class Round:
    """One crowd, and everything that was said of it."""

    def __init__(self, network, servers, folder):
        self.network, self.servers, self.folder = network, servers, folder

    def hold(self, first_port, interface, workers, pace):
        self.members = crowd.members(first_port)
        self.servers.mark()
        within = self.network.on_client
        tap = Tap(within, ["-B", BUFFER_KIB, "-i", "tap"], self.folder / "crowd.pcap")
        with contextlib.ExitStack() as stack:
            self.lives = [stack.enter_context(Live(within(), self.folder, interface, count)) for count in workers]
            with tap:
                self.send_clients(pace)
            for live in self.lives:
                live.finish()
        self.lost = {name: number for lost in [{"tcpdump": tap.lost()}, *(live.lost for live in self.lives)]
                     for name, number in lost.items() if number}
        self.packets = common.packets_of(tap.path)
        self.logged = self.wait_for_logs()
        self.replay = common.replay(tap.path)
        self.replay_findings = common.check_accounts(self.replay, self.packets)
        self.replay_findings += common.check_every_worker_count(tap.path, self.replay)

    def send_clients(self, pace):
        command = self.network.on_client("/usr/bin/python3", str(common.ROOT / "tests/e2e/crowd_clients.py"))
        done = subprocess.run(command, input=json.dumps({"pace": pace, "members": self.members}), check=True,
                              stdout=subprocess.PIPE, text=True, timeout=CROWD_SECONDS)
        self.fates = json.loads(done.stdout)
        if not wire.wait_for(lambda: not self.network.has_connections()):
            raise TimeoutError("connections stay open")
        time.sleep(QUIET)

    def wait_for_logs(self):
        """What the logs say, once every session has its end in them. What is absent is found by the comparison."""
        end = time.monotonic() + LOG_SECONDS
        while True:
            logged = serverlogs.sessions(self.servers.lines())
            if len(logged) >= len(self.members) and all(one.is_over for one in logged.values()):
                return logged
            if time.monotonic() > end:
                return logged
            time.sleep(0.1)

    def truths(self):
        for member, fate in zip(self.members, self.fates):
            port, greeting = member["src_port"], fate["greeting"]
            yield {**member["truth"], "banner": greeting and banner_of(greeting),
                   "source": "\n".join(self.logged[port].lines) if port in self.logged else ""}

    def of_servers(self, records):
        return serverlogs.compare(self.logged, records) + against_truth.compare(list(self.truths()), records)

    def check(self):
        findings = [f"client {member['src_port']}: {fate['failed']}"
                    for member, fate in zip(self.members, self.fates) if fate["failed"]]
        findings += [f"the log of {port} has no end" for port, one in self.logged.items() if not one.is_over]
        findings += [f"lost: {self.lost}"] if self.lost else []
        findings += self.replay_findings
        for live in self.lives:
            findings += live.check(self.of_servers, self.replay.records)
        return findings

    def in_words(self):
        return f"{self.packets} packets by tcpdump, lost {self.lost or 0}; " + "; ".join(
            f"{live.name}: {live.report['packets']} packets, {len(live.records)} sessions, "
            f"{concurrent(live.records)} at a time" for live in self.lives)


def check_secrets(records):
    text = json.dumps(records)
    found = sum(secret in text for secret in (*crowd.USERS, *crowd.USERS.values(), crowd.WRONG))
    return [f"{found} names and passwords of users are in the records"] if found else []


def concurrent(records):
    """How many sessions were open at a time, at most."""
    changes = [(record["flow"][name], step) for record in records for name, step in (("start", 1), ("end", -1))]
    count = most = 0
    for _, step in sorted(changes):
        count += step
        most = max(most, count)
    return most


def by_connection(records):
    found = {}
    for record in sorted(records, key=lambda record: record["flow"]["start"]):
        ends = tuple(record[name] for name in ("src_ip", "src_port", "dest_ip", "dest_port"))
        found.setdefault(ends, []).append(common.without_times(record))
    return found


def different_records(expected, found):
    findings = []
    one, other = by_connection(expected), by_connection(found)
    for ends in sorted(one.keys() | other.keys()):
        wanted, ours = one.get(ends, []), other.get(ends, [])
        if len(wanted) != len(ours):
            findings.append(f"{ends}: {len(ours)} records, {len(wanted)} in the replay")
        findings += [f"{ends}: {difference}" for pair in zip(wanted, ours) for difference in common.differences(*pair)]
    return findings


def hold(one, first_ports, interface, workers, pace):
    """Until a round lost nothing, or was the last. Result: findings"""
    for tried in range(TRIES):
        one.hold(next(first_ports), interface, workers, pace / 2 ** tried)
        print(one.in_words(), flush=True)
        if not one.lost:
            break
    return one.check()


def hold_all(one):
    first_ports = itertools.count(10000, PORTS)
    rounds = ROUNDS + (LONG_ROUNDS if os.environ.get("MAILTAP_TEST_LONG") else [])
    findings = [finding for row in rounds for finding in hold(one, first_ports, *row)]
    if os.environ.get("MAILTAP_TEST_LONG"):
        reason = crowd.make_mirror(one.network)
        print(f"no mirror port: {reason}" if reason else "with a mirror port")
        findings += [finding for row in ([] if reason else MIRROR_ROUNDS) for finding in hold(one, first_ports, *row)]
    return findings


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leave through the clean-up, as for an interrupt
    wire.need_root()
    common.need(*NEEDED)
    with common.Workspace() as folder, Network() as network:
        folder.chmod(0o755)  # the daemons' own users look for their files in it
        with Servers(network, folder, crowd.USERS, crowd.INSTANCES, crowd.POSTFIX_CF) as servers:
            for user in crowd.USERS:
                servers.fill_box(user, crowd.MAILS)
            findings = hold_all(Round(network, servers, folder))
    common.finish(findings, "the crowd's records are the servers' logs, and the replay's")


if __name__ == "__main__":
    main()
