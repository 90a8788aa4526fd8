#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Records on a topic of Kafka's: what arrives, and what is lost where brokers fail, against a cluster on the loopback.

A replay to the topic delivers the lines of the record file, each once, keyed by its community ID, one connection in one
partition. Brokers that fail for a while cost nothing. With all of them gone a replay ends all the same, and a live run
drops what its queue cannot hold: each record is counted as written or lost.
"""
import json
import os
import re
import signal
import subprocess
import time

import common
import craft
import kafka_cluster

SESSIONS = 2000
PARTITIONS, BROKERS = 5, 2
QUEUE = 10  # messages, where it is to be full
PATIENCE = 60  # seconds until a thing that takes a moment is called a hang
# Brokers may answer so for a while; a producer tries again.
TRANSIENT = ("NOT_LEADER_FOR_PARTITION", "REQUEST_TIMED_OUT", "NOT_ENOUGH_REPLICAS", "LEADER_NOT_AVAILABLE")


def start_cluster():
    return kafka_cluster.Cluster("mail", BROKERS, PARTITIONS)


def settings(folder, **properties):
    """The options that name a file with these properties of librdkafka's."""
    path = folder / "mailtap.conf"
    lines = ["[kafka]", "reconnect.backoff.max.ms = 200"]
    lines += [f"{name.replace('_', '.')} = {value}" for name, value in properties.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "-c", path


def replay_to(cluster, feed, options):
    """mailtap -r to the topic. Result: the run, with its report."""
    run = common.Run([common.program(), "-r", feed, "--records", cluster.records, "--report", "json", *options])
    run.report = json.loads(run.out) if run.out.strip() else None
    return run


def check_messages(messages, lines):
    """The messages are these lines of the record file."""
    findings = []
    values = sorted((json.loads(value)["flow_id"], value) for _, _, value in messages)
    if [value for _, value in values] != lines:
        findings.append(f"{len(messages)} messages are not the {len(lines)} lines of the record file")
    keys, latest = {}, {}
    for partition, key, value in messages:
        record = json.loads(value)
        if key != record["community_id"]:
            findings.append(f"flow {record['flow_id']}: the key is {key}")
        if keys.setdefault(key, partition) != partition:
            findings.append(f"flow {record['flow_id']}: its connection is in two partitions")
        if record["flow_id"] <= latest.get(partition, 0):
            findings.append(f"flow {record['flow_id']}: comes behind {latest[partition]}")
        latest[partition] = record["flow_id"]
    if len(set(keys.values())) != PARTITIONS:
        findings.append(f"{len(set(keys.values()))} of {PARTITIONS} partitions are used")
    return findings


def check_end(run, status, **losses):
    """How it ended, and what it lost."""
    findings = []
    if run.status != status:
        findings.append(f"status {run.status}, expected {status}: {run.says()}")
    if run.report is None:
        return findings + ["no report"]
    lost = {reason: number for reason, number in run.report["losses"].items() if number}
    if lost != losses:
        findings.append(f"lost {lost}, expected {losses}")
    if common.sum_of(run.report["sessions"]) != SESSIONS:
        findings.append(f"{common.sum_of(run.report['sessions'])} sessions of {SESSIONS}")
    return findings


def everything_arrives(folder, feed, lines):
    with start_cluster() as cluster:
        findings = check_end(replay_to(cluster, feed, settings(folder)), 0)
        return findings + check_messages(cluster.messages(), lines)


def a_replay_waits_for_room(folder, feed, lines):
    with start_cluster() as cluster:
        options = settings(folder, queue_buffering_max_messages=QUEUE, compression_codec="zstd")
        findings = check_end(replay_to(cluster, feed, options), 0)
        return findings + check_messages(cluster.messages(), lines)


def brokers_that_fail_for_a_while_cost_nothing(folder, feed, lines):
    with start_cluster() as cluster:
        for error in TRANSIENT:
            cluster.tell(f"fail {error} 3")
        cluster.tell("down 1")
        command = [common.program(), "-r", feed, "--records", cluster.records, "--report", "json", *settings(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            time.sleep(0.5)  # whatever it meets by then
            cluster.tell("down 2")
            cluster.tell("up 1")
            cluster.tell("up 2")
            out, errors = process.communicate(timeout=PATIENCE)
        if process.returncode != 0 or common.losses_of(json.loads(out)):
            return [f"status {process.returncode}: {errors.decode()[-300:]}"]
        return check_messages(cluster.messages(), lines)


def without_brokers_a_replay_ends(folder, feed, _):
    with start_cluster() as cluster:
        cluster.set_all("down")
        run = replay_to(cluster, feed, settings(folder, queue_buffering_max_messages=QUEUE))
        findings = check_end(run, 1, record_kafka_full=SESSIONS - QUEUE, record_kafka_failed=QUEUE)
        said = run.err.decode().splitlines()
        if len(said) != 3 or "no broker" not in said[0] or f"{SESSIONS} records" not in said[-1]:
            findings.append(f"says {said}")
        return findings


class Live:
    """mailtap on a DPDK port, which never waits; the port's packets come from a file."""

    def __init__(self, records, feed, options):
        self.name = f"kafka-test-{os.getpid()}"
        self.process = subprocess.Popen(
            [common.program(), "--no-pci", "--no-huge", "--no-shconf", "--no-telemetry", "-m", "512", "--lcores",
             "0@0,1@0", "--vdev", f"net_pcap0,rx_pcap={feed}", "--", "--records", records, "--report", "json",
             "--counters", self.name, "--timeout", "1", *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_for(self, metric, number):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            done = subprocess.run([common.program("MAILTAP_STAT"), "--counters", self.name, "--json"],
                                  capture_output=True, check=False)
            series = json.loads(done.stdout)["metrics"].get(metric, {}).get("series", []) if done.stdout else []
            if sum(one["value"] for one in series) == number:
                return
            time.sleep(0.05)
        raise TimeoutError(f"{metric} does not become {number} in {PATIENCE} s")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.out, self.err = self.process.communicate(timeout=PATIENCE)
        self.status, self.report = self.process.returncode, json.loads(self.out)

    def says(self):
        return self.err.decode()[-300:]

    def give_up(self):
        self.process.kill()
        self.process.wait()
        common.SHARED_MEMORY.joinpath(self.name).unlink(missing_ok=True)


def a_live_run_drops_what_the_queue_cannot_hold(folder, feed, lines):
    with start_cluster() as cluster:
        cluster.set_all("down")
        run = Live(cluster.records, feed, settings(folder, queue_buffering_max_messages=QUEUE))
        try:
            run.wait_for("mailtap_sessions_total", SESSIONS)
            run.process.send_signal(signal.SIGHUP)
            cluster.set_all("up")
            run.wait_for("mailtap_records_written_total", QUEUE)
            run.end()
        finally:
            run.give_up()
        findings = check_end(run, 1, record_kafka_full=SESSIONS - QUEUE)
        values = {value for _, _, value in cluster.messages()}
        if len(values) != QUEUE:
            findings.append(f"{len(values)} messages, the queue holds {QUEUE}")
        return findings


def the_example_is_taken(folder, feed, _):
    example = (common.ROOT / "config" / "mailtap.conf").read_text("utf-8")
    lines = re.findall(r"^#(\[kafka\]|\S+ = .+)$", example[example.index("#[kafka]"):], re.M)
    path = folder / "example.conf"
    path.write_text("\n".join(lines), encoding="utf-8")
    run = common.Run([common.program(), "-r", feed, "--records", "kafka://localhost/mail", "-c", path, "--check-config"])
    return [] if run.status == 0 and len(lines) > 1 else [f"status {run.status}: {run.says()}"]


CASES = (the_example_is_taken, everything_arrives, a_replay_waits_for_room, brokers_that_fail_for_a_while_cost_nothing,
         without_brokers_a_replay_ends, a_live_run_drops_what_the_queue_cannot_hold)


def main():
    findings = []
    with common.Workspace() as folder:
        feed = folder / "feed.pcap"
        feed.write_bytes(craft.pcap([frame for number in range(SESSIONS) for frame in
                                     craft.session(craft.DIALOGUE[:3], 20000 + number, client="198.51.100.7")]))
        lines = common.replay(feed).lines.decode().splitlines()
        if len(lines) != SESSIONS:
            findings.append(f"{len(lines)} lines in the record file, {SESSIONS} sessions")
        for case in CASES:
            findings += [f"{case.__name__}: {finding}" for finding in case(folder, feed, lines)]
    common.finish(findings, f"{len(CASES)} ways to a topic, every record delivered or counted")


if __name__ == "__main__":
    main()
