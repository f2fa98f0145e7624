"""Several endpoints, occasions, sites and classes in one fit: what is asked of the model, and the density."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import cohorts
from cohorts import IndividualData, PopulationError, load_population, requests

WRITTEN = {
    "name": "several",
    "reference": "nobody, for the tests",
    "mixture": {"pheno": {"meaning": "x", "dirichlet": {"poor": 2, "normal": 3, "fast": 5}, "source": "x"}},
    "parameters": {
        "cl": {
            "unit": "L/h", "meaning": "clearance", "typical": {"lognormal": {"median": 2, "cv": 0.5}},
            "effects": {"pheno": {"kind": "factor", "levels": {"poor": 0.2, "normal": 1, "fast": 2}}},
            "between_subject": {"halfnormal": {"sd": 1}}, "between_occasion": {"halfnormal": {"sd": 0.5}},
            "source": "x",
        },
        "v": {
            "unit": "L", "meaning": "volume", "typical": {"lognormal": {"median": 20, "cv": 0.5}},
            "between_subject": {"halfnormal": {"sd": 1}}, "between_site": {"halfnormal": {"sd": 0.3}},
            "between_study": {"halfnormal": {"sd": 0.2}}, "source": "x",
        },
    },
    "residual": {"conc": {"kind": "combined1", "additive": {"halfnormal": {"sd": 0.3}}, "blq": "M3", "source": "x"}},
    "outcomes": {"death": {"kind": "event", "hazard": "h", "cumulative_hazard": "ch"}, "sick": {"kind": "bernoulli"}},
}  # fmt: skip
ROWS = [  # subject, time, dv, output, occasion, blq
    ("b", 1.0, 3.0, "conc", 0, 0), ("a", 2.0, 1.0, "death", 0, 0), ("a", 1.0, 0.0, "conc", 1, 1),
    ("b", 3.0, 1.0, "sick", 1, 0),
    ("b", 4.0, 0.0, "death", 1, 0), ("a", 0.5, 2.0, "conc", 0, 0), ("c", 0.7, 4.0, "conc", 0, 0),
]  # fmt: skip
LLOQ = 0.5


def table(rows=ROWS, **changed):
    names = ("subject", "time", "dv", "output", "occasion", "blq")
    columns = {n: ("observation", np.array([r[i] for r in rows])) for i, n in enumerate(names)}
    observations = xr.Dataset(columns).assign(lloq=("observation", np.full(len(rows), LLOQ)))
    people = {"site": ("subject", ["x", "y", "x"]), "study": ("subject", [1.0, 2.0, 2.0])}
    covariates = xr.Dataset(people, {"subject": ["a", "b", "c"]})
    return IndividualData(observations.assign(changed), covariates)


def curve(name, cl, v, time, xp):
    """Outputs of a made-up model: a concentration, a probability, a hazard and its integral."""
    return {"conc": 100.0 / v * xp.exp(-cl / v * time), "sick": cl / (cl + 5.0), "h": 0.1 * cl + 0.0 * time,
            "ch": 0.1 * cl * time}[name]  # fmt: skip


def equations(wanted, subjects):
    place = [subjects.index(s) for s in wanted["subject"].values.tolist()]

    def predict(parameters):
        import pytensor.tensor as pt

        cl, v = parameters["cl"], parameters["v"]
        cl = cl[place, wanted["occasion"].values] if cl.ndim == 2 else cl[place]
        rows = [curve(o, cl[i], v[place[i]], t, pt) for i, (o, t) in
                enumerate(zip(wanted["output"].values.tolist(), wanted["time"].values, strict=True))]  # fmt: skip
        return pt.stack(rows)

    return predict


@pytest.fixture(scope="module")
def population():
    return load_population(WRITTEN)


def test_requests(population):
    found = requests(population, table())
    assert found.sizes == {"row": 9}
    assert found["output"].values.tolist() == ["conc", "h", "conc", "sick", "h", "conc", "conc", "ch", "ch"]
    assert found["subject"].values.tolist() == ["b", "a", "a", "b", "b", "a", "c", "a", "b"]
    assert found["time"].values.tolist() == [1.0, 2.0, 1.0, 3.0, 4.0, 0.5, 0.7, 2.0, 4.0]
    assert found["occasion"].values.tolist() == [0, 0, 1, 1, 1, 0, 0, 0, 1]


def test_requests_of_one_output_are_its_observations(population):
    plain = table([r for r in ROWS if r[3] == "conc"])
    plain = IndividualData(plain.observations.drop_vars(["output", "occasion"]), plain.covariates)
    found = requests(population, plain, "conc")
    assert set(found["output"].values.tolist()) == {"conc"}
    assert found["time"].values.tolist() == plain.observations["time"].values.tolist()
    with pytest.raises(PopulationError, match="endpoint of several: got output '', wanted one of"):
        requests(population, plain)


def point(seed=4):
    rng = np.random.default_rng(seed)
    made = {"cl_pop": 2.2, "v_pop": 25.0, "omega_cl": 0.4, "gamma_cl": 0.2, "omega_v": 0.3, "tau_site_v": 0.25,
            "tau_study_v": 0.15, "sigma_additive_conc": 0.2, "sigma_proportional_conc": 0.1, "share_pheno_poor": 0.3,
            "share_pheno_normal": 0.6}  # fmt: skip
    shapes = {"z_cl": 3, "z_v": 3, "k_cl": (3, 2), "s_v": 2, "t_v": 2}
    return made | {n: rng.standard_normal(s) for n, s in shapes.items()}


def by_hand(at, factors=(0.2, 1.0, 2.0)):
    """Log likelihood of each person summed over the classes, and the classes' probabilities."""
    shares = np.array([0.3, 0.7 * 0.6, 0.7 * 0.4])
    site, study = np.array([0, 1, 0]), np.array([0, 1, 1])
    deviation = at["tau_site_v"] * at["s_v"][site] + at["tau_study_v"] * at["t_v"][study]
    v = at["v_pop"] * np.exp(at["omega_v"] * at["z_v"] + deviation)
    joint = np.zeros((3, 3))
    for j, factor in enumerate(factors):
        cl = at["cl_pop"] * factor * np.exp(at["omega_cl"] * at["z_cl"][:, None] + at["gamma_cl"] * at["k_cl"])
        for subject, time, dv, output, occasion, blq in ROWS:
            i = "abc".index(subject)
            f = {n: curve(n, cl[i, occasion], v[i], time, np) for n in ("conc", "sick", "h", "ch")}
            sd = at["sigma_additive_conc"] + at["sigma_proportional_conc"] * f["conc"]
            joint[i, j] += {
                "conc": stats.norm.logcdf(LLOQ, f["conc"], sd) if blq else stats.norm.logpdf(dv, f["conc"], sd),
                "sick": np.log(f["sick"] if dv else 1 - f["sick"]),
                "death": dv * np.log(f["h"]) - f["ch"],
            }[output]
    weighted = np.exp(joint) * shares
    return np.log(weighted.sum(axis=1)), weighted / weighted.sum(axis=1, keepdims=True)  # fmt: skip


def test_the_density_of_everything_at_once(population):
    """Mixture, occasions, sites, studies, three endpoints and a value below the limit: the likelihood by hand."""
    data = table()
    model = population.build(data, predict=equations(requests(population, data), ["a", "b", "c"]))
    at = point()
    tensors = [model["likelihood"], model["p_pheno"], model["shares_pheno"]]
    likelihood, classes, shares = evaluated(model, tensors, at)
    expected, probabilities = by_hand(at)
    np.testing.assert_allclose(likelihood, expected, rtol=1e-10)
    np.testing.assert_allclose(classes, probabilities, rtol=1e-9)
    np.testing.assert_allclose(shares, [0.3, 0.42, 0.28], rtol=1e-12)
    assert model.named_vars_to_dims["p_pheno"] == ("subject", "pheno_class")


def evaluated(model, tensors, at):
    """Values of variables of a model where its random variables are given."""
    import pytensor
    from pytensor.compile.mode import Mode

    free = [v for v in model.free_RVs if v.name in at]
    assert {v.name for v in free} == set(at), {v.name for v in model.free_RVs} ^ set(at)
    function = pytensor.function(
        free, tensors, mode=Mode(linker="py", optimizer="fast_compile"), on_unused_input="ignore"
    )
    return function(*(np.asarray(at[v.name]) for v in free))


def test_without_classes_each_observation_has_its_density():
    written = {k: v for k, v in WRITTEN.items() if k != "mixture"}
    written["parameters"] = {**WRITTEN["parameters"], "cl": {**WRITTEN["parameters"]["cl"], "effects": {}}}
    population, data = load_population(written), table()
    model = population.build(data, predict=equations(requests(population, data), ["a", "b", "c"]))
    at = {k: v for k, v in point().items() if not k.startswith("share")}
    conc, death, sick = evaluated(model, [model[n] for n in ("conc", "death", "sick")], at)
    assert model.named_vars_to_dims["conc"] == ("observation_conc",)
    assert list(model.coords["observation_death"]) == [1, 4]
    total, _ = by_hand(at, (1.0, 1.0, 1.0))
    assert conc.sum() + death.sum() + sick.sum() == pytest.approx(total.sum(), rel=1e-10)


WRONG = [
    ({"output": ["conc"] * 6 + ["pain"]}, r"data.observations.output: got \['pain'\], wanted some of \['conc'"),
    ({"occasion": [0, 1, 0, 0, 0, 0, -1]}, "data.observations.occasion: got -1 at observation 6, wanted a whole"),
    ({"occasion": [0, 1, 0, 0, 0.5, 0, 1]}, "data.observations.occasion: got 0.5 at observation 4"),
    ({"blq": [0, 2, 0, 0, 0, 0, 0]}, "data.observations.blq: got 2 at observation 1, wanted 0 or 1"),
    ({"blq": [0, 1, 0, 0, 0, 0, 0]}, "data.observations.blq: death is event, which has no limit"),
    ({"lloq": [np.nan] * 7}, "data.observations.lloq: got nan at observation 2, wanted a finite number where blq is 1"),
    ({"dv": [1.0, 2.0, 1, 1, 1, 1, 1]}, r"data.observations.dv: got 2 at observation 1, wanted 1 \(event\) or 0"),
]


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_data_that_cannot_be_are_refused(population, change, words):
    changed = {n: ("observation", np.array(v)) for n, v in change.items()}
    with pytest.raises(PopulationError, match=words):
        requests(population, table(**changed))


def test_values_below_the_limit_need_a_method():
    written = {**WRITTEN, "residual": {"conc": {"kind": "lognormal", "source": "x"}}}
    with pytest.raises(PopulationError, match=r"residual.conc.blq: missing; 1 of 4 measurements lie below"):
        requests(load_population(written), table())
    for kind, blq in (("lognormal", "M1"), ("proportional", "M4")):
        written["residual"] = {"conc": {"kind": kind, "blq": blq, "source": "x"}}
        zero = {"dv": ("observation", np.array([0.0, 1, 0, 1, 0, 2, 4]))}
        with pytest.raises(PopulationError, match="dv: got 0 at observation 0, wanted a number > 0"):
            requests(load_population(written), table(**zero))


def test_sites_and_studies_must_be_in_the_data(population):
    data = table()
    lacking = IndividualData(data.observations, data.covariates.drop_vars("study"))
    with pytest.raises(PopulationError, match=r"covariates: lacks 'study', wanted for between_study; has \['site'\]"):
        population.build(lacking, predict=equations(requests(population, data), ["a", "b", "c"]))


def test_new_columns_enter_the_digest():
    data = table()
    seen = {data.digest}
    for name in ("output", "occasion", "blq", "lloq"):
        seen.add(IndividualData(data.observations.drop_vars(name), data.covariates).digest)
    assert len(seen) == 5
    assert cohorts.calibration.data.individual_data(data).digest == data.digest
