# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What a scenario is, and the words in which one says what its clients do."""
import base64
import pathlib
import shlex
import zlib
from dataclasses import dataclass, field

from network import CLIENT_NAME
from network import SERVER_NAME as NAME

HERE = pathlib.Path(__file__).parent
ANNA, BELA, GOOD, BAD = "tapuser-anna", "tapuser-bela", "right-horse-battery-17", "wrong-horse-battery-23"
BELA_GOOD = "right-horse-battery-42"
USERS = {ANNA: GOOD, BELA: BELA_GOOD}

MAIL = """\
From: sender@example.org
To: friend@example.org
Subject: A new mail

STARTTLS and x STARTTLS and +OK are words here, nothing more.
* OK so is this
"""


@dataclass
class Session:
    command: list  # the client's, run inside its namespace
    truth: dict | None = None  # None: no mail session, so no record
    log: list = field(default_factory=list)  # each pattern must match a line of the servers' logs
    box: list | None = None  # the mailbox of ANNA holds these new mails before the session
    fails: bool = False  # the client ends with an error, as it should
    greets: bool = True  # the server's first line is in clear
    server: list | None = None  # a server that lives for this session only
    proxy: str = ""  # the session leads through the middle, where this happens to it: one of proxy.MODES
    far: dict | None = None  # the truth behind the middle, where `truth` is the one before it


@dataclass
class Scenario:
    name: str
    shows: str
    sessions: list
    capture: list = field(default_factory=lambda: ["-i", "tap"])  # how tcpdump listens
    convert: str = ""  # how the file is turned into another kind of file; see convert.py
    guest: str = ""  # the server that has to be started for it, if it is one of servers.GUESTS

    @property
    def is_tampered(self):
        """Recorded on both sides of the middle, as NAME-near and NAME-far."""
        return any(session.proxy for session in self.sessions)


def python(script, *words):
    return ["python3", str(HERE / script), *map(str, words)]


def talk(host, port, *steps):
    return python("talk.py", "client", host, port, *steps)


def answer(host, port, *steps):
    return python("talk.py", "server", host, port, *steps)


def library(function, host, port, *words):
    return python("clients.py", function, host, port, *words)


def swaks(host, port, *words):
    return ["swaks", "--server", host, "--port", str(port), "--helo", CLIENT_NAME, "--from",
            "sender@example.org", "--to", "friend@example.org", "--hide-send", "--hide-informational", *words]


def openssl(host, port, last, *words):
    """s_client that says one line after the handshake and reads until the server closes."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    client = shlex.join(["openssl", "s_client", "-quiet", "-crlf", "-connect", where, *words])
    return ["sh", "-c", f"echo {last} | {client}"]


def curl(url, host, *words):
    """curl that knows the server by name, so that it sends the name in the handshake."""
    port = url.split(":")[2].split("/")[0]
    return ["curl", "-s", "-S", "--max-time", "15", "-w", r"port: %{local_port}\n", "--resolve",
            f"{NAME}:{port}:{host}", url, *words]


def upload(*words):
    return ["--mail-from", "sender@example.org", "--mail-rcpt", "friend@example.org", "-T", str(HERE / "mail.eml"),
            *words]


def blob(*words):
    return base64.b64encode("\0".join(words).encode()).decode()


def login(user=ANNA, password=GOOD):
    return ["--user", f"{user}:{password}"]


PLAIN_GOOD, PLAIN_BAD = blob("", ANNA, GOOD), blob("", ANNA, BAD)
HELLO = ["< 220 ", "> EHLO client.example.org", "< 250 "]
BYE = ["> QUIT", "< 221 "]
ENVELOPE = ["> MAIL FROM:<sender@example.org>", "< 250 ", "> RCPT TO:<friend@example.org>", "< 250 "]
BODY = ["> DATA", "< 354 ", "> Subject: x", "> ", "> x", "> .", "< 250 "]
LOGIN = [f"> a1 LOGIN {ANNA} {GOOD}", "< a1 OK"]
LOGOUT = ["> a9 LOGOUT", "< a9 OK"]
PASS = [f"> USER {ANNA}", "< +OK", f"> PASS {GOOD}", "< +OK"]
POP_BYE = ["> QUIT", "< +OK"]


# Postfix names the version, and sums up each session at its end.
T12, T13 = r"TLSv1\.2 with cipher", r"TLSv1\.3 with cipher"


def ended(counts):
    return rf"disconnect from .* {counts}\b.*commands="


# Dovecot names the user in "Login:" and says "Disconnected:" or "Aborted login" where nobody logged in.
IN = r"Login: .*rport="
OUT = r"(Disconnected|Aborted login|Login aborted).*rport="


def smtp_auth(mechanism, user, password):
    return ["--auth", mechanism, "--auth-user", user, "--auth-password", password, "--auth-hide-password"]


def deflated(step):
    """A line as one compressed block, written as a step of talk.py."""
    packer = zlib.compressobj(wbits=-15)
    block = packer.compress(step[2:].encode() + b"\r\n") + packer.flush(zlib.Z_SYNC_FLUSH)
    return ">> " + "".join(f"\\x{byte:02x}" for byte in block)
