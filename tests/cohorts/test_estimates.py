"""Estimates of others as priors: NONMEM's files as NONMEM writes them, a plain table, and what is refused."""

import numpy as np
import pytest

import cohorts
from cohorts import PopulationError, read_estimates, read_phi, with_estimates
from tests.cohorts.conftest import WRITTEN

EXT = """\
TABLE NO.     1: First Order: Goal Function=MINIMUM VALUE OF OBJECTIVE FUNCTION: Problem=1 Subproblem=0
 ITERATION    THETA1       THETA2       SIGMA(1,1)   OMEGA(1,1)   OMEGA(2,1)   OMEGA(2,2)   OBJ
            0  1.00000E+00  1.00000E+00  1.00000E-01  1.00000E-01  0.00000E+00  1.00000E-01    300.0
  -1000000000  9.00000E+00  9.00000E+00  9.00000E-01  9.00000E-01  0.00000E+00  9.00000E-01    290.0
TABLE NO.     2: First Order Conditional Estimation with Interaction: Goal Function=MINIMUM VALUE OF OBJECTIVE FUNCTION
 ITERATION    THETA1       THETA2       SIGMA(1,1)   OMEGA(1,1)   OMEGA(2,1)   OMEGA(2,2)   OBJ
            0  1.00000E+00  1.00000E+00  1.00000E-01  1.00000E-01  0.00000E+00  1.00000E-01    250.0
  -1000000000  1.20000E+00  3.00000E+01  1.00000E-02  9.00000E-02  1.80000E-02  4.00000E-02    196.0
  -1000000001  5.00000E-02  1.50000E+00  1.00000E+10  1.80000E-02  9.00000E-03  8.00000E-03      0.0
  -1000000004  1.20000E+00  3.00000E+01  1.00000E-01  3.00000E-01  3.00000E-01  2.00000E-01      0.0
  -1000000005  5.00000E-02  1.50000E+00  1.00000E+10  3.00000E-02  1.40000E-01  2.00000E-02      0.0
  -1000000006  0.00000E+00  0.00000E+00  1.00000E+00  0.00000E+00  0.00000E+00  0.00000E+00      0.0
"""
COV = """\
TABLE NO.     1: First Order Conditional Estimation with Interaction
 NAME             THETA1       THETA2
 THETA1            4.00000E-02  1.00000E-03
 THETA2            1.00000E-03  9.00000D+00
"""
PHI = """\
TABLE NO.     1: First Order Conditional Estimation with Interaction: Problem=1
 SUBJECT_NO   ID           ETA(1)       ETA(2)       ETC(1,1)     ETC(2,1)     ETC(2,2)     OBJ
            1            7 -1.00000E-01  2.00000E-01  1.00000E-02  2.00000E-03  4.00000E-02    5.5
            2           11  3.00000E-01 -4.00000E-01  1.10000E-02 -1.00000E-03  3.00000E-02    6.5
"""
NAMES = {
    "cl_pop": ("THETA1", "logarithm"),
    "v_pop": "THETA2",
    "omega_cl": "OMEGA(1,1)",
    "omega_v": "OMEGA(2,2)",
    "sigma_proportional_concentration": "SIGMA(1,1)",
}


def population():
    own = {
        "unit": "1", "meaning": "m", "source": "made up",
        "typical": {"lognormal": {"median": 1, "cv": 1}}, "between_subject": "default",
    }  # fmt: skip
    residual = {"concentration": {"kind": "proportional"}}
    block = [{"of": ["cl", "v"], "lkj": "default"}]
    about = {"name": "p", "reference": "nobody", "correlations": block, "residual": residual}
    return cohorts.load_population({**about, "parameters": {"cl": own, "v": own}})


@pytest.fixture
def ext(tmp_path):
    path = tmp_path / "run1.ext"
    path.write_text(EXT)
    return path


def quantities(made):
    return {c.name: c.quantities[0] for c in made.coefficients}


def test_the_last_table_of_an_ext_is_read(ext):
    found = read_estimates(ext)
    assert found.method == "First Order Conditional Estimation with Interaction"
    assert found.values["THETA1"] == (1.2, 0.05, False)
    assert found.values["SIGMA(1,1)"].fixed
    assert np.isnan(found.values["SIGMA(1,1)"].se)
    assert found.roots["OMEGA(2,1)"].value == 0.3
    assert "THETA1" not in found.roots
    assert read_estimates(ext, table=1).values["THETA1"].value == 9.0


def test_estimates_become_priors_with_their_errors(ext):
    made = quantities(with_estimates(population(), read_estimates(ext), {**NAMES, "rho_cl_v": "OMEGA(2,1)"}))
    assert made["cl_pop"].family == "lognormal"
    np.testing.assert_allclose(made["cl_pop"].values, (np.exp(1.2), 0.05))
    np.testing.assert_allclose(made["v_pop"].values, (30.0, 0.05))
    np.testing.assert_allclose(made["omega_cl"].values, (0.3, 0.018 / (2 * 0.3) / 0.3))
    np.testing.assert_allclose(made["sigma_proportional_concentration"].values, (0.1,))
    assert not made["sigma_proportional_concentration"].free
    assert made["rho_cl_v"].values == (0.3,)
    assert "THETA2 of run1.ext, First Order Conditional" in made["v_pop"].source


def test_a_correlation_without_its_root_comes_from_the_covariance(ext):
    ext.write_text("\n".join(line for line in EXT.splitlines() if "-100000000" not in line or line[12] in "01"))
    made = quantities(with_estimates(population(), read_estimates(ext), {"rho_cl_v": "OMEGA(2,1)"}))
    assert made["rho_cl_v"].values[0] == pytest.approx(0.018 / (0.3 * 0.2))


def test_the_delta_method_agrees_with_simulation(ext):
    made = quantities(with_estimates(population(), read_estimates(ext), NAMES))
    draws = np.random.default_rng(1).normal(0.09, 0.018, 200_000)
    q = made["omega_cl"]
    assert q.values[0] * q.values[1] == pytest.approx(np.std(np.sqrt(draws)), rel=0.02)


def test_the_covariance_step_s_own_file_serves_where_the_ext_has_no_errors(ext):
    ext.write_text("\n".join(line for line in EXT.splitlines() if "-1000000001" not in line))
    with pytest.raises(PopulationError, match=r"names.cl_pop: THETA1 of run1.ext.* has no standard error"):
        with_estimates(population(), read_estimates(ext), NAMES)
    ext.with_suffix(".cov").write_text(COV)
    found = read_estimates(ext)
    assert found.values["THETA1"].se == pytest.approx(0.2)
    assert found.values["THETA2"].se == pytest.approx(3.0)


def test_a_plain_table(tmp_path):
    path = tmp_path / "published.csv"
    path.write_text("parameter,estimate,se\nclearance,2.5,0.2\nvolume,40,\n")
    made = quantities(with_estimates(population(), read_estimates(path), {"cl_pop": "clearance", "v_pop": "volume"}))
    assert made["cl_pop"].values == (2.5, 0.08)
    assert made["v_pop"].values == (40.0,)
    assert made["v_pop"].source == "volume of published.csv; taken without an error"
    assert made["omega_cl"].family == "halfnormal"


def test_levels_and_real_numbers(tmp_path):
    path = tmp_path / "published.csv"
    path.write_text("parameter,estimate,se\nmale,0.3,0.1\nweight,0.7,0.1\nf,0.8,0.02\n")
    names = {"beta_cl_sex[male]": "male", "beta_cl_weight": "weight"}
    made = with_estimates(cohorts.load_population(WRITTEN), read_estimates(path), names)
    by_name = {c.name: c for c in made.coefficients}
    assert by_name["beta_cl_sex"].quantities[1].named == {"mean": 0.3, "sd": 0.1}
    assert by_name["beta_cl_sex"].quantities[0].values == (0.0,)
    assert by_name["beta_cl_weight"].quantities[0].named == {"mean": 0.7, "sd": 0.1}
    assert cohorts.load_population(made.to_dict()) == made


def test_individual_estimates(tmp_path):
    path = tmp_path / "run1.phi"
    path.write_text(PHI)
    found = read_phi(path)
    assert found["subject"].values.tolist() == [7, 11]
    np.testing.assert_allclose(found["eta"], [[-0.1, 0.2], [0.3, -0.4]])
    np.testing.assert_allclose(found["variance"][0], [[0.01, 0.002], [0.002, 0.04]])
    assert found["obj"].values.tolist() == [5.5, 6.5]


def test_what_makes_no_sense_is_refused(ext, tmp_path):
    found = read_estimates(ext)
    bad = {
        r"names: got 'ka_pop', wanted some of": {"ka_pop": "THETA1"},
        r"names.cl_pop: run1.ext has no 'THETA9'; did you mean": {"cl_pop": "THETA9"},
        r"names.cl_pop: got 'log', wanted one of": {"cl_pop": ("THETA1", "log")},
        r"got cl_pop\[male\], wanted cl_pop": {"cl_pop[male]": "THETA1"},
        r"names.rho_cl_v: got the variance": {"rho_cl_v": "OMEGA(2,2)"},
    }
    bare = {k: v for k, v in found.roots.items() if k == "none"}
    for words, names in bad.items():
        with pytest.raises(PopulationError, match=words):
            with_estimates(population(), cohorts.Estimates(found.file, "", found.values, bare), names)
    with pytest.raises(PopulationError, match=r"got table 3, wanted 1 to 2"):
        read_estimates(ext, table=3)
    with pytest.raises(PopulationError, match=r"wanted a file that ends in"):
        read_estimates(__file__)
    with pytest.raises(PopulationError, match=r"no file"):
        read_estimates(tmp_path / "none.ext")
    ext.write_text(EXT.replace("-1000000000", "   -9000000"))
    with pytest.raises(PopulationError, match="no final estimates"):
        read_estimates(ext)
    table = tmp_path / "bad.csv"
    table.write_text("parameter,value\na,1\n")
    with pytest.raises(PopulationError, match="lacks column 'estimate'"):
        read_estimates(table)
