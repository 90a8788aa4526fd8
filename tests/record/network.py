# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Two network namespaces joined by a veth pair: the servers live in one, the clients in the other.

Nothing outside the two namespaces is touched, and both are removed at the end. Addresses come from
the documentation ranges (RFC 5737, RFC 3849). One server address stands for one server set-up, so
that every set-up can use the real port numbers.
"""
import os
import subprocess

SERVER_NAME, CLIENT_NAME = "mail.example.org", "client.example.org"
CLIENT = 77  # last part of the client's address in every network

# set-up -> last part of the server's address; what each one does stands in servers.py, and in the file of each guest
HOSTS = {
    "main": 25,  # STARTTLS offered, passwords in clear allowed
    "notls": 26,  # no TLS at all
    "broken": 27,  # STARTTLS offered, no usable key
    "tls13": 28,  # nothing below TLS 1.3
    "strict": 29,  # TLS required before mail or passwords
    "slow": 30,  # waits before its greeting
    "more": 31,  # extensions that the main one lacks: APOP, COMPRESS, the PROXY line
    "screen": 32,  # postscreen before smtpd
    "other": 33,  # servers that are no mail servers
    # Guests: without TLS, with a key that is none, with TLS demanded first; else STARTTLS, and passwords in clear.
    "exim": 41,
    "exim-notls": 42,
    "exim-broken": 43,
    "opensmtpd": 51,
    "opensmtpd-notls": 52,
    "opensmtpd-strict": 53,
    "cyrus": 61,
    "cyrus-notls": 62,
    "cyrus-strict": 63,
    "courier": 71,
    "courier-notls": 72,
    "courier-strict": 73,
}


def address(host, ip=4):
    return f"192.0.2.{HOSTS[host]}" if ip == 4 else f"2001:db8:25::{HOSTS[host]}"


OFFLOADS = ["tx", "rx", "tso", "gso", "gro", "rxvlan", "txvlan"]


def run(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True, text=True)


class Network:
    def __enter__(self):
        self.server, self.client = (f"mtrec{os.getpid()}{side}" for side in "sc")
        self.made = []
        try:
            for space in (self.server, self.client):
                run("ip", "netns", "add", space)
                self.made.append(space)
            run("ip", "link", "add", "tap", "netns", self.server, "type", "veth", "peer", "name", "tap",
                "netns", self.client)
            self._set_up(self.server, HOSTS.values())
            self._set_up(self.client, [CLIENT])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for space in self.made:  # the veth pair goes with its namespaces
            run("ip", "netns", "del", space, check=False)

    def _set_up(self, space, hosts):
        ip = ["ip", "-n", space]
        run(*ip, "link", "set", "lo", "up")
        # A sender that offloads hands over frames of 64 KiB with half a checksum: no wire shows those.
        for offload in OFFLOADS:
            run(*self.inside(space, "ethtool", "-K", "tap", offload, "off"), check=False)
        run(*ip, "link", "set", "tap", "up")
        for last in hosts:
            run(*ip, "addr", "add", f"192.0.2.{last}/24", "dev", "tap")
            run(*ip, "addr", "add", f"2001:db8:25::{last}/64", "dev", "tap", "nodad")

    @staticmethod
    def inside(space, *command, name="localhost"):
        # A host name of its own, so that no greeting and no mail tells where it was recorded.
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name]
        return ["ip", "netns", "exec", space, *named, *command]

    def on_server(self, *command):
        return self.inside(self.server, *command, name=SERVER_NAME)

    def on_client(self, *command):
        return self.inside(self.client, *command, name=CLIENT_NAME)
