#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What an operator has, held against the program: units, settings, manual, host; and a service manager's view.

The test is the service manager: it listens on the socket that sd_notify(3) writes to. It sees the start, the signs of
life, a reload and the end. One worker is held (wire.held()): the signs of life cease, though every
other thread goes on, and come back when it is let go.
"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import common
import wire

WATCHDOG_US = 1000000
PATIENCE = 20
BUILD = pathlib.Path(os.environ.get("BUILD", common.ROOT / "build"))


def check_units():
    """systemd's own opinion of the units, with the programs where they were built."""
    findings = []
    with common.Workspace() as folder:
        for name in ("mailtap", "mailtap-exporter"):
            text = (BUILD / f"config/{name}.service").read_text(encoding="utf-8")
            unit = folder / f"{name}.service"
            unit.write_text(re.sub(rf"(ExecStart=)\S+/{name}", rf"\g<1>{BUILD}/app/{name}/{name}", text), encoding="utf-8")
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True,
                                  check=False)
            findings += [f"{name}.service: {line}" for line in done.stderr.splitlines() if name in line]
    return findings


def options_of(program):
    """The long options that --help shows."""
    shown = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"--([a-z-]+)", shown.split("\n\n", 2)[2]))


def settings_keys():
    """The long options of mailtap, and those that no settings file may hold."""
    return options_of(common.program()), {"replay", "interface", "config", "check-config", "version", "help"}


def check_settings():
    """The example names every key, and each line of it is one that the program takes."""
    options, not_keys = settings_keys()
    example = (common.ROOT / "config/mailtap.conf").read_text(encoding="utf-8")
    lines = dict(re.findall(r"^#([a-z-]+) = (.*)$", example, re.M))
    findings = [f"mailtap.conf lacks {key}" for key in sorted(options - not_keys - set(lines))]
    with common.Workspace() as folder:
        for key, value in lines.items():
            if key == "banners":
                value = common.ROOT / "config/banners.conf"
            elif key == "server-memory":
                value = folder / pathlib.Path(value).name  # the folder of the installed service is not here
            settings = folder / "mailtap.conf"
            settings.write_text(f"{key} = {value}\n", encoding="utf-8")
            done = common.Run([common.program(), "-i", "lo", "--config", settings, "--check-config"])
            if done.status != 0:
                findings.append(f"mailtap.conf: {key}: {done.says()}")
    return findings


def check_manual(program):
    """Every option stands in the program's manual, and the manual is one that groff can read."""
    page = next((common.ROOT / "app").glob(f"*/{pathlib.Path(program).name}.[18]"))
    text = page.read_text(encoding="utf-8").replace("\\-", "-")
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", page], capture_output=True, check=False)
    return ([f"{page.name} lacks --{option}" for option in sorted(options_of(program)) if f"--{option}" not in text] +
            [f"{page.name}: {line}" for line in done.stderr.decode().splitlines()])


def check_host():
    """A host that runs the tests can capture, and prepare-host says so; what it does not know it refuses."""
    script = common.ROOT / "scripts/prepare-host"
    done = subprocess.run([script, "check"], capture_output=True, text=True, check=False)
    findings = [f"prepare-host check: {line}" for line in done.stdout.splitlines()
                if not re.match(r"(ok|warning) +\S", line)]
    if done.returncode != 0 or done.stderr:
        findings.append(f"prepare-host check: {done.returncode}, {done.stderr[-300:]}")
    for words in ([], ["frob"], ["huge-pages", "many"], ["bind"]):
        if subprocess.run([script, *words], capture_output=True, check=False).returncode != 2:
            findings.append(f"prepare-host {words} is not refused")
    return findings


class Manager:
    """A service manager's socket, and a mailtap that was told of it."""

    def __init__(self, folder):
        self.inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.inbox.bind(str(folder / "notify"))
        feed = folder / "feed.pcap"
        subprocess.run([common.program("TRAFFIC"), "udp", "100", feed], check=True)
        environment = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": str(WATCHDOG_US)}
        environment.pop("WATCHDOG_PID", None)
        self.process = subprocess.Popen(
            [common.program(), "--no-huge", "-m", "256", "--no-pci", "--no-shconf", "--no-telemetry",
             "--log-level=*:error", "--lcores", "(0-2)@(0,1)", "--vdev", f"net_pcap0,rx_pcap={feed}", "--", "--counters",
             "none", "--report", "none", "--dumpable"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)

    def hear(self, seconds):
        """The next message, or None."""
        self.inbox.settimeout(max(seconds, 0.001))
        try:
            return self.inbox.recv(4096).decode()
        except TimeoutError:
            return None

    def wait_for(self, word):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            message = self.hear(end - time.monotonic())
            if message and word in message.splitlines():
                return True
        return False

    def drain(self):
        while self.hear(0) is not None:
            pass


def hear_while_held(manager):
    """What is said while a worker stands still, once what was on its way has come."""
    with wire.held(manager.process, "rte-worker-1"):
        time.sleep(WATCHDOG_US / 1e6)
        manager.drain()
        return manager.hear(2 * WATCHDOG_US / 1e6)


def check_supervision():
    findings = []
    with common.Workspace() as folder:
        manager = Manager(folder)
        try:
            if not manager.wait_for("READY=1") or not manager.wait_for("WATCHDOG=1"):
                return ["neither a start nor a sign of life"]
            heard = hear_while_held(manager)
            if heard is not None:
                findings.append(f"a worker is stuck, and {heard!r} is said")
            if not manager.wait_for("WATCHDOG=1"):
                findings.append("no sign of life after a worker was let go")
            manager.process.send_signal(signal.SIGHUP)
            if not manager.wait_for("RELOADING=1") or not manager.wait_for("READY=1"):
                findings.append("a reload is not told")
            manager.process.send_signal(signal.SIGTERM)
            if not manager.wait_for("STOPPING=1") or manager.process.wait(PATIENCE) != 0:
                findings.append("the end is not told, or is none")
        finally:
            manager.process.kill()
            manager.process.wait()
    return findings


def main():
    common.need("systemd-analyze", "groff")
    findings = check_units() + check_settings() + check_host()
    findings += [finding for variable in ("MAILTAP", "MAILTAP_EXPORTER", "MAILTAP_STAT")
                 for finding in check_manual(common.program(variable))]
    if os.geteuid() == 0:
        findings += check_supervision()
    else:
        print("a single thread can be held by root alone: supervision is not tested")
    common.finish(findings, "units, settings, manual and supervision are as they should be")


main()
