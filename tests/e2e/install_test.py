#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""A program of somebody else's builds against the installed library, and reads the counters of a replay.

It is given what `meson install` lays down and what pkg-config says of it, nothing of the source tree; once with the
shared library and once with the static one.
"""
import os
import pathlib
import shutil
import subprocess
import sys

import common
import craft

SAMPLE = pathlib.Path(__file__).with_name("counters_sample.c")


def call(*command, **environment):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                          env={**os.environ, **environment})
    if done.returncode != 0:
        sys.exit(f"FAIL {command}: {done.stderr.strip()[-500:] or done.stdout.strip()[-500:]}")
    return done.stdout


def flags_of(root, *options):
    """What pkg-config says under the installed tree alone."""
    folder = next(root.rglob("mailtap-counters.pc")).parent
    return call("pkg-config", *options, "mailtap-counters", PKG_CONFIG_LIBDIR=str(folder), PKG_CONFIG_PATH="",
                PKG_CONFIG_SYSROOT_DIR=str(root)).split()


def main():
    common.need("pkg-config", "cc")
    name = f"mailtap-e2e-install-{os.getpid()}"
    findings = []
    try:
        with common.Workspace() as folder:
            root = folder / "root"
            call(shutil.which("meson") or "meson", "install", "-C", os.environ["BUILD"], "--no-rebuild", "--destdir", root)
            library = next(root.rglob("libmailtap-counters.so"))
            strict = ["-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", SAMPLE, *flags_of(root, "--cflags")]
            call("cc", *strict, "-o", folder / "shared", *flags_of(root, "--libs"))
            call("cc", *strict, "-o", folder / "static", next(root.rglob("libmailtap-counters.a")))
            (folder / "one.pcap").write_bytes(craft.pcap(craft.session()))
            run = common.replay(folder / "one.pcap", options=["--counters", name])
            wanted = "".join(f"{verdict} {count}\n" for verdict, count in run.report["verdicts"].items())
            for kind in ("shared", "static"):
                said = call(folder / kind, name, LD_LIBRARY_PATH=str(library.parent))
                if said != wanted:
                    findings.append(f"{kind}: {said!r}, the report says {wanted!r}")
            needed = call("ldd", folder / "shared", LD_LIBRARY_PATH=str(library.parent))
            if str(library.parent / "libmailtap-counters.so.0") not in needed:
                findings.append(f"the installed library is not what is used: {needed}")
    finally:
        for path in common.SHARED_MEMORY.glob(f"*{name}*"):
            path.unlink()
    common.finish(findings, "a stranger's program reads the counters")


if __name__ == "__main__":
    main()
