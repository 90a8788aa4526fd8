#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""scripts/bench rates works: one short round of two rows. What it counts has to be right, no figure is looked at."""
import json
import pathlib
import subprocess
import sys

import common

RATES = common.ROOT / "tests" / "bench" / "rates.py"
ROWS = {"udp", "short"}


def main():
    common.need("dpdk-testpmd")
    only = [word for row in sorted(ROWS) for word in ("--only", row)]
    bench = pathlib.Path(common.program("TRAFFIC")).parent
    command = [sys.executable, RATES, common.program(), common.program("MAILTAP_STAT"), bench, common.OWN_CAPTURES, *only,
               "--rounds", "1", "--seconds", "0.2", "--no-huge", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if not run.stdout:
        common.finish([f"ended with {run.returncode}: {run.stderr[-2000:]}"], "")
    rows = json.loads(run.stdout)["rows"]
    findings = [f"{name}: {finding}" for name, row in rows.items() for finding in row["findings"]]
    findings += [f"{name}: no row" for name in ROWS - set(rows)]
    findings += [f"{name}: received nothing" for name, row in rows.items() if row["received"] == 0]
    common.finish(findings, f"{len(rows)} rows measured, all that was sent was counted")


main()
