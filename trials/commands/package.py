"""``trialtwin package RUN --out DIR``: a run as an evidence package."""

from __future__ import annotations

import argparse


def main(arguments: list[str]) -> int:
    """Package a finished run."""
    from trials.packaging import package

    parser = argparse.ArgumentParser("trialtwin package", description="Package a finished run as evidence (BagIt 1.0).")
    parser.add_argument("run", help="folder of the run, runs/<trial>/<time>-<digest>")
    parser.add_argument("--out", required=True, help="folder to make")
    given = parser.parse_args(arguments)
    print(f"packaged: {package(given.run, given.out)}")
    return 0
