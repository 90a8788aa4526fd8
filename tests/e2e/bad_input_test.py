#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Wrong command lines, settings and files, and odd files that are right: status, sentence, and what was analysed.

One row is one start of mailtap, as an ordinary user. "@NAME" in a word stands for a file of FILES, in the folder of
the test. A row gives the status that is allowed, a pattern that standard error must hold, and where the run reads a
capture the number of its packets and records.
"""
import re
import sys
from dataclasses import dataclass

import common
import craft

FRAMES = craft.session()
WHOLE = len(FRAMES)
GREETING, EHLO = 3, 4  # places in FRAMES


def cut_in_the_middle():
    """A record cut in its data: the last frame lacks its last ten bytes."""
    return craft.pcap(FRAMES)[:-10]


def cut_in_a_header():
    """Six bytes of a record's header behind nine whole records."""
    return craft.pcap(FRAMES[:9]) + craft.pcap(FRAMES[9:])[24:30]


def huge_record():
    """The tenth record claims two thousand million bytes."""
    before, after = craft.pcap(FRAMES[:9]), bytearray(craft.pcap(FRAMES[9:])[24:])
    after[8:12] = b"\xf0\xff\xff\x7f"
    return before + bytes(after)


FILES = {
    "mail.pcap": craft.pcap(FRAMES),
    "header.pcap": craft.pcap([]),
    "empty.pcap": b"",
    "short-header.pcap": craft.pcap([])[:11],
    "text.pcap": b"This file was written by hand and holds no packet.\n" * 4,
    "cut.pcap": cut_in_the_middle(),
    "cut-header.pcap": cut_in_a_header(),
    "cut.pcapng": craft.pcapng(FRAMES)[:-10],
    "huge.pcap": huge_record(),
    "wlan.pcap": craft.pcap(FRAMES, link=craft.IEEE80211),
    "wlan.pcapng": craft.pcapng(FRAMES, link=craft.IEEE80211),
    "usb.pcap": craft.pcap(FRAMES, link=craft.USB_LINUX),
    "unnamed-link.pcap": craft.pcap(FRAMES, link=146),
    "nanoseconds.pcap": craft.pcap(FRAMES, nanoseconds=True),
    "big-endian.pcap": craft.pcap(FRAMES, order=">"),
    "big-endian-nanoseconds.pcap": craft.pcap(FRAMES, order=">", nanoseconds=True),
    "mail.pcapng": craft.pcapng(FRAMES),
    "big-endian.pcapng": craft.pcapng(FRAMES, order=">"),
    "snapped.pcap": craft.pcap(FRAMES, snaplen=64),
    "closed.pcap": craft.pcap(FRAMES),  # nobody may read it
    "with spaces, and a comma.pcap": craft.pcap(FRAMES),
    "no-setting.conf": b"# a comment\n\nthis line sets nothing\n",
    "unknown-key.conf": b"# a comment\nfrobnicate = 3\n",
    "bad-value.conf": b"# a comment\n\n\nworkers = many\n",
    "section.conf": b"workers = 1\n[rabbit]\nhops = 3\n",
    "kafka-unknown.conf": b"[kafka]\nsecurity.protocol = plaintext\nsasl.passwort = secret\n",
    "kafka-bad-value.conf": b"# a comment\n[kafka]\nlinger.ms = later\n",
    "kafka-reserved.conf": b"[kafka]\nbootstrap.servers = elsewhere\n",
    "kafka-conflict.conf": b"records = kafka://127.0.0.1:1/mail\n[kafka]\nacks = 0\n",
    "bad.banners": b"# protocol, product, regular expression\nsmtp broken (never closed\n",
    "short.banners": b"# protocol, product, regular expression\n\nsmtp\n",
    "strange.banners": b"gopher veronica ^ready\n",
}
UNREADABLE = "closed.pcap"


@dataclass
class Row:
    name: str
    words: tuple
    status: tuple
    says: str = ""  # in standard error
    prints: str = ""  # in standard output
    packets: int = None
    records: int = None


def capture(name, status, says="", packets=None, records=None):
    return Row(name, ("-r", "@" + name), (status,), says, packets=packets, records=records)


def refused(name, says, *words):
    """A wrong word beside a capture that is right."""
    return Row(name, ("-r", "@mail.pcap", *words), (2,), says)


ROWS = [
    # Files that are no capture, or none that we decode.
    capture("missing.pcap", 2, r"missing\.pcap"),
    capture("a-folder", 2, r"a-folder"),
    capture("text.pcap", 2, r"text\.pcap"),
    capture("empty.pcap", 2, r"empty\.pcap"),
    capture("short-header.pcap", 2, r"short-header\.pcap"),
    capture("closed.pcap", 2, r"closed\.pcap.*[Pp]ermission"),
    capture("wlan.pcap", 2, r"wlan\.pcap(?s:.*)802.?11|802.?11(?s:.*)wlan\.pcap"),
    capture("wlan.pcapng", 2, r"802.?11"),
    capture("usb.pcap", 2, r"(?i)usb.*usb\.pcap|usb\.pcap.*usb"),
    capture("unnamed-link.pcap", 2, r"unnamed-link\.pcap"),
    # Damaged: all that stands before the damage is analysed.
    capture("cut.pcap", 3, r"cut\.pcap", WHOLE - 1, 1),
    capture("cut-header.pcap", 3, r"cut-header\.pcap", 9, 1),
    capture("cut.pcapng", 3, r"cut\.pcapng", WHOLE - 1, 1),
    capture("huge.pcap", 3, r"huge\.pcap", 9, 1),
    # Right, however odd.
    capture("mail.pcap", 0, "", WHOLE, 1),
    capture("header.pcap", 0, "", 0, 0),
    capture("nanoseconds.pcap", 0, "", WHOLE, 1),
    capture("big-endian.pcap", 0, "", WHOLE, 1),
    capture("big-endian-nanoseconds.pcap", 0, "", WHOLE, 1),
    capture("mail.pcapng", 0, "", WHOLE, 1),
    capture("big-endian.pcapng", 0, "", WHOLE, 1),
    capture("snapped.pcap", 0, "", WHOLE, 1),
    capture("with spaces, and a comma.pcap", 0, "", WHOLE, 1),
    # The command line.
    refused("a mistyped option", r"--wrokers", "--wrokers", "2"),
    refused("a mistyped short option", r"-Q|'Q'", "-Q"),
    refused("an option without its value", r"--records", "--records"),
    refused("a word too many", r"leftover", "leftover"),
    refused("a bypass that is neither on nor off", r"--bypass.*yes", "--bypass", "yes"),
    refused("a bypass that does not look at VLANs", r"--bypass.*--vlan-in-key", "--bypass", "on", "--vlan-in-key"),
    refused("no workers", r"--workers.*0|0.*--workers|workers", "--workers", "0"),
    refused("a worker that is no number", r"abc", "--workers", "abc"),
    refused("half a number", r"2x", "--workers", "2x"),
    refused("a negative number of workers", r"-1", "--workers", "-1"),
    refused("far too many workers", r"99999", "--workers", "99999"),
    refused("ports that are none", r"nonsense", "--ports", "nonsense"),
    refused("a port of another service", r"gopher", "--ports", "25=smtp,70=gopher"),
    refused("a port beyond the last", r"70000", "--ports", "70000=smtp"),
    refused("a table of no number", r"lots", "--flows", "lots"),
    refused("a size with an unknown unit", r"12Q", "--reassembly", "12Q"),
    refused("a timeout that is no number", r"soon", "--timeout", "soon"),
    refused("a report of an unknown kind", r"bogus", "--report", "bogus"),
    refused("counters with a slash", r"bad/name", "--counters", "bad/name"),
    refused("counters with no name", r"counters", "--counters", ""),
    refused("counters with a long name", r"counters", "--counters", "n" * 65),
    refused("a capture and an interface", r"(-r|--replay).*(-i|--interface)", "-i", "lo"),
    Row("nothing to read", (), (2,), r"-r FILE"),
    Row("an interface that does not exist", ("-i", "nosuch0"), (2,), r"nosuch0"),
    Row("a capture without a name", ("-r",), (2,), r"-r|'r'"),
    # Settings.
    refused("settings that do not exist", r"absent\.conf", "-c", "@absent.conf"),
    refused("settings with a line that sets nothing", r"no-setting\.conf:3\b", "-c", "@no-setting.conf"),
    refused("settings with an unknown key", r"unknown-key\.conf:2\b.*frobnicate", "-c", "@unknown-key.conf"),
    refused("settings with a bad value", r"bad-value\.conf:4\b.*many", "-c", "@bad-value.conf"),
    refused("settings with an unknown section", r"section\.conf:3\b.*rabbit", "-c", "@section.conf"),
    refused("settings with an unknown property of Kafka's", r"kafka-unknown\.conf:3\b.*\bsasl\.passwort\b",
            "-c", "@kafka-unknown.conf"),
    refused("settings with a bad property of Kafka's", r"kafka-bad-value\.conf:3\b.*linger\.ms", "-c",
            "@kafka-bad-value.conf"),
    refused("settings with brokers beside the records' path", r"kafka-reserved\.conf:2\b.*bootstrap\.servers", "-c",
            "@kafka-reserved.conf"),
    refused("settings with properties that exclude each other", r"kafka://127\.0\.0\.1:1/mail.*acks", "-c",
            "@kafka-conflict.conf"),
    refused("Kafka without a topic", r"kafka://broker:9092.*TOPIC", "--records", "kafka://broker:9092"),
    refused("Kafka with a password", r"kafka://.*kafka://BROKER", "--records", "kafka://anna:secret@broker/mail"),
    refused("banners that do not exist", r"absent\.banners", "--banners", "@absent.banners"),
    refused("banners with a broken pattern", r"bad\.banners:2\b", "--banners", "@bad.banners"),
    refused("banners with half a line", r"short\.banners:3\b", "--banners", "@short.banners"),
    refused("banners of an unknown protocol", r"strange\.banners:1\b.*gopher", "--banners", "@strange.banners"),
    # A sink that cannot be opened is a word of the command line that does not fit.
    Row("records into a folder that does not exist", ("-r", "@mail.pcap", "--records", "@absent/records"), (1, 2),
        r"absent/records"),
    Row("records into a file that is not ours", ("-r", "@mail.pcap", "--records", "@sealed/records"), (1, 2),
        r"sealed/records"),
    # Without a port, a root or a huge page.
    Row("help", ("--help",), (0,), prints=r"--records"),
    Row("version", ("--version",), (0,), prints=r"\d+\.\d+"),
    Row("a check of settings", ("-r", "@mail.pcap", "--check-config"), (0,)),
    Row("a check of settings that are wrong", ("--check-config", "-c", "@bad-value.conf"), (2,),
        r"bad-value\.conf:4\b"),
    Row("a check of properties that exclude each other", ("-r", "@mail.pcap", "--check-config", "-c",
        "@kafka-conflict.conf"), (2,), r"acks"),
]


def prepare(folder):
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    (folder / UNREADABLE).chmod(0)
    (folder / "a-folder").mkdir()
    (folder / "sealed").mkdir(mode=0o555)


def check(row, folder):
    words = [str(folder / word[1:]) if word.startswith("@") else word for word in row.words]
    prefix = common.as_nobody()
    if row.packets is None:
        run = common.Run([*prefix, common.program(), *words])
    else:
        run = common.replay(words[1], prefix=prefix)
    error, output = run.err.decode("utf-8", "replace"), run.out.decode("utf-8", "replace")
    findings = []
    if run.status not in row.status:
        findings.append(f"status {run.status}, expected {row.status}: {run.says()}")
    if not re.search(row.says, error):
        findings.append(f"standard error does not hold /{row.says}/: {run.says()}")
    if not re.search(row.prints, output):
        findings.append(f"standard output does not hold /{row.prints}/")
    if row.packets is not None:
        findings += common.check_accounts(run, row.packets)
        if len(run.records) != row.records:
            findings.append(f"{len(run.records)} records, expected {row.records}")
    return [f"{row.name}: {finding}" for finding in findings]


def main():
    common.program()
    rows = [row for row in ROWS if len(sys.argv) < 3 or any(word in row.name for word in sys.argv[2:])]
    with common.Workspace() as folder:
        prepare(folder)
        common.finish([finding for row in rows for finding in check(row, folder)], f"{len(rows)} starts as expected")


if __name__ == "__main__":
    main()
