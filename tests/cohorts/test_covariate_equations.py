"""Derived covariates against published calculators, published forms of the same equations, and by hand."""

import numpy as np
import pytest

from cohorts.covariates.base import Variable
from cohorts.covariates.equations.catalogue import EQUATIONS, factor
from cohorts.covariates.reading import read_model
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node

UMOL = 1 / 88.42

# Results of calculators of others, as recorded in the tests of the R package admiral: the National Kidney Foundation's
# (CKD-EPI 2021, Cockcroft-Gault), MDCalc's (MDRD), the CDC's (BMI).
PUBLISHED = [
    ("ckd_epi_2021", {"creatinine": 1.09, "age": 55, "female": False}, 80, 0.5),
    ("ckd_epi_2021", {"creatinine": 85 * UMOL, "age": 65, "female": True}, 66, 0.5),
    ("ckd_epi_2021", {"creatinine": 96.3 * UMOL, "age": 55, "female": False}, 80.2293, 5e-5),
    ("ckd_epi_2021", {"creatinine": 70 * UMOL, "age": 52, "female": True}, 89.7175, 5e-5),
    ("ckd_epi_2021", {"creatinine": 77 * UMOL, "age": 67, "female": False}, 94.5453, 5e-5),
    ("ckd_epi_2021", {"creatinine": 65 * UMOL, "age": 76, "female": True}, 84.4646, 5e-5),
    ("cockcroft_gault", {"creatinine": 1.09, "age": 55, "weight": 90, "female": False}, 97, 0.5),
    ("cockcroft_gault", {"creatinine": 85 * UMOL, "age": 65, "weight": 60, "female": True}, 55, 0.5),
    ("mdrd", {"creatinine": 1.09, "age": 55, "female": False}, 70.2, 0.05),
    ("mdrd", {"creatinine": 85 * UMOL, "age": 65, "female": True, "black": True}, 70.6, 0.05),
    ("bmi", {"weight": 75, "height": 180}, 23.148, 5e-4),
    ("weight_of_bmi", {"bmi": 25, "height": 200}, 100, 1e-9),
    ("bsa_mosteller", {"weight": 75, "height": 170}, 1.882, 5e-4),
    ("bsa_mosteller", {"weight": 90, "height": 185}, 2.151, 5e-4),
    ("bsa_dubois", {"weight": 75, "height": 170}, 1.864, 5e-4),
    ("bsa_dubois", {"weight": 90, "height": 185}, 2.141, 5e-4),
    ("bsa_haycock", {"weight": 75, "height": 170}, 1.895, 5e-4),
    ("bsa_haycock", {"weight": 90, "height": 185}, 2.161, 5e-4),
    # By hand: 0.413 * 120 / 0.6; 70 kg and 175 cm; 80 * 1.9 / 1.73; 5 foot 10 is 10 inches over 60.
    ("schwartz_2009", {"creatinine": 0.6, "height": 120}, 82.6, 1e-9),
    ("lean_mass_boer", {"weight": 70, "height": 175, "female": False}, 28.49 + 46.725 - 19.2, 1e-9),
    ("lean_mass_boer", {"weight": 70, "height": 175, "female": True}, 17.64 + 82.775 - 48.3, 1e-9),
    ("lean_mass_james", {"weight": 70, "height": 175, "female": False}, 77 - 128 * 0.16, 1e-9),
    ("lean_mass_james", {"weight": 70, "height": 175, "female": True}, 74.9 - 148 * 0.16, 1e-9),
    ("fat_free_mass", {"weight": 100, "height": 200, "female": False}, 927_000 / 12_080, 1e-9),
    ("fat_free_mass", {"weight": 100, "height": 200, "female": True}, 927_000 / 14_880, 1e-9),
    ("ideal_weight", {"height": 177.8, "female": False}, 73, 1e-9),
    ("ideal_weight", {"height": 177.8, "female": True}, 68.5, 1e-9),
    ("ideal_weight", {"height": 152.4 - 2.54, "female": False}, 47.7, 1e-9),
    ("absolute_gfr", {"egfr": 80, "bsa": 1.9}, 152 / 1.73, 1e-9),
    ("postmenstrual_age", {"gestational_age": 28, "postnatal_age": 6.5}, 34.5, 1e-12),
]


@pytest.mark.parametrize(("equation", "given", "published", "tolerance"), PUBLISHED)
def test_equation_gives_the_published_number(equation, given, published, tolerance):
    arrays = {k: np.array(v, dtype=bool if isinstance(v, bool) else float) for k, v in given.items()}
    assert EQUATIONS[equation].function(**arrays) == pytest.approx(published, abs=tolerance)


# Levey 2009 prints the equation of 2009 also as one row for each race, sex and side of the knot.
ROWS_2009 = [
    (True, True, 0.5, 166, 0.7, -0.329),
    (True, True, 1.5, 166, 0.7, -1.209),
    (True, False, 0.6, 163, 0.9, -0.411),
    (True, False, 1.6, 163, 0.9, -1.209),
    (False, True, 0.5, 144, 0.7, -0.329),
    (False, True, 1.5, 144, 0.7, -1.209),
    (False, False, 0.6, 141, 0.9, -0.411),
    (False, False, 1.6, 141, 0.9, -1.209),
]


@pytest.mark.parametrize(("black", "female", "creatinine", "scale", "knot", "power"), ROWS_2009)
def test_ckd_epi_2009_is_the_table_of_its_paper(black, female, creatinine, scale, knot, power):
    made = EQUATIONS["ckd_epi_2009"].function(np.array(creatinine), np.array(50.0), np.array(female), np.array(black))
    assert made == pytest.approx(scale * (creatinine / knot) ** power * 0.993**50, rel=0.004)  # 3 digits are printed


def test_james_falls_where_its_critics_say():
    weight = np.linspace(60, 200, 1401)
    for female, index in ((True, 37), (False, 43)):
        mass = EQUATIONS["lean_mass_james"].function(weight, np.full_like(weight, 170.0), np.full(weight.shape, female))
        peak = weight[np.argmax(mass)]
        assert peak / 1.7**2 == pytest.approx(index, abs=1)


def test_categories_begin_at_their_edges():
    egfr = np.array([120, 90, 89.9, 60, 59.9, 45, 44.9, 30, 29.9, 15, 14.9, 0.0])
    codes = EQUATIONS["kdigo_category"].function(egfr)
    names = np.array(EQUATIONS["kdigo_category"].levels)[codes]
    assert names.tolist() == ["G1", "G1", "G2", "G2", "G3a", "G3a", "G3b", "G3b", "G4", "G4", "G5", "G5"]


def test_every_equation_cites_its_source():
    for name, row in EQUATIONS.items():
        assert "doi:10." in row.citation or name in {"absolute_gfr"}, name
        assert "\n" not in row.citation


def test_units_of_one_kind_convert():
    assert factor("umol/L", "mg/dL") == pytest.approx(0.0113, rel=2e-3)  # creatinine: 113.12 g/mol
    assert factor("month", "year") == pytest.approx(1 / 12)
    assert factor("inch", "cm") == 2.54
    assert factor("kg", "cm") is None
    assert factor("IU/L", "IU/L") == 1.0


KNOWN = {
    "scr": Variable("scr", "umol/L", "creatinine", "made up"),
    "age": Variable("age", "month", "age", "made up"),
    "sex": Variable("sex", "1", "sex", "made up", ("Male", "Female")),
    "race": Variable("race", "1", "race", "made up", ("White", "Black", "Other")),
    "weight": Variable("weight", "kg", "weight", "made up"),
}
EGFR = {"model": "derived", "equation": "ckd_epi_2009", "inputs": {"creatinine": "scr"}, "black": ["Black"]}


def test_covariate_converts_units_and_levels():
    made = read_model("egfr", Node("covariates.egfr", EGFR), KNOWN)
    drawn = {"scr": np.full((2, 2), 100.0), "age": np.full((2, 2), 600.0)}
    drawn |= {"sex": np.array([[0, 1], [0, 1]]), "race": np.array([[0, 0], [1, 1]])}
    assert made.width == 0
    found = made.values(np.empty((2, 2, 0)), drawn)["egfr"]
    direct = EQUATIONS["ckd_epi_2009"].function
    scr, fifty = np.array(100 * UMOL), np.array(50.0)
    for i, black in enumerate((False, True)):
        for j, female in enumerate((False, True)):
            assert found[i, j] == pytest.approx(float(direct(scr, fifty, np.array(female), np.array(black))), rel=1e-12)
    assert made.attributes()["egfr"]["units"] == "mL/min/(1.73 m^2)"
    assert "doi:10.7326" in made.attributes()["egfr"]["source"]
    assert read_model("egfr", Node("covariates.egfr", made.to_dict()), KNOWN) == made


def test_category_has_levels():
    known = {"egfr": Variable("egfr", "mL/min/(1.73 m^2)", "eGFR", "made up")}
    made = read_model("stage", Node("stage", {"model": "derived", "equation": "kdigo_category"}), known)
    assert made.variables[0].levels == ("G5", "G4", "G3b", "G3a", "G2", "G1")
    assert read_model("stage", Node("stage", made.to_dict()), known) == made


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"equation": "ckd_epi"}, r"egfr.equation: got 'ckd_epi', wanted one of .*did you mean"),
        ({"inputs": {"creatinine": "scr", "height": "h"}}, "egfr.inputs.height: unknown key"),
        ({"inputs": {}}, "egfr.inputs.creatinine: got 'creatinine', wanted a covariate that stands before it"),
        ({"inputs": {"creatinine": "weight"}}, "weight has kg, wanted one of the units .*umol/L"),
        ({"inputs": {"creatinine": "scr", "sex": "age"}}, "age is on a scale, wanted a covariate with levels"),
        ({"inputs": {"creatinine": "scr", "sex": "race"}}, "got level 'White' of race"),
        ({"black": ["black"]}, "egfr.inputs.race: got black 'black', wanted levels among"),
        ({"equation": "ckd_epi_2021"}, "egfr.black: ckd_epi_2021 has no coefficient of race"),
        ({"model": "regresion"}, "model: got 'regresion', wanted one of"),
    ],
)
def test_wrong_entry_is_named(change, says):
    with pytest.raises(PopulationError, match=says):
        read_model("egfr", Node("covariates.egfr", {**EGFR, **change}), KNOWN)


def test_equation_of_adults_refuses_a_child():
    made = read_model("egfr", Node("covariates.egfr", EGFR), KNOWN)
    drawn = {"scr": np.full(2, 50.0), "age": np.array([600.0, 60.0]), "sex": np.zeros(2, int), "race": np.zeros(2, int)}
    with pytest.raises(PopulationError, match="egfr: got age from 5 to 50 year, wanted 18 to inf: ckd_epi_2009 is not"):
        made.values(np.empty((2, 0)), drawn)
