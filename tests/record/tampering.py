# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The table of attacks: a client, a man in the middle (proxy.py), and Postfix or Dovecot behind him.

Each row is two files, NAME-near and NAME-far: what a tap sees on the clients' side of the middle, and on the servers'.
`truth` is the one, `far` the other. They show rows X1, X2, X3, X5, X6 and X7 of tests/golden/README.md.
"""
from network import BEYOND
from scenario import (ANNA, BODY, BYE, ENVELOPE, GOOD, HELLO, IN, LOGIN, LOGOUT, OUT, PASS, POP_BYE, T12, T13, Scenario,
                      Session, ended, library, swaks, talk)
from truth import MASKED, MASKED_COMMAND, NOT_OFFERED, REFUSED, UNUSED, WITHHELD, broken_off, clear, upgraded

WILLING = swaks(BEYOND, 25, "--tls-optional")  # takes STARTTLS where it is offered, and else goes on in clear
MAIL_IN_CLEAR = ended("ehlo=1 mail=1 rcpt=1 data=1 quit=1")
IMAP_LOGIN, POP_LOGIN = [("LOGIN", "success")], [("USER", "success")]
IN_CLEAR = ["auth_in_clear"]


def tampered(mode, command, near, far, log, speaker="", **more):
    """A session of which the proxy says that it did something."""
    return Session(command, near, [rf"proxy, to {mode}: from the {speaker}", *log], proxy=mode, far=far, **more)


def untouched(command, truth, log):
    return Session(command, truth, log, proxy="pass", far=truth)


def smtp_asks(answer):
    return talk(BEYOND, 25, *HELLO, "> STARTTLS", f"< {answer} ", *ENVELOPE, *BODY, *BYE)


SMTP_UPGRADE = talk(BEYOND, 25, *HELLO, "> STARTTLS", "< 220 ", "! tls 1.3", "> QUIT", "! wait")
IMAP_UPGRADE = talk(BEYOND, 143, "< * OK", "> a1 STARTTLS", "< a1 OK", "! tls 1.3", LOGOUT[0], "! wait")
POP_UPGRADE = talk(BEYOND, 110, "< +OK", "> CAPA", "< .", "> STLS", "< +OK", "! tls 1.3", "> QUIT", "! wait")

TAMPERING = [
    Scenario("tampered-stripped", "STARTTLS is taken out of what the server offers", [
        tampered("strip", WILLING, clear("smtp", 25, NOT_OFFERED, messages=1), clear("smtp", 25, UNUSED, messages=1),
                 [MAIL_IN_CLEAR], "server"),
        tampered("strip", talk(BEYOND, 143, "< * OK", "> a0 CAPABILITY", "< a0 OK", *LOGIN, *LOGOUT),
                 clear("imap", 143, NOT_OFFERED, auth=IMAP_LOGIN, anomalies=IN_CLEAR),
                 clear("imap", 143, UNUSED, auth=IMAP_LOGIN, anomalies=[*IN_CLEAR, "auth_though_offered"]),
                 [IN], "server"),
        tampered("strip", library("pop_read", BEYOND, 110, ANNA, GOOD, "capa"),
                 clear("pop3", 110, NOT_OFFERED, auth=POP_LOGIN, anomalies=IN_CLEAR),
                 clear("pop3", 110, UNUSED, auth=POP_LOGIN, anomalies=[*IN_CLEAR, "auth_though_offered"]),
                 [IN], "server", box=[])]),
    Scenario("tampered-offered-then-stripped", "the same, once the offer was seen to pass untouched", [
        untouched(talk(BEYOND, 25, *HELLO, *BYE), clear("smtp", 25, UNUSED), [ended("ehlo=1 quit=1")]),
        tampered("strip", WILLING, clear("smtp", 25, WITHHELD, messages=1), clear("smtp", 25, UNUSED, messages=1),
                 [MAIL_IN_CLEAR], "server"),
        untouched(talk(BEYOND, 110, "< +OK", "> CAPA", "< .", *POP_BYE), clear("pop3", 110, UNUSED), [OUT]),
        tampered("strip", library("pop_read", BEYOND, 110, ANNA, GOOD, "capa"),
                 clear("pop3", 110, WITHHELD, auth=POP_LOGIN, anomalies=IN_CLEAR),
                 clear("pop3", 110, UNUSED, auth=POP_LOGIN), [IN], "server", box=[])]),
    Scenario("tampered-masked", "the greeting and unknown keywords are written over, as a firewall does, length kept", [
        tampered("mask", WILLING, clear("smtp", 25, MASKED, messages=1, software="cisco-pix-masked"),
                 clear("smtp", 25, UNUSED, messages=1, software="postfix"), [MAIL_IN_CLEAR], "server")]),
    Scenario("tampered-crossed-out", "the command STARTTLS is written over, and the server knows no XXXXXXXX", [
        tampered("cross out", smtp_asks(500), clear("smtp", 25, REFUSED, messages=1),
                 clear("smtp", 25, MASKED_COMMAND, messages=1), [ended("data=1 quit=1 unknown=0/1")], "client")]),
    Scenario("tampered-noop", "the command STARTTLS becomes NOOP, and 250 is no acceptance", [
        tampered("make it a noop", smtp_asks(250), clear("smtp", 25, REFUSED, messages=1),
                 clear("smtp", 25, UNUSED, messages=1), [ended("data=1 noop=1 quit=1")], "client")]),
    Scenario("tampered-refused", "the proxy refuses STARTTLS, of which the server never hears", [
        tampered("refuse", WILLING, clear("smtp", 25, REFUSED, messages=1), clear("smtp", 25, UNUSED, messages=1),
                 [MAIL_IN_CLEAR], "client"),
        tampered("refuse", talk(BEYOND, 143, "< * OK", "> a0 STARTTLS", "< a0 NO", *LOGIN, *LOGOUT),
                 clear("imap", 143, REFUSED, auth=IMAP_LOGIN), clear("imap", 143, UNUSED, auth=IMAP_LOGIN),
                 [IN], "client"),
        tampered("refuse", talk(BEYOND, 110, "< +OK", "> CAPA", "< .", "> STLS", "< -ERR", *PASS, *POP_BYE),
                 clear("pop3", 110, REFUSED, auth=POP_LOGIN), clear("pop3", 110, UNUSED, auth=POP_LOGIN),
                 [IN], "client")]),
    Scenario("tampered-command-injected", "a command is put behind STARTTLS: Postfix throws it away, Dovecot "
             "takes it for the client's hello and gives up", [
        tampered("inject a command", SMTP_UPGRADE, upgraded("smtp", 25, "1.3"),
                 upgraded("smtp", 25, "1.3", anomalies=["client_injection"]),
                 [T13, ended("ehlo=1 starttls=1 quit=1")], "client"),
        *[tampered("inject a command", command, broken_off(protocol, port),
                   broken_off(protocol, port, anomalies=["client_injection"]),
                   [rf"{protocol}-login: .*rport=.*SSL_accept\(\)"], "client", fails=True)
          for protocol, port, command in (("imap", 143, IMAP_UPGRADE), ("pop3", 110, POP_UPGRADE))]]),
    Scenario("tampered-answer-injected", "an answer is put behind the acceptance; the clients throw it away", [
        tampered("inject an answer", command, upgraded(protocol, port, "1.3", anomalies=["server_injection"]),
                 upgraded(protocol, port, "1.3"), log, "server")
        for protocol, port, command, log in (("smtp", 25, SMTP_UPGRADE, [T13, ended("ehlo=1 starttls=1 quit=1")]),
                                             ("imap", 143, IMAP_UPGRADE, [OUT + ".*TLSv1.3"]),
                                             ("pop3", 110, POP_UPGRADE, [OUT + ".*TLSv1.3"]))]),
    Scenario("tampered-reset", "both connections are reset behind the acceptance, and the client comes back in clear", [
        tampered("reset", swaks(BEYOND, 25, "--tls"), broken_off("smtp", 25), broken_off("smtp", 25),
                 [ended("ehlo=1 starttls=0/1")], "server", fails=True),
        untouched(swaks(BEYOND, 25), clear("smtp", 25, UNUSED, messages=1, anomalies=["cleartext_retry"]),
                  [MAIL_IN_CLEAR])]),
    Scenario("tampered-login-claimed", "the greeting becomes PREAUTH, and the client finds STARTTLS impossible", [
        tampered("claim a login", talk(BEYOND, 143, "< * PREAUTH", *LOGOUT),
                 clear("imap", 143, NOT_OFFERED, anomalies=["preauth_in_clear"]), clear("imap", 143, UNUSED), [OUT],
                 "server")]),
    Scenario("tampered-broken-open", "TLS 1.2 with the server, then with a proxy that has a certificate of its own", [
        untouched(swaks(BEYOND, 25, "--tls", "--tls-protocol", "tlsv1_2"), upgraded("smtp", 25, "1.2"),
                  [T12, ended("starttls=1")]),
        tampered("break open", swaks(BEYOND, 25, "--tls", "--tls-protocol", "tlsv1_2"),
                 upgraded("smtp", 25, "1.2", anomalies=["certificate_changed"]),
                 upgraded("smtp", 25, "1.3"), [T13, ended("starttls=1")], "server")]),
]
