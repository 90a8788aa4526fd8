#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What tshark says about the mail in a capture: the independent side of a comparison.

    oracle.py CAPTURE...        prints one JSON object for each capture

For every TCP connection that carried mail, or by its port should have, the answer holds the client's and the
server's address and port, the protocol, the security, whether STARTTLS was asked for, whether it was offered, and
the numbers of the packets that the answer stands on. The words are those of the session record.

Everything is read from tshark: its dissection where it has one, and the payload that it reassembled ("follow") for
the question which of the two sides spoke what first. Nothing here comes from mailtap, and no code is shared with it.

Where tshark is blind, and what is done about it:
- it knows no mail on ports such as 2525 or 225: a first pass looks for payload that begins as a mail server's
  greeting on any port, the second pass tells tshark to decode that port ("-d tcp.port==225,smtp");
- its field for the command cuts STARTTLS to STAR: the whole command line is read instead;
- it calls everything on port 25 SMTP: a protocol is believed only where the first line of a side is one of its lines;
- it may find TLS records in any bytes on a TLS port: TLS is believed only where a handshake message was dissected;
- it reads the lines of an IMAP literal as commands: a command counts only if its tag was answered;
- a line after DATA may look like a command: tshark follows DATA and BDAT, and marks no command inside them.
"""
import json
import re
import subprocess
import sys

PORTS = {25: "smtp", 587: "smtp", 2525: "smtp", 465: "smtp", 143: "imap", 993: "imap", 110: "pop3", 995: "pop3"}
IMPLICIT = {465, 993, 995}
KNOWN_TO_TSHARK = PORTS.keys() - {2525}
DISSECTOR = {"smtp": "smtp", "imap": "imap", "pop3": "pop"}

FOLLOWED_AT_ONCE = 4  # connections whose payload the first run prints; a further one costs a run of its own
SEPARATOR = "\x1f"  # between two values of one field in one packet; no value holds it
FIELDS = [
    "frame.number", "frame.protocols", "tcp.stream", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport",
    "tcp.dstport", "tcp.flags.syn", "tcp.flags.ack", "tcp.len", "tcp.payload", "smtp.command_line",
    "smtp.response.code", "smtp.rsp.parameter", "imap.line", "imap.request.command", "pop.request.command",
    "pop.response.indicator", "tls.record.content_type", "tls.record.opaque_type", "tls.record.length",
    "tls.handshake.type", "tls.handshake.extensions.supported_version", "tls.handshake.extensions_alpn_str"]

# The first line of a server, by protocol. FTP, NNTP and SMTP share the form of their replies; see is_ftp().
SERVER_LINE = {
    "smtp": re.compile(rb"(220|250|354|221|4\d\d|5\d\d|235|334)([ -]|\r?\n)"),
    "imap": re.compile(rb"\* ?(OK|PREAUTH|BYE|CAPABILITY)\b|\S+ (OK|NO|BAD)\b", re.I),
    "pop3": re.compile(rb"(\+OK|-ERR)\b|\+OK\r?\n", re.I)}
CLIENT_LINE = {
    "smtp": re.compile(rb"\s*(EHLO|HELO|MAIL FROM|RCPT TO|STARTTLS|X-ANONYMOUSTLS|AUTH|QUIT|RSET|NOOP|DATA|BDAT)\b",
                       re.I),
    "imap": re.compile(rb"\S+ (CAPABILITY|LOGIN|STARTTLS|AUTHENTICATE|ID|NOOP|LOGOUT|SELECT|UID)\b", re.I),
    "pop3": re.compile(rb"(USER|PASS|APOP|CAPA|STLS|AUTH|QUIT|STAT|LIST|RETR)\b", re.I)}
GREETING = {
    "smtp": re.compile(rb"220[ -].*(SMTP|MAIL|Postfix|Exim)", re.I),
    "imap": re.compile(rb"\* (OK|PREAUTH)\b", re.I),
    "pop3": re.compile(rb"\+OK .*(POP|ready|Dovecot|<\S+@\S+>)", re.I)}
# What a client of another protocol says, whatever the server's greeting looked like.
OTHER_CLIENT = re.compile(rb"USER \S+\r?\n.*\b230\b|GET /|POST /|SSH-|FEAT\r?\n|PASV|EPSV|PORT |MODE READER",
                          re.I | re.S)
MAIL_ALPN = {"smtp", "imap", "pop3"}
ASKS_TLS = {
    "smtp": re.compile(r"\s*(STARTTLS|X-ANONYMOUSTLS)\s*(\\r|\\n|$)", re.I),
    "imap": re.compile(r"STARTTLS$", re.I),
    "pop3": re.compile(r"STLS$", re.I)}


def run_tshark(path, arguments):
    """What tshark prints. A capture that is cut short or damaged is read up to there; anything else is a fault here."""
    command = ["tshark", "-n", "-r", path, "-o", "tcp.reassemble_out_of_order:TRUE", *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode and not re.search(rb"cut short|damaged|corrupt|isn't supported", done.stderr):
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode('utf-8', 'replace')}")
    return done.stdout


def read_capture(path, decode_as):
    """The capture's packets whose innermost header is TCP, and the payload of its first connections.

    A packet is a dictionary; a field's value is the list of its occurrences. Payload is what read_payloads() gives."""
    arguments = ["-2", "-Y", "tcp.stream && !icmp && !icmpv6", "-T", "fields", "-E", "separator=/t",
                 "-E", "aggregator=" + SEPARATOR, *follow(range(FOLLOWED_AT_ONCE))]
    for field in FIELDS:
        arguments += ["-e", field]
    for port, protocol in sorted(decode_as.items()):
        arguments += ["-d", f"tcp.port=={port},{DISSECTOR[protocol]}"]
    text = run_tshark(path, arguments).decode("utf-8", "replace")
    rows, ruler, rest = text.partition("\n" + "=" * 67 + "\n")
    packets = []
    for line in rows.split("\n"):
        values = line.rstrip("\r").split("\t")
        packet = {name: value.split(SEPARATOR) if value else [] for name, value in zip(FIELDS, values)}
        if packet.get("tcp.flags.syn"):  # a fragment may hold the ports and nothing more of the header
            packets.append(packet)
    return packets, read_payloads(ruler + rest)


def follow(streams):
    return [word for number in streams for word in ("-z", f"follow,tcp,raw,{number}")]


def read_payloads(text):
    """{stream: (first node, its payload, the other node's payload)} as tshark put the segments together."""
    found = {}
    for section in re.split(r"={60,}\n", text):
        number = re.search(r"^Filter: tcp\.stream eq (\d+)$", section, re.M)
        node = re.search(r"^Node 0: (.*)$", section, re.M)
        if number and node:
            lines = re.findall(r"^(\t?)([0-9a-f]+)$", section, re.M)
            found[int(number[1])] = (node[1].strip(), *(b"".join(bytes.fromhex(data) for tab, data in lines
                                                               if bool(tab) == is_second) for is_second in (False, True)))
    return found


def addresses(packet):
    """Source and destination of the innermost IP header: the last address of the last IP protocol in the packet."""
    layers = packet["frame.protocols"][0].split(":")
    is_v6 = "ipv6" in layers and layers[::-1].index("ipv6") < (layers[::-1].index("ip") if "ip" in layers else 999)
    family = "ipv6" if is_v6 else "ip"
    return packet[family + ".src"][-1], packet[family + ".dst"][-1]


class Stream:
    """One TCP connection as tshark numbers them, with the packets of both directions in the order of the capture."""

    def __init__(self, number):
        self.number = number
        self.packets = []
        self.is_from_client = []
        self.has_syn = False
        self.has_syn_ack = False

    def add(self, packet):
        self.packets.append(packet)
        if packet["tcp.flags.syn"][-1] in ("1", "True"):
            self.has_syn_ack |= packet["tcp.flags.ack"][-1] in ("1", "True")
            self.has_syn |= packet["tcp.flags.ack"][-1] not in ("1", "True")

    def choose_sides(self):
        """The sender of a SYN is the client; else who answers from a mail port, or greets, is the server."""
        first = self.packets[0]
        ends = [(*addresses(first)[:1], int(first["tcp.srcport"][-1])), (addresses(first)[1], int(first["tcp.dstport"][-1]))]
        server = None
        for packet in self.packets:
            if packet["tcp.flags.syn"][-1] in ("1", "True"):
                is_answer = packet["tcp.flags.ack"][-1] in ("1", "True")
                server = (addresses(packet)[0 if is_answer else 1],
                          int(packet["tcp.srcport" if is_answer else "tcp.dstport"][-1]))
                break
        if server is None:
            known = [end for end in ends if end[1] in PORTS]
            greets = [(addresses(p)[0], int(p["tcp.srcport"][-1])) for p in self.packets
                      if any(rule.match(payload(p)) for rule in GREETING.values())]
            server = (known + greets + [min(ends, key=lambda end: end[1])])[0]
        self.server = server
        self.client = ends[1] if ends[0] == server else ends[0]
        self.is_from_client = [(addresses(p)[0], int(p["tcp.srcport"][-1])) == self.client for p in self.packets]

    def side(self, from_client):
        return [p for p, mine in zip(self.packets, self.is_from_client) if mine == from_client]


def payload(packet):
    return bytes.fromhex(packet["tcp.payload"][-1]) if packet["tcp.payload"] else b""


def group_streams(packets):
    streams = {}
    for packet in packets:
        number = int(packet["tcp.stream"][-1])
        streams.setdefault(number, Stream(number)).add(packet)
    for stream in streams.values():
        stream.choose_sides()
    return list(streams.values())


def payloads_of(path, stream, payloads):
    """The whole payload of the client and of the server."""
    if stream.number not in payloads:
        payloads.update(read_payloads(run_tshark(path, ["-q", *follow([stream.number])]).decode("ascii", "replace")))
    node, first, second = payloads[stream.number]
    address, port = stream.client
    is_client_first = node == (f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
    return (first, second) if is_client_first else (second, first)


def find_greetings(streams):
    """Ports without a name that greet as a mail server: {port: protocol}."""
    found = {}
    for stream in streams:
        port = stream.server[1]
        for packet in stream.side(False):
            data = payload(packet)
            if not data:
                continue
            for protocol, rule in GREETING.items():
                if rule.match(data):
                    found[port] = protocol
            break
    return found


def alpn_of(stream):
    """The protocols that the client named in its TLS hello."""
    return {name for p in stream.side(True) for name in p["tls.handshake.extensions_alpn_str"]}


def is_other_protocol(stream, client, server):
    """A service that shares the form of SMTP's or POP3's replies, such as FTP and LMTP, or TLS for something else."""
    names = alpn_of(stream)
    if (names and not names & MAIL_ALPN) or re.match(rb"LHLO ", client, re.I):
        return True
    if re.match(rb"220[ -][^\r\n]*(FTP|FileZilla)", server, re.I) or re.search(rb"^(331|230|227|229) ", server, re.M):
        return True
    return bool(OTHER_CLIENT.match(client)) and not any(rule.match(server) for rule in GREETING.values())


def numbers(packets):
    return [int(packet["frame.number"][0]) for packet in packets]


def is_tls_13(stream):
    return any("2" in p["tls.handshake.type"] and "0x0304" in p["tls.handshake.extensions.supported_version"]
               for p in stream.side(False))


def has_finished(side, is_13):
    """The side sent what only a finished handshake lets it send.

    Up to TLS 1.2 that is ChangeCipherSpec. In TLS 1.3 it means nothing: there an encrypted record must be long enough
    for Finished (RFC 8446 4.4.4: 4 bytes of header, 32 of hash, 1 of type, 16 of tag), which an alert is not."""
    for packet in side:
        encrypted = "23" in packet["tls.record.content_type"] + packet["tls.record.opaque_type"]
        if encrypted and max(map(int, packet["tls.record.length"])) >= 4 + 32 + 1 + 16:
            return True
        if not is_13 and "20" in packet["tls.record.content_type"]:
            return True
    return False


def tls_of(stream):
    """The packets with a hello of either side, and whether every side that was seen finished its handshake."""
    is_13 = is_tls_13(stream)
    hellos, is_finished = [], True
    for from_client, handshake_type in ((True, "1"), (False, "2")):
        side = stream.side(from_client)
        own = [p for p in side if handshake_type in p["tls.handshake.type"]]
        hellos += own
        is_finished &= not side or bool(own and has_finished(side, is_13))
    return hellos, is_finished and bool(hellos)


def requests_of(stream, protocol, server):
    """Packets in which the client asked for TLS in clear. tshark reads the lines of an IMAP literal as commands, so an
    IMAP command counts only if the server, where it is seen, answered its tag."""
    field = {"smtp": "smtp.command_line", "imap": "imap.request.command", "pop3": "pop.request.command"}[protocol]
    asked = [p for p in stream.side(True) if any(ASKS_TLS[protocol].match(value) for value in p[field])]
    if protocol != "imap" or not server:
        return asked
    return [p for p in asked if any(re.search(rb"^" + re.escape(tag.encode()) + rb" (OK|NO|BAD)\b", server, re.M | re.I)
                                    for tag in starttls_tags(p))]


def starttls_tags(packet):
    return {line.split(" ")[0] for line in packet["imap.line"] if re.search(r" STARTTLS\s*(\\|$)", line, re.I)}


def acceptance_of(stream, protocol, request):
    """The place in stream.packets of the server's yes to the request for TLS, None where it was not seen."""
    first = stream.packets.index(request)
    tags = starttls_tags(request)
    for place in range(first + 1, len(stream.packets)):
        packet = stream.packets[place]
        if stream.is_from_client[place]:
            continue
        if protocol == "smtp" and "220" in packet["smtp.response.code"]:
            return place
        if protocol == "imap" and any(re.match(re.escape(tag) + " OK", line, re.I)
                                      for tag in tags for line in packet["imap.line"]):
            return place
        if protocol == "pop3" and packet["pop.response.indicator"]:
            return place if packet["pop.response.indicator"][0] == "+OK" else None
    return None


def has_text_after(stream, place):
    """The client went on in clear: payload behind the acceptance in which tshark finds no TLS."""
    return any(mine and payload(packet) and not (packet["tls.record.content_type"] or packet["tls.record.length"])
               and packet["smtp.command_line"] + packet["imap.line"] + packet["pop.request.command"]
               for packet, mine in list(zip(stream.packets, stream.is_from_client))[place + 1:])


def offers_of(stream, protocol, server):
    """Packets in which the server named STARTTLS as a capability; for POP3 tshark shows no field that tells a
    capability from a line of a message, and the payload is read: a line STLS in an answer that begins with +OK."""
    if protocol == "smtp":
        return [p for p in stream.side(False) if "250" in p["smtp.response.code"]
                and any(re.match(r"STARTTLS\b", value, re.I) for value in p["smtp.rsp.parameter"])]
    if protocol == "imap":
        return [p for p in stream.side(False)
                if any(re.search(r"CAPABILITY\b[^\]]*\bSTARTTLS\b", value, re.I) for value in p["imap.line"])]
    if not re.search(rb"^\+OK[^\n]*\n([A-Z][^\n]*\n)*STLS\s*$", server, re.M | re.I):
        return []
    return [p for p in stream.side(False) if re.search(rb"^STLS\s*$", payload(p), re.M | re.I)]


def judge(path, stream, decode_as, payloads):
    """The session that this connection should become, or None where it is no mail."""
    port = stream.server[1]
    hinted = PORTS.get(port, decode_as.get(port)) or next(iter(alpn_of(stream) & MAIL_ALPN), None)
    with_payload = [p for p in stream.packets if p["tcp.len"][-1] != "0"]
    if hinted is None or not with_payload:
        return None
    client, server = payloads_of(path, stream, payloads)
    hellos, is_tls = tls_of(stream)
    protocol = next((name for name, rule in SERVER_LINE.items() if rule.match(server)), None)
    from_client = next((name for name, rule in CLIENT_LINE.items() if rule.match(client)), None)
    if protocol == "imap" and from_client == "smtp":  # "tag OK" matches little; the client knows better
        protocol = "smtp"
    if is_other_protocol(stream, client, server):
        return None
    sides_seen = {mine for mine in stream.is_from_client}
    clear = protocol or (from_client if not server else None)
    answer = {"src_ip": stream.client[0], "src_port": stream.client[1], "dest_ip": stream.server[0],
              "dest_port": port, "app_proto": clear or hinted, "stream": stream.number}
    evidence = numbers(with_payload[:1])
    requested = requests_of(stream, clear, server) if clear else []
    offered = offers_of(stream, clear, server) if clear else []

    place = acceptance_of(stream, clear, requested[0]) if requested else None
    if is_tls and (requested or not clear):
        answer["security"] = "starttls" if requested else "implicit_tls"
        evidence = numbers(hellos[:1])
    elif place is not None:
        answer["security"] = "cleartext" if has_text_after(stream, place) else "unknown"
        evidence = numbers(stream.packets[place:place + 1])
    elif clear and (server or False not in sides_seen):
        is_client_alone_on_tls_port = not server and port in IMPLICIT
        answer["security"] = "unknown" if is_client_alone_on_tls_port else "cleartext"
    elif clear or hellos:
        answer["security"] = "unknown"
    elif not stream.has_syn and not stream.has_syn_ack:
        answer["security"] = "unknown"  # begun before the capture, and nothing in it that can be recognised
    else:
        return None
    answer["requested"] = None if answer["security"] == "implicit_tls" else bool(requested)
    answer["offered"] = bool(offered)
    answer["packets"] = sorted(set(evidence + numbers(requested[:1]) + numbers(offered[:1])))
    return answer


def in_short(session):
    """The part of an answer that is compared."""
    return {"app_proto": session["app_proto"], "security": session["security"],
            "requested": bool(session["requested"]), "offered": session["offered"]}


def examine(path):
    """All mail sessions of one capture, in tshark's order of connections, and the connections that are no mail."""
    packets, payloads = read_capture(path, {})
    streams = group_streams(packets)
    found = {port: name for port, name in find_greetings(streams).items() if port not in KNOWN_TO_TSHARK}
    if found:
        packets, payloads = read_capture(path, found)
        streams = group_streams(packets)
    sessions = [answer for answer in (judge(path, stream, found, payloads) for stream in streams) if answer]
    return {"capture": path, "connections": len(streams), "sessions": sessions}


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__)
    for path in arguments:
        print(json.dumps(examine(path)))


if __name__ == "__main__":
    main(sys.argv[1:])
