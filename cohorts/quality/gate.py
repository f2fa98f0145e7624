"""The gate a cohort passes, or not, before it leaves."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from cohorts.quality.disclosure import disclosure
from cohorts.quality.fidelity import fidelity
from cohorts.quality.records import Table


@dataclass(frozen=True, slots=True)
class Limits:
    """What a cohort must keep to; numbers are compared as measured, those of tails within two standard errors.

    Attributes
    ----------
    marginal
        Largest distance between the distributions of a column.
    dependence
        Largest difference of an association.
    tail
        Largest ratio, either way, of a tail's share to that of the source.
    auc
        Largest area under the curve of the classifier that tells cohort and source apart.
    identical
        Largest share of records identical to one of the source beyond what people not used have.
    near
        Smallest distance to the closest record, over that of people not used.
    membership_auc
        Largest area under the curve of the attack on membership.
    attribute_gain
        Largest gain in guessing a column.
    """

    marginal: float = 0.1
    dependence: float = 0.1
    tail: float = 3.0
    auc: float = 0.7
    identical: float = 0.01
    near: float = 0.5
    membership_auc: float = 0.6
    attribute_gain: float = 0.1


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Quality:
    """What a cohort is worth and what it risks, beside the limits.

    Attributes
    ----------
    fidelity, disclosure
        Results of `cohorts.fidelity` and `cohorts.disclosure`.
    limits
        What they are held to.
    """

    fidelity: xr.Dataset
    disclosure: xr.Dataset
    limits: Limits

    def __repr__(self) -> str:
        """Whether it passed; `report` says by how much."""
        return f"<Quality: {'passed' if self.passed else 'fails ' + ' and '.join(self.failures)}>"

    def report(self) -> pd.DataFrame:
        """Every measure beside its limit: gate, measure, of what, value, standard error, limit, and whether it passed.

        A tail passes within two standard errors of its limit, anything else as it is measured.
        """
        rows = [*_measures(self.fidelity, self.limits), *_risks(self.disclosure, self.limits)]
        made = pd.DataFrame(rows, columns=["gate", "measure", "of", "value", "se", "limit", "passed"])
        return made.set_index(["gate", "measure", "of"])

    @property
    def failures(self) -> dict[str, str]:
        """By gate (``fidelity``, ``privacy``), in one sentence each, what does not keep to the limits."""
        found = {
            "fidelity": _unfaithful(self.fidelity, self.limits),
            "privacy": _disclosed(self.disclosure, self.limits),
        }
        return {gate: "; ".join(sentences) for gate, sentences in found.items() if sentences}

    @property
    def passed(self) -> bool:
        """Whether everything keeps to the limits."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping of everything, for a file."""
        return {
            "passed": self.passed,
            "failures": self.failures,
            "limits": asdict(self.limits),
            "fidelity": _plain(self.fidelity),
            "disclosure": _plain(self.disclosure),
        }


def assess(
    cohort: Table,
    source: pd.DataFrame,
    *,
    seed: int,
    holdout: pd.DataFrame | None = None,
    columns: Sequence[str] | None = None,
    weights: str = "",
    limits: Limits | None = None,
) -> Quality:
    """Judge a cohort by `fidelity` and `disclosure`, which say what the arguments are, against `limits`."""
    faithful = fidelity(cohort, source, seed=seed, columns=columns, weights=weights)
    known = [str(name) for name in faithful["column"].values]
    disclosed = disclosure(cohort, source, seed=seed, holdout=holdout, columns=known)
    return Quality(faithful, disclosed, limits or Limits())


Row = tuple[str, str, str, float, float, str, bool]


def _measures(found: xr.Dataset, limits: Limits) -> list[Row]:
    """Rows of the report on fidelity."""
    names, gate = [str(n) for n in found["column"].values], "fidelity"
    made: list[Row] = []
    for i, name in enumerate(names):
        value, se = (float(found[k][i]) for k in ("marginal", "marginal_se"))
        made.append((gate, "distribution", name, value, se, f"<= {limits.marginal:g}", value <= limits.marginal))
    for i, j in np.argwhere(np.tri(len(names), k=-1)).tolist():
        value, se = (float(found[k][i, j]) for k in ("dependence", "dependence_se"))
        of, passed = f"{names[i]}, {names[j]}", abs(value) <= limits.dependence
        made.append((gate, "association", of, value, se, f"within {limits.dependence:g} of 0", passed))
    for i, name in enumerate(names):
        for side in ("lower", "upper"):
            value, se = (float(found[k].isel(column=i).sel(side=side)) for k in ("tail", "tail_se"))
            if np.isfinite(value):
                within = f"{1 / limits.tail:.3g} to {limits.tail:g}"
                made.append((gate, f"{side} tail", name, value, se, within, not _stray(value, se, limits)))
    value, se = float(found["auc"]), float(found["auc_se"])
    return [*made, (gate, "classifier", "all", value, se, f"<= {limits.auc:g}", value <= limits.auc)]


def _risks(found: xr.Dataset, limits: Limits) -> list[Row]:
    """Rows of the report on disclosure."""
    gate = "privacy"
    copies = float(found["identical"] - found["identical_usual"])
    copies_se = float(np.hypot(found["identical_se"], found["identical_usual_se"]))
    near, near_se = float(found["near"]), float(found["near_se"])
    auc, auc_se = float(found["membership_auc"]), float(found["membership_auc_se"])
    made: list[Row] = [
        (gate, "copies", "all", copies, copies_se, f"<= {limits.identical:g}", copies <= limits.identical),
        (gate, "closest record", "all", near, near_se, f">= {limits.near:g}", near >= limits.near),
        (gate, "membership", "all", auc, auc_se, f"<= {limits.membership_auc:g}", auc <= limits.membership_auc),
    ]
    limit = limits.attribute_gain
    for i, name in enumerate(found["column"].values):
        gain, se = float(found["attribute_gain"][i]), float(found["attribute_gain_se"][i])
        made.append((gate, "attribute", str(name), gain, se, f"<= {limit:g}", gain <= limit))
    return made


def _stray(ratio: float, error: float, limits: Limits) -> bool:
    """Whether a tail's ratio is clearly beyond its limits."""
    return ratio - 2 * error > limits.tail or ratio + 2 * error < 1 / limits.tail


def _unfaithful(found: xr.Dataset, limits: Limits) -> list[str]:
    names = [str(name) for name in found["column"].values]
    said = [
        f"the distribution of {name} is {value:.3f} off, wanted at most {limits.marginal:g}"
        for name, value in zip(names, found["marginal"].values, strict=True)
        if value > limits.marginal
    ]
    off = np.tril(np.abs(found["dependence"].values), -1)
    for i, j in np.argwhere(off > limits.dependence):
        said.append(
            f"the association of {names[i]} and {names[j]} is {off[i, j]:.3f} off, wanted {limits.dependence:g}"
        )
    said += _tails(found, names, limits)
    if (auc := float(found["auc"])) > limits.auc:
        said.append(f"a classifier tells it from its source with area {auc:.3f}, wanted at most {limits.auc:g}")
    return said


def _tails(found: xr.Dataset, names: list[str], limits: Limits) -> list[str]:
    said = []
    for i, name in enumerate(names):
        for side in ("lower", "upper"):
            ratio, error = (float(found[key].isel(column=i).sel(side=side)) for key in ("tail", "tail_se"))
            if _stray(ratio, error, limits):
                wanted = f"wanted within a factor {limits.tail:g}"
                said.append(f"the {side} tail of {name} holds {ratio:.2f} times what the source's does, {wanted}")
    return said


def _disclosed(found: xr.Dataset, limits: Limits) -> list[str]:
    said = []
    excess = float(found["identical"] - found["identical_usual"])
    if excess > limits.identical:
        said.append(f"{excess:.3f} more of its records than usual are copies, wanted at most {limits.identical:g}")
    if (near := float(found["near"])) < limits.near:
        said.append(f"its records are {near:.3f} times as far from the source as usual, wanted {limits.near:g}")
    if (auc := float(found["membership_auc"])) > limits.membership_auc:
        said.append(f"membership is found with area {auc:.3f}, wanted at most {limits.membership_auc:g}")
    for name, gain in zip(found["column"].values, found["attribute_gain"].values, strict=True):
        if gain > limits.attribute_gain:
            said.append(f"{name} is guessed {gain:.3f} oftener, wanted at most {limits.attribute_gain:g}")
    return said


def _plain(found: xr.Dataset) -> dict[str, Any]:
    return {
        "attributes": dict(found.attrs),
        "coordinates": {str(name): c.values.tolist() for name, c in found.coords.items()},
        "values": {str(n): {"dims": list(v.dims), "value": _listed(v.values)} for n, v in found.data_vars.items()},
    }


def _listed(values: Any) -> Any:
    """Numbers as JSON has them, missing ones as null."""
    if np.ndim(values):
        return [_listed(value) for value in values]
    return float(values) if np.isfinite(values) else None
