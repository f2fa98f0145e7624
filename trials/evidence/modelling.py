"""The model's folder: equations, parameters with priors and posterior, draws, and a card that says what it is for."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from trials.evidence.writing import sparse, write_json, write_text

if TYPE_CHECKING:
    from cohorts.specification.population import Coefficient
    from cohorts.specification.quantities import Quantity
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

TAILS = np.array([0.05, 0.5, 0.95])
STATUS = {
    "fixed": "a number without uncertainty",
    "assumed": "uncertain as its prior says; no data of this run have informed it",
    "estimated": "fitted to the data of this run; the posterior stands beside the prior",
}


def write_equations(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``model/equations.tex``, ``equations.txt`` and ``model.yaml``, which the program reads back."""
    from engine.interchange import write_latex, write_yaml

    model, place = study.trial.protocol.model, folder / "model"
    text = write_yaml(model)
    write_text(place / "model.yaml", text)
    write_text(place / "equations.tex", write_latex(model))
    write_text(place / "equations.txt", "\n".join(_plain(yaml.safe_load(text))))


def write_priors(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``model/priors.json``: every population-level value with its prior, source and, if fitted, posterior."""
    population = study.trial.protocol.population
    rows = [
        _value(study, coefficient, number, quantity)
        for coefficient in population.coefficients
        for number, quantity in enumerate(coefficient.quantities)
    ]
    content = {
        "simulated": "SIMULATED DATA: parameters of a population of virtual patients.",
        "population": population.name,
        "reference": population.reference,
        "status": STATUS,
        "values": rows,
        "covariates": population.to_dict().get("covariates", {}),
    }
    write_json(folder / "model" / "priors.json", content)


def write_posterior(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Copy the draws to ``model/posterior.nc``; without a fit ``model/posterior.txt`` says that there are none."""
    place = folder / "model"
    place.mkdir(parents=True, exist_ok=True)
    source = study.run / "posterior.nc"
    if source.is_file():
        shutil.copyfile(source, place / "posterior.nc")
    else:
        reason = "No population was fitted for this run: its values and their uncertainty are those of priors.json."
        write_text(place / "posterior.txt", reason)


def write_card(study: Study, answers: Answers, folder: Path) -> None:
    """Write ``model/model-card.md``: what the model is, for what, on what it rests, and what it cannot."""
    trial, protocol = study.trial, study.trial.protocol
    counts = dict.fromkeys(STATUS, 0)
    for coefficient in protocol.population.coefficients:
        for quantity in coefficient.quantities:
            counts[_status(study, coefficient, quantity)] += 1
    checks = dict(study.manifest.get("evidence", {})).get("checks", {})
    lines = [
        f"# Model card: {protocol.model.name} with {protocol.population.name}",
        "",
        "SIMULATED DATA: the model makes virtual subjects; no person took part.",
        "",
        f"- Question: {answers.question}",
        f"- Context of use: {answers.context}",
        f"- Equations: {protocol.model.reference} (`equations.txt`, `equations.tex`, `model.yaml`)",
        f"- Population: {protocol.population.reference} (`priors.json`)",
        f"- Values: {', '.join(f'{count} {status}' for status, count in counts.items())}",
        f"- Covariates: {', '.join(protocol.population.covariate_names) or 'none'}",
        f"- Outputs: {', '.join(f'{output.name} ({output.unit})' for output in protocol.model.outputs)}",
        f"- Fit: {_fit(study, checks)}",
        f"- Solver: {study.manifest['solver']['name']}: {study.manifest['solver']['reason']}",
        f"- Limits: {trial.limits or 'none were stated'}",
        f"- Digests: model {study.manifest['digests']['model']}, population {study.manifest['digests']['population']}",
    ]
    write_text(folder / "model" / "model-card.md", "\n".join(lines))


def _fit(study: Study, checks: Mapping[str, float]) -> str:
    if study.posterior is None:
        return "none; the population is the literature's"
    said = ", ".join(f"{name} {value:.4g}" for name, value in checks.items())
    return f"posterior.nc, {said or 'no checks were recorded'}"


def _plain(text: Mapping[str, Any]) -> Iterator[str]:
    """The model's own text as lines, a section after the other."""
    yield f"{text.get('name', 'model')}: {' '.join(str(text.get('reference', '')).split())}"
    yield f"time in {text.get('time', '1')}"
    for section, entries in text.items():
        if isinstance(entries, Mapping):
            yield f"\n{section}"
            yield from (f"  {name} = {_entry(entry)}" for name, entry in entries.items())


def _entry(entry: object) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    value = next((entry[key] for key in ("value", "initial") if key in entry), None)
    rest = "; ".join(f"{key}: {said}" for key, said in entry.items() if key not in ("value", "initial"))
    return rest if value is None else f"{value}  [{rest}]"


def _status(study: Study, coefficient: Coefficient, quantity: Quantity) -> str:
    if not quantity.free:
        return "fixed"
    known = study.posterior is not None and coefficient.name in study.posterior["posterior"].data_vars
    return "estimated" if known else "assumed"


def _value(study: Study, coefficient: Coefficient, number: int, quantity: Quantity) -> dict[str, Any]:
    """One value: what it is, its prior in words and quantiles, its source, and the posterior."""
    status = _status(study, coefficient, quantity)
    low, middle, high = (float(one) for one in quantity.quantile(TAILS))
    prior = {"family": quantity.family, **quantity.named, "lower": quantity.lower, "upper": quantity.upper}
    return {
        "name": coefficient.name,
        **sparse({"level": coefficient.levels[number] if coefficient.levels else ""}),
        "meaning": coefficient.meaning,
        "unit": coefficient.unit,
        "status": status,
        "prior": {name: value for name, value in prior.items() if value is not None},
        "prior_quantiles": {"q05": low, "median": middle, "q95": high} if quantity.free else {"median": middle},
        "source": quantity.source,
        **({"posterior": _posterior(study, coefficient.name, number)} if status == "estimated" else {}),
    }


def _posterior(study: Study, name: str, number: int) -> dict[str, Any]:
    """Mean, SD and quantiles of the draws, and the share of the prior's SD that the data left."""
    assert study.posterior is not None, "an estimated value has draws"
    draws = _draws(study.posterior["posterior"][name], number)
    before = study.posterior["prior"] if "prior" in study.posterior.children else None
    spread = _draws(before[name], number).std() if before is not None and name in before else math.nan
    left = {"sd_of_prior": float(draws.std() / spread)} if spread > 0 else {}
    low, middle, high = (float(one) for one in np.quantile(draws, TAILS))
    made = {"mean": float(draws.mean()), "sd": float(draws.std(ddof=1)), "q05": low, "median": middle, "q95": high}
    return made | left


def _draws(found: Any, number: int) -> np.ndarray:
    values = np.asarray(found.transpose("chain", "draw", ...).values)
    return values.reshape(values.shape[0] * values.shape[1], -1)[:, number]
