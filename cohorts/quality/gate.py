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


@dataclass(frozen=True, slots=True, eq=False)
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
            if ratio - 2 * error > limits.tail or ratio + 2 * error < 1 / limits.tail:
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
