"""``trialtwin verify DIR [--rerun N]``: whether a package is what was packaged, and says what it holds."""

from __future__ import annotations

import argparse
from pathlib import Path

ABOUT = """Verify an evidence package, offline: every file, the audit log, the signatures, the forms of its files, and
that the same number is the same everywhere; with --rerun, trials of it simulated again.

exit code: 0  everything that is there was checked and is well
           1  there are findings
           2  it is no package, or the command was not understood"""


def main(arguments: list[str]) -> int:
    """Verify a package; exit code 1 when anything is wrong with it."""
    from trials.verification import verify

    parser = argparse.ArgumentParser(
        "trialtwin verify", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="folder that `trialtwin package` made")
    parser.add_argument(
        "--rerun", type=int, default=0, metavar="N", help="simulate N replicates of each scenario again"
    )
    parser.add_argument("--seed", type=int, default=0, help="which replicates these are follows from it (0)")
    parser.add_argument("--out", metavar="FILE", help="write the result to this .html or .json file too")
    given = parser.parse_args(arguments)
    if given.rerun < 0 or given.seed < 0:
        parser.error("--rerun and --seed want whole numbers of 0 or more")
    report = verify(given.folder, rerun=given.rerun, seed=given.seed)
    if given.out:
        from trials.trust.page import write

        write(report, Path(given.out))
    print(report)
    return report.exit_code
