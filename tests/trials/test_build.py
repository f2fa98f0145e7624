"""From plain mappings to a trial: every field used or refused, and the parts must fit each other."""

import copy

import pytest

from tests.trials.small import crossover
from trials.build import build
from trials.errors import TOLD


def changed(path, value):
    """The small trial's configuration with one field changed, added or (with `...`) taken away."""
    config = copy.deepcopy(crossover().config)
    *parents, last = path.split("/")
    place = config
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return config


WRONG = [
    ("nope", 1, "nope: unknown field"),
    ("name", "a/b", "name: wants letters"),
    ("title", "", "title: wants a text"),
    ("arms/test/regimen", ..., "arms.test: wants either a regimen or a policy, got neither"),
    ("arms/test/regimen", "-320 mg into depot", "arms.test.regimen"),
    ("arms/test/regimen", "320 mg into dept", "arms.test.regimen: got 'dept', wants a state.*did you mean 'depot'"),
    ("arms/test/modify/ff", 1.0, "arms.test.modify: got 'ff', wants a parameter of model theophylline_oral"),
    ("arms/test/modify/f", -0.5, "arms.test.modify.f: wants a factor of at least 0"),
    ("arms/test/modify/f", "big", "arms.test.modify.f: wants a number, got 'big'"),
    ("arms/test/dose", 1, "arms.test.dose: unknown field"),
    ("design/n", 3, "design.n"),
    ("design/size", 24, "design.size: unknown field"),
    ("design/washout", ..., "design.washout: missing"),
    ("design/_target_", "trials.designs.crossover.Crosover", "design._target_: there is no"),
    ("design/_target_", "os.getcwd", "design._target_: wants a dataclass"),
    ("measurements/concentration/output", "conc", "measurements.concentration.output: got 'conc', wants an output"),
    ("measurements/concentration/times", [0, 2, 1], "measurements.concentration.times: wants increasing times"),
    ("measurements/concentration/times", [], "measurements.concentration.times: wants increasing times"),
    ("measurements/concentration/error", "assay", "measurements.concentration.error: wants `population` or"),
    ("measurements/concentration/error", {"proportional": -0.1, "source": "x"}, "standard deviations of at least 0"),
    ("measurements/concentration/error", {"proportional": 0.1}, "concentration.error.source: wants a text"),
    ("measurements/concentration/lloq", -1, "measurements.concentration.lloq: wants a limit"),
    ("endpoints/auc/measure", "blood", "endpoints.auc.measure: got 'blood', wants a measurement"),
    ("endpoints/auc/unit", "mg/L", "endpoints.auc.unit: got 'mg/L', the metric gives 'h.mg/L'"),
    ("endpoints/auc/metric/parameter", "AUCLS", "endpoints.auc.metric: NCA.parameter: got 'AUCLS', wanted one of"),
    ("endpoints/auc/metric", 3, "endpoint.metric: got 3, wanted a metric of engine.outcomes"),
    ("endpoints/auc/until", "never", "until"),
    ("analyses/auc/endpoint", "aux", "analyses.auc.endpoint: got 'aux', wants an endpoint.*did you mean 'auc'"),
    ("analyses/auc/alpha", 2, "alpha"),
    ("scenarios/gmr_095/set", {"arms.test.modify.g": 1.0}, "scenarios.gmr_095.set: there is no field 'arms.test"),
    ("scenarios/gmr_095/set", {"seed": 2}, "scenarios.gmr_095.set: 'seed' is no part of the protocol"),
    ("scenarios/gmr_095/null_holds", ["aux"], "scenarios.gmr_095.null_holds: there is no analysis 'aux'"),
    ("scenarios/gmr_095/sett", {}, "scenarios.gmr_095.sett: unknown field.*did you mean 'set'"),
    ("scenarios", {}, "scenarios: wants a mapping"),
    ("power_curve/values", [], "power_curve.values: wants a list of numbers"),
    ("power_curve/parameter", "arms.test.modify.x", "power_curve.set: there is no field"),
    ("published", [{"trial": "A"}], r"published\[0\].quantity: missing"),
    ("store/cohort", -1, "store.cohort: wants a whole number of at least 0"),
    ("truth/measured", 1, "truth.measured: wants true or false"),
    ("truth/draws", 1, "truth.draws: wants a whole number of at least 2"),
    ("population/parameters/ka", ..., "population.parameters: model theophylline_oral wants 'ka'"),
    ("population/parameters/cl/unit", "mL/h", "population.parameters.cl.unit: got 'mL/h', model .* wants 'L/h'"),
    ("model/derivatives/central", "ka * depot - cl * central", "derivatives.central"),
    ("seed", -1, "seed: wants a whole number of at least 0"),
    ("block", 0.5, "block: wants a whole number of at least 1"),
    ("solver", {"_target_": "engine.solvers.taylor.Taylor"}, "solver.tolerance: missing"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=[f"{path}={value!s:.20}" for path, value, _ in WRONG])
def test_what_does_not_fit_is_refused_by_name(path, value, message):
    with pytest.raises(TOLD, match=message):
        build(changed(path, value))


def test_the_untouched_configuration_is_fine():
    assert build(crossover().config) == crossover()


def test_a_crossover_wants_a_linear_model():
    config = copy.deepcopy(crossover().config)
    config["model"]["derivatives"]["central"] = "ka * depot - cl * cp / (1 + cp / half)"
    config["model"]["parameters"]["half"] = {"unit": "mg/L", "meaning": "concentration of half saturation"}
    config["population"]["parameters"]["half"] = {
        "unit": "mg/L", "meaning": "concentration of half saturation", "typical": 10, "source": "made up",
    }  # fmt: skip
    with pytest.raises(TOLD, match="design: model theophylline_oral is not linear"):
        build(config)
