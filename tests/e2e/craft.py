# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Captures made by hand: a short mail session in every file format that a replay may meet.

Addresses are from the documentation ranges (RFC 5737). Only what the tests need: IPv4, no options, right checksums.
"""
import ipaddress
import struct

ETHERNET, IEEE80211, USB_LINUX = 1, 105, 189
FIN, SYN, RESET, PUSH, ACK = 1, 2, 4, 8, 16
CLIENT, SERVER = "192.0.2.10", "192.0.2.25"
START = 1700000000  # seconds since the epoch of the first packet

DIALOGUE = [
    ("S", b"220 mail.example.org ESMTP Postfix\r\n"),
    ("C", b"EHLO client.example.org\r\n"),
    ("S", b"250-mail.example.org\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 8BITMIME\r\n"),
    ("C", b"NOOP\r\n"),
    ("S", b"250 2.0.0 Ok\r\n"),
    ("C", b"QUIT\r\n"),
    ("S", b"221 2.0.0 Bye\r\n"),
]


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def frame(source, source_port, target, target_port, seq, ack, flags, data):
    """One Ethernet frame."""
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    def tcp(total):
        return struct.pack("!HHIIBBHHH", source_port, target_port, seq, ack, 5 << 4, flags, 65535, total, 0) + data
    segment = tcp(checksum(ends + struct.pack("!HH", 6, 20 + len(data)) + tcp(0)))
    def header(total):
        return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, 6, total) + ends
    return b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0" + header(checksum(header(0))) + segment


def session(dialogue=None, client_port=40000, server_port=25, client=CLIENT, server=SERVER, ending="fin"):
    """The frames of one TCP connection: 3 + the dialogue's + 3 of its end; 1 where the client resets it ("rst"), none
    where it falls silent ("silent")."""
    ends = {"C": (client, client_port, server, server_port), "S": (server, server_port, client, client_port)}
    seq = {"C": 1000, "S": 5000}
    frames = []
    def send(side, flags, data=b""):
        other = "S" if side == "C" else "C"
        frames.append(frame(*ends[side], seq[side], seq[other] if flags & ACK else 0, flags, data))
        seq[side] += len(data) + bool(flags & (SYN | FIN))
    send("C", SYN)
    send("S", SYN | ACK)
    send("C", ACK)
    for side, data in DIALOGUE if dialogue is None else dialogue:
        send(side, PUSH | ACK, data)
    if ending == "fin":
        send("C", FIN | ACK)
        send("S", FIN | ACK)
        send("C", ACK)
    elif ending == "rst":
        send("C", RESET)
    return frames


def pcap(frames, order="<", nanoseconds=False, link=ETHERNET, snaplen=262144):
    """The bytes of a capture file of the old format."""
    parts = [struct.pack(order + "IHHiIII", 0xa1b23c4d if nanoseconds else 0xa1b2c3d4, 2, 4, 0, 0, snaplen, link)]
    for number, data in enumerate(frames):
        kept = data[:snaplen]
        parts.append(struct.pack(order + "IIII", START + number // 100,
                                 number % 100 * 10000 * (1000 if nanoseconds else 1), len(kept), len(data)) + kept)
    return b"".join(parts)


def timed_pcap(packets):
    """The bytes of a capture file of (microseconds since START, frame)."""
    parts = [struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, ETHERNET)]
    for time, data in packets:
        parts.append(struct.pack("<IIII", START + time // 1_000_000, time % 1_000_000, len(data), len(data)) + data)
    return b"".join(parts)


def pcapng(frames, order="<", link=ETHERNET):
    """The bytes of a capture file of the new format: one section, one interface, microseconds."""
    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)
    parts = [block(0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1)),
             block(1, struct.pack(order + "HHI", link, 0, 262144))]
    for number, data in enumerate(frames):
        stamp = (START + number // 100) * 1000000 + number % 100 * 10000
        parts.append(block(6, struct.pack(order + "IIIII", 0, stamp >> 32, stamp & 0xffffffff, len(data), len(data))
                           + data))
    return b"".join(parts)
