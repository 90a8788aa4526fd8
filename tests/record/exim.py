# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Debian's Exim, with GnuTLS. One daemon; what it does hangs on the address and port that a client called."""
from guest import Guest
from network import SERVER_NAME as NAME
from network import address

HOSTS = ["exim", "exim-notls", "exim-broken"]

# Macros of Exim's own: the settings behind them are read as they stand.
MACROS = """\
MAIL_NAME = {name}
ALL_ADDRESSES = <; {listen}
TO_NOTLS = eq{{$received_ip_address}}{{{notls}}}
TO_BROKEN = eq{{$received_ip_address}}{{{broken}}}
TO_2525 = eq{{$received_port}}{{2525}}
"""

CONFIG = r"""
primary_hostname = MAIL_NAME
local_interfaces = ALL_ADDRESSES
daemon_smtp_ports = 25 : 465 : 587 : 2525
tls_on_connect_ports = 465
smtp_banner = MAIL_NAME ESMTP Exim $version_number $tod_full${if TO_2525{\nWe take\nno bulk mail}}
tls_advertise_hosts = ${if TO_NOTLS{}{*}}
tls_certificate = ${if TO_BROKEN{/none.pem}{/etc/exim4/server.pem}}
tls_privatekey = /etc/exim4/server.key
tls_require_ciphers = NORMAL${if TO_2525{:-GROUP-X25519:-GROUP-FFDHE2048}}
pipelining_connect_advertise_hosts = ${if TO_2525{}{*}}
auth_advertise_hosts = ${if eq{$received_port}{587}{*}}
log_file_path = syslog
syslog_timestamp = false
syslog_duplication = false
log_selector = +incoming_port +smtp_connection +smtp_no_mail +smtp_protocol_error +smtp_syntax_error +tls_sni
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
queue_only
acl_smtp_connect = connect
acl_smtp_rcpt = rcpt
acl_smtp_data = accept

begin acl
connect:
  accept condition = ${if TO_2525}
    delay = 1s
  accept
rcpt:
  accept domains = example.org
  deny

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if eq{$auth3}{${lookup{$auth2}lsearch{/etc/exim4/users}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if eq{$auth2}{${lookup{$auth1}lsearch{/etc/exim4/users}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${lookup{$auth1}lsearch{/etc/exim4/users}{$value}fail}
  server_set_id = $auth1
"""


class Exim(Guest):
    name = "exim"
    listeners = [(host, port) for host in HOSTS for port in (25, 465, 587, 2525)]

    def serve(self):
        listen = " ; ".join(address(host, ip) for host in HOSTS for ip in (4, 6))
        macros = MACROS.format(name=NAME, listen=listen, notls=address("exim-notls"), broken=address("exim-broken"))
        self.root.write("/etc/exim4/exim4.conf", macros + CONFIG)
        self.root.write("/etc/exim4/users", "".join(f"{user}: {word}\n" for user, word in self.users.items()))
        self.copy_certificate("/etc/exim4", "640", group="Debian-exim")
        self.launch("exim4", "-bd")
