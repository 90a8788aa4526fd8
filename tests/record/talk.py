#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Speaks a written dialogue on a TCP connection, where no ready-made client says what a scenario needs.

    talk.py client ADDRESS PORT STEP...
    talk.py server ADDRESS PORT STEP...      one connection, then it ends

Steps:
    < TEXT      read lines until one begins with TEXT
    > LINE      send the line and CRLF
    >> BYTES    send as it stands, with \\r \\n and \\xNN, in one segment
    ! tls [1.2|1.3] [sni=NAME] [alpn=NAME]    TLS handshake; certificates are not checked
    ! sleep SECONDS
    ! reset     close with RST
    ! wait      read until the other side closes
{port} in a step stands for this side's own port.
The lines of the other side are printed as "S: ..." before TLS, so that the recorder knows the greeting, and a client's
own port as "port: N", for servers that log none.
"""
import socket
import ssl
import struct
import sys
import time

TIMEOUT = 15
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Talk:
    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(TIMEOUT)
        self.held = b""
        self.port = sock.getsockname()[1]

    def read_line(self):
        while b"\n" not in self.held:
            got = self.sock.recv(65536)
            if not got:
                raise EOFError("the other side closed")
            self.held += got
        line, _, self.held = self.held.partition(b"\n")
        self.show(line.decode(errors="replace").rstrip("\r"))
        return line

    @staticmethod
    def show(line):
        print("S:", line, flush=True)

    def expect(self, text):
        while not self.read_line().startswith(text.encode()):
            pass

    def tls(self, words):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        sni = None
        for word in words:
            if word in VERSIONS:
                context.minimum_version = context.maximum_version = VERSIONS[word]
            elif word.startswith("sni="):
                sni = word[4:]
            elif word.startswith("alpn="):
                context.set_alpn_protocols([word[5:]])
        self.sock = context.wrap_socket(self.sock, server_hostname=sni)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait(self):
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionResetError:  # a close with bytes unread is a reset, and a close all the same
            pass

    def do(self, step):
        kind, _, text = step.replace("{port}", str(self.port)).partition(" ")
        if kind == "<":
            self.expect(text)
        elif kind == ">":
            self.sock.sendall(text.encode() + b"\r\n")
        elif kind == ">>":
            self.sock.sendall(text.encode().decode("unicode_escape").encode("latin-1"))
        else:
            word, *rest = text.split()
            {"tls": lambda: self.tls(rest), "sleep": lambda: time.sleep(float(rest[0])),
             "reset": self.reset, "wait": self.wait}[word]()


def main():
    side, host, port, *steps = sys.argv[1:]
    if side == "client":
        sock = socket.create_connection((host, int(port)), TIMEOUT)
        print("port:", sock.getsockname()[1], flush=True)
    else:
        listener = socket.create_server((host, int(port)), family=socket.AF_INET)
        listener.settimeout(TIMEOUT)
        print("ready", flush=True)
        sock, _ = listener.accept()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    talk = Talk(sock)
    for step in steps:
        talk.do(step)
    talk.sock.close()


if __name__ == "__main__":
    main()
