"""``trialtwin list models | populations | trials``: what there is, one line each."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

GROUPS = {"models": "model", "populations": "population", "trials": "trial"}


def main(arguments: list[str]) -> int:
    """Print the name and a line about every file of a group."""
    from trials.compose import conf_dir

    words, folder = _split(arguments)
    if len(words) != 1 or words[0] not in GROUPS:
        print("usage: trialtwin list models | populations | trials [--config-dir DIR]", file=sys.stderr)
        return 0 if words in (["-h"], ["--help"]) else 2
    folders = [conf_dir(), *([folder] if folder else [])]
    files = {path.stem: path for home in folders for path in sorted((home / GROUPS[words[0]]).glob("*.yaml"))}
    width = max(map(len, files), default=0)
    for name, path in files.items():
        print(f"{name:<{width}}  {_about(path)}")
    return 0


def _split(arguments: list[str]) -> tuple[list[str], Path | None]:
    """Separate words from ``--config-dir DIR``."""
    words, folder = list(arguments), None
    for option in ("--config-dir", "-cd"):
        if option in words[:-1]:
            place = words.index(option)
            folder = Path(words[place + 1])
            del words[place : place + 2]
    return words, folder


def _about(path: Path) -> str:
    """Take the title of a trial, or the first sentence of the reference of a model or population."""
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    about = " ".join(str(spec.get("title") or spec.get("reference") or "").split())
    return about if len(about) <= 100 else f"{about[:99].rsplit(' ', 1)[0]} …"
