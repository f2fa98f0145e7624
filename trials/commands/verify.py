"""``trialtwin verify DIR``: whether a package is what was packaged."""

from __future__ import annotations

import argparse


def main(arguments: list[str]) -> int:
    """Verify a package; exit code 1 when anything in it has changed."""
    from trials.verification import verify

    parser = argparse.ArgumentParser("trialtwin verify", description="Verify an evidence package, offline.")
    parser.add_argument("folder", help="folder that `trialtwin package` made")
    report = verify(parser.parse_args(arguments).folder)
    print(report)
    return report.exit_code
