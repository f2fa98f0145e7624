"""The same fit to many made-up data sets: compiled once, each simulation at its own address, kept as it is made."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from cohorts.calibration.building import build
from cohorts.calibration.data import IndividualData, individual_data
from cohorts.calibration.people import Predictor, changing, new_people, predictor, simulated, told_apart
from cohorts.calibration.rows import Measurements, measurements
from cohorts.drawing.streams import Stream, derived, generator
from cohorts.errors import PopulationError
from cohorts.specification.outcomes import Outcome
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array
from cohorts.specification.residuals import Residual

Predict = Callable[[Mapping[str, Any]], Any]
Progress = Callable[[str, int, int], None]
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sampler:
    """How each data set is fitted: short chains, made longer until the draws that are kept are nearly independent.

    Attributes
    ----------
    draws
        Draws kept of each fit, evenly thinned.
    chains, tune, sampled
        Chains, and draws of each while tuning and after.
    longest
        Most draws of a chain after tuning; a fit that needs more is kept and counted as short.
    target_accept
        Acceptance the step size is tuned to.
    adaptation
        Mass matrix, as nutpie names it: ``low_rank`` follows values that move together, ``diag`` costs less.
    """

    draws: int = 99
    chains: int = 2
    tune: int = 400
    sampled: int = 300
    longest: int = 4800
    target_accept: float = 0.9
    adaptation: str = "low_rank"

    def __post_init__(self) -> None:
        """Refuse numbers that make no sampler (PopulationError)."""
        for name in ("draws", "chains", "tune", "sampled", "longest"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise PopulationError(f"sampler.{name}: got {value!r}, wanted a whole number >= 1")
        if self.chains * self.sampled < self.draws:
            got = f"{self.chains} chains of {self.sampled}"
            raise PopulationError(f"sampler.sampled: {got} give fewer than the {self.draws} draws to keep")


@dataclass(frozen=True, slots=True, eq=False)
class Refitter:
    """A population, a design and equations, ready to simulate data and to fit them.

    Attributes
    ----------
    population, data
        The specification, and data whose people, covariates, doses and times are the design; their values are not used.
    measured
        What the design observes.
    truth
        Where the values come from that data are made with: None for the prior, or a tree with a posterior group.
    seed
        All random numbers are addressed under it.
    sampler
        How each data set is fitted.
    labels
        Population-level values that are estimated.
    """

    population: Population
    data: IndividualData
    measured: tuple[Measurements, ...]
    truth: xr.DataTree | None
    seed: int
    sampler: Sampler
    labels: tuple[str, ...]
    function: Predictor
    compiled: Any

    def simulated(self, number: int) -> tuple[dict[str, Array], Array]:
        """One made-up data set, as the compiled model names its data, and the values behind it (parameter)."""
        seed = derived(self.seed, Stream.SIMULATION, number)
        people, values = new_people(self.population, self.data, seed=seed, replicates=1, posterior=self.truth)
        drawn = simulated(self.measured, self.function(people), values, seed, 0)
        made: dict[str, Array] = {}
        for one in self.measured:
            dv = drawn[one.output][0]
            made[f"dv_{one.output}"] = dv
            if _limited(one):
                made[f"below_{one.output}"] = (dv < one.lloq).astype(np.float64)
        return made, np.array([_element(self.population, values, label) for label in self.labels])

    def fitted(self, number: int) -> Record:
        """One simulation: simulate, fit, and say where the truth lies among the draws."""
        started = time.process_time()
        made, truth = self.simulated(number)
        model = self.compiled.with_data(**made)
        length = self.sampler.sampled
        while True:
            draws, about = self._sampled(model, number, length)
            if about["ess"] >= self.sampler.draws or length >= self.sampler.longest:
                break
            length = min(2 * length, self.sampler.longest)
        flat = draws.reshape(-1, draws.shape[-1])
        kept = flat[np.linspace(0, len(flat) - 1, self.sampler.draws).round().astype(int)]
        low, high = np.quantile(flat, [0.05, 0.95], axis=0)
        columns = {
            "truth": truth,
            "rank": (kept < truth).sum(axis=0),
            "mean": flat.mean(axis=0),
            "sd": flat.std(axis=0, ddof=1),
            "lower": low,
            "upper": high,
        }
        spent = time.process_time() - started
        return {"simulation": number, **{k: v.tolist() for k, v in columns.items()}, **about, "seconds": spent}

    def _sampled(self, model: Any, number: int, length: int) -> tuple[Array, Record]:
        """Draws (chain, draw, parameter) of one fit, and how it went."""
        import arviz as az
        import nutpie

        tree = nutpie.sample(
            model,
            seed=int(generator(self.seed, Stream.SIMULATION, number, length).integers(2**31)),
            chains=self.sampler.chains,
            tune=self.sampler.tune,
            draws=length,
            target_accept=self.sampler.target_accept,
            adaptation=self.sampler.adaptation,
            progress_bar=False,
            save_warmup=False,
        )
        group = tree["posterior"].to_dataset()
        columns = xr.Dataset({label: (("chain", "draw"), _column(group, label)) for label in self.labels})
        with np.errstate(divide="ignore", invalid="ignore"):
            ess, rhat = az.ess(columns, method="bulk"), az.rhat(_halves(columns))
        about = {
            "ess": min(float(ess[label]) for label in self.labels),
            "rhat": max(float(rhat[label]) for label in self.labels),
            "divergences": int(tree["sample_stats"]["diverging"].sum()),
            "length": length,
        }
        return np.stack([columns[label].values for label in self.labels], axis=-1), about


def refitter(
    population: Population,
    data: Any,
    predict: Predict,
    *,
    seed: int,
    output: str,
    truth: xr.DataTree | None,
    sampler: Sampler,
) -> Refitter:
    """Compile a population once for many fits; `Refitter` says what the arguments are."""
    import nutpie

    design = individual_data(data)
    occasions = told_apart(population, design)
    measured = measurements(population, design, output)
    for one in measured:
        if isinstance(one.endpoint, Outcome) and not one.endpoint.told:
            raise PopulationError(
                f"{one.output}: a simulated event comes at another time than the record, where the compiled equations "
                "would have to be asked anew; judge it by event_check, and leave it out of simulation studies"
            )
    model = build(population, design, occasions=None, predict=predict, output=output, refitted=True)
    top = [c for c in population.coefficients if c.free and (c.fitted or occasions is not None)]
    scalars = {str(v.name) for v in model.free_RVs if v.ndim == 0}
    begin = {c.name: c.quantities[0].centre for c in top if c.name in scalars}
    compiled = nutpie.compile_pymc_model(model, initial_points=begin, var_names=[c.name for c in top])
    labels = [
        f"{c.name}[{level}]" if c.levels else c.name
        for c in top
        for level, q in zip(c.levels or ("",), c.quantities, strict=True)
        if q.free
    ]
    names = population.parameter_names
    function = predictor(predict, names, len(design.subjects), occasions=occasions, changing=changing(population))
    return Refitter(population, design, measured, truth, seed, sampler, tuple(labels), function, compiled)


def _limited(one: Measurements) -> bool:
    """Whether a simulated measurement may lie below the limit of quantification."""
    return isinstance(one.endpoint, Residual) and bool(one.endpoint.blq) and bool(np.isfinite(one.lloq).any())


def _element(population: Population, values: Mapping[str, Array], label: str) -> float:
    """The one replicate's value, or that of one of its levels."""
    name, _, level = label.partition("[")
    if not level:
        return float(values[name][0])
    levels = next(c.levels for c in population.coefficients if c.name == name)
    return float(values[name][0, levels.index(level[:-1])])


def _column(group: xr.Dataset, label: str) -> Array:
    """Draws (chain, draw) of one value, or of one of its levels."""
    name, _, level = label.partition("[")
    column = group[name].sel({f"{name}_level": level[:-1]}) if level else group[name]
    return np.asarray(column.transpose("chain", "draw").values)


def _halves(columns: xr.Dataset) -> xr.Dataset:
    """The two halves of a lone chain as two, so that they can be compared; several chains as they are."""
    if columns.sizes["chain"] > 1:
        return columns
    half = columns.sizes["draw"] // 2
    parts = [columns.isel(chain=[0], draw=slice(start, start + half)) for start in (0, half)]
    return xr.concat(parts, "chain")


def run(
    fits: Refitter, count: int, *, store: Path | None, progress: Progress | None, about: Mapping[str, Any]
) -> xr.Dataset:
    """Simulations 0 to `count` - 1; those that `store` already has are read, not made again.

    Parameters
    ----------
    fits
        The compiled fit.
    count
        How many simulations.
    store
        File of one JSON line a simulation, appended as each is done; None keeps nothing.
    progress
        Called as ``progress(what, done, total)``.
    about
        What the result must say about itself; with the settings it heads the file.

    Raises
    ------
    PopulationError
        If the file belongs to other settings.
    """
    settings = {
        **about,
        "population_digest": fits.population.digest,
        "design_digest": fits.data.digest,
        "seed": fits.seed,
        "labels": list(fits.labels),
        **asdict(fits.sampler),
    }
    done = _opened(store, settings)
    for number in range(count):
        if number not in done:
            done[number] = fits.fitted(number)
            if store is not None:
                with store.open("a") as file:
                    file.write(json.dumps(done[number]) + "\n")
        if progress is not None:
            progress("fitting simulated data", number + 1, count)
    return _table(fits, [done[i] for i in range(count)], settings)


def _opened(store: Path | None, settings: Mapping[str, Any]) -> dict[int, Record]:
    """Simulations of a file, which is begun if there is none; a line cut short by a kill is made again."""
    if store is None:
        return {}
    head = json.dumps(settings, sort_keys=True)
    if not store.exists():
        store.parent.mkdir(parents=True, exist_ok=True)
        store.write_text(head + "\n")
        return {}
    lines = store.read_text().split("\n")
    if lines[0] != head:
        raise PopulationError(f"store: {store} belongs to other settings: {lines[0][:200]}; give another file")
    whole, last = lines[1:-1], lines[-1]
    if last:
        store.write_text("\n".join([head, *whole, ""]))
    return {record["simulation"]: record for record in map(json.loads, whole)}


COLUMNS = ("truth", "rank", "mean", "sd", "lower", "upper")
RUN = ("ess", "rhat", "divergences", "length", "seconds")


def _table(fits: Refitter, records: list[Record], settings: Mapping[str, Any]) -> xr.Dataset:
    columns = {name: (("simulation", "parameter"), np.array([r[name] for r in records])) for name in COLUMNS}
    run_columns = {name: ("simulation", np.array([r[name] for r in records])) for name in RUN}
    units = {c.name: c.unit for c in fits.population.coefficients}
    made = xr.Dataset(
        {**columns, **run_columns},
        {
            "simulation": [r["simulation"] for r in records],
            "parameter": list(fits.labels),
            "unit": ("parameter", [units[label.partition("[")[0]] for label in fits.labels]),
        },
    )
    short = np.array([r["ess"] for r in records]) < fits.sampler.draws
    return made.assign_attrs({k: v for k, v in settings.items() if k != "labels"} | {"short": int(short.sum())})
