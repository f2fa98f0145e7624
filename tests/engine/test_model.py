"""Loading a model: what is kept, and that each fault is refused naming file, line, field, what was found and wanted."""

import contextlib
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ModelError
from engine.models import equations
from engine.models.algebras.arrays import ARRAYS
from engine.models.expression import parse
from engine.models.loading import Model, library, load_model

GOOD = """\
name: drug
reference: Nobody, doi:10.0/0
time: h
parameters:
  ka: {unit: 1/h, meaning: absorption, value: 1}
  cl: {unit: L/h, meaning: clearance, value: 2e0}
  v: {unit: L, meaning: volume, value: 1e1, source: nobody}
  f: {unit: 1, meaning: fraction, value: 0.5}
  d: {unit: h, meaning: duration, value: 3}
  c0: {unit: mg/L, meaning: level before}
states:
  depot: {unit: mg, lag: half, bioavailability: f, duration: d}
  central:
    unit: mg
    rate: 2 * cl * c0
    initial: level
let:
  out: cl * cp
  cp: central / v
  half: d / 2
  level: c0 * v
derivatives:
  central: ka * depot - out
  depot: -ka * depot
outputs:
  concentration: {value: cp, unit: mg/L, meaning: in plasma}
"""


def load(tmp_path: Path, text: str) -> Model:
    path = tmp_path / "drug.yaml"
    path.write_text(text)
    return load_model(path)


def test_everything_written_is_kept(tmp_path):
    model = load(tmp_path, GOOD)
    assert (model.name, model.time, model.reference) == ("drug", "h", "Nobody, doi:10.0/0")
    assert model.parameter_names == ("ka", "cl", "v", "f", "d", "c0")
    assert model.state_names == ("depot", "central")
    assert model.output_names == ("concentration",)
    assert model.parameters[2].source == "nobody"
    assert model.parameters[2].value == 10.0
    assert model.states[0].lag == parse("half")
    assert [name for name, _ in model.derivatives] == ["depot", "central"]
    order = [name for name, _ in model.let]
    assert order.index("cp") < order.index("out")


def test_a_model_is_a_value(tmp_path):
    model = load(tmp_path, GOOD)
    again = load_model(json.loads(json.dumps(model.to_dict())))
    assert again == model
    assert hash(again) == hash(model)
    assert again.digest == model.digest
    assert pickle.loads(pickle.dumps(model)) == model
    other = load(tmp_path, GOOD.replace("value: 1,", "value: 1.0,"))
    assert other.digest == model.digest
    assert load(tmp_path, GOOD.replace("d / 2", "d / 3")).digest != model.digest


def test_typical_values_are_given_or_named(tmp_path):
    model = load(tmp_path, GOOD)
    with pytest.raises(ModelError, match="drug has no typical value for c0; give them a value"):
        _ = model.typical
    assert load(tmp_path, GOOD.replace("level before", "level before, value: 4")).typical["c0"] == 4.0


def test_equations_use_let_entries_in_any_order(tmp_path):
    model = load(tmp_path, GOOD)
    p = {"ka": 1.0, "cl": 2.0, "v": 10.0, "f": 0.5, "d": 3.0, "c0": 4.0}
    x = equations.initial(model, ARRAYS, p)
    assert x == {"depot": 0.0, "central": 40.0}
    rates = equations.derivatives(model, ARRAYS, 0.0, {"depot": 5.0, "central": 40.0}, p)
    assert rates == {"depot": -5.0, "central": 5.0 - 8.0}
    assert equations.outputs(model, ARRAYS, 0.0, x, p) == {"concentration": 4.0}
    given = equations.administration(model, ARRAYS, p)
    assert given["depot"] == (1.5, 0.5, 3.0, None)
    assert given["central"] == (0.0, 1.0, None, 16.0)


FAULTS = {
    "unknown key": (
        "time: h\n",
        "time: h\ncolour: red\n",
        r"drug.yaml line 4, colour: unknown key 'colour'; known are",
    ),
    "unknown field": (
        "lag: half",
        "lagg: half",
        r"line 12, states.depot.lagg: unknown key 'lagg', did you mean 'lag'\?",
    ),
    "comma": ("value: cp, unit", "value: max(cp, 0), unit", "text with a comma in it needs quotes"),
    "missing section": (
        GOOD[GOOD.index("derivatives") : GOOD.index("outputs")],
        "",
        "drug.yaml.*: derivatives missing",
    ),
    "missing unit": ("{unit: L, meaning: volume", "{meaning: volume", "line 7, parameters.v: unit missing"),
    "missing meaning": ("meaning: volume, ", "", "line 7, parameters.v: meaning missing"),
    "twice": ("  half: d / 2\n", "  half: d / 2\n  half: d\n", "drug.yaml line 21: let.half is given twice"),
    "not a number": ("value: 1e1", "value: ten", "parameters.v.value: a finite number is wanted, got 'ten'"),
    "infinite": ("value: 1e1", "value: .inf", "a finite number is wanted, got inf"),
    "yes is no number": ("value: 1e1", "value: true", "a finite number is wanted, got 'true'"),
    "not text": ("meaning: volume", "meaning: 3", "parameters.v.meaning: text is wanted, got 3"),
    "not a mapping": (
        GOOD[GOOD.index("let:") : GOOD.index("derivatives")],
        "let: 3\n",
        "let: a mapping of names is wanted",
    ),
    "empty": (GOOD[GOOD.index("outputs") :], "outputs: {}\n", "outputs: is empty"),
    "syntax": ("cl * cp", "cl *", "line 18, let.out: 'cl \\*': not an expression"),
    "unknown name": ("cl * cp", "cl * cq", r"line 18, let.out: cl \* cq: 'cq' is not known, did you mean 'cp'\?"),
    "circle": ("central / v", "central / v + out * 0", "line 1[89], let.*: defined by itself: "),
    "no derivative": ("  depot: -ka * depot\n", "", "derivatives: no derivative for depot"),
    "extra derivative": (
        "  depot: -ka",
        "  gut: -ka * depot\n  depot: -ka",
        "'gut' is not a state; states are depot, central",
    ),
    "state before dose": ("initial: level", "initial: central", "'central' cannot be used here; it may use parameters"),
    "time before dose": ("initial: level", "initial: level * t / d", "'t' cannot be used here"),
    "let of states before dose": ("lag: half", "lag: cp", "line 12, states.depot.lag: cp: 'cp' cannot be used here"),
    "reserved": (
        "  half: d / 2",
        "  time: d / 2",
        "line 20, let.time: the name 'time' is reserved; write for instance time_",
    ),
    "function": ("  half: d / 2", "  exp: d / 2", "the name 'exp' is reserved"),
    "python": ("  half: d / 2", "  lambda: d / 2", "no word of Python, got 'lambda'"),
    "odd name": ("  half: d / 2", "  half-life: d / 2", "a name is letters, digits and _"),
    "doubled name": ("  half: d / 2", "  depot: d / 2", "line 20, let.depot: 'depot' is already one of the states"),
    "output is parameter": (
        "concentration:",
        "ka:",
        "outputs.ka: 'ka' is already a parameter; give the output another",
    ),
    "unused": (
        "  f: {unit",
        "  g: {unit: 1, meaning: nothing}\n  f: {unit",
        "line 8, parameters.g: 'g' is used nowhere",
    ),
    "condition": ("out: cl * cp", "out: cl < cl", "line 18, let.out: a number is wanted, got the condition cl < cl"),
    "name": ("name: drug", "name: my drug", "line 1, name: a name is letters, digits and _, got 'my drug'"),
    "not yaml": ("states:", "states: [", "drug.yaml: not YAML: .*line"),
    "unit": ("{unit: L, meaning", "{unit: litter, meaning", "line 7, parameters.v.unit: 'litter' is not a known unit"),
    "time unit": ("time: h", "time: mg", "line 3, time: a unit of time is wanted, got 'mg'"),
    "rate unit": (
        "  depot: -ka * depot",
        "  depot: -cl * depot",
        r"line 24, derivatives.depot: -cl \* depot is in L\*mg/h, but d depot/dt must be in mg/h: their dimensions",
    ),
    "scale": (
        "unit: mg/L, meaning: in plasma",
        "unit: ug/L, meaning: in plasma",
        "outputs.concentration.value: cp is in mg/L, but output concentration must be in ug/L: they differ by a "
        "factor 1000; put it in a parameter that carries its unit",
    ),
    "sum": ("ka * depot - out", "ka * depot - cp", r"derivatives.central: .*: cannot subtract mg/h and mg/L"),
    "initial unit": (
        "initial: level",
        "initial: c0",
        "states.central.initial: c0 is in mg/L, but initial of central must be in mg",
    ),
    "lag unit": ("lag: half", "lag: f", "line 12, states.depot.lag: f is in 1, but lag of depot must be in h"),
    "fraction unit": (
        "bioavailability: f",
        "bioavailability: d",
        "d is in h, but bioavailability of depot must be in 1",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_where_it_stands(tmp_path, fault):
    before, after, message = FAULTS[fault]
    assert before in GOOD
    with pytest.raises(ModelError, match=message):
        load(tmp_path, GOOD.replace(before, after, 1))


def test_a_mapping_is_refused_by_its_keys(tmp_path):
    data = load(tmp_path, GOOD).to_dict()
    data["derivatives"]["depot"] = "-cl * depot"
    with pytest.raises(ModelError, match=r"^model drug, derivatives.depot: "):
        load_model(data)


def test_an_unknown_model_is_named_with_the_nearest():
    with pytest.raises(ModelError, match="no model 'warfarin_turnovr', did you mean 'warfarin_turnover'"):
        load_model("warfarin_turnovr")
    with pytest.raises(ModelError, match=r"no model 'zzz'; known are .*theophylline_oral"):
        load_model("zzz")
    with pytest.raises(ModelError, match=r"cannot read nowhere/drug.yaml"):
        load_model("nowhere/drug.yaml")


def test_words_that_yaml_1_1_takes_for_booleans_are_names(tmp_path):
    text = GOOD.replace("ka", "n").replace("  f:", "  y:").replace("bioavailability: f", "bioavailability: y")
    assert load(tmp_path, text).parameter_names[:4] == ("n", "cl", "v", "y")


text = st.text(max_size=12)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_mapping_is_a_model_or_a_model_error(data):
    model = load_model("theophylline_oral").to_dict()
    section = data.draw(st.sampled_from(sorted(model)))
    if isinstance(model[section], dict) and data.draw(st.booleans()):
        model[section][data.draw(st.sampled_from(sorted(model[section])) | text)] = data.draw(plain)
    else:
        model[section] = data.draw(plain)
    with contextlib.suppress(ModelError):
        assert isinstance(load_model(model), Model)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_damaged_file_is_a_model_or_a_model_error(tmp_path_factory, data):
    text = library()["warfarin_turnover"].read_text()
    start = data.draw(st.integers(0, len(text) - 1))
    junk = data.draw(st.text(alphabet="{}[]:,-&*!|>'\"%@`# \n\tab1<=()", max_size=6))
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_text(text[:start] + junk + text[start + data.draw(st.integers(0, 6)) :], encoding="utf-8")
    with contextlib.suppress(ModelError):
        assert isinstance(load_model(path), Model)
