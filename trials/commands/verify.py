"""``trialtwin verify DIR [--rerun N]``: whether a package is what was packaged, and says what it holds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trials.trust.finding import CODES

if TYPE_CHECKING:
    from trials.trust.keys import PublicKey

ABOUT = """Verify an evidence package, offline: every file, the audit log, the signatures, the forms of its files, and
that the same number is the same everywhere; with --rerun, trials of it simulated again.

exit code:  0  everything that is there was checked and is well
            1  the program itself failed
            2  it is no package, or the command was not understood
"""
EXITS = "\n".join(f"{code:>13}  {said}" for code, said in CODES.values())


def main(arguments: list[str]) -> int:
    """Verify a package; the exit code says what is wrong with it."""
    from trials.verification import Wanted, verify

    parser = argparse.ArgumentParser(
        "trialtwin verify", description=ABOUT + EXITS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="folder that `trialtwin package` made")
    parser.add_argument(
        "--rerun", type=int, default=0, metavar="N", help="simulate N replicates of each scenario again"
    )
    parser.add_argument("--seed", type=int, default=0, help="which replicates these are follows from it (0)")
    parser.add_argument("--out", metavar="FILE", help="write the result to this .html or .json file too")
    parser.add_argument(
        "--key", action="append", default=[], metavar="KEY",
        help="public key (RW… or its file) that you know by another way and that must have signed; may be repeated",
    )  # fmt: skip
    parser.add_argument("--released", action="store_true", help="it must be released")
    given = parser.parse_args(arguments)
    if given.rerun < 0 or given.seed < 0:
        parser.error("--rerun and --seed want whole numbers of 0 or more")
    wanted = Wanted(tuple(map(_key, given.key)), given.released)
    report = verify(given.folder, rerun=given.rerun, seed=given.seed, wanted=wanted)
    if given.out:
        from trials.trust.page import write

        write(report, Path(given.out))
    print(report)
    return report.exit_code


def _key(text: str) -> PublicKey:
    """Public key of a line or of a file."""
    from trials.errors import TrialError
    from trials.trust.keys import PublicKey

    path = Path(text)
    if not path.is_file():
        return PublicKey.read(text)
    try:
        return PublicKey.read(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TrialError(f"key: {path} cannot be read ({error})") from None
