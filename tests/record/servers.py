# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Debian's Postfix and Dovecot with settings of their own, started inside the servers' namespace.

Every path lies in the recorder's temporary folder; the system's own mail configuration is neither
read nor written. What is started here is stopped here, by its process id.
"""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time

from courier import Courier
from cyrus import Cyrus
from exim import Exim
from network import BEYOND
from network import SERVER_NAME as NAME
from network import address, run
from opensmtpd import OpenSmtpd
from wait import wait_for

BANNER = f"{NAME} ESMTP Postfix (Debian/GNU)"


def make_certificates(folder, authority="Example Test CA"):
    """A small authority and one server certificate; clients that check know neither."""
    def openssl(*words):
        run("openssl", *words)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
    openssl("req", "-x509", *curve, "-days", "3650", "-subj", f"/O=Example/CN={authority}",
            "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem")
    openssl("req", *curve, "-subj", f"/O=Example/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
            "-keyout", f"{folder}/server.key", "-out", f"{folder}/server.csr")
    openssl("x509", "-req", "-in", f"{folder}/server.csr", "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key",
            "-CAcreateserial", "-days", "3650", "-copy_extensions", "copy", "-out", f"{folder}/server.pem")


# One row per listener: address, port, options of smtpd(8) beside those of main.cf.
AUTH = ["smtpd_sasl_auth_enable=yes"]
LISTENERS = [
    ("main", 25, []),
    ("main", 587, AUTH),
    ("main", 2525, []),
    ("main", 465, AUTH + ["smtpd_tls_wrappermode=yes"]),
    ("notls", 25, ["smtpd_tls_security_level=none"]),
    ("notls", 587, AUTH + ["smtpd_tls_security_level=none"]),
    ("broken", 25, ["smtpd_tls_cert_file=$config_directory/none.pem", "smtpd_tls_key_file=$config_directory/none.pem"]),
    ("notls", 465, ["smtpd_tls_security_level=none"]),
    ("tls13", 25, ["smtpd_tls_protocols=>=TLSv1.3", "smtpd_tls_mandatory_protocols=>=TLSv1.3"]),
    ("strict", 25, ["smtpd_tls_security_level=encrypt"]),
    ("strict", 587, AUTH + ["smtpd_tls_auth_only=yes"]),
    # Without delay_reject the client restrictions run before the greeting, and sleep is one of them.
    ("strict", 2525, ["smtpd_tls_wrappermode=yes"]),
    ("more", 25, ["smtpd_upstream_proxy_protocol=haproxy"]),
    ("slow", 25, ["smtpd_delay_reject=no", "{ smtpd_client_restrictions = sleep 3 }"]),
]

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/lib
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {root}/log
maillog_file_prefixes = {root}
myhostname = {name}
mydestination =
mynetworks = 127.0.0.0/8
relay_domains = example.org
relay_transport = discard:
default_transport = discard:
smtpd_banner = {banner}
smtpd_peername_lookup = no
smtpd_client_port_logging = yes
smtpd_error_sleep_time = 0
smtpd_forbid_unauth_pipelining = no
smtpd_tls_security_level = may
smtpd_tls_cert_file = {tls}/server.pem
smtpd_tls_key_file = {tls}/server.key
smtpd_tls_loglevel = 1
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
postscreen_greet_wait = 2s
postscreen_greet_banner = {name} please wait
postscreen_access_list =
"""

MASTER_CF = """\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
smtpd pass - - n - - smtpd
tlsproxy unix - - n - 0 tlsproxy
dnsblog unix - - n - 0 dnsblog
"""


class Postfix:
    def __init__(self, network, folder, tls, auth, settings):
        self.root = pathlib.Path(folder)
        self.log = self.root / "log"
        for name in ("etc", "spool", "lib"):
            (self.root / name).mkdir(parents=True)
        shutil.chown(self.root / "lib", "postfix")
        (self.root / "etc/main.cf").write_text(
            MAIN_CF.format(root=self.root, name=NAME, banner=BANNER, tls=tls, auth=auth) + settings)
        (self.root / "etc/master.cf").write_text(MASTER_CF + "".join(self._listeners()))
        self.command = network.on_server("postfix", "-c", str(self.root / "etc"))

    @staticmethod
    def _listeners():
        rows = [(address(host, ip), port, options) for host, port, options in LISTENERS for ip in (4, 6)]
        rows.append((BEYOND, 25, []))
        for where, port, options in rows:
            where = f"[{where}]" if ":" in where else where
            text = "".join(f" -o {option}" for option in options)
            yield f"{where}:{port} inet n - n - - smtpd{text}\n"
        yield f"{address('screen')}:25 inet n - n - 1 postscreen\n"

    def start(self):
        result = run(*self.command, "start", check=False)
        if result.returncode:
            raise RuntimeError(f"Postfix does not start: {result.stderr}")
        wait_for("Postfix", lambda: self.log.exists() and "daemon started" in self.log.read_text())

    def stop(self):
        pid = self.root / "spool/pid/master.pid"
        run(*self.command, "stop", check=False)
        if pid.exists() and pathlib.Path(f"/proc/{pid.read_text().strip()}/comm").exists():
            os.kill(int(pid.read_text()), signal.SIGKILL)


DOVECOT_CF = """\
base_dir = {root}/run
state_dir = {root}/state
instance_name = {name}
log_path = {root}/log
hostname = {host}
listen = {listen}
protocols = imap pop3
ssl = yes
ssl_cert = <{tls}/server.pem
ssl_key = <{tls}/server.key
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5
auth_failure_delay = 0
login_log_format_elements = user=<%u> method=%m rip=%r rport=%b lip=%l lport=%a %c %k
mail_location = maildir:{mail}/%u
mail_privileged_group =
passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%u {users}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={mail}/%u
}}
service auth {{
  unix_listener {root}/auth {{
    mode = 0660
    user = postfix
  }}
}}
service imap-login {{
  inet_listener imap-other {{
    port = 1143
  }}
  inet_listener imaps-other {{
    port = 10993
    ssl = yes
  }}
}}
"""

OTHER_PROTOCOLS = """\
protocols = imap pop3 sieve lmtp
service managesieve-login {
  inet_listener sieve {
    port = 4190
  }
}
service lmtp {
  inet_listener lmtp {
    port = 24
  }
}
"""

MORE = """\
auth_mechanisms = plain login cram-md5 apop
protocol imap {
  mail_plugins = zlib imap_zlib
}
service lmtp {
  inet_listener lmtp-on-smtp {
    port = 2525
  }
}
"""

# One row per instance: name, addresses, settings beside those of DOVECOT_CF.
INSTANCES = [
    ("main", [address("main"), address("main", 6), BEYOND], OTHER_PROTOCOLS),
    ("notls", [address("notls"), address("notls", 6)], OTHER_PROTOCOLS + "ssl = no\n"),
    ("tls13", [address("tls13")], OTHER_PROTOCOLS + "ssl_min_protocol = TLSv1.3\n"),
    ("strict", [address("strict")], OTHER_PROTOCOLS + "disable_plaintext_auth = yes\n"),
    ("more", [address("more")], OTHER_PROTOCOLS + MORE),
]


class Dovecot:
    def __init__(self, network, folder, name, listen, settings, tls, mail, users):
        self.root = pathlib.Path(folder)
        self.log = self.root / "log"
        (self.root / "run").mkdir(parents=True)
        (self.root / "state").mkdir()
        text = DOVECOT_CF.format(root=self.root, name=name, host=NAME, listen=", ".join(listen), tls=tls, mail=mail,
                                 users=users)
        (self.root / "dovecot.conf").write_text(text + settings)
        self.command = network.on_server("dovecot", "-F", "-c", str(self.root / "dovecot.conf"))

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"Dovecot does not start: {self.process.stderr.read().decode()}")
        return self.log.exists() and "starting up" in self.log.read_text()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


GUESTS = {guest.name: guest for guest in (Courier, Cyrus, Exim, OpenSmtpd)}


class Servers:
    """All of them; lines() gives what they logged since the last mark(). A guest starts when it is needed.

    instances: Dovecot's. settings: Postfix's, beside those of MAIN_CF.
    """

    def __init__(self, network, folder, users, instances=INSTANCES, settings=""):
        self.network, self.folder, self.users = network, pathlib.Path(folder), users
        self.mail = self.folder / "mail"
        self.mail.mkdir()
        owner = pwd.getpwnam("nobody")
        os.chown(self.mail, owner.pw_uid, owner.pw_gid)
        self.tls = tls = self.folder / "tls"
        tls.mkdir()
        make_certificates(tls)
        (self.folder / "other-tls").mkdir()
        make_certificates(self.folder / "other-tls", "Another Test CA")  # of the man in the middle
        accounts = self.folder / "users"
        accounts.write_text("".join(f"{user}:{{PLAIN}}{word}\n" for user, word in users.items()))
        self.dovecots = [Dovecot(network, self.folder / f"dovecot-{name}", name, listen, more, tls, self.mail,
                                 accounts) for name, listen, more in instances]
        self.postfix = Postfix(network, self.folder / "postfix", tls, self.dovecots[0].root / "auth", settings)
        self.logs = [server.log for server in (self.postfix, *self.dovecots)]
        self.marks = {}
        self.guests = {}

    def __enter__(self):
        self.started = []
        try:
            for server in (*self.dovecots, self.postfix):
                self.started.append(server)
                server.start()
            for server in self.dovecots:
                wait_for(f"Dovecot at {server.root.name}", server.ready)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in reversed(self.started):
            server.stop()

    def need(self, name):
        if name not in self.guests:
            guest = self.guests[name] = GUESTS[name](self.network, self.folder, self.tls, self.users)
            self.started.append(guest)
            guest.start()
            self.logs.append(guest.log)

    def mark(self):
        self.marks = {log: log.stat().st_size for log in self.logs}

    def lines(self):
        found = []
        for log in self.logs:
            with open(log, errors="replace") as file:
                file.seek(self.marks.get(log, 0))
                found += file.read().splitlines()
        return found

    def fill_box(self, user, mails):
        """The user's mailbox holds exactly these new mails."""
        box = self.mail / user
        shutil.rmtree(box, ignore_errors=True)
        owner = pwd.getpwnam("nobody")
        for folder in (box, box / "cur", box / "new", box / "tmp"):
            folder.mkdir()
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        for number, text in enumerate(mails):
            path = box / "new" / f"{int(time.time())}.{number}.{socket.gethostname()}"
            path.write_bytes(text.replace("\n", "\r\n").encode())
            os.chown(path, owner.pw_uid, owner.pw_gid)
