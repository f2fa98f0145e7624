"""``trialtwin check RUN``: whether a run folder is what its run left."""

from __future__ import annotations

import argparse


def main(arguments: list[str]) -> int:
    """Check a run folder; exit code 1 when anything in it has changed."""
    from trials.verification import check

    parser = argparse.ArgumentParser("trialtwin check", description="Check the files and numbers of a run folder.")
    parser.add_argument("run", help="folder of the run, runs/<trial>/<time>-<digest>")
    report = check(parser.parse_args(arguments).run)
    print(report)
    return report.exit_code
