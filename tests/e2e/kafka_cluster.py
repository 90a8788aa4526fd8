# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The program kafka_cluster for tests: brokers on the loopback that do as they are told."""
import subprocess

import common


class Cluster:
    """A cluster with one topic, gone at the end."""

    def __init__(self, topic, brokers=1, partitions=1):
        self.topic, self.count, self.partitions = topic, brokers, partitions

    def __enter__(self):
        self.process = subprocess.Popen(
            [common.program("KAFKA_CLUSTER"), str(self.count), self.topic, str(self.partitions)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.brokers = self.process.stdout.readline().strip()
        self.records = f"kafka://{self.brokers}/{self.topic}"
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.wait()

    def tell(self, command):
        """Result: the lines of the answer."""
        print(command, file=self.process.stdin, flush=True)
        lines = []
        while True:
            line = self.process.stdout.readline().rstrip("\n")
            if line == "done":
                return lines
            if line in ("", "not understood"):
                raise RuntimeError(f"the cluster does not do: {command}")
            lines.append(line)

    def set_all(self, word):
        for broker in range(1, self.count + 1):
            self.tell(f"{word} {broker}")

    def messages(self):
        """[(partition, key, value)], each partition in its order."""
        return [tuple(line.split("\t", 2)) for line in self.tell("read")]
