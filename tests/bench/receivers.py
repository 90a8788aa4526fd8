# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Programs that receive, side by side: ours and those it is measured against.

Each lives as long as its row. While it is not its turn it is stopped (SIGSTOP), so that a round costs no start; it is
read at two moments of its turn, never from its start. Others of the machine may take the CPU in between: the polling
thread is put before them where this runs as root, and what it waited all the same is taken off
(/proc/PID/task/TID/schedstat).
"""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

START_SECONDS = 60  # Hyperscan's patterns, huge pages, a capture of a gigabyte
WARM_SECONDS = 0.2  # after a stop: caches, and counters that are published each millisecond
NICE = -15          # of polling threads: about 30 times the share of one at 0


def cpus():
    """The control thread's and the worker's."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1] if len(allowed) > 1 else allowed[0]


def go_first(process, threads):
    """Before what others run. Where sessions share the CPU among them (sched_autogroup), a session's rank counts, too."""
    with contextlib.suppress(OSError):
        pathlib.Path(f"/proc/{process}/autogroup").write_text(str(NICE), encoding="ascii")
    for thread in threads:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, thread, NICE)


class Program:
    """One program, and a folder of its own for what it leaves in the file system."""
    name = None

    def __init__(self, command, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.log = self.folder / f"{self.name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            start_new_session=True,
                                            env={**os.environ, "RUNTIME_DIRECTORY": str(self.folder)})

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

    def end(self, signal_number=None, last_input=None):
        """Let it end. Result: its standard output."""
        if signal_number is not None:
            self.process.send_signal(signal_number)
        out, _ = self.process.communicate(last_input, timeout=START_SECONDS)
        if self.process.returncode != 0:
            self.fail(f"ended with {self.process.returncode}")
        return out

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()


class Receiver(Program):
    """One that polls. workers: its polling threads; feed: the program that brings it packets, if any."""
    workers = 1
    feed = None

    def __init__(self, command, folder):
        super().__init__(command, folder)
        self.threads = []

    def find_threads(self):
        """Its polling threads, which from now on go before others."""
        tasks = sorted(pathlib.Path(f"/proc/{self.process.pid}/task").iterdir(), key=lambda task: int(task.name))
        self.threads = [task for task in tasks if (task / "comm").read_text().startswith("rte-worker")]
        if len(self.threads) != self.workers:
            self.fail(f"{len(self.threads)} polling threads, not {self.workers}")
        go_first(self.process.pid, [int(thread.name) for thread in self.threads])

    def start(self):
        """Wait until it receives, then let it wait for its turn."""
        if self.feed is not None:
            self.feed.wait_until_ready()
        self.wait_until(self.is_receiving, "receiving")
        self.find_threads()
        self.pause()

    def is_receiving(self):
        raise NotImplementedError

    def read(self):
        """(moment in seconds, packets, others)"""
        raise NotImplementedError

    def pause(self):
        if self.feed is not None:
            self.feed.pause()
        super().pause()

    def resume(self):
        super().resume()
        if self.feed is not None:
            self.feed.resume()

    def scheduled(self):
        """Seconds that the polling threads were on their CPUs, and that they waited for them."""
        words = [(thread / "schedstat").read_text().split() for thread in self.threads]
        return [sum(int(word[i]) for word in words) / 1e9 for i in range(2)]

    def turn(self, seconds):
        """One turn: nanoseconds a packet, packets a second, how much it had of the CPU that it wanted."""
        self.resume()
        time.sleep(WARM_SECONDS)
        before = self.scheduled()
        begin, packets, others = self.read()
        time.sleep(seconds)
        after = self.scheduled()
        end, packets_end, others_end = self.read()
        self.pause()
        on_cpu, waited = (b - a for a, b in zip(before, after))
        share, count = on_cpu / max(on_cpu + waited, 1e-9), packets_end - packets
        per_packet = (end - begin) * share * self.workers / max(count, 1)
        return {"ns": per_packet * 1e9, "share": share if count else 0, "pps": self.workers / per_packet,
                "seconds": end - begin, "packets": count, "others": {key: others_end[key] - others[key] for key in others}}


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

    def is_up(self):
        return pathlib.Path("/dev/shm", self.counters).exists()

    def is_receiving(self):
        snapshot = self.is_up() and self.snapshot()
        return snapshot and self.total(snapshot, "mailtap_received_packets_total") > 0

    def read(self):
        snapshot = self.snapshot()
        return (snapshot["taken_seconds"], self.total(snapshot, "mailtap_received_packets_total"),
                {"cycles": self.total(snapshot, "mailtap_cycles_total"),
                 "busy_cycles": self.total(snapshot, "mailtap_cycles_total", state="busy"),
                 "bytes": self.total(snapshot, "mailtap_received_bytes_total"),
                 "sessions": self.total(snapshot, "mailtap_sessions_opened_total")})

    def counted(self):
        """What stands in a report and matters here, of a worker to whom nothing comes any more. To end millions of sessions
        takes minutes."""
        snapshot = self.snapshot()

        def by(metric, label):
            sums = {}
            for series in snapshot["metrics"][metric]["series"]:
                name = series["labels"][label]
                sums[name] = sums.get(name, 0) + series["value"]
            return sums

        devices = {name: self.total(snapshot, f"mailtap_{name}_total") for name in ("rx_missed_packets", "rx_errors")}
        return {"packets": self.total(snapshot, "mailtap_received_packets_total"),
                "verdicts": by("mailtap_packets_total", "verdict"),
                "losses": {**by("mailtap_lost_total", "reason"), **devices},
                "workers": [{"sessions": self.total(snapshot, "mailtap_sessions_opened_total")}]}

    def finish(self):
        """End it. Result: its report."""
        Program.resume(self)
        return json.loads(self.end(signal.SIGINT))

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
        self.end(last_input=b"\n")

    def kill(self):
        if self.telemetry is not None:
            self.telemetry.close()
        super().kill()


class Sink(Receiver):
    """Reads the first bytes of every frame, and frees it (sink.c)."""
    name = "sink"

    def __init__(self, program, devices, folder, memory, lcores, touched):
        super().__init__([program, *memory, "--no-pci", "--no-telemetry", "--lcores", lcores, *devices, "--", str(touched)],
                         folder)

    def read(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        moment = time.monotonic()
        packets, busy, cycles = map(int, self.process.stdout.readline().split())
        return moment, packets, {"busy_cycles": busy, "cycles": cycles}

    def is_up(self):
        return self.read() is not None

    def is_receiving(self):
        return self.read()[1] > 0

    def finish(self):
        Program.resume(self)
        self.end()


class Feed(Program):
    """Brings packets into the net_ring of a receiver (feed.c), whose folder it shares."""
    name = "feed"

    def __init__(self, program, receiver, memory, cpu, arguments):
        self.receiver = receiver
        receiver.wait_until(receiver.is_up, "up")
        # A lcore that the receiver does not have: they share pools, and with them the caches of lcores.
        super().__init__([program, *memory, "--no-pci", "--no-telemetry", "--proc-type", "secondary", "--lcores",
                          f"9@{cpu}", "--", *arguments], receiver.folder)
        go_first(self.process.pid, [self.process.pid])
        receiver.feed = self

    def wait_until_ready(self):
        """The connections that its kind wants are open. That takes as long as it takes."""
        line = self.process.stdout.readline()
        if line != b"ready\n":
            self.fail(f"said {line!r}")

    def finish(self):
        """Result: what was sent. The receiver has room for all of it, and goes on."""
        self.receiver.resume()
        sent = json.loads(self.end(signal.SIGTERM))
        self.receiver.feed = None
        return sent
