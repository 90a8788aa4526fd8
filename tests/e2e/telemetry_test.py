#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""DPDK's own ways: dpdk-telemetry.py on a running mailtap, its answers held against those of mailtap-stat; and its log,
in which mailtap has types of its own."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import common

CAPTURE = common.OWN_CAPTURES / "mixed-six-sessions.pcap"
SESSIONS = 6
PATIENCE = 20


def ask(prefix, *commands):
    """Command -> answer."""
    done = subprocess.run(["dpdk-telemetry.py", "-f", prefix], input="\n".join(commands) + "\n", capture_output=True,
                          text=True, check=False)
    answers = {}
    for line in done.stdout.splitlines():
        if line.startswith('{"/mailtap/'):
            answers.update(json.loads(line))
    return answers


def stat(name):
    """Metric -> {labels' values: value}, without zeros; histograms left out."""
    done = subprocess.run([common.program("MAILTAP_STAT"), "--counters", name, "--json"], capture_output=True,
                          check=False)
    metrics = json.loads(done.stdout)["metrics"] if done.stdout else {}
    return {metric: {"/".join(one["labels"].values()): one["value"] for one in body["series"] if one["value"]}
            for metric, body in metrics.items() if body["type"] != "histogram"}


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)


def check(process, name):
    wait_for(lambda: sum(stat(name).get("mailtap_packets_total", {}).values()) == common.packets_of(CAPTURE))
    wait_for(lambda: sum(stat(name)["mailtap_sessions_total"].values()) == SESSIONS)  # each waits for its place
    answers = ask(name, "/mailtap/ports", "/mailtap/flows", "/mailtap/reload")
    expected, findings = stat(name), []
    by_name = ask(name, "/mailtap/counters,mailtap_packets_total").get("/mailtap/counters")
    if by_name != expected["mailtap_packets_total"]:
        findings.append(f"packets: {by_name}, mailtap-stat says {expected['mailtap_packets_total']}")
    sums = ask(name, "/mailtap/counters").get("/mailtap/counters", {})
    for metric in ("mailtap_packets_total", "mailtap_sessions_total", "mailtap_flows", "mailtap_received_bytes_total"):
        if sums.get(metric) != sum(expected[metric].values()):
            findings.append(f"{metric}: {sums.get(metric)}, mailtap-stat says {expected[metric]}")
    if answers.get("/mailtap/flows") != expected["mailtap_flows"]:
        findings.append(f"flows: {answers.get('/mailtap/flows')}, mailtap-stat says {expected['mailtap_flows']}")
    if "error" not in ask(name, "/mailtap/counters,no_such").get("/mailtap/counters", {}):
        findings.append("a metric that is none has values")
    if "net_pcap0" not in str(answers.get("/mailtap/ports")):
        findings.append(f"ports: {answers.get('/mailtap/ports')}")
    wait_for(lambda: stat(name)["mailtap_reloads_total"].get("done") == 1)
    if stat(name)["mailtap_reloads_total"] != {"done": 1}:
        findings.append("a reload that was asked for is not done")
    process.send_signal(signal.SIGTERM)
    if process.wait(PATIENCE) != 0:
        findings.append(f"ended with {process.returncode}")
    return findings


def check_log(text):
    """A line of each type, of what happened in this run."""
    expected = {"ports": "net_pcap0: 1 of at most 1 queues", "workers": "queue 0 of DPDK's port 0, node -1: worker 0",
                "control": "products are known by patterns that were read again"}
    return [f"the log has no {kind}: {words}" for kind, words in expected.items()
            if not any(line.startswith(f"mailtap.{kind}: ") and words in line for line in text.splitlines())]


def main():
    common.need("dpdk-telemetry.py", "capinfos")
    if os.geteuid() != 0:
        common.skip("skipped: DPDK keeps its sockets where only root may write")
    name = f"telemetry-test-{os.getpid()}"
    log = tempfile.TemporaryFile("w+")
    process = subprocess.Popen(
        [common.program(), "--no-huge", "-m", "256", "--no-pci", "--file-prefix", name, "--log-level=*:error",
         "--log-level=mailtap.*:debug", "--lcores", "(0-2)@(0,1)", "--vdev", f"net_pcap0,rx_pcap={CAPTURE}", "--",
         "--counters", name, "--report", "none"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
    try:
        findings = check(process, name)
        log.seek(0)
        findings += check_log(log.read())
    finally:
        process.kill()
        process.wait()
        common.SHARED_MEMORY.joinpath(name).unlink(missing_ok=True)
        shutil.rmtree(f"/var/run/dpdk/{name}", ignore_errors=True)
    common.finish(findings, "dpdk-telemetry.py says what mailtap-stat says, and the log what happens")


main()
