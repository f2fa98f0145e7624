"""Genotypes by ancestry, groups of models, and the special populations that come with the project."""

import numpy as np
import pytest
import yaml
from scipy import stats

from cohorts import load_table
from cohorts.covariates import shelf
from cohorts.covariates.base import Variable
from cohorts.covariates.group import groups
from cohorts.covariates.growth import load_chart, score_of
from cohorts.covariates.reading import KINDS, read_model
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node

RACE = {"race": Variable("race", "1", "race", "made up", ("White", "Black", "Asian"))}
CYP2C9 = {
    "model": "genotype",
    "gene": "CYP2C9",
    "panel": "iwpc",
    "given": "race",
    "keep": ["*1", "*2", "*3"],
    "ancestry": {"Black": "Black or African American"},
}


def genotype(**change):
    return read_model("cyp2c9", Node("covariates.cyp2c9", {**CYP2C9, **change}), RACE)


def population(name):
    return read_model("people", Node("covariates.people", {"model": "group", "use": name}), {})


# ---- genotypes
def test_diplotypes_are_in_hardy_weinberg_proportions_within_each_ancestry():
    made = genotype()
    race = np.repeat([0, 1, 2], 60_000)
    found = made.values(np.random.default_rng(4).random((180_000, 2)), {"race": race})["cyp2c9"]
    # Allele frequencies as the source of the panel prints them, of *1, *2 and *3.
    printed = {0: (0.7969, 0.1293, 0.0736), 1: (0.9463, 0.0263, 0.0114), 2: (0.9649, 0.0003, 0.0342)}
    assert made.levels[:4] == ("*1/*1", "*1/*2", "*1/*3", "*1/other")
    for code, (p, q, r) in printed.items():
        shares = np.bincount(found[race == code], minlength=10) / 60_000
        exact = {
            "*1/*1": p * p,
            "*1/*2": 2 * p * q,
            "*1/*3": 2 * p * r,
            "*2/*2": q * q,
            "*2/*3": 2 * q * r,
            "*3/*3": r * r,
        }
        for name, share in exact.items():
            error = 4 * np.sqrt(share * (1 - share) / 60_000) + 2e-4  # four digits are printed
            assert shares[made.levels.index(name)] == pytest.approx(share, abs=error), (code, name)


def test_white_patients_have_the_genotypes_the_consortium_counted():
    observed = {"*1/*1": 1969, "*1/*2": 626, "*1/*3": 352, "*2/*3": 68, "*2/*2": 52, "*3/*3": 17}  # of 3,085
    written = {"model": "genotype", "gene": "CYP2C9", "panel": "iwpc", "ancestry": "White"}
    made = read_model("g", Node("g", written), {})
    shares = dict(made.groups)["White"]
    p = dict(zip(made.alleles, shares, strict=True))
    exact = {n: (1 if a == b else 2) * p[a] * p[b] * 3085 for n in observed for a, b in [n.split("/")]}
    chi = sum((observed[n] - exact[n]) ** 2 / exact[n] for n in observed)
    assert stats.chi2.sf(chi, 3) > 0.001  # six classes, less one, less two frequencies estimated


def test_every_pair_of_alleles_has_its_code():
    made = genotype(keep=["*1"])
    alleles = np.linspace(0.001, 0.9995, 200)
    u = np.stack(np.meshgrid(alleles, alleles), axis=-1)
    found = made.values(u, {"race": np.ones(u.shape[:-1], dtype=int)})["cyp2c9"]
    p = made.groups[1][1][0]
    np.testing.assert_array_equal(found, (u[..., 0] >= p).astype(int) + (u[..., 1] >= p))
    assert made.levels == ("*1/*1", "*1/other", "other/other")


def test_genotype_reads_back_to_an_equal_one():
    made = genotype()
    assert read_model("cyp2c9", Node("cyp2c9", made.to_dict()), RACE) == made
    assert "CC BY-SA" in made.attributes()["cyp2c9"]["source"]
    one = read_model("g", Node("g", {"model": "genotype", "gene": "VKORC1", "panel": "iwpc", "ancestry": "Asian"}), {})
    assert read_model("g", Node("g", one.to_dict()), {}) == one
    assert one.levels == ("G/G", "G/A", "A/A")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"panel": "hapmap"}, r"cyp2c9.panel: got 'hapmap', wanted one of"),
        ({"gene": "CYP2D6"}, "cyp2c9.gene: got 'CYP2D6', wanted one of"),
        ({"given": "ancestry"}, "cyp2c9.given: got 'ancestry', wanted a covariate with levels"),
        ({"ancestry": {"Black": "black"}}, "cyp2c9.ancestry: got 'black', wanted one of"),
        ({"ancestry": {}}, "cyp2c9.ancestry: got 'Black', wanted one of"),
        ({"keep": ["*99"]}, r"cyp2c9.keep: got '\*99'"),
        ({"alleles": {"White": {"a": 1.0}}}, "wanted either panel or alleles"),
    ],
)
def test_wrong_genotype_is_named(change, says):
    with pytest.raises(PopulationError, match=says):
        genotype(**change)


def test_poor_metabolisers_of_cyp2d6_by_ancestry():
    """Two alleles without function: 0.4 to 5.4 % across world populations (Gaedigk 2017, doi:10.1038/gim.2016.80)."""
    found = {}
    for ancestry in ("European", "Sub-Saharan African", "East Asian", "South Asian", "Admixed American"):
        written = {"model": "genotype", "gene": "CYP2D6", "panel": "cyp2d6", "ancestry": ancestry}
        made = read_model("cyp2d6", Node("cyp2d6", written), {})
        drawn = made.values(np.random.default_rng(1).random((200_000, 2)), {})["cyp2d6"]
        none = {"*3", "*4", "*5", "*68+*4"}
        poor = [set(pair.split("/")) <= none for pair in made.levels]
        found[ancestry] = float(np.array(poor)[drawn].mean())
        assert sum(made.groups[0][1]) == pytest.approx(1.0)
    assert found["European"] == pytest.approx(0.217**2, abs=0.002)
    assert max(found.values()) < 0.054
    assert found["East Asian"] < 0.004 < found["Sub-Saharan African"] < found["European"]


def test_frequencies_that_do_not_sum_to_one_are_refused():
    written = {"model": "genotype", "gene": "G", "source": "made up", "alleles": {"all": {"a": 0.5, "b": 0.4}}}
    with pytest.raises(PopulationError, match=r"alleles.all: got numbers that sum to 0\.9"):
        read_model("g", Node("g", written), {})


# ---- groups
@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({}, "wanted either use"),
        ({"use": "martians"}, r"use: got 'martians', wanted one of .*adults_nhanes"),
        ({"covariates": {}}, "a group has at least one model"),
        (
            {"covariates": {"bmi": {"model": "derived", "equation": "bmi"}}},
            "got 'weight', wanted a covariate that stands",
        ),
    ],
)
def test_wrong_group_is_named(written, says):
    with pytest.raises(PopulationError, match=says):
        read_model("people", Node("people", {"model": "group", **written}), {})


def test_group_makes_no_covariate_twice():
    known = {"age": Variable("age", "year", "age", "made up")}
    with pytest.raises(PopulationError, match="makes 'age', which stands before it"):
        read_model("people", Node("people", {"model": "group", "use": "adults_nhanes"}), known)


def test_every_kind_is_used_in_what_is_shipped_or_tested():
    assert set(KINDS) == {"table", "copula", "regression", "growth", "genotype", "derived", "group"}


# ---- special populations
@pytest.mark.parametrize("name", groups())
def test_special_population_can_be_drawn_and_read_back(name):
    made = population(name)
    u = np.random.default_rng(6).random((3, 500, made.width))
    whole = made.values(u, {})
    assert list(whole) == list(made.names)
    for label, found in whole.items():
        assert found.shape == (3, 500), label
        assert np.isfinite(found).all(), label
        assert made.attributes()[label]["source"], label
    for label, part in made.values(u[1, 30:60], {}).items():
        np.testing.assert_array_equal(part, whole[label][1, 30:60])
    again = read_model("people", Node("people", yaml.safe_load(yaml.safe_dump(made.to_dict(), sort_keys=False))), {})
    assert again == made
    about = shelf.read(shelf.find("covariates", name, "use"))
    assert about.text("name") == name
    assert about.text("reference")


@pytest.mark.parametrize(
    ("name", "covariate", "low", "high"),
    [
        ("adults_nhanes", "age", 18, 80),
        ("elderly_nhanes", "age", 65, 80),
        ("renal_mild", "egfr", 60, 90),
        ("renal_moderate", "egfr", 30, 60),
        ("renal_severe", "egfr", 15, 30),
        ("children_cdc", "age", 2, 18),
    ],
)
def test_special_population_is_within_its_limits(name, covariate, low, high):
    made = population(name)
    found = made.values(np.random.default_rng(6).random((20_000, made.width)), {})
    assert found[covariate].min() >= low
    assert found[covariate].max() < high
    if "egfr" in found:
        female = found["sex"] == 0
        by_hand = np.where(female, 0.7, 0.9)
        ratio = found["creatinine"] / by_hand
        egfr = 142 * np.minimum(ratio, 1) ** np.where(female, -0.241, -0.302) * np.maximum(ratio, 1) ** -1.2
        np.testing.assert_allclose(
            found["egfr"], egfr * 0.9938 ** found["age"] * np.where(female, 1.012, 1), rtol=1e-12
        )
        np.testing.assert_allclose(found["bmi"], found["weight"] / (found["height"] / 100) ** 2, rtol=1e-12)


def test_correlation_of_the_scores_of_children_is_that_of_the_survey():
    rows = load_table("nhanes_2013_2014")
    months = np.round(rows.rows["age"] * 12) + 0.5
    inside = (months >= 24) & (months < 216)
    curves, _, _ = load_chart("cdc_2000")
    height, weight = rows.rows["height"], rows.rows["weight"]
    scores = []
    for curve, size in (("stature", height), ("bmi", weight / (height / 100) ** 2)):
        z = np.full(len(months), np.nan)
        for girl in (False, True):
            who = inside & ((rows.rows["sex"] == 0) == girl)
            at, *lms = curves[curve, girl]
            z[who] = score_of(size[who], *(np.interp(months[who], at, v) for v in lms))
        scores.append(z[inside])
    cov = np.cov(np.array(scores), aweights=rows.weights[inside])
    assert inside.sum() == 2621
    assert cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1]) == pytest.approx(0.25, abs=0.005)
