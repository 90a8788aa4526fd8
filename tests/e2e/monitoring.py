# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What the tests of monitoring share: the programs that are started beside a capture, captures to show, HTTP."""
import json
import os
import re
import struct
import subprocess
import time
import urllib.parse
import urllib.request

import common

SECONDS = 60  # for what takes a few: a hang is a finding, not a wait
# As an ordinary user, without huge pages, several at once.
LIVE = ["--no-pci", "--no-shconf", "--no-telemetry", "--no-huge", "-m", "256"]


def until(what, condition):
    """The first result of the condition that is true."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise TimeoutError(f"in {SECONDS} s not: {what}")


def get(url, headers=None, **parameters):
    """The body of an answer; what was asked is in the error where there is none."""
    if parameters:
        url += "?" + urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=SECONDS) as answer:
        return answer.read().decode("utf-8")


class Program:
    """A program that runs until it is told to end. Its standard error stands in a file."""

    def __init__(self, folder, name, command):
        self.log = folder / f"{name}.log"
        self.out = folder / f"{name}.out"
        with open(self.log, "wb") as log, open(self.out, "wb") as out:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=log, env={"MAILTAP_CONFIG_DIR": str(common.ROOT / "config"),
                                                             **os.environ})

    def line(self, pattern):
        """The groups of a pattern in its log, once they are there."""
        def look():
            if self.process.poll() is not None:
                raise RuntimeError(f"it ended: {self.log.read_text()[-2000:]}")
            return re.search(pattern, self.log.read_text())
        return until(f"{pattern} in {self.log.name}", look).groups()

    def end(self):
        """Ask it to end. Its exit status."""
        self.process.terminate()
        return self.process.wait(timeout=SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Exporter(Program):
    """mailtap-exporter on a free port, as an ordinary user."""

    def __init__(self, folder, *names):
        counters = [word for name in names for word in ("--counters", name)]
        super().__init__(folder, "exporter", [*common.as_nobody(), common.program("MAILTAP_EXPORTER"), "--listen",
                                              "127.0.0.1:0", *counters])
        self.url = self.line(r"serving (http://\S+)/\n")[0]

    def may_be_dumped(self):
        """Of a process that may not, what /proc shows is root's, whoever it runs as (proc(5))."""
        return bool(common.as_nobody()) and os.stat(f"/proc/{self.process.pid}/environ").st_uid != 0


class Prometheus(Program):
    """Debian's Prometheus with the project's own rules, scraping an exporter several times a second."""

    def __init__(self, folder, target):
        settings = (common.ROOT / "config/prometheus/prometheus.yml").read_text(encoding="utf-8")
        for changed, how in ((r"15s", "200ms"), (r"(?m)^  - (mailtap\.\w+\.yml)$",
                             rf"  - {common.ROOT}/config/prometheus/\1"), (r"127\.0\.0\.1:9925",
                                                                           urllib.parse.urlsplit(target).netloc)):
            settings, count = re.subn(changed, how, settings)
            assert count, f"prometheus.yml has no {changed}"
        (folder / "prometheus.yml").write_text(settings, encoding="utf-8")
        super().__init__(folder, "prometheus", ["prometheus", f"--config.file={folder}/prometheus.yml",
                                                f"--storage.tsdb.path={folder}/tsdb",
                                                "--web.listen-address=127.0.0.1:0"])
        self.url = "http://" + self.line(r'msg="Listening on" address=(\S+)')[0]
        self.line(r"Server is ready to receive web requests")

    def api(self, path, **parameters):
        return json.loads(get(f"{self.url}/api/v1/{path}", **parameters))["data"]

    def query(self, expression):
        """[(labels, value)] of an instant query."""
        found = self.api("query", query=expression)
        rows = found["result"] if found["resultType"] == "vector" else [{"metric": {}, "value": found["result"]}]
        return [(row["metric"], float(row["value"][1])) for row in rows]


def merge(folder):
    """One capture of all the project's own that hold Ethernet frames."""
    merged = folder / "merged.pcap"
    plain = [path for path in sorted(common.OWN_CAPTURES.glob("*.pcap")) if "-format-" not in path.name]
    subprocess.run(["mergecap", "-F", "pcap", "-w", merged, *plain], check=True)
    return merged


def moved(frame, by):
    """The same segment of another connection between the same ends: both sequence numbers moved."""
    at = 12
    while frame[at:at + 2] == b"\x81\x00":
        at += 4
    kind, at = frame[at:at + 2], at + 2
    header, protocol = (40, frame[at + 6]) if kind == b"\x86\xdd" else ((frame[at] & 15) * 4, frame[at + 9])
    if kind not in (b"\x86\xdd", b"\x08\x00") or protocol != 6:
        return frame
    at += header + 4
    numbers = [(number + by) % 2 ** 32 for number in struct.unpack_from("!II", frame, at)]
    return frame[:at] + struct.pack("!II", *numbers) + frame[at + 8:]


def endless(capture, folder):
    """A capture to be played again and again: all of it twice, in other sequence numbers, so that each connection is a
    new one and no repetition of the one before."""
    data, at, once, again = capture.read_bytes(), 24, [], []
    while at < len(data):
        kept, = struct.unpack_from("<I", data, at + 8)
        once.append(data[at:at + 16 + kept])
        again.append(data[at:at + 16] + moved(data[at + 16:at + 16 + kept], 2 ** 31))
        at += 16 + kept
    (folder / "endless.pcap").write_bytes(data[:24] + b"".join(once) + b"".join(again))
    return folder / "endless.pcap"


class Live(Program):
    """A live mailtap to which the project's captures come without end. The device keeps every frame in a buffer."""

    def __init__(self, folder, name, capture):
        super().__init__(folder, "live", [common.program(), *LIVE, "--vdev",
                                          f"net_pcap0,rx_pcap={capture},infinite_rx=1", "--", "--mbufs", "32768",
                                          "--counters", name, "--report", "json"])

    def report(self):
        """End it; what it reports."""
        status = self.end()
        if status != 0:
            raise RuntimeError(f"status {status}: {self.log.read_text()[-2000:]}")
        return json.loads(self.out.read_text())


def main(watch, passed, *tools):
    """The whole of a test: watch(folder, name of the live capture, name of the replay) gives findings."""
    common.program()
    common.need("mergecap", *tools)
    names = [f"mailtap-e2e-{word}-{os.getpid()}" for word in ("live", "replay")]
    try:
        with common.Workspace() as folder:
            findings = watch(folder, *names)
    finally:
        for name in names:
            (common.SHARED_MEMORY / name).unlink(missing_ok=True)
    common.finish(findings, passed)
