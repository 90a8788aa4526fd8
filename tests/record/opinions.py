# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The tables of the guests: what other servers than Postfix and Dovecot say in the same situations.

Files are few and hold several sessions each. `software` is what the greeting of the real thing has to be taken for:
`clear`, `upgraded` and `broken_off` are truth.py's, with the software of the section that they stand in.
"""
from functools import partial

import truth
from network import address
from network import SERVER_NAME as NAME
from scenario import (ANNA, BAD, BODY, BYE, ENVELOPE, GOOD, HELLO, LOGIN, LOGOUT, PLAIN_BAD, PLAIN_GOOD, POP_BYE,
                      Scenario, Session, curl, deflated, library, login, openssl, smtp_auth, swaks, talk)
from truth import (CLEAR_AFTER_ACCEPT, DONE_UNASKED, NOT_OFFERED, REFUSED, REFUSED_UNASKED, REFUSED_UNOFFERED, UNASKED,
                   UNUSED)

IN_CLEAR = ["auth_in_clear", "auth_though_offered"]
TLS12, TLS13 = ["--tls-protocol", "tlsv1_2"], ["--tls-protocol", "tlsv1_3"]


def guests(name, *rows):
    return [Scenario(f"{name}-{theme}", shows, sessions, guest=name) for theme, shows, sessions in rows]


def mailbox(name, nobody, somebody):
    """What IMAP and POP3 servers have in common, for the set-ups NAME and NAME-notls.

    nobody, somebody: the patterns of a log for a session in which nobody logged in, or somebody did; by service, and by
    the version of TLS where there was some.
    """
    host, notls = address(name), address(f"{name}-notls")
    clear, upgraded = partial(truth.clear, software=name), partial(truth.upgraded, software=name)
    by_login, by_user = [("LOGIN", "success")], [("USER", "success")]
    renewed = Session(library("imap_renew", host, 143, ANNA, GOOD),
                      clear("imap", 143, UNUSED, auth=by_login, messages=1, anomalies=IN_CLEAR), somebody("imap"))
    return [
        ("imap-clear", "LOGIN in clear, a mail appended and fetched; a server without TLS", [
            renewed,
            Session(library("imap_renew", notls, 143, ANNA, GOOD),
                    clear("imap", 143, NOT_OFFERED, auth=by_login, messages=1, anomalies=["auth_in_clear"]),
                    somebody("imap"))]),
        ("imap-starttls", "STARTTLS, TLS 1.3, and TLS 1.2 with a server name", [
            Session(library("imap_read", host, 143, ANNA, GOOD, "1.3"), upgraded("imap", 143, "1.3"),
                    somebody("imap", "1.3")),
            Session(curl(f"imap://{NAME}:143/INBOX", host, "--ssl-reqd", "-k", "--tls-max", "1.2", *login()),
                    upgraded("imap", 143, "1.2", sni=NAME), somebody("imap", "1.2"))]),
        ("imap-starttls-command-injected", "a command stands behind STARTTLS in the same segment", [
            Session(talk(host, 143, "< * OK", r">> a1 STARTTLS\r\na2 NOOP\r\n", "< a1 OK", "! tls 1.3", LOGOUT[0],
                         "! wait"),
                    upgraded("imap", 143, "1.3", anomalies=["client_injection"]), nobody("imap", "1.3"))]),
        ("imaps", "port 993: TLS 1.3, and TLS 1.2 with a server name", [
            Session(library("imaps_read", host, 993, ANNA, GOOD, "1.3"), truth.implicit("imap", 993, "1.3"),
                    somebody("imaps", "1.3")),
            Session(curl(f"imaps://{NAME}:993/INBOX", host, "-k", "--tls-max", "1.2", *login()),
                    truth.implicit("imap", 993, "1.2", sni=NAME), somebody("imaps", "1.2"))]),
        ("pop3-clear", "a mail put there by IMAP; CAPA, USER and PASS in clear, RETR; the same without TLS", [
            renewed,
            Session(library("pop_read", host, 110, ANNA, GOOD, "capa"),
                    clear("pop3", 110, UNUSED, auth=by_user, messages=1, anomalies=IN_CLEAR),
                    [*somebody("pop3"), "retr=<?[1-9]"]),
            Session(library("pop_read", notls, 110, ANNA, GOOD, "capa"),
                    clear("pop3", 110, NOT_OFFERED, auth=by_user, messages=1, anomalies=["auth_in_clear"]),
                    [*somebody("pop3"), "retr=<?[1-9]"])]),
        ("pop3-stls", "STLS: TLS 1.3 after CAPA, TLS 1.2 without it", [
            Session(library("pop_read", host, 110, ANNA, GOOD, "capa stls"), upgraded("pop3", 110, "1.3"),
                    somebody("pop3", "1.3")),
            Session(talk(host, 110, "< +OK", "> STLS", "< +OK", f"! tls 1.2 sni={NAME}", "> QUIT", "! wait"),
                    upgraded("pop3", 110, "1.2", DONE_UNASKED, sni=NAME), nobody("pop3", "1.2"))]),
        ("pop3-stls-refused", "a server without TLS says -ERR: asked blindly, then after CAPA", [
            Session(talk(notls, 110, "< +OK", "> STLS", "< -ERR", *POP_BYE), clear("pop3", 110, REFUSED_UNASKED),
                    nobody("pop3")),
            Session(talk(notls, 110, "< +OK", "> CAPA", "< .", "> STLS", "< -ERR", *POP_BYE),
                    clear("pop3", 110, REFUSED_UNOFFERED), nobody("pop3"))]),
        ("pop3s", "port 995: TLS 1.3, and TLS 1.2 with a server name", [
            Session(library("pops_read", host, 995, ANNA, GOOD, "1.3"), truth.implicit("pop3", 995, "1.3"),
                    somebody("pop3s", "1.3")),
            Session(talk(host, 995, f"! tls 1.2 sni={NAME}", "> QUIT", "! wait"),
                    truth.implicit("pop3", 995, "1.2", sni=NAME), nobody("pop3s", "1.2"))]),
    ]


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

SMTPD, SMTPD_NOTLS, SMTPD_STRICT = address("opensmtpd"), address("opensmtpd-notls"), address("opensmtpd-strict")
clear = partial(truth.clear, "smtp", software="opensmtpd")
broken_off = partial(truth.broken_off, "smtp", software="opensmtpd")
CAME, QUIT = r"smtp connected address=192\.0\.2\.77", "smtp disconnected reason=quit"
NO_KEY = 'smtp disconnected reason="io-error: error:[0-9A-F]+:SSL routines'


def smtpd_mail(protocol):
    return [CAME, rf"smtp message msgid=.* proto={protocol}$", QUIT]


def smtpd_refused(command, result):
    return [CAME, f'smtp failed-command command="{command}.*" result="{result}', QUIT]


OPENSMTPD_TABLE = guests(
    "opensmtpd",
    ("clear", "mails in clear: STARTTLS offered; not offered; not asked for by a client that says HELO", [
        Session(talk(SMTPD, 25, *HELLO, *ENVELOPE, *BODY, *BYE), clear(25, UNUSED, messages=1), smtpd_mail("ESMTP")),
        Session(talk(SMTPD_NOTLS, 25, *HELLO, *ENVELOPE, *BODY, *BYE), clear(25, NOT_OFFERED, messages=1),
                smtpd_mail("ESMTP")),
        Session(talk(SMTPD, 25, "< 220 ", "> HELO client.example.org", "< 250 ", *ENVELOPE, *BODY, *BYE),
                clear(25, UNASKED, messages=1), smtpd_mail("SMTP"))]),
    ("starttls-failed", "accepted, but the server cannot use its key: it hangs up behind its hello in TLS 1.3, and "
     "says so by an alert in TLS 1.2", [
        Session(talk(SMTPD, 25, *HELLO, "> STARTTLS", "< 220 ", "! tls 1.3"), broken_off(25, version="1.3"),
                [CAME, NO_KEY], fails=True),
        Session(talk(SMTPD, 587, *HELLO, "> STARTTLS", "< 220 ", "! tls 1.2"), broken_off(587, version="1.2"),
                [CAME, NO_KEY], fails=True)]),
    ("smtps-failed", "the same on port 465, TLS 1.3", [
        Session(talk(SMTPD, 465, "! tls 1.3"), truth.broken_off("smtp", 465, UNASKED, version="1.3",
                anomalies=["tls_failed"]), [CAME, NO_KEY], fails=True, greets=False)]),
    ("starttls-refused", "not offered, asked for all the same, refused with 503", [
        Session(talk(SMTPD_NOTLS, 25, *HELLO, "> STARTTLS", "< 503 ", *BYE), clear(25, REFUSED_UNOFFERED),
                smtpd_refused("STARTTLS", "503 "))]),
    ("starttls-command-injected", "a command stands behind STARTTLS in the same segment: 500 and the end", [
        Session(talk(SMTPD, 25, *HELLO, r">> STARTTLS\r\nRSET\r\n", "< 500 ", "! wait"),
                clear(25, REFUSED, anomalies=["client_injection"]), [CAME, 'bad-input result="500 ', QUIT])]),
    ("policy-tls-required", "530: the server takes no mail before STARTTLS", [
        Session(talk(SMTPD_STRICT, 25, *HELLO, "> MAIL FROM:<sender@example.org>", "< 530 ", *BYE),
                clear(25, UNUSED, policy="tls_required"), smtpd_refused("MAIL FROM", "530 "))]),
    ("auth-refused", "a server that takes passwords inside TLS only answers 503", [
        Session(talk(SMTPD, 587, *HELLO, f"> AUTH PLAIN {PLAIN_GOOD}", "< 503 ", *BYE),
                clear(587, UNUSED, auth=[("PLAIN", "failure")], anomalies=IN_CLEAR),
                smtpd_refused("AUTH PLAIN", "503 "))]),
)

CYRUS, CYRUS_NOTLS, CYRUS_STRICT = address("cyrus"), address("cyrus-notls"), address("cyrus-strict")
clear = partial(truth.clear, software="cyrus")
ACCEPTED = "cyrus/.*: accepted connection"


def entered(how):
    return [ACCEPTED, rf"login: \[192\.0\.2\.77\] {ANNA} {how} User logged in"]


def cyrus_nobody(_service, tls=""):
    return [ACCEPTED, *([rf"starttls: TLSv{tls} with cipher"] if tls else [])]


def cyrus_somebody(service, tls=""):
    return [*cyrus_nobody(service, tls), *entered(r"\S+\+TLS" if tls else "plaintext")]


CYRUS_TABLE = guests(
    "cyrus", *mailbox("cyrus", cyrus_nobody, cyrus_somebody),
    ("imap-login-wrong", "a wrong password, and the right one as literals", [
        Session(talk(CYRUS, 143, "< * OK", f"> a1 LOGIN {ANNA} {BAD}", "< a1 NO",
                     f"> a2 LOGIN {{{len(ANNA)}}}", "< + ", f"> {ANNA} {{{len(GOOD)}+}}", f"> {GOOD}", "< a2 OK",
                     *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("LOGIN", "failure"), ("LOGIN", "success")], anomalies=IN_CLEAR),
                [r"badlogin: \[192\.0\.2\.77\] plaintext", *entered("plaintext")])]),
    ("imap-login-disabled", "LOGINDISABLED, and a client that logs in all the same", [
        Session(talk(CYRUS_STRICT, 143, "< * OK", f"> a1 LOGIN {ANNA} {GOOD}", "< a1 NO", *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("LOGIN", "failure")],
                      anomalies=["login_despite_disabled", *IN_CLEAR]),
                [ACCEPTED])]),
    ("imap-authenticate", "AUTHENTICATE PLAIN cancelled, wrong, right; CRAM-MD5", [
        Session(talk(CYRUS, 143, "< * OK", "> a1 AUTHENTICATE PLAIN", "< +", "> *", "< a1 BAD",
                     f"> a2 AUTHENTICATE PLAIN {PLAIN_BAD}", "< a2 NO",
                     "> a3 authenticate plain", "< +", f"> {PLAIN_GOOD}", "< a3 OK", *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("PLAIN", "failure"), ("PLAIN", "failure"), ("PLAIN", "success")],
                      anomalies=IN_CLEAR), ["badlogin: .* PLAIN", *entered("plain")]),
        Session(library("imap_cram", CYRUS, 143, ANNA, GOOD),
                clear("imap", 143, UNUSED, auth=[("CRAM-MD5", "success")]), entered("CRAM-MD5"))]),
    ("imap-compress", "COMPRESS DEFLATE: what follows is neither lines nor TLS", [
        Session(talk(CYRUS, 143, "< * OK", *LOGIN, "> a2 COMPRESS DEFLATE", "< a2 OK", deflated(LOGOUT[0]), "! wait"),
                clear("imap", 143, UNUSED, auth=[("LOGIN", "success")], anomalies=IN_CLEAR), entered("plaintext"))]),
    ("imap-starttls-refused", "not offered, asked for all the same, BAD; the client logs in in clear", [
        Session(talk(CYRUS_NOTLS, 143, "< * OK", "> a1 STARTTLS", "< a1 BAD", f"> a2 LOGIN {ANNA} {GOOD}", "< a2 OK",
                     *LOGOUT),
                clear("imap", 143, REFUSED_UNOFFERED, auth=[("LOGIN", "success")], anomalies=["auth_in_clear"]),
                entered("plaintext"))]),
    ("pop3-auth", "a wrong password; APOP; AUTH PLAIN", [
        Session(library("pop_wrong", CYRUS, 110, ANNA, BAD), clear("pop3", 110, UNASKED, auth=[("USER", "failure")]),
                [ACCEPTED, "badlogin: .* plaintext"]),
        Session(library("pop_apop", CYRUS, 110, ANNA, GOOD), clear("pop3", 110, UNASKED, auth=[("APOP", "success")]),
                entered("APOP")),
        Session(talk(CYRUS, 110, "< +OK", f"> AUTH PLAIN {PLAIN_GOOD}", "< +OK", *POP_BYE),
                clear("pop3", 110, UNASKED, auth=[("PLAIN", "success")], anomalies=["auth_in_clear"]),
                entered("PLAIN"))]),
)

COURIER, COURIER_NOTLS, COURIER_STRICT = address("courier"), address("courier-notls"), address("courier-strict")
clear = partial(truth.clear, software="courier")
# Its greeting names no product in SMTP.
clear_smtp, upgraded_smtp = partial(truth.clear, "smtp"), partial(truth.upgraded, "smtp")


def esmtpd(*commands):
    """esmtpd logs every command, those inside TLS too."""
    return [r"courieresmtpd: started,ip=", *[f"courieresmtpd: {command}" for command in commands]]


def courier_program(service):
    return service.rstrip("s") + ("d-ssl" if service.endswith("s") else "d")


def courier_nobody(service, _tls=""):
    program = courier_program(service)
    return [rf"{program}: Connection, ", rf"{program}: (LOGOUT|Disconnected), ip="]


def courier_somebody(service, _tls=""):
    program = courier_program(service)
    return [rf"{program}: Connection, ", rf"{program}: LOGIN, user={ANNA},"]


COURIER_TABLE = guests(
    "courier", *mailbox("courier", courier_nobody, courier_somebody),
    ("smtp-clear", "mails in clear: STARTTLS offered; not offered, though XSECURITY names it; not asked for", [
        Session(swaks(COURIER, 25), clear_smtp(25, UNUSED, messages=1), esmtpd("EHLO", "DATA", "QUIT")),
        Session(swaks(COURIER_NOTLS, 25), clear_smtp(25, NOT_OFFERED, messages=1), esmtpd("EHLO", "DATA", "QUIT")),
        Session(talk(COURIER, 25, "< 220 ", "> HELO client.example.org", "< 250 ", *ENVELOPE, *BODY, *BYE),
                clear_smtp(25, UNASKED, messages=1), esmtpd("HELO", "DATA", "QUIT"))]),
    ("smtp-starttls", "mails after STARTTLS, TLS 1.3 with a server name, TLS 1.2", [
        Session(swaks(COURIER, 25, "--tls", *TLS13, "--tls-sni", NAME), upgraded_smtp(25, "1.3", sni=NAME),
                esmtpd("STARTTLS", "DATA", "QUIT")),
        Session(swaks(COURIER, 25, "--tls", *TLS12), upgraded_smtp(25, "1.2"), esmtpd("STARTTLS", "DATA", "QUIT"))]),
    ("smtp-starttls-refused", "not offered, asked for all the same, refused with 540", [
        Session(talk(COURIER_NOTLS, 25, *HELLO, "> STARTTLS", "< 540 ", *BYE), clear_smtp(25, REFUSED_UNOFFERED),
                [*esmtpd("STARTTLS"), 'msg="540 TLS not available'])]),
    ("smtp-starttls-command-injected", "a command stands behind STARTTLS in the same segment", [
        Session(talk(COURIER, 25, *HELLO, r">> STARTTLS\r\nRSET\r\n", "< 220 ", "! tls 1.3", "> QUIT", "! wait"),
                upgraded_smtp(25, "1.3", anomalies=["client_injection"]), esmtpd("STARTTLS", "QUIT"))]),
    ("smtp-policy", "the server takes no mail before STARTTLS, but says 400 and not 530", [
        Session(talk(COURIER_STRICT, 25, *HELLO, "> MAIL FROM:<sender@example.org>", "< 400 ", *BYE),
                clear_smtp(25, UNUSED), esmtpd("MAIL", "QUIT"))]),
    ("smtp-auth", "the right password by PLAIN and CRAM-MD5; a wrong one by LOGIN", [
        Session(swaks(COURIER, 25, *smtp_auth("PLAIN", ANNA, GOOD)),
                clear_smtp(25, UNUSED, auth=[("PLAIN", "success")], messages=1, anomalies=IN_CLEAR),
                esmtpd("AUTH PLAIN", "DATA")),
        Session(swaks(COURIER, 25, *smtp_auth("CRAM-MD5", ANNA, GOOD)),
                clear_smtp(25, UNUSED, auth=[("CRAM-MD5", "success")], messages=1), esmtpd("AUTH CRAM-MD5", "DATA")),
        Session(swaks(COURIER, 25, *smtp_auth("LOGIN", ANNA, BAD)),
                clear_smtp(25, UNUSED, auth=[("LOGIN", "failure")], anomalies=IN_CLEAR),
                esmtpd("AUTH LOGIN", "error,.*535 Authentication failed"), fails=True)]),
    ("smtps", "port 465: TLS 1.3 with a server name, TLS 1.2", [
        Session(swaks(COURIER, 465, "--tlsc", *TLS13, "--tls-sni", NAME), truth.implicit("smtp", 465, "1.3", sni=NAME),
                esmtpd("EHLO", "DATA")),
        Session(swaks(COURIER, 465, "--tlsc", *TLS12), truth.implicit("smtp", 465, "1.2"), esmtpd("EHLO", "DATA"))]),
    ("imap-login", "a wrong password, then the right one; LOGINDISABLED, and a client that logs in all the same", [
        Session(talk(COURIER, 143, "< * OK", f"> a1 LOGIN {ANNA} {BAD}", "< a1 NO", f'> a2 login {ANNA} "{GOOD}"',
                     "< a2 OK", *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("LOGIN", "failure"), ("LOGIN", "success")], anomalies=IN_CLEAR),
                ["LOGIN FAILED, user=", *courier_somebody("imap")]),
        Session(talk(COURIER_STRICT, 143, "< * OK", f"> a1 LOGIN {ANNA} {GOOD}", "< a1 NO", *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("LOGIN", "failure")],
                      anomalies=["login_despite_disabled", *IN_CLEAR]),
                courier_nobody("imap"))]),
    ("imap-authenticate", "AUTHENTICATE PLAIN cancelled, then right; CRAM-MD5", [
        Session(talk(COURIER, 143, "< * OK", "> a1 AUTHENTICATE PLAIN", "< +", "> *", "< a1 ",
                     "> a3 authenticate plain", "< +", f"> {PLAIN_GOOD}", "< a3 OK", *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("PLAIN", "failure"), ("PLAIN", "success")], anomalies=IN_CLEAR),
                courier_somebody("imap")),
        Session(library("imap_cram", COURIER, 143, ANNA, GOOD),
                clear("imap", 143, UNUSED, auth=[("CRAM-MD5", "success")]), courier_somebody("imap"))]),
    ("imap-starttls-refused", "not offered, asked for all the same, NO", [
        Session(talk(COURIER_NOTLS, 143, "< * OK", "> a1 STARTTLS", "< a1 NO", *LOGOUT),
                clear("imap", 143, REFUSED_UNOFFERED), courier_nobody("imap"))]),
    ("pop3-auth", "a wrong password; AUTH PLAIN after a continuation", [
        Session(library("pop_wrong", COURIER, 110, ANNA, BAD), clear("pop3", 110, UNASKED, auth=[("USER", "failure")]),
                ["pop3d: LOGIN FAILED"]),
        Session(talk(COURIER, 110, "< +OK", "> AUTH PLAIN", "< +", f"> {PLAIN_GOOD}", "< +OK", *POP_BYE),
                clear("pop3", 110, UNASKED, auth=[("PLAIN", "success")], anomalies=["auth_in_clear"]),
                courier_somebody("pop3"))]),
    ("pop3-stls-clear-after-accept", "after +OK the client goes on in clear, and the server says so in clear", [
        Session(talk(COURIER, 110, "< +OK", "> CAPA", "< .", "> STLS", "< +OK", "> QUIT", "< "),
                clear("pop3", 110, CLEAR_AFTER_ACCEPT), [r"pop3d: Disconnected, ip="])]),
)

OPINIONS = EXIM_TABLE + OPENSMTPD_TABLE + CYRUS_TABLE + COURIER_TABLE
