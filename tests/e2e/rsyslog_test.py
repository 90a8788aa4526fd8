#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Records from the record file to Elasticsearch, by rsyslog as config/elastic has it.

No Elasticsearch can be had here: what rsyslog asks of it is written down by a server that says yes, and must be the
lines of the record file, each once and in order, also of those written behind a rotation; an index of that name is one
that the index template is for.
"""
import fnmatch
import http.server
import json
import subprocess
import threading
import time

import common

PATIENCE = 60  # seconds until a thing that takes a moment is called a hang
CONFIG = common.ROOT / "config" / "elastic"
LONG = 8100  # characters of the longest record, and some


class Elasticsearch(http.server.BaseHTTPRequestHandler):
    """Takes bulk requests."""

    taken = []  # (what is to be done, the document), as they come

    def do_HEAD(self):
        self.answer(b"")

    def do_POST(self):
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode().splitlines()
        self.taken.extend((json.loads(action), document) for action, document in zip(lines[::2], lines[1::2]))
        done = [{"index": {"status": 201}} for _ in lines[::2]]
        self.answer(json.dumps({"errors": False, "items": done}).encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


def configuration(folder, port):
    """The file of config/elastic, with the record file and the server of this test."""
    text = (CONFIG / "rsyslog.conf").read_text("utf-8")
    for theirs, ours in (("http://localhost:9200\"", f"http://127.0.0.1:{port}\""),
                         ("/var/log/mailtap/records.json", f"{folder}/records.json"),
                         ("/var/log/mailtap-elasticsearch.errors", f"{folder}/errors")):
        if theirs not in text:
            raise RuntimeError(f"rsyslog.conf does not name {theirs}")
        text = text.replace(theirs, ours)
    path = folder / "rsyslog.conf"
    # In the place of the system's own file, which has inputs too by the time that it includes ours.
    path.write_text(f'global(workDirectory="{folder}")\nmodule(load="immark")\n{text}', encoding="utf-8")
    return path


def records():
    lines = subprocess.run([common.program("RECORD_LINES")], check=True, capture_output=True).stdout.decode().splitlines()
    long = json.loads(lines[0])
    long["mail"]["capabilities"] = ["X" * 64] * (LONG // 64)
    return [*lines, json.dumps(long, separators=(",", ":"))]


def wait_for(number, process):
    end = time.monotonic() + PATIENCE
    while len(Elasticsearch.taken) < number and time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)


def run_rsyslog(folder, path, lines):
    """The first half of the lines is there; the second comes behind a rotation."""
    half, file = len(lines) // 2, folder / "records.json"
    file.write_text("".join(line + "\n" for line in lines[:half]), encoding="utf-8")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(["rsyslogd", "-n", "-f", path, "-i", folder / "pid"], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log)
    try:
        wait_for(half, process)
        file.rename(folder / "records.json.1")
        file.write_text("".join(line + "\n" for line in lines[half:]), encoding="utf-8")
        wait_for(len(lines), process)
    finally:
        process.terminate()
        process.wait()
    return (folder / "log").read_text()


def main():
    common.need("rsyslogd")
    lines, findings = records(), []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elasticsearch)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with common.Workspace() as folder:
        said = run_rsyslog(folder, configuration(folder, server.server_port), lines)
    server.shutdown()
    if said:
        findings.append(f"rsyslog says {said[:300]}")
    if [document for _, document in Elasticsearch.taken] != lines:
        findings.append(f"the {len(Elasticsearch.taken)} documents are not the {len(lines)} records")
    patterns = json.loads((CONFIG / "index-template.json").read_text("utf-8"))["index_patterns"]
    for action, _ in Elasticsearch.taken:
        if list(action) != ["index"] or not any(fnmatch.fnmatch(action["index"]["_index"], one) for one in patterns):
            findings.append(f"asks for {action}")
        if "_type" in action.get("index", {}):
            findings.append(f"names a type, which Elasticsearch 8 refuses: {action}")
    common.finish(findings, f"{len(lines)} records, as they are")


if __name__ == "__main__":
    main()
