#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The man in the middle of one connection:  proxy.py PORT MODE FOLDER

Where routes bring it the packets of others (network.py), it takes a connection whatever its address, and speaks to the
server from the client's own address and port: neither side can tell, but for what MODES says is changed. Whole lines
are changed, and whole replies of several, until TLS begins; from then on bytes are passed. Every change is printed for
the recorder, and the server's first line as it was. FOLDER holds the certificate of who breaks TLS open.
"""
import contextlib
import re
import select
import socket
import ssl
import struct
import sys
import time
from dataclasses import dataclass

TIMEOUT = 20
PATIENCE = 0.2  # seconds after which half a line goes on as it is
IP_TRANSPARENT = 19  # linux/in.h; the socket module has no name for it
HANDSHAKE = b"\x16"  # begins a TLS hello (RFC 8446 5.1) and no line
# A reply goes on behind "250-" (RFC 5321 4.2.1).
WHOLE = re.compile(rb"(?:\A|\n)(?!\d{3}-)[^\n]*\n\Z")
# STARTTLS, and how Postfix and Dovecot say yes to it.
SMTP, SMTP_YES = rb"(?m)^STARTTLS\r\n", rb"(?m)^220 2\.0\.0 [^\r]*\r\n"
IMAP, IMAP_YES = rb"(?m)^(\S+) STARTTLS\r\n", rb"(?m)^\S+ OK Begin TLS[^\r]*\r\n"
POP3, POP3_YES = rb"(?m)^STLS\r\n", rb"(?m)^\+OK Begin TLS[^\r]*\r\n"
# What an inspecting firewall knows of an answer to EHLO.
KNOWN = rb"(?:8BITMIME|AUTH|DSN|ENHANCEDSTATUSCODES|ETRN|PIPELINING|SIZE|VRFY)\b"


def stars(match):
    """A greeting as PIX leaves it: of the text, blanks and the digits of the code."""
    return match[1] + re.sub(rb"[^ 20]", b"*", match[2])


def crosses(match):
    """An answer to EHLO whose unknown keywords are written over, the last letter of each counting them."""
    letters = iter(b"ABCDEFGH")
    return match[1] + re.sub(rb"(?m)^(250[ -])(?!" + KNOWN + rb")(\S+)",
                             lambda line: line[1] + b"X" * (len(line[2]) - 1) + bytes([next(letters)]), match[2])


@dataclass
class Change:
    speaker: str
    pattern: bytes
    instead: object = rb"\g<0>"  # what goes on, as re.sub() has it
    answer: bytes = b""  # what the speaker is told in the other side's name
    then: str = ""  # the method of Middle that comes next


MODES = {
    "pass": [],
    "strip": [Change("server", rb"(?m)^250-STARTTLS\r\n", b""),
              Change("server", rb"(?<= )STARTTLS ", b""),
              Change("server", rb"(?m)^STLS\r\n", b"")],
    "mask": [Change("server", rb"\A(220 )([^\r]*)", stars),
             Change("server", rb"\A(250-[^\n]*\n)((?:250[ -][^\n]*\n)+)", crosses)],
    "cross out": [Change("client", SMTP, b"XXXXXXXX\r\n")],
    "make it a noop": [Change("client", SMTP, b"NOOP\r\n")],
    "refuse": [Change("client", SMTP, b"", rb"454 4.7.0 TLS not available\r\n"),
               Change("client", IMAP, b"", rb"\1 NO TLS not available\r\n"),
               Change("client", POP3, b"", rb"-ERR TLS not available\r\n")],
    "inject a command": [Change("client", SMTP, rb"\g<0>RSET\r\n"),
                         Change("client", IMAP, rb"\g<0>x1 NOOP\r\n"),
                         Change("client", POP3, rb"\g<0>CAPA\r\n")],
    "inject an answer": [Change("server", SMTP_YES, rb"\g<0>250 2.0.0 Ok\r\n"),
                         Change("server", IMAP_YES, rb"\g<0>* CAPABILITY IMAP4rev1\r\n"),
                         Change("server", POP3_YES, rb"\g<0>+OK\r\n")],
    "reset": [Change("server", yes, then="reset") for yes in (SMTP_YES, IMAP_YES, POP3_YES)],
    "claim a login": [Change("server", rb"\A\* OK [^\r]*", b"* PREAUTH [CAPABILITY IMAP4rev1] Logged in already.")],
    "break open": [Change("server", yes, then="intercept") for yes in (SMTP_YES, IMAP_YES, POP3_YES)],
}


class Middle:
    def __init__(self, client, server, mode, folder):
        self.sockets = {"client": client, "server": server}
        self.held = {"client": b"", "server": b""}  # read, and not passed on
        self.open = {"client", "server"}
        self.mode, self.folder = mode, folder
        self.is_text, self.is_greeted = True, False

    @staticmethod
    def other(side):
        return "server" if side == "client" else "client"

    def change(self, speaker, said):
        """What goes on of what was said, what the speaker is told, and what happens then."""
        answer, then = b"", ""
        for change in MODES[self.mode]:
            match = re.search(change.pattern, said)
            if change.speaker == speaker and match:
                changed = re.sub(change.pattern, change.instead, said)
                answer, then = match.expand(change.answer), change.then
                print(f"proxy, to {self.mode}: from the {speaker} {said!r}, passed on {changed!r}, answered {answer!r}",
                      flush=True)
                said = changed
        return said, answer, then

    def pass_on(self, speaker, is_whole):
        said = self.held[speaker]
        if said.startswith(HANDSHAKE):
            self.is_text = False
        if self.is_text and not is_whole and not WHOLE.search(said):
            return
        self.held[speaker] = b""
        if speaker == "server" and not self.is_greeted:
            print("S:", said.partition(b"\r\n")[0].decode(errors="replace"), flush=True)
            self.is_greeted = True
        onward, answer, then = self.change(speaker, said) if self.is_text else (said, b"", "")
        if onward:
            self.sockets[self.other(speaker)].sendall(onward)
        if answer:
            self.sockets[speaker].sendall(answer)
        if then:
            getattr(self, then)()

    def reset(self):
        time.sleep(PATIENCE)
        for sock in self.sockets.values():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        self.open.clear()

    def intercept(self):
        """TLS with either side, and text in between, which is passed as it is."""
        to_server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        to_server.check_hostname, to_server.verify_mode = False, ssl.CERT_NONE
        to_client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        to_client.load_cert_chain(f"{self.folder}/server.pem", f"{self.folder}/server.key")
        self.sockets["server"] = to_server.wrap_socket(self.sockets["server"])
        self.sockets["client"] = to_client.wrap_socket(self.sockets["client"], server_side=True)
        for sock in self.sockets.values():
            sock.settimeout(0)  # what can be read may be a ticket, with nothing in it to pass on
        self.is_text = False

    def run(self):
        while self.open:
            sides = {self.sockets[side]: side for side in self.open}
            is_held = any(self.held.values())
            ready = select.select(list(sides), [], [], PATIENCE if is_held else TIMEOUT)[0]
            if ready:
                self.read(sides[ready[0]])
            elif is_held:
                for side in filter(self.held.get, self.held):
                    self.pass_on(side, is_whole=True)
            else:
                raise TimeoutError("nobody says anything")

    def read(self, speaker):
        try:
            said = self.sockets[speaker].recv(65536)
        except ssl.SSLWantReadError:
            return
        except ConnectionResetError:
            self.reset()
            return
        self.held[speaker] += said
        if self.held[speaker]:
            self.pass_on(speaker, is_whole=not said)
        if not said and self.open:
            self.close(speaker)

    def close(self, speaker):
        self.open.discard(speaker)
        if isinstance(self.sockets[speaker], ssl.SSLSocket):
            self.open.clear()  # TLS has no half of an end
        else:
            with contextlib.suppress(OSError):  # that side may be gone already
                self.sockets[self.other(speaker)].shutdown(socket.SHUT_WR)


def transparent(where):
    """A socket with an address that need not be one of this system's."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(where)
    sock.settimeout(TIMEOUT)
    return sock


def main():
    port, mode, folder = sys.argv[1:]
    listener = transparent(("", int(port)))
    listener.listen()
    print("proxy listens", flush=True)
    client, caller = listener.accept()
    listener.close()
    server = transparent(caller)
    server.connect(client.getsockname())
    for sock in (client, server):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    Middle(client, server, mode, folder).run()
    client.close()
    server.close()


if __name__ == "__main__":
    main()
