#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What a server showed before decides about a session: rows X1, X5 and X6, through the whole program.

Each story is a server and the sessions that it has, with what must be flagged in each. All stories stand in one
capture, which has to give the same records with 1, 2 and 4 workers; then each session is replayed by a run of its
own, and the file of --server-memory carries from run to run what was remembered. At the end the file itself: where it
is, who may read it, what is in it, and what becomes of a damaged one.
"""
import json
import os
import pathlib
import re
import signal
import stat
import struct
import subprocess
import time

import common
import craft

WITHHELD, CHANGED, RETRY = "starttls_withheld", "certificate_changed", "cleartext_retry"
JUDGED = {WITHHELD, CHANGED, RETRY}
MINUTE = 60_000_000  # microseconds
DAY = 24 * 60  # minutes
CLIENT = "198.51.100.7"
WAIT = 30  # seconds until a live run has done what it was asked for; what takes longer is a finding

# ---- Sessions: dialogue, how the connection ends, whether a segment of the server's is lost ----

GREETING, EHLO = ("S", b"220 mail.example.org ESMTP\r\n"), ("C", b"EHLO client.example.org\r\n")
LIST = ("S", b"250-mail.example.org\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
SHORT_LIST = ("S", b"250-mail.example.org\r\n250 PIPELINING\r\n")
QUIT = [("C", b"QUIT\r\n"), ("S", b"221 2.0.0 Bye\r\n")]
ASKED = [GREETING, EHLO, LIST, ("C", b"STARTTLS\r\n")]
ACCEPTED = ASKED + [("S", b"220 2.0.0 Ready to start TLS\r\n")]


def session(dialogue, ending="fin", lost=None):
    return dialogue, ending, lost


OFFER = session([GREETING, EHLO, LIST, *QUIT])
NOTHING = session([GREETING, EHLO, SHORT_LIST, *QUIT])
NOTHING_AND_A_GAP = session([GREETING, EHLO, SHORT_LIST, ("C", b"NOOP\r\n"), ("S", b"250 Ok\r\n"), *QUIT], lost=7)
BUSY = session([("S", b"421 4.7.0 mail.example.org too many connections\r\n")])
LISTED = session([("S", b"554 5.7.1 mail.example.org no service for you\r\n"), *QUIT])
HELO = session([GREETING, EHLO, ("S", b"502 5.5.2 unknown\r\n"), ("C", b"HELO client.example.org\r\n"),
                ("S", b"250 mail.example.org\r\n"), *QUIT])
REFUSED = session([*ASKED, ("S", b"454 4.7.0 TLS not available\r\n"), *QUIT])
FAILED = session(ACCEPTED, "rst")

IMAP_OFFER = session([("S", b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"), ("C", b"a LOGOUT\r\n"),
                      ("S", b"* BYE\r\na OK\r\n")])
IMAP_NOTHING = session([("S", b"* OK [CAPABILITY IMAP4rev1] ready\r\n"), ("C", b"a LOGOUT\r\n"),
                        ("S", b"* BYE\r\na OK\r\n")])


def pop3(*capabilities):
    lines = b"".join(word + b"\r\n" for word in (b"+OK", b"TOP", *capabilities, b"."))
    return session([("S", b"+OK ready\r\n"), ("C", b"CAPA\r\n"), ("S", lines), ("C", b"QUIT\r\n"), ("S", b"+OK\r\n")])


def tls(content, data):
    return struct.pack("!BHH", content, 0x0303, len(data)) + data


def message(kind, data):
    """A handshake message (RFC 5246 7.4)."""
    return bytes([kind]) + len(data).to_bytes(3, "big") + data


def handshake(name):
    """A TLS 1.2 handshake with the certificate of that name, from tests/unit/certificate_samples.h."""
    text = (common.ROOT / "tests/unit/certificate_samples.h").read_text(encoding="utf-8")
    field = re.search(rf'\.name = "{name}",\s*\.der = ((?:"[0-9a-f]*"\s*)+)', text).group(1)
    der = bytes.fromhex("".join(re.findall(r'"([0-9a-f]*)"', field)))
    suite = b"\xc0\x2b"  # TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    hello = b"\x03\x03" + bytes(range(32)) + b"\0"
    entry = len(der).to_bytes(3, "big") + der
    done, finished = tls(20, b"\1"), tls(22, bytes(range(40)))
    return [("C", tls(22, message(1, hello + b"\0\2" + suite + b"\1\0"))),
            ("S", tls(22, message(2, hello + suite + b"\0")) +
             tls(22, message(11, len(entry).to_bytes(3, "big") + entry)) + tls(22, message(14, b""))),
            ("C", tls(22, message(16, bytes(66))) + done + finished), ("S", done + finished),
            ("C", tls(23, bytes(30))), ("S", tls(23, bytes(30)))]


SIGNED, SELF_SIGNED = handshake("signed"), handshake("self_signed")
UPGRADE, UPGRADE_SELF_SIGNED = session(ACCEPTED + SIGNED), session(ACCEPTED + SELF_SIGNED)
IMPLICIT, IMPLICIT_SELF_SIGNED = session(SIGNED), session(SELF_SIGNED)

# ---- Stories: what they tell, the server's port, and for each session its minute and what is flagged in it ----

STORIES = [
    # X1
    ("a server stops offering", 25, [(0, OFFER), (5, NOTHING, WITHHELD), (10, NOTHING)]),
    ("a pool", 25, [(0, OFFER), (5, NOTHING, WITHHELD), (10, OFFER), (15, NOTHING), (20, OFFER),
                    (30 + DAY, NOTHING, WITHHELD)]),
    ("a rate limit", 25, [(0, OFFER), (1, BUSY), (2, LISTED), (3, HELO), (4, OFFER), (5, NOTHING, WITHHELD)]),
    ("a gap", 25, [(0, OFFER), (5, NOTHING_AND_A_GAP), (10, NOTHING, WITHHELD)]),
    ("never offered", 25, [(0, NOTHING), (5, NOTHING)]),
    ("IMAP", 143, [(0, IMAP_OFFER), (5, IMAP_NOTHING, WITHHELD)]),
    ("POP3", 110, [(0, pop3(b"STLS")), (5, pop3(), WITHHELD)]),
    # X5
    ("a retry in clear", 25, [(0, FAILED), (5, OFFER, RETRY), (9, NOTHING, RETRY, WITHHELD), (30, NOTHING)]),
    ("a refusal", 25, [(0, REFUSED), (5, OFFER)]),
    ("an upgrade in between", 25, [(0, FAILED), (2, UPGRADE), (5, OFFER)]),
    # X6
    ("another issuer", 25, [(0, UPGRADE), (5, UPGRADE), (10, UPGRADE_SELF_SIGNED, CHANGED), (15, UPGRADE),
                            (20, UPGRADE_SELF_SIGNED)]),
    ("another issuer under implicit TLS", 465, [(0, IMPLICIT), (5, IMPLICIT_SELF_SIGNED, CHANGED)]),
]


def server_of(story):
    return f"192.0.2.{100 + STORIES.index(story)}"


def packets_of(story, number):
    """(microseconds, frame) of one session of a story; who connects uses a port of its own each time."""
    minute, (dialogue, ending, lost) = story[2][number][:2]
    frames = craft.session(dialogue, 40000 + number, story[1], CLIENT, server_of(story), ending)
    return [(minute * MINUTE + place * 10_000, frame) for place, frame in enumerate(frames) if place != lost]


def write_capture(path, packets):
    path.write_bytes(craft.timed_pcap(sorted(packets)))
    return path


def expected(story, number):
    return set(story[2][number][2:])


# ---- Runs ----


def check_record(record, story, number, flagged):
    """One session's record against what the story says of it."""
    mail = record["mail"]
    told = JUDGED & set(mail["anomalies"])
    where = f"{story[0]}, session {number + 1}"
    findings = [] if told == flagged else [f"{where}: flagged {sorted(told)}, expected {sorted(flagged)}"]
    is_stripped = mail["starttls"] is not None and mail["starttls"]["outcome"] == "stripped"
    if is_stripped != (WITHHELD in flagged):
        findings.append(f"{where}: {'' if is_stripped else 'not '}stripped")
    return findings


def check_counts(run):
    """The report's anomalies are those of the records."""
    findings = []
    for protocol, kinds in run.report["anomalies"].items():
        for kind in JUDGED:
            written = sum(record["app_proto"] == protocol and kind in record["mail"]["anomalies"]
                          for record in run.records)
            if kinds[kind] != written:
                findings.append(f"{protocol} {kind}: report {kinds[kind]}, records {written}")
    return findings


def in_one_run(folder):
    packets = [packet for story in STORIES for number in range(len(story[2])) for packet in packets_of(story, number)]
    capture = write_capture(folder / "all.pcap", packets)
    run = common.replay(capture)
    if run.status != 0 or run.report is None:
        return [f"status {run.status}: {run.says()}"]
    by_server = {}
    for record in run.records:
        by_server.setdefault(record["dest_ip"], []).append(record)
    findings = []
    for story in STORIES:
        records = by_server.get(server_of(story), [])
        if len(records) != len(story[2]):
            findings.append(f"{story[0]}: {len(records)} records, {len(story[2])} sessions")
            continue
        for number, record in enumerate(records):
            findings += check_record(record, story, number, expected(story, number))
    return (findings + check_counts(run) + common.check_records(run) + common.check_accounts(run, len(packets))
            + common.check_every_worker_count(capture, run))


def from_run_to_run(folder):
    """Each session in a run of its own. A client is remembered by no file, so no retry is known."""
    findings = []
    for story in STORIES:
        memory = folder / f"memory-{STORIES.index(story)}"
        for number in range(len(story[2])):
            capture = write_capture(folder / "one.pcap", packets_of(story, number))
            run = common.replay(capture, workers=1 + number % 2, options=("--server-memory", memory))
            if run.status != 0 or len(run.records) != 1:
                findings.append(f"{story[0]}: status {run.status}, {len(run.records)} records: {run.says()}")
            else:
                findings += check_record(run.records[0], story, number, expected(story, number) - {RETRY})
        if CLIENT in memory.read_text(encoding="utf-8"):
            findings.append(f"{story[0]}: the memory names the client")
    return findings


# ---- The file ----

HEAD = '{"format":"mailtap server memory","version":1,"servers":1}\n'


def mailtap(*words, environment=None):
    return common.Run([*common.as_nobody(), common.program(), *words], environment)


def replay_one(folder, memory):
    capture = write_capture(folder / "one.pcap", packets_of(STORIES[0], 0))
    return mailtap("-r", capture, "--report", "none", "--server-memory", memory)


def check_run(what, run, status, says=""):
    text = run.err.decode("utf-8", "replace")
    if run.status != status or not re.search(says, text) or (not says and text):
        return [f"{what}: status {run.status}, expected {status} and /{says}/: {run.says()}"]
    return []


def is_memory_of_one(path):
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return lines[0]["servers"] == 1 and lines[1]["address"] == server_of(STORIES[0])


def named_file(folder):
    """A file that the command line names: made, replaced, left alone where it is somebody else's."""
    memory = folder / "memory"
    findings = check_run("no file yet", replay_one(folder, memory), 0)
    if not memory.exists() or not is_memory_of_one(memory):
        return findings + ["no memory was written"]
    if stat.S_IMODE(memory.stat().st_mode) != 0o640:
        findings.append(f"mode {memory.stat().st_mode:o}")
    link = folder / "link"
    link.symlink_to(memory)
    findings += check_run("a link", replay_one(folder, link), 0)
    if not link.is_symlink() or json.loads(memory.read_text().splitlines()[1])["lists"] != 2:
        findings.append("a link was replaced, or not followed")
    check = mailtap("-r", folder / "one.pcap", "--check-config", "--server-memory", memory)
    if f"server memory {memory}: 1 servers" not in check.out.decode():
        findings.append(f"--check-config: {check.out!r}")
    foreign = folder / "foreign"
    foreign.write_text("precious\n", encoding="utf-8")
    findings += check_run("somebody's file", replay_one(folder, foreign), 2, "foreign: is no server memory")
    findings += check_run("a folder", replay_one(folder, folder), 2, "is no server memory")
    findings += check_run("a folder that is not there", replay_one(folder, folder / "absent" / "memory"), 2, "absent")
    (folder / "sealed").mkdir(mode=0o555)
    findings += check_run("a sealed folder", replay_one(folder, folder / "sealed" / "memory"), 2, "sealed")
    if foreign.read_text(encoding="utf-8") != "precious\n":
        findings.append("somebody's file was touched")
    findings += check_run("none", replay_one(folder, "none"), 0)
    left = sorted(path.name for path in folder.iterdir())
    if left != ["foreign", "link", "memory", "one.pcap", "sealed"]:
        findings.append(f"left in the folder: {left}")
    return findings


def damaged_file(folder):
    """Damage neither stops a run nor is lost; a check of the settings says it and touches nothing."""
    memory, aside = folder / "memory", folder / "memory.damaged"
    memory.write_text(HEAD + '{"address":"192.0.2.25","po', encoding="utf-8")
    damage = memory.read_text(encoding="utf-8")
    capture = write_capture(folder / "one.pcap", packets_of(STORIES[0], 0))
    check = mailtap("-r", capture, "--check-config", "--server-memory", memory)
    findings = check_run("a check of a damaged file", check, 0, r"memory:2: ")
    if aside.exists() or memory.read_text(encoding="utf-8") != damage:
        findings.append("a check of settings moved the file")
    findings += check_run("a damaged file", replay_one(folder, memory), 0, r"memory:2: .*memory\.damaged")
    if not aside.exists() or aside.read_text(encoding="utf-8") != damage:
        findings.append("the damaged file was not kept")
    if not is_memory_of_one(memory):
        findings.append("no new memory")
    return findings + check_run("the run after it", replay_one(folder, memory), 0)


# ---- Live ----


def live(folder, *words):
    """The words of a live run: EAL's ports may read a file, and end by a signal only."""
    capture = write_capture(folder / "one.pcap", packets_of(STORIES[0], 0))
    return [*common.as_nobody(), common.program(), "--no-huge", "-m", "256", "--no-pci", "--no-shconf",
            "--no-telemetry", "--lcores", "(0-1)@0", "--vdev", f"net_pcap0,rx_pcap={capture}", "--", "--counters", "none", "--report",
            "none", *words]


def wait_for(condition):
    end = time.monotonic() + WAIT
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def catches_hangup(process):
    """Until then the signal would end it."""
    caught = re.search(r"SigCgt:\s*(\w+)", pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii"))
    return int(caught.group(1), 16) >> (signal.SIGHUP - 1) & 1


def state_folder(folder):
    """Live the file is in the folder that systemd gives; SIGHUP writes it, and so does the end."""
    state = folder / "state"
    state.mkdir(mode=0o777)
    state.chmod(0o777)
    memory = state / "servers.json"
    environment = {**os.environ, "MAILTAP_CONFIG_DIR": str(common.ROOT / "config"),
                   "STATE_DIRECTORY": f"{state}:{folder / 'other'}"}
    findings = []

    def ask():
        if catches_hangup(process):
            process.send_signal(signal.SIGHUP)
        return memory.exists() and is_memory_of_one(memory)
    with subprocess.Popen(list(map(str, live(folder))), env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE) as process:
        try:
            if not wait_for(ask):
                findings.append("SIGHUP writes no memory")
            memory.unlink(missing_ok=True)
        finally:
            process.terminate()
        error = process.communicate(timeout=WAIT)[1]
    if process.returncode != 0:
        findings.append(f"live: status {process.returncode}: {error.decode()[-300:]}")
    if not memory.exists() or not is_memory_of_one(memory):
        findings.append("the end writes no memory")
    return findings


def no_state_folder(folder):
    """Where it is not there, that is said once, and the run goes on; `none` has nothing to say."""
    environment = {"STATE_DIRECTORY": str(folder / "absent")}
    run = common.Run(live(folder, "--duration", "1"), environment)
    findings = check_run("no state folder", run, 0, r"absent: .*for this run alone")
    if run.err.count(b"absent") != 1:
        findings.append(f"no state folder: said more than once: {run.says()}")
    run = common.Run(live(folder, "--duration", "1", "--server-memory", "none"), environment)
    if b"absent" in run.err:
        findings.append(f"none: {run.says()}")
    return findings


def foreign_state(folder):
    """What stands where our own memory should is set aside: a box has to start."""
    (folder / "servers.json").write_bytes(bytes(100))
    run = common.Run(live(folder, "--duration", "1"), {"STATE_DIRECTORY": str(folder)})
    findings = check_run("zeros for a memory", run, 0, r"servers\.json: is no .*servers\.json\.damaged")
    if not (folder / "servers.json.damaged").exists() or not (folder / "servers.json").exists():
        findings.append("zeros for a memory: not set aside, or no new one")
    return findings


def main():
    common.program()
    findings = []
    for part in (in_one_run, from_run_to_run, named_file, damaged_file, state_folder, no_state_folder,
                 foreign_state):
        with common.Workspace() as folder:
            try:
                findings += [f"{part.__name__}: {finding}" for finding in part(pathlib.Path(folder))]
            except (OSError, ValueError, LookupError, subprocess.SubprocessError) as reason:
                findings.append(f"{part.__name__}: the check stumbled: {reason!r}")
    common.finish(findings, f"{len(STORIES)} servers are remembered")


if __name__ == "__main__":
    main()
