"""Drawing: addresses that hold, distributions that are those of the specification, uncertainty that travels."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cohorts import PopulationError, draw, load_population
from cohorts.drawing.streams import BLOCK, Stream, derived, generator

RECORDED = {"cl": 19.33960218139104, "weight": 389.16536530824357}
"""Sums of `test_bits_are_those_recorded`: a change means that every stored run draws other patients."""


def same(a, b):
    xr.testing.assert_identical(a, b)


@settings(max_examples=20, deadline=None)
@given(first=st.integers(0, 40), replicates=st.integers(1, 6), n=st.integers(1, 8), occasions=st.integers(1, 3))
def test_a_patient_depends_on_the_address_alone(population, first, replicates, n, occasions):
    whole = draw(population, 8, 46, seed=11, occasions=3)
    part = draw(population, n, replicates, seed=11, occasions=occasions, first=first)
    expected = whole.isel(subject=slice(n), replicate=slice(first, first + replicates), occasion=slice(occasions))
    if occasions == 1:
        expected = expected.isel(occasion=0, drop=True)
    same(part, expected)


def test_patients_keep_their_numbers_across_blocks(population):
    large = draw(population, 2 * BLOCK + 3, 2, seed=5)
    for n in (BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 1):
        same(draw(population, n, 2, seed=5), large.isel(subject=slice(n)))
    assert len(np.unique(large["cl"])) == large["cl"].size


def test_bits_are_those_recorded(population):
    found = draw(population, 3, 2, seed=2026)
    np.testing.assert_allclose(found["cl"].sum(), RECORDED["cl"], rtol=1e-12)
    np.testing.assert_allclose(found["weight"].sum(), RECORDED["weight"], rtol=1e-12)


def test_seeds_and_streams_differ(population):
    assert not np.array_equal(draw(population, 3, 1, seed=1)["v"], draw(population, 3, 1, seed=2)["v"])
    firsts = {generator(1, s, 0, 0).random() for s in Stream}
    assert len(firsts) == len(Stream)
    assert {100 <= s < 200 for s in Stream} == {True}
    assert derived(1, Stream.PREDICTIVE, 0) != derived(1, Stream.PREDICTIVE, 1)


def test_no_address_is_used_twice(population, monkeypatch):
    used = []

    def recording(seed, *address):
        used.append(address)
        return generator(seed, *address)

    def recording_several(seed, *address):
        parts = [part.ravel().tolist() for part in np.broadcast_arrays(*address)]
        return (recording(seed, *one) for one in zip(*parts, strict=True))

    for module in ("cohort", "screening"):
        monkeypatch.setattr(f"cohorts.drawing.{module}.generator", recording)
        monkeypatch.setattr(f"cohorts.drawing.{module}.generators", recording_several)
    draw(population, BLOCK + 1, 3, seed=1, posterior=posterior_of(population), occasions=2)
    assert len(used) == len(set(used)) == 3 * (2 + 2 * (2 + 2))


def test_what_a_cohort_is(population):
    cohort = draw(population, 4, 3, seed=1, occasions=2, first=7)
    assert cohort["replicate"].values.tolist() == [7, 8, 9]
    assert cohort["cl"].dims == ("replicate", "subject", "occasion") == cohort["f"].dims
    assert cohort["v"].dims == ("replicate", "subject") == cohort["ka"].dims == cohort["weight"].dims
    assert cohort["omega_cl"].dims == ("replicate",)
    assert cohort["beta_cl_sex"].dims == ("replicate", "beta_cl_sex_level")
    assert cohort["sex"].dtype.kind == "i"
    assert cohort["sex"].attrs["levels"] == ["female", "male"]
    assert cohort["cl"].attrs == {
        "role": "parameter", "units": "L/h", "long_name": "clearance", "source": "made up | assumption"
    }  # fmt: skip
    assert cohort["weight"].attrs["role"] == "covariate"
    assert cohort["sigma_additive_concentration"].attrs["role"] == "population"
    assert cohort.attrs["population_digest"] == population.digest
    assert cohort.attrs["seed"] == 1
    assert draw(population, 4, 1, seed=1)["cl"].dims == ("replicate", "subject")


def test_covariates_follow_their_distributions(population):
    cohort = draw(population, 5000, 4, seed=3)
    male = cohort["sex"].values == 1
    assert stats.binomtest(int(male.sum()), male.size, 0.6).pvalue > 1e-3
    for code, mean, sd, low, high in ((0, 65, 10, 45, 100), (1, 80, 12, 50, 120)):
        weight = cohort["weight"].values[cohort["sex"].values == code]
        assert weight.min() > low
        assert weight.max() < high
        assert stats.kstest(weight, stats.truncnorm((low - mean) / sd, (high - mean) / sd, mean, sd).cdf).pvalue > 1e-3
    assert cohort["age"].max() < 90


def test_frequencies_of_several_levels():
    warfarin = load_population("warfarin_adults")
    cohort = draw(warfarin, 1500, 20, seed=4)
    for name, expected in (("cyp2c9", (0.587, 0.173, 0.167, 0.033, 0.027, 0.013)), ("vkorc1", (0.39, 0.41, 0.20))):
        seen = np.bincount(cohort[name].values.ravel(), minlength=len(expected))
        assert stats.chisquare(seen, np.array(expected) * seen.sum()).pvalue > 1e-3


def test_literature_estimates_keep_their_standard_errors():
    cohort = draw(load_population("warfarin_adults"), 1, 4000, seed=5)
    z = np.log(cohort["cl_pop"] / 0.314) / np.sqrt(np.log1p(0.0395**2))
    assert stats.kstest(z, "norm").pvalue > 1e-3
    reduction = cohort["beta_cl_cyp2c9"].sel(beta_cl_cyp2c9_level="*1/*3")
    assert stats.kstest(reduction, stats.norm(-0.453, 0.0365).cdf).pvalue > 1e-3
    assert (cohort["beta_cl_cyp2c9"].sel(beta_cl_cyp2c9_level="*1/*1") == 0).all()
    total = cohort["ec50_pop"] * cohort["beta_ec50_vkorc1"].sel(beta_ec50_vkorc1_level="GG")
    assert float(total.std() / total.mean()) == pytest.approx(0.414, rel=0.1)


def test_total_variance_is_shared_between_people_and_occasions(written):
    cl = written["parameters"]["cl"]
    cl.update(typical=3, effects={}, between_subject={"value": 0.3, "total": True}, between_occasion=0.18)
    written["correlations"] = []
    log = np.log(draw(load_population(written), 20000, 1, seed=6, occasions=2)["cl"].values[0])
    assert log.std(axis=0) == pytest.approx(0.3, rel=0.02)
    assert (log[:, 0] - log[:, 1]).std() == pytest.approx(0.18 * np.sqrt(2), rel=0.02)
    cl["between_subject"]["total"] = False
    log = np.log(draw(load_population(written), 20000, 1, seed=6, occasions=2)["cl"].values[0])
    assert log.std(axis=0) == pytest.approx(np.hypot(0.3, 0.18), rel=0.02)


def test_occasions_never_vary_more_than_the_total(written):
    written["parameters"]["cl"].update(
        typical=3, effects={}, between_subject={"value": 0.1, "total": True}, between_occasion=0.18
    )
    written["correlations"] = []
    log = np.log(draw(load_population(written), 20000, 1, seed=6, occasions=2)["cl"].values[0])
    assert log.std(axis=0) == pytest.approx(0.1, rel=0.02)
    assert np.corrcoef(log.T)[0, 1] == pytest.approx(0.0, abs=0.03)


def test_correlations_are_those_of_the_matrix(written):
    matrix = [[1, 0.5, -0.3], [0.5, 1, 0.2], [-0.3, 0.2, 1]]
    written["correlations"] = [{"of": ["cl", "v", "f"], "matrix": matrix, "source": "x"}]
    for name in ("cl", "v", "f"):
        written["parameters"][name].update(effects={}, typical=0.5, between_subject=0.4)
        written["parameters"][name].pop("between_occasion", None)
    cohort = draw(load_population(written), 40000, 1, seed=7)
    f = cohort["f"].values[0]
    deviations = np.stack([np.log(cohort["cl"].values[0]), np.log(cohort["v"].values[0]), np.log(f / (1 - f))])
    np.testing.assert_allclose(np.corrcoef(deviations), matrix, atol=0.02)


def test_an_lkj_prior_has_its_marginal_distribution(population):
    cohort = draw(population, 1, 20000, seed=8)
    a, b, c = (cohort[f"rho_{p}"].values for p in ("cl_v", "cl_f", "v_f"))
    third = a * b + c * np.sqrt((1 - a**2) * (1 - b**2))
    marginal = stats.beta(2 + 0.5, 2 + 0.5, loc=-1, scale=2)
    for correlation in (a, b, third):
        assert stats.kstest(correlation, marginal.cdf).pvalue > 1e-3


def test_uncertainty_makes_trials_differ(population):
    uncertain = np.log(draw(population, 50, 400, seed=9)["cl"]).mean("subject")
    certain = np.log(draw(population.centred(), 50, 400, seed=9)["cl"]).mean("subject")
    assert float(uncertain.std()) > 1.8 * float(certain.std())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "n: got 0, wanted a whole number >= 1"),
        ({"n": 2.5}, "n: got 2.5"),
        ({"replicates": 0}, "replicates: got 0"),
        ({"occasions": 0}, "occasions: got 0"),
        ({"first": -1}, "first: got -1"),
        ({"seed": -1}, "seed: got -1, wanted a whole number >= 0"),
        ({"seed": True}, "seed: got True"),
    ],
)
def test_numbers_out_of_range_are_refused(population, arguments, words):
    with pytest.raises(PopulationError, match=words):
        draw(population, **{"n": 2, "replicates": 1, "seed": 1, **arguments})


def test_an_effect_that_makes_a_parameter_impossible_is_named(written):
    written["parameters"]["cl"]["effects"]["age"]["coefficient"] = -0.2
    with pytest.raises(PopulationError, match=r"parameters.cl: got -\d.* for subject \d+ of replicate 3, .*'age'"):
        draw(load_population(written), 100, 1, seed=1, first=3)


def posterior_of(population, shift=1.0, digest=None, drop=()):
    """A made-up posterior in which clearance is what we say."""
    rng = np.random.default_rng(0)
    data = {}
    for c in population.coefficients:
        if c.free and c.fitted and c.name not in drop:
            values = np.stack([q.quantile(rng.random((2, 50))) for q in c.quantities], axis=-1)
            data[c.name] = (("chain", "draw", *c.dims), values if c.levels else values[..., 0])
    if "cl_pop" in data:
        data["cl_pop"] = (("chain", "draw"), shift * (100 + np.arange(100.0).reshape(2, 50)))
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(data)})
    tree.attrs = {"fitted_digest": digest or population.fitted_digest, "population": "x", "seed": 1, "data_digest": "d"}
    return tree


def test_each_replicate_takes_one_draw_of_the_posterior(population):
    posterior = posterior_of(population)
    cohort = draw(population, 3, 200, seed=1, posterior=posterior)
    assert set(cohort["cl_pop"].values) <= set(posterior["posterior"]["cl_pop"].values.ravel())
    assert len(set(cohort["cl_pop"].values)) > 60
    index = (cohort["cl_pop"].values - 100).astype(int)
    for name in ("v_pop", "omega_cl", "beta_cl_sex"):
        flat = posterior["posterior"][name].values
        np.testing.assert_array_equal(cohort[name], flat.reshape(100, *flat.shape[2:])[index])
    same(draw(population, 3, 1, seed=1, posterior=posterior, first=150), cohort.isel(replicate=[150]))
    assert cohort.attrs["posterior_data_digest"] == "d"


def test_the_posterior_decides_and_the_rest_stays(population):
    low, high = (draw(population, 3, 20, seed=1, posterior=posterior_of(population, s)) for s in (1.0, 2.0))
    np.testing.assert_allclose(high["cl"], 2.0 * low["cl"])
    for name in ("weight", "v", "gamma_f"):
        same(low[name], high[name])


def test_a_posterior_of_something_else_is_refused(population):
    with pytest.raises(PopulationError, match="digest abcdabcd, wanted 'made_up'"):
        draw(population, 3, 1, seed=1, posterior=posterior_of(population, digest="abcdabcdabcd"))
    with pytest.raises(PopulationError, match=r"lacks \['omega_cl'\]"):
        draw(population, 3, 1, seed=1, posterior=posterior_of(population, drop=("omega_cl",)))
    with pytest.raises(PopulationError, match="wanted one named posterior"):
        draw(population, 3, 1, seed=1, posterior=xr.DataTree())
