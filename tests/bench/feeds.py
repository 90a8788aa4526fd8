# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The ways by which traffic comes in, for ours and for the baseline alike. Each is a context that yields the two of them,
and a function that ends both and returns our report and what the generator says was sent.
"""
import contextlib
import hashlib
import json
import pathlib
import subprocess
import time

import receivers

MBUFS_MORE = 8192          # beside those that hold the capture: bursts, caches
MBUF_BYTES = 2560          # data room, headroom, header, the pool's own
FLOW_BYTES = 256           # of the tables, for each flow
PROCESS_BYTES = 256 << 20  # of huge pages, beside mbufs
PAGE_BYTES = 2 << 20
TOUCHED = 64               # bytes that the baseline reads of what another core wrote
HUGE_PAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")
# What has no dialogue with a mail server on a mail port: not a session each.
OTHER_CAPTURES = ("other-", "imaps-alpn-port-")


# ---- Before and after ----

@contextlib.contextmanager
def huge_pages(count):
    """So many pages of 2 MiB at least, and as many as before afterwards."""
    before = int(HUGE_PAGES.read_text(encoding="ascii"))
    try:
        if before < count:
            HUGE_PAGES.write_text(str(count), encoding="ascii")
        there = int(HUGE_PAGES.read_text(encoding="ascii"))
        if there < count:
            raise SystemExit(f"{count} huge pages are needed, {there} can be had")
        yield
    finally:
        if before < count:
            HUGE_PAGES.write_text(str(before), encoding="ascii")


@contextlib.contextmanager
def mounted_huge_pages(folder):
    """A file system of huge pages, for two processes that share them."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def models(options):
    return sorted(path for path in options.captures.glob("*.pcap") if not path.name.startswith(OTHER_CAPTURES))


def make_capture(options, row, path, number):
    """What the generator says of it. number: of the worker that gets it; no two have a connection in common."""
    out = subprocess.run([options.bench / "traffic", *row.arguments, "--first", str(number << 20), row.kind, str(row.frames),
                          path, *models(options)], stdout=subprocess.PIPE, check=True).stdout
    return {**json.loads(out), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


# ---- The three feeds ----

def lcores(workers):
    """One of the control thread, which sleeps, and one on each CPU of a worker: of two, one shares the first CPU."""
    control, worker = receivers.cpus()
    return ",".join([f"0@{control}"] + [f"{i + 1}@{(worker, control)[i % 2]}" for i in range(workers)])


def begin(stack, receiver):
    """Started, and ended when the row is."""
    stack.callback(receiver.kill)
    receiver.start()
    return receiver


def begin_pair(stack, options, row, devices, folder, mbufs, pages):
    """Ours and testpmd on ports of the same kind."""
    memory = ("--no-huge", "-m", str(pages)) if options.no_huge else ("--in-memory",)
    if not options.no_huge:
        stack.enter_context(huge_pages(pages))
    common = (mbufs, memory, lcores(row.workers), row.workers)
    return (begin(stack, receivers.Mailtap(options, devices, folder / "ours", *common)),
            begin(stack, receivers.Testpmd(devices, folder / "base", *common)))


def end_pair(ours, base):
    report = ours.finish()
    base.finish()
    return report


@contextlib.contextmanager
def over_file(options, row, folder):
    """A capture that net_pcap plays in a loop, from memory."""
    captures = [folder / f"{number}.pcap" for number in range(row.workers)]
    truths = [make_capture(options, row, capture, number) for number, capture in enumerate(captures)]
    all_ = {key: sum(truth[key] for truth in truths) for key in ("packets", "bytes", "setup", "connections")}
    mbufs = all_["packets"] + MBUFS_MORE
    pages = 2 * (mbufs * MBUF_BYTES + PROCESS_BYTES) // PAGE_BYTES
    devices = [word for i, capture in enumerate(captures)
               for word in ("--vdev", f"net_pcap{i},rx_pcap={capture},infinite_rx=1")]

    def finish():
        report = end_pair(*pair)
        return report, {**truths[0], **all_, "of": all_["packets"], "loops": report["packets"] // all_["packets"]}

    with contextlib.ExitStack() as stack:
        pair = begin_pair(stack, options, row, devices, folder, mbufs, pages)
        yield (*pair, finish)


@contextlib.contextmanager
def over_null(options, row, folder):
    """Buffers of net_null, which nobody wrote: how often the loop can turn."""

    def finish():
        report = end_pair(*pair)
        return report, {"packets": report["packets"], "bytes": report["bytes"], "connections": 0, "loops": 0}

    with contextlib.ExitStack() as stack:
        pair = begin_pair(stack, options, row, ["--vdev", "net_null0,size=64"], folder, MBUFS_MORE,
                          2 * PROCESS_BYTES // PAGE_BYTES)
        yield (*pair, finish)


@contextlib.contextmanager
def over_ring(options, row, folder):
    """Packets that another core makes and writes, through a net_ring."""
    ring = ["--vdev", "net_ring0"]
    arguments = [*row.arguments, row.kind, "0", "ETH_RXTX0_net_ring0", *models(options)]
    own = ("--flows", str(row.flows)) if row.flows else ()
    feeds = []

    def begin_fed(stack, receiver, memory, *more):
        stack.callback(receiver.kill)
        feeds.append(receivers.Feed(options.bench / "feed", receiver, memory, receivers.cpus()[0], [*more, *arguments]))
        stack.callback(feeds[-1].kill)
        receiver.start()
        return receiver

    def finish():
        sent = feeds[0].finish()
        time.sleep(receivers.WARM_SECONDS)  # what stands in the ring
        feeds[1].finish()
        return ours.counted(), {**sent, "packets": sent["sent"]}

    with contextlib.ExitStack() as stack:
        stack.enter_context(huge_pages((3 * PROCESS_BYTES + row.flows * FLOW_BYTES) // PAGE_BYTES))
        memory = ("--huge-dir", stack.enter_context(mounted_huge_pages(folder / "huge")))
        ours = begin_fed(stack, receivers.Mailtap(options, ring, folder / "ours", MBUFS_MORE, memory, lcores(1),
                                                  options=own), memory)
        base = begin_fed(stack, receivers.Sink(options.bench / "sink", ring, folder / "base", memory, lcores(1), TOUCHED),
                         memory, "--opened")
        yield ours, base, finish


FEEDS = {"file": over_file, "null": over_null, "ring": over_ring}
