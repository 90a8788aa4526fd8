#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The oracle is right about the project's own captures, where the servers' logs tell the truth.

A judge needs a test of its own: every difference between mailtap and tshark in the shared captures is laid at
mailtap's door, so what tshark is made to say has to be proven on captures of which more is known. mailtap is not run.
"""
import against_truth
import common
import oracle


def words_of_truth(session):
    starttls = session["starttls"] or {}
    return {"app_proto": session["app_proto"], "security": session["security"],
            "requested": bool(starttls.get("requested")), "offered": bool(starttls.get("offered"))}


def check(path):
    expected = against_truth.by_ports(common.truth_of(path))
    answered = against_truth.by_ports(oracle.examine(str(path))["sessions"])
    findings = []
    for ports in sorted(expected.keys() | answered.keys()):
        wanted = [words_of_truth(session) for session in expected.get(ports, [])]
        ours = [oracle.in_short(session) for session in answered.get(ports, [])]
        if wanted != ours:
            findings.append(f"{path.name} {ports[0]}>{ports[1]}: the oracle says {ours}, true is {wanted}")
    return findings


def main():
    common.need("tshark")
    captures = common.named_captures(common.OWN_CAPTURES.glob("*.pcap*"))
    common.finish(common.in_parallel(check, captures), f"the oracle is right about {len(captures)} captures")


if __name__ == "__main__":
    main()
