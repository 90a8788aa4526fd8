# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What mirrors and networks put around a packet, put there by scapy: an encoder that is not ours."""
import itertools
import random

from scapy.all import (GRE, IP, Dot1Q, Ether, IPv6, IPv6ExtHdrFragment, PPP, PPPoE, Raw, UDP, fragment, rdpcap,
                       wrpcap)
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header
from scapy.contrib.mpls import MPLS
from scapy.layers.vxlan import VXLAN

IDENTS = itertools.cycle(range(1, 65536))  # no two datagrams of a sender have the same one at a time
MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}


def outer(version=4, vlan=None):
    """Link and IP of the network that carries the tunnel."""
    link = Ether(**MACS) / Dot1Q(vlan=vlan) if vlan else Ether(**MACS)
    return link / (IP(src="198.18.0.1", dst="198.18.0.2", id=next(IDENTS)) if version == 4
                   else IPv6(src="2001:db8:ffff::1", dst="2001:db8:ffff::2"))


def datagram(frame):
    """A frame's IP datagram."""
    return frame[IP] if IP in frame else frame[IPv6]


def protocol_type(frame):
    return 0x0800 if IP in frame else 0x86dd


def gtp(frame):
    return GTP_U_Header(teid=7, gtp_type=255) / Raw(bytes(datagram(frame)))


# name: a function that puts it around a frame
TUNNELS = {
    "vxlan": lambda f: outer(4, 100) / UDP(sport=50000, dport=4789) / VXLAN(vni=42, flags=0x08) / f,
    "vxlan_over_ipv6": lambda f: outer(6) / UDP(sport=50000, dport=4789) / VXLAN(vni=42, flags=0x08) / f,
    "geneve": lambda f: outer() / UDP(sport=50000, dport=6081) / GENEVE(vni=42, proto=0x6558) / f,
    "gre": lambda f: outer() / GRE(proto=protocol_type(f)) / Raw(bytes(datagram(f))),
    "gre_key_over_ipv6": lambda f: outer(6) / GRE(proto=protocol_type(f), key_present=1, key=9) /
                         Raw(bytes(datagram(f))),
    "gre_ethernet": lambda f: outer() / GRE(proto=0x6558) / Raw(bytes(f)),
    "erspan_ii": lambda f: outer() / GRE(proto=0x88be, seqnum_present=1, sequence_number=1) /
                 ERSPAN_II(ver=1, session_id=100) / f,
    "erspan_iii": lambda f: outer() / GRE(proto=0x22eb, seqnum_present=1, sequence_number=1) /
                  ERSPAN_III(session_id=100) / f,
    "gtp_u": lambda f: outer() / UDP(sport=2152, dport=2152) / gtp(f),
    "mpls": lambda f: Ether(**MACS, type=0x8847) / MPLS(label=16, s=0) / MPLS(label=17, s=1) / Raw(bytes(datagram(f))),
    "pppoe": lambda f: Ether(**MACS) / PPPoE(sessionid=7) / PPP(proto=0x21 if IP in f else 0x57) / datagram(f),
    "ip_in_ip": lambda f: outer() / datagram(f),
    "ip_in_ipv6": lambda f: outer(6) / datagram(f),
}


def around(name):
    """A function that puts a tunnel around a frame and keeps its time."""
    def wrap(frame):
        wrapped = Ether(bytes(TUNNELS[name](frame.copy())))
        wrapped.time = frame.time
        return wrapped
    return wrap


def pieces(frame, size):
    """The fragments of a frame's IP datagram, size bytes of payload each."""
    if IP in frame:
        ip = frame[IP].copy()
        # scapy cuts behind the header: lengths and sums are made anew for each piece.
        del ip.len, ip.chksum
        parts = fragment(ip, fragsize=size)
    else:
        ip = frame[IPv6]
        ident = random.randrange(1 << 32)
        data, first = bytes(ip.payload), bytes(ip)[:40]
        parts = []
        for at in range(0, len(data), size):
            head = IPv6(first)
            head.plen = None
            parts.append(head / IPv6ExtHdrFragment(nh=ip.nh, id=ident, offset=at // 8, m=int(at + size < len(data))) /
                         Raw(data[at:at + size]))
            parts[-1][IPv6].nh = 44
    link = frame.copy()
    (link[IP] if IP in frame else link[IPv6]).underlayer.remove_payload()
    made = []
    for part in parts:
        whole = Ether(bytes(link) + bytes(part))
        whole.time = frame.time
        made.append(whole)
    return made


def cut(most, order=lambda parts: parts):
    """A change that cuts every datagram into at most so many fragments."""
    def change(frames):
        made = []
        for frame in frames:
            ip = datagram(frame)
            size = max(8, -(-len(bytes(ip.payload)) // most) + 7 & ~7)
            made += order(pieces(frame, size))
        return made
    return change


def rewrite(source, target, change):
    """Read a capture, let change() make a list of frames of its frames, write it."""
    frames = change(list(rdpcap(str(source))))
    wrpcap(str(target), frames)
    return len(frames)


def each(change):
    """A change of every frame by itself."""
    return lambda frames: [change(frame) for frame in frames]
