"""Reading a population: what is written comes back, what is wrong is named."""

import json
import math
from pathlib import Path

import pytest
import yaml

import cohorts
from cohorts import PopulationError, load_population

SHIPPED = cohorts.populations()


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


def put(tree, path, value):
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_populations_come_back_from_json(name):
    population = load_population(name)
    again = load_population(json.loads(json.dumps(population.to_dict())))
    assert again == population
    assert hash(again) == hash(population)
    assert again.digest == population.digest
    assert population.name == name


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_populations_can_be_drawn_and_every_number_has_a_source(name):
    population = load_population(name)
    assert all(q.source.strip() for c in population.coefficients for q in c.quantities)
    patients = cohorts.draw(population, 20, 3, seed=1, occasions=2)
    assert patients.notnull().all().to_array().all()


def test_a_population_with_everything_comes_back(population, written):
    assert load_population(population.to_dict()) == population
    assert load_population(written) == population


def test_a_file_by_path(tmp_path, population, written):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(written, sort_keys=False), encoding="utf-8")
    assert load_population(path) == population == load_population(str(path))


def test_whole_numbers_and_floats_are_the_same(written, population):
    written["parameters"]["ka"]["typical"] = {"value": 1.5}
    written["parameters"]["cl"]["typical"]["lognormal"]["median"] = 3.0
    assert load_population(written).digest == population.digest


def test_every_number_and_word_enters_the_digest(population):
    original = population.to_dict()
    changed = {}
    for path, value in leaves(original):
        other = json.loads(json.dumps(original))
        if isinstance(value, bool):
            put(other, path, not value)
        elif isinstance(value, float):
            put(other, path, value * 1.001 + (1e-4 if value == 0 else 0))
        elif isinstance(value, str) and path[-1] in {"source", "meaning", "unit", "reference", "name"}:
            put(other, path, value + " x")
        else:
            continue
        if "levels" in path and path[0] == "covariates":
            continue
        changed[path] = load_population(other).digest
    assert len(changed) > 60
    assert population.digest not in changed.values()
    assert len(set(changed.values())) == len(changed)


def test_the_fitted_digest_leaves_out_who_enrols_and_what_differs_between_occasions(population, written):
    written["covariates"]["weight"]["distributions"]["male"]["normal"]["mean"] = 90
    written["parameters"]["cl"]["between_occasion"]["value"] = 0.2
    written["name"] = "another"
    other = load_population(written)
    assert other.fitted_digest == population.fitted_digest
    assert other.digest != population.digest
    written["parameters"]["cl"]["between_subject"] = {"halfnormal": {"sd": 0.31}, "total": True}
    assert load_population(written).fitted_digest != population.fitted_digest


def test_centred_has_no_uncertainty_left(population):
    centred = population.centred()
    assert not any(c.free for c in centred.coefficients)
    assert load_population(centred.to_dict()) == centred
    before = {c.name: [q.centre for q in c.quantities] for c in population.coefficients}
    assert {c.name: [q.values[0] for q in c.quantities] for c in centred.coefficients} == before


def test_names_of_coefficients(population):
    assert [c.name for c in population.coefficients] == [
        "cl_pop", "beta_cl_weight", "beta_cl_sex", "beta_cl_age", "omega_cl", "gamma_cl",
        "v_pop", "beta_v_age", "omega_v", "f_pop", "omega_f", "gamma_f", "shift_pop", "omega_shift", "ka_pop",
        "rho_cl_v", "rho_cl_f", "rho_v_f",
        "sigma_additive_concentration", "sigma_proportional_concentration", "sigma_lognormal_effect",
    ]  # fmt: skip


WRONG = [
    ("parameters.cl.typicl", 3, "parameters.cl.typicl: unknown key", "did you mean 'typical'?"),
    ("parameters.cl.typical", None, "parameters.cl.typical: missing", ""),
    ("parameters.cl.typical", "three", "parameters.cl.typical: got 'three', wanted a finite number", ""),
    ("parameters.cl.typical", 0, "parameters.cl.typical: got 0.0, wanted > 0", ""),
    ("parameters.cl.typical", {"normal": {"mean": 3, "sd": 1}}, "parameters.cl.typical: got values", "truncate"),
    ("parameters.cl.typical", {"lognormall": {}}, "parameters.cl.typical.lognormall: unknown key", "lognormal"),
    ("parameters.cl.typical", {"lognormal": {"median": 3}}, "parameters.cl.typical.lognormal.cv: missing", ""),
    ("parameters.cl.between_subject", -0.3, "parameters.cl.between_subject: got -0.3, wanted >= 0", ""),
    ("parameters.cl.between_subject.halfnormal.sd", -1, "parameters.cl.between_subject.halfnormal.sd", ""),
    ("parameters.cl.between_subject.total", "yes", "parameters.cl.between_subject.total: got 'yes'", ""),
    ("parameters.cl.between_occasion.total", True, "parameters.cl.between_occasion.total: unknown key", ""),
    ("parameters.cl.scale", "log", "parameters.cl.scale: got 'log', wanted one of", "lognormal"),
    ("parameters.cl.source", "", "parameters.cl.source: got ''", ""),
    ("parameters.ka", {"unit": "1/h", "meaning": "x", "typical": 1}, "parameters.ka.typical: has no source", ""),
    ("parameters.cl.effects.wieght", {}, "parameters.cl.effects.wieght: got 'wieght'", "'weight'?"),
    ("parameters.cl.effects.weight.kind", "powr", "parameters.cl.effects.weight.kind: got 'powr'", "power"),
    ("parameters.cl.effects.weight.reference", 0, "parameters.cl.effects.weight.reference: got 0.0", "> 0"),
    ("parameters.cl.effects.sex.levels.other", 0, "parameters.cl.effects.sex.levels.other: unknown", ""),
    ("parameters.cl.effects.sex.levels", {"female": 0}, "parameters.cl.effects.sex.levels.male: missing", ""),
    ("parameters.f.typical", 1.0, "parameters.f.typical: got 1.0, wanted", ""),
    ("parameters.sex", {"unit": "1", "meaning": "x", "typical": 1, "source": "x"}, "sex: used twice", ""),
    ("parameters", {}, "parameters: missing", ""),
    ("covariates.sex.levels.male", 0.5, "covariates.sex.levels: probabilities sum to 0.9, wanted 1", ""),
    ("covariates.sex.levels.male", 1.6, "covariates.sex.levels.male: got 1.6, wanted a probability", ""),
    (("covariates", "sex", "levels", True), 0.0, "covariates.sex.levels: got the key True", "quotes"),
    ("covariates.weight.given", "age", "covariates.weight.given: got 'age', wanted a covariate with levels", "sex"),
    ("covariates.weight.distributions.male", 80, "covariates.weight.distributions: got", "one kind"),
    ("covariates.age.distribution", None, "covariates.age.distribution: missing", ""),
    ("covariates.age.distribution.upper", -1, "covariates.age.distribution: got a range", ""),
    ("correlations.0.of", ["cl", "ka"], "correlations[0].of: got ['cl', 'ka'], wanted two or more of", ""),
    ("correlations.0.lkj", 0, "correlations[0].lkj: got 0.0, wanted a number > 0", ""),
    ("correlations.0.matrix", [[1]], "correlations[0]: wanted either lkj (a prior) or matrix", ""),
    ("residual.concentration.kind", "combined", "residual.concentration.kind: got 'combined'", "combined1"),
    ("residual.concentration.additive", -1, "residual.concentration.additive: got -1.0, wanted >= 0", ""),
    ("residual.effect.proportional", 0.1, "residual.effect.proportional: unknown key", ""),
    ("colour", "red", "colour: unknown key", ""),
    ("name", None, "name: got None", ""),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "starts", "has"), WRONG)
def test_what_is_wrong_is_named(written, path, value, starts, has):
    keys = path.split(".") if isinstance(path, str) else path
    put(written, [int(k) if k == "0" else k for k in keys], value)
    with pytest.raises(PopulationError) as error:
        load_population(written)
    assert str(error.value).startswith(starts), str(error.value)
    assert has in str(error.value)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]], "not positive definite"),
        ([[1, 0.5, 0], [0.4, 1, 0], [0, 0, 1]], "symmetric"),
        ([[1, 0.5], [0.5, 1]], "symmetric 3 x 3"),
        ("high", "3 rows of 3 numbers"),
    ],
)
def test_a_matrix_of_correlations_must_be_one(written, matrix, words):
    written["correlations"] = [{"of": ["cl", "v", "f"], "matrix": matrix, "source": "x"}]
    with pytest.raises(PopulationError, match=words):
        load_population(written)


def test_a_parameter_stands_in_one_block(written):
    written["correlations"].append({"of": ["cl", "shift"], "lkj": 1, "source": "x"})
    with pytest.raises(PopulationError, match="'cl' stands in two blocks"):
        load_population(written)


def test_unknown_names_and_unreadable_files(tmp_path):
    with pytest.raises(PopulationError, match="did you mean 'warfarin_adults'"):
        load_population("warfarin_adult")
    with pytest.raises(PopulationError, match="no file"):
        load_population(Path("nowhere.yaml"))
    path = tmp_path / "a.yaml"
    path.write_text("name: [", encoding="utf-8")
    with pytest.raises(PopulationError, match="not readable as YAML"):
        load_population(path)
    path.write_text("- 1", encoding="utf-8")
    with pytest.raises(PopulationError, match="got list, wanted a mapping"):
        load_population(path)


def test_residual_of_an_output(population):
    assert population.residual("effect").kind == "lognormal"
    with pytest.raises(PopulationError, match=r"got output '', wanted one of \['concentration', 'effect'\]"):
        population.residual()


def test_a_population_says_what_it_is_in_a_line_and_in_a_table(population):
    assert repr(population).startswith(
        "<Population made_up: cl, v, f, shift, ka; covariates sex, weight, age; measures"
    )
    table = population.table()
    assert len(table) == sum(len(c.quantities) for c in population.coefficients)
    assert table.loc["beta_cl_sex[male]", "median"] == pytest.approx(0.3)
    assert table.loc["cl_pop", "lower"] == pytest.approx(3.0 * math.exp(-1.6448536 * math.sqrt(math.log1p(0.01))))
    assert table.loc["ka_pop", ["prior", "lower", "upper"]].tolist() == ["fixed", 1.5, 1.5]
    assert (table["source"] == "made up").sum() > 5
