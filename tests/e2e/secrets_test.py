#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""No secret of the captures appears in what mailtap writes, and none stays in its memory (mistake-10 of other tools).

tests/captures/secrets.txt lists the user names, passwords and tokens that the recorded sessions used, one a line.
Every capture is replayed; each secret, plain and in base64 at every alignment, is looked for in the records, both
reports, standard error, the server memory's file, the counters' shared memory and what mailtap-stat makes of it. The
process's own memory is searched by memory_search.c (MEMORY_SEARCH names the module), which is preloaded and says what
it leaves out and why. The test proves that it can fail: with a planted copy, in the heap and in the EAL's memory, the
search must find it.
"""
import base64
import os
import pathlib
import re
import subprocess
import sys

import common

MASK = 0x55  # as in memory_search.c
SHORTEST = 6  # characters; less would be found by chance


def forms_of(secret):
    """The secret itself, and what base64 makes of it wherever it begins in the text that was encoded."""
    yield secret
    for before in range(3):
        text = base64.b64encode(b"\0" * before + secret)
        first, last = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        if last - first >= SHORTEST:
            yield text[first:last]


def read_secrets():
    path = common.OWN_CAPTURES / "secrets.txt"
    secrets = [line for line in path.read_bytes().splitlines() if line and not line.startswith(b"#")]
    short = [secret.decode() for secret in secrets if len(secret) < SHORTEST]
    if short or not secrets:
        sys.exit(f"{path.name}: too short to be searched for: {short}" if short else f"{path.name} is empty")
    return sorted({form for secret in secrets for form in forms_of(secret)})


def masked(forms):
    return "".join(bytes(byte ^ MASK for byte in form).hex() + "\n" for form in forms)


def search_memory():
    """The module to preload; None where the program brings an allocator of its own that has to come first."""
    module = os.environ.get("MEMORY_SEARCH")
    if not module or not os.path.exists(module):
        sys.exit("MEMORY_SEARCH names no module (memory_search.c)")
    return None if b"__asan_init" in pathlib.Path(common.program()).read_bytes() else os.path.abspath(module)


def replay(capture, forms, folder, name, plant=None):
    """The run and the report of the search in memory."""
    (folder / "patterns").write_text(masked(forms))
    found = folder / "found"
    module = search_memory()
    environment = {"LD_PRELOAD": module, "MEMORY_SEARCH_FOR": str(folder / "patterns"),
                   "MEMORY_SEARCH_TO": str(found)} if module else {}
    environment["MALLOC_PERTURB_"] = "0"  # meson's default overwrites what is freed, and so hides what was not wiped
    if plant:
        environment["MEMORY_SEARCH_PLANT"] = plant
    run = common.replay(capture, options=["--counters", name, "--server-memory", folder / "servers"],
                        environment=environment)
    return run, found.read_text(errors="replace") if found.exists() else ""


def outputs(capture, run, name):
    """(what it is, its bytes) for everything that a user may read."""
    yield "records", run.lines
    yield "report as JSON", run.out
    yield "standard error", run.err
    text = common.Run([common.program(), "-r", capture, "--report", "text", "--records", "-"])
    yield "records on standard output", text.out
    yield "report as text", text.err
    for path in common.SHARED_MEMORY.glob(f"*{name}*"):
        yield "shared memory", path.read_bytes()
    reader = common.program("MAILTAP_STAT")
    for view in ([], ["--json"], ["--openmetrics"]):
        shown = common.Run([reader, "--counters", name, *view])
        yield " ".join(["mailtap-stat", *view]), shown.out + shown.err


def check(job):
    capture, forms = job
    name = f"mailtap-e2e-{os.getpid()}"
    with common.Workspace() as folder:
        try:
            run, memory = replay(capture, forms, folder, name)
            written = [*outputs(capture, run, name), ("server memory", (folder / "servers").read_bytes())]
            findings = [f"{what} holds {form!r}" for what, data in written for form in forms if form in data]
        finally:
            for path in common.SHARED_MEMORY.glob(f"*{name}*"):
                path.unlink()
    if run.status != 0:
        findings.append(f"status {run.status}: {run.says()}")
    if search_memory() and "searched at the end of the run" not in memory:
        findings.append("the memory was not searched")
    copies = [line for line in memory.splitlines() if line.startswith("copy")]
    findings += [re.sub(r"pattern (\d+)", lambda number: repr(forms[int(number.group(1))]), line)
                 for line in copies[:5]]
    return [f"{capture.name}: {finding}" for finding in findings]


def bytes_behind(capture, forms):
    """How much of a capture comes after its last secret: later packets take the buffers of earlier ones."""
    data = capture.read_bytes()
    found = max(data.rfind(form) for form in forms)
    return len(data) - found if found >= 0 else None


def check_the_search(captures, forms):
    """The search sees the packets of some capture, and a copy that was planted."""
    behind = {capture: bytes_behind(capture, forms) for capture in captures}
    holding = [capture for capture in captures if behind[capture] is not None]
    if not holding:
        return ["no capture holds a secret in clear: the test proves nothing"]
    capture = min(holding, key=behind.get)
    findings = []
    with common.Workspace() as folder:
        _, memory = replay(capture, forms, folder, "none")
        if not re.search(r"searched at .*(buffer|handed) [1-9]", memory):
            findings.append(f"the search does not see the packets of {capture.name}: {memory[-200:]}")
        for plant in ("heap", "eal"):
            _, memory = replay(capture, forms, folder, "none", plant)
            if "copy: pattern 0 " not in memory:
                findings.append(f"a copy planted in {plant} memory was not found: {memory[-200:]}")
    return findings


def main():
    common.program()
    common.program("MAILTAP_STAT")
    captures = common.named_captures(common.OWN_CAPTURES.glob("*.pcap*"))
    forms = read_secrets()
    findings = []
    if search_memory():
        findings += check_the_search(captures, forms)
    else:
        print("the memory is not searched: the program is built with the address sanitizer")
    # In the others it went encrypted, or not at all: nothing can be left of it. A long run looks there all the same.
    if "MAILTAP_TEST_LONG" not in os.environ:
        captures = [capture for capture in captures if bytes_behind(capture, forms) is not None]
    findings += common.in_parallel(check, [(capture, forms) for capture in captures])
    common.finish(findings, f"{len(captures)} captures leave no secret")


if __name__ == "__main__":
    main()
