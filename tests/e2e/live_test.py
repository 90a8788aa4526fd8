#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""mailtap-stat --live on a real terminal's screen, and --watch line by line, beside a real live capture.

The screen is pyte's, of the bytes that came through a pseudo-terminal: at two sizes, resized, without colours, without
UTF-8; while the capture runs, is stopped, is killed, begins anew and ends. Totals on the screen are compared with
mailtap-stat --json once nobody counts any more.
"""
import curses
import datetime
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import common
import monitoring

NAME = f"mailtap-e2e-live-{os.getpid()}"
TERM = "linux"  # what pyte is: it does not know xterm's way to repeat a character
curses.setupterm(TERM)
UP, DOWN, LEFT, RIGHT, BACK_TAB = (curses.tigetstr(key).decode() for key in ("kcuu1", "kcud1", "kcub1", "kcuf1", "kcbt"))
TAB = "\t"
VIEWS = ["Workers", "Sessions", "STARTTLS", "Top  software", "Anomalies:", "Losses", "Times"]
COLOURED = re.compile(rb"\x1b\[[0-9;]*\b(3[0-7]|9[0-7])(;[0-9]+)*m")
WIPED = re.compile(rb"\x1b\[[0-3]?J")
STUCK_AFTER = 5


class Terminal:
    """mailtap-stat --live in a pseudo-terminal of a size."""

    def __init__(self, cols, rows, **environment):
        import pyte
        self.screen, self.raw = pyte.Screen(cols, rows), b""
        self.stream = pyte.ByteStream(self.screen)
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": TERM, "LC_ALL": "C.UTF-8", **environment})
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            stat = common.program("MAILTAP_STAT")
            os.execv(stat, [stat, "--counters", NAME, "--live"])
        self.status = None

    def take(self, seconds):
        """What comes within so long goes to the screen. Result: whether it goes on."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.file], [], [], left)[0]:
                return True
            try:
                data = os.read(self.file, 65536)
            except OSError:
                return False
            self.raw += data
            self.stream.feed(data)
        return True

    def resize(self, cols, rows):
        self.screen.resize(rows, cols)
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def press(self, *keys):
        for key in keys:
            os.write(self.file, key.encode())
            self.take(0.15)

    def until(self, pattern, seconds=monitoring.SECONDS):
        """The match of a pattern on the screen, once it is there."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            match = re.search(pattern, "\n".join(self.screen.display), re.M)
            if match:
                return match
            self.take(0.1)
        raise TimeoutError(f"in {seconds} s not on the screen: {pattern}\n" + "\n".join(self.screen.display))

    def end(self, key="q"):
        """Exit status, once the key was pressed."""
        if key:
            os.write(self.file, key.encode())
        end = time.monotonic() + monitoring.SECONDS
        while self.take(0.2) and time.monotonic() < end:
            pass
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.file)


def number(value):
    """A total as the screen has it: at most five characters, three digits where it is cut."""
    if value <= 9999:
        return str(value)
    for suffix in "kMG":
        value /= 1000
        if value < 999.5:
            return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}{suffix}"
    raise ValueError(value)


def document():
    return json.loads(common.Run([common.program("MAILTAP_STAT"), "--counters", NAME, "--json"]).out)


def sums(metrics, metric, *labels):
    found = {}
    for sample in metrics[metric]["series"]:
        place = tuple(sample["labels"][label] for label in labels)
        found[place] = found.get(place, 0) + sample["value"]
    return found


def check_overview(terminal, live):
    """Everything that is promised of the first screen, at whatever size."""
    terminal.until(rf"^ {NAME}: mailtap [0-9.]+, process {live.process.pid} .*\d\d:\d\d:\d\d")
    terminal.until(r"^ live since \d\d:\d\d:\d\d")
    for promised in (r"^Workers +packets/s +Mbit/s +sessions/s +flows +busy +lost/s +lost",
                     r"^all +[\d.]+[kM]? +[\d.]+k? +[\d.]+[kM]? .* \d+% ", r"^0 +[\d.]+[kM]? .* \d+% ",
                     r"^Sessions +cleartext/s +starttls/s +implicit_tls/s +unknown/s",
                     r"^smtp +[\d.]+k? +[\u2581-\u2588]+ +[\d.]+k? +[\u2581-\u2588]+", r"^imap ", r"^pop3 ",
                     r"^STARTTLS +smtp +imap +pop3 +/s +Top +software +seen", r"^established +[\d.]+k? ", r" smtp postfix +[\d.]+",
                     r"^Anomalies: [\d.]+[kM]?, [\d.]+k? a second", r"^\d\d:\d\d:\d\d  (smtp|imap|pop3) +\w+ +\+[\d.]+k?",
                     r"^Overview Workers Sessions STARTTLS Software Anomalies Losses Times tab q quit"):
        terminal.until(promised, 20)
    return []


def check_quiet(terminal):
    """A second's news are sent as changes: nothing is wiped, and it is less than the screen."""
    before = len(terminal.raw)
    terminal.take(3)
    news = terminal.raw[before:]
    findings = ["the screen is wiped while it stands"] if WIPED.search(news) else []
    if not 0 < len(news) < 3 * 2 * terminal.screen.columns * terminal.screen.lines:
        findings.append(f"{len(news)} bytes in three seconds")
    return findings


def check_keys(terminal):
    def heading():
        return terminal.screen.display[2]
    findings = []
    for view in [*VIEWS, "Workers"]:  # the overview begins with the workers too
        terminal.press(TAB)
        if not heading().startswith(view):
            findings.append(f"tab shows {heading()!r}, expected {view}")
    terminal.press(LEFT, BACK_TAB)
    if not heading().startswith("Losses"):
        findings.append(f"twice back shows {heading()!r}, expected Losses")
    terminal.press(LEFT)
    terminal.until(r"^Anomalies:(.*\n){12}")
    terminal.press(*[DOWN] * 5)
    terminal.take(0.2)
    one = terminal.screen.display[3]
    terminal.press(*[UP] * 9)
    if not heading().startswith("Anomalies") or one == terminal.screen.display[3]:
        findings.append(f"scrolled by five: {one!r}, back: {terminal.screen.display[3]!r}")
    terminal.press(RIGHT, RIGHT, RIGHT)
    return findings


def check_resize(terminal):
    for cols, rows in ((40, 10), (3, 2), (132, 43), (80, 24)):
        terminal.resize(cols, rows)
        terminal.take(0.5)
    terminal.until(r"^Overview Workers")
    if "Overview" not in terminal.screen.display[23] or NAME not in terminal.screen.display[0]:
        return [f"after resizing: {terminal.screen.display}"]
    return []


def seconds_since(clock):
    now = datetime.datetime.now()
    then = now.replace(hour=int(clock[0:2]), minute=int(clock[3:5]), second=int(clock[6:8]))
    return (now - then).total_seconds() % 86400


def check_stuck(terminal, live):
    live.process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        said = terminal.until(r"^ STUCK: (worker \d+|control thread) silent since (\d\d:\d\d:\d\d), (\d+) s", 20)
        ago = time.monotonic() - stopped
        terminal.until(r"^0 +- +- +- .* silent \d+ s")
    finally:
        live.process.send_signal(signal.SIGCONT)
    terminal.until(r"^ live since", 10)
    return [] if STUCK_AFTER - 1 < ago and abs(seconds_since(said[2]) - ago) < 3 else \
        [f"stuck for {ago:.0f} s: {said[0]}"]


def check_died(terminal, live):
    """The last values, no rates, and since when. The totals are those of --json."""
    live.process.kill()
    live.process.wait()
    killed = time.monotonic()
    said = terminal.until(r"^ DIED at (\d\d:\d\d:\d\d), \d+ s ago: last values", 10)
    findings = []
    if abs(seconds_since(said[1]) - (time.monotonic() - killed)) > 3:
        findings.append(f"killed {time.monotonic() - killed:.0f} s ago: {said[0]}")
    terminal.until(r"^all +- +- +- +\S+ +- +\S+ *$")
    metrics = document()["metrics"]
    terminal.press(TAB, TAB, TAB)
    for (outcome, protocol), value in sums(metrics, "mailtap_starttls_total", "outcome", "protocol").items():
        row = terminal.until(rf"^{outcome} +(\S+) +(\S+) +(\S+) +-")
        shown = row[1 + ("smtp", "imap", "pop3").index(protocol)]
        if shown != number(value):
            findings.append(f"{outcome} {protocol}: {shown} on the screen, {value} counted")
    terminal.press(TAB)
    for (protocol, software), value in sums(metrics, "mailtap_banners_total", "protocol", "software").items():
        if value:
            shown = terminal.until(rf"^{protocol} +{software} +(\S+)")[1]
            findings += [] if shown == number(value) else [f"{protocol} {software}: {shown}, {value} counted"]
    terminal.press(BACK_TAB, BACK_TAB, BACK_TAB, BACK_TAB)
    return findings


def check_live(folder, feed):
    """One terminal through a whole life of the capture, and into the next."""
    with monitoring.Live(folder, NAME, feed) as live:
        monitoring.until("counters", (common.SHARED_MEMORY / NAME).exists)
        with Terminal(132, 43) as large:
            findings = check_overview(large, live) + check_quiet(large)
            if large.end() != 0:
                findings.append(f"q ends with {large.status}, the capture runs")
            if b"\x1b[?25h" not in large.raw[-24:]:
                findings.append(f"the cursor stays hidden: {large.raw[-60:]!r}")
        terminal = Terminal(80, 24)
        with terminal:
            findings += check_overview(terminal, live) + check_quiet(terminal) + check_keys(terminal)
            findings += check_resize(terminal) + check_stuck(terminal, live) + check_died(terminal, live)
            findings += check_next_run(folder, feed, terminal)
            if terminal.end() != 3:
                findings.append(f"q ends with {terminal.status}, nobody captures any more")
    return findings


def check_next_run(folder, feed, terminal):
    with monitoring.Live(folder, NAME, feed) as live:
        terminal.until(rf"process {live.process.pid} ")
        terminal.until(r"^ live since")
        terminal.until(r"^all +[\d.]+[kM]? +[\d.]+k? ")
        live.end()
        terminal.until(r"^ ENDED at \d\d:\d\d:\d\d, \d+ s ago: last values", 10)
    return []


def check_plain(folder, feed):
    """A terminal without colours, one without UTF-8, and none at all."""
    findings = []
    with monitoring.Live(folder, NAME, feed):
        with Terminal(80, 24, TERM="vt100") as terminal:
            terminal.until(r"^smtp +[\d.]+k? +[\u2581-\u2588]+", 20)
            if terminal.end() != 0 or COLOURED.search(terminal.raw):
                findings.append(f"vt100: status {terminal.status}, colours {COLOURED.search(terminal.raw)}")
        with Terminal(80, 24, LC_ALL="C") as terminal:
            terminal.until(r"^smtp +[\d.]+k? +[-_.:=+*#]+", 20)
            if terminal.end() != 0 or not terminal.raw.isascii() or not COLOURED.search(terminal.raw):
                findings.append(f"C: status {terminal.status}, ASCII {terminal.raw.isascii()}")
        with Terminal(80, 24) as terminal:
            terminal.until(r"^ live")
            os.kill(terminal.pid, signal.SIGTERM)
            if terminal.end(key=None) != 0:
                findings.append(f"SIGTERM ends with {terminal.status}")
        none = common.Run([common.program("MAILTAP_STAT"), "--counters", NAME, "--live"])
        if none.status != 2 or b"needs a terminal" not in none.err or none.out:
            findings.append(f"no terminal: status {none.status}: {none.says()}")
        findings += check_watch()
    return findings


def check_watch():
    """A head, then a line a second with as many columns; the end of the capture is said, and is the exit status."""
    with subprocess.Popen([common.program("MAILTAP_STAT"), "--counters", NAME, "--watch"], stdout=subprocess.PIPE,
                          text=True) as watch:
        lines = [watch.stdout.readline().split() for _ in range(6)]
        pid = document()["pid"]
        os.kill(pid, signal.SIGKILL)
        last = ""
        while "DIED" not in last:
            last = watch.stdout.readline()
            if not last:
                break
        watch.terminate()
        status = watch.wait(monitoring.SECONDS)
    findings = [] if status == 3 and f"process {pid}, DIED at" in last else [f"--watch ended with {status}: {last}"]
    said, names, units, *rows = lines
    if said[1:5] != [f"{NAME}:", "process", f"{pid},", "live"] or names[0] != "packets" or units[0] != "time":
        findings.append(f"--watch begins with {lines}")
    if any(len(row) != len(units) or row[1] in ("-", "0") for row in rows):
        findings.append(f"--watch: {rows}")
    return findings


def main():
    try:
        import pyte  # pylint: disable=unused-import
    except ImportError:
        common.skip("skipped: python3-pyte is not installed")
    common.program()
    common.program("MAILTAP_STAT")
    try:
        with common.Workspace() as folder:
            feed = monitoring.endless(monitoring.merge(folder), folder)
            findings = check_live(folder, feed) + check_plain(folder, feed)
    finally:
        (common.SHARED_MEMORY / NAME).unlink(missing_ok=True)
    common.finish(findings, "the screen says what the counters say, and when they have come to an end")


if __name__ == "__main__":
    main()
