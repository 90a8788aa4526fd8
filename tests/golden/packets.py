# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Segments of a dialogue as frames, by scapy: an encoder that is not ours."""
from scapy.all import IP, TCP, Dot1Q, Ether, IPv6, Raw, RawPcapWriter

from dialogue import ACK, OTHER

START = 1700000000  # seconds since the epoch at which the first connection begins
MACS = {"C": "02:00:00:00:00:01", "S": "02:00:00:00:00:02"}
# The client's numbers wrap within the dialogue; the server's are far from them.
FIRST = {"C": 0xffffffc0, "S": 0x55555555}


def ends_of(number, is_ipv6=False):
    """Addresses of client and server, other ones for every number, by RFC 2544 and RFC 3849; in turn the client has the
    lower one and the higher one."""
    lower, higher = (("2001:db8::{:x}", "2001:db8:1::{:x}") if is_ipv6
                     else ("198.18.{}.{}", "198.19.{}.{}"))
    parts = [number + 1] if is_ipv6 else [number // 250, number % 250 + 1]
    pair = lower.format(*parts), higher.format(*parts)
    return dict(zip("CS", pair if number % 2 == 0 else pair[::-1]))


def header_of(dialogue, side, ends):
    """All that the frames of one side have in common."""
    port = {"C": dialogue.client_port, "S": dialogue.server_port}
    link = Ether(src=MACS[side], dst=MACS[OTHER[side]])
    if dialogue.vlan.get(side):
        link /= Dot1Q(vlan=dialogue.vlan[side])
    network = (IPv6 if ":" in ends[side] else IP)(src=ends[side], dst=ends[OTHER[side]])
    return link / network / TCP(sport=port[side], dport=port[OTHER[side]], window=65535)


def connection(dialogue, segments, number=0, start=0, is_ipv6=False):
    """(microseconds since START, frame) of one connection, in the order of its segments: what arrives later has no
    earlier time."""
    ends = ends_of(number, is_ipv6 or dialogue.is_ipv6)
    header = {side: header_of(dialogue, side, ends) for side in "CS"}
    frames, now = [], 0
    for segment in segments:
        side = segment.side
        tcp = header[side][TCP]
        tcp.flags = segment.flags
        tcp.seq = (FIRST[side] + segment.seq) % 2**32
        tcp.ack = (FIRST[OTHER[side]] + segment.ack) % 2**32 if segment.flags & ACK else 0
        tcp.remove_payload()
        if segment.data:
            tcp.add_payload(Raw(segment.data))
        now = max(now, segment.time)
        frames.append((start + now, bytes(header[side])))
    return frames


def write(path, frames):
    """A capture file; what has the same time keeps its order."""
    with RawPcapWriter(str(path), linktype=1) as writer:
        writer.write_header(None)
        for time, data in sorted(frames, key=lambda frame: frame[0]):
            writer.write_packet(data, sec=START + time // 1_000_000, usec=time % 1_000_000)
