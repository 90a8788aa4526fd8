# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""A crowd of mail clients: what each of them says, and the settings with which servers bear them all at once.

The steps are those of tests/record/talk.py, and one more: `! meet` waits until every client of the crowd has come as
far. All meet behind the greeting, those under implicit TLS behind the first one inside it.
"""
import pathlib
import subprocess
import sys
from dataclasses import dataclass

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "record"))

from network import SERVER_NAME, address, run  # noqa: E402
from scenario import BODY, BYE, ENVELOPE, LOGOUT, POP_BYE, blob  # noqa: E402
from truth import DONE, DONE_UNASKED, FAILED, UNASKED, UNUSED, broken_off, clear, implicit, upgraded  # noqa: E402

EACH = 22  # clients of every kind, half of them over IPv6
USERS = {f"crowd-user-{number}": f"crowd-word-{number}" for number in range(10)}
WRONG = "crowd-word-wrong"
MAILS = ["Subject: one\n\nOne.\n", "Subject: two\n\nTwo.\n"]  # in everybody's box

# One process a connection is Postfix's way: it may have as many as come. Nobody is slowed down for his number.
POSTFIX_CF = """\
default_process_limit = 1000
smtpd_client_connection_count_limit = 0
"""

# A few processes carry all connections. No delay after a wrong password, as in the servers of the recordings, and
# none for those who come from the same address either.
DOVECOT_CF = """\
mail_max_userip_connections = 0
login_log_format_elements = user=<%u> method=%m rip=%r rport=%b lip=%l lport=%a %c %k session=<%{session}>
service anvil {
  client_limit = 4000
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  client_limit = 4000
}
service imap-login {
  service_count = 0
  client_limit = 1000
}
service pop3-login {
  service_count = 0
  client_limit = 1000
}
service imap {
  service_count = 0
  client_limit = 100
  process_limit = 1000
}
service pop3 {
  service_count = 0
  client_limit = 100
  process_limit = 1000
}
"""
INSTANCES = [("crowd", [address("main"), address("main", 6)], DOVECOT_CF)]


@dataclass
class Kind:
    truth: dict  # as a scenario has it
    steps: list  # {user}, {word}, {wrong}, {plain} and {plain_wrong} stand for the client's own


SNI = f"sni={SERVER_NAME}"
EHLO = ["> EHLO client.example.org", "< 250 "]
SMTP, IMAP, POP3 = ["< 220 ", "! meet", *EHLO], ["< * OK", "! meet"], ["< +OK", "! meet"]
STARTTLS, IMAP_STARTTLS, STLS = ["> STARTTLS", "< 220 "], ["> a0 STARTTLS", "< a0 OK"], ["> STLS", "< +OK"]
MAIL = [*ENVELOPE, *BODY]
AUTH, AUTH_WRONG = ["> AUTH PLAIN {plain}", "< 235 "], ["> AUTH PLAIN {plain_wrong}", "< 535 "]
LOGIN, LOGIN_WRONG = ["> a1 LOGIN {user} {word}", "< a1 OK"], ["> a1 LOGIN {user} {wrong}", "< a1 NO"]
READ = ["> a2 SELECT INBOX", "< a2 OK", "> a3 FETCH 1 BODY[]", "< a3 OK"]
PASS = ["> USER {user}", "< +OK", "> PASS {word}", "< +OK"]
PASS_WRONG = ["> USER {user}", "< +OK", "> PASS {wrong}", "< -ERR"]
RETRIEVE = ["> RETR 1", "< .", "> RETR 2", "< ."]
GOOD, BAD = [("PLAIN", "success")], [("PLAIN", "failure")]

KINDS = [
    # Postfix
    Kind(clear("smtp", 25, UNUSED), [*SMTP, *BYE]),
    Kind(clear("smtp", 25, UNUSED, messages=2), [*SMTP, *MAIL, *MAIL, *BYE]),
    Kind(clear("smtp", 25, UNUSED, messages=1), [
        *SMTP, r">> MAIL FROM:<sender@example.org>\r\nRCPT TO:<friend@example.org>\r\nDATA\r\n", "< 354 ",
        r">> Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n", "< 221 "]),
    Kind(upgraded("smtp", 25, "1.2"), [*SMTP, *STARTTLS, "! tls 1.2", *EHLO, *MAIL, *BYE]),
    Kind(upgraded("smtp", 25, "1.3", sni=SERVER_NAME), [*SMTP, *STARTTLS, f"! tls 1.3 {SNI}", *EHLO, *MAIL, *BYE]),
    Kind(broken_off("smtp", 25), [*SMTP, *STARTTLS]),
    Kind(clear("smtp", 587, UNUSED, auth=GOOD, messages=1), [*SMTP, *AUTH, *MAIL, *BYE]),
    Kind(clear("smtp", 587, UNUSED, auth=BAD), [*SMTP, *AUTH_WRONG, *BYE]),
    Kind(upgraded("smtp", 587, "1.3"), [*SMTP, *STARTTLS, "! tls 1.3", *EHLO, *AUTH, *MAIL, *BYE]),
    Kind(implicit("smtp", 465, "1.2"), ["! tls 1.2", *SMTP, *AUTH, *MAIL, *BYE]),
    Kind(implicit("smtp", 465, "1.3", sni=SERVER_NAME), [f"! tls 1.3 {SNI}", *SMTP, *AUTH_WRONG, *BYE]),
    # Dovecot, IMAP
    Kind(clear("imap", 143, UNUSED, auth=[("LOGIN", "success")]), [*IMAP, *LOGIN, *READ, *LOGOUT]),
    Kind(clear("imap", 143, UNUSED, auth=[("LOGIN", "failure")]), [*IMAP, *LOGIN_WRONG, *LOGOUT]),
    Kind(clear("imap", 143, UNUSED, auth=[("LOGIN", "success")], messages=1), [
        *IMAP, *LOGIN, "> a2 APPEND INBOX {41}", "< +", "> Subject: x", "> ", "> a1 STARTTLS; a2 OK, I say", "> ",
        "< a2 OK", "! reset"]),
    Kind(upgraded("imap", 143, "1.2", sni=SERVER_NAME), [
        *IMAP, *IMAP_STARTTLS, f"! tls 1.2 {SNI}", *LOGIN, *READ, *LOGOUT]),
    Kind(upgraded("imap", 143, "1.3"), [*IMAP, *IMAP_STARTTLS, "! tls 1.3", *LOGIN_WRONG, *LOGOUT]),
    Kind(broken_off("imap", 143), [*IMAP, *IMAP_STARTTLS]),
    Kind(implicit("imap", 993, "1.2"), ["! tls 1.2", *IMAP, *LOGIN_WRONG, *LOGOUT]),
    Kind(implicit("imap", 993, "1.3"), ["! tls 1.3", *IMAP, *LOGIN, *READ, *LOGOUT]),
    # Dovecot, POP3
    Kind(clear("pop3", 110, UNASKED, auth=[("USER", "success")], messages=2), [*POP3, *PASS, *RETRIEVE, *POP_BYE]),
    Kind(clear("pop3", 110, UNUSED, auth=[("USER", "failure")]), [*POP3, "> CAPA", "< .", *PASS_WRONG, *POP_BYE]),
    Kind(upgraded("pop3", 110, "1.2"), [*POP3, "> CAPA", "< .", *STLS, "! tls 1.2", *PASS, *RETRIEVE, *POP_BYE]),
    Kind(upgraded("pop3", 110, "1.3", starttls_seen=DONE_UNASKED), [*POP3, *STLS, "! tls 1.3", *PASS_WRONG, *POP_BYE]),
    Kind(implicit("pop3", 995, "1.2"), ["! tls 1.2", *POP3, *PASS, *RETRIEVE, *POP_BYE]),
    Kind(implicit("pop3", 995, "1.3", sni=SERVER_NAME), [f"! tls 1.3 {SNI}", *POP3, *PASS_WRONG, *POP_BYE]),
]


def make_mirror(network):
    """An interface "mirror" that is sent a copy of every frame on the wire, as by the mirror port of a switch.

    Result: None, or why this kernel cannot.
    """
    space, within = network.client, network.on_client
    run("ip", "-n", space, "link", "add", "copies", "type", "veth", "peer", "name", "mirror")
    for end in ("copies", "mirror"):
        run(*within("sysctl", "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1"))
        run("ip", "-n", space, "link", "set", end, "up")
    try:
        run(*within("tc", "qdisc", "add", "dev", "tap", "clsact"))
        for hook in ("ingress", "egress"):
            run(*within("tc", "filter", "add", "dev", "tap", hook, "protocol", "all", "u32", "match", "u32", "0", "0",
                        "action", "mirred", "egress", "mirror", "dev", "copies"))
    except subprocess.CalledProcessError as reason:
        return reason.stderr.strip()
    return None


def fill_in(steps, user):
    own = {"user": user, "word": USERS[user], "wrong": WRONG, "plain": blob("", user, USERS[user]),
           "plain_wrong": blob("", user, WRONG)}
    for name, value in own.items():
        steps = [step.replace("{" + name + "}", value) for step in steps]
    return steps


def members(first_port):
    """Every client: where it goes, from which port, its steps, and the truth about its session. Kinds take turns."""
    users = list(USERS)
    found = []
    for number in range(EACH * len(KINDS)):
        turn, place = divmod(number, len(KINDS))
        kind, ip, port = KINDS[place], (4, 6)[turn % 2], first_port + number
        found.append({"host": address("main", ip), "dest_port": kind.truth["dest_port"], "src_port": port,
                      "steps": fill_in(kind.steps, users[number % len(users)]),
                      "truth": {**kind.truth, "src_port": port, "ip": ip}})
    return found
