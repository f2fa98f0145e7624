"""The protocol: who is treated with what, what is measured, what is analysed, and under which assumptions.

Everything here is a frozen dataclass, built from plain YAML by :mod:`trials.compose` and read by everything else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trials.errors import TrialError
from trials.precision import Precision

if TYPE_CHECKING:
    import xarray as xr

    from cohorts import Population, Residual
    from engine import Model, Policy, Regimen
    from trials.analyses.base import Analysis
    from trials.conduct.adherence import Adherence
    from trials.conduct.estimand import Estimand
    from trials.conduct.event import IntercurrentEvent
    from trials.costs import Costs
    from trials.designs.base import Design
    from trials.endpoints.base import Endpoint
    from trials.enrolment.base import Enrolment
    from trials.multiplicity.families import Family
    from trials.randomisation.base import Randomisation
    from trials.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class Arm:
    """What one group of patients receives: a regimen or a policy, and what it changes in the model."""

    name: str
    regimen: Regimen | None = None
    policy: Policy | None = None
    modify: tuple[tuple[str, float], ...] = ()
    """Factor on each named model parameter while a patient is in this arm (a formulation, say)."""
    adherence: Adherence | None = None
    """Which doses are taken; None: all."""

    def __post_init__(self) -> None:
        """Refuse an arm without, or with two kinds of, dosing."""
        if (self.regimen is None) == (self.policy is None):
            raise TrialError(f"arms.{self.name}: wants either a regimen or a policy, got {self._given()}")

    def _given(self) -> str:
        return "neither" if self.regimen is None else "both"

    @property
    def dosing(self) -> Regimen | Policy:
        """What is handed to the engine."""
        dosing = self.regimen if self.policy is None else self.policy
        assert dosing is not None, "held by __post_init__"
        return dosing


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is measured in every patient, when, and how well."""

    name: str
    output: str
    """Output of the model."""
    times: tuple[float, ...]
    """Planned times after the start of the period, in the model's unit; before a dose of the same time."""
    error: Residual | None = None
    """None: the residual error of the population, with its uncertainty."""
    lloq: float | None = None
    """Lower limit of quantification."""
    blq: str = "zero"
    """How what is observed below the limit is recorded: ``zero``, ``half`` of the limit, ``missing``, or ``flagged``,
    which is the limit itself with ``<endpoint>_below`` beside it, for an analysis that knows censoring."""
    window: tuple[float, float] = (0.0, 0.0)
    """How much earlier and later than planned a visit may be; it falls anywhere within. That at 0 is kept."""
    missed: float = 0.0
    """Probability that a visit is missed, each by itself; that at 0 never is."""

    def __post_init__(self) -> None:
        """Refuse a plan nobody can follow."""
        times = np.asarray(self.times, float)
        if times.size == 0 or not np.isfinite(times).all() or times[0] < 0 or (np.diff(times) <= 0).any():
            raise TrialError(f"measurements.{self.name}.times: wants increasing times from 0 on, got {self.times}")
        if self.lloq is not None and not self.lloq >= 0:
            raise TrialError(f"measurements.{self.name}.lloq: wants a limit of at least 0, got {self.lloq}")
        if self.blq not in ("zero", "half", "missing", "flagged"):
            raise TrialError(
                f"measurements.{self.name}.blq: wants one of zero, half, missing, flagged, got {self.blq!r}"
            )
        if not 0 <= self.missed < 1:
            raise TrialError(f"measurements.{self.name}.missed: wants a probability below 1, got {self.missed}")
        self._check_window(times)

    def _check_window(self, times: np.ndarray) -> None:
        before, after = self.window
        later = times[times > 0]
        crossing = before + after > 0 and (np.diff(later) <= before + after).any()
        if min(before, after) < 0 or crossing or (later.size and later[0] < before):
            raise TrialError(
                f"measurements.{self.name}.window: wants how much earlier and later a visit may be, so that no two "
                f"can change places, got {list(self.window)}"
            )


@dataclass(frozen=True, slots=True)
class Protocol:
    """One complete set of assumptions: enough to simulate and analyse any replicate."""

    model: Model
    population: Population
    arms: tuple[Arm, ...]
    design: Design
    measurements: tuple[Measurement, ...]
    endpoints: tuple[Endpoint, ...]
    analyses: tuple[Analysis, ...]
    solver: Any
    """A solver of the engine, with its tolerances."""
    uncertainty: bool = True
    """Whether each replicate draws its own population, or all have the population's median."""
    enrolment: Enrolment | None = None
    """When and where subjects are randomised; None: all at time 0, at no site."""
    randomisation: Randomisation | None = None
    """How they are allocated; None: by the permuted blocks of the design."""
    intercurrent: tuple[IntercurrentEvent, ...] = ()
    """What can happen to patients after the start of treatment."""
    estimands: tuple[Estimand, ...] = ()
    """What is to be estimated; each is a variable that analyses may ask for, as they may for an endpoint."""
    costs: Costs | None = None
    """Prices, for the cost of each simulated trial."""

    @property
    def variables(self) -> tuple[str, ...]:
        """Endpoints and estimands, which analyses may ask for."""
        return (*(one.name for one in self.endpoints), *(one.name for one in self.estimands))

    def arm(self, name: str) -> Arm:
        """Arm of that name."""
        return _named(self.arms, name, "arm")

    def measurement(self, name: str) -> Measurement:
        """Measurement of that name."""
        return _named(self.measurements, name, "measurement")

    def endpoint(self, name: str) -> Endpoint:
        """Endpoint of that name, or that an estimand of that name is about."""
        variables = {estimand.name: estimand.variable for estimand in self.estimands}
        return _named(self.endpoints, variables.get(name, name), "endpoint")

    def analysis(self, name: str) -> Analysis:
        """Analysis of that name."""
        return _named(self.analyses, name, "analysis")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named state of the world under which the whole trial is repeated."""

    name: str
    description: str
    protocol: Protocol
    null: tuple[str, ...] = ()
    """Analyses whose null hypothesis is true here: their rejections are type I errors."""
    settings: tuple[tuple[str, str], ...] = ()
    """What differs from the base protocol: dotted path and value as JSON."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published result and the simulated number it stands beside."""

    trial: str
    quantity: str
    value: float
    unit: str
    source: str
    scenario: str
    arm: str | None = None
    """Arm and endpoint, for the mean of an arm; or else an analysis, for a contrast."""
    endpoint: str | None = None
    analysis: str | None = None
    lower: float | None = None
    upper: float | None = None
    level: float | None = None
    n: int | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class PowerCurve:
    """One field of the protocol walked over a grid, to draw decisions against it."""

    parameter: str
    values: tuple[float, ...]
    replicates: int
    label: str
    protocols: tuple[Protocol, ...]
    """The whole protocol at each value."""


@dataclass(frozen=True, slots=True)
class Store:
    """How many replicates leave their patients and their profiles in the run folder."""

    cohort: int
    trajectories: int


@dataclass(frozen=True, slots=True)
class Truth:
    """How many virtual patients stand behind each true effect: draws of the population times patients of each.

    `measured` says what is meant by the true effect: of the endpoint as it is measured in the trial, with the error of
    the measurements, or (False) of the true course.
    """

    draws: int
    patients: int
    measured: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """A question, the protocol that answers it and the scenarios it must hold under."""

    name: str
    title: str
    question: str
    protocol: Protocol
    scenarios: tuple[Scenario, ...]
    published: tuple[Published, ...]
    power_curve: PowerCurve | None
    calibration: Any
    """:class:`trials.calibration.Calibration`, or None for a population from the literature alone."""
    store: Store
    truth: Truth
    config_json: str = field(repr=False)
    """The resolved configuration as canonical JSON; `config` reads it."""
    limits: str = ""
    """What the model cannot explain, in words for the report."""
    precision: Precision = field(default_factory=Precision)
    """Monte Carlo error that the run goes on for."""
    rules: tuple[Rule, ...] = ()
    """Decision rules scored on the outcomes, beside the analyses' own decisions."""
    families: tuple[Family, ...] = ()
    """Families of hypotheses, each tested by its multiplicity procedure on the p-values of the outcomes."""

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, as in ``config.yaml``."""
        config: dict[str, Any] = json.loads(self.config_json)
        return config

    @property
    def digest(self) -> str:
        """SHA-256 of everything that can change a number: not of where it runs, is tracked or is written."""
        return hashlib.sha256(canonical(counted(self.config)).encode()).hexdigest()

    def planned(self, replicates: int | None = None, seed: int | None = None) -> Trial:
        """Give the trial another number of replicates or another seed; None leaves it as it is."""
        given = {"replicates": (replicates, 1), "seed": (seed, 0)}
        config = self.config
        for name, (value, least) in given.items():
            config[name] = config[name] if value is None else value
            if not isinstance(config[name], int) or isinstance(config[name], bool) or config[name] < least:
                raise TrialError(f"{name}: wants a whole number of at least {least}, got {config[name]!r}")
        return replace(self, config_json=json.dumps(config, ensure_ascii=False))

    def scenario(self, name: str) -> Scenario:
        """Scenario of that name."""
        return _named(self.scenarios, name, "scenario")


WHERE = ("cluster", "tracking", "runs", "block")
"""Fields of the configuration that say where and in which portions a run is made; no number depends on them."""
POSTERIOR = "posterior.nc"
"""The posterior in the folder of a run."""


def counted(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a configuration on which numbers depend.

    Where a posterior that was given lies is none of it: what it holds has a digest of its own.
    """
    numbers = {key: value for key, value in config.items() if key not in WHERE}
    if isinstance(fit := numbers.get("calibration"), Mapping) and fit.get("posterior") is not None:
        numbers["calibration"] = {**fit, "posterior": POSTERIOR}
    return numbers


@dataclass(frozen=True, slots=True)
class Result:
    """What a run leaves: outcomes of every replicate, true effects, and the way back to how they came about."""

    trial: Trial
    outcomes: xr.Dataset
    """(scenario, replicate, analysis): estimate, se, df, statistic, p, probability, lower, upper, decision, n,
    duration, failed, subjects_failed, and what else an analysis gives; coordinates scale, level, decides (analysis)."""
    arms: xr.Dataset
    """(scenario, replicate, endpoint, arm): n, mean, sd and geometric_mean of what was observed."""
    truth: xr.Dataset
    """(scenario, analysis): effect and its Monte Carlo error mcse, on the scale of the analysis, and null."""
    example: xr.Dataset
    """First replicate: true_<measurement> and observed_<measurement>, each (scenario, subject, period,
    time_<measurement>), and arm (scenario, subject, period) as index into attrs["arms"]."""
    power_curve: xr.Dataset | None = None
    """(value, replicate, analysis): as outcomes, with the realised truth at each value."""
    looks: xr.Dataset | None = None
    """(scenario, replicate, look, analysis): what every look of a design with looks found; None without."""
    posterior: xr.DataTree | None = None
    folder: Path | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)


def canonical(value: object) -> str:
    """JSON text of a value, the same for equal values: keys sorted, no blanks, whole floats written as floats."""
    return json.dumps(_floats(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _floats(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _floats(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_floats(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 2**53 else value
    return value


def _named[T](items: tuple[T, ...], name: str, kind: str) -> T:
    for item in items:
        if getattr(item, "name", None) == name:
            return item
    have = ", ".join(str(getattr(item, "name", item)) for item in items)
    raise TrialError(f"there is no {kind} {name!r}; there are {have}")
