# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""A copy of this system in which other packages are installed, and which leaves nothing behind.

Debian's mail servers exclude one another, insist on their places in the file system and bring users of their own. So
each gets a root: the system's own files below, a tmpfs above that takes whatever is written (overlayfs), in a mount
namespace of its own. apt-get installs into it as it would into the system, which sees none of it. All that runs in the
root shares a process namespace, whose first process ends with this one's end of a pipe, and takes the others with it.
"""
import os
import pathlib
import socket
import subprocess
import threading

SHARED = ["/usr", "/var", "/etc"]  # overlayfs shows one file system, not what is mounted in it
DEVICES = "full null random urandom zero"
# Debian's own way to keep a package's scripts from starting what they install.
POLICY = "#!/bin/sh\nexit 101\n"

# $0 the place of the root, $1 the folder that it shares with the system. It says "made" from within: what is written
# to /proc/PID/root before that would land in the system itself.
MAKE = f"""
set -e
mount -t tmpfs -o mode=755 tmpfs "$0"
cd "$0"
mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
mount -t proc proc root/proc
mount -t tmpfs -o mode=755 tmpfs root/dev
mkdir -m 1777 root/dev/shm
for device in {DEVICES}; do
    touch "root/dev/$device"
    mount --bind "/dev/$device" "root/dev/$device"
done
ln -s /proc/self/fd root/dev/fd
ln -s fd/0 root/dev/stdin
mkdir -p "root$1"
mount --bind "$1" "root$1"
exec chroot root sh -c "echo made; exec cat"
"""


class Root:
    """log is where the syslog of its programs goes, line by line."""

    def __init__(self, folder, name):
        self.name, self.folder = name, pathlib.Path(folder)
        self.log = self.folder / f"{name}.log"
        self.process = self.listener = None

    def start(self):
        if mounted := [path for path in SHARED if os.path.ismount(path)]:
            raise RuntimeError(f"{self.name}: {' '.join(mounted)} would have to be on the file system of /")
        place = self.folder / f"{self.name}.root"
        place.mkdir()
        self.process = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "sh", "-c", MAKE, place, self.folder],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.process.stdout.readline() != b"made\n":
            raise RuntimeError(f"{self.name} gets no root: {self.process.communicate()[1].decode()}")
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.first = children.read_text().strip()
        self._listen(f"/proc/{self.first}/root/dev/log")

    def stop(self):
        if self.process:
            self.process.stdin.close()  # the first process ends, and the kernel ends the others
            self.process.wait()
        if self.listener:
            self.socket.shutdown(socket.SHUT_RD)
            self.listener.join()

    def _listen(self, place):
        self.log.touch()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(place)
        os.chmod(place, 0o666)
        self.listener = threading.Thread(target=self._write, daemon=True)
        self.listener.start()

    def _write(self):
        with open(self.log, "ab", buffering=0) as file:
            while line := self.socket.recv(65536):
                file.write(line.partition(b">")[2].rstrip(b"\0\n") + b"\n")

    def inside(self, *command):
        """The command that runs this one in the root; the network stays the caller's."""
        return ["nsenter", "--target", self.first, "--mount", "--pid", "--root", "--wd", *map(str, command)]

    def run(self, *command, **more):
        done = subprocess.run(self.inside(*command), capture_output=True, text=True, check=False, **more)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(map(str, command))}: {done.stdout}{done.stderr}")
        return done.stdout

    def write(self, path, text, mode="644", owner="root", group="root"):
        # From within: an absolute link on the way would lead out of the root.
        self.run("install", "-D", "-m", mode, "-o", owner, "-g", group, "/dev/stdin", path, input=text)

    def install(self, packages):
        self.write("/usr/sbin/policy-rc.d", POLICY, mode="755")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        self.run("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages, env=environment)
