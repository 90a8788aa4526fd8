# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What the end-to-end tests share: running mailtap, reading what it wrote, and the invariants of every run.

The program under test is the first argument of a test or the variable MAILTAP, mailtap-stat is MAILTAP_STAT,
mailtap-exporter MAILTAP_EXPORTER. A test ends with 0 (passed), 1 (failed, every finding on a line of its own) or 77
(skipped, with a sentence that says why).
"""
import json
import multiprocessing
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import tempfile

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
OWN_CAPTURES = ROOT / "tests" / "captures"
SHARED_CAPTURES = ROOT.parent / "shared" / "captures"
SHARED_MEMORY = pathlib.Path("/dev/shm")
SCHEMA = ROOT / "config" / "session.schema.json"
SKIPPED = 77
TIMEOUT = 60  # seconds for one replay: a hundred times what it takes; a hang is a finding, not a wait
JOBS = 2
# A replay waits where a live run drops. Limits that traffic itself exceeds (a line, a hello) are no such loss.
LOST_IN_NO_REPLAY = ("handoff_full", "table_full", "sessions_full", "reassembly_full", "record_ring_full",
                     "certificate_ring_full", "record_sink", "record_kafka_full", "record_kafka_failed")


def program(variable="MAILTAP"):
    """The absolute path of the program under test."""
    name = os.environ.get(variable)
    if variable == "MAILTAP" and len(sys.argv) > 1:
        name = sys.argv[1]
    if not name or not os.access(name, os.X_OK):
        sys.exit(f"{variable} names no program to test: {name!r}")
    return os.path.abspath(name)


def skip(sentence):
    """Leave with a sentence. In CI everything has to be there: what is absent is a failure."""
    print(sentence)
    sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


def need(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            skip(f"skipped: {tool} is not installed")


def finish(findings, passed):
    """The last line of every test."""
    for finding in findings:
        print("FAIL", finding)
    print(f"{len(findings)} findings" if findings else passed)
    sys.exit(1 if findings else 0)


class Guarded:
    """A check whose own stumble, say over a field that is absent, is a finding like any other."""

    def __init__(self, function):
        self.function = function

    def __call__(self, item):
        try:
            return self.function(item)
        except Exception as reason:  # pylint: disable=broad-except
            return [f"{item}: the check stumbled: {reason!r}"]


def in_parallel(function, items):
    """function(item) -> list of findings, for all items, in JOBS processes; the findings in the order of the items."""
    with multiprocessing.Pool(JOBS) as pool:
        return [finding for findings in pool.imap(Guarded(function), items) for finding in findings]


def named_captures(captures):
    """The captures whose path holds one of the words after the program on the command line; all without such words."""
    words = sys.argv[2:]
    chosen = sorted(path for path in captures if not words or any(word in str(path) for word in words))
    return chosen or sys.exit("no such capture")


def as_nobody():
    """The words before a command that make it run as an ordinary user; none where the test itself is one."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


class Workspace:
    """A folder that an ordinary user may write to, gone at the end."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="mailtap-e2e-"))
        self.path.chmod(0o777)
        return self.path

    def __exit__(self, *unused):
        shutil.rmtree(self.path, ignore_errors=True)


class Run:
    """One finished run: status, out, err; with replay() also lines (bytes), records and report."""

    def __init__(self, command, environment=None, timeout=TIMEOUT):
        self.command = [str(word) for word in command]
        full = {"MAILTAP_CONFIG_DIR": str(ROOT / "config"), **os.environ, **(environment or {})}
        try:
            done = subprocess.run(self.command, capture_output=True, timeout=timeout, check=False, env=full,
                                  stdin=subprocess.DEVNULL)
            self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            self.status, self.out, self.err = "no end", late.stdout or b"", late.stderr or b""
        self.lines, self.records, self.report = b"", [], None

    def says(self):
        """The end of standard error, for a finding."""
        return self.err.decode("utf-8", "replace").strip()[-300:]


def replay(capture, workers=1, options=(), prefix=(), environment=None, timeout=TIMEOUT):
    """mailtap -r CAPTURE with the records in a file and the report as JSON on standard output."""
    with Workspace() as folder:
        records = folder / "records.json"
        run = Run([*prefix, program(), "-r", capture, "--workers", workers, "--records", records, "--report", "json",
                   *options], environment, timeout)
        if records.exists():
            run.lines = records.read_bytes()
    try:
        run.records = [json.loads(line) for line in run.lines.decode("utf-8").splitlines()]
        run.report = json.loads(run.out) if run.out.strip() else None
    except ValueError as reason:
        run.status = f"{run.status}, and not JSON: {reason}"
    return run


def truth_of(capture):
    """What was known of the sessions of one of the project's captures when it was recorded."""
    return json.loads(capture.with_name(capture.name.rsplit(".pcap", 1)[0] + ".truth.json").read_text("utf-8"))


def packets_of(capture):
    """The number of packets that capinfos counts."""
    done = subprocess.run(["capinfos", "-c", "-M", "-T", "-r", capture], capture_output=True, text=True, check=False)
    number = re.search(r"\t(\d+)\s*$", done.stdout) or re.search(r"after reading (\d+) packets", done.stderr)
    return int(number.group(1)) if number else None


def sum_of(tree):
    """All numbers of nested objects, added up."""
    if isinstance(tree, dict):
        return sum(sum_of(branch) for branch in tree.values())
    return tree if isinstance(tree, (int, float)) else 0


def validator():
    """A function that gives the sentences in which a record breaks config/session.schema.json."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    checker = kind(schema)
    return lambda record: [f"{'.'.join(map(str, fault.absolute_path))}: {fault.message[:120]}"
                           for fault in checker.iter_errors(record)]


def check_records(run):
    faults = validator()
    return [f"record {record['src_port']}: {fault}" for record in run.records for fault in faults(record)]


def without_times(record):
    """What is the same on every way to the same session: all but times, and the number that follows from them."""
    flow = {name: value for name, value in record["flow"].items() if name not in ("start", "end")}
    return {name: value for name, value in record.items() if name not in ("timestamp", "flow_id")} | {"flow": flow}


def comparable(records):
    """Records in the order of their clients' ports, without what depends on when, and in how many pieces, packets came."""
    records = [without_times(record) for record in records]
    for record in records:
        for member in ("pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient"):
            record["flow"].pop(member)
    return sorted(records, key=lambda record: record["src_port"])


def differences(expected, found):
    """Paths of members that differ, and both values."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [f"{key}.{rest}" for key in sorted(expected.keys() | found.keys())
                for rest in differences(expected.get(key), found.get(key))]
    return [] if expected == found else [f": {found}, replay {expected}"]


def losses_of(report):
    """What was lost that no replay loses, and no live run that is not overloaded."""
    return {reason: report["losses"][reason] for reason in LOST_IN_NO_REPLAY if report["losses"].get(reason)}


def check_accounts(run, packets):
    """What has to hold after every run, whatever was in the capture."""
    findings = []
    report = run.report
    if report is None:
        return ["no report"]
    if report["packets"] != packets:
        findings.append(f"packets {report['packets']}, the file holds {packets}")
    if sum_of(report["verdicts"]) != report["packets"]:
        findings.append(f"verdicts sum to {sum_of(report['verdicts'])}, packets {report['packets']}")
    if sum_of(report["sessions"]) != len(run.records):
        findings.append(f"sessions sum to {sum_of(report['sessions'])}, records {len(run.records)}")
    for protocol, kinds in report["sessions"].items():
        for security, number in kinds.items():
            written = sum(record["app_proto"] == protocol and record["mail"]["security"] == security
                          for record in run.records)
            if written != number:
                findings.append(f"sessions {protocol} {security}: report {number}, records {written}")
    with_starttls = sum(record["mail"]["starttls"] is not None for record in run.records)
    if sum_of(report["starttls"]) != with_starttls:
        findings.append(f"starttls outcomes sum to {sum_of(report['starttls'])}, records with one {with_starttls}")
    if losses_of(report):
        findings.append(f"losses in a replay: {losses_of(report)}")
    return findings


def check_every_worker_count(capture, first, options=()):
    """The records do not depend on the number of workers, byte for byte; nor does what the report says of them."""
    findings = []
    for workers in (2, 4):
        other = replay(capture, workers, options)
        if other.status != first.status:
            findings.append(f"status {other.status} with {workers} workers, {first.status} with one: {other.says()}")
        elif other.lines != first.lines:
            findings.append(f"the records with {workers} workers differ from those with one")
        elif first.report:
            findings += [f"report.{part} with {workers} workers differs" for part in ("sessions", "starttls",
                         "anomalies", "auth", "software", "packets") if other.report.get(part) != first.report.get(part)]
    return findings
