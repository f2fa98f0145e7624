"""Runs every benchmark in a process of its own and writes the table of README.md from the results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NAMES = (
    "fit",
    "calibration",
    "draw",
    "twins",
    "simulate",
    "workloads",
    "stream",
    "workers",
    "trial",
    "mechanistic",
    "bioequivalence",
    "survival",
    "mmrm",
    "pymc_analysis",
)
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"
NOT_SHOWN = ("median_s", "min_s", "max_s", "times_s", "runs", "first_call_s", "lsoda_times_s")


def main(names: list[str]) -> None:
    """Run the named benchmarks, all when none is named, then renew the table."""
    for name in names or NAMES:
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=HERE.parent, check=True)
    page = HERE / "README.md"
    text = page.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(before + BEGIN + table() + END + after, encoding="utf-8")


def table() -> str:
    """Results as Markdown, one table a benchmark."""
    parts = []
    for name in NAMES:
        path = HERE / "results" / f"{name}.json"
        if path.is_file():
            parts += [_section(name, json.loads(path.read_text(encoding="utf-8")))]
    return "\n" + "\n".join(parts) + "\n"


def _section(name: str, result: dict[str, Any]) -> str:
    machine = result["machine"]
    about = f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, {result['measured'][:10]}"
    rows = [f"**{name}** ({about})", "", "| what | median | range | runs | first call | |", "|---|---|---|---|---|---|"]
    for label, row in result["rows"].items():
        first = f"{row['first_call_s']:.2f} s" if "first_call_s" in row else ""
        more = ", ".join(f"{key} {_short(value)}" for key, value in row.items() if key not in NOT_SHOWN)
        span = f"{_seconds(row['min_s'])} to {_seconds(row['max_s'])} s"
        rows.append(f"| {label} | {_seconds(row['median_s'])} s | {span} | {row['runs']} | {first} | {more} |")
    return "\n".join(rows) + "\n"


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def _short(value: object) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.3g}" if isinstance(value, float) and value < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    main(sys.argv[1:])
