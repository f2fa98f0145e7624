"""Synthetic results with known numbers, for everything that reads a result: no simulation, no fit, made in a second."""

import json
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import xarray as xr

from cohorts.covariates.given import Categorical, Measured
from cohorts.specification.parameters import Parameter
from cohorts.specification.population import Population
from cohorts.specification.quantities import Quantity
from cohorts.specification.residuals import Residual
from engine.dosing.regimen import Dose, Regimen
from engine.models.loading import load_model
from engine.outcomes import TimeInRange
from trials import manifest, outcomes
from trials.analyses.base import Analysis, outcome
from trials.analyses.crossover_anova import AverageBioequivalence
from trials.calibration import Calibration
from trials.designs.crossover import Crossover
from trials.designs.parallel import Parallel
from trials.endpoints.base import Profile
from trials.endpoints.course import Course
from trials.folder import write_config
from trials.operating import characteristics
from trials.protocol import Arm, Measurement, PowerCurve, Protocol, Published, Result, Scenario, Store, Trial, Truth
from trials.reference import read_references

REPLICATES = 80
RATIOS = {"gmr_095": 0.95, "gmr_100": 1.0, "gmr_125": 1.25}
VALUES = (0.8, 0.9, 1.0, 1.1, 1.25)
ARMS = ("test", "reference")


@dataclass(frozen=True, slots=True)
class Peak(Profile):
    name: str
    unit: str
    measure: str

    def __call__(self, values, times):  # noqa: ARG002
        return values.max(axis=-1)


@dataclass(frozen=True, slots=True)
class Area(Profile):
    name: str
    unit: str
    measure: str

    def __call__(self, values, times):
        return np.trapezoid(values, times, axis=-1)


@dataclass(frozen=True, slots=True)
class Difference(Analysis):
    name: str
    endpoint: str
    alpha: float = 0.05
    scale = "difference"
    level = 0.95
    decides = True

    def __call__(self, data):
        arms = [data[self.endpoint].where(data["arm"] == index) for index in (0, 1)]
        estimate = (arms[0].mean("subject") - arms[1].mean("subject")).values
        se = np.sqrt(sum(a.var("subject", ddof=1) / (a.notnull().sum("subject")) for a in arms)).values
        values = {"estimate": estimate, "se": se, "lower": estimate - 1.96 * se, "upper": estimate + 1.96 * se,
                  "decision": np.abs(estimate) > 1.96 * se, "n": data.sizes["subject"], "failed": False}  # fmt: skip
        return outcome(self, data, values)

    def contribution(self, values):
        return values[ARMS[0]] - values[ARMS[1]]

    def null(self, effect, tolerance=0.0):
        return abs(effect) <= tolerance


@dataclass(frozen=True, slots=True)
class Exactly:
    rtol: float = 1e-8


def population():
    def parameter(name, unit, meaning, typical):
        spread = Quantity("halfnormal", (0.5,), "assumption: weakly informative")
        return Parameter(name, unit, meaning, typical, "lognormal", (), spread, None, total=False)

    return Population(
        name="made_up_adults",
        reference="Nobody (2026), doi:10.0000/none <not & published>",
        covariates=(
            Measured("weight", "kg", "body weight", "assumption", (Quantity("normal", (70.0, 12.0), "", lower=40.0),)),
            Categorical("sex", "sex at birth", "assumption", ("female", "male"), (0.4, 0.6)),
        ),
        parameters=(
            parameter("ka", "1/h", "absorption rate", Quantity("lognormal", (1.5, 0.5), "made up")),
            parameter("cl", "L/h", "clearance", Quantity("lognormal", (2.8, 0.4), "made up")),
        ),
        correlations=(),
        residuals=(Residual("concentration", "additive", (Quantity("halfnormal", (1.0,), "made up"),)),),
    )


def protocol(kind):
    measurement = Measurement("concentration", "concentration", (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 24.0), lloq=0.1)
    crossover = kind == "crossover"
    endpoints = (
        (Area("auc", "mg/L h", "concentration"), Peak("cmax", "mg/L", "concentration"))
        if crossover
        else (Course("time_in_range", "%", "concentration", TimeInRange(4.0, 8.0)),)
    )
    analyses = (
        tuple(AverageBioequivalence(name, name, *ARMS) for name in ("auc", "cmax"))
        if crossover
        else (Difference("difference", "time_in_range"),)
    )
    return Protocol(
        model=load_model("theophylline_oral"),
        population=population(),
        arms=tuple(Arm(name, regimen=Regimen(Dose(320, into="depot")), modify=(("f", 1.0),)) for name in ARMS),
        design=Crossover(ARMS, 24, 168.0) if crossover else Parallel(ARMS, 120),
        measurements=(measurement,),
        endpoints=endpoints,
        analyses=analyses,
        solver=Exactly(),
    )


def trial(kind):
    base = protocol(kind)
    names = tuple(analysis.name for analysis in base.analyses)
    scenarios = tuple(
        Scenario(
            name, f"True ratio {ratio}.", base, names if ratio == 1.25 else (), (("arms.test.modify.f", str(ratio)),)
        )
        for name, ratio in RATIOS.items()
    )
    published = Published("KNOWN", "arm mean", 40.0, base.endpoints[0].unit, "Nobody (2026)", "gmr_100", arm="test",
                          endpoint=base.endpoints[0].name, lower=35.0, upper=45.0, level=0.95, n=12)  # fmt: skip
    curve = PowerCurve("arms.test.modify.f", VALUES, REPLICATES, "true ratio", (base,) * len(VALUES))
    return Trial(
        name=f"made_up_{kind}",
        title="A made-up <trial> & its report",
        question="Does everything that is shown come from the result?",
        protocol=base,
        scenarios=scenarios,
        published=(published,),
        power_curve=curve if kind == "crossover" else None,
        calibration=None,
        store=Store(1, 1),
        truth=Truth(8, 8),
        config_json='{"seed": 3, "replicates": 80, "design": {"n": 24}}',
        limits="Made up.",
    )


def simulate(base, ratio, rng, replicates=REPLICATES):
    """Profiles (replicate, subject, period, time), arm (replicate, subject, period) and their analyses."""
    design, times = base.design, np.asarray(base.measurements[0].times)
    arm = design.assign(lambda replicate: np.random.default_rng(replicate), range(replicates))
    factor = np.where(arm == 0, ratio, 1.0) * np.exp(0.12 * rng.standard_normal(arm.shape))
    ka, k = 1.5, 0.09 * np.exp(0.2 * rng.standard_normal((replicates, design.n, 1, 1)))
    profiles = 10.0 * factor[..., None] * ka / (ka - k) * (np.exp(-k * times) - np.exp(-ka * times))
    dims = ("replicate", "subject", "period")
    data = {endpoint.name: (dims, endpoint(profiles, times)) for endpoint in base.endpoints}
    made = xr.Dataset({**data, "arm": (dims, arm, {"names": list(ARMS)})}, coords={"replicate": np.arange(replicates)})
    made = made.isel(period=0) if design.periods == 1 else made
    found = xr.concat([analysis(made) for analysis in base.analyses], "analysis", combine_attrs="drop")
    return profiles, arm, made, found.transpose("replicate", "analysis")


def labelled(parts, base):
    """Stack (replicate, analysis) of several scenarios and say what the analyses are."""
    names = [analysis.name for analysis in base.analyses]
    found = xr.concat(parts, xr.DataArray(list(RATIOS), dims="scenario", name="scenario"))
    shape = found["estimate"].dims, found["estimate"].shape
    coords = {"analysis": names, "scale": ("analysis", [a.scale for a in base.analyses]),
              "level": ("analysis", [a.level for a in base.analyses]),
              "decides": ("analysis", [a.decides for a in base.analyses])}  # fmt: skip
    found = found.assign(duration=(shape[0], np.full(shape[1], 24.0)), subjects_failed=(shape[0], np.zeros(shape[1])))
    return found.transpose("scenario", "replicate", "analysis").assign_coords(coords)


def arm_means(parts, base):
    """Count, mean, SD and geometric mean (scenario, replicate, endpoint, arm)."""
    means = []
    for data in parts:
        each = [[data[e.name].where(data["arm"] == i) for i in (0, 1)] for e in base.endpoints]
        over = [dim for dim in ("subject", "period") if dim in data.dims]
        means.append([[one.mean(over).values for one in row] for row in each])
    values = np.moveaxis(np.array(means), -1, 1)
    names = [endpoint.name for endpoint in base.endpoints]
    coords = {"scenario": list(RATIOS), "replicate": np.arange(REPLICATES), "endpoint": names, "arm": list(ARMS)}
    dims = tuple(coords)
    return xr.Dataset(dict.fromkeys(("n", "mean", "sd", "geometric_mean"), (dims, values)), coords=coords)


def truths(base):
    effects = [
        [np.log(r) if base.design.periods == 2 else 10 * (1 - r) for _ in base.analyses] for r in RATIOS.values()
    ]
    null = [[r == 1.25 for _ in base.analyses] for r in RATIOS.values()]
    dims = ("scenario", "analysis")
    coords = {"scenario": list(RATIOS), "analysis": [a.name for a in base.analyses]}
    values = {"effect": (dims, effects), "mcse": (dims, np.full(np.shape(effects), 0.001)), "null": (dims, null)}
    return xr.Dataset(values, coords=coords)


def curve(base, rng):
    parts = [simulate(base, value, rng)[3] for value in VALUES]
    walked = xr.concat(parts, xr.DataArray(list(VALUES), dims="value", name="value"))
    effect = np.repeat(np.log(VALUES)[:, None], len(base.analyses), axis=1)
    return walked.assign_coords(analysis=[a.name for a in base.analyses]).assign(effect=(("value", "analysis"), effect))


def make_result(kind, folder=None):
    made, rng = trial(kind), np.random.default_rng(5)
    base = made.protocol
    parts = [simulate(base, ratio, rng) for ratio in RATIOS.values()]
    dims = ("scenario", "subject", "period", "time_concentration")
    example = xr.Dataset(
        {
            "true_concentration": (dims, np.stack([part[0][0] for part in parts])),
            "observed_concentration": (dims, np.stack([part[0][0] for part in parts])),
            **{
                f"endpoint_{e.name}": (
                    dims[:3],
                    np.stack([e(part[0][0], np.asarray(base.measurements[0].times)) for part in parts]),
                )
                for e in base.endpoints
            },
            "arm": (dims[:3], np.stack([part[1][0] for part in parts]), {"arms": list(ARMS)}),
        },
        coords={"scenario": list(RATIOS), "time_concentration": list(base.measurements[0].times)},
    )
    described = {
        "trial": made.name, "seed": 3, "replicates": REPLICATES, "finished": "2026-01-02T03:04:05Z",
        "digests": {"config": made.digest, "outcomes": "0" * 64, "model": base.model.digest},
        "executor": "Serial()", "random_numbers": "addressed", "seconds": {"simulation": 12.5},
        "machine": {"system": "Linux", "machine": "x86_64"},
        "failures": {name: {"replicates": {}, "patient_periods": {"DIVERGED": 2}} for name in RATIOS},
        "versions": {"trialtwin": "0.1.0", "python": "3.13"}, "git": {"commit": "abc", "changed": True},
    }  # fmt: skip
    return Result(
        trial=made,
        outcomes=labelled([part[3] for part in parts], base),
        arms=arm_means([part[2] for part in parts], base),
        truth=truths(base),
        example=example,
        power_curve=curve(base, rng) if kind == "crossover" else None,
        posterior=None,
        folder=folder,
        manifest=described,
    )


@pytest.fixture(scope="session", params=["crossover", "parallel"])
def synthetic(request):
    """Results of a made-up crossover and of a made-up parallel trial, without a posterior."""
    return make_result(request.param)


@pytest.fixture(scope="session")
def synthetic_characteristics(synthetic):
    return characteristics(synthetic)


def write_run(result, folder):
    """A finished run folder of a synthetic result, written with the run's own writers."""
    (folder / "figures").mkdir(parents=True)
    write_config(result.trial, folder)
    outcomes.write(result.outcomes, result.truth, folder / "outcomes.parquet")
    found = characteristics(result)
    (folder / "characteristics.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (folder / "figures" / "power 100 %.svg").write_text("<svg/>", encoding="utf-8")
    digests = {**result.manifest["digests"], "outcomes": outcomes.digest(result.outcomes)}
    manifest.write(folder, {**result.manifest, "digests": digests, "files": manifest.file_digests(folder)})
    return folder


@pytest.fixture
def run_folder(tmp_path):
    """A small finished run, fresh for each test."""
    return write_run(_crossover(), tmp_path / "runs" / "made_up_crossover" / "20260102T030405Z-0123abcd")


@cache
def _crossover():
    return make_result("crossover")


def made_up_posterior(seed=2):
    """A posterior of the made-up population in the form `cohorts.calibrate` gives, drawn from known distributions."""
    rng = np.random.default_rng(seed)
    numbers = {"ka_pop": (1.5, "1/h"), "omega_ka": (0.5, "1"), "cl_pop": (2.8, "L/h"), "omega_cl": (0.3, "1"),
               "sigma_additive_concentration": (0.4, "unit of the output")}  # fmt: skip
    dims = ("chain", "draw")
    after = {n: (dims, m * np.exp(0.1 * rng.standard_normal((4, 300))), {"units": u}) for n, (m, u) in numbers.items()}
    before = {n: (dims, m * np.exp(0.8 * rng.standard_normal((1, 400)))) for n, (m, _) in numbers.items()}
    time = np.tile([0.5, 1.0, 2.0, 8.0, 24.0], 12)
    people = np.repeat(range(12), 5)
    mean = 10 * np.exp(-0.1 * time)
    seen = mean + rng.standard_normal(60)
    new = mean + rng.standard_normal((200, 60))
    groups = {
        "posterior": xr.Dataset(after),
        "prior": xr.Dataset(before),
        "sample_stats": xr.Dataset({"diverging": (dims, np.zeros((4, 300), dtype=bool))}),
        "observed_data": xr.Dataset({"concentration": ("observation", seen)}),
        "constant_data": xr.Dataset({"time": ("observation", time), "position": ("observation", people)}),
        "predictive_check": xr.Dataset({"concentration": (("replicate", "observation"), new)}),
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {
        "output": "concentration", "rhat_max": 1.0023, "ess_min": 912.4, "divergences": 0, "seed": 3, "chains": 4,
        "draws": 300, "tune": 200, "seconds_compile": 12.2, "seconds_sample": 4.1,
        "gates": json.dumps({"rhat": 1.01, "ess": 400.0, "divergences": 0}), "failed": "{}", "allowed": "[]",
    }  # fmt: skip
    return tree


@pytest.fixture(scope="session")
def calibrated():
    """The made-up crossover with a posterior."""
    made = _crossover()
    data = {"title": "Made up", "file": "made_up.csv", "sha256": "12ab", "output": "concentration",
            "exclude": [{"column": "TIME", "equals": 0, "reason": "Before the dose."}],
            "provenance": {"source": "nobody", "licence": "<none>"}}  # fmt: skip
    config = json.dumps({**made.trial.config, "data": data})
    values = {"cl_pop": {"estimate": 2.9, "se": 0.2}}
    others = read_references([{"fit": "THEIRS", "source": "Nobody", "values": values}], ["cl_pop"])
    fit = Calibration(None, 4, 200, 300, 0.95, (), None, references=others)
    evidence = {"population": "calibrated", "fit": "made for this run", "key": "99ff"}
    return replace(
        made,
        trial=replace(made.trial, config_json=config, calibration=fit),
        posterior=made_up_posterior(),
        manifest={**made.manifest, "evidence": evidence},
    )
