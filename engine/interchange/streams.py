"""Records of a NONMEM control stream, told apart and read through pharmpy."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import ModelError
from engine.interchange.dialect import spelled
from engine.interchange.extras import library

PURPOSE = "reading a NONMEM control stream"
_CODE = {"PK": "PK", "DES": "DES", "ERROR": "ERROR", "PRED": "PRED"}
_EFFECTS = {"THETA": ("THETA",), "OMEGA": ("ETA",), "SIGMA": ("EPS", "ERR")}
_READ = frozenset({"PROBLEM", "INPUT", "SUBROUTINES", "MODEL", "ABBREVIATED"})
_REFUSED = {"MIX": "a mixture model", "AES": "algebraic equations", "AESINITIAL": "algebraic equations",
            "INFN": "an initialisation block", "TOL": "a block of tolerances"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Theta:
    """A fixed effect: its label (the comment behind it), initial value and bounds."""

    name: str
    value: float
    lower: float
    upper: float
    fixed: bool
    label: str = ""


@dataclass(frozen=True, slots=True)
class Covariances:
    """Covariance matrix of random effects, row by row; ``fixed`` says of each whether its variance is fixed.

    ``same`` gives, for an effect whose block repeats the one before (inter-occasion variability), the name it repeats.
    """

    names: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    fixed: tuple[bool, ...]
    same: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stream:
    """What a control stream says, before its code is read."""

    problem: str
    columns: tuple[str, ...]
    advan: int
    trans: int
    compartments: tuple[str, ...]
    observed: str
    dosed: str
    code: Mapping[str, str]
    thetas: tuple[Theta, ...]
    omega: Covariances
    sigma: Covariances


def read_stream(text: str, label: str) -> Stream:
    """Records of the first problem of a control stream."""
    parser = library("pharmpy.model.external.nonmem.records.factory", PURPOSE)
    records, code, labels = _split(parser, text, label)
    if "PROBLEM" not in records:
        raise ModelError(f"{label}: not a NONMEM control stream: it has no $PROBLEM")
    abbreviated = _read(records, "ABBREVIATED", label, lambda record: dict(record.replaceopt))
    text_of = _replacer([*abbreviated, _labels(records, labels, label)])
    advan, trans = _subroutines(records, label)
    compartments, observed, dosed = _compartments(records, label)
    thetas = tuple(one for found in _read(records, "THETA", label, _thetas) for one in found)
    return Stream(
        problem=" ".join(str(records["PROBLEM"][0].root).split()),
        columns=_columns(records, label), advan=advan, trans=trans, compartments=compartments, observed=observed,
        dosed=dosed,
        code={name: text_of(body) for name, body in code.items()},
        thetas=tuple(Theta(f"THETA_{number}", *row) for number, row in enumerate(thetas, 1)),
        omega=_covariances(_blocks(records, "OMEGA", label), "ETA", f"{label}: $OMEGA"),
        sigma=_covariances(_blocks(records, "SIGMA", label), "EPS", f"{label}: $SIGMA"),
    )  # fmt: skip


def _split(
    parser: Any, text: str, label: str
) -> tuple[dict[str, list[Any]], dict[str, str], dict[str, list[dict[str, int]]]]:
    """Records of the first problem by name, read by pharmpy; code by name, as text; labels of effects by record."""
    records: dict[str, list[Any]] = {}
    code: dict[str, str] = {}
    labels: dict[str, list[dict[str, int]]] = {}
    for chunk in re.split(r"^[ \t]*(?=\$)", text, flags=re.MULTILINE)[1:]:
        match = re.match(r"\$([A-Za-z]+)", chunk)
        if match is None:
            raise ModelError(f"{label}: {chunk.splitlines()[0][:40]!r} is not a record of a control stream")
        name = "PK" if match[1].upper() == "PK" else parser.get_canonical_record_name(match[0]) or match[1].upper()
        if name == "PROBLEM" and "PROBLEM" in records:
            break
        if name in _REFUSED:
            raise ModelError(f"{label}: ${name} is {_REFUSED[name]}, which cannot be read")
        if name in _CODE:
            code[name] = code.get(name, "") + chunk[match.end() :] + "\n"
        elif name in _EFFECTS:
            chunk, named = spelled(chunk)
            labels.setdefault(name, []).append(named)
            records.setdefault(name, []).append(_foreign(lambda c=chunk: parser.create_record(c), label, name))
        elif name in _READ:
            records.setdefault(name, []).append(_foreign(lambda c=chunk: parser.create_record(c), label, name))
    return records, code, labels


def _labels(
    records: Mapping[str, list[Any]], labels: Mapping[str, list[dict[str, int]]], where: str
) -> dict[str, str]:  # fmt: skip
    """Say what ``THETA(CL)`` means when $THETA names an effect ``CL=0.3``."""
    found: dict[str, str] = {}
    for name, words in _EFFECTS.items():
        count = size = 0
        for record, named in zip(records.get(name, []), labels.get(name, []), strict=True):
            for label, number in named.items():
                found |= {f"{word}({label})": f"{word}({count + number + 1})" for word in words}
            added, size = _foreign(lambda r=record, n=name, s=size: _number(r, n, s), where, name)
            count += added
    return found


def _number(record: Any, name: str, last: int) -> tuple[int, int]:
    """Count the effects of a record, and of its last block; a SAME block has as many as the ``last`` before it."""
    if name == "THETA":
        return len(record.inits), 0
    count = 0
    for _, inits, _, same in record.parse():
        last = last if same else _size(len(inits))
        count += last
    return count, last


def _foreign(call: Any, label: str, name: str) -> Any:
    """Result of pharmpy's code, whose errors are of many kinds, as ours."""
    try:
        return call()
    except ModelError:
        raise
    except Exception as error:  # the parser's, the grammar's and plain Python's errors come as they are
        told = " ".join(str(error).split("\n", maxsplit=1)[0].split())[:120]
        raise ModelError(f"{label}: ${name} cannot be read: {told or type(error).__name__}") from None


def _read(records: Mapping[str, list[Any]], name: str, label: str, take: Any) -> list[Any]:
    return [_foreign(lambda r=record: take(r), label, name) for record in records.get(name, [])]


def _replacer(found: Iterable[Mapping[str, str]]) -> Any:
    """Make what puts in the replacements of $ABBR REPLACE."""
    pairs = [(key, value) for one in found for key, value in one.items()]

    def replace(text: str) -> str:
        for key, value in pairs:
            pattern = r"\s*".join(re.escape(part) for part in re.findall(r"\w+|\S", key))
            text = re.sub(rf"(?<![A-Za-z0-9_]){pattern}", value, text, flags=re.IGNORECASE)
        return text

    return replace


def _subroutines(records: Mapping[str, list[Any]], label: str) -> tuple[int, int]:
    for record in records.get("SUBROUTINES", []):
        advan, trans = _foreign(lambda r=record: (r.advan, r.trans), label, "SUBROUTINES")
        numbers = [re.fullmatch(r"(?:ADVAN|TRANS)?=?(\d+)", str(word).upper()) for word in (advan, trans)]
        if advan is not None and all(numbers):
            return int(numbers[0][1]), int(numbers[1][1])  # type: ignore[index]
    raise ModelError(f"{label}: $SUBROUTINES names no ADVAN (models of $PRED have no compartments and cannot be read)")


def _compartments(records: Mapping[str, list[Any]], label: str) -> tuple[tuple[str, ...], str, str]:
    """Compartments of $MODEL, and those observed and dosed where a record names none."""
    rows = [
        row for found in _read(records, "MODEL", label, lambda record: list(record.compartments())) for row in found
    ]
    names = tuple(name.strip("'\"").upper() for name, _ in rows)
    rules = (("DEFOBSERVATION", "CENTRAL"), ("DEFDOSE", "DEPOT"))
    chosen = []
    for option, usual in rules:
        marked = [name for name, (_, options) in zip(names, rows, strict=True) if option in options]
        chosen.append(next(iter([*marked, *(name for name in names if name == usual), *names]), ""))
    return names, chosen[0], chosen[1]


def _columns(records: Mapping[str, list[Any]], label: str) -> tuple[str, ...]:
    """Data items under each of their names."""
    pairs = [pair for one in _read(records, "INPUT", label, lambda record: list(record.all_options)) for pair in one]
    words = [word for key, value in pairs for word in (key, value) if word]
    return tuple(dict.fromkeys(word.upper() for word in words if word.upper() not in ("DROP", "SKIP")))


def _thetas(record: Any) -> list[tuple[float, float, float, bool, str]]:
    rows = zip(record.inits, record.bounds, record.fixs, record.comment_names, strict=True)
    return [(float(i), float(low), float(high), bool(f) or low == high == i, c or "") for i, (low, high), f, c in rows]


def _blocks(records: Mapping[str, list[Any]], name: str, label: str) -> list[Any]:
    return [block for found in _read(records, name, label, lambda record: record.parse()) for block in found]


def _covariances(blocks: Iterable[Any], prefix: str, where: str) -> Covariances:
    """Matrix of all blocks on its diagonal; a SAME block repeats the one before."""
    rows: list[list[float]] = []
    fixed: list[bool] = []
    same: dict[str, str] = {}
    last: tuple[int, list[float], bool] | None = None
    for _, inits, fix, repeats in blocks:
        if repeats and last is None:
            raise ModelError(f"{where}: the first block cannot be SAME")
        size, values, is_fixed = last if repeats and last else (_size(len(inits)), [float(x) for x in inits], bool(fix))
        start = len(rows)
        for row in range(size):
            if repeats:
                same[f"{prefix}_{start + row + 1}"] = f"{prefix}_{start - size + row + 1}"
            rows.append([0.0] * start + values[row * (row + 1) // 2 : (row + 1) * (row + 2) // 2])
            fixed.append(is_fixed)
        last = (size, values, is_fixed)
    count = len(rows)
    lower = [row + [0.0] * (count - len(row)) for row in rows]
    matrix = tuple(tuple(lower[max(i, j)][min(i, j)] for j in range(count)) for i in range(count))
    names = tuple(f"{prefix}_{number + 1}" for number in range(count))
    return Covariances(names, matrix, tuple(fixed), same)


def _size(count: int) -> int:
    """Rows of a triangle of ``count`` numbers."""
    return int(((8 * count + 1) ** 0.5 - 1) / 2)
