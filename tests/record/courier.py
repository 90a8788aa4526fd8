# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Debian's Courier: IMAP, POP3 and ESMTP servers, started once for each set-up.

Their settings are shell variables, read when they start, so the files of the next set-up can take the place of the last
one's. The queue is not served: what esmtpd accepts stays where it is.
"""
from guest import Guest
from network import SERVER_NAME as NAME
from network import address

# The second of two files that a program reads wins: what counts for both programs stands in both.
SETTINGS = """
ADDRESS={address}
SSLADDRESS={address}
PIDFILE=/run/courier/{program}-{host}.pid
SSLPIDFILE=/run/courier/{program}-{host}-tls.pid
TLS_CERTFILE=/etc/courier/server.pem
TCPDOPTS="$TCPDOPTS -nodnslookup"
IMAP_CAPABILITY="${{IMAP_CAPABILITY% AUTH=PLAIN *}} AUTH=PLAIN AUTH=CRAM-MD5"
POP3AUTH="PLAIN LOGIN CRAM-MD5"
ESMTPAUTH="PLAIN LOGIN CRAM-MD5"
ESMTP_LOG_DIALOG=1
BOFHCHECKDNS=0
TARPIT=0
{more}"""

# Set-up, what it says more, programs.
PLAIN_PROGRAMS = ["esmtpd", "imapd", "pop3d"]
TLS_PROGRAMS = ["esmtpd-ssl", "imapd-ssl", "pop3d-ssl"]
SETUPS = [
    ("courier", "", PLAIN_PROGRAMS + TLS_PROGRAMS),
    ("courier-notls", "COURIERTLS=\n", PLAIN_PROGRAMS),
    ("courier-strict", "ESMTP_TLS_REQUIRED=1\nIMAP_TLS_REQUIRED=1\n", PLAIN_PROGRAMS),
]
PORTS = {"esmtpd": 25, "imapd": 143, "pop3d": 110, "esmtpd-ssl": 465, "imapd-ssl": 993, "pop3d-ssl": 995}


class Courier(Guest):
    name = "courier"
    listeners = [(host, PORTS[program]) for host, _, programs in SETUPS for program in programs]

    def serve(self):
        self.root.write("/etc/courier/me", NAME)
        self.root.write("/etc/courier/esmtpacceptmailfor", "example.org\n")
        both = "".join((self.tls / name).read_text() for name in ("server.key", "server.pem"))
        self.root.write("/etc/courier/server.pem", both, "600", owner="courier")
        self.root.run("install", "-d", "-o", "courier", "-g", "courier", "/run/courier", "/run/courier/authdaemon")
        self._add_users()
        for made in ("makeuserdb", "makeacceptmailfor", "makesmtpaccess", "makeimapaccess"):
            self.root.run(made)
        self.launch("authdaemond", "start")
        shipped = {program: self.root.run("cat", f"/etc/courier/{program}") for program in PORTS}
        for host, more, programs in SETUPS:
            for program, text in shipped.items():
                text += SETTINGS.format(address=address(host), host=host, program=program, more=more)
                self.root.write(f"/etc/courier/{program}", text)
            for program in programs:
                self.launch(program, "start")

    def _add_users(self):
        self.root.run("sed", "-i", 's/^authmodulelist=.*/authmodulelist="authuserdb"/', "/etc/courier/authdaemonrc")
        for user, word in self.users.items():
            home = f"/home/{user}"
            self.root.run("install", "-d", "-o", "nobody", "-g", "nogroup", home)
            self.root.run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "maildirmake",
                          f"{home}/Maildir")
            entry = [f"home={home}", f"mail={home}/Maildir", "uid=65534", "gid=65534"]
            for kind, field in (("-md5", "systempw"), ("-hmac-md5", "hmac-md5pw")):
                entry.append(f"{field}={self.root.run('userdbpw', kind, input=word).strip()}")
            for one in entry:
                self.root.run("userdb", user, "set", one)
        self.root.run("chmod", "700", "/etc/courier/userdb")
