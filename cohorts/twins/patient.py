"""The twin of one patient, and those of many: posteriors that learn, foretell and find doses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from cohorts.drawing.cohort import stamp
from cohorts.drawing.streams import Stream, generator
from cohorts.errors import PopulationError
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array
from cohorts.twins import forecasting, weighted
from cohorts.twins.pareto import LIMIT, effective
from cohorts.twins.particles import RESAMPLE, Particles, Settings
from cohorts.twins.problem import Index, Problem
from cohorts.twins.records import PatientRecord

if TYPE_CHECKING:
    import pandas as pd

    from cohorts.twins.recommending import Recommendation
    from cohorts.twins.targets import DosePlan, DoseTarget

type Graph = Callable[[PatientRecord, xr.Dataset], Any]

LEAST = 400.0 * (1.0 - 1e-9)
"""Effective sample size below which a posterior is not to be used; 400 but for rounding."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a posterior was computed with, so that it can be computed again with more data.

    Attributes
    ----------
    posterior
        Fit of the population, where there is one.
    uncertainty
        ``mixed``: population-level values stay uncertain. ``centred``: they are set at their medians.
    settings, seed
        How, and with which random numbers.
    graph
        For Hamiltonian Monte Carlo: a patient's record and its rows to the `predict` of `Population.build`.
    sampler
        Its settings.
    """

    posterior: xr.DataTree | None
    uncertainty: str
    settings: Settings
    seed: int
    graph: Graph | None = None
    sampler: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TwinCohort:
    """Posteriors of several patients.

    Attributes
    ----------
    problem
        Their records, the equations and what is believed of patients in general.
    particles
        Weighted draws.
    basis
        What they were computed with.
    numbers
        Addresses of their random numbers, (patient).
    history
        How each data set came in, oldest first: ``fitted``, ``reweighted``.
    failed
        Checks that failed, each with what was found, and went on all the same because `allow` named them.
    """

    problem: Problem
    particles: Particles
    basis: Basis
    numbers: Index
    history: tuple[str, ...] = ("fitted",)
    failed: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """How many patients, by which method."""
        return f"<TwinCohort of {len(self)} patients, {self.basis.settings.method}>"

    def __len__(self) -> int:
        """Number of patients."""
        return len(self.numbers)

    def __getitem__(self, patient: int) -> "Twin":
        """Twin of one patient by position."""
        one = np.array([patient], dtype=np.intp)
        particles = self.particles.of(one)
        return Twin(TwinCohort(self.problem.of(one), particles, self.basis, self.numbers[one], self.history))

    @property
    def uncertain(self) -> bool:
        """Whether the population has uncertain values at all."""
        return any(c.free for c in self.problem.latent.population.coefficients)

    @property
    def names(self) -> list[str]:
        """Name of each patient."""
        return [r.name for r in self.problem.records]

    @property
    def inner(self) -> str:
        """What parameters that change differ between: ``occasion``, or ``period`` where covariates change too."""
        return "occasion" if self.problem.latent.spells == 1 else "period"

    def classes(self) -> xr.Dataset:
        """Probability of each class of each mixture, (subject, <mixture>_class), with Monte Carlo errors ``_mcse``."""
        found: dict[str, Any] = {}
        own = self.problem.classes.covariates(self.particles.draw)
        for m in self.problem.latent.population.mixtures:
            inside = (own[m.name][..., None] == np.arange(len(m.levels))).astype(np.float64)
            p, error = weighted.mean(inside, self.particles.weight)
            dims = ("subject", f"{m.name}_class")
            found |= {m.name: (dims, p), f"{m.name}_mcse": (dims, error)}
        levels = {f"{m.name}_class": list(m.levels) for m in self.problem.latent.population.mixtures}
        return xr.Dataset(found, {"subject": self.names, **levels})

    @property
    def diagnostics(self) -> xr.Dataset:
        """By subject: ``ess``, ``pareto_k``, ``mode_found`` and ``reliable``."""
        ess, k = effective(self.particles.weight), self.particles.k
        usable = (ess >= LEAST) & ((k < LIMIT) | (self.basis.settings.method == "nuts"))
        columns = {"ess": ess, "pareto_k": k, "mode_found": self.particles.sound, "reliable": usable}
        return xr.Dataset({n: ("subject", v) for n, v in columns.items()}, {"subject": self.names})

    def parameters(self) -> dict[str, Array]:
        """Individual parameters of every particle, (patient, particle[, occasion or period])."""
        patients, count, d = self.particles.x.shape
        which = np.repeat(np.arange(patients), count)
        made = self.problem.parameters(which, self.particles.draw.ravel(), self.particles.x.reshape(-1, d))
        return {n: v.reshape(patients, count, *v.shape[1:]) for n, v in made.items()}

    def modes(self) -> xr.Dataset:
        """Individual parameters at the mode, population-level values at their centre, (subject[, occasion or period]).

        With a mixture it is the mode in the most probable class.
        """
        made = self.problem.parameters(np.arange(len(self)), self.particles.place, self.particles.modes)
        dims = ("subject", self.inner)
        return xr.Dataset({n: (dims[: v.ndim], v) for n, v in made.items()}, {"subject": self.names})

    def update(self, later: "Sequence[PatientRecord]", *, least: float = 0.2) -> "TwinCohort":
        """The patients after more has happened to them, all at once; `Twin.update` says how.

        Nothing is refused for poor weights: patients whose weights are poor, or whose covariates changed, are fitted
        afresh to all their data, and so is everybody where a new occasion or another spell of covariates begins.

        Parameters
        ----------
        later
            New doses, measurements and covariates, one record a patient; one without anything new is empty.
        least
            Share of effective particles below which a patient's are replaced.
        """
        from cohorts.twins.learning import updated_cohort

        return updated_cohort(self, later, least=least)

    def forecast(
        self,
        times: ArrayLike,
        doses: "Sequence[Any] | Any" = None,
        *,
        outputs: str | Sequence[str] | None = None,
        level: float = 0.9,
        occasion: str = "same",
    ) -> xr.Dataset:
        """What is foretold of each patient; `Twin.forecast` says what the arguments are.

        `doses` may be a sequence with one table a patient, and `times` (patient, time). The result has a dimension
        subject.
        """
        if not 0.0 < level < 1.0:
            raise PopulationError(f"level: got {level!r}, wanted a number between 0 and 1")
        p, when = self.particles, forecasting.moments(times, len(self))
        many = list(doses) if isinstance(doses, list | tuple) else [doses] * len(self)
        more = [PatientRecord(None, d, {}, n) for d, n in zip(many, self.names, strict=True)]
        wanted = forecasting.outputs_of(self.problem.latent.population, outputs)
        problem, x, now = forecasting.ahead(
            self.problem, p.x, occasion=occasion, seed=self.basis.seed, numbers=self.numbers
        )
        courses = forecasting.courses_of(problem, list(when), wanted, more, now)
        rows = forecasting.values(problem, courses, p.draw, x).reshape(*p.draw.shape, len(wanted), -1)
        self._solved(rows)
        found = {}
        for i, name in enumerate(wanted):
            seen = forecasting.measured(problem, name, rows[:, :, i], p.draw, self.basis.seed, self.numbers)
            found[name] = forecasting.summary(rows[:, :, i], seen, p.weight, level)
        about = {**stamp(problem.latent.population, self.basis.seed), "level": level, "occasion": occasion}
        return forecasting.table(found, when, self.names, about, self.units)

    @property
    def units(self) -> Mapping[str, str]:
        """Units of ``time`` and of the outputs, as the equations tell them; empty where they do not."""
        return dict(getattr(self.problem.predict, "units", {}))

    def _solved(self, rows: Array) -> None:
        bad = ~np.isfinite(rows).all(axis=(2, 3)) & (self.particles.weight > 0.0)
        if bad.any():
            who = self.names[int(np.argwhere(bad)[0, 0])]
            raise PopulationError(
                f"{who}: the model cannot be solved for {int(bad.sum())} of {bad.size} parameter sets"
            )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Twin:
    """The digital twin of one patient: what their own data, and a population, say of them. Made by `cohorts.twin`.

    Attributes
    ----------
    group
        The same as a group of one.
    """

    group: TwinCohort

    def __repr__(self) -> str:
        """Who it is of, and how it was computed."""
        d = self.diagnostics
        return f"<Twin of {self.record.name}, {d['observations']} observations, {d['method']}, ESS {d['ess']:.0f}>"

    @property
    def population(self) -> Population:
        """What is believed of patients in general."""
        return self.group.problem.latent.population

    @property
    def record(self) -> PatientRecord:
        """The data it rests on."""
        return self.group.problem.records[0]

    @property
    def weight(self) -> Array:
        """Weight of each particle, (particle), summing to 1."""
        return np.asarray(self.group.particles.weight[0])

    @property
    def diagnostics(self) -> dict[str, Any]:
        """How it was computed and how far it can be trusted.

        ``uncertainty`` is ``known`` where the population leaves nothing uncertain. ``failed`` holds the checks that
        `allow` overrode.
        """
        table, basis = self.group.diagnostics.isel(subject=0), self.group.basis
        return {
            "method": basis.settings.method,
            "uncertainty": basis.uncertainty if self.group.uncertain else "known",
            "particles": len(self.weight),
            **{str(n): v.item() for n, v in table.data_vars.items()},
            "history": list(self.group.history),
            "observations": len(self.record.observations["time"]),
            "failed": dict(self.group.failed),
        }

    def parameters(self) -> dict[str, Array]:
        """Individual parameters of every particle, (particle[, occasion or period])."""
        return {n: v[0] for n, v in self.group.parameters().items()}

    def classes(self) -> xr.Dataset:
        """Probability of each class of each mixture, (<mixture>_class), with its Monte Carlo error ``_mcse``."""
        return self.group.classes().isel(subject=0, drop=True)

    @property
    def posterior(self) -> xr.DataTree:
        """The posterior in ArviZ groups.

        ``posterior`` (chain, draw): equally weighted draws of the individual parameters, the unknowns they are made of
        and the uncertain population-level values. ``particles`` (particle): the same with ``log_weight``, before
        resampling. ``posterior_predictive``, ``log_likelihood``, ``observed_data``, ``constant_data`` (observation).
        Attributes are `diagnostics` and what was computed from what.
        """
        from cohorts.twins.tree import posterior_tree

        return posterior_tree(self)

    def resampled(self, count: int | None = None) -> Index:
        """Positions of equally weighted particles; all of them in order where weights are equal."""
        count = len(self.weight) if count is None else count
        if count == len(self.weight) and np.ptp(self.weight) < 1e-15:
            return np.arange(count)
        u = generator(self.group.basis.seed, Stream.TWIN, int(self.group.numbers[0]), RESAMPLE).random()
        return weighted.chosen(self.weight, float(u), count)

    def summary(self, level: float = 0.9) -> "pd.DataFrame":
        """Individual parameters, one row each: mean, its Monte Carlo error, sd, median, interval, mode, unit.

        One that changes has a row ``<name>[i]`` for each occasion, or for each period: those of the first occasion come
        first, a new one beginning whenever a covariate changes.
        """
        import pandas as pd

        rows, modes, tail = [], self.group.modes().isel(subject=0), 0.5 * (1.0 - level)
        for p in self.population.parameters:
            values = self.parameters()[p.name].reshape(len(self.weight), -1)
            for o in range(values.shape[1]):
                v, w = values[None, :, o], self.weight[None]
                middle, error = weighted.mean(v, w)
                shares = [weighted.quantile(v, w, q)[0][0] for q in (0.5, tail, 1.0 - tail)]
                spread = np.sqrt(np.sum(w * (v - middle) ** 2))
                label = p.name if values.shape[1] == 1 else f"{p.name}[{o}]"
                mode = float(np.atleast_1d(modes[p.name].to_numpy())[o])
                rows.append([label, middle[0], error[0], spread, *shares, mode, p.unit])
        names = ["parameter", "mean", "mean_mcse", "sd", "median", "lower", "upper", "mode", "units"]
        return pd.DataFrame(rows, columns=names).set_index("parameter")

    def update(self, later: PatientRecord, *, least: float = 0.2, allow: Sequence[str] = ()) -> "Twin":
        """The twin after more has happened to the patient.

        The particles are weighed anew by what they make of the new measurements. Where that leaves too few effective
        ones (or the weights are not to be trusted, or there are new unknowns) the posterior is computed afresh from all
        the data, with the bits that `cohorts.twin` gives on them.

        Parameters
        ----------
        later
            New doses, measurements, covariates; no measurement may be given twice.
        least
            Share of effective particles below which they are replaced.
        allow
            As for `cohorts.twin`.
        """
        from cohorts.twins.learning import updated

        return updated(self, later, least=least, allow=allow)

    def forecast(
        self,
        times: ArrayLike,
        doses: Any = None,
        *,
        outputs: str | Sequence[str] | None = None,
        level: float = 0.9,
        occasion: str = "same",
    ) -> xr.Dataset:
        """What the patient's values will be.

        Parameters
        ----------
        times
            In the model's unit, on the record's clock, (time).
        doses
            Doses to come, beside those of the record: a table with NONMEM's columns, as `PatientRecord` takes it.
        outputs
            Names of outputs of the model; by default those the population has an endpoint for.
        level
            Probability within the intervals.
        occasion
            ``same``: parameters that differ between occasions stay as at the last one. ``new``: they are drawn anew.

        Returns
        -------
        xr.Dataset
            Dims (output, time): ``mean``, ``median``, ``lower`` and ``upper`` of the true value, ``measured_lower`` and
            ``measured_upper`` of a measurement, each with ``_mcse``, its Monte Carlo standard error. Where the
            equations tell, the coordinate ``units`` (output) and ``time.attrs["units"]`` say in what.
        """
        whole = self.group.forecast(times, doses, outputs=outputs, level=level, occasion=occasion)
        return whole.isel(subject=0, drop=True)

    def dose_for(self, target: "DoseTarget", plan: "DosePlan", **search: Any) -> "Recommendation":
        """The dose, and interval between doses, that meets a target.

        Parameters
        ----------
        target
            What is wanted of which output.
        plan
            How doses would be given, and which are allowed.
        **search
            Keyword arguments of `cohorts.twins.recommending.recommend`.
        """
        from cohorts.twins.recommending import recommend

        return recommend(self, target, plan, **search)
