# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""smoke_test.py CAPTURES BANNERS SCAN FLOWS MEMORY SESSIONS: the programs that measure still run, and say what they are
asked.

They run for moments: what they say is not looked at but for what cannot depend on the machine.
"""
import json
import pathlib
import subprocess
import sys

captures, banners, scan, flows, memory, sessions = sys.argv[1:]


def run(*command):
    return json.loads(subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True).stdout)


def scan_names_every_set():
    """Two servers of each protocol, and a refusal of SMTP's, whose text alone is scanned; that both ways find the same,
    the program looks itself."""
    some = [pathlib.Path(captures, name) for name in ("exim-starttls", "opensmtpd-policy-tls-required", "courier-imap-login",
                                                                "cyrus-imap-starttls", "courier-pop3-clear", "cyrus-pop3-stls")]
    said = run(scan, 1, banners, *(f"{name}.pcap" for name in some))
    truth = [json.loads(name.with_suffix(".truth.json").read_text()) for name in some]
    assert said["sessions"] == sum(map(len, truth)), said
    expected = {f"{protocol} {what}" for protocol in ("smtp", "imap", "pop3") for what in ("commands", "replies", "banners")}
    assert expected <= said["sets"].keys(), said["sets"].keys()
    for name, row in said["sets"].items():
        assert row["all"]["ours_ns"] > 0 and row["all"]["raw_ns"] > 0, (name, row)


def flows_are_found():
    """That none is missing, and none there that should not be, the program looks itself."""
    for spread in ("uniform", "zipf"):
        said = run(flows, 1024, spread, 2560)
        assert said["flows"] == 1024 and said["find"] > 0 and said["set_up"] > 0, said


def flows_are_parked():
    """Every flow is decided, and its record parked."""
    said = run(memory, banners, "--tuples", 500, "decided", 0, "-")
    assert said["flows"] == said["sessions"] == said["parked_now"] == 500, said
    assert said["parked_report_bytes"] > 0 and said["bytes"] > 0, said


def sessions_are_decided():
    """Each one, and all alike, the program looks itself; and at the packet where the handshake is over."""
    said = run(sessions, banners, pathlib.Path(captures, "smtp-starttls-tls13.pcap"), 32, 2)
    assert said["sessions"] == said["ends"] == 64, said
    assert (said["app_proto"], said["security"], said["outcome"]) == ("smtp", "starttls", "established"), said
    assert [step["reports"] for step in said["steps"] if step["reports"]] == [64], said


scan_names_every_set()
flows_are_parked()
sessions_are_decided()
flows_are_found()
