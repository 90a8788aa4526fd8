# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Network namespaces joined by veth pairs: the servers live in one, the clients in another, and between them a third.

Two ways lead from the clients to the servers. "tap" is a wire. The other goes through the middle: "near" is the
clients' end of it, "far" the servers'. The middle takes every packet from there for its own, whatever its address, so
that a proxy can (proxy.py); nothing else crosses it.

Nothing outside these namespaces is touched, and all are removed at the end. Addresses come from
the documentation ranges (RFC 5737, RFC 3849). One server address stands for one server set-up, so
that every set-up can use the real port numbers.
"""
import os
import subprocess

SERVER_NAME, CLIENT_NAME = "mail.example.org", "client.example.org"
CLIENT = 77  # last part of the client's address in every network
NEAR, FAR = "198.51.100", "203.0.113"  # the networks before and behind the middle
BEYOND = f"{FAR}.25"  # the main servers, as they are reached through the middle

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
        self.server, self.client, self.middle = (f"mtrec{os.getpid()}{side}" for side in "scm")
        self.made = []
        try:
            for space in (self.server, self.client, self.middle):
                run("ip", "netns", "add", space)
                self.made.append(space)
                run("ip", "-n", space, "link", "set", "lo", "up")
            hosts, client = self._addresses(HOSTS.values()), self._addresses([CLIENT])
            self._join("tap", (self.server, hosts), (self.client, client))
            self._join("near", (self.client, [f"{NEAR}.{CLIENT}/24"]), (self.middle, [f"{NEAR}.1/24"]))
            self._join("far", (self.server, [f"{BEYOND}/24"]), (self.middle, [f"{FAR}.1/24"]))
            run("ip", "-n", self.client, "route", "add", f"{FAR}.0/24", "via", f"{NEAR}.1")
            run("ip", "-n", self.server, "route", "add", f"{NEAR}.0/24", "via", f"{FAR}.1")
            for link in ("near", "far"):
                run("ip", "-n", self.middle, "rule", "add", "iif", link, "lookup", "100")
            run("ip", "-n", self.middle, "route", "add", "local", "default", "dev", "lo", "table", "100")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for space in self.made:  # the veth pair goes with its namespaces
            run("ip", "netns", "del", space, check=False)

    @staticmethod
    def _addresses(hosts):
        return [place for last in hosts for place in (f"192.0.2.{last}/24", f"2001:db8:25::{last}/64")]

    def _join(self, link, *ends):
        (one, _), (other, _) = ends
        run("ip", "link", "add", link, "netns", one, "type", "veth", "peer", "name", link, "netns", other)
        for space, places in ends:
            # A sender that offloads hands over frames of 64 KiB with half a checksum: no wire shows those.
            for offload in OFFLOADS:
                run(*self.inside(space, "ethtool", "-K", link, offload, "off"), check=False)
            run("ip", "-n", space, "link", "set", link, "up")
            for place in places:
                run("ip", "-n", space, "addr", "add", place, "dev", link, *(["nodad"] if ":" in place else []))

    @staticmethod
    def inside(space, *command, name="localhost"):
        # A host name of its own, so that no greeting and no mail tells where it was recorded.
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name]
        return ["ip", "netns", "exec", space, *named, *command]

    def on_server(self, *command):
        return self.inside(self.server, *command, name=SERVER_NAME)

    def on_middle(self, *command):
        return self.inside(self.middle, *command)

    def on_client(self, *command):
        return self.inside(self.client, *command, name=CLIENT_NAME)

    def has_connections(self):
        """Whether one is open on any side; what only waits for stragglers counts as closed."""
        command = ["ss", "-Htan", "state", "connected", "exclude", "time-wait"]
        return any(run(*inside(*command)).stdout.strip() for inside in (self.on_client, self.on_middle, self.on_server))
