"""Whatever is written into a model, a regimen or a data set: a result, or one of our errors with a sentence."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from engine import DataError, Dose, DosingError, ModelError, Regimen, SizeError, SolverError, Status

OURS = (ModelError, DosingError, DataError, SolverError, SizeError)
MODELS = sorted((Path(__file__).parents[2] / "conf" / "model").glob("*.yaml"))
SEED = 20260726


def _words(text: str) -> list[str]:
    return text.split()


WORDS = (
    *_words("central depot ka cl v t exp log sqrt where min max pow and or not if else lambda import for in None True"),
    *_words("nan inf e pi __import__ _ x + - * / ** ^ % // < <= == != > >= = ( ) [ ] { } , . : ; # & | ~ ! ? @"),
    *_words("0 1 2.5 1e400 -0.0 9**9**9**9 1/0 0**0 99999999999999999999 µ α ħ mg mg/L 1/h h null yes &a *a << ..."),
    "'", '"', "\\", "\n", " ", "  ", "\t", "\u202e", "\x00", "- a", "!!python/object:os.system", "---",
)  # fmt: skip


def _outcome(attempt: Callable[[], object], text: object) -> str:
    """Name of what came of it; fails with the text when that is neither a result nor an error of ours."""
    try:
        attempt()
    except OURS as error:
        found, sentence = type(error).__name__, str(error)
    except Exception as error:
        raise AssertionError(f"seed {SEED}: {type(error).__name__}: {error}\nfor {text!r}") from error
    else:
        found, sentence = "result", "something to look at"
    assert len(sentence) > 10, f"{found} without a sentence: {text!r}"
    return found


def _mutated(text: str, rng: np.random.Generator) -> str:
    """Text with one to four things changed."""
    for _ in range(int(4 * rng.random() ** 2) + 1):
        lines = text.split("\n")
        line, place = int(rng.integers(len(lines))), int(rng.integers(len(text) + 1))
        word = str(rng.choice(WORDS))
        kind = rng.integers(7)
        if kind == 0:
            text = text[:place] + word + text[place:]
        elif kind == 1:
            text = text[:place] + text[place + int(rng.integers(1, 4)) :]
        elif kind == 2:
            text = text[:place] + chr(int(rng.integers(1, 0x300))) + text[place + 1 :]
        elif kind == 3:
            text = "\n".join(lines[:line] + lines[line + 1 :])
        elif kind == 4:
            text = "\n".join([*lines[:line], lines[int(rng.integers(len(lines)))], *lines[line:]])
        elif kind == 5:
            first, _, _ = lines[line].partition(":")
            text = "\n".join([*lines[:line], f"{first}: {word}", *lines[line + 1 :]])
        else:
            text = "\n".join([*lines[:line], " " * int(rng.integers(1, 5)) + lines[line], *lines[line + 1 :]])
    return text


def _models(count: int, seed: int, tmp_path: Path) -> dict[str, int]:
    rng, counts = np.random.default_rng([SEED, seed]), dict[str, int]()
    path = tmp_path / "model.yaml"
    for number in range(count):
        text = _mutated(MODELS[number % len(MODELS)].read_text(encoding="utf-8"), rng)
        path.write_text(text, encoding="utf-8")
        found = _outcome(lambda: engine.load_model(path), text)
        counts[found] = counts.get(found, 0) + 1
    return counts


LEAVES = (
    "central", "c", "t * ka", "1", "0", "2.5", "1e308", "1e-308", "9", "x", "-central", "1e400", "pi", "True", "'a'",
)  # fmt: skip
CALLS = (
    "exp({})", "log({})", "sqrt({})", "min({}, {})", "max({}, {})", "where({} > {}, {}, {})", "({} + {})", "({} - {})",
    "({} * {})", "({} / {})", "({})**({})", "-{}", "abs({})", "floor({})", "({} if {} else {})", "({}, {})", "sin({})",
    "{} < {} < {}", "tanh({})", "pow({}, {})", "{}[{}]", "{}.{}", "not {}", "({} and {})", "f({})", "exp({}, {})",
)  # fmt: skip


def _expression(rng: np.random.Generator, depth: int) -> str:
    """Random expression, nearly all of whose parts are known."""
    if depth == 0 or rng.random() < 0.2:
        return LEAVES[int(len(LEAVES) * rng.random() ** 2)]
    call = CALLS[int(len(CALLS) * rng.random() ** 1.5)]
    return call.format(*(_expression(rng, depth - 1) for _ in range(call.count("{}"))))


def _expressions(count: int, seed: int, make_model: Callable[..., engine.Model]) -> dict[str, int]:
    """Random words as a derivative; what can be read is simulated."""
    rng, counts = np.random.default_rng([SEED, seed]), dict[str, int]()
    for _ in range(count):
        text = _expression(rng, int(rng.integers(0, 5)))
        if rng.random() < 0.2:
            text = text.replace(str(rng.choice(list(text))), str(rng.choice(WORDS)), 1)

        def attempt(text: str = text) -> None:
            model = make_model(
                {"ka": "1/h", "c": "1"}, {"central": "1"}, {"central": f"({text}) * ka"}, {"y": ("central", "1")}
            )
            engine.simulate_arrays(model, {"ka": 1.0, "c": 0.5}, Regimen(Dose(1, "central")), [0.5], solver="reference")

        found = _outcome(attempt, text)
        counts[found] = counts.get(found, 0) + 1
    return counts


NUMBERS = (
    0, 1, -1, 2, 3, 4, 5, -2, 0.5, 1e-300, 1e300, -1e300, np.nan, np.inf, -np.inf, 2**40, 1e16, 24, 12, 100, None,
)  # fmt: skip
THINGS = (
    *NUMBERS, "", ".", "a", "1e3", "9:30", "25:99", "10/2/2001", "2001-02-03", "-", "NA", True, "\x00", "1,5", b"x", (),
    pd.Timestamp(0), pd.NaT, 1j, object,
)  # fmt: skip
COLUMNS = (
    "ID", "TIME", "AMT", "EVID", "CMT", "ADDL", "II", "SS", "RATE", "MDV", "DV", "DATE", "DAT2", "CONT", "KA", "lag",
    "", "id", 5, None,
)  # fmt: skip


def _frame(rng: np.random.Generator) -> pd.DataFrame:
    """Some records, most of whose fields can be."""
    count = int(rng.integers(0, 7))
    chosen = [COLUMNS[n] for n in rng.permutation(len(COLUMNS))[: int(rng.integers(2, 12))]]
    if rng.random() < 0.9:
        chosen = ["ID", "TIME", *[name for name in chosen if name not in ("ID", "TIME", "id")]]
    usual = {
        "ID": [1, 1, 2], "TIME": [0, 1, 2, 5], "AMT": [0, 10, 100], "EVID": [0, 1, 2, 3, 4], "CMT": [0, 1, 2],
        "ADDL": [0, 1, 3], "II": [0, 6, 12], "SS": [0, 1, 2], "RATE": [0, 5, -1, -2], "KA": [0.5, 1.5], "lag": [0, 2],
    }  # fmt: skip
    columns = {}
    for name in chosen:
        common = usual.get(name, [0, 1]) if isinstance(name, str) else [0, 1]
        odd = rng.random() < 0.25
        values = [
            THINGS[int(rng.integers(len(THINGS)))]
            if odd and rng.random() < 0.4
            else common[int(rng.integers(len(common)))]
            for _ in range(count)
        ]
        columns[name] = sorted(values, key=str) if name == "ID" else values
    return pd.DataFrame(columns)


def _simulate(model: engine.Model, person: dict[str, float], table: engine.EventTable) -> None:
    given = {name: value for name, value in person.items() if name not in {str(c).lower() for c in table.columns}}
    found = engine.simulate_arrays(model, given, table)
    assert all(int(status) in set(Status) for status in found.status)
    for values in found.outputs.values():
        wanted = ~np.isnan(np.broadcast_to(found.time, values.shape)) & (found.status == Status.ok)[:, None]
        assert np.isfinite(values[wanted]).all()


def _tables(count: int, seed: int, model: engine.Model, person: dict[str, float]) -> dict[str, int]:
    rng, counts = np.random.default_rng([SEED, seed]), dict[str, int]()
    for _ in range(count):
        frame = _frame(rng)
        found = _outcome(lambda: _simulate(model, person, engine.read_nonmem(frame)), frame.to_dict("list"))  # noqa: B023
        counts[found] = counts.get(found, 0) + 1
    return counts


GOOD = """ID,TIME,AMT,EVID,CMT,ADDL,II,SS,RATE,DV,WT
1,0,100,1,1,2,12,0,0,.,70
1,5,0,0,2,0,0,0,0,1.5,70
2,0,50,4,2,0,12,1,-2,,60
"""


def _texts(count: int, seed: int, model: engine.Model, person: dict[str, float], path: Path) -> dict[str, int]:
    rng, counts = np.random.default_rng([SEED, seed]), dict[str, int]()
    for _ in range(count):
        text = _mutated(GOOD, rng) if rng.random() < 0.8 else "".join(map(chr, rng.integers(1, 0x250, 40)))
        path.write_bytes(text.encode("utf-8", "surrogatepass") if rng.random() < 0.95 else rng.bytes(50))
        options = {"ignore": str(rng.choice(["#", "@", "C", "", "("]))} if rng.random() < 0.3 else {}
        found = _outcome(lambda: _simulate(model, person, engine.read_nonmem(path, **options)), text)  # noqa: B023
        counts[found] = counts.get(found, 0) + 1
    return counts


DOSE_WORDS = (
    *_words("100 mg into depot central at over rate every 24 h times 3 steady state adding model ; , and 1e400"),
    *_words("-1 g day week parsec nothing % µg 0 nan inf 1/0 ^ ( ) 99999999999999999999"),
    "10 mg", "10 mg/h", "2 h", "", "\n",
)  # fmt: skip


def _regimens(count: int, seed: int, model: engine.Model, person: dict[str, float]) -> dict[str, int]:
    rng, counts = np.random.default_rng([SEED, seed]), dict[str, int]()
    for _ in range(count):
        words = list(rng.choice(DOSE_WORDS, int(rng.integers(0, 12))))
        text = " ".join(["100", "mg", "into", "depot", *words] if rng.random() < 0.8 else words)

        def attempt(text: str = text) -> None:
            regimen = Regimen.parse(text)
            assert Regimen.parse(str(regimen)) == regimen
            engine.simulate_arrays(model, person, regimen, [200.0])

        found = _outcome(attempt, text)
        counts[found] = counts.get(found, 0) + 1
    return counts


def test_models(tmp_path: Path) -> None:
    assert len(_models(120, 1, tmp_path)) > 1


def test_expressions(make_model: Callable[..., engine.Model]) -> None:
    assert len(_expressions(200, 2, make_model)) > 1


def test_event_tables(oral: engine.Model, person: dict[str, float]) -> None:
    assert len(_tables(200, 3, oral, person)) > 1


def test_data_sets_as_text(oral: engine.Model, person: dict[str, float], tmp_path: Path) -> None:
    assert len(_texts(200, 4, oral, person, tmp_path / "data.csv")) > 1


def test_regimens_as_text(oral: engine.Model, person: dict[str, float]) -> None:
    assert len(_regimens(200, 5, oral, person)) > 1


@pytest.mark.slow
def test_many_models(tmp_path: Path) -> None:
    assert len(_models(5000, 11, tmp_path)) > 1


@pytest.mark.slow
def test_many_expressions(make_model: Callable[..., engine.Model]) -> None:
    assert len(_expressions(5000, 12, make_model)) > 1


@pytest.mark.slow
def test_many_event_tables(oral: engine.Model, person: dict[str, float], tmp_path: Path) -> None:
    assert len(_tables(5000, 13, oral, person)) > 1
    assert len(_texts(5000, 14, oral, person, tmp_path / "data.csv")) > 1
    assert len(_regimens(5000, 15, oral, person)) > 1


def test_an_error_of_another_kind_is_seen() -> None:
    with pytest.raises(AssertionError, match="KeyError"):
        _outcome(lambda: {}["x"], "nothing")
    with warnings.catch_warnings(), pytest.raises(AssertionError, match="without a sentence"):
        _outcome(lambda: (_ for _ in ()).throw(ModelError("no")), "nothing")
