#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""mailtap-exporter as its users meet it: formats, paths, health, restarts of the capture process, files, faults.

exporter_test.py EXPORTER COUNTERS_WRITER
"""
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import unittest

import exporter
from exporter import EXPORTER, Exporter, SECONDS, SHARED_MEMORY, Writer

TEXT, OPENMETRICS = "text/plain; version=0.0.4; charset=utf-8", \
    "application/openmetrics-text; version=1.0.0; charset=utf-8"

# Accept headers: what Prometheus sends (scrape/scrape.go of the versions named), browsers, curl, and RFC 9110's rules.
ACCEPTS = [
    (None, TEXT),
    ("", TEXT),
    ("*/*", TEXT),  # curl
    ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", TEXT),  # browsers
    # Prometheus 2.42
    ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPENMETRICS),
    # Prometheus before 2.5, and where OpenMetrics is switched off
    ("text/plain;version=0.0.4;q=1,*/*;q=0.1", TEXT),
    # Prometheus 3 with native histograms: protobuf first, which we do not speak
    ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
     "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
     "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
     "text/plain;version=0.0.4;q=0.2,*/*;q=0.1", OPENMETRICS),
    ("application/openmetrics-text", OPENMETRICS),
    ("APPLICATION/OpenMetrics-Text ; Version=\"1.0.0\"", OPENMETRICS),
    ("application/openmetrics-text;version=2.0.0", TEXT),
    ("application/openmetrics-text;q=0", TEXT),
    ("application/openmetrics-text;q=0.4, text/plain;q=0.5", TEXT),
    ("text/plain;q=0.5, application/openmetrics-text;q=0.500", OPENMETRICS),
    ("application/openmetrics-text;q=0.5, */*", TEXT),
    ("text/plain;q=0.1, text/*;q=0.9, application/openmetrics-text;q=0.2", OPENMETRICS),
    ("application/*", TEXT),
    ("application/json", TEXT),
    ("application/openmetrics-text;q=2", TEXT),
    ("application/openmetrics-text;q=0.1234", TEXT),
    ("application/openmetrics-text;x=\",\";q=\"", TEXT),
    (",,;;==\"\\", TEXT),
]

# Command lines that are refused, and what the sentence names.
WRONG = [
    (["--nonsense"], "'--nonsense'"),
    (["word"], "'word'"),
    (["--counters"], "'--counters'"),
    (["--counters", "../etc/passwd"], "'../etc/passwd'"),
    (["--counters", "a", "--counters", "a"], "counters a"),
    (["--once", "--textfile", "/tmp/x.prom"], "--textfile"),
    (["--owner", "nobody-of-that-name"], "'nobody-of-that-name'"),
    (["--listen", "localhost:9925"], "'localhost:9925'"),
    (["--listen", "127.0.0.1"], "'127.0.0.1'"),
    (["--listen", ":9925"], "':9925'"),
    (["--listen", "127.0.0.1:"], "'127.0.0.1:'"),
    (["--listen", "127.0.0.1:65536"], "'127.0.0.1:65536'"),
    (["--listen", "127.0.0.1:-1"], "'127.0.0.1:-1'"),
    (["--listen", "::1:9925"], "'::1:9925'"),
    (["--listen", "[::1]9925"], "'[::1]9925'"),
    (["--listen", "[127.0.0.1]:9925"], "'[127.0.0.1]:9925'"),
    (["--listen", "192.0.2.1:9925"], "192.0.2.1:9925: "),  # an address that this machine does not have (RFC 5737)
    (["--textfile", "/no/such/folder/x.prom"], "/no/such/folder/x.prom"),
]


def run(*options):
    return subprocess.run([EXPORTER, *options], capture_output=True, text=True, timeout=SECONDS, check=False)


class ExporterTest(unittest.TestCase):
    """One exporter a test; the names of counters are the test's own."""

    def setUp(self):
        self.name = exporter.OWN_NAME
        self.addCleanup(exporter.remove_counters)

    def test_the_format_is_the_one_that_a_client_prefers(self):
        with Writer(self.name), Exporter("--counters", self.name) as server:
            for accept, expected in ACCEPTS:
                with self.subTest(accept=accept):
                    status, headers, text = server.ask("/metrics", headers={} if accept is None else {"Accept": accept})
                    self.assertEqual((status, headers["Content-Type"]), (200, expected))
                    self.assertEqual(text.endswith("\n# EOF\n"), expected == OPENMETRICS)
                    self.assertIn("# TYPE mailtap_sessions" + ("_total" if expected == TEXT else "") + " counter\n",
                                  text)

    def test_paths_and_methods(self):
        with Writer(self.name), Exporter("--counters", self.name) as server:
            for path, method, expected in [("/", "GET", 200), ("/", "HEAD", 200), ("/metrics", "GET", 200), ("/metrics?x=1", "GET", 200),
                                           ("/metrics", "HEAD", 200), ("/metrics.json", "GET", 200),
                                           ("/healthz", "HEAD", 200), ("/metrics/", "GET", 404),
                                           ("/../metrics", "GET", 404), ("/metrics", "POST", 405),
                                           ("/metrics", "DELETE", 405), ("/", "OPTIONS", 405)]:
                with self.subTest(path=path, method=method):
                    status, headers, text = server.ask(path, method)
                    self.assertEqual(status, expected)
                    self.assertEqual(text == "", method == "HEAD")
                    self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
                    self.assertEqual(headers["Cache-Control"], "no-store")
                    self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
                    self.assertNotIn("unsafe", headers["Content-Security-Policy"])
                    if status == 405:
                        self.assertEqual(headers["Allow"], "GET, HEAD")

    def test_it_follows_the_capture_process_through_its_lives(self):
        def expect(up, sessions, status, sentence):
            lines = server.metrics()
            self.assertIn(f'mailtap_up{{counters="{self.name}"}} {up}', lines)
            counted = f'mailtap_sessions_total{{counters="{self.name}",protocol="smtp",security="starttls"}}'
            self.assertEqual([line for line in lines if line.startswith(counted)],
                             [] if sessions is None else [f"{counted} {sessions}"])
            found, _, text = server.ask("/healthz")
            self.assertEqual(found, status)
            self.assertIn(self.name, text)
            self.assertIn(sentence, text)
        with Exporter("--counters", self.name) as server:
            expect(0, None, 503, "No such file")
            with Writer(self.name) as writer:
                expect(1, 0, 200, "all 3 threads are heard of")
                writer.order("session")
                expect(1, 1, 200, "all 3 threads are heard of")
                writer.order("silent")
                expect(1, 1, 503, "has not been heard of for 60")
                writer.die()
                expect(0, 1, 503, "has died")
            with Writer(self.name) as writer:
                expect(1, 0, 200, "all 3 threads are heard of")
                writer.order("session")
                writer.order("session")
                writer.end()
                expect(0, 2, 503, "has ended")
            (SHARED_MEMORY / self.name).unlink()
            expect(0, 2, 503, "has ended")
            (SHARED_MEMORY / self.name).write_bytes(b"planted")
            expect(0, 2, 503, "not counters of mailtap")
            expect(0, 2, 503, "not counters of mailtap")
            (SHARED_MEMORY / self.name).unlink()
            with Writer(self.name):
                expect(1, 0, 200, "all 3 threads are heard of")
            told = server.says()
        self.assertEqual(told.count("No such file"), 1, "what is wrong is said once, not at every scrape")
        self.assertEqual(told.count("not counters of mailtap"), 1)

    def test_several_are_told_apart_by_a_label(self):
        first, second, absent = (f"{self.name}.{word}" for word in ("first", "second", "absent"))
        with Writer(first) as one, Writer(second), \
                Exporter("--counters", first, "--counters", second, "--counters", absent) as server:
            one.order("session")
            lines = server.metrics()
            for name, up, sessions in ((first, 1, 1), (second, 1, 0), (absent, 0, None)):
                self.assertIn(f'mailtap_up{{counters="{name}"}} {up}', lines)
                line = f'mailtap_sessions_total{{counters="{name}",protocol="smtp",security="starttls"}} {sessions}'
                self.assertEqual(line in lines, sessions is not None)
            types = [line for line in lines if line.startswith("# TYPE ")]
            self.assertEqual(len(types), len(set(types)), "a family stands in one piece")
            shown = json.loads(server.ask("/metrics.json")[2])["instances"]
            self.assertEqual([(one["counters"], one["up"], one["state"]) for one in shown],
                             [(first, True, "live"), (second, True, "live"), (absent, False, "absent")])
            self.assertEqual(server.ask("/healthz")[0], 503)

    def test_once_and_textfile_write_the_same(self):
        with Writer(self.name) as writer, tempfile.TemporaryDirectory() as folder:
            writer.order("session")
            once = run("--counters", self.name, "--once")
            path = pathlib.Path(folder, "mailtap.prom")
            path.write_text("of before")
            before = path.stat().st_ino
            filed = run("--counters", self.name, "--textfile", path)
            self.assertEqual((once.returncode, once.stderr, filed.returncode, filed.stderr), (0, "", 0, ""))
            self.assertEqual(os.listdir(folder), ["mailtap.prom"])
            self.assertNotEqual(path.stat().st_ino, before, "who reads meanwhile keeps the old file")
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o644)
            changing = ("mailtap_heartbeat_age_seconds", "mailtap_poll_busy_ratio")
            self.assertEqual([line for line in path.read_text().splitlines() if not line.startswith(changing)],
                             [line for line in once.stdout.splitlines() if not line.startswith(changing)])
            self.assertIn(f'mailtap_sessions_total{{counters="{self.name}",protocol="smtp",security="starttls"}} 1',
                          once.stdout)

    def test_what_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([EXPORTER, "--counters", self.name, "--once"], stdout=full, stderr=subprocess.PIPE,
                                  timeout=SECONDS, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)

    def test_what_is_wrong_is_named(self):
        for options, named in WRONG:
            with self.subTest(options=options):
                done = run(*options)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(named, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)

    def test_an_address_in_use_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            done = run("--listen", address)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{address}: Address already in use", done.stderr)

    def test_other_addresses(self):
        if not pathlib.Path("/proc/net/if_inet6").exists():
            self.skipTest("this machine has no IPv6")
        for host, address in (("::1", "[::1]"), ("::", "[::]"), ("0.0.0.0", "0.0.0.0")):
            with self.subTest(host=host), Exporter("--counters", self.name, host=host) as server:
                self.assertEqual(server.address, address)
                self.assertEqual(server.ask("/metrics")[0], 200)
                if host == "::":
                    server.host = "127.0.0.1"
                    self.assertEqual(server.ask("/metrics")[0], 200, "IPv4 too")

    def test_a_signal_ends_it_well(self):
        for end in (signal.SIGTERM, signal.SIGINT):
            with Writer(self.name), Exporter("--counters", self.name) as server:
                self.assertEqual(server.ask("/metrics")[0], 200)
                with socket.create_connection((server.host, server.port)):  # a client that never asks
                    server.says(end)
                self.assertEqual(server.process.returncode, 0)

    def test_help_and_version(self):
        self.assertIn("--textfile", run("--help").stdout)
        self.assertTrue(run("--version").stdout.startswith("mailtap-exporter "))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
