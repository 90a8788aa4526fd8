# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""One place where is listened: a tcpdump, and the file that it writes."""
import re
import signal
import subprocess

from network import run

OPTIONS = ["-Z", "root", "-s", "0", "-U", "--immediate-mode", "-B", "8192"]


class Tap:
    def __init__(self, inside, words, path):
        """inside: what runs a command where is listened (network.py). words: how, as tcpdump has it."""
        self.command, self.path = inside("tcpdump", *OPTIONS, *words, "-w", str(path)), path

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        while "listening on" not in (line := self.process.stderr.readline()):
            if not line:
                raise RuntimeError("tcpdump does not start")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.last = self.process.communicate()[1]

    def lost(self):
        """Packets that the kernel had no room for; after the end."""
        return int(re.search(r"^(\d+) packets dropped by kernel", self.last, re.M).group(1))

    def check(self, truths):
        """Nothing was lost, and the file holds the connections that the servers logged and no others."""
        if self.lost():
            raise RuntimeError(f"tcpdump lost packets: {self.last}")
        shown = run("tcpdump", "-n", "-r", str(self.path)).stdout
        begun = re.findall(r"\.(\d+) > \S+\.(\d+): Flags \[S\],", shown)
        ended = {port for ends in re.findall(r"\.(\d+) > \S+\.(\d+): Flags \[[FR]", shown) for port in ends}
        logged = [(str(truth["src_port"]), str(truth["dest_port"])) for truth in truths]
        if not begun or truths and begun != logged or any(port not in ended for port, _ in begun):
            raise RuntimeError(f"connections {begun} in the file, {logged} in the logs, ended {ended}")
