#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Reads mailtap's counters as lib/counters/README.md specifies them, by nothing else: counters_reader.py NAME."""
import fcntl
import os
import re
import struct
import sys
import time

HEADER, ENTRY = struct.Struct("=8sHHIQIIQQ8I48s"), struct.Struct("=10IQ")


class Reader:
    def __init__(self, name):
        self.file = os.open(f"/dev/shm/{name}", os.O_RDONLY | os.O_NOFOLLOW)
        data = os.pread(self.file, os.fstat(self.file).st_size, 0)
        (magic, major, _, _, _, self.pid, _, self.process_start, self.run_start_ns, self.first, self.stride, self.blocks,
         self.cells, at, step, count, _, version) = HEADER.unpack_from(data)
        if magic != b"mailtap\n" or major != 1:
            raise ValueError(f"{name}: no counters of a known version")
        text = lambda offset: data[offset:data.index(0, offset)].decode("ascii")
        self.version = version.split(b"\0")[0].decode("ascii")
        self.good, self.series = [(0,) * self.cells] * self.blocks, []
        for offset in range(at, at + count * step, step):
            *texts, kind, scope, cell, cells, divisor = ENTRY.unpack_from(data, offset)
            labels = dict(re.findall('([^=,]+)="([^"]*)"', text(texts[1])))
            self.series += [(text(texts[0]), labels, kind, scope, cell, cells, divisor)] if kind < 3 else []

    def state(self):
        """Whether a writer holds the object, and what it says of itself."""
        lock = fcntl.fcntl(self.file, fcntl.F_OFD_GETLK, struct.pack("hhqqi", fcntl.F_RDLCK, 0, 0, 0, 0))
        return struct.unpack("hhqqi", lock)[0] == fcntl.F_WRLCK, struct.unpack("=I", os.pread(self.file, 4, 12))[0]

    def read_block(self, index):
        """A block's cells and whether they are stale."""
        for _ in range(100):
            size = 64 + 8 * self.cells
            parts = [os.pread(self.file, length, self.first + index * self.stride) for length in (8, size, 8)]
            if parts[0] == parts[2] and parts[0][0] % 2 == 0 and len(parts[1]) == size:
                self.good[index] = struct.unpack_from(f"={self.cells}Q", parts[1], 64)
                return self.good[index], False
            time.sleep(0.0001)
        return self.good[index], True

    def samples(self):
        """(name, labels, value) of every series; a histogram's value is (count, sum, buckets)."""
        blocks = [self.read_block(index)[0] for index in range(self.blocks)]
        for name, labels, kind, scope, cell, cells, divisor in self.series:
            for worker, sources in enumerate([[block] for block in blocks] if scope else [blocks]):
                row = [sum(column) for column in zip(*(source[cell:cell + cells] for source in sources))]
                place = {"worker": str(worker) if worker < self.blocks - 1 else "control"} if scope else {}
                value = (sum(row[:-1]), row[-1] / divisor, row[:-1]) if kind == 2 else row[0] / divisor
                yield name, {**labels, **place}, value


if __name__ == "__main__":
    for sample in Reader(sys.argv[1]).samples():
        print(*sample)
