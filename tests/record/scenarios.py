# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The table of scenarios: one row is one file in tests/captures.

To add one, add a row to SCENARIOS: a name, what it shows, and its sessions. A session is the client's
command, the truth about it, and patterns that the servers' logs must match for that truth to stand.
"""
from network import CLIENT_NAME, address
from network import SERVER_NAME as NAME
from opinions import OPINIONS
from scenario import (ANNA, BAD, BELA, BELA_GOOD, BYE, ENVELOPE, GOOD, HELLO, HERE, IN, LOGIN, LOGOUT, MAIL, OUT,
                      PLAIN_BAD, PLAIN_GOOD, POP_BYE, T12, T13, Scenario, Session, answer, blob, curl, deflated, ended,
                      library, login, openssl, smtp_auth, swaks, talk, upload)
from tampering import TAMPERING
from truth import (CLEAR_AFTER_ACCEPT, DONE_UNASKED, FAILED_UNASKED, NOT_OFFERED, REFUSED, REFUSED_UNASKED,
                   REFUSED_UNOFFERED, UNASKED, UNUSED, broken_off, clear, implicit, upgraded)

SMTP, SMTP6 = address("main"), address("main", 6)
BOX, BOX6 = SMTP, SMTP6
NOTLS, BROKEN, TLS13, STRICT = address("notls"), address("broken"), address("tls13"), address("strict")
OTHER = address("other")

SMTP_CLEAR = [
    Scenario("smtp-clear-offered-unused", "a mail in clear though STARTTLS is offered", [
        Session(swaks(SMTP, 25), clear("smtp", 25, UNUSED, messages=1), [ended("data=1")])]),
    Scenario("smtp-clear-ipv6", "the same over IPv6", [
        Session(swaks(SMTP6, 25), clear("smtp", 25, UNUSED, messages=1, ip=6), [ended("data=1")])]),
    Scenario("smtp-clear-not-offered", "a server without STARTTLS", [
        Session(swaks(NOTLS, 25), clear("smtp", 25, NOT_OFFERED, messages=1), [ended("data=1")])]),
    Scenario("smtp-clear-port-2525", "SMTP in clear on port 2525", [
        Session(swaks(SMTP, 2525), clear("smtp", 2525, UNUSED, messages=1), [ended("data=1")])]),
    Scenario("smtp-helo-only", "a client that says HELO and so never sees the list", [
        Session(talk(SMTP, 25, "< 220 ", "> HELO client.example.org", "< 250 ", *ENVELOPE, "> DATA", "< 354 ",
                     "> Subject: x", "> ", "> x", "> .", "< 250 ", *BYE),
                clear("smtp", 25, UNASKED, messages=1), [ended("helo=1 .*data=1")])]),
    Scenario("smtp-two-mails", "two mails in one session", [
        Session(library("smtp_mails", SMTP, 25, 2), clear("smtp", 25, UNUSED, messages=2), [ended("data=2")])]),
    Scenario("smtp-large-attachment", "one large mail in clear, many segments", [
        Session(swaks(SMTP, 25, "--attach", "@{large}"), clear("smtp", 25, UNUSED, messages=1), [ended("data=1")])]),
    Scenario("smtp-dots-and-keywords", "a body with stuffed dots and lines that look like replies and commands", [
        Session(talk(SMTP, 25, *HELLO, *ENVELOPE, "> DATA", "< 354 ", "> Subject: x", "> ", "> STARTTLS",
                     "> 250-STARTTLS", "> 220 ready", "> ..", "> ..STARTTLS", "> QUIT", "> .", "< 250 ", *BYE),
                clear("smtp", 25, UNUSED, messages=1), [ended("data=1")])]),
    Scenario("smtp-rejected-recipient", "no mail is accepted: every recipient is refused", [
        Session(talk(SMTP, 25, *HELLO, "> MAIL FROM:<sender@example.org>", "< 250 ", "> RCPT TO:<a@example.net>",
                     "< 454 ", "> DATA", "< 554 ", *BYE),
                clear("smtp", 25, UNUSED), [ended("rcpt=0/1 data=0/1")])]),
    Scenario("smtp-pipelined", "envelope in one segment, after it a second mail in the same way", [
        Session(talk(SMTP, 25, *HELLO,
                     *2 * [r">> MAIL FROM:<sender@example.org>\r\nRCPT TO:<friend@example.org>\r\nDATA\r\n", "< 354 ",
                           r">> Subject: x\r\n\r\nx\r\n.\r\n", "< 250 "], *BYE),
                clear("smtp", 25, UNUSED, messages=2), [ended("data=2")])]),
    Scenario("smtp-body-and-quit-in-one-segment", "the end of the data and QUIT share a segment", [
        Session(talk(SMTP, 25, *HELLO, *ENVELOPE, "> DATA", "< 354 ", r">> Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n",
                     "< 221 "), clear("smtp", 25, UNUSED, messages=1), [ended("data=1 quit=1")])]),
    Scenario("smtp-bdat", "one mail in two chunks, with a line in it that looks like a command", [
        Session(talk(SMTP, 25, *HELLO, *ENVELOPE, r">> BDAT 24\r\nSubject: x\r\n\r\nSTARTTLS\r\n", "< 250 ",
                     r">> BDAT 5 LAST\r\n.\r\nx\n", "< 250 ", *BYE),
                clear("smtp", 25, UNUSED, messages=1), [ended("bdat=2")])]),
    Scenario("smtp-bdat-pipelined", "envelope and chunks of one mail in a single segment, the last chunk empty", [
        Session(talk(SMTP, 25, *HELLO, r">> MAIL FROM:<sender@example.org>\r\nRCPT TO:<friend@example.org>\r\n"
                     r"BDAT 15\r\nSubject: x\r\n\r\nxBDAT 0 LAST\r\nQUIT\r\n", "< 221 "),
                clear("smtp", 25, UNUSED, messages=1), [ended("bdat=2")])]),
    Scenario("smtp-reset-by-client", "the client resets the connection in the middle of the envelope", [
        Session(talk(SMTP, 25, *HELLO, *ENVELOPE, "! reset"), clear("smtp", 25, UNUSED), [ended("rcpt=1")])]),
    Scenario("smtp-postscreen", "a greeting of several lines: postscreen's teaser, a pause, then the rest", [
        Session(talk(address("screen"), 25, *HELLO, *BYE), clear("smtp", 25, UNUSED),
                [r"CONNECT from", r"PASS NEW", ended("ehlo=1")])]),
    Scenario("smtp-policy-tls-required", "530: the server takes no mail before STARTTLS", [
        Session(talk(STRICT, 25, *HELLO, "> MAIL FROM:<sender@example.org>", "< 530 ", *BYE),
                clear("smtp", 25, UNUSED, policy="tls_required"), [ended("mail=0/1")])]),
    Scenario("smtp-greeting-only", "the client reads the greeting and leaves", [
        Session(talk(SMTP, 25, "< 220 "), clear("smtp", 25, UNASKED), [ended("")])]),
    Scenario("smtp-early-talker", "the client speaks before the greeting, which comes late", [
        Session(talk(address("slow"), 25, "> EHLO client.example.org", *HELLO[::2], *BYE), clear("smtp", 25, UNUSED),
                [ended("ehlo=1 quit=1")])]),
    Scenario("smtp-too-many-errors", "the server ends the session with 421", [
        Session(talk(SMTP, 25, *HELLO, *20 * ["> NONSENSE", "< 50"], "> NONSENSE", "! wait"),
                clear("smtp", 25, UNUSED), ["too many errors", ended("unknown=0/20")])]),
    Scenario("smtp-proxy-line", "a proxy's line stands before anything else from the client", [
        Session(talk(address("more"), 25, f"> PROXY TCP4 192.0.2.77 {address('more')} {{port}} 25", *HELLO,
                     *ENVELOPE, "> DATA", "< 354 ", "> Subject: x", "> ", "> x", "> .", "< 250 ", *BYE),
                clear("smtp", 25, UNUSED, messages=1), [ended("data=1")])]),
    Scenario("smtp-clear-on-465", "a server that greets in clear on the port of implicit TLS", [
        Session(swaks(NOTLS, 465),
                clear("smtp", 465, NOT_OFFERED, messages=1, anomalies=["plaintext_on_implicit_port"]),
                [ended("data=1")])]),
]


def resumed(version, truth, log):
    words = ["-starttls", "smtp", "-noservername", version]
    return [Session(openssl(SMTP, 25, "QUIT", *words, option, "{session}"), truth, log)
            for option in ("-sess_out", "-sess_in")]


SMTP_STARTTLS = [
    Scenario("smtp-starttls-tls13", "a mail after STARTTLS, TLS 1.3, with a server name", [
        Session(swaks(SMTP, 25, "--tls", "--tls-protocol", "tlsv1_3", "--tls-sni", NAME),
                upgraded("smtp", 25, "1.3", sni=NAME), [T13, ended("starttls=1")])]),
    Scenario("smtp-starttls-tls12", "a mail after STARTTLS, TLS 1.2, no server name", [
        Session(swaks(SMTP, 25, "--tls", "--tls-protocol", "tlsv1_2"),
                upgraded("smtp", 25, "1.2"), [T12, ended("starttls=1")])]),
    Scenario("smtp-starttls-ipv6-587", "submission with a password inside TLS, IPv6", [
        Session(swaks(SMTP6, 587, "--tls", "--auth", "PLAIN", "--auth-user", ANNA, "--auth-password", GOOD),
                upgraded("smtp", 587, "1.3", ip=6), [T13, ended("starttls=1 auth=1")])]),
    Scenario("smtp-starttls-port-2525", "STARTTLS on port 2525", [
        Session(swaks(SMTP, 2525, "--tls"), upgraded("smtp", 2525, "1.3"), [T13, ended("starttls=1")])]),
    Scenario("smtp-starttls-openssl", "openssl s_client: EHLO mail.example.com and STARTTLS", [
        Session(openssl(SMTP, 25, "QUIT", "-starttls", "smtp", "-servername", NAME),
                upgraded("smtp", 25, "1.3", sni=NAME), [T13, ended("starttls=1")])]),
    Scenario("smtp-starttls-curl", "curl --ssl-reqd, TLS 1.2", [
        Session(curl(f"smtp://{NAME}:587/client.example.org", SMTP, *upload("--ssl-reqd", "-k", "--tls-max", "1.2")),
                upgraded("smtp", 587, "1.2", sni=NAME), [T12, ended("starttls=1")])]),
    Scenario("smtp-starttls-resumed-tls12", "two sessions, the second resumes the first: no certificate, TLS 1.2",
             resumed("-tls1_2", upgraded("smtp", 25, "1.2"), [T12, ended("starttls=1")])),
    Scenario("smtp-starttls-resumed-tls13", "two sessions, the second resumes the first, TLS 1.3",
             resumed("-tls1_3", upgraded("smtp", 25, "1.3"), [T13, ended("starttls=1")])),
    Scenario("smtp-starttls-hello-retry", "the server asks for another key share: two hellos from each side", [
        Session(openssl(SMTP, 25, "QUIT", "-starttls", "smtp", "-noservername", "-groups", "ffdhe2048:X25519"),
                upgraded("smtp", 25, "1.3"), [T13, ended("starttls=1")])]),
    Scenario("smtp-starttls-refused-454", "STARTTLS is offered and refused with 454", [
        Session(talk(BROKEN, 25, *HELLO, "> STARTTLS", "< 454 ", *BYE), clear("smtp", 25, REFUSED),
                [ended("starttls=0/1")])]),
    Scenario("smtp-starttls-refused-then-clear", "454, and the client sends its mail in clear", [
        Session(swaks(BROKEN, 25, "--tls-optional"), clear("smtp", 25, REFUSED, messages=1),
                [ended("starttls=0/1 mail=1 rcpt=1 data=1")])]),
    Scenario("smtp-starttls-not-offered-asked", "not offered, asked for all the same, refused with 502", [
        Session(talk(NOTLS, 25, *HELLO, "> STARTTLS", "< 502 ", *BYE), clear("smtp", 25, REFUSED_UNOFFERED),
                [ended("starttls=0/1")])]),
    Scenario("smtp-starttls-without-ehlo", "STARTTLS as the first command: accepted, the offer never seen", [
        Session(talk(SMTP, 25, "< 220 ", "> STARTTLS", "< 220 ", "! tls 1.3", "> QUIT", "! wait"),
                upgraded("smtp", 25, "1.3", DONE_UNASKED), [T13, ended("starttls=1")])]),
    Scenario("smtp-starttls-second-try", "501 to STARTTLS with an argument, then STARTTLS is accepted", [
        Session(talk(SMTP, 25, *HELLO, "> STARTTLS now", "< 501 ", "> STARTTLS", "< 220 ", "! tls 1.2", "> QUIT",
                     "! wait"), upgraded("smtp", 25, "1.2"), [T12, ended("starttls=1/2")])]),
    Scenario("smtp-starttls-certificate-rejected-tls12", "the client rejects the certificate: an alert in clear", [
        Session(swaks(SMTP, 25, "--tls", "--tls-protocol", "tlsv1_2", "--tls-verify"),
                broken_off("smtp", 25, version="1.2"), ["SSL_accept error", ended("starttls=0/1")], fails=True)]),
    Scenario("smtp-starttls-certificate-rejected-tls13", "the same in TLS 1.3; OpenSSL's alert is in clear "
             "there too", [
        Session(swaks(SMTP, 25, "--tls", "--tls-protocol", "tlsv1_3", "--tls-verify"),
                broken_off("smtp", 25, version="1.3"), ["SSL_accept error", ended("starttls=0/1")], fails=True)]),
    Scenario("smtp-starttls-certificate-rejected-gnutls", "the same with GnuTLS: the alert is encrypted, and only its "
             "size, less than any Finished has, gives it away", [
        Session(["gnutls-cli", "--starttls-proto=smtp", "--port", "25", "--priority",
                 "NORMAL:-VERS-ALL:+VERS-TLS1.3", SMTP],
                broken_off("smtp", 25, version="1.3"), ["SSL_accept error", ended("starttls=0/1")], fails=True)]),
    Scenario("smtp-starttls-version-refused", "the client knows TLS 1.2 only, the server TLS 1.3 only", [
        Session(swaks(TLS13, 25, "--tls", "--tls-protocol", "tlsv1_2"), broken_off("smtp", 25),
                ["SSL_accept error", ended("starttls=0/1")], fails=True)]),
    Scenario("smtp-starttls-hello-then-reset", "the client resets right after the acceptance", [
        Session(talk(SMTP, 25, *HELLO, "> STARTTLS", "< 220 ", "! reset"), broken_off("smtp", 25),
                ["SSL_accept error", ended("starttls=0/1")])]),
    Scenario("smtp-starttls-clear-after-accept", "after 220 the client goes on in clear", [
        Session(talk(SMTP, 25, *HELLO, "> STARTTLS", "< 220 ", "> EHLO client.example.org", "! wait"),
                clear("smtp", 25, CLEAR_AFTER_ACCEPT), ["SSL_accept error", ended("starttls=0/1")])]),
    Scenario("smtp-starttls-command-injected", "a command stands behind STARTTLS in the same segment; Postfix throws "
             "it away and the handshake goes on", [
        Session(talk(SMTP, 25, *HELLO, r">> STARTTLS\r\nRSET\r\n", "< 220 ", "! tls 1.3", "> QUIT", "! wait"),
                upgraded("smtp", 25, "1.3", anomalies=["client_injection"]), [T13, ended("starttls=1")])]),
    Scenario("smtp-tls-at-once-on-25", "a TLS hello on port 25, before or after the greeting; the server stays "
             "in clear", [
        Session(openssl(SMTP, 25, "QUIT", "-noservername"), clear("smtp", 25, UNASKED), [ended("")],
                fails=True)]),
    Scenario("smtp-tls-after-greeting-on-25", "a TLS hello on port 25 after the greeting; the server stays in clear", [
        Session(talk(SMTP, 25, "< 220 ", "! tls"), clear("smtp", 25, UNASKED), [ended("")], fails=True)]),
]

SMTP_IMPLICIT = [
    Scenario("smtps-tls13", "port 465, TLS 1.3", [
        Session(swaks(SMTP, 465, "--tlsc", "--tls-protocol", "tlsv1_3", "--tls-sni", NAME),
                implicit("smtp", 465, "1.3", sni=NAME), [T13, ended("data=1")])]),
    Scenario("smtps-tls12", "port 465, TLS 1.2, curl", [
        Session(curl(f"smtps://{NAME}:465/client.example.org", SMTP, *upload("-k", "--tls-max", "1.2")),
                implicit("smtp", 465, "1.2", sni=NAME), [T12, ended("data=1")])]),
    Scenario("smtps-on-2525", "implicit TLS on a port of clear SMTP", [
        Session(openssl(STRICT, 2525, "QUIT", "-noservername"),
                implicit("smtp", 2525, "1.3", anomalies=["tls_on_plain_port"]), [T13, ended("quit=1")])]),
    Scenario("smtps-ipv6", "port 465, IPv6", [
        Session(openssl(SMTP6, 465, "QUIT", "-noservername"), implicit("smtp", 465, "1.3", ip=6),
                [T13, ended("quit=1")])]),
]


SMTP_AUTH = [
    Scenario(f"smtp-auth-{mechanism.lower()}", f"the right password by AUTH {mechanism} in clear", [
        Session(swaks(SMTP, 587, *smtp_auth(mechanism, ANNA, GOOD)),
                clear("smtp", 587, UNUSED, auth=[(mechanism, "success")], messages=1), [ended("auth=1 .*data=1")])])
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5")
] + [
    Scenario(f"smtp-auth-{mechanism.lower()}-wrong", f"a wrong password by AUTH {mechanism} in clear", [
        Session(swaks(SMTP, 587, *smtp_auth(mechanism, ANNA, BAD)),
                clear("smtp", 587, UNUSED, auth=[(mechanism, "failure")]), [ended("auth=0/1")], fails=True)])
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5")
] + [
    Scenario("smtp-auth-plain-continued", "AUTH PLAIN without initial response, then a wrong and a right answer", [
        Session(talk(SMTP, 587, *HELLO, "> AUTH PLAIN", "< 334 ", f"> {PLAIN_BAD}", "< 535 ", "> auth plain", "< 334 ",
                     f"> {PLAIN_GOOD}", "< 235 ", *BYE),
                clear("smtp", 587, UNUSED, auth=[("PLAIN", "failure"), ("PLAIN", "success")]), [ended("auth=1/2")])]),
    Scenario("smtp-auth-cancelled", "the client cancels with a star", [
        Session(talk(SMTP, 587, *HELLO, "> AUTH LOGIN", "< 334 ", "> *", "< 501 ", *BYE),
                clear("smtp", 587, UNUSED, auth=[("LOGIN", "failure")]), [ended("auth=0/1")])]),
    Scenario("smtp-auth-unknown-mechanism", "a mechanism that the server does not have", [
        Session(talk(SMTP, 587, *HELLO, "> AUTH XOAUTH2", "< 535 ", *BYE),
                clear("smtp", 587, UNUSED, auth=[("XOAUTH2", "failure")]), [ended("auth=0/1")])]),
    Scenario("smtp-auth-not-offered-in-clear", "a server that takes passwords inside TLS only answers 503", [
        Session(talk(STRICT, 587, *HELLO, f"> AUTH PLAIN {PLAIN_GOOD}", "< 5", *BYE),
                clear("smtp", 587, UNUSED, auth=[("PLAIN", "failure")]), [ended("auth=0/1")])]),
    Scenario("smtp-auth-no-starttls", "the right password in clear, where no STARTTLS is offered", [
        Session(swaks(address("notls", 6), 587, *smtp_auth("PLAIN", BELA, BELA_GOOD)),
                clear("smtp", 587, NOT_OFFERED, auth=[("PLAIN", "success")], messages=1, ip=6),
                [ended("auth=1 .*data=1")])]),
]

IMAP = [
    Scenario("imap-clear-empty-box", "LOGIN in clear, an empty mailbox", [
        Session(library("imap_read", BOX, 143, ANNA, GOOD), box=[],
                truth=clear("imap", 143, UNUSED, auth=[("LOGIN", "success")]), log=[IN])]),
    Scenario("imap-clear-new-mail", "LOGIN in clear, one new mail fetched as a literal", [
        Session(library("imap_read", BOX, 143, ANNA, GOOD), box=[MAIL],
                truth=clear("imap", 143, UNUSED, auth=[("LOGIN", "success")]), log=[IN])]),
    Scenario("imap-clear-port-1143", "IMAP on a port of its own", [
        Session(library("imap_read", BOX, 1143, ANNA, GOOD), box=[MAIL],
                truth=clear("imap", 1143, UNUSED, auth=[("LOGIN", "success")]), log=[IN])]),
    Scenario("imap-clear-ipv6", "LOGIN in clear over IPv6", [
        Session(library("imap_read", BOX6, 143, ANNA, GOOD), box=[MAIL],
                truth=clear("imap", 143, UNUSED, auth=[("LOGIN", "success")], ip=6), log=[IN])]),
    Scenario("imap-clear-not-offered", "a server without TLS", [
        Session(library("imap_read", NOTLS, 143, ANNA, GOOD), box=[],
                truth=clear("imap", 143, NOT_OFFERED, auth=[("LOGIN", "success")]), log=[IN])]),
    Scenario("imap-login-wrong", "a wrong password", [
        Session(library("imap_wrong", BOX, 143, ANNA, BAD),
                clear("imap", 143, UNUSED, auth=[("LOGIN", "failure")]), [OUT])]),
    Scenario("imap-login-wrong-then-right", "a wrong password, then the right one, tags that differ in case", [
        Session(talk(BOX, 143, "< * OK", f'> aB LOGIN "{ANNA}" "{BAD}"', "< aB NO", f'> Ab login "{ANNA}" "{GOOD}"',
                     "< Ab OK", *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("LOGIN", "failure"), ("LOGIN", "success")]), [IN])]),
    Scenario("imap-login-literals", "user and password as literals, one by one", [
        Session(talk(BOX, 143, "< * OK", f"> a1 LOGIN {{{len(ANNA)}}}", "< + ", f"> {ANNA} {{{len(GOOD)}}}", "< + ",
                     f"> {GOOD}", "< a1 OK", *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("LOGIN", "success")]), [IN])]),
    Scenario("imap-login-literals-unasked", "user and password as literals that wait for no leave", [
        Session(talk(BOX, 143, "< * OK", rf">> a1 LOGIN {{{len(ANNA)}+}}\r\n{ANNA} {{{len(GOOD)}+}}\r\n{GOOD}\r\n",
                     "< a1 OK", *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("LOGIN", "success")]), [IN])]),
    Scenario("imap-login-disabled", "LOGINDISABLED, and a client that logs in all the same", [
        Session(talk(STRICT, 143, "< * OK", f"> a1 LOGIN {ANNA} {GOOD}", "< a1 NO", *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("LOGIN", "failure")], anomalies=["login_despite_disabled"]), [OUT])]),
    Scenario("imap-authenticate-plain", "AUTHENTICATE PLAIN with an initial response", [
        Session(talk(BOX, 143, "< * OK", f"> a1 AUTHENTICATE PLAIN {PLAIN_GOOD}", "< a1 OK", *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("PLAIN", "success")]), [IN])]),
    Scenario("imap-authenticate-plain-continued", "AUTHENTICATE PLAIN after a continuation: cancelled, wrong, right", [
        Session(talk(BOX, 143, "< * OK", "> a1 AUTHENTICATE PLAIN", "< +", "> *", "< a1 BAD",
                     "> a2 AUTHENTICATE PLAIN", "< +", f"> {PLAIN_BAD}", "< a2 NO",
                     "> a3 authenticate plain", "< +", f"> {PLAIN_GOOD}", "< a3 OK", *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("PLAIN", "failure"), ("PLAIN", "failure"), ("PLAIN", "success")]),
                [IN])]),
    Scenario("imap-authenticate-login", "AUTHENTICATE LOGIN", [
        Session(talk(BOX, 143, "< * OK", "> a1 AUTHENTICATE LOGIN", "< +", f"> {blob(ANNA)}", "< +", f"> {blob(GOOD)}",
                     "< a1 OK", *LOGOUT), clear("imap", 143, UNUSED, auth=[("LOGIN", "success")]), [IN])]),
    Scenario("imap-authenticate-cram-md5", "AUTHENTICATE CRAM-MD5", [
        Session(library("imap_cram", BOX, 143, ANNA, GOOD),
                clear("imap", 143, UNUSED, auth=[("CRAM-MD5", "success")]), [IN])]),
    Scenario("imap-append", "two mails appended as literals", [
        Session(library("imap_append", BOX, 143, ANNA, GOOD), box=[],
                truth=clear("imap", 143, UNUSED, auth=[("LOGIN", "success")], messages=2), log=[IN])]),
    Scenario("imap-append-keywords", "a literal that holds tagged commands and answers, and one that waits for no "
             "leave", [
        Session(talk(BOX, 143, "< * OK", *LOGIN, "> a2 APPEND INBOX {41}", "< +",
                     r">> Subject: x\r\n\r\na2 OK done\r\na3 STARTTLS\r\n\r\n", r">> \r\n", "< a2 OK",
                     r">> a4 APPEND INBOX {15+}\r\nSubject: x\r\n\r\nx\r\n", "< a4 OK", *LOGOUT), box=[],
                truth=clear("imap", 143, UNUSED, auth=[("LOGIN", "success")], messages=2), log=[IN])]),
    Scenario("imap-append-refused", "an APPEND to a mailbox that is not there counts as no message", [
        Session(talk(BOX, 143, "< * OK", *LOGIN, "> a2 APPEND nowhere {5}", "< a2 NO", *LOGOUT),
                clear("imap", 143, UNUSED, auth=[("LOGIN", "success")]), [IN])]),
    Scenario("imap-pipelined", "several commands in one segment", [
        Session(talk(BOX, 143, "< * OK", rf">> a1 LOGIN {ANNA} {GOOD}\r\na2 SELECT INBOX\r\na3 FETCH 1 BODY[]\r\n"
                     r"a9 LOGOUT\r\n", "< a9 OK"), box=[MAIL],
                truth=clear("imap", 143, UNUSED, auth=[("LOGIN", "success")]), log=[IN])]),
    Scenario("imap-idle", "IDLE and DONE", [
        Session(talk(BOX, 143, "< * OK", *LOGIN, "> a2 SELECT INBOX", "< a2 OK", "> a3 IDLE", "< +", "! sleep 0.2",
                     "> DONE", "< a3 OK", *LOGOUT), box=[MAIL],
                truth=clear("imap", 143, UNUSED, auth=[("LOGIN", "success")]), log=[IN])]),
    Scenario("imap-compress", "COMPRESS DEFLATE: what follows is neither lines nor TLS", [
        Session(talk(address("more"), 143, "< * OK", *LOGIN, "> a2 COMPRESS DEFLATE", "< a2 OK", deflated(LOGOUT[0]),
                     "! wait"), clear("imap", 143, UNUSED, auth=[("LOGIN", "success")]), [IN])]),
    Scenario("imap-greeting-only", "the client reads the greeting, which lists the capabilities, and leaves", [
        Session(talk(BOX, 143, "< * OK"), clear("imap", 143, UNUSED), [OUT])]),
    Scenario("imap-starttls-tls13", "STARTTLS, TLS 1.3, Python's imaplib", [
        Session(library("imap_read", BOX, 143, ANNA, GOOD, "1.3"), box=[MAIL],
                truth=upgraded("imap", 143, "1.3"), log=[IN + ".*TLSv1.3"])]),
    Scenario("imap-starttls-tls12", "STARTTLS, TLS 1.2, curl, with a server name", [
        Session(curl(f"imap://{NAME}:143/INBOX", BOX, "--ssl-reqd", "-k", "--tls-max", "1.2", *login()), box=[],
                truth=upgraded("imap", 143, "1.2", sni=NAME), log=[IN + ".*TLSv1.2"])]),
    Scenario("imap-starttls-ipv6", "STARTTLS over IPv6, openssl s_client", [
        Session(openssl(BOX6, 143, "a1 LOGOUT", "-starttls", "imap", "-servername", NAME),
                upgraded("imap", 143, "1.3", sni=NAME, ip=6), [OUT + ".*TLSv1.3"])]),
    Scenario("imap-starttls-port-1143", "STARTTLS on a port of its own", [
        Session(openssl(BOX, 1143, "a1 LOGOUT", "-starttls", "imap", "-noservername", "-tls1_2"),
                upgraded("imap", 1143, "1.2"), [OUT + ".*TLSv1.2"])]),
    Scenario("imap-starttls-refused", "not offered, asked for all the same, answered BAD", [
        Session(talk(NOTLS, 143, "< * OK", "> a1 STARTTLS", "< a1 BAD", "> a2 CAPABILITY", "< a2 OK", *LOGOUT),
                clear("imap", 143, REFUSED_UNOFFERED), [OUT])]),
    Scenario("imap-starttls-certificate-rejected", "the client rejects the certificate, TLS 1.2", [
        Session(curl(f"imap://{NAME}:143/INBOX", BOX, "--ssl-reqd", "--tls-max", "1.2", *login()),
                broken_off("imap", 143, version="1.2", sni=NAME), [OUT], fails=True)]),
    Scenario("imap-starttls-version-refused", "the client knows TLS 1.2 only, the server TLS 1.3 only; it hangs up "
             "without an alert. A second client with TLS 1.3 is served", [
        Session(openssl(TLS13, 143, "a1 LOGOUT", "-starttls", "imap", "-tls1_2", "-noservername"),
                broken_off("imap", 143), [OUT], fails=True),
        Session(openssl(TLS13, 143, "a1 LOGOUT", "-starttls", "imap", "-tls1_3", "-noservername"),
                upgraded("imap", 143, "1.3"), [OUT + ".*TLSv1.3"])]),
    Scenario("imaps-tls13", "port 993, TLS 1.3", [
        Session(library("imaps_read", BOX, 993, ANNA, GOOD, "1.3"), implicit("imap", 993, "1.3"),
                [IN + ".*TLSv1.3"])]),
    Scenario("imaps-tls12", "port 993, TLS 1.2, curl, with a server name", [
        Session(curl(f"imaps://{NAME}:993/INBOX", BOX, "-k", "--tls-max", "1.2", *login()),
                implicit("imap", 993, "1.2", sni=NAME), [IN + ".*TLSv1.2"])]),
    Scenario("imaps-ipv6", "port 993, IPv6", [
        Session(openssl(BOX6, 993, "a1 LOGOUT", "-noservername"), implicit("imap", 993, "1.3", ip=6),
                [OUT + ".*TLSv1.3"])]),
    Scenario("imaps-alpn-port-10993", "implicit TLS on a port of its own: only the client's ALPN says imap", [
        Session(talk(BOX, 10993, f"! tls 1.3 sni={NAME} alpn=imap", "> a1 LOGOUT", "! wait"),
                implicit("imap", 10993, "1.3", sni=NAME), [OUT + ".*TLSv1.3"])]),
]


POP3 = [
    Scenario("pop3-clear-empty-box", "USER and PASS in clear, an empty mailbox, no CAPA", [
        Session(library("pop_read", BOX, 110, ANNA, GOOD), box=[],
                truth=clear("pop3", 110, UNASKED, auth=[("USER", "success")]), log=[IN])]),
    Scenario("pop3-clear-new-mail", "CAPA, USER and PASS in clear, one new mail", [
        Session(library("pop_read", BOX, 110, ANNA, GOOD, "capa"), box=[MAIL],
                truth=clear("pop3", 110, UNUSED, auth=[("USER", "success")], messages=1), log=[IN])]),
    Scenario("pop3-clear-two-mails-ipv6", "two mails over IPv6", [
        Session(library("pop_read", BOX6, 110, ANNA, GOOD), box=[MAIL, MAIL],
                truth=clear("pop3", 110, UNASKED, auth=[("USER", "success")], messages=2, ip=6), log=[IN])]),
    Scenario("pop3-clear-not-offered", "a server without TLS, asked by CAPA", [
        Session(library("pop_read", NOTLS, 110, ANNA, GOOD, "capa"), box=[],
                truth=clear("pop3", 110, NOT_OFFERED, auth=[("USER", "success")]), log=[IN])]),
    Scenario("pop3-pass-wrong", "a wrong password", [
        Session(library("pop_wrong", BOX, 110, ANNA, BAD), clear("pop3", 110, UNASKED, auth=[("USER", "failure")]),
                [OUT])]),
    Scenario("pop3-apop", "APOP: a greeting with a stamp, the right digest", [
        Session(library("pop_apop", address("more"), 110, ANNA, GOOD), box=[],
                truth=clear("pop3", 110, UNASKED, auth=[("APOP", "success")]), log=[IN])]),
    Scenario("pop3-apop-wrong", "APOP with a wrong digest", [
        Session(library("pop_apop", address("more"), 110, ANNA, BAD),
                clear("pop3", 110, UNASKED, auth=[("APOP", "failure")]), [OUT])]),
    Scenario("pop3-auth-plain", "AUTH PLAIN with an initial response, RETR, TOP and DELE", [
        Session(talk(BOX, 110, "< +OK", f"> AUTH PLAIN {PLAIN_GOOD}", "< +OK", "> LIST", "< .", "> TOP 1 1", "< .",
                     "> RETR 1", "< .", "> DELE 1", "< +OK", *POP_BYE), box=[MAIL],
                truth=clear("pop3", 110, UNASKED, auth=[("PLAIN", "success")], messages=1), log=[IN])]),
    Scenario("pop3-auth-plain-wrong", "AUTH PLAIN after a continuation: cancelled, then wrong", [
        Session(talk(BOX, 110, "< +OK", "> AUTH PLAIN", "< +", "> *", "< -ERR", "> AUTH PLAIN", "< +",
                     f"> {PLAIN_BAD}", "< -ERR", *POP_BYE),
                clear("pop3", 110, UNASKED, auth=[("PLAIN", "failure"), ("PLAIN", "failure")]), [OUT])]),
    Scenario("pop3-pipelined", "USER, PASS, STAT, RETR and QUIT in one segment", [
        Session(talk(BOX, 110, "< +OK", rf">> USER {ANNA}\r\nPASS {GOOD}\r\nSTAT\r\nRETR 1\r\nQUIT\r\n", "! wait"),
                box=[MAIL], truth=clear("pop3", 110, UNASKED, auth=[("USER", "success")], messages=1), log=[IN])]),
    Scenario("pop3-stls-after-capa", "CAPA, STLS, TLS 1.3", [
        Session(library("pop_read", BOX, 110, ANNA, GOOD, "capa stls"), box=[MAIL],
                truth=upgraded("pop3", 110, "1.3"), log=[IN + ".*TLSv1.3"])]),
    Scenario("pop3-stls-without-capa", "STLS as the first command: the offer was never seen", [
        Session(openssl(BOX, 110, "QUIT", "-starttls", "pop3", "-servername", NAME),
                upgraded("pop3", 110, "1.3", DONE_UNASKED, sni=NAME), [OUT + ".*TLSv1.3"])]),
    Scenario("pop3-stls-tls12-ipv6", "STLS, TLS 1.2, IPv6", [
        Session(openssl(BOX6, 110, "QUIT", "-starttls", "pop3", "-tls1_2", "-noservername"),
                upgraded("pop3", 110, "1.2", DONE_UNASKED, ip=6), [OUT + ".*TLSv1.2"])]),
    Scenario("pop3-stls-curl", "curl --ssl-reqd, TLS 1.2", [
        Session(curl(f"pop3://{NAME}:110/1", BOX, "--ssl-reqd", "-k", "--tls-max", "1.2", *login()), box=[MAIL],
                truth=upgraded("pop3", 110, "1.2", sni=NAME), log=[IN + ".*TLSv1.2"])]),
    Scenario("pop3-stls-refused", "a server without TLS says -ERR: asked blindly, then after CAPA", [
        Session(talk(NOTLS, 110, "< +OK", "> STLS", "< -ERR", *POP_BYE), clear("pop3", 110, REFUSED_UNASKED), [OUT]),
        Session(talk(NOTLS, 110, "< +OK", "> CAPA", "< .", "> STLS", "< -ERR", *POP_BYE),
                clear("pop3", 110, REFUSED_UNOFFERED), [OUT])]),
    Scenario("pop3-stls-certificate-rejected", "the client rejects the certificate, TLS 1.2", [
        Session(curl(f"pop3://{NAME}:110/1", BOX, "--ssl-reqd", "--tls-max", "1.2", *login()),
                broken_off("pop3", 110, version="1.2", sni=NAME), [OUT], fails=True)]),
    Scenario("pop3-stls-version-refused", "the client knows TLS 1.2 only, the server TLS 1.3 only; it hangs up "
             "without an alert", [
        Session(openssl(TLS13, 110, "QUIT", "-starttls", "pop3", "-tls1_2", "-noservername"),
                broken_off("pop3", 110, FAILED_UNASKED), [OUT], fails=True)]),
    Scenario("pop3s-tls13", "port 995, TLS 1.3", [
        Session(library("pops_read", BOX, 995, ANNA, GOOD, "1.3"), implicit("pop3", 995, "1.3"),
                [IN + ".*TLSv1.3"])]),
    Scenario("pop3s-tls12", "port 995, TLS 1.2, curl, with a server name", [
        Session(curl(f"pop3s://{NAME}:995/", BOX, "-k", "--tls-max", "1.2", *login()), box=[],
                truth=implicit("pop3", 995, "1.2", sni=NAME), log=[IN + ".*TLSv1.2"])]),
    Scenario("pop3s-ipv6", "port 995, IPv6", [
        Session(openssl(BOX6, 995, "QUIT", "-noservername"), implicit("pop3", 995, "1.3", ip=6),
                [OUT + ".*TLSv1.3"])]),
]

HTTP = ["python3", "-m", "http.server", "25", "--bind", OTHER, "--directory", str(HERE)]

NOT_MAIL = [
    Scenario("other-nothing-sent-on-25", "opened and reset before the greeting: no payload", [
        Session(talk(address("slow"), 25, "! sleep 0.3", "! reset"))]),
    Scenario("other-nothing-sent-on-993", "opened and closed on port 993: no payload", [
        Session(talk(BOX, 993))]),
    Scenario("other-http-on-25", "a web server on port 25", [
        Session(["curl", "-s", "-S", f"http://{OTHER}:25/mail.eml"], server=HTTP)]),
    Scenario("other-https-alpn-on-465", "TLS on port 465 whose ALPN says http/1.1", [
        Session(["curl", "-s", "-S", "-k", "--http1.1", f"https://{OTHER}:465/"],
                server=["openssl", "s_server", "-quiet", "-www", "-accept", f"{OTHER}:465", "-alpn", "http/1.1",
                        "-cert", "{tls}/server.pem", "-key", "{tls}/server.key"])]),
    Scenario("other-ssh-on-2525", "an SSH greeting on port 2525; both sides speak from a script", [
        Session(talk(OTHER, 2525, "< SSH-2.0-", "> SSH-2.0-OpenSSH_9.2", "! wait"),
                server=answer(OTHER, 2525, "> SSH-2.0-OpenSSH_9.2p1 Debian-2", "< SSH-2.0-"))]),
    Scenario("other-ftp-on-21", "an FTP greeting begins with 220 as SMTP's does; from a script", [
        Session(talk(OTHER, 21, "< 220 ", "> USER anonymous", "< 331 ", "> PASS guest", "< 230 ", "> QUIT", "< 221 "),
                server=answer(OTHER, 21, "> 220 (vsFTPd 3.0.3)", "< USER", "> 331 Please specify the password.",
                              "< PASS", "> 230 Login successful.", "< QUIT", "> 221 Goodbye."))]),
    Scenario("other-ftp-on-2525", "the same on a port of SMTP", [
        Session(talk(OTHER, 2525, "< 220 ", "> USER anonymous", "< 331 ", "> PASS guest", "< 230 ", "> QUIT", "< 221 "),
                server=answer(OTHER, 2525, "> 220 ProFTPD Server (Debian) [192.0.2.33]", "< USER",
                              "> 331 Anonymous login ok, send your complete email address as your password", "< PASS",
                              "> 230 Anonymous access granted, restrictions apply", "< QUIT", "> 221 Goodbye."))]),
    Scenario("other-redis-on-6379", "Redis answers +OK as POP3 does; from a script", [
        Session(talk(OTHER, 6379, "> SET key value", "< +OK", "> GET key", "< value", "> QUIT", "< +OK"),
                server=answer(OTHER, 6379, "< SET", "> +OK", "< GET", "> $5", "> value", "< QUIT", "> +OK"))]),
    Scenario("other-managesieve-on-4190", "ManageSieve: capabilities in quotes, STARTTLS among them", [
        Session(talk(BOX, 4190, "< OK", "> CAPABILITY", "< OK", "> LOGOUT", "< OK"), log=[OUT])]),
    Scenario("other-managesieve-starttls", "ManageSieve: STARTTLS and a TLS handshake", [
        Session(talk(BOX, 4190, "< OK", "> STARTTLS", "< OK", "! tls 1.3", "> LOGOUT", "! wait"), log=[OUT])]),
    Scenario("other-lmtp-on-2525", "LMTP on a port of SMTP", [
        Session(talk(address("more"), 2525, "< 220 ", "> LHLO client.example.org", "< 250 ", "> QUIT", "< 221 "))]),
    Scenario("other-lmtp-on-24", "LMTP: a 220 greeting, then LHLO", [
        Session(talk(BOX, 24, "< 220 ", "> LHLO client.example.org", "< 250 ", "> QUIT", "< 221 "))]),
]



def sessions_of(*names):
    rows = {row.name: row.sessions for row in SMTP_CLEAR + SMTP_STARTTLS + SMTP_IMPLICIT + IMAP + POP3}
    return [session for name in names for session in rows[name]]


ONE_MAIL = [Session(swaks(SMTP, 25), clear("smtp", 25, UNUSED, messages=1), [ended("data=1")])]
ONE_BOX = [Session(library("imap_read", BOX, 143, ANNA, GOOD, "1.3"), box=[MAIL],
                   truth=upgraded("imap", 143, "1.3"), log=[IN + ".*TLSv1.3"])]
ONE_POP = [Session(library("pop_read", BOX6, 110, ANNA, GOOD, "capa"), box=[MAIL],
                   truth=clear("pop3", 110, UNUSED, auth=[("USER", "success")], messages=1, ip=6), log=[IN])]

FORMATS = [
    Scenario("mixed-six-sessions", "all three protocols one after the other, in clear and in TLS",
             sessions_of("smtp-clear-offered-unused", "smtp-starttls-tls13", "imap-clear-new-mail",
                         "pop3-stls-without-capa", "pop3-clear-new-mail", "smtps-ipv6")),
    Scenario("smtp-format-pcapng", "a pcapng file", ONE_MAIL, convert="pcapng"),
    Scenario("imap-format-pcapng", "a pcapng file with STARTTLS", ONE_BOX, convert="pcapng"),
    Scenario("smtp-format-nanoseconds", "time stamps in nanoseconds", ONE_MAIL,
             capture=["-i", "tap", "--time-stamp-precision=nano"]),
    Scenario("imap-format-cooked-v2", "recorded on all interfaces: Linux cooked, version 2", ONE_BOX,
             capture=["-i", "any"]),
    Scenario("pop3-format-cooked-v1", "recorded on all interfaces: Linux cooked, version 1", ONE_POP,
             capture=["-i", "any", "-y", "LINUX_SLL"]),
    Scenario("smtp-format-raw-ip", "no link layer: raw IP", ONE_MAIL, convert="raw"),
    Scenario("pop3-format-raw-ipv6", "no link layer: raw IP, version 6", ONE_POP, convert="raw"),
    Scenario("smtp-format-big-endian", "a file written by a big-endian machine", ONE_MAIL, convert="swapped"),
    Scenario("smtp-vlan-10", "inside an 802.1Q tag", sessions_of("smtp-starttls-tls13"), convert="vlan"),
    Scenario("smtp-vlan-200-30", "inside an 802.1ad and an 802.1Q tag", ONE_MAIL, convert="qinq"),
    Scenario("imap-vlan-200-30-ipv6", "IPv6 inside an 802.1ad and an 802.1Q tag", sessions_of("imap-clear-ipv6"),
             convert="qinq"),
]

SCENARIOS = [*SMTP_CLEAR, *SMTP_STARTTLS, *SMTP_IMPLICIT, *SMTP_AUTH, *IMAP, *POP3, *NOT_MAIL, *FORMATS, *OPINIONS,
             *TAMPERING]
