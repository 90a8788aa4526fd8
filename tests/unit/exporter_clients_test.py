#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Whatever clients do, mailtap-exporter keeps serving others, and lets go of those that do nothing.

exporter_clients_test.py EXPORTER COUNTERS_WRITER
"""
import contextlib
import multiprocessing.pool
import resource
import socket
import sys
import time
import unittest

import exporter
from exporter import Exporter, SECONDS, Writer

MANY = 1000

# What is sent, and the status of the answer; None where a bare close will do.
REQUESTS = {
    "nothing": (b"", None),
    "blank lines": (b"\r\n" * 100, None),
    "zeros": (bytes(4096), None),
    "every byte": (bytes(range(256)) * 64, None),
    "a TLS hello": (bytes.fromhex("16030100c8010000c40303") + bytes(197), None),
    "no version": (b"GET /metrics\r\n\r\n", None),
    "another version": (b"GET /metrics HTTP/9.9\r\nHost: x\r\n\r\n", 505),
    "no host": (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
    "an older version": (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    "a path without end": (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", None),
    "a header without end": (b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n", None),
    "headers without end": (b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100_000 + b"\r\n", None),
    "a header as large as is taken": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * 8000 + b"\r\n\r\n", 200),
    "quotes without end": (b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: " + b'"\\' * 3000 + b"\r\n\r\n", 200),
    "only separators": (b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: " + b",;=" * 2000 + b"\r\n\r\n", 200),
    "zeros in a path": (b"GET /metrics\0/x HTTP/1.1\r\nHost: x\r\n\r\n", None),
    "escapes in a path": (b"GET /%2e%2e/%00%ff HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "a body": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200),
    "a body in chunks": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                         200),
    "a body of another length": (b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", None),
    "an upload": (b"PUT /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000), None),
    "requests in a row": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 100, 200),  # the first is answered
    "a proxy's request": (b"GET http://192.0.2.1/metrics HTTP/1.1\r\nHost: x\r\n\r\n", None),
    "a tunnel": (b"CONNECT 192.0.2.1:25 HTTP/1.1\r\nHost: x\r\n\r\n", None),
}


class ClientsTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(exporter.remove_counters)
        self.writer = self.enterContext(Writer(exporter.OWN_NAME))
        self.server = self.enterContext(Exporter("--counters", exporter.OWN_NAME))

    def connect(self):
        return socket.create_connection((self.server.host, self.server.port), timeout=SECONDS)

    def expect_service(self, what):
        status, _, text = self.server.ask("/metrics")
        self.assertEqual(status, 200, what)
        self.assertIn(f'mailtap_up{{counters="{exporter.OWN_NAME}"}} 1\n', text, what)

    def answer_to(self, request):
        """All bytes that come back; b"" where the connection is reset. Who gets no answer waits for as long as the
        exporter gives a connection."""
        with self.connect() as client, contextlib.suppress(OSError):
            with contextlib.suppress(OSError):
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))
        return b""

    def test_strange_requests_are_answered_or_refused(self):
        def check(item):
            what, (request, expected) = item
            answer = self.answer_to(request)
            self.expect_service(what)
            if expected is None or answer.startswith(b"HTTP/1.1 %d " % expected):
                return None
            return f"{what}: {answer[:200]}"
        with multiprocessing.pool.ThreadPool(len(REQUESTS)) as pool:
            self.assertEqual([finding for finding in pool.map(check, REQUESTS.items()) if finding], [])

    def test_a_thousand_that_hold_on_keep_nobody_away(self):
        """Whatever part of their request they have sent; the oldest make room."""
        for what, part in {"nothing": b"", "half a head": b"GET /metrics HTTP/1.1\r\nHost:",
                           "a whole request, and no reading": b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"}.items():
            with self.subTest(what), contextlib.ExitStack() as held:
                for number in range(MANY):
                    client = held.enter_context(self.connect())
                    with contextlib.suppress(OSError):
                        client.sendall(part)
                    if number % 100 == 99:
                        self.expect_service(what)

    def test_a_thousand_that_leave_at_once(self):
        for number in range(MANY):
            with self.connect() as client:
                if number % 2:
                    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        self.expect_service("after all have left")

    def test_who_is_slow_is_let_go_in_the_end(self):
        """A byte now and then keeps no connection: its time is up whatever it does. It takes ten seconds; how long
        exactly decides nothing here."""
        begin = time.monotonic()
        with self.connect() as slow, self.assertRaises(ConnectionError):
            while time.monotonic() - begin < SECONDS:
                slow.sendall(b"G")
                time.sleep(0.25)
                if time.monotonic() - begin < 5:
                    self.expect_service("beside a slow client")


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    unittest.main(argv=sys.argv[:1])
