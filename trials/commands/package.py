"""``trialtwin package RUN --out DIR``: a run as an evidence package."""

from __future__ import annotations

import argparse


def main(arguments: list[str]) -> int:
    """Package a finished run, or print where a package has what a reviewer looks for."""
    parser = argparse.ArgumentParser("trialtwin package", description="Package a finished run as evidence (BagIt 1.0).")
    parser.add_argument("run", nargs="?", help="folder of the run, runs/<trial>/<time>-<digest>")
    parser.add_argument("--out", help="folder to make")
    parser.add_argument(
        "--evidence", default="", help="answers that only people can give: a file, or a name in conf/evidence"
    )
    parser.add_argument("--draft", action="store_true", help="let answers be missing; every page is marked DRAFT")
    parser.add_argument("--core", default="", help="command that runs CDISC CORE on {data}, with {define}, into {out}")
    parser.add_argument("--actor", default="", help="who packages, for the audit log; else the login name")
    parser.add_argument("--checklist", action="store_true", help="print what a reviewer looks for and where it is")
    given = parser.parse_args(arguments)
    if given.checklist:
        from trials.evidence.checklist import printed

        print(printed())
    if given.run is not None and given.out is not None:
        return _package(given)
    if not given.checklist or given.run is not None:
        parser.error("wants the folder of a run and --out, the folder to make; or --checklist")
    return 0


def _package(given: argparse.Namespace) -> int:
    from rich.console import Console

    from trials.commands.run import shown
    from trials.packaging import Wish, package

    wish = Wish(evidence=given.evidence, draft=given.draft, core=given.core, actor=given.actor)
    with shown(Console(stderr=True)) as progress:
        made = package(given.run, given.out, wish, progress=progress)
    print(f"packaged: {made}")
    return 0
