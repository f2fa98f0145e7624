"""``trialtwin export MODEL --to PROGRAM``: a model of ours as the text of another program."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from trials.commands.importing import numbers
from trials.errors import TrialError

if TYPE_CHECKING:
    from engine import Model

PROGRAMS = ("mrgsolve", "rxode2", "sbml", "latex", "yaml")
VALUED = ("mrgsolve", "rxode2")
"""Programs whose text needs a value of every parameter."""


def main(arguments: list[str]) -> int:
    """Write a model for another program, to a file or to the terminal."""
    from engine.models.loading import load_model

    parser = argparse.ArgumentParser("trialtwin export", description="Write a model as the text of another program.")
    parser.add_argument("model", help="name of a model of the library, or a YAML file")
    parser.add_argument("--to", required=True, choices=PROGRAMS, help="the program")
    parser.add_argument("--out", help="file to write; the terminal when absent")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="value of a parameter")
    given = parser.parse_args(arguments)
    text = _written(load_model(given.model), given.to, given.set)
    if given.out is None:
        print(text, end="" if text.endswith("\n") else "\n")
        return 0
    try:
        Path(given.out).write_text(text, encoding="utf-8")
    except OSError as error:
        raise TrialError(f"--out: cannot write {given.out} ({error.strerror})") from None
    print(f"written: {given.out}")
    return 0


def _written(model: Model, program: str, changed: list[str]) -> str:
    write: Callable[..., str] = getattr(import_module("engine.interchange"), f"write_{program}")
    values = numbers("--set", changed)
    if values and program not in VALUED:
        raise TrialError(f"--set: is for {' and '.join(VALUED)}, got --to {program}")
    return write(model, values) if program in VALUED else write(model)
