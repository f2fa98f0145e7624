"""Estimates of a fit by others, read from its files, as the priors of a population."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from cohorts.calibration.fixing import coefficient_supports, replaced
from cohorts.errors import PopulationError
from cohorts.specification.nodes import guess
from cohorts.specification.population import Coefficient, Population
from cohorts.specification.quantities import Quantity, check

_FINAL, _SE, _ROOTS, _ROOTS_SE, _FIXED = -1000000000, -1000000001, -1000000004, -1000000005, -1000000006
"""Special iterations of NONMEM's .ext: estimates, standard errors, both again with OMEGA and SIGMA as standard
deviations and correlations, and which are fixed."""
_NO_SE = 1e9
"""NONMEM writes 1e10 where there is no standard error."""


class Estimate(NamedTuple):
    """One number of a fit, its standard error (NaN for none) and whether the fit held it fixed."""

    value: float
    se: float
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Estimates:
    """Estimates of a fit by the names its file uses.

    Attributes
    ----------
    file
        Name of the file.
    method
        What the file calls the method; empty where it does not say.
    values
        Estimates as the file has them: variances for OMEGA and SIGMA.
    roots
        Those of them that the file also gives as standard deviations and correlations.
    """

    file: str
    method: str
    values: Mapping[str, Estimate]
    roots: Mapping[str, Estimate]


def read_estimates(path: str | Path, *, table: int | None = None) -> Estimates:
    """Estimates from NONMEM's ``.ext``, or from a CSV with columns ``parameter``, ``estimate`` and ``se``.

    Parameters
    ----------
    path
        The file. Beside ``run.ext`` a ``run.cov`` gives the standard errors that it lacks.
    table
        Number of the table of an ``.ext`` with several estimation steps, from 1; by default the last.

    Raises
    ------
    PopulationError
        If the file is none of these, or lacks what it should have.
    """
    path = Path(path)
    if not path.is_file():
        raise PopulationError(f"estimates: no file {str(path)!r}")
    if path.suffix.lower() == ".ext":
        return _from_ext(path, table)
    if path.suffix.lower() == ".csv":
        return _from_csv(path)
    raise PopulationError(f"estimates: got {path.name!r}, wanted a file that ends in .ext or .csv")


def read_phi(path: str | Path, *, table: int | None = None) -> xr.Dataset:
    """Individual estimates from NONMEM's ``.phi``.

    Parameters
    ----------
    path
        The file.
    table
        Number of the table, from 1; by default the last.

    Returns
    -------
    xr.Dataset
        Dim subject (ids): ``eta`` (subject, parameter), or ``phi`` where the method gives conditional means of phi,
        with ``variance`` (subject, parameter, parameter_), and the objective function ``obj`` (subject).
    """
    path = Path(path)
    _, names, rows = _table(path, table)
    first = next((k for k in ("ETA", "PHI") if f"{k}(1)" in names), None)
    if first is None or "ID" not in names:
        raise PopulationError(f"{path.name}: got columns {names}, wanted ID and ETA(1) or PHI(1)")
    count = sum(name.startswith(f"{first}(") for name in names)
    column = {name: rows[:, i] for i, name in enumerate(names)}
    numbers = range(1, count + 1)
    means = np.stack([column[f"{first}({i})"] for i in numbers], axis=1)
    short = "ETC" if first == "ETA" else "PHC"
    between = np.stack(
        [np.stack([column[f"{short}({max(i, j)},{min(i, j)})"] for j in numbers], axis=1) for i in numbers], axis=1
    )
    variables = {
        first.lower(): (("subject", "parameter"), means),
        "variance": (("subject", "parameter", "parameter_"), between),
        "obj": ("subject", column["OBJ"] if "OBJ" in column else np.full(len(rows), np.nan)),
    }
    return xr.Dataset(variables, {"subject": column["ID"].astype(np.int64)}, {"file": path.name})


def _table(path: Path, number: int | None) -> tuple[str, list[str], np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Heading, column names and rows of one table of a NONMEM output file."""
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"^\s*TABLE NO\.", text, flags=re.MULTILINE)
    blocks = parts[1:] if len(parts) > 1 else [f"\n{parts[0]}"]
    if number is not None and not 1 <= number <= len(blocks):
        raise PopulationError(f"{path.name}: got table {number}, wanted 1 to {len(blocks)}")
    heading, *lines = blocks[(number or len(blocks)) - 1].strip("\n").splitlines()
    lines = [line for line in lines if line.strip()]
    if len(lines) < 2:
        raise PopulationError(f"{path.name}: the table has no rows")
    names = re.split(r"[\s,]+(?![^(]*\))", lines[0].strip())
    try:
        rows = np.array([[_number(v) for v in re.split(r"[\s,]+", line.strip())] for line in lines[1:]])
    except ValueError as error:
        raise PopulationError(f"{path.name}: not a table of numbers: {error}") from error
    if rows.ndim != 2 or rows.shape[1] != len(names):
        raise PopulationError(f"{path.name}: rows do not have the {len(names)} columns of the heading")
    return heading.strip(), names, rows


def _number(word: str) -> float:
    return float(re.sub(r"(?<=[0-9.])[dD](?=[+-]?[0-9])", "e", word))


def _from_ext(path: Path, number: int | None) -> Estimates:
    heading, names, rows = _table(path, number)
    if names[0] != "ITERATION":
        raise PopulationError(f"{path.name}: got a first column {names[0]!r}, wanted ITERATION")
    special = {int(row[0]): dict(zip(names[1:-1], row[1:-1].tolist(), strict=True)) for row in rows if row[0] < -1e8}
    if _FINAL not in special:
        raise PopulationError(f"{path.name}: has no final estimates (iteration {_FINAL}); the run did not end well")
    held = special.get(_FIXED, {})
    se = special.get(_SE) or _from_cov(path.with_suffix(".cov"), number)
    values = {n: _estimate(v, se.get(n, math.nan), held.get(n, 0.0)) for n, v in special[_FINAL].items()}
    errors = special.get(_ROOTS_SE, {})
    roots = {
        n: _estimate(v, errors.get(n, math.nan), held.get(n, 0.0))
        for n, v in special.get(_ROOTS, {}).items()
        if not n.startswith("THETA")
    }
    return Estimates(path.name, heading.partition(":")[2].partition(":")[0].strip(), values, roots)


def _estimate(value: float, se: float, held: float) -> Estimate:
    none = not math.isfinite(se) or abs(se) >= _NO_SE or se <= 0.0
    return Estimate(value, math.nan if none else se, held == 1.0 or (none and math.isfinite(se)))


def _from_cov(path: Path, number: int | None) -> dict[str, float]:
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines() if line.strip()]
    starts = [i for i, words in enumerate(lines) if words[0] == "NAME"]
    if not starts:
        raise PopulationError(f"{path.name}: has no line that begins with NAME")
    begin = starts[(number or len(starts)) - 1]
    names = lines[begin][1:]
    rows = {words[0]: words[1:] for words in lines[begin + 1 : begin + 1 + len(names)]}
    return {name: math.sqrt(max(_number(rows[name][i]), 0.0)) for i, name in enumerate(names) if name in rows}


def _from_csv(path: Path) -> Estimates:
    import pandas as pd

    table = pd.read_csv(path)
    if missing := [c for c in ("parameter", "estimate", "se") if c not in table]:
        raise PopulationError(f"{path.name}: lacks column {missing[0]!r}; has {list(table)}")
    if table["parameter"].duplicated().any():
        raise PopulationError(
            f"{path.name}: {table['parameter'][table['parameter'].duplicated()].iloc[0]} stands twice"
        )
    numbers = table[["estimate", "se"]].to_numpy(dtype=np.float64).tolist()
    names = table["parameter"].astype(str).tolist()
    values = {name: Estimate(value, se, math.isnan(se)) for name, (value, se) in zip(names, numbers, strict=True)}
    return Estimates(path.name, "", values, {})


class _Form(NamedTuple):
    """How a number of the file becomes one of ours: its value and the derivative of it, for the error."""

    value: Callable[[float], float]
    slope: Callable[[float], float]


FORMS: dict[str, _Form] = {
    "as it is": _Form(lambda x: x, lambda _: 1.0),
    "logarithm": _Form(math.exp, math.exp),
    "variance": _Form(math.sqrt, lambda x: 0.5 / math.sqrt(x)),
}
"""What the file's number is of ours; errors go along by the delta method."""


def with_estimates(
    population: Population, estimates: Estimates, names: Mapping[str, str | tuple[str, str] | Sequence[str]]
) -> Population:
    """A population whose priors are the estimates of a fit with their standard errors.

    Parameters
    ----------
    population
        The specification; coefficients that are not named keep their own priors.
    estimates
        Result of `read_estimates`.
    names
        By our coefficient the file's number, or that and its form, a row of `FORMS`:
        ``{"cl_pop": "THETA1", "v_pop": ("THETA2", "logarithm"), "omega_cl": "OMEGA(1,1)"}``. OMEGA and SIGMA are
        variances unless said otherwise; an OMEGA between two parameters becomes the correlation ``rho_<p>_<q>`` with
        the two variances the file has. One level of a coefficient with levels is ``beta_v_sex[male]``.

    Returns
    -------
    Population
        Numbers above zero have a lognormal prior with the estimate as median and the relative standard error as CV,
        others a normal one. What the fit held fixed is fixed, and so are correlations, whose errors do not enter. The
        errors enter independently of each other. Each source names the file.

    Raises
    ------
    PopulationError
        If a name is unknown, or an estimate is impossible where it is wanted or has no standard error though not fixed.
    """
    known = {c.name: c for c in population.coefficients}
    supports = coefficient_supports(population)
    made: dict[str, tuple[Quantity, ...]] = {}
    for ours, written in names.items():
        name, level = _level(ours)
        if name not in known:
            raise PopulationError(f"names: got {ours!r}, wanted some of {list(known)}{guess(name, list(known))}")
        theirs, form = (written, "") if isinstance(written, str) else (written[0], written[1])
        found = _ours(estimates, name, theirs, form)
        one = _prior(found, supports[name], f"names.{ours}", _source(estimates, theirs))
        made[name] = _placed(known[name], made.get(name, known[name].quantities), level, one)
    return replaced(population, made)


def _level(ours: str) -> tuple[str, str]:
    name, _, rest = ours.partition("[")
    return name, rest.removesuffix("]")


def _placed(c: Coefficient, now: tuple[Quantity, ...], level: str, one: Quantity) -> tuple[Quantity, ...]:
    if bool(level) != bool(c.levels) or (level and level not in c.levels):
        wanted = f"one of {[f'{c.name}[{lv}]' for lv in c.levels]}" if c.levels else c.name
        raise PopulationError(f"names: got {c.name}{f'[{level}]' if level else ''}, wanted {wanted}")
    return tuple(one if (not level or lv == level) else q for lv, q in zip(c.levels or ("",), now, strict=True))


def _source(estimates: Estimates, theirs: str) -> str:
    method = f", {estimates.method}" if estimates.method else ""
    return f"{theirs} of {estimates.file}{method}"


def _ours(estimates: Estimates, name: str, theirs: str, form: str) -> Estimate:
    if theirs not in estimates.values:
        known = list(estimates.values)
        raise PopulationError(f"names.{name}: {estimates.file} has no {theirs!r}{guess(theirs, known)}")
    one = estimates.values[theirs]
    if name.startswith("rho_"):
        return _correlation(estimates, name, theirs)
    form = form or ("variance" if theirs.startswith(("OMEGA", "SIGMA")) else "as it is")
    if form not in FORMS:
        raise PopulationError(f"names.{name}: got {form!r}, wanted one of {list(FORMS)}")
    if form == "variance" and one.value <= 0.0:
        raise PopulationError(f"names.{name}: got {one.value!r} for a variance, wanted a number > 0")
    row = FORMS[form]
    return Estimate(row.value(one.value), abs(row.slope(one.value)) * one.se, one.fixed)


def _correlation(estimates: Estimates, name: str, theirs: str) -> Estimate:
    if theirs in estimates.roots:
        return Estimate(estimates.roots[theirs].value, math.nan, fixed=True)
    found = re.fullmatch(r"OMEGA\((\d+),(\d+)\)", theirs)
    if found is None:
        return Estimate(estimates.values[theirs].value, math.nan, fixed=True)
    i, j = found.groups()
    if i == j:
        raise PopulationError(f"names.{name}: got the variance {theirs}, wanted an OMEGA of two parameters")
    variances = [estimates.values[f"OMEGA({k},{k})"].value for k in (i, j)]
    return Estimate(estimates.values[theirs].value / math.sqrt(variances[0] * variances[1]), math.nan, fixed=True)


def _prior(one: Estimate, support: tuple[float, float], where: str, source: str) -> Quantity:
    if one.fixed:
        return check(Quantity("fixed", (one.value,), f"{source}; taken without an error"), where, support)
    if not one.se > 0.0:
        raise PopulationError(
            f"{where}: {source} has no standard error; give the file of the covariance step, or a CSV with the errors"
        )
    low, high = support
    if low == 0.0 and high == math.inf:
        if one.value <= 0.0:
            raise PopulationError(f"{where}: got {one.value!r}, wanted a number > 0")
        return check(Quantity("lognormal", (one.value, one.se / one.value), source), where, support)
    limits = {k: v for k, v in (("lower", low), ("upper", high)) if math.isfinite(v)}
    return check(Quantity("normal", (one.value, one.se), source, **limits), where, support)
