"""Models written for other programs say the same there: every file of conf/model, at random points."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import engine
from engine.errors import DataError, ModelError
from engine.interchange import write_latex, write_mrgsolve, write_nonmem_table, write_rxode2, write_yaml
from engine.models import equations
from engine.models.algebras.arrays import ARRAYS
from engine.models.loading import library, load_model

COMPILER = shutil.which("g++") or shutil.which("clang++")
ADMINISTRATION = ("lag", "bioavailability", "duration", "rate")
FIXED = {
    "name": "awkward",
    "reference": "made up: $names, that 'other' programs \"use\" themselves",
    "time": "h",
    "parameters": {
        "gamma": {"unit": "1", "meaning": "a: function of C", "value": 1.5},
        "F": {"unit": "1", "meaning": "# a word of both", "value": 0.5},
        "f_": {"unit": "1", "meaning": "what F might become", "value": 0.7},
        "rate": {"unit": "mg/h", "meaning": "of the infusion", "value": 3},
        "lag": {"unit": "h", "meaning": "yes", "value": 1e-7},
        "k": {"unit": "1/h", "meaning": "2", "value": 0.3},
        "v": {"unit": "L", "meaning": "volume", "value": 10},
        "t0": {"unit": "h", "meaning": "a time", "value": 2},
        "y_0": {"unit": "1", "meaning": "where y begins", "value": 0.4},
    },
    "states": {
        "y0": {"unit": "mg", "lag": "late", "bioavailability": "F * f_", "rate": "rate", "duration": "2 * lag"},
        "y": {"unit": "1", "initial": "1 / 3 + y_0"},
    },
    "let": {"cp": "y0 / v", "late": "lag * 2", "e": "where(t >= t0 and not y < -0.5 or t == 0, 1 / 2, -(y - -1))"},
    "derivatives": {
        "y0": "-k * y0 - -(k * y0)**1 * min(1, abs(-y)) * 1e-9",
        "y": "k * e * max(y, 2)**-gamma / 1e6 + k * expm1(-y) * log1p(y / 2) - k * (1 - (2 - y)) * tanh(y)",
    },
    "outputs": {
        "cp": {"value": "cp", "unit": "mg/L"},
        "y": {"value": "y", "unit": "1"},
        "e": {"value": "sqrt(y) + e + log10(y) - sin(y) / cos(y) / tan(y)", "unit": "1"},
    },
}
NAMES = [*library(), "awkward"]


def model_of(name: str) -> engine.Model:
    return load_model(FIXED if name == "awkward" else name)


def points(model: engine.Model, count: int = 4) -> list[tuple[float, dict[str, float], dict[str, float]]]:
    """Time, states and parameters; all positive."""
    rng = np.random.default_rng(sum(map(ord, model.name)))
    start = equations.initial(model, ARRAYS, model.typical)
    return [
        (
            float(rng.uniform(0, 10)),
            {name: max(float(value), 5.0) * rng.lognormal(0, 0.3) for name, value in start.items()},
            {name: value * rng.lognormal(0, 0.2) for name, value in model.typical.items()},
        )
        for _ in range(count)
    ]


def own(model: engine.Model, t: float, states: dict[str, float], parameters: dict[str, float]) -> dict[str, float]:
    """What the model itself computes: derivatives, outputs, initial values and how doses enter."""
    found = {f"d {k}": v for k, v in equations.derivatives(model, ARRAYS, t, states, parameters).items()}
    found |= {f"out {k}": v for k, v in equations.outputs(model, ARRAYS, t, states, parameters).items()}
    started = equations.initial(model, ARRAYS, parameters)
    found |= {f"initial {s.name}": started[s.name] for s in model.states if s.initial is not None}
    given = equations.administration(model, ARRAYS, parameters)
    for state in model.states:
        for field in ADMINISTRATION:
            if getattr(state, field) is not None:
                found[f"{field} {state.name}"] = getattr(given[state.name], field)
    return {name: float(value) for name, value in found.items()}


def agree(model: engine.Model, found: list[dict[str, float]]) -> None:
    for point, values in zip(points(model), found, strict=True):
        wanted = own(model, *point)
        assert values.keys() == wanted.keys()
        for name, value in wanted.items():
            np.testing.assert_allclose(values[name], value, rtol=1e-12, atol=1e-300, err_msg=name)


# ---- our own text
@pytest.mark.parametrize("name", NAMES)
def test_yaml_reads_back_to_the_same_model(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(write_yaml(model_of(name), comments=["a line\nand another"]), encoding="utf-8")
    assert path.read_text(encoding="utf-8").startswith("# a line\n# and another\nname: ")
    assert load_model(path) == model_of(name)


# ---- mrgsolve: its blocks, compiled as the C++ they are
def blocks_of(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("$"):
            found[line.split()[0]] = []
        elif line:
            found[list(found)[-1]].append(line)
    return found


def cpp(model: engine.Model) -> str:
    """A program that prints, for each point, ``name value`` of everything."""
    blocks = blocks_of(write_mrgsolve(model))
    parameters = [line.split(" : ")[0] for line in blocks["$PARAM"]]
    states = [line.split(" : ")[0] for line in blocks["$CMT"]]
    words = {"bioavailability": "F_{}", "lag": "ALAG_{}", "duration": "D_{}", "rate": "R_{}", "initial": "{}_0"}
    captured = [line.split(" : ")[0] for line in blocks.get("$CAPTURE", [])]
    shown = {f"d {ours}": f"dxdt_{theirs}" for ours, theirs in zip(model.state_names, states, strict=True)}
    for state, theirs in zip(model.states, states, strict=True):
        given = {word: template.format(theirs) for word, template in words.items() if getattr(state, word) is not None}
        shown |= {f"{word} {state.name}": name for word, name in given.items()}
    plain = [o for o in model.outputs if o.name not in model.state_names or str(o.value) != o.name]
    shown |= {f"out {o.name}": called for o, called in zip(plain, captured, strict=True)}
    both = zip(model.state_names, states, strict=True)
    shown |= {
        f"out {o.name}": theirs for ours, theirs in both for o in model.outputs if o not in plain and o.name == ours
    }
    starts = {name for name in shown.values() if re.match(r"[FDR]_|ALAG_", name) or name.endswith("_0")} - set(states)
    headers = ("cmath", "csignal", "cstdio", "cstdlib", "cstring", "ctime")  # in scope in mrgsolve's models as well
    lines = [*(f"#include <{name}>" for name in headers), "namespace {", "double TIME, SOLVERTIME;"]
    lines += [f"double {name};" for name in [*parameters, *states, *(f"dxdt_{s}" for s in states), *sorted(starts)]]
    body = [line for block in ("$MAIN", "$ODE", "$TABLE") for line in blocks.get(block, [])]
    lines += [line.split(" = ")[0] + ";" for line in body if line.startswith("double ")]
    lines += ["}", "void run() {", *(line.removeprefix("double ") for line in body)]
    lines += [f'std::printf("{ours}=%.17g\\n", {theirs});' for ours, theirs in shown.items()]
    lines += ['std::printf("\\n");', "}", "int main() {"]
    for t, at, person in points(model):
        lines.append(f"TIME = SOLVERTIME = {t!r};")
        lines += [f"{theirs} = {at[ours]!r};" for ours, theirs in zip(model.state_names, states, strict=True)]
        lines += [f"{theirs} = {person[p]!r};" for p, theirs in zip(model.parameter_names, parameters, strict=True)]
        lines.append("run();")
    return "\n".join([*lines, "return 0;", "}"])


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler to check the text for mrgsolve with")
@pytest.mark.parametrize("name", NAMES)
def test_mrgsolve_computes_the_same(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    assert COMPILER is not None
    (tmp_path / "model.cpp").write_text(cpp(model))
    made = subprocess.run(
        [COMPILER, "-O0", "-w", "-ffp-contract=off", "model.cpp", "-o", "model"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    told = subprocess.run([tmp_path / "model"], capture_output=True, text=True, check=True).stdout
    groups = told.strip().split("\n\n")
    agree(model, [{key: float(value) for key, value in (line.split("=") for line in g.splitlines())} for g in groups])


def test_mrgsolve_text_is_annotated() -> None:
    text = write_mrgsolve(load_model("warfarin_turnover"))
    blocks = blocks_of(text)
    assert blocks["$PARAM"][0] == "ka : 1.456 : absorption rate constant (1/h)"
    assert blocks["$CMT"][2] == "pca : prothrombin complex activity (percent)"
    assert blocks["$MAIN"] == ["F_depot = f_;", "ALAG_depot = tlag;", "pca_0 = e0;"]
    assert "dxdt_depot = -ka * depot;" in blocks["$ODE"]
    assert len(blocks["$CAPTURE"]) == 2


# ---- rxode2: its assignments, read by a small reader of R's arithmetic
def r(expression: str, values: dict[str, float]) -> float:
    """Value of an expression of R: operators and functions that rxode2 has, on numbers."""
    python = expression.replace("^", "**").replace("&&", " and ").replace("||", " or ")
    python = re.sub(r"!(?!=)", " not ", python)
    words = ("exp", "expm1", "log", "log1p", "log10", "sqrt", "sin", "cos", "tan", "tanh")
    functions = {name: getattr(np, name) for name in words}
    functions |= {"ifelse": lambda c, a, b: a if c else b, "min": min, "max": max, "abs": abs}
    return float(eval(python, {"__builtins__": {}}, functions | values))


def rxode(model: engine.Model) -> list[dict[str, float]]:
    text = write_rxode2(model)
    ini, body = text.split("  model({\n")
    parameters = re.findall(r"^ {4}(\w+) +<- [^;]+; label\(", ini, re.M)
    rows = [line.split("  # ")[0].strip().split(" <- ") for line in body.splitlines() if " <- " in line]
    derived = [left for left, _ in rows if left.startswith("d/dt")]
    states = [re.fullmatch(r"d/dt\((\w+)\)", left)[1] for left in derived]  # type: ignore[index]
    words = {"f": "bioavailability", "alag": "lag", "dur": "duration", "rate": "rate"}
    ours = dict(zip(states, model.state_names, strict=True))
    own_outputs = [o.name for o in model.outputs if str(o.value) != o.name]
    results = []
    for t, at, person in points(model):
        values = {"t": t, **{theirs: at[name] for theirs, name in ours.items()}}
        values |= dict(zip(parameters, person.values(), strict=True))
        found: dict[str, float] = {}
        for left, right in rows:
            value = r(right, values)
            if match := re.fullmatch(r"(\w+)\((\w+)\)", left):
                field = (
                    words[match[1]] + f" {ours[match[2]]}"
                    if match[1] in words and match[2] in ours
                    else f"initial {ours[match[1]]}"
                )
                found[field] = value
            elif left.startswith("d/dt"):
                found[f"d {ours[left[5:-1]]}"] = value
            else:
                values[left] = value
        tail = [left for left, _ in rows][len(rows) - len(own_outputs) :]
        found |= {f"out {name}": values[left] for name, left in zip(own_outputs, tail, strict=True)}
        lets = dict(zip((n for n, _ in model.let), (left for left, _ in rows), strict=False))
        back = {name: left for left, name in ours.items()}
        for name in set(model.output_names) - set(own_outputs):
            found[f"out {name}"] = values[lets.get(name, back.get(name, name))]
        results.append(found)
    return results


@pytest.mark.parametrize("name", NAMES)
def test_rxode2_computes_the_same(name: str) -> None:
    model = model_of(name)
    agree(model, rxode(model))


def test_rxode2_text_has_labels_and_equations() -> None:
    text = write_rxode2(load_model("theophylline_oral"))
    assert text.splitlines()[2] == "theophylline_oral <- function() {"
    assert '    ka   <- 1.533; label("absorption rate constant (1/h)")' in text
    assert "    d/dt(central) <- ka * depot - cl * cp" in text
    assert "    alag(depot) <- tlag" in text


@pytest.mark.parametrize("write", [write_mrgsolve, write_rxode2])
def test_a_parameter_without_a_value_is_asked_for(write) -> None:
    plain = load_model("one_compartment_iv").to_dict()
    del plain["parameters"]["cl"]["value"]
    model = load_model(plain)
    with pytest.raises(ModelError, match="no value for cl; give"):
        write(model)
    assert "4.25" in write(model, {"cl": 4.25})
    with pytest.raises(ModelError, match="no parameter 'ck', did you mean 'cl'"):
        write(model, {"ck": 1})


def test_latex_is_within_reach() -> None:
    assert write_latex(load_model("one_compartment_iv")).startswith(r"\begin{aligned}")


# ---- event tables
def test_an_event_table_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(
        "ID,TIME,AMT,RATE,ADDL,II,SS,CMT,EVID,MDV,DV,WT,SEX\n"
        "b,0,100.1,-2,3,12,1,2,1,1,.,70.5,M\nb,1,.,.,.,.,.,1,0,0,0.30000000000000004,71,M\nb,2,.,.,.,.,.,1,2,1,.,.,M\n"
        'a,1e-9,5,3,0,0,0,1,4,1,.,60,"F, x"\na,3,0,0,0,0,0,1,0,1,,60,F\n'
    )
    events = engine.read_nonmem(path)
    path.write_text(write_nonmem_table(events))
    again = engine.read_nonmem(path)
    for name in ("ids", "subject", "time", "evid", "amt", "cmt", "addl", "ii", "ss", "rate", "mdv", "dv"):
        np.testing.assert_array_equal(getattr(again, name), getattr(events, name), err_msg=name)
    assert events.columns.keys() == again.columns.keys()
    np.testing.assert_array_equal(again.columns["WT"], events.columns["WT"])
    np.testing.assert_array_equal(again.columns["SEX"], events.columns["SEX"])


def test_named_compartments_are_numbered_by_the_model() -> None:
    events = engine.EventTable.from_amounts([[1.0, 2.0]], [0.0, 5.0], "central")
    model = load_model("theophylline_oral")
    assert [line.split(",")[4] for line in write_nonmem_table(events, model).splitlines()] == ["CMT", "2", "2"]
    both = replace(events, compartments=("central", "depot"), cmt=np.array([2, 1]))
    assert [line.split(",")[4] for line in write_nonmem_table(both, model).splitlines()] == ["CMT", "1", "2"]
    with pytest.raises(DataError, match="CMT is 3, but the table names 2"):
        write_nonmem_table(replace(both, cmt=np.array([1, 3])), model)
    with pytest.raises(DataError, match="names its compartments"):
        write_nonmem_table(events)
    with pytest.raises(DataError, match="has no state 'central'"):
        write_nonmem_table(events, load_model({**FIXED}))
