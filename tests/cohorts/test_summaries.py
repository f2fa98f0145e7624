"""Populations calibrated to published summaries, against closed forms and quadrature."""

import copy
import json
import warnings

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import cohorts
from cohorts import ConflictWarning, IndividualData, PopulationError, calibrate_to_summaries, load_targets
from cohorts.calibration.targets import STATISTICS

PATIENTS = 256
SAMPLER = {"patients": PATIENTS, "tune": 500, "draws": 1000, "chains": 4}
SCHOOLS = {
    "A": (28, 15),
    "B": (8, 10),
    "C": (-3, 16),
    "D": (7, 11),
    "E": (-1, 9),
    "F": (1, 11),
    "G": (18, 10),
    "H": (12, 18),
}
"""Effects of coaching and their standard errors: Rubin 1981, doi:10.3102/10769986006004377."""
PRIOR = {
    "name": "p",
    "reference": "nobody, for the tests",
    "covariates": {"sex": {"meaning": "sex", "levels": {"female": 0.5, "male": 0.5}, "source": "made up"}},
    "parameters": {
        "cl": {
            "unit": "L/h", "meaning": "clearance", "typical": {"lognormal": {"median": 2, "cv": 1}},
            "between_subject": 0.3, "source": "made up",
        },
        "v": {
            "unit": "L", "meaning": "volume", "typical": {"lognormal": {"median": 20, "cv": 0.2}},
            "between_subject": {"halfnormal": {"sd": 0.5}}, "source": "made up",
        },
    },
    "residual": {"concentration": {"kind": "lognormal", "lognormal": 0.1, "source": "made up"}},
}  # fmt: skip


def target(name, statistic, value, **more):
    return {"name": name, "statistic": statistic, "value": value, "source": "made up", **more}


def of(parameter):
    return {"of": {"parameter": parameter}}


def calibrated(targets, population=None, predict=None, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConflictWarning)
        made = population or cohorts.load_population(PRIOR)
        return calibrate_to_summaries(made, load_targets(targets), predict, seed=1, **{**SAMPLER, **more})


@pytest.fixture(scope="module")
def plain():
    """Geometric means of clearance and a spread of volume: the first has a closed form."""
    targets = [
        target("gm", "geometric_mean", 3.0, se=0.3, **of("cl")),
        target("spread", "geometric_cv", 0.25, se=0.02, **of("v")),
    ]
    return calibrated(targets)


def test_a_geometric_mean_has_its_closed_form(plain):
    before, error = np.log1p(1.0), 0.1**2 + 0.3**2 / PATIENTS
    precision = 1 / before + 1 / error
    mean = (np.log(2.0) / before + np.log(3.0) / error) / precision
    found = np.log(plain["posterior"]["cl_pop"])
    assert float(found.mean()) == pytest.approx(mean, abs=4 * precision**-0.5 / np.sqrt(plain.attrs["ess_min"]))
    assert float(found.std()) == pytest.approx(precision**-0.5, rel=0.08)
    assert float(plain["targets"]["finite"].sel(target="gm")) == pytest.approx(0.3 / np.sqrt(PATIENTS), rel=0.02)


def test_a_spread_moves_the_spread_and_nothing_else(plain):
    posterior = plain["posterior"]
    assert float(posterior["omega_v"].mean()) == pytest.approx(np.sqrt(np.log1p(0.25**2)), rel=0.05)
    assert float(np.log(posterior["v_pop"]).std()) == pytest.approx(np.sqrt(np.log1p(0.04)), rel=0.1)
    assert json.loads(plain.attrs["conflicts"]) == {"prior": [], "others": []}


def test_cohorts_are_drawn_from_the_result(plain):
    patients = cohorts.draw(cohorts.load_population(PRIOR), 200, 300, seed=2, posterior=plain)
    assert float(np.log(patients["cl"]).mean()) == pytest.approx(np.log(3.0), abs=0.03)


@pytest.mark.parametrize(
    ("statistic", "numbers", "exact"),
    [
        ("mean", {}, np.exp(0.5 * 0.3**2)),
        ("sd", {}, np.sqrt(np.expm1(0.09) * np.exp(0.09))),
        ("median", {"probability": 0.5}, 1.0),
        ("percentile", {"probability": 0.9}, np.exp(0.3 * stats.norm.ppf(0.9))),
        ("geometric_cv", {}, 0.3),
        ("event_rate", {"above": 1.2}, stats.norm.sf(np.log(1.2) / 0.3)),
        ("event_rate", {"below": 0.7}, stats.norm.cdf(np.log(0.7) / 0.3)),
    ],
)
def test_statistics_and_their_error_against_theory_and_simulation(statistic, numbers, exact):
    """Large samples are right, and of small ones the spread is what the variance says."""
    import pytensor
    import pytensor.tensor as pt

    x = pt.vector("x")
    row, sizes = STATISTICS[statistic], {**numbers, "patients": 400.0}
    small = pytensor.function([x], list(row.of(x, sizes)), mode="FAST_COMPILE")
    rng = np.random.default_rng(1)
    found = np.array([small(np.exp(0.3 * rng.standard_normal(400))) for _ in range(400)])
    assert found[:, 0].mean() == pytest.approx(exact, abs=4 * found[:, 0].std() / 20 + 0.005 * exact)
    assert found[:, 0].std() == pytest.approx(np.sqrt(found[:, 1].mean() / 400), rel=0.15)


def schools(written):
    return [target(name, "mean", y, se=se, study=name, **of("effect")) for name, (y, se) in written.items()]


def effect():
    """A normal effect with a flat prior that differs between studies and not between patients."""
    own = {
        "unit": "1", "meaning": "effect", "scale": "normal", "typical": {"normal": {"mean": 0, "sd": 50}},
        "between_study": {"halfnormal": {"sd": 10}}, "source": "made up",
    }  # fmt: skip
    return cohorts.load_population({"name": "schools", "reference": "Rubin 1981", "parameters": {"effect": own}})


def test_a_meta_analysis_has_the_posterior_of_quadrature():
    y, se = np.array(list(SCHOOLS.values()), dtype=float).T
    tau = np.linspace(1e-4, 60, 6001)[:, None]
    precision = np.sum(1 / (se**2 + tau**2), axis=1) + 50.0**-2
    centre = np.sum(y / (se**2 + tau**2), axis=1) / precision
    log = stats.halfnorm(scale=10).logpdf(tau[:, 0]) - 0.5 * np.log(precision) + 0.5 * centre**2 * precision
    log += np.sum(-0.5 * np.log(se**2 + tau**2) - 0.5 * y**2 / (se**2 + tau**2), axis=1)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = weight @ centre
    sd = np.sqrt(weight @ (1 / precision + centre**2) - mean**2)
    tree = calibrated(schools(SCHOOLS), effect(), target_accept=0.95, draws=1500)
    table = cohorts.diagnose(tree)
    mcse = table["mcse_mean"]
    assert abs(table.loc["effect_pop", "mean"] - mean) < 4 * mcse["effect_pop"]
    assert table.loc["effect_pop", "sd"] == pytest.approx(sd, rel=0.06)
    assert abs(table.loc["tau_study_effect", "mean"] - weight @ tau[:, 0]) < 4 * mcse["tau_study_effect"]


def test_targets_that_disagree_are_named():
    targets = [
        target("one", "geometric_mean", 2.0, se=0.1, **of("cl")),
        target("other", "geometric_mean", 3.0, se=0.15, **of("cl")),
        target("far", "geometric_mean", 60.0, se=3, **of("v")),
    ]
    with pytest.warns(ConflictWarning, match=r"with the prior: far; with the others: one, other"):
        tree = calibrate_to_summaries(
            cohorts.load_population(PRIOR), load_targets(targets), seed=1, allow=("divergences",), **SAMPLER
        )
    error = np.sqrt(2 * (0.05**2 + 0.09 / PATIENTS))
    assert abs(float(tree["targets"]["z_rest"].sel(target="one"))) == pytest.approx(np.log(1.5) / error, rel=0.1)


def decay(rows, dose=100.0):
    who, time = rows["subject"].values, rows["time"].values
    import pytensor.tensor as pt

    return lambda p: dose / p["v"][who] * pt.exp(-p["cl"][who] / p["v"][who] * time)


@pytest.mark.slow
def test_outputs_metrics_and_subgroups_find_the_truth_again():
    """Summaries of a large simulated study, some of subgroups, lead back to what made them."""
    written = copy.deepcopy(PRIOR)
    written["parameters"]["cl"]["between_subject"] = {"halfnormal": {"sd": 0.5}}
    male = {"lognormal": {"median": 1, "cv": 0.5}}
    written["parameters"]["cl"]["effects"] = {"sex": {"kind": "factor", "levels": {"female": 1, "male": male}}}
    rng, n = np.random.default_rng(4), 20_000
    sex = rng.random(n) < 0.5
    cl = 3.0 * np.where(sex, 1.4, 1.0) * np.exp(0.25 * rng.standard_normal(n))
    v = 24.0 * np.exp(0.15 * rng.standard_normal(n))
    times = [0.0, 2.0, 4.0, 8.0, 16.0]
    c = 100 / v[:, None] * np.exp(-(cl / v)[:, None] * np.array(times))
    noisy = c[:, 3] * np.exp(0.1 * rng.standard_normal(n))
    at, auc = {"output": "concentration", "at": 8}, {"output": "concentration", "metric": "auc", "times": times}
    auc_of = np.trapezoid(c, times, axis=1)
    women = {"covariate": "sex", "level": "female"}
    first = {"output": "concentration", "at": 0}
    shape = np.log(c[:, 0])
    targets = load_targets(
        [
            target("c0", "geometric_mean", np.exp(shape.mean()), n=100, of=first),
            target("c0 cv", "geometric_cv", np.sqrt(np.expm1(shape.var())), n=100, of=first),
            target("women", "mean", auc_of[~sex].mean(), n=100, of=auc, where=women),
            target("women sd", "sd", auc_of[~sex].std(), n=100, of=auc, where=women),
            target("all", "median", np.median(auc_of), n=100, of=auc),
            target("late", "percentile", np.quantile(noisy, 0.9), n=100, of=at, probability=0.9, measured=True),
            target("low", "event_rate", (c[:, 3] < 1.0).mean(), n=100, of=at, below=1.0),
        ]
    )
    population = cohorts.load_population(written)
    rows = cohorts.summary_requests(population, targets, patients=PATIENTS)
    tree = calibrate_to_summaries(population, targets, decay(rows), seed=3, **SAMPLER)
    table = cohorts.diagnose(tree)
    truth = {"cl_pop": 3.0, "v_pop": 24.0, "omega_cl": 0.25, "omega_v": 0.15, "beta_cl_sex[male]": 1.4}
    for name, value in truth.items():
        assert abs(table.loc[name, "mean"] - value) < 2.0 * table.loc[name, "sd"], name
        assert table.loc[name, "sd"] < 0.25 * value, name
    assert float(np.abs(tree["targets"]["z_rest"]).max()) < 2.0


@pytest.mark.slow
def test_people_and_summaries_go_together():
    """People tell the volume, a summary the clearance; together they tell both."""
    rng, n = np.random.default_rng(2), 12
    v = 24.0 * np.exp(0.15 * rng.standard_normal(n))
    dv = 100.0 / v * np.exp(0.1 * rng.standard_normal(n))
    rows = xr.Dataset(
        {"subject": ("observation", np.arange(n)), "time": ("observation", np.zeros(n)), "dv": ("observation", dv)}
    )
    data = IndividualData(rows, xr.Dataset({}, {"subject": np.arange(n)}))
    targets = load_targets([target("gm", "geometric_mean", 3.0, se=0.1, **of("cl"))])
    population = cohorts.load_population(PRIOR)
    tree = calibrate_to_summaries(
        population, targets, seed=1, data=data, predict_data=decay(rows), **{**SAMPLER, "target_accept": 0.98}
    )  # fmt: skip
    table = cohorts.diagnose(tree)
    assert table.loc["cl_pop", "mean"] == pytest.approx(3.0, rel=0.03)
    assert table.loc["v_pop", "mean"] == pytest.approx(np.exp(np.log(100 / dv).mean()), rel=0.05)
    assert table.loc["v_pop", "sd"] < 2.0


def test_a_file_of_targets(tmp_path):
    path = tmp_path / "targets.yaml"
    path.write_text("targets:\n- {name: a, statistic: median, value: 2, n: 20, of: {parameter: cl}, source: a table}\n")
    (one,) = load_targets(path)
    assert (one.name, one.n, one.numbers) == ("a", 20.0, (("probability", 0.5),))


def test_targets_that_make_no_sense_are_refused():
    bad = {
        r"targets\[0\]: wanted either se > 0 or n > 0": target("a", "mean", 1, **of("cl")),
        r"statistic: got 'average'": target("a", "average", 1, se=1, **of("cl")),
        r"wanted either above or below": target("a", "event_rate", 0.5, n=9, **of("cl")),
        r"value: got -1.0, wanted a number > 0": target("a", "geometric_mean", -1, se=1, **of("cl")),
        r"of: wanted either parameter or output": target("a", "mean", 1, se=1, of={}),
        r"of: wanted either at, or metric": target("a", "mean", 1, se=1, of={"output": "y"}),
        r"times: got \[1\], wanted two": target(
            "a", "mean", 1, se=1, of={"output": "y", "metric": "auc", "times": [1]}
        ),
        r"got \[\], wanted \['probability'\]": target("a", "percentile", 1, se=1, **of("cl")),
    }
    for words, one in bad.items():
        with pytest.raises(PopulationError, match=words):
            load_targets([one])
    population = cohorts.load_population(PRIOR)
    later = {
        r"of.parameter: got 'ka', wanted one of": target("a", "mean", 1, se=1, **of("ka")),
        r"no parameter of p has between_study": target("a", "mean", 1, se=1, study="x", **of("cl")),
        r"level: got 'x', wanted one of": target(
            "a", "mean", 1, se=1, where={"covariate": "sex", "level": "x"}, **of("cl")
        ),
        r"covariate: got 'age', wanted": target("a", "mean", 1, se=1, where={"covariate": "age", "min": 1}, **of("cl")),
        r"predict: missing for design ''": target("a", "mean", 1, se=1, of={"output": "concentration", "at": 1}),
    }
    for words, one in later.items():
        with pytest.raises(PopulationError, match=words):
            calibrate_to_summaries(population, load_targets([one]), seed=1)
    twice = [target("a", "mean", 1, se=1, **of("cl"))] * 2
    with pytest.raises(PopulationError, match="'a' stands twice"):
        load_targets(twice)
