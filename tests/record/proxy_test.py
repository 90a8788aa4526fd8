#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The man in the middle does what his table says, and nothing else; without a server, over pairs of sockets."""
import contextlib
import io
import socket
import threading
import unittest
import unittest.mock

import proxy

EHLO = b"250-mail.example.org\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 SMTPUTF8\r\n"
HELLO = b"\x16\x03\x01\x00\x0cSTARTTLS\r\n\r\n"

# Mode, who speaks, what is said, what goes on, what the speaker is told.
CASES = [
    ("pass", "client", b"STARTTLS\r\n", b"STARTTLS\r\n", b""),
    ("strip", "server", EHLO, EHLO.replace(b"250-STARTTLS\r\n", b""), b""),
    ("strip", "server", b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready\r\n",
     b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n", b""),
    ("strip", "server", b"+OK\r\nCAPA\r\nSTLS\r\nUSER\r\n.\r\n", b"+OK\r\nCAPA\r\nUSER\r\n.\r\n", b""),
    ("mask", "server", b"220 mx2.example.org ESMTP Postfix\r\n", b"220 **2************ ***** *******\r\n", b""),
    ("mask", "server", EHLO, EHLO.replace(b"STARTTLS", b"XXXXXXXA").replace(b"SMTPUTF8", b"XXXXXXXB"), b""),
    ("cross out", "client", b"STARTTLS\r\n", b"XXXXXXXX\r\n", b""),
    ("make it a noop", "client", b"STARTTLS\r\n", b"NOOP\r\n", b""),
    ("refuse", "client", b"STARTTLS\r\n", b"", b"454 4.7.0 TLS not available\r\n"),
    ("refuse", "client", b"a1 STARTTLS\r\n", b"", b"a1 NO TLS not available\r\n"),
    ("refuse", "client", b"STLS\r\n", b"", b"-ERR TLS not available\r\n"),
    ("inject a command", "client", b"a1 STARTTLS\r\n", b"a1 STARTTLS\r\nx1 NOOP\r\n", b""),
    ("inject an answer", "server", b"220 2.0.0 Ready\r\n", b"220 2.0.0 Ready\r\n250 2.0.0 Ok\r\n", b""),
    ("inject an answer", "server", b"220 mail.example.org ESMTP\r\n", b"220 mail.example.org ESMTP\r\n", b""),
    ("claim a login", "server", b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n",
     b"* PREAUTH [CAPABILITY IMAP4rev1] Logged in already.\r\n", b""),
]


class ProxyTest(unittest.TestCase):
    def setUp(self):
        self.enterContext(contextlib.redirect_stdout(io.StringIO()))

    def connect(self, mode, patience=proxy.TIMEOUT):
        """The ends of the client and the server, with the proxy at work between them."""
        self.enterContext(unittest.mock.patch.object(proxy, "PATIENCE", patience))
        (client, near), (far, server) = socket.socketpair(), socket.socketpair()
        middle = threading.Thread(target=proxy.Middle(near, far, mode, "").run)
        middle.start()
        for sock in (near, far):
            self.addCleanup(sock.close)
        self.addCleanup(middle.join)  # once both ends are closed: clean-ups run from the last to the first
        for sock in (client, server):
            sock.settimeout(proxy.TIMEOUT)
            self.addCleanup(sock.close)
        return client, server

    def test_changes(self):
        for mode, speaker, said, onward, answer in CASES:
            with self.subTest(mode=mode, said=said):
                self.assertEqual(proxy.Middle(None, None, mode, "").change(speaker, said)[:2], (onward, answer))

    def test_masks_keep_the_length(self):
        masked = proxy.Middle(None, None, "mask", "").change("server", EHLO)[0]
        self.assertEqual(len(masked), len(EHLO))

    def test_a_line_in_pieces_is_one_line(self):
        client, server = self.connect("cross out")
        for piece in (b"START", b"TLS", b"\r\n"):
            client.sendall(piece)
        self.assertEqual(server.recv(100), b"XXXXXXXX\r\n")

    def test_a_reply_of_lines_is_one_reply(self):
        client, server = self.connect("mask")
        server.sendall(EHLO[:40])
        server.sendall(EHLO[40:])
        self.assertEqual(client.recv(1000), EHLO.replace(b"STARTTLS", b"XXXXXXXA").replace(b"SMTPUTF8", b"XXXXXXXB"))

    def test_half_a_line_goes_on_in_the_end(self):
        client, server = self.connect("cross out", patience=0.01)
        client.sendall(b"STARTTLS")
        self.assertEqual(server.recv(100), b"STARTTLS")

    def test_nothing_is_changed_in_tls(self):
        client, server = self.connect("cross out")
        client.sendall(HELLO)
        self.assertEqual(server.recv(100), HELLO)
        client.sendall(b"\nSTARTTLS\r\n")
        self.assertEqual(server.recv(100), b"\nSTARTTLS\r\n")

    def test_an_end_is_passed_on(self):
        client, server = self.connect("pass")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(server.recv(100), b"")
        server.sendall(b"221 Bye\r\n")
        self.assertEqual(client.recv(100), b"221 Bye\r\n")


if __name__ == "__main__":
    unittest.main()
