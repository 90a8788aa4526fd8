# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Debian's Cyrus IMAP and POP3 servers: one master, a file of settings for each set-up."""
from guest import Guest
from network import SERVER_NAME as NAME
from network import address

# debug lets it say of every connection that it came.
SETTINGS = """\
configdirectory: /var/lib/cyrus
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
defaultpartition: default
partition-default: /var/spool/cyrus/mail
servername: {name}
syslog_prefix: cyrus
autocreate_quota: 0
debug: 1
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_mech_list: PLAIN LOGIN CRAM-MD5
"""
TLS = "tls_server_cert: /etc/cyrus/server.pem\ntls_server_key: /etc/cyrus/server.key\n"

# One row per set-up: its name, the end of the settings' name, what they say beyond the above.
SETUPS = [
    ("cyrus", "", TLS + "allowplaintext: yes\n"),
    ("cyrus-notls", "-notls", "allowplaintext: yes\n"),
    ("cyrus-strict", "-strict", TLS + "allowplaintext: no\n"),
]
SERVICES = [("imap", "imapd", 143), ("imaps", "imapd -s", 993), ("pop3", "pop3d", 110), ("pop3s", "pop3d -s", 995)]

MASTER = """\
START {{
  recover cmd="/usr/sbin/cyrus ctl_cyrusdb -r"
}}
SERVICES {{
{services}}}
EVENTS {{
}}
"""


class Cyrus(Guest):
    name = "cyrus"
    listeners = [(host, port) for host, _, _ in SETUPS for _, _, port in SERVICES]

    def serve(self):
        services = ""
        for host, suffix, settings in SETUPS:
            self.root.write(f"/etc/imapd{suffix}.conf", SETTINGS.format(name=NAME) + settings)
            for service, command, port in SERVICES:
                services += (f'  {service}{suffix.replace("-", "")} cmd="{command} -C /etc/imapd{suffix}.conf" '
                             f'listen="{address(host)}:{port}" prefork=0\n')
        self.root.write("/etc/cyrus.conf", MASTER.format(services=services))
        self.copy_certificate("/etc/cyrus", "640", group="mail")
        for folder in ("/run/cyrus", "/run/cyrus/proc", "/run/cyrus/lock", "/run/cyrus/socket"):
            self.root.run("install", "-d", "-o", "cyrus", "-g", "mail", folder)
        for user, word in self.users.items():
            self.root.run("saslpasswd2", "-p", "-c", "-u", NAME, user, input=word)
        self.root.run("chgrp", "sasl", "/etc/sasldb2")
        self.launch("/usr/sbin/cyrmaster", "-d")
