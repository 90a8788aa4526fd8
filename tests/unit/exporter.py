# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What tests of mailtap-exporter share: the program itself on a free port, and a process that publishes counters.

The first argument of such a test is the exporter, the second counters_writer.
"""
import http.client
import os
import pathlib
import re
import signal
import subprocess
import sys

EXPORTER, WRITER = sys.argv[1:3]
SHARED_MEMORY = pathlib.Path("/dev/shm")
SECONDS = 60  # for what takes milliseconds: a hang is a finding, not a wait


OWN_NAME = f"mailtap-exporter-test-{os.getpid()}"  # for counters; no other run of the test has it


def remove_counters():
    for path in SHARED_MEMORY.glob(f"*{OWN_NAME}*"):
        path.unlink()


class Writer:
    """A process that publishes counters; counters_writer.c lists its orders."""

    def __init__(self, name):
        self.process = subprocess.Popen([WRITER, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("the writer did not begin")

    def order(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "done\n":
            raise RuntimeError(f"the writer did not obey: {word}")

    def die(self):
        self.process.kill()
        self.end()

    def end(self):
        self.process.communicate(timeout=SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.die()


class Exporter:
    """A running exporter. says() ends it and gives what it wrote to standard error."""

    def __init__(self, *options, host="127.0.0.1"):
        words = [EXPORTER, "--listen", f"[{host}]:0" if ":" in host else f"{host}:0", *options]
        # Without a buffer: what stands behind the first line is says()'s to read.
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, bufsize=0)
        first = self.process.stderr.readline().decode()
        found = re.fullmatch(r"mailtap-exporter: serving http://(.*):(\d+)/\n", first)
        if not found:
            self.process.kill()
            raise RuntimeError(f"the exporter did not begin: {first}{self.process.communicate()[1].decode()}")
        self.address, self.port = found[1], int(found[2])
        self.host = host

    def ask(self, path, method="GET", headers=None):
        """(status, headers, body as text)."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode("utf-8")
        finally:
            connection.close()

    def metrics(self):
        return self.ask("/metrics")[2].splitlines()

    def says(self, end=signal.SIGTERM):
        self.process.send_signal(end)
        return self.process.communicate(timeout=SECONDS)[1].decode()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.says()
