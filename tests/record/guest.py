# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""A mail server that cannot stand beside the others, in a root of its own and inside the servers' namespace.

A guest says where it listens, and in serve() it writes what it reads and starts itself. Its packages stand in
scripts/deps under its name. It logs through syslog, and its end is the root's end.
"""
import pathlib
import subprocess

from network import address
from root import Root
from wait import wait_for

DEPS = pathlib.Path(__file__).parents[2] / "scripts/deps"


class Guest:
    name = ""
    listeners = []  # set-up, as in network.HOSTS, and port

    def __init__(self, network, folder, tls, users):
        self.network, self.tls, self.users = network, tls, users
        self.root = Root(folder, self.name)
        self.log = self.root.log

    def serve(self):
        raise NotImplementedError

    def start(self):
        packages = subprocess.run([DEPS, "list", self.name], capture_output=True, text=True, check=True).stdout
        self.root.start()
        self.root.install(packages.split())
        self.serve()
        wait_for(self.name, lambda: not self.missing())

    def stop(self):
        self.root.stop()

    def launch(self, *command):
        """Runs what starts a daemon; what that says to its terminal goes where its log goes."""
        with open(self.log, "ab") as log:
            subprocess.run(self.network.on_server(*self.root.inside(*command)), stdin=subprocess.DEVNULL, stdout=log,
                           stderr=log, check=True)

    def copy_certificate(self, folder, mode, owner="root", group="root"):
        for name in ("server.pem", "server.key"):
            self.root.write(f"{folder}/{name}", (self.tls / name).read_text(), mode, owner, group)

    def missing(self):
        """Where nobody listens yet."""
        command = self.network.on_server("ss", "-Hltn")
        heard = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return [(host, port) for host, port in self.listeners if f" {address(host)}:{port} " not in heard]
