"""``trialtwin import FILE --out MODEL.yaml``: a model of another program as our text."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.errors import TrialError

if TYPE_CHECKING:
    from engine import Model

SBML = (".xml", ".sbml")


def main(arguments: list[str]) -> int:
    """Read a file, write our text of its model, and say what was read."""
    from engine.interchange import write_yaml

    given = _parser().parse_args(arguments)
    model, told = _read_sbml(given) if _is_sbml(given) else _read_control_stream(given)
    if given.name:
        model = replace(model, name=given.name)
    comments = [f"Read from {Path(given.file).name} by `trialtwin import`.", *told]
    try:
        Path(given.out).write_text(write_yaml(model, comments=comments), encoding="utf-8")
    except OSError as error:
        raise TrialError(f"--out: cannot write {given.out} ({error.strerror})") from None
    print(f"written: {given.out}")
    for what, names in (("states", model.state_names), ("outputs", model.output_names)):
        print(f"{what}: {', '.join(names)}")
    print("\n".join(told), end="\n" if told else "")
    if missing := [parameter.name for parameter in model.parameters if parameter.value is None]:
        print(f"without a typical value: {', '.join(missing)}")
    return 0


def pairs(option: str, words: list[str]) -> dict[str, str]:
    """Split ``NAME=VALUE`` words of an option."""
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not (name and sign and value):
            raise TrialError(f"{option}: wants NAME=VALUE, got {word!r}")
        found[name] = value
    return found


def numbers(option: str, words: list[str]) -> dict[str, float]:
    """Split ``NAME=NUMBER`` words of an option."""
    found = {}
    for name, value in pairs(option, words).items():
        try:
            found[name] = float(value)
        except ValueError:
            raise TrialError(f"{option}: {name}: wants a number, got {value!r}") from None
    return found


def _is_sbml(given: argparse.Namespace) -> bool:
    return bool(given.source == "sbml" or (given.source is None and Path(given.file).suffix.lower() in SBML))


def _read_sbml(given: argparse.Namespace) -> tuple[Model, list[str]]:
    from engine.interchange import read_sbml

    units = pairs("--unit", given.unit)
    return read_sbml(Path(given.file), units=units, time=given.time, unitless=given.unitless), []


def _read_control_stream(given: argparse.Namespace) -> tuple[Model, list[str]]:
    from engine.interchange import read_control_stream

    named: dict[str, Any] = {key: getattr(given, key) for key in ("time", "amount", "volume", "estimates")}
    imported = read_control_stream(
        Path(given.file), units=pairs("--unit", given.unit), covariates=numbers("--covariate", given.covariate),
        outputs=given.output, unitless=given.unitless, **{key: value for key, value in named.items() if value},
    )  # fmt: skip
    return imported.model, imported.describe()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "trialtwin import", description="Read a NONMEM control stream or SBML and write our text of its model."
    )
    parser.add_argument("file", help="a control stream, or SBML (.xml, .sbml)")
    parser.add_argument("--out", required=True, help="YAML file to write")
    parser.add_argument("--from", dest="source", choices=("nonmem", "sbml"), help="what it is, when its name misleads")
    parser.add_argument("--name", help="name of the model")
    parser.add_argument("--time", help="unit of time (h)")
    parser.add_argument("--amount", help="unit of amounts (mg); NONMEM only")
    parser.add_argument("--volume", help="unit of volumes (L); NONMEM only")
    parser.add_argument("--unit", action="append", default=[], metavar="NAME=UNIT", help="unit of a quantity")
    parser.add_argument("--unitless", action="store_true", help="take bare numbers, without units")
    parser.add_argument("--covariate", action="append", default=[], metavar="NAME=VALUE",
                        help="value of a data item, for typical values; NONMEM only")  # fmt: skip
    parser.add_argument("--output", action="append", default=[], metavar="NAME",
                        help="quantity of $ERROR wanted as an output; NONMEM only")  # fmt: skip
    parser.add_argument("--estimates", metavar="RUN.ext", help="final estimates; NONMEM only")
    return parser
