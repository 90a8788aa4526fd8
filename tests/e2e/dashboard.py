# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The dashboard for Grafana, put to a Prometheus that knows a live capture: every question has an answer.

Grafana itself is not run. What it would ask is: its variables are replaced as it replaces them, each expression is put
to Prometheus' HTTP API, and each label that a legend names has to be among the answer's.
"""
import itertools
import json
import math
import re

import common

DASHBOARD = common.ROOT / "config/grafana/mailtap.json"
GRID = 24


def asked(expression, capture):
    """An expression as Grafana would send it."""
    for name, value in {"$__rate_interval": "5s", "$__range": "1m", "$instance": ".*", "$counters": capture}.items():
        expression = expression.replace(name, value)
    return expression


def check_answer(prometheus, what, expression, legend, capture):
    answer = prometheus.query(asked(expression, capture))
    if not answer:
        return [f"{what}: nothing for {expression}"]
    findings = [f"{what}: {labels} has no number" for labels, value in answer if math.isnan(value)]
    wanted = set(re.findall(r"\{\{(\w+)\}\}", legend))
    return findings + [f"{what}: the legend's {sorted(wanted - labels.keys())} is not in {labels}"
                       for labels, _ in answer[:1] if wanted - labels.keys()]


def check_variables(prometheus, dashboard):
    """They are filled, and no expression names another."""
    text, findings = json.dumps(dashboard["panels"]), []
    known = {variable["name"] for variable in dashboard["templating"]["list"]} | {"__rate_interval", "__range"}
    findings += [f"variable ${name} is nowhere declared" for name in set(re.findall(r"\$\{?(\w+)", text)) - known]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
        if not any(label in labels for labels, _ in prometheus.query(asked(series, ".*"))):
            findings.append(f"variable ${variable['name']}: {series} has no {label}")
    return findings


def check_grid(panels):
    """No panel lies over another or leaves the grid; each has a number of its own."""
    places = [panel["gridPos"] for panel in panels]
    findings = [f"panel {panel['title']} leaves the grid" for panel, place in zip(panels, places)
                if place["x"] + place["w"] > GRID]
    findings += [f"two panels at {one} and {other}" for one, other in itertools.combinations(places, 2)
                 if one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
                 and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]]
    if len({panel["id"] for panel in panels}) != len(panels):
        findings.append("two panels have the same id")
    return findings


def check(prometheus, capture):
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    findings = check_variables(prometheus, dashboard) + check_grid(dashboard["panels"])
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            findings += check_answer(prometheus, panel["title"], target["expr"], target["legendFormat"], capture)
    for annotation in dashboard["annotations"]["list"]:
        # Nothing began anew meanwhile: the question without its condition.
        findings += check_answer(prometheus, annotation["name"], annotation["expr"].rpartition(" > ")[0],
                                 annotation["titleFormat"], capture)
    return findings
