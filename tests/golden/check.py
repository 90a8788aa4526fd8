# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The table of README.md against the dialogues: each names its rows, and the table says the same."""
import re
import sys
from pathlib import Path

ROW = re.compile(r"[GSIPX]\d+|mistake-\d+")


def rows_of(directory):
    """The rows that a dialogue says it covers."""
    for line in (directory / "dialogue.txt").read_text().splitlines():
        if line.startswith("rows:"):
            return set(line.split()[1:])
    return set()


def table_of(readme):
    """Row -> names, as the README's table has them."""
    table = {}
    for line in readme.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and ROW.fullmatch(cells[0]):
            table[cells[0]] = set(re.findall(r"`([^`]+)`", cells[-1]))
    return table


def main():
    here = Path(sys.argv[1])
    table = table_of(here / "README.md")
    problems = []
    said = {}
    for directory in sorted(path for path in here.iterdir() if path.is_dir()):
        rows = rows_of(directory)
        if not rows:
            problems.append(f"{directory.name}: no rows: line")
        if not (directory / "expect.txt").exists():
            problems.append(f"{directory.name}: no expect.txt")
        for row in rows:
            if not ROW.fullmatch(row):
                problems.append(f"{directory.name}: {row} is no row")
            said.setdefault(row, set()).add(directory.name)
    for row in sorted(set(table) | set(said)):
        for name in sorted(said.get(row, set()) - table.get(row, set())):
            problems.append(f"README.md: {row} does not list {name}")
        for name in sorted(table.get(row, set()) - said.get(row, set())):
            problems.append(f"README.md: {row} lists {name}, which does not name it")
    print("\n".join(problems) or f"{len(said)} rows")
    return bool(problems)


sys.exit(main())
