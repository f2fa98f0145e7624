"""A population calibrated to published summaries, alone or together with measurements of individual people.

A fixed set of virtual patients, a quasi-random sample that is the same for all population values (common random
numbers), makes each summary a smooth function of the population values, so that NUTS can follow it. What a finite set
of patients leaves uncertain is added to each target's error. The method is that of a synthetic likelihood with a normal
error for each summary (Wood 2010, doi:10.1038/nature09319).
"""

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from cohorts.calibration.data import individual_data
from cohorts.calibration.diagnosis import ADVICE, Gates, diagnose, divergences
from cohorts.calibration.people import sharing, told_apart
from cohorts.calibration.targets import METRICS, SummaryTarget
from cohorts.calibration.virtual import Virtual, virtual_patients
from cohorts.drawing.cohort import stamp
from cohorts.drawing.streams import Stream, generator
from cohorts.errors import CalibrationError, PopulationError
from cohorts.specification.individuals import individual
from cohorts.specification.population import Population

if TYPE_CHECKING:
    import pymc as pm

Predict = Callable[[Mapping[str, Any]], Any]

TENSION = 3.0
"""Standard deviations from what the rest says, or the prior, at which a target counts as in conflict."""
PRIOR_DRAWS = 300
"""Draws of the prior that targets are compared with."""


class ConflictWarning(UserWarning):
    """Published summaries disagree with each other or with the prior."""


def summary_requests(
    population: Population, targets: tuple[SummaryTarget, ...], *, patients: int = 512, design: str = ""
) -> xr.Dataset:
    """Rows at which the targets of a design need the model: what `predict` must return, in this order.

    Returns
    -------
    xr.Dataset
        Dim row: ``subject`` (0 to patients - 1), ``time``, ``output``, ``occasion`` (0): all rows of the first patient,
        then of the next.
    """
    asked = _asked(targets, design)
    columns: dict[str, Any] = {
        "subject": np.repeat(np.arange(patients), len(asked)),
        "time": np.tile([t for _, t in asked], patients),
        "output": np.tile([o for o, _ in asked], patients),
        "occasion": np.zeros(patients * len(asked), dtype=np.int64),
    }
    return xr.Dataset({k: ("row", v) for k, v in columns.items()}, attrs={"population": population.name})


def _asked(targets: tuple[SummaryTarget, ...], design: str) -> list[tuple[str, float]]:
    return sorted({(one.output, t) for one in targets if one.output and one.design == design for t in one.times})


def calibrate_to_summaries(
    population: Population,
    targets: tuple[SummaryTarget, ...],
    predict: Predict | Mapping[str, Predict] | None = None,
    *,
    seed: int,
    patients: int = 512,
    data: Any = None,
    predict_data: Predict | None = None,
    chains: int = 4,
    tune: int = 800,
    draws: int = 1000,
    target_accept: float = 0.95,
    cores: int | None = None,
    gates: Gates | None = None,
    allow: tuple[str, ...] = (),
) -> xr.DataTree:
    """Posterior of a population given published summaries, by NUTS (nutpie).

    Parameters
    ----------
    population
        The specification; its uncertain numbers are the priors.
    targets
        Result of `load_targets`. Those with a ``study`` share the deviation of that study in the parameters that have
        ``between_study``: a meta-analysis.
    predict
        The equations at the rows of `summary_requests` for the virtual patients; one for each design by its name where
        there are several. Not needed where all targets are of parameters.
    seed
        Non-negative whole number; the virtual patients and the sampler depend on it.
    patients
        Virtual patients. What so many leave uncertain is in the error of each target.
    data, predict_data
        Measurements of individual people to learn from too, and the equations for them, as `cohorts.calibrate` takes
        them. Studies and sites of the data are those of the same names among the targets.
    chains, tune, draws, target_accept, cores, gates, allow
        As `cohorts.calibrate` takes them.

    Returns
    -------
    xr.DataTree
        Groups posterior (chain, draw) and sample_stats, with which `cohorts.draw` makes cohorts; and targets, dim
        target: ``value`` and ``se`` on the scale they are compared on (logarithms for geometric ones), ``finite`` (the
        error of so many virtual patients), ``fitted`` and ``fitted_sd`` of the posterior, ``z_prior`` (distance from
        what the prior predicts, in SDs) and ``z_rest`` (from what prior and all other targets say). Attribute
        ``conflicts`` names those beyond `TENSION`.

    Warns
    -----
    ConflictWarning
        Naming targets that disagree with the others or with the prior.

    Raises
    ------
    PopulationError
        If targets and population do not fit together; found before any work.
    CalibrationError
        If a gate fails that is not allowed to.
    """
    if unknown := sorted(set(allow) - set(ADVICE)):
        raise PopulationError(f"allow: got {unknown}, wanted some of {sorted(ADVICE)}")
    cohort = virtual_patients(population, targets, seed, patients)
    fit = _Fit(population, targets, _by_design(targets, predict), cohort, seed)
    started = time.perf_counter()
    model = _model(fit, data, predict_data)
    known = hashlib.sha256(repr(targets).encode()).hexdigest()
    known = known if data is None else hashlib.sha256((known + individual_data(data).digest).encode()).hexdigest()
    options = {"chains": chains, "tune": tune, "draws": draws, "target_accept": target_accept, "cores": cores}
    tree = _sampled(fit, model, options)
    tree["targets"] = xr.DataTree(_compared(fit, model, tree))
    tree.attrs |= {
        "data_digest": known,
        "seconds": time.perf_counter() - started,
        **{k: v for k, v in options.items() if v is not None},
    }
    _judge(fit, tree, gates or Gates(), allow)
    return tree


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    population: Population
    targets: tuple[SummaryTarget, ...]
    predict: Mapping[str, Predict]
    patients: Virtual
    seed: int


def _by_design(targets: tuple[SummaryTarget, ...], predict: Any) -> dict[str, Predict]:
    designs = sorted({one.design for one in targets if one.output})
    given = dict(predict) if isinstance(predict, Mapping) else ({"": predict} if predict is not None else {})
    if missing := [d for d in designs if d not in given]:
        raise PopulationError(f"predict: missing for design {missing[0]!r} of the targets; got {sorted(given)}")
    return given


def _model(fit: _Fit, data: Any, predict_data: Predict | None) -> "pm.Model":
    studies = sorted({one.study for one in fit.targets if one.study})
    known = studies
    if data is None:
        model = fit.population.build(None, studies=studies)
    else:
        if predict_data is None:
            raise PopulationError("predict_data: missing; data need their equations")
        people = individual_data(data)
        if told_apart(fit.population, people) is not None:
            raise PopulationError("data.observations.occasion: several occasions cannot be fitted beside summaries")
        known = people.places("study")[0] if sharing(fit.population, "study") else []
        if strange := sorted(set(studies) - set(known)) if known else []:
            raise PopulationError(f"targets.study: got {strange}, which the data lack; wanted some of {known}")
        model = fit.population.build(people, predict=predict_data)
    values = {c.name: _from_model(model, c) for c in fit.population.coefficients if c.fitted}
    with model:
        _likelihood(fit, values, {n: model[f"t_{n}"] for n in sharing(fit.population, "study")}, known)
    return model


def _from_model(model: "pm.Model", c: Any) -> Any:
    if c.name not in model.named_vars:
        return [np.float64(q.values[0]) for q in c.quantities] if c.levels else np.float64(c.quantities[0].values[0])
    return [model[c.name][i] for i in range(len(c.levels))] if c.levels else model[c.name]


def _likelihood(fit: _Fit, values: Mapping[str, Any], shared: Mapping[str, Any], studies: list[str]) -> None:
    """A normal error for each summary, on its scale; the summary and its error become deterministic variables."""
    import pymc as pm
    import pytensor.tensor as pt

    made = {s: _parameters(fit, values, shared, studies, s) for s in sorted({one.study for one in fit.targets})}
    predicted = {
        (study, design): fit.predict[design](made[study])
        for study, design in sorted({(one.study, one.design) for one in fit.targets if one.output})
    }
    for one in fit.targets:
        x = _of_patients(fit, one, made[one.study], predicted.get((one.study, one.design)), values)
        group = np.flatnonzero(fit.patients.subgroups[one.name])
        found = one.summary(x[group], len(group))
        finite = pt.sqrt(found.variance / len(group))
        se = pt.sqrt(found.variance / one.n) if one.n else np.float64(one.scaled_se)
        summary = pm.Deterministic(f"summary_{one.name}", found.value)
        total = pm.Deterministic(f"error_{one.name}", pt.sqrt(se**2 + finite**2))
        pm.Deterministic(f"finite_{one.name}", finite)
        pm.Potential(f"target_{one.name}", pm.logp(pm.Normal.dist(summary, total), one.scaled))


def _parameters(fit: _Fit, values: Any, shared: Mapping[str, Any], studies: list[str], study: str) -> dict[str, Any]:
    """Parameters of the virtual patients, (patient); of a typical study where none is named."""
    import pytensor.tensor as pt

    own = {n: v[studies.index(study)] for n, v in shared.items()} if study else None
    made = individual(fit.population, values, fit.patients.covariates, fit.patients.z, None, xp=pt, studies=own)
    return {name: pt.broadcast_to(pt.as_tensor(v), (fit.patients.count,)) for name, v in made.items()}


def _of_patients(fit: _Fit, one: SummaryTarget, parameters: Mapping[str, Any], rows: Any, values: Any) -> Any:
    if one.parameter:
        return parameters[one.parameter]
    asked = _asked(fit.targets, one.design)
    places = [asked.index((one.output, t)) for t in one.times]
    seen = rows.reshape((fit.patients.count, len(asked)))[:, places]
    if one.measured:
        seen = fit.population.residual(one.output).observe(seen, values, fit.patients.noise[:, None], _tensor())
    return METRICS[one.metric](seen, np.asarray(one.times))


def _tensor() -> Any:
    import pytensor.tensor as pt

    return pt


def _sampled(fit: _Fit, model: "pm.Model", options: Mapping[str, Any]) -> xr.DataTree:
    import nutpie

    begin = {c.name: c.quantities[0].centre for c in fit.population.coefficients if _scalar(c.name, model)}
    sampled = nutpie.sample(
        nutpie.compile_pymc_model(model, initial_points=begin),
        seed=int(generator(fit.seed, Stream.SUMMARIES, 1).integers(2**31)),
        progress_bar=False,
        save_warmup=False,
        **options,
    )
    tree = xr.DataTree.from_dict(
        {"posterior": sampled["posterior"].to_dataset(), "sample_stats": sampled["sample_stats"].to_dataset()}
    )
    units = {c.name: c.unit for c in fit.population.coefficients} | {p.name: p.unit for p in fit.population.parameters}
    for name in map(str, tree["posterior"].data_vars):
        tree["posterior"][name].attrs["units"] = units.get(name, "1")
    tree.attrs = {"fitted_digest": fit.population.digest_of_fit(), "population": fit.population.name, "occasions": 0}
    return tree


def _scalar(name: str, model: "pm.Model") -> bool:
    return any(v.name == name for v in model.free_RVs) and model[name].ndim == 0


def _compared(fit: _Fit, model: "pm.Model", tree: xr.DataTree) -> xr.Dataset:
    """Each target beside the prior, beside the posterior and beside what the rest says."""
    import pymc as pm

    dims = ("chain", "draw")
    group = tree["posterior"].to_dataset()
    names = [one.name for one in fit.targets]
    kinds = [f"{kind}_{name}" for kind in ("summary", "error") for name in names]
    rng = generator(fit.seed, Stream.SUMMARIES, 2)
    before = pm.draw([model[k] for k in kinds], PRIOR_DRAWS, random_seed=rng)
    prior = dict(zip(kinds, before, strict=True))
    rows = []
    for one in fit.targets:
        drawn = group[f"summary_{one.name}"]
        fitted, sd = float(drawn.mean(dims)), float(drawn.std(dims))
        error = float(group[f"error_{one.name}"].mean(dims))
        mean, spread = np.mean(prior[f"summary_{one.name}"]), np.std(prior[f"summary_{one.name}"])
        rest = error**2 - sd**2
        rows.append(
            {
                "value": one.scaled,
                "se": error,
                "finite": float(group[f"finite_{one.name}"].mean(dims)),
                "fitted": fitted,
                "fitted_sd": sd,
                "z_prior": float((one.scaled - mean) / np.hypot(spread, error)),
                "z_rest": (one.scaled - fitted) / np.sqrt(rest) if rest > 0.02 * error**2 else np.nan,
            }
        )
    columns = {k: ("target", np.array([row[k] for row in rows])) for k in rows[0]}
    return xr.Dataset(columns, {"target": names, "source": ("target", [one.source for one in fit.targets])})


def _judge(fit: _Fit, tree: xr.DataTree, gates: Gates, allow: tuple[str, ...]) -> None:
    table = tree["targets"].to_dataset()
    inner = [str(n) for n in tree["posterior"].data_vars if str(n).startswith(("summary_", "error_", "finite_"))]
    kept = tree["posterior"].to_dataset().drop_vars(inner)
    plain = xr.DataTree.from_dict({"posterior": kept, "sample_stats": tree["sample_stats"].to_dataset()})
    tree["posterior"] = xr.DataTree(kept)
    failed = gates.failures(plain)
    found = diagnose(plain)
    conflicts = {
        kind: [str(n) for n in table["target"].values[np.abs(table[column].values) > TENSION]]
        for kind, column in (("prior", "z_prior"), ("others", "z_rest"))
    }
    tree.attrs |= {
        **stamp(fit.population, fit.seed),
        "rhat_max": float(found["rhat"].max()),
        "ess_min": float(found[["ess_bulk", "ess_tail"]].min().min()),
        "divergences": divergences(plain),
        "patients": fit.patients.count,
        "failed": json.dumps(failed),
        "allowed": json.dumps(sorted(allow)),
        "conflicts": json.dumps(conflicts),
        "versions": json.dumps({p: version(p) for p in ("pymc", "pytensor", "nutpie", "arviz", "numpy")}),
    }
    if sentences := [f"with the {kind}: {', '.join(names)}" for kind, names in conflicts.items() if names]:
        warnings.warn(
            f"summaries of {fit.population.name} disagree by more than {TENSION:g} standard errors "
            f"{'; '.join(sentences)}; look at the group targets of the result",
            ConflictWarning,
            stacklevel=3,
        )
    if fatal := {k: v for k, v in failed.items() if k not in allow}:
        reasons = "; ".join(f"{v}: {ADVICE[k]}" for k, v in fatal.items())
        raise CalibrationError(f"the fit of {fit.population.name} to summaries may not be used. {reasons}", tree)
