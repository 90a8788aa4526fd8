# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The table of README.md: every row has a test, every test names its rows, and the table says the same."""
import re
import sys
from pathlib import Path

# All there are, by their first letter.
COUNTS = {"G": 19, "S": 17, "I": 10, "P": 9, "X": 8, "mistake-": 12}
ROWS = [f"{kind}{number}" for kind, count in COUNTS.items() for number in range(1, count + 1)]


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
        if line.startswith("|") and re.fullmatch(r"[GSIPX]\d+|mistake-\d+", cells[0]):
            table.setdefault(cells[0], set()).update(re.findall(r"`([^`]+)`", cells[-1]))
    return table


def names_row(path, row):
    """True where a test that is no dialogue exists and says which row it is for."""
    return path.is_file() and re.search(rf"(?<![\w-]){row}(?!\w)", path.read_text()) is not None


def check_dialogues(here, table):
    problems = []
    said = {}
    for directory in sorted(path.parent for path in here.glob("*/dialogue.txt")):
        if not (directory / "expect.txt").exists():
            problems.append(f"{directory.name}: no expect.txt")
        if not rows_of(directory):
            problems.append(f"{directory.name}: no rows: line")
        for row in rows_of(directory):
            said.setdefault(row, set()).add(directory.name)
    for row in sorted(set(table) | set(said)):
        dialogues = {name for name in table.get(row, ()) if "/" not in name}
        problems += [f"README.md: {row} does not list {name}" for name in sorted(said.get(row, set()) - dialogues)]
        problems += [f"README.md: {row} lists {name}, which does not name it"
                     for name in sorted(dialogues - said.get(row, set()))]
    return problems


def check_rows(root, table):
    problems = [f"README.md: {row} is no row" for row in table if row not in ROWS]
    for row in ROWS:
        if not table.get(row):
            problems.append(f"README.md: {row} has no test")
        problems += [f"README.md: {row} lists {name}, which is no test that names it"
                     for name in table.get(row, ()) if "/" in name and not names_row(root / name, row)]
    return problems


def main():
    here = Path(sys.argv[1])
    table = table_of(here / "README.md")
    problems = check_dialogues(here, table) + check_rows(here.parents[1], table)
    print("\n".join(problems) or f"{len(ROWS)} rows, each with its tests")
    return bool(problems)


sys.exit(main())
