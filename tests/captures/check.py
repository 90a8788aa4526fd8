#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Every capture has a truth file of the right shape, every truth file a capture, and all stay small."""
import json
import pathlib
import struct
import sys

LIMIT_BYTES = 5_000_000
KEYS = {"src_port", "dest_port", "ip", "app_proto", "security", "starttls", "banner", "auth", "messages",
        "tls_version", "sni", "source"}
OPTIONAL = {"anomalies", "policy", "software"}
VALUES = {
    "ip": {4, 6},
    "app_proto": {"smtp", "imap", "pop3"},
    "security": {"cleartext", "starttls", "implicit_tls", "unknown"},
    "tls_version": {None, "TLS 1.2", "TLS 1.3"},
}
STARTTLS_VALUES = {
    "offered": {True, False, None},
    "requested": {True, False},
    "response": {"accepted", "refused", None},
    "outcome": {"not_offered", "offered_unused", "refused", "failed", "established", "stripped",
                "cleartext_after_accept", "unknown"},
}
AUTH_OUTCOMES = {"success", "failure", "unknown"}
MAGICS = {0xA1B2C3D4, 0xA1B23C4D, 0x0A0D0D0A}  # pcap in micro- and nanoseconds, pcapng


def faults_of(session, secrets):
    if not KEYS <= set(session) <= KEYS | OPTIONAL:
        yield f"keys {sorted(set(session) ^ KEYS)}"
        return
    for key, allowed in VALUES.items():
        if session[key] not in allowed:
            yield f"{key} is {session[key]}"
    starttls = session["starttls"]
    if (starttls is None) != (session["security"] == "implicit_tls"):
        yield "starttls is null under implicit TLS, and only there"
    elif starttls is not None:
        if set(starttls) != set(STARTTLS_VALUES):
            yield f"starttls has {sorted(starttls)}"
        yield from (f"starttls.{key} is {starttls.get(key)}" for key, allowed in STARTTLS_VALUES.items()
                    if starttls.get(key) not in allowed)
    if any(set(one) != {"mechanism", "outcome"} or one["outcome"] not in AUTH_OUTCOMES for one in session["auth"]):
        yield f"auth is {session['auth']}"
    if not all(0 < session[key] < 65536 for key in ("src_port", "dest_port")) or session["messages"] < 0:
        yield "a number is out of range"
    if any(secret in json.dumps(session, ensure_ascii=False) for secret in secrets):
        yield "a user name or password stands in it"


def faults_in(folder):
    secrets = (folder / "secrets.txt").read_text().splitlines()
    captures = {path.name[:-len(".pcap")]: path for path in folder.glob("*.pcap")}
    truths = {path.name[:-len(".truth.json")]: path for path in folder.glob("*.truth.json")}
    if not captures:
        yield "no captures"
    for name in sorted(set(captures) ^ set(truths)):
        yield f"{name}: capture and truth do not come as a pair"
    if (folder / "README.md").exists():
        listed = (folder / "README.md").read_text()
        yield from (f"{name}: not in README.md" for name in sorted(captures) if f"`{name}`" not in listed)
    for name, path in sorted(captures.items()):
        head = path.read_bytes()[:4].ljust(4, b"\0")
        if not MAGICS & {*struct.unpack("<I", head), *struct.unpack(">I", head)}:
            yield f"{name}: no capture file"
    for name, path in sorted(truths.items()):
        try:
            sessions = json.loads(path.read_text())
            yield from (f"{name}: {fault}" for session in sessions for fault in faults_of(session, secrets))
        except (ValueError, TypeError, KeyError) as problem:
            yield f"{name}: {problem!r}"
    total = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    if total > LIMIT_BYTES:
        yield f"{total} bytes in all, more than {LIMIT_BYTES}"


def main():
    folder = pathlib.Path(sys.argv[1]) if sys.argv[1:] else pathlib.Path(__file__).parent
    faults = list(faults_in(folder))
    print("\n".join(faults) or "all captures have their truth")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
