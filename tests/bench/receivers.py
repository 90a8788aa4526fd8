# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Programs that receive, side by side: ours and those it is measured against.

Each lives as long as its row. While it is not its turn it is stopped (SIGSTOP), so that a round costs no start; it is
read at two moments of its turn, never from its start. Time is what the polling thread was on its CPU between the two
(/proc/PID/task/TID/schedstat): others of the machine may take the CPU in between, that is not counted.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

START_SECONDS = 60  # Hyperscan's patterns, huge pages, a capture of a gigabyte
WARM_SECONDS = 0.2  # after a stop: caches, and counters that are published each millisecond


def cpus():
    """The control thread's and the worker's."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1] if len(allowed) > 1 else allowed[0]


class Receiver:
    """One program that polls. command: with its arguments; workers: its polling threads."""
    name = None
    workers = 1

    def __init__(self, command, folder, environment=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.log = self.folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            env={**os.environ, "RUNTIME_DIRECTORY": str(self.folder),
                                                 **(environment or {})})
        self.threads = []

    def fail(self, sentence):
        raise SystemExit(f"{self.name}: {sentence}\n{self.log.read_text(errors='replace')[-2000:]}")

    def wait_until(self, is_so, what):
        end = time.monotonic() + START_SECONDS
        while not is_so():
            if self.process.poll() is not None:
                self.fail(f"ended with {self.process.returncode} before {what}")
            if time.monotonic() > end:
                self.fail(f"not {what} within {START_SECONDS} s")
            time.sleep(0.02)

    def start(self):
        """Wait until it receives."""
        self.wait_until(self.is_receiving, "receiving")
        tasks = sorted(pathlib.Path(f"/proc/{self.process.pid}/task").iterdir(), key=lambda task: int(task.name))
        self.threads = [task for task in tasks if (task / "comm").read_text().startswith(("rte-worker", "lcore-worker"))]
        if len(self.threads) != self.workers:
            self.fail(f"{len(self.threads)} polling threads, not {self.workers}")

    def is_receiving(self):
        raise NotImplementedError

    def read(self):
        """(moment in seconds, packets, others)"""
        raise NotImplementedError

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def on_cpu(self):
        """Seconds that the polling threads were on their CPUs, and the moment."""
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in self.threads) / 1e9, time.monotonic()

    def turn(self, seconds):
        """One turn: nanoseconds of CPU a packet, packets a second of the clock, and how much of the CPU it had."""
        self.resume()
        time.sleep(WARM_SECONDS)
        cpu, clock = self.on_cpu()
        begin, packets, others = self.read()
        time.sleep(seconds)
        cpu_end, clock_end = self.on_cpu()
        end, packets_end, others_end = self.read()
        self.pause()
        share = (cpu_end - cpu) / (clock_end - clock) / self.workers
        if packets_end == packets:
            self.fail("received nothing")
        per_packet = (end - begin) * share * self.workers / (packets_end - packets)
        return {"ns": per_packet * 1e9, "share": share, "pps": self.workers / per_packet,
                "moments": end - begin, "others": {key: others_end[key] - others[key] for key in others}}

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Mailtap(Receiver):
    """mailtap, with counters in shared memory. tools: paths of mailtap and mailtap-stat."""
    name = "mailtap"

    def __init__(self, tools, devices, folder, mbufs, memory, lcores, workers=1, options=()):
        self.counters = f"mailtap-bench-{os.getpid()}"
        self.stat = tools.mailtap_stat
        self.workers = workers
        super().__init__([tools.mailtap, *memory, "--no-pci", "--no-telemetry", "--lcores", lcores, *devices, "--",
                          "--mbufs", str(mbufs), "--server-memory", "none", "--records", "none", "--report", "json",
                          "--counters", self.counters, *options], folder)

    def snapshot(self):
        out = subprocess.run([self.stat, "--counters", self.counters, "--json"], capture_output=True, check=False).stdout
        return json.loads(out) if out else None

    @staticmethod
    def total(snapshot, metric, **labels):
        return sum(series["value"] for series in snapshot["metrics"][metric]["series"]
                   if all(series["labels"].get(key) == value for key, value in labels.items()))

    def is_receiving(self):
        snapshot = pathlib.Path("/dev/shm", self.counters).exists() and self.snapshot()
        return snapshot and self.total(snapshot, "mailtap_received_packets_total") > 0

    def read(self):
        snapshot = self.snapshot()
        return (snapshot["taken_seconds"], self.total(snapshot, "mailtap_received_packets_total"),
                {"cycles": self.total(snapshot, "mailtap_cycles_total"),
                 "busy_cycles": self.total(snapshot, "mailtap_cycles_total", state="busy"),
                 "bytes": self.total(snapshot, "mailtap_received_bytes_total"),
                 "sessions": self.total(snapshot, "mailtap_sessions_opened_total")})

    def finish(self):
        """End it. Result: its report."""
        self.resume()
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=START_SECONDS)
        if self.process.returncode != 0:
            self.fail(f"ended with {self.process.returncode}")
        return json.loads(out)

    def kill(self):
        super().kill()
        pathlib.Path("/dev/shm", self.counters).unlink(missing_ok=True)


class Testpmd(Receiver):
    """dpdk-testpmd, which receives and frees."""
    name = "rxonly"

    def __init__(self, devices, folder, mbufs, memory, lcores, workers=1):
        self.workers = workers
        self.telemetry = None
        super().__init__(["dpdk-testpmd", *memory, "--no-pci", "--lcores", lcores, *devices, "--",
                          "--forward-mode=rxonly", "--no-flush-rx", "--burst=32", f"--total-num-mbufs={mbufs}",
                          f"--nb-cores={workers}", "--auto-start"], folder)

    def is_receiving(self):
        path = next(self.folder.rglob("dpdk_telemetry.v2"), None)
        if self.telemetry is None and path is not None:
            self.telemetry = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                self.telemetry.connect(str(path))
                self.telemetry.recv(4096)
            except ConnectionRefusedError:
                self.telemetry = None
        return self.telemetry is not None and self.read()[1] > 0

    def read(self):
        packets = 0
        begin = time.monotonic()
        for port in range(self.workers):
            self.telemetry.send(f"/ethdev/stats,{port}".encode())
            stats = json.loads(self.telemetry.recv(65536))["/ethdev/stats"]
            packets += stats["ipackets"] if stats else 0
        return (begin + time.monotonic()) / 2, packets, {}

    def finish(self):
        self.resume()
        out, _ = self.process.communicate(b"\n", timeout=START_SECONDS)
        if self.process.returncode != 0:
            self.fail(f"ended with {self.process.returncode}: {out[-500:].decode(errors='replace')}")

    def kill(self):
        if self.telemetry is not None:
            self.telemetry.close()
        super().kill()
