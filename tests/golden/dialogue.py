# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""A dialogue.txt read, the segments it becomes, and the ways in which they may arrive.

The grammar stands in README.md; dialogue.c and wire.c do the same for tests that need no packets. Numbers count from
the connection's beginning, times are microseconds.
"""
import dataclasses
import functools
import re
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[1] / "unit" / "tls_samples.h"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MS = 1000
OTHER = {"C": "S", "S": "C"}
GONE_BACK = 3  # segments that a sender repeats at a time


@dataclasses.dataclass
class Step:
    """Bytes that leave in one segment."""
    side: str
    offset: int
    ack: int
    time: int
    is_lost: bool
    data: bytes = b""


@dataclasses.dataclass
class Segment:
    """One packet on the wire. A SYN takes number 0: the first byte of a stream has number 1."""
    side: str
    flags: int
    seq: int
    ack: int
    time: int
    data: bytes = b""


@dataclasses.dataclass
class Dialogue:
    server_port: int = 0
    client_port: int = 40000
    vlan: dict = dataclasses.field(default_factory=dict)  # tag by side
    is_ipv6: bool = False
    is_midstream: bool = False
    goodbye: dict = dataclasses.field(default_factory=dict)  # FIN or RST by side
    is_close_with_data: bool = False
    steps: list = dataclasses.field(default_factory=list)
    end: int = 0

    def length(self, side):
        return sum(len(step.data) for step in self.steps if step.side == side)


@functools.lru_cache(maxsize=None)
def flights_of(name):
    """(side, bytes) of every flight of a recorded handshake."""
    body = re.search(rf"flights_{re.escape(name)}\[\] = {{(.*?)^}};", SAMPLES.read_text(), re.S | re.M)
    if body is None:
        raise ValueError("no recorded handshake of that name")
    return [("C" if direction == "SERVER" else "S", bytes.fromhex("".join(re.findall(r'"([0-9a-f]*)"', text))))
            for direction, text in re.findall(r'{MT_TO_(SERVER|CLIENT),((?:\s*"[0-9a-f]*")+)}', body[1])]


def bytes_of(text):
    """A line's text with its escapes, and CRLF unless a backslash ends it."""
    plain = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}
    escape = re.compile(r"\\(?:([rnt\\])|x([0-9a-fA-F]{2})|\{(\d+)(.)\})")
    done, at = b"", 0
    while at < len(text):
        if text[at] != "\\":
            done += text[at].encode()
            at += 1
            continue
        if at + 1 == len(text):
            return done
        found = escape.match(text, at)
        if found is None:
            raise ValueError("an escape that is none")
        name, code, times, what = found.groups()
        done += plain[name] if name else bytes.fromhex(code) if code else int(times) * what.encode()
        at = found.end()
    return done + b"\r\n"


class Reader:
    """One dialogue being read, line by line."""

    def __init__(self):
        self.dialogue = Dialogue()

    def begin_step(self, side, form=""):
        steps = self.dialogue.steps
        ack = self.dialogue.length(OTHER[side])
        if form == "~":
            ack = next((step.offset for step in reversed(steps) if step.side != side), ack)
        self.dialogue.end += MS
        steps.append(Step(side, self.dialogue.length(side), ack, self.dialogue.end, form == "-"))

    def read_text(self, side, form, text):
        steps = self.dialogue.steps
        if form != "+":
            self.begin_step(side, form)
        elif not steps or steps[-1].side != side:
            raise ValueError("no line before it to share a segment with")
        steps[-1].data += bytes.fromhex(text) if form == "<" else bytes_of(text)

    def read_tls(self, name, only=None):
        for number, (side, data) in enumerate(flights_of(name)):
            if only is None or number == int(only):
                self.begin_step(side)
                self.dialogue.steps[-1].data += data

    def read_word(self, word, arguments):
        dialogue = self.dialogue
        if word == "port:":
            dialogue.server_port = int(arguments[0])
        elif word == "client-port:":
            dialogue.client_port = int(arguments[0])
        elif word == "vlan:":
            dialogue.vlan = dict(zip("CS", map(int, arguments)))
        elif word == "ipv6":
            dialogue.is_ipv6 = True
        elif word == "midstream":
            dialogue.is_midstream = True
        elif word == "PAUSE":
            dialogue.end += int(arguments[0]) * MS
        elif word == "TLS":
            self.read_tls(*arguments)
        elif word in ("CLOSE", "RESET"):
            dialogue.is_close_with_data = arguments == ["WITH", "DATA"]
            sides = arguments[0] if arguments and not dialogue.is_close_with_data else "CS"
            dialogue.goodbye = dict.fromkeys(sides, FIN if word == "CLOSE" else RST)
        else:
            raise ValueError("a line that is none")

    def read_line(self, line):
        said = re.fullmatch(r"([CS])([-+~<]?): ?(.*)", line, re.S)
        if said:
            self.read_text(*said.groups())
        elif line and not line.startswith(("#", "rows:")):
            self.read_word(line.split()[0], line.split()[1:])


def read(path):
    """The dialogue of a dialogue.txt. ValueError names the line that cannot be read."""
    reader = Reader()
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").split("\n"), 1):
        try:
            reader.read_line(line)
        except (ValueError, IndexError) as reason:
            raise ValueError(f"{path}:{number}: {reason}") from reason
    if not reader.dialogue.server_port:
        raise ValueError(f"{path}: no port")
    return reader.dialogue


def segment_of(dialogue, step):
    segment = Segment(step.side, ACK | PSH, step.offset + 1, step.ack + 1, step.time, step.data)
    if dialogue.is_close_with_data:
        if step.offset + len(step.data) == dialogue.length(step.side):
            segment.flags |= FIN
        # Who has all of the other side has its FIN too, which takes a number.
        segment.ack += 0 < step.ack == dialogue.length(OTHER[step.side])
    return segment


def beginning(dialogue):
    if dialogue.is_midstream:
        return []
    return [Segment("C", SYN, 0, 0, 0), Segment("S", SYN | ACK, 0, 1, MS // 2), Segment("C", ACK, 1, 1, MS * 3 // 4)]


def ending(dialogue):
    """The goodbyes, and what acknowledges them."""
    length = {side: dialogue.length(side) for side in "CS"}
    is_closed = {side: dialogue.goodbye.get(side) == FIN for side in "CS"}
    last = []
    for number, side in enumerate("CS"):
        if side in dialogue.goodbye and not dialogue.is_close_with_data:
            # The server closes upon the client's FIN, and acknowledges it.
            ack = length[OTHER[side]] + 1 + (side == "S" and is_closed["C"])
            last.append(Segment(side, dialogue.goodbye[side] | ACK, length[side] + 1, ack,
                                dialogue.end + (1 + number) * MS))
    if all(is_closed.values()):
        last += [Segment(side, ACK, length[side] + 2, length[OTHER[side]] + 2, dialogue.end + 3 * MS)
                 for side in ("CS" if dialogue.is_close_with_data else "C")]
    return last


def between(dialogue):
    """The segments of the steps that were captured."""
    return [segment_of(dialogue, step) for step in dialogue.steps if not step.is_lost]


def as_sent(dialogue):
    return beginning(dialogue) + between(dialogue) + ending(dialogue)


def cut_segment(segment, places):
    """A segment in pieces that begin at 0 and at the places."""
    parts = []
    for begin, end in zip([0, *places], [*places, len(segment.data)]):
        flags = segment.flags if end == len(segment.data) else segment.flags & ~FIN
        parts.append(Segment(segment.side, flags, segment.seq + begin, segment.ack, segment.time + len(parts),
                             segment.data[begin:end]))
    return parts


def in_pieces(dialogue, size):
    segments = [part for segment in between(dialogue)
                for part in cut_segment(segment, range(size, len(segment.data), size))]
    return beginning(dialogue) + segments + ending(dialogue)


def cut(dialogue, number, at):
    """The segment of that number, among those with data, in two."""
    segments = between(dialogue)
    segments[number:number + 1] = cut_segment(segments[number], [at])
    return beginning(dialogue) + segments + ending(dialogue)


def joined(dialogue):
    """Neighbours of one direction that acknowledge the same in one segment, as a receiver coalesces them."""
    segments, last = [], None
    for step in dialogue.steps:
        segment = None if step.is_lost else segment_of(dialogue, step)
        if segment and last and (last.side, last.ack) == (segment.side, segment.ack):
            last.data += segment.data
            last.flags |= segment.flags
        elif segment:
            segments.append(segment)
            last = segment
        else:
            last = None
    return beginning(dialogue) + segments + ending(dialogue)


def swapped(dialogue):
    """Pairs of neighbours of one direction in each other's place; none waits longer for the other than a network."""
    segments = as_sent(dialogue)
    for side in "CS":
        places = [place for place, segment in enumerate(segments)
                  if segment.side == side and (segment.data or segment.flags & FIN)]
        for a, b in zip(places[::2], places[1::2]):
            first, second = segments[a], segments[b]
            if second.time - first.time <= 100 * MS:
                segments[a], segments[b] = second, first
                first.time, second.time = second.time, first.time
    return segments


def repeated(segments, change=lambda data: data):
    """Behind every segment the same once more, its data changed."""
    return [one for segment in segments for one in (
        segment, dataclasses.replace(segment, time=segment.time + MS // 8, data=change(segment.data)))]


def other(data):
    """As many bytes, each another one."""
    return bytes(byte ^ 0x80 for byte in data)


def gone_back(dialogue):
    """Behind every segment the last ones of its direction once more, in one."""
    segments = []
    for place, step in enumerate(dialogue.steps):
        if step.is_lost:
            continue
        again = segment_of(dialogue, step)
        segments.append(dataclasses.replace(again))
        before = [one for one in dialogue.steps[:place] if one.side == step.side][::-1][:GONE_BACK - 1]
        for one in before:
            if one.is_lost:
                break
            again.data = one.data + again.data
            again.seq -= len(one.data)
        again.time += MS // 4
        segments.append(again)
    return beginning(dialogue) + segments + ending(dialogue)


def overlapping(dialogue):
    """Every segment begins with the one before it of its direction, in other bytes."""
    segments, before = [], {}
    for step in dialogue.steps:
        segment, last = segment_of(dialogue, step), before.get(step.side)
        if last and not last.is_lost:
            segment.data = other(last.data) + segment.data
            segment.seq -= len(last.data)
        before[step.side] = step
        if not step.is_lost:
            segments.append(segment)
    return beginning(dialogue) + segments + ending(dialogue)


def late(dialogue, side, delay):
    segments = as_sent(dialogue)
    for segment in segments:
        segment.time += delay * (segment.side == side)
    return sorted(segments, key=lambda segment: segment.time)


def alone(dialogue, side):
    return [segment for segment in as_sent(dialogue) if segment.side == side]


# All of these say the same of a session; those of CONTRADICTIONS add inconsistent_retransmission.
WAYS = {
    "whole": as_sent,
    "a byte a segment": lambda dialogue: in_pieces(dialogue, 1),
    "7 bytes a segment": lambda dialogue: in_pieces(dialogue, 7),
    "joined": joined,
    "swapped": swapped,
    "twice": lambda dialogue: repeated(as_sent(dialogue)),
    "going back": gone_back,
    "client late": lambda dialogue: late(dialogue, "C", 30 * MS),
    "server late": lambda dialogue: late(dialogue, "S", 30 * MS),
}
CONTRADICTIONS = {
    "contradicted": lambda dialogue: repeated(as_sent(dialogue), other),
    "overlapping and contradicted": lambda dialogue: repeated(overlapping(dialogue), other),
    "swapped and contradicted": lambda dialogue: repeated(swapped(dialogue), other),
}
ONE_SIDED = {
    "client alone": lambda dialogue: alone(dialogue, "C"),
    "server alone": lambda dialogue: alone(dialogue, "S"),
}
ALL_WAYS = {**WAYS, **CONTRADICTIONS, **ONE_SIDED}
