#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The schema names exactly the closed lists, takes the program's records and refuses records with a fault.

schema_test.py SOURCE_ROOT RECORD_LINES, the latter a program that prints records.
"""
import copy
import json
import pathlib
import re
import subprocess
import sys
import unittest

import jsonschema

ROOT, RECORD_LINES = pathlib.Path(sys.argv[1]), sys.argv[2]
SCHEMA = json.loads((ROOT / "config/session.schema.json").read_text())

# Where each closed list stands in the schema, and words of it that a record shows as null or leaves out.
LISTS = {
    "PROTOCOL": ("app_proto", set()),
    "REASON": ("flow.reason", set()),
    "EVIDENCE": ("flow.evidence", set()),
    "SECURITY": ("mail.security", set()),
    "DETECTED": ("mail.detected_by", set()),
    "RESPONSE": ("mail.starttls.response", {"none"}),
    "OUTCOME": ("mail.starttls.outcome", set()),
    "MECHANISM": ("mail.auth.[].mechanism", set()),
    "AUTH": ("mail.auth.[].outcome", set()),
    "ANOMALY": ("mail.anomalies.[]", set()),
    "TLS_VERSION": ("tls.version", {"unknown"}),
    "CERTIFICATE": ("tls.certificate", set()),
    "ALERT": ("tls.alerts.[].description", set()),
    "SENDER": ("tls.alerts.[].sender", set()),
}


def words_of(name):
    text = "".join((ROOT / path).read_text() for path in ("lib/base/vocabulary.h", "config/mechanisms.def"))
    return re.findall(rf'X\({name}, \w+, "([^"]+)"\)', text)


def schema_at(path):
    at = SCHEMA
    for step in path.split("."):
        at = at["items"] if step == "[]" else at["properties"][step]
    return at


def is_valid(record):
    return jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).is_valid(record)


def changed(record, path, value):
    record = copy.deepcopy(record)
    *steps, last = path.split(".")
    at = record
    for step in steps:
        at = at[step]
    at[last] = value
    return record


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lines = subprocess.run([RECORD_LINES], check=True, capture_output=True).stdout.decode().splitlines()
        cls.records = [json.loads(line) for line in lines]
        cls.full = cls.records[1]

    def test_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def test_enums_are_the_closed_lists(self):
        for name, (path, hidden) in LISTS.items():
            with self.subTest(name):
                words = [word for word in words_of(name) if word not in hidden]
                self.assertGreater(len(words), 1)
                self.assertEqual([word for word in schema_at(path)["enum"] if word is not None], words)

    def test_every_enum_is_a_closed_list(self):
        enums = json.dumps(SCHEMA).count('"enum"')
        self.assertEqual(enums, len(LISTS) + 1, "policy, the one enum without a list, and the lists")

    def test_takes_the_records(self):
        for record in self.records:
            jsonschema.validate(record, SCHEMA, jsonschema.Draft202012Validator,
                                format_checker=jsonschema.FormatChecker())

    def test_refuses_faults(self):
        self.assertTrue(is_valid(self.full))
        for path, value in {
            "unforeseen": 1, "flow.unforeseen": 1, "mail.unforeseen": 1, "mail.starttls.unforeseen": 1,
            "tls.unforeseen": 1, "timestamp": "2023-10-05T12:00:00Z", "src_ip": "mail.example.org",
            "src_port": 65536, "mail.security": "plain", "mail.starttls": None, "mail.messages": -1,
            "mail.banner": "x" * 257, "mail.anomalies": ["tls_failed", "tls_failed"], "community_id": "1:abc",
            "mail.auth": [{"mechanism": "PLAIN", "outcome": "success", "user": "anna"}], "tls.version": "unknown",
            "mail.starttls.response": "none", "mail.starttls.code": "", "vlan": [],
            "tls.fingerprint": "ab:cd", "tls.notbefore": "2023-10-05 12:00:00", "tls.session_resumed": False,
            "tls.alerts": [], "tls.server_alpns": ["imap", "smtp"], "tls.subject": "x" * 257,
        }.items():
            with self.subTest(path):
                self.assertFalse(is_valid(changed(self.full, path, value)))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
