"""``trialtwin whatif model=NAME 'regimen=...'``: a typical patient under a regimen, in a second.

Without a regimen it is the model's own example: its doses, its person, its time.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trials.compose import command_line
from trials.errors import TrialError
from trials.making import known, make

if TYPE_CHECKING:
    from engine import Model, Regimen

FIELDS = ("model", "regimen", "parameters", "duration", "points", "plot", "solver")
SEEN_FOR = 72.0
"""Hours shown after the last dose, unless its interval is longer."""


def main(arguments: list[str]) -> int:
    """Simulate a typical patient, print the key numbers and draw the course."""
    opened = [f"+{word}" if word.startswith("parameters.") else word for word in arguments]
    return command_line("trialtwin whatif", "whatif", opened, job)


def job(config: Mapping[str, Any], folders: list[Path]) -> int:  # noqa: ARG001 - every command's job takes them
    """Answer one question."""
    from engine.models.loading import load_evidence, load_model
    from engine.simulation import simulate_arrays
    from engine.status import Status

    known("", config, FIELDS)
    example = load_evidence(config["model"]).example if config["regimen"] is None else None
    model, regimen = load_model(config["model"]), example.dosing if example else _regimen(config["regimen"])
    parameters = _parameters(model, {**(example.parameters if example else {}), **config["parameters"]})
    seen = example.until if example and config["duration"] is None else _duration(config, model, regimen)
    times = np.linspace(0.0, seen, _points(config))
    found = simulate_arrays(model, parameters, regimen, times, solver=make("solver", config["solver"]))
    if found.status[0] != Status.ok:
        print(f"trialtwin whatif: {Status(found.status[0]).message}", file=sys.stderr)
        return 1
    outputs = {name: values[0] for name, values in found.outputs.items()}
    print(table(model, times, outputs))
    _draw(model, regimen, times, outputs, Path(config["plot"]))
    print(f"plot: {config['plot']}    ({found.reason}: {found.solver})")
    return 0


def table(model: Model, times: np.ndarray, outputs: Mapping[str, np.ndarray]) -> str:
    """Lay out the key numbers of each output: its start, extremes, when they come, and its end."""
    when = f"at ({model.time})"
    rows: list[tuple[str, ...]] = [("output", "unit", "start", "lowest", when, "highest", when, "end")]
    for output in model.outputs:
        values = outputs[output.name]
        low, high = int(values.argmin()), int(values.argmax())
        numbers = (values[0], values[low], times[low], values[high], times[high], values[-1])
        rows.append((output.name, output.unit, *(f"{number:.4g}" for number in numbers)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(lines)


def _draw(model: Model, regimen: Regimen, times: np.ndarray, outputs: Mapping[str, np.ndarray], plot: Path) -> None:
    from trials.figures.whatif import administered, typical

    figure = typical(model, administered(model, regimen), times, outputs, title=f"{model.name}: {regimen}")
    try:
        figure.savefig(plot, dpi=200)
    except (OSError, ValueError) as error:
        raise TrialError(f"plot: cannot write {plot} ({error})") from None


def _regimen(text: Any) -> Regimen:
    from engine.dosing.regimen import Regimen

    if not isinstance(text, str):
        raise TrialError(f"regimen: wants a text such as '100 mg into depot every 24 h, 28 times', got {text!r}")
    return Regimen.parse(text)


def _parameters(model: Model, changed: Mapping[str, Any]) -> dict[str, float]:
    known("parameters", changed, model.parameter_names)
    for name, value in changed.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TrialError(f"parameters.{name}: wants a number, got {value!r}")
    if all(parameter.value is not None or parameter.name in changed for parameter in model.parameters):
        values = {parameter.name: parameter.value for parameter in model.parameters} | dict(changed)
        return {name: float(value) for name, value in values.items() if value is not None}
    return {**model.typical, **changed}


def _duration(config: Mapping[str, Any], model: Model, regimen: Regimen) -> float:
    from engine.dosing.regimen import in_units
    from engine.dosing.schedule import state_index
    from engine.models.algebras.units import factor, unit

    wanted = config["duration"]
    if wanted is not None:
        if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not wanted > 0:
            raise TrialError(f"duration: wants a number above 0 in {model.time}, got {wanted!r}")
        return float(wanted)
    into = [state_index(model, dose.into, f"regimen: dose {number}") for number, dose in enumerate(regimen.doses, 1)]
    plain = [in_units(dose, model.states[at].unit, model.time) for at, dose in zip(into, regimen.doses, strict=True)]
    hours = SEEN_FOR * (factor(unit("h"), unit(model.time)) or 1.0)
    ends = [dose.at + (dose.times - 1) * (dose.every or 0.0) + max(dose.every or 0.0, hours) for dose in plain]
    return max(ends, default=hours)


def _points(config: Mapping[str, Any]) -> int:
    points = config["points"]
    if isinstance(points, bool) or not isinstance(points, int) or points < 2:
        raise TrialError(f"points: wants a whole number of at least 2, got {points!r}")
    return points
