"""``trialtwin compare RUN RUN ...``: what designs achieve, side by side, and what each adds to the first."""

from __future__ import annotations

import argparse
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Print the comparison, or write it as a table of numbers."""
    from trials.comparison import compare
    from trials.table import comparison_table
    from trials.verification import read_manifest

    parser = argparse.ArgumentParser("trialtwin compare", description="Compare runs under their common scenarios.")
    parser.add_argument("runs", nargs="+", help="folders, RUN or NAME=RUN; differences are from the first")
    parser.add_argument("--out", help="write all numbers to this CSV file")
    given = parser.parse_args(arguments)
    pairs = [_named(text, number) for number, text in enumerate(given.runs, 1)]
    for _, path in pairs:
        read_manifest(path)
    table = compare(dict(pairs))
    print(comparison_table(table))
    if given.out:
        table.to_csv(given.out)
    return 0


def _named(text: str, number: int) -> tuple[str, Path]:
    """Name and folder of a run; one without a name is called by its place."""
    name, sign, path = text.partition("=")
    return (name, Path(path)) if sign and not Path(text).exists() else (f"run {number}", Path(text))
