# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Turns a recorded Ethernet capture into another kind of file; the frames' contents stay as recorded."""
import os
import struct

from network import run

MAGIC, RAW_IP, ETHERNET, TCP = 0xA1B2C3D4, 101, 14, 6
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"


def packets(path):
    """Yields (seconds, microseconds, wire length, frame) of a little-endian microsecond pcap."""
    with open(path, "rb") as file:
        magic, *_ = struct.unpack("<IHHiIII", file.read(24))
        assert magic == MAGIC, path
        while head := file.read(16):
            seconds, fraction, kept, wire = struct.unpack("<IIII", head)
            yield seconds, fraction, wire, file.read(kept)


def payloads(path):
    """Yields what each TCP segment of an untagged Ethernet capture carries; of other files, nothing."""
    with open(path, "rb") as file:
        if struct.unpack("<I16xI", file.read(24)) != (MAGIC, 1):
            return
    for *_, frame in packets(path):
        if frame[12:14] == IPV4 and frame[23] == TCP:
            start, end = ETHERNET + (frame[14] & 15) * 4, ETHERNET + int.from_bytes(frame[16:18], "big")
        elif frame[12:14] == IPV6 and frame[20] == TCP:
            start, end = ETHERNET + 40, len(frame)
        else:
            continue
        yield frame[start + (frame[start + 12] >> 4) * 4:end]


def write(path, order, link, rows):
    with open(path, "wb") as file:
        file.write(struct.pack(order + "IHHiIII", MAGIC, 2, 4, 0, 0, 262144, link))
        for seconds, fraction, wire, frame in rows:
            file.write(struct.pack(order + "IIII", seconds, fraction, len(frame), wire) + frame)


def to_pcapng(path):
    run("editcap", "-F", "pcapng", path, path + ".new")
    os.replace(path + ".new", path)


def to_raw(path):
    rows = [(seconds, fraction, wire - ETHERNET, frame[ETHERNET:]) for seconds, fraction, wire, frame in packets(path)
            if frame[12:14] in (IPV4, IPV6)]
    write(path, "<", RAW_IP, rows)


def with_tags(path, tags):
    """Puts (tag protocol, VLAN) pairs between the addresses and the type, outermost first."""
    tags = b"".join(struct.pack(">HH", protocol, vlan) for protocol, vlan in tags)
    rows = [(seconds, fraction, wire + len(tags), frame[:12] + tags + frame[12:])
            for seconds, fraction, wire, frame in packets(path)]
    write(path, "<", 1, rows)


def to_vlan(path):
    with_tags(path, [(0x8100, 10)])


def to_qinq(path):
    with_tags(path, [(0x88A8, 200), (0x8100, 30)])


def to_swapped(path):
    write(path, ">", 1, list(packets(path)))


CONVERSIONS = {
    "pcapng": (to_pcapng, "rewritten by editcap"),
    "raw": (to_raw, "Ethernet headers taken off by convert.py"),
    "vlan": (to_vlan, "tag 10 put in by convert.py"),
    "qinq": (to_qinq, "tags 200 and 30 put in by convert.py"),
    "swapped": (to_swapped, "file headers rewritten big-endian by convert.py"),
}
