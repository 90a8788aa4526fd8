#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What other tools are told of a record's fields names every field of the schema, with a type that holds it, and no other.

mappings_test.py SOURCE_ROOT
"""
import json
import pathlib
import re
import sys
import unittest

CONFIG = pathlib.Path(sys.argv[1]) / "config"
SCHEMA = json.loads((CONFIG / "session.schema.json").read_text())

# A kind of value, and what holds it: in Elasticsearch, and in a column of ClickHouse, LowCardinality or not.
TYPES = {
    "time": ("date_nanos", "DateTime64(6, 'UTC')"),
    "validity": ("date", "DateTime64(0, 'UTC')"),
    "address": ("ip", "String"),
    "integer": (("short", "integer", "long"), ("UInt8", "UInt16", "UInt64")),
    "boolean": ("boolean", "UInt8"),
    "string": ("keyword", "String"),
}


def kind_of(schema):
    """Result: a row of TYPES."""
    reference = schema.get("$ref", "").rpartition("/")[2]
    if reference in TYPES:
        return reference
    if reference:
        return kind_of(SCHEMA["$defs"][reference])
    words = schema.get("enum", [schema.get("const")])
    kinds = schema.get("type", [type(word).__name__ for word in words if word is not None])
    names = {"str": "string", "bool": "boolean", "int": "integer"}
    kinds = {names.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)} - {"null"}
    if len(kinds) != 1 or not kinds <= TYPES.keys():
        raise ValueError(f"no kind for {schema}")
    return kinds.pop()


def leaves(schema, path=(), is_list=False, is_sure=True):
    """(path, kind, whether it is a list, whether there always is a value) of each field that holds a value."""
    reference = schema.get("$ref", "").rpartition("/")[2]
    if reference and "properties" in SCHEMA["$defs"][reference]:
        schema = SCHEMA["$defs"][reference]
    may_be_null = "null" in schema.get("type", ()) or None in schema.get("enum", ())
    if "properties" in schema:
        for name, field in schema["properties"].items():
            yield from leaves(field, (*path, name), is_list,
                              is_sure and not may_be_null and name in schema.get("required", ()))
    elif "items" in schema:
        yield from leaves(schema["items"], path, True, is_sure)
    else:
        yield path, kind_of(schema), is_list, is_sure and not may_be_null


def mapped(properties, path=()):
    """{path: type} of a mapping of Elasticsearch's."""
    types = {}
    for name, field in properties.items():
        if "properties" in field:
            types.update(mapped(field["properties"], (*path, name)))
        else:
            types[(*path, name)] = field["type"]
    return types


def is_one_of(value, allowed):
    return value in ((allowed,) if isinstance(allowed, str) else allowed)


class Mappings(unittest.TestCase):
    def setUp(self):
        self.fields = list(leaves(SCHEMA))
        self.assertGreater(len(self.fields), 50)

    def test_elasticsearch(self):
        template = json.loads((CONFIG / "elastic" / "index-template.json").read_text())["template"]["mappings"]
        types = mapped(template["properties"])
        self.assertEqual(list(types), [path for path, *_ in self.fields])
        for path, kind, *_ in self.fields:
            with self.subTest(".".join(path)):
                self.assertTrue(is_one_of(types[path], TYPES[kind][0]), f"{types[path]} for a {kind}")

    def test_clickhouse(self):
        sql = (CONFIG / "clickhouse" / "mail_sessions.sql").read_text()
        table, view = re.split(r"CREATE MATERIALIZED VIEW", re.sub(r"--.*", "", sql))
        columns = dict(re.findall(r"^    (\w+) (\S.*?),?\s*$", table.partition("ENGINE")[0], re.M))
        selected = {name: value for value, name in re.findall(r"^    (\S.*) AS (\w+),?$", view, re.M)}
        self.assertEqual(list(columns), ["_".join(path) for path, *_ in self.fields])
        self.assertEqual(list(selected), list(columns))
        for path, kind, is_list, is_sure in self.fields:
            name = "_".join(path)
            with self.subTest(name):
                shape = re.sub(r"LowCardinality\((.*)\)", r"\1", columns[name])
                inner = re.fullmatch(r"(Array|Nullable)\((.*)\)|(.*)", shape)
                self.assertEqual(inner[1], "Array" if is_list else None if is_sure else "Nullable")
                self.assertTrue(is_one_of(inner[2] or inner[3], TYPES[kind][1]), f"{columns[name]} for a {kind}")
                steps = re.findall(r"'(\w+)'", re.sub(r"'(Nullable|Array)\(.*?\)'|'(U?Int\d+|String|UTC)'", "", selected[name]))
                if selected[name].startswith("arrayMap"):  # of each object the one field comes first
                    steps = [*steps[1:], steps[0]]
                self.assertEqual(tuple(steps), path)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
