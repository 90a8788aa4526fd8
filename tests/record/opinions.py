# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The tables of the guests: what other servers than Postfix and Dovecot say in the same situations.

Files are few and hold several sessions each. `software` is what the greeting of the real thing has to be taken for.
"""
from functools import partial

import truth
from network import CLIENT_NAME, address
from network import SERVER_NAME as NAME
from scenario import (ANNA, BAD, BODY, BYE, ENVELOPE, GOOD, HELLO, Scenario, Session, openssl, smtp_auth, swaks, talk)
from truth import DONE, NOT_OFFERED, REFUSED, REFUSED_UNOFFERED, UNASKED, UNUSED

IN_CLEAR = ["auth_in_clear", "auth_though_offered"]
TLS12, TLS13 = ["--tls-protocol", "tlsv1_2"], ["--tls-protocol", "tlsv1_3"]


def guests(name, *rows):
    return [Scenario(f"{name}-{theme}", shows, sessions, guest=name) for theme, shows, sessions in rows]


EXIM, EXIM6 = address("exim"), address("exim", 6)
EXIM_NOTLS, EXIM_BROKEN = address("exim-notls"), address("exim-broken")
clear = partial(truth.clear, "smtp", software="exim")
upgraded = partial(truth.upgraded, "smtp", software="exim")


def exim_mail(protocol, more=""):
    return [rf"<= sender@example\.org .*P={protocol} {more}", "closed by QUIT"]


def exim_none(commands, *more):
    """No mail came; these commands did."""
    return [*more, rf"no MAIL in .* C={commands}$"]


EXIM_TABLE = guests(
    "exim",
    ("clear", "mails in clear: STARTTLS offered; over IPv6; not offered; not asked for by a client that says HELO", [
        Session(swaks(EXIM, 25), clear(25, UNUSED, messages=1), exim_mail("esmtp", "S=")),
        Session(swaks(EXIM6, 25), clear(25, UNUSED, messages=1, ip=6), exim_mail("esmtp", "S=")),
        Session(swaks(EXIM_NOTLS, 25), clear(25, NOT_OFFERED, messages=1), exim_mail("esmtp", "S=")),
        Session(talk(EXIM, 25, "< 220 ", "> HELO client.example.org", "< 250 ", *ENVELOPE, *BODY, *BYE),
                clear(25, UNASKED, messages=1), exim_mail("smtp", "S="))]),
    ("greeting-of-lines", "a greeting of three lines, after a second", [
        Session(talk(EXIM, 2525, *HELLO, *ENVELOPE, *BODY, *BYE), clear(2525, UNUSED, messages=1),
                exim_mail("esmtp", "S="))]),
    ("early-talker", "the client speaks first, and the server's only line is a refusal", [
        Session(talk(EXIM, 2525, "> EHLO client.example.org", "< 554 ", "! wait"), truth.clear("smtp", 2525, UNASKED),
                ["SMTP protocol synchronization error"])]),
    ("bdat", "one mail in two chunks, pipelined", [
        Session(talk(EXIM, 25, *HELLO, r">> MAIL FROM:<sender@example.org>\r\nRCPT TO:<friend@example.org>\r\n"
                     r"BDAT 15\r\nSubject: x\r\n\r\nxBDAT 0 LAST\r\nQUIT\r\n", "< 221 "),
                clear(25, UNUSED, messages=1), exim_mail("esmtp", "K S="))]),
    ("starttls", "mails after STARTTLS to a server with GnuTLS: TLS 1.3 with a server name, TLS 1.2", [
        Session(swaks(EXIM, 25, "--tls", *TLS13, "--tls-sni", NAME), upgraded(25, "1.3", sni=NAME),
                exim_mail("esmtps", r"X=TLS1\.3:.*SNI=")),
        Session(swaks(EXIM, 25, "--tls", *TLS12), upgraded(25, "1.2"), exim_mail("esmtps", r"X=TLS1\.2:"))]),
    ("starttls-hello-retry", "the server asks for another key share", [
        Session(talk(EXIM, 2525, *HELLO, "> STARTTLS", "< 220 ", "! tls 1.3", "> QUIT", "! wait"),
                upgraded(2525, "1.3"), exim_none("EHLO,STARTTLS,QUIT", r"X=TLS1\.3:ECDHE_SECP"))]),
    ("starttls-refused", "offered and refused with 454; not offered, asked for, 503", [
        Session(swaks(EXIM_BROKEN, 25, "--tls-optional"), clear(25, REFUSED, messages=1),
                ["cert/key setup", *exim_mail("esmtp", "S=")]),
        Session(talk(EXIM_NOTLS, 25, *HELLO, "> STARTTLS", "< 503 ", *BYE), clear(25, REFUSED_UNOFFERED),
                exim_none("EHLO,STARTTLS,QUIT", "STARTTLS command used when not advertised"))]),
    ("starttls-command-injected", "a command stands behind STARTTLS in the same segment", [
        Session(talk(EXIM, 25, *HELLO, r">> STARTTLS\r\nRSET\r\n", "< 220 ", "! tls 1.3", "> QUIT", "! wait"),
                upgraded(25, "1.3", anomalies=["client_injection"]), exim_none("EHLO,STARTTLS,QUIT"))]),
    ("auth", "the right password by PLAIN, LOGIN and CRAM-MD5; a wrong one; a server that does not take any", [
        *[Session(swaks(EXIM, 587, *smtp_auth(mechanism, ANNA, GOOD)),
                  clear(587, UNUSED, auth=[(mechanism, "success")], messages=1, anomalies=anomalies),
                  exim_mail("esmtpa", f"A={name}"))
          for mechanism, name, anomalies in (("PLAIN", "plain", IN_CLEAR), ("LOGIN", "login", IN_CLEAR),
                                             ("CRAM-MD5", "cram", []))],
        Session(swaks(EXIM, 587, *smtp_auth("LOGIN", ANNA, BAD)),
                clear(587, UNUSED, auth=[("LOGIN", "failure")], anomalies=IN_CLEAR),
                ["login authenticator failed", *exim_none("EHLO,AUTH,QUIT")], fails=True),
        Session(talk(EXIM, 25, *HELLO, "> AUTH PLAIN", "< 503 ", *BYE), clear(25, UNUSED, auth=[("PLAIN", "failure")]),
                exim_none("EHLO,AUTH,QUIT", "AUTH command used when not advertised"))]),
    ("smtps", "port 465: TLS 1.3, TLS 1.2, and TLS 1.3 over IPv6", [
        Session(swaks(EXIM, 465, "--tlsc", *TLS13, "--tls-sni", NAME), truth.implicit("smtp", 465, "1.3", sni=NAME),
                exim_mail("esmtps", r"X=TLS1\.3:.*SNI=")),
        Session(swaks(EXIM, 465, "--tlsc", *TLS12), truth.implicit("smtp", 465, "1.2"),
                exim_mail("esmtps", r"X=TLS1\.2:")),
        Session(openssl(EXIM6, 465, "QUIT", "-noservername"), truth.implicit("smtp", 465, "1.3", ip=6),
                exim_none("QUIT"))]),
)

OPINIONS = EXIM_TABLE
