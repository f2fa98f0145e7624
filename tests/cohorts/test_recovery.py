"""Made-up people are fitted: the numbers they were made from come back. Classes, occasions, sites, BLQ, counts, events.

People get one intravenous dose an occasion; concentrations follow 100 / v exp(-cl / v t).
"""

import json

import numpy as np
import pytest
import xarray as xr

from cohorts import Gates, IndividualData, calibrate, diagnose, draw, load_population, requests

DOSE, TIMES, LLOQ = 100.0, np.array([0.5, 2.0, 6.0, 12.0, 24.0]), 0.25
GATES = ("rhat", "ess", "divergences", "ebfmi")


def parameter(unit, median, **more):
    return {"unit": unit, "meaning": "made up", "typical": {"lognormal": {"median": median, "cv": 0.7}}, "source": "x",
            "between_subject": {"halfnormal": {"sd": 0.5}}, **more}  # fmt: skip


CLASSES = {
    "name": "classes",
    "reference": "nobody, for the tests",
    "mixture": {"pheno": {"meaning": "phenotype", "dirichlet": {"poor": 2, "normal": 2}, "source": "x"}},
    "parameters": {
        "cl": parameter("L/h", 2, effects={"pheno": {"kind": "factor", "levels": {
            "poor": {"uniform": {"low": 0.02, "high": 0.7}}, "normal": 1}}}),
        "v": parameter("L", 20),
    },
    "residual": {"conc": {"kind": "lognormal", "lognormal": "default", "student": 4, "blq": "M3", "source": "x"}},
}  # fmt: skip
CLASSES_TRUTH = {"cl_pop": 3.0, "v_pop": 30.0, "omega_cl": 0.25, "omega_v": 0.2, "share_pheno_poor": 0.3,
                 "beta_cl_pheno[poor]": 0.2, "sigma_lognormal_conc": 0.25}  # fmt: skip

PLACES = {
    "name": "places",
    "reference": "nobody, for the tests",
    "parameters": {
        "cl": parameter("L/h", 2, between_occasion="default", between_site="default"),
        "v": parameter("L", 20),
        "base": parameter("1", 3),
        "risk": {**parameter("1/h", 0.02), "between_subject": 0.01},
    },
    "residual": {"conc": {"kind": "lognormal", "source": "x"}},
    "outcomes": {
        "count": {"kind": "negative_binomial"},
        "death": {"kind": "event", "hazard": "h", "cumulative_hazard": "ch"},
    },
}  # fmt: skip
PLACES_TRUTH = {"cl_pop": 3.0, "v_pop": 30.0, "omega_cl": 0.3, "gamma_cl": 0.15, "tau_site_cl": 0.25, "omega_v": 0.2,
                "base_pop": 5.0, "omega_base": 0.4, "risk_pop": 0.03, "sigma_lognormal_conc": 0.1,
                "dispersion_count": 0.2}  # fmt: skip


def outputs(cl, v, base, risk, time, xp):
    return {
        "conc": DOSE / v * xp.exp(-cl / v * time),
        "count": base + 0.0 * time,
        "h": risk + 0.0 * time,
        "ch": risk * time,
    }


def equations(population, data):
    rows = requests(population, data)
    position = {s: i for i, s in enumerate(data.subjects.tolist())}
    place = np.array([position[s] for s in rows["subject"].values.tolist()])
    names, time, occasion = rows["output"].values, rows["time"].values, rows["occasion"].values

    def predict(parameters):
        import pytensor.tensor as pt

        def of(name):
            value = parameters.get(name)
            return 1.0 if value is None else value[place, occasion] if value.ndim == 2 else value[place]

        found = outputs(of("cl"), of("v"), of("base"), of("risk"), time, pt)
        total = pt.zeros(len(time))
        for name in set(names.tolist()):
            total = pt.where(names == name, found[name], total)
        return total

    return predict


def true(written, truth):
    """The population at the truth, with nothing uncertain."""
    made = json.loads(json.dumps(written))
    for name, p in made["parameters"].items():
        p["typical"] = truth[f"{name}_pop"]
        for key, begin in (("subject", "omega"), ("occasion", "gamma"), ("site", "tau_site")):
            if isinstance(p.get(f"between_{key}"), dict | str):
                p[f"between_{key}"] = truth.get(f"{begin}_{name}", 0.2)
    for mixture in made.get("mixture", {}).values():
        del mixture["dirichlet"]
        mixture["levels"] = {"poor": truth["share_pheno_poor"], "normal": 1 - truth["share_pheno_poor"]}
        made["parameters"]["cl"]["effects"]["pheno"]["levels"]["poor"] = truth["beta_cl_pheno[poor]"]
    return load_population(made)


def frame(rows, people, **covariates):
    names = ("subject", "time", "dv", "output", "occasion", "blq")
    columns = {n: ("observation", np.array([r[i] for r in rows])) for i, n in enumerate(names)}
    observations = xr.Dataset(columns).assign(lloq=("observation", np.full(len(rows), LLOQ)))
    given = {n: ("subject", v) for n, v in covariates.items()}
    return IndividualData(observations, xr.Dataset(given, {"subject": people}))


def with_classes(n, seed=1):
    people = draw(true(CLASSES, CLASSES_TRUTH), n, 1, seed=seed).isel(replicate=0)
    rng = np.random.default_rng(seed)
    rows = []
    for i, (cl, v) in enumerate(zip(people["cl"].values, people["v"].values, strict=True)):
        noise = np.exp(0.25 * rng.standard_t(4, len(TIMES)))
        for time, y in zip(TIMES, DOSE / v * np.exp(-cl / v * TIMES) * noise, strict=True):
            rows.append((i, time, max(y, LLOQ), "conc", 0, int(y < LLOQ)))
    return frame(rows, np.arange(n)), people["pheno"].values


def with_places(n, sites=6, seed=2):
    population = true(PLACES, PLACES_TRUTH)
    people = draw(population, n, 1, seed=seed, sites=sites, occasions=2).isel(replicate=0)
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        one = people.isel(subject=i)
        for o in range(2):
            curve = DOSE / float(one["v"]) * np.exp(-float(one["cl"][o]) / float(one["v"]) * TIMES)
            seen = curve * np.exp(0.1 * rng.standard_normal(len(TIMES)))
            rows += [(i, t, y, "conc", o, 0) for t, y in zip(TIMES, seen, strict=True)]
            mean = float(one["base"])
            rows += [(i, 1.0, float(rng.negative_binomial(5, 5 / (5 + mean))), "count", o, 0) for _ in range(3)]
        wait = rng.exponential(1 / float(one["risk"]))
        rows.append((i, min(wait, 40.0), float(wait < 40.0), "death", 0, 0))
    return frame(rows, np.arange(n), site=people["site"].values), people


SMALL = {"chains": 2, "tune": 60, "draws": 40, "allow": GATES, "seed": 1, "cores": 1}


def test_a_fit_with_classes_keeps_them():
    """The tree of a fit that sums over classes; too short to be believed, which is recorded."""
    population, (data, _) = load_population(CLASSES), with_classes(6)
    tree = calibrate(population, data, equations(population, data), **SMALL)
    posterior = tree["posterior"].to_dataset()
    assert posterior["p_pheno"].dims == ("chain", "draw", "subject", "pheno_class")
    np.testing.assert_allclose(posterior["p_pheno"].sum("pheno_class"), 1.0)
    assert posterior["pheno"].attrs["role"] == "class"
    picked = posterior["p_pheno"].isel(pheno_class=posterior["pheno"].astype(int))
    assert float(picked.min()) > 1e-4
    poor = posterior["pheno"] == 0
    by_hand = posterior["cl_pop"] * np.exp(posterior["omega_cl"] * posterior["z_cl"])
    factor = posterior["beta_cl_pheno"].isel(beta_cl_pheno_level=0, drop=True)
    np.testing.assert_allclose(posterior["cl"], by_hand * xr.where(poor, factor, 1.0), rtol=1e-10)
    assert tree["constant_data"]["below"].sum() > 0
    assert np.isnan(tree["observed_data"]["conc"].values[data.below]).all()
    assert np.isfinite(tree["log_likelihood"]["conc"]).all()
    patients = draw(population, 5, 4, seed=1, posterior=tree)
    at = {"chain": patients["posterior_chain"], "draw": patients["posterior_draw"]}
    np.testing.assert_array_equal(patients["cl_pop"], posterior["cl_pop"].sel(at))
    assert patients["cl"].attrs["source"].startswith("posterior of data ")


LONG = {"seed": 1, "chains": 2, "tune": 400, "draws": 600, "target_accept": 0.9, "cores": 1,
        "gates": Gates(rhat=1.05, ess=60, divergences=10)}  # fmt: skip


def recovered(tree, truth):
    table = diagnose(tree)
    for name, value in truth.items():
        row = table.loc[name]
        assert abs(row["mean"] - value) < 3.3 * row["sd"], (name, row["mean"], row["sd"], value)
        assert row["sd"] < 0.7 * value, (name, row["sd"], value)


@pytest.mark.slow
def test_classes_and_censoring_are_recovered():
    population, (data, classes) = load_population(CLASSES), with_classes(40)
    assert 0.03 < data.below.mean() < 0.4
    tree = calibrate(population, data, equations(population, data), **LONG)
    recovered(tree, CLASSES_TRUTH)
    poor = tree["posterior"]["p_pheno"].mean(("chain", "draw")).values[:, 0]
    assert ((poor > 0.5) == (classes == 0)).mean() > 0.95


@pytest.mark.slow
def test_occasions_sites_counts_and_events_are_recovered():
    """With fewer draws and wider gates than by default: few sites and occasions tell little of their SDs."""
    population, (data, people) = load_population(PLACES), with_places(40)
    options = {"chains": 2, "tune": 700, "draws": 1200, "target_accept": 0.95, "cores": 1}
    gates = Gates(rhat=1.03, ess=100)
    tree = calibrate(population, data, equations(population, data), seed=1, gates=gates, **options)
    recovered(tree, PLACES_TRUTH)
    found = tree["posterior"]["cl"].mean(("chain", "draw"))
    assert np.corrcoef(np.log(found.values.ravel()), np.log(people["cl"].values.ravel()))[0, 1] > 0.95


def test_a_fit_with_occasions_and_sites_keeps_them():
    """The tree of a fit of three endpoints on two occasions; too short to be believed, which is recorded."""
    population, (data, _) = load_population(PLACES), with_places(6, sites=2)
    tree = calibrate(population, data, equations(population, data), **SMALL)
    assert tree["posterior"]["cl"].dims[2:] == ("subject", "occasion")
    assert json.loads(tree.attrs["outputs"]) == ["conc", "count", "death"]
    assert set(tree["posterior_predictive"]) == {"conc", "count"}
    assert tree["log_likelihood"]["death"].dims == ("chain", "draw", "observation_death")
    cohort = draw(population, 10, 20, seed=1, posterior=tree, occasions=2, sites=2)
    at = {"chain": cohort["posterior_chain"], "draw": cohort["posterior_draw"]}
    for name in ("gamma_cl", "tau_site_cl"):
        np.testing.assert_array_equal(cohort[name], tree["posterior"][name].sel(at))
