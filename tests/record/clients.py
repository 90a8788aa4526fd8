#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Sessions spoken by Python's own mail libraries:  clients.py NAME ADDRESS PORT WORD...

Each function is one session. Certificates are not checked unless the name says so. A refused password is
what the scenario asks for, so it is no failure of the client.
"""
import imaplib
import poplib
import smtplib
import ssl
import sys
from email.message import EmailMessage

MAIL_NAME = "mail.example.org"
CLIENT_NAME = "client.example.org"
TIMEOUT = 15


def loose(version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = {
            "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
    return context


def opened(kind, *words, **more):
    """A connection to an IMAP or POP3 server; the recorder sees the client's port and the server's first line."""
    server = kind(*words, **more)
    print("port:", server.sock.getsockname()[1])
    print("S:", server.welcome.decode(errors="replace"))
    return server


def mail(number):
    message = EmailMessage()
    message["From"], message["To"] = "sender@example.org", "friend@example.org"
    message["Subject"] = f"Mail number {number}"
    message.set_content("A few words.\n")
    return message


def smtp_mails(host, port, count):
    with smtplib.SMTP(host, port, CLIENT_NAME, TIMEOUT) as server:
        for number in range(int(count)):
            server.send_message(mail(number + 1))


def imap_read(host, port, user, password, upgrade=""):
    server = opened(imaplib.IMAP4, host, port, TIMEOUT)
    if upgrade:
        server.starttls(loose(upgrade))
    server.login(user, password)
    _, count = server.select("INBOX")
    for number in range(int(count[0])):
        server.fetch(str(number + 1), "(RFC822)")
    server.close()
    server.logout()


def imaps_read(host, port, user, password, version):
    server = opened(imaplib.IMAP4_SSL, host, port, ssl_context=loose(version), timeout=TIMEOUT)
    server.login(user, password)
    server.select("INBOX")
    server.logout()


def imap_wrong(host, port, user, password):
    server = opened(imaplib.IMAP4, host, port, TIMEOUT)
    try:
        server.login(user, password)
    except imaplib.IMAP4.error:
        pass
    server.logout()


def imap_cram(host, port, user, password):
    server = opened(imaplib.IMAP4, host, port, TIMEOUT)
    server.login_cram_md5(user, password)
    server.logout()


def imap_append(host, port, user, password):
    server = opened(imaplib.IMAP4, host, port, TIMEOUT)
    server.login(user, password)
    for number in range(2):
        server.append("INBOX", None, None, mail(number + 1).as_bytes())
    server.logout()


def imap_renew(host, port, user, password):
    """The mailbox holds one mail afterwards, and it was read."""
    server = opened(imaplib.IMAP4, host, port, TIMEOUT)
    server.login(user, password)
    _, count = server.select("INBOX")
    if int(count[0]):
        server.store("1:*", "+FLAGS", r"(\Deleted)")
        server.expunge()
    server.append("INBOX", None, None, mail(1).as_bytes())
    server.noop()
    server.fetch("1", "(RFC822)")
    server.logout()


def pop_read(host, port, user, password, mode=""):
    server = opened(poplib.POP3, host, port, TIMEOUT)
    if "capa" in mode:
        server.capa()
    if "stls" in mode:
        server.stls(loose())
    server.user(user)
    server.pass_(password)
    count, _ = server.stat()
    for number in range(count):
        server.retr(number + 1)
    server.quit()


def pops_read(host, port, user, password, version):
    server = opened(poplib.POP3_SSL, host, port, context=loose(version), timeout=TIMEOUT)
    server.user(user)
    server.pass_(password)
    server.stat()
    server.quit()


def pop_wrong(host, port, user, password):
    server = opened(poplib.POP3, host, port, TIMEOUT)
    try:
        server.user(user)
        server.pass_(password)
    except poplib.error_proto:
        pass
    server.quit()


def pop_apop(host, port, user, password):
    server = opened(poplib.POP3, host, port, TIMEOUT)
    try:
        server.apop(user, password)
        server.stat()
    except poplib.error_proto:
        pass
    server.quit()


if __name__ == "__main__":
    name, where, where_port, *words = sys.argv[1:]
    globals()[name](where, int(where_port), *words)
