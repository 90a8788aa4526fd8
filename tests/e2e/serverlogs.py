# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What Postfix and Dovecot wrote about each connection, and a record beside it. Connections go by the client's port.

No sentence from here quotes a log: its lines have names of users in them.
"""
import re
import subprocess
from dataclasses import dataclass, field

POSTFIX = re.compile(r"postfix/smtpd\[\d+\]: (?P<what>.*?) from unknown\[(?P<address>[^]]+)\]:(?P<port>\d+)"
                     r"(?P<rest>.*)")
DOVECOT = re.compile(r"(?:imap|pop3)-login: Info: (?P<what>.*) rip=(?P<address>[^, ]+), rport=(?P<port>\d+), "
                     r"lip=[^, ]+, lport=\d+, (?P<rest>.*)session=<(?P<session>[^>]+)>")
BOX = re.compile(r"(?:imap|pop3)\([^)]*\)<\d+><(?P<session>[^>]+)>: Info: Disconnected: .*")
CIPHER = re.compile(r"(TLSv1\.[23]) with cipher (\S+)")
FAILED_LOGINS = re.compile(r"auth failed, (\d+) attempts")
IMPLICIT = (465, 993, 995)
UNKNOWN = "unknown"  # the log does not say


@dataclass
class Session:
    address: str
    tls: tuple | None = None  # version and cipher suite
    logins: list = field(default_factory=list)  # outcomes
    mails: int | str = 0  # accepted or retrieved; UNKNOWN: IMAP
    is_over: bool = False
    lines: list = field(default_factory=list)


def read_postfix(session, match):
    session.tls = find_tls(match["rest"]) or session.tls
    if match["what"] == "disconnect":
        counts = {name: [int(n) for n in number.split("/")]
                  for name, number in re.findall(r"(\w+)=([\d/]+)", match["rest"])}
        session.mails = counts.get("data", [0])[0]
        good, tried = (counts.get("auth", [0]) * 2)[:2]
        session.logins = ["success"] * good + ["failure"] * (tried - good)
        session.is_over = True


def read_dovecot(session, match):
    session.tls = find_tls(match["rest"])
    if match["what"].startswith("Login: "):
        session.logins.append("success")
    else:
        failed = FAILED_LOGINS.search(match["what"])
        session.logins += ["failure"] * int(failed[1] if failed else 0)
        session.is_over = True


def read_box(session, line):
    retrieved = re.search(r" retr=(\d+)/", line)
    session.mails = int(retrieved[1]) if retrieved else UNKNOWN
    session.is_over = True


def find_tls(text):
    found = CIPHER.search(text)
    return found.groups() if found else None


def sessions(lines):
    """By client's port."""
    found, names = {}, {}
    for line in lines:
        for pattern, read in ((POSTFIX, read_postfix), (DOVECOT, read_dovecot)):
            if match := pattern.search(line):
                session = found.setdefault(int(match["port"]), Session(match["address"]))
                session.lines.append(line)
                read(session, match)
                if "session" in match.groupdict():
                    names[match["session"]] = session
    # What is said of the mailbox's end may stand before what is said of the login: two processes write.
    for match in filter(None, map(BOX.search, lines)):
        if match["session"] in names:
            read_box(names[match["session"]], match[0])
    return found


def suite_names():
    """OpenSSL's name of every cipher suite, and the registered one."""
    shown = subprocess.run(["openssl", "ciphers", "-stdname", "ALL"], capture_output=True, text=True, check=True).stdout
    return {other: name for name, other in re.findall(r"^(\S+)\s+-\s+(\S+)", shown, re.M)}


def expected_of(session, port, suites):
    """What the record has to say. Logins and mails are invisible under TLS."""
    expected = {"address": session.address, "logins": session.logins, "mails": session.mails, "tls": None}
    if session.tls:
        version, cipher = session.tls
        security = "implicit_tls" if port in IMPLICIT else "starttls"
        expected |= {"logins": [], "mails": 0,
                     "tls": (security, version.replace("TLSv", "TLS "), suites.get(cipher, cipher))}
    return expected


def said_by(record):
    """The same of a record."""
    mail, tls = record["mail"], record.get("tls", {})
    has_tls = mail["security"] in ("starttls", "implicit_tls")
    return {"address": record["src_ip"], "logins": [one["outcome"] for one in mail.get("auth") or []],
            "mails": mail.get("messages") or 0,
            "tls": (mail["security"], tls.get("version"), tls.get("cipher_suite")) if has_tls else None}


def compare(logged, records):
    """Every session of the logs has its one record, and they say the same. Result: findings"""
    suites, findings = suite_names(), []
    written = {}
    for record in records:
        written.setdefault(record["src_port"], []).append(record)
    for port in sorted(logged.keys() | written.keys()):
        if port not in logged or len(written.get(port, [])) != 1:
            findings.append(f"port {port}: {len(written.get(port, []))} records, in the logs: {port in logged}")
            continue
        record = written[port][0]
        expected, said = expected_of(logged[port], record["dest_port"], suites), said_by(record)
        findings += [f"port {port}: {name} {said[name]}, the log: {value}" for name, value in expected.items()
                     if said[name] != value and value is not UNKNOWN]
    return findings
