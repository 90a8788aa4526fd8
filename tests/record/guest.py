# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""A mail server that cannot stand beside the others, in a root of its own and inside the servers' namespace.

A guest says which ports it serves, what it reads (set_up) and what starts it. Its packages stand in scripts/deps under
its name. It logs through syslog, and its end is the root's end.
"""
import pathlib
import subprocess

from network import address
from root import Root
from wait import wait_for

DEPS = pathlib.Path(__file__).parents[2] / "scripts/deps"


class Guest:
    name = ""
    ports = {}  # set-up, as in network.HOSTS, and the ports on which it is served
    commands = []  # each is run in the root; one that stays in the foreground is as welcome as one that does not

    def __init__(self, network, folder, tls, users):
        self.network, self.tls, self.users = network, tls, users
        self.root = Root(folder, self.name)
        self.log = self.root.log
        self.processes = []

    def set_up(self):
        """Writes what the server reads."""

    def start(self):
        packages = subprocess.run([DEPS, "list", self.name], capture_output=True, text=True, check=True).stdout
        self.root.start()
        self.root.install(packages.split())
        self.set_up()
        for command in self.commands:
            with open(self.log, "ab") as log:
                command = self.network.on_server(*self.root.inside(*command))
                self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        wait_for(self.name, lambda: not self.missing())

    def stop(self):
        self.root.stop()
        for process in self.processes:
            process.wait()

    def missing(self):
        """Where nobody listens yet."""
        command = self.network.on_server("ss", "-Hltn")
        heard = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return [f"{address(host)}:{port}" for host, ports in self.ports.items() for port in ports
                if f" {address(host)}:{port} " not in heard]
