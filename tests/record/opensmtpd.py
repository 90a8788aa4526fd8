# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Debian's OpenSMTPD. It offers STARTTLS and accepts it, and then no handshake of it succeeds.

6.8.0p2 keeps the key in another process and hooks into OpenSSL in a way that OpenSSL 3 has no more: the process that
talks to clients "misses" the private key, whichever kind it is. So it takes no password either, which it would do
inside TLS alone.
"""
from guest import Guest
from network import SERVER_NAME as NAME
from network import address

CONFIG = """\
pki {name} cert "/etc/server.pem"
pki {name} key "/etc/server.key"
table words file:/etc/words
action away relay
match from any for domain example.org action away
"""

# Set-up, port, options.
LISTENERS = [
    ("opensmtpd", 25, "tls pki {name}"),
    ("opensmtpd", 587, "tls pki {name} auth-optional <words>"),
    ("opensmtpd", 465, "smtps pki {name} auth-optional <words>"),
    ("opensmtpd-notls", 25, ""),
    ("opensmtpd-strict", 25, "tls-require pki {name}"),
]


class OpenSmtpd(Guest):
    name = "opensmtpd"
    listeners = [(host, port) for host, port, _ in LISTENERS]

    def serve(self):
        lines = [f"listen on {address(host)} port {port} {options} hostname {{name}}\n"
                 for host, port, options in LISTENERS]
        # The lines of the listeners name the keys and the table: these come first.
        self.root.write("/etc/smtpd.conf", (CONFIG + "".join(lines)).format(name=NAME))
        words = [f"{user} {self.root.run('smtpctl', 'encrypt', word)}" for user, word in self.users.items()]
        self.root.write("/etc/words", "".join(words), "640", group="opensmtpd")
        self.copy_certificate("/etc", "600")
        self.launch("smtpd")
