# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""plots.py FOLDER: the curves of FOLDER/bench.json, as SVG beside it, by gnuplot.

A curve is not drawn where its measurement was not made, or only in part.
"""
import json
import pathlib
import subprocess
import sys

HEAD = """set terminal svg size 800,480 dynamic enhanced font 'sans,13' background 'white'
set key outside top center horizontal
set grid ytics
set border 3
set tics nomirror
"""
BARS = """set style data histograms
set style histogram clustered gap 1
set style fill solid 0.8
set boxwidth 0.9
set xtics rotate by -35
set yrange [0:*]
"""


def block(rows):
    """Data as gnuplot reads it: one curve."""
    return "\n".join(" ".join(f'"{cell}"' if isinstance(cell, str) else f"{cell:g}" for cell in row) for row in rows)


def draw(path, settings, curves, is_bars=False):
    """curves: title -> rows of (x, y). Bars have a name for x, the same ones in each curve."""
    curves = {title: rows for title, rows in curves.items() if rows}
    if not curves:
        return
    data = "".join(f"$d{i} << END\n{block(rows)}\nEND\n" for i, rows in enumerate(curves.values()))
    how = "using 2:xtic(1)" if is_bars else "using 1:2 with linespoints pt 7 ps 0.6 lw 2"
    plot = ", ".join(f"$d{i} {how} title '{title}'" for i, title in enumerate(curves))
    subprocess.run(["gnuplot"], input=f"{HEAD}{BARS if is_bars else ''}set output '{path}'\n{settings}\n{data}plot {plot}\n",
                   text=True, check=True)


# ---- One function a measurement ----

def draw_flows(result, folder):
    axes = "set logscale x\nset format x '%.0s%c'\nset xlabel 'flows'\nset ylabel 'cycles a packet'\nset yrange [0:*]"
    spreads = result["spreads"]
    curves = {spread: [(row["flows"], row["look_up"]["median"]) for row in rows] for spread, rows in spreads.items()}
    curves["uniform, prefetches apart"] = [(row["flows"], row["look_up_apart"]["median"]) for row in spreads["uniform"]]
    curves["memory alone"] = [(row["flows"], row["cycles"]["memory"]["median"]) for row in spreads["uniform"]]
    draw(folder / "flows.svg", axes, curves)
    steps = {"SYN": "syn", "SYN-ACK": "syn_ack", "first payload": "set_up", "removal": "removal"}
    draw(folder / "flows-setup.svg", axes, {title: [(row["flows"], row["cycles"][key]["median"]) for row in spreads["uniform"]]
                                            for title, key in steps.items()})
    draw(folder / "flows-crafted.svg", "set ylabel 'cycles a packet'",
         {"look-up among a million": [(name, figure["median"]) for name, figure in result["crafted"]["look_up"].items()]}, True)


def draw_scan(result, folder):
    draw(folder / "scan.svg", "set ylabel 'nanoseconds a line'",
         {title: [(name, row["all"][key]["median"]) for name, row in result["sets"].items()]
          for title, key in (("lib/match", "ours_ns"), ("Hyperscan alone", "raw_ns"))}, True)


def draw_tools(result, folder):
    for name, row in result["files"].items():
        for figure, key, label in (("speed", "packets_per_cpu_second", "packets a CPU second"),
                                   ("memory", "bytes_per_flow", "bytes a flow")):
            draw(folder / f"tools-{pathlib.Path(name).stem}-{figure}.svg",
                 f"set logscale y\nset yrange [10:*]\nset format y '%.0s%c'\nset ylabel '{label}'",
                 {name: [(tool, max(figures[key], 1)) for tool, figures in row["tools"].items()]}, True)


def draw_memory(result, folder):
    rows = [("decided, worker", result["decided_slope"]["engine"], result["goals"]["decided"]),
            ("decided, parked", result["parked"]["bytes"], result["goals"]["parked"]),
            ("in dialogue", result["dialogue"]["engine"], result["goals"]["dialogue"])]
    draw(folder / "memory.svg", "set ylabel 'bytes a flow'", {"reached": [row[:2] for row in rows],
                                                              "goal": [(row[0], row[2]) for row in rows]}, True)


# Curves over what the name of a row ends with: its beginning, the axis, and whether that is logarithmic.
RATE_CURVES = (("size-", "bytes a frame", False), ("share-", "per cent mail", False), ("ring-flows-", "decided flows", True),
               ("open-", "sessions at a time", True))


def draw_rates(result, folder):
    sound = {name: row for name, row in result["rows"].items() if not row["findings"]}
    for begins, label, is_logarithmic in RATE_CURVES:
        rows = sorted((int(name[len(begins):]), row) for name, row in sound.items() if name.startswith(begins))
        axes = f"set xlabel '{label}'\nset yrange [0:*]\n" + ("set logscale x\nset format x '%.0s%c'\n" if is_logarithmic else "")
        draw(folder / f"rates-{begins}cycles.svg", axes + "set ylabel 'cycles a packet'",
             {title: [(x, row[key]["median"]) for x, row in rows] for title, key in (("mailtap", "ours"), ("baseline", "base"))})
        draw(folder / f"rates-{begins}gbps.svg", axes + "set ylabel 'Gbit/s, one core'",
             {"mailtap": [(x, row["gbps"]["median"]) for x, row in rows]})
    plain = {name: row for name, row in sound.items() if not name.startswith(tuple(curve[0] for curve in RATE_CURVES))}
    draw(folder / "rates.svg", "set ylabel 'cycles above the baseline'\nset logscale y\nset yrange [1:*]",
         {"a packet, or a connection": [(name, max(row["above"]["median"], 1)) for name, row in plain.items()]}, True)


DRAW = {"rates": draw_rates, "flows": draw_flows, "scan": draw_scan, "tools": draw_tools, "memory": draw_memory}


def draw_all(results, folder):
    for name, result in results.items():
        if name in DRAW and "failed" not in result:
            DRAW[name](result, folder)


if __name__ == "__main__":
    FOLDER = pathlib.Path(sys.argv[1])
    draw_all(json.loads((FOLDER / "bench.json").read_text()), FOLDER)
