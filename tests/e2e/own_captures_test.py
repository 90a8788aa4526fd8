#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Every capture of the project through mailtap, compared with what was known when it was recorded.

Beside NAME.pcap stands NAME.truth.json, written from the servers' logs by whoever recorded the session: a list of the
sessions, [] where no connection may have a record. Every key that the truth has is compared; and no packet that was
received is counted as lost (mistake-12 of other tools). Arguments after the program: names of captures.
"""
import against_truth
import common

# TLS is looked into on the configured ports alone (README, Limits). Here the port is said to carry SMTP, and the
# client's ALPN says better.
OPTIONS = {"imaps-alpn-port-10993.pcap": ("--ports", "10993=smtps")}


def check(path):
    options = OPTIONS.get(path.name, ())
    run = common.replay(path, options=options)
    findings = []
    if run.status != 0:
        findings.append(f"status {run.status}: {run.says()}")
    findings += common.check_accounts(run, common.packets_of(path))
    findings += common.check_every_worker_count(path, run, options)
    findings += common.check_records(run)
    findings += against_truth.compare(common.truth_of(path), run.records)
    return [f"{path.name}: {finding}" for finding in findings]


def main():
    common.need("capinfos")
    common.program()
    captures = common.named_captures(common.OWN_CAPTURES.glob("*.pcap*"))
    common.finish(common.in_parallel(check, captures), f"{len(captures)} captures say what was recorded")


if __name__ == "__main__":
    main()
