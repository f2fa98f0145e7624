"""Graphical procedures: shares of alpha that travel along a graph when a hypothesis is rejected."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trials.checks import Number, fields, refuse
from trials.multiplicity.base import Procedure, check_count, divided, weights


@dataclass(frozen=True, slots=True)
class Graphical(Procedure):
    """Sequentially rejective procedure of Bretz, Maurer, Brannath & Posch (2009), doi:10.1002/sim.3495.

    A rejected hypothesis hands its share of alpha on along its edges, and the graph closes over it. Controls the
    familywise error whatever the dependence.
    """

    weights: tuple[float, ...]
    """Share of alpha of each hypothesis at the start; they add up to 1 at most."""
    transitions: tuple[tuple[float, ...], ...]
    """Row by row, what a rejected hypothesis hands to each other; a row adds up to 1 at most, with 0 for itself."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "multiplicity", weights=weights, transitions=_transitions)
        if not self.weights or len(self.weights) != len(self.transitions):
            raise refuse("multiplicity.weights", self.weights, "one share for each row of multiplicity.transitions")

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return adjusted p-values (algorithm 2 of the paper), all replicates one rejection at a time."""
        check_count("weights", self.weights, p)
        count = p.shape[-1]
        flat = p.reshape(-1, count)
        share = np.tile(np.asarray(self.weights), (len(flat), 1))
        edges = np.tile(np.asarray(self.transitions), (len(flat), 1, 1))
        left, adjusted = np.ones(flat.shape, dtype=bool), np.empty(flat.shape)
        highest, rows = np.zeros(len(flat)), np.arange(len(flat))
        for _ in range(count):
            ratio = np.where(left, divided(flat, share), np.inf)
            chosen = np.where(np.isfinite(ratio.min(axis=1)), ratio.argmin(axis=1), left.argmax(axis=1))
            highest = np.maximum(highest, ratio[rows, chosen])
            adjusted[rows, chosen] = highest
            left[rows, chosen] = False
            share, edges = _rejected(share, edges, chosen, left)
        return np.minimum(adjusted, 1.0).reshape(p.shape)


def _rejected(
    share: np.ndarray, edges: np.ndarray, chosen: np.ndarray, left: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return shares (row, hypothesis) and edges (row, from, to) without the hypothesis chosen in each row."""
    rows = np.arange(len(share))
    out, into = edges[rows, chosen], edges[rows, :, chosen]
    share = np.where(left, share + share[rows, chosen][:, None] * out, 0.0)
    back = into * out  # what would come back to the hypothesis itself
    through = edges + into[:, :, None] * out[:, None, :]
    rest = 1 - back
    scaled = np.where(rest[..., None] > 1e-12, through / np.where(rest > 1e-12, rest, 1.0)[..., None], 0.0)
    stay = left[:, :, None] & left[:, None, :] & ~np.eye(share.shape[1], dtype=bool)
    return share, np.where(stay, scaled, 0.0)


def _transitions(where: str, value: Any) -> tuple[tuple[float, ...], ...]:
    """Return the rows of a square matrix whose rows add up to 1 at most and whose diagonal is 0."""
    rows = list(value) if _listed(value) else [value]
    if not all(_listed(row) and len(row) == len(rows) for row in rows):
        raise refuse(where, value, "a square list of rows, one a hypothesis")
    found = tuple(tuple(Number(least=0, most=1)(where, part) for part in row) for row in rows)
    if any(sum(row) > 1 + 1e-9 or row[place] for place, row in enumerate(found)):
        raise refuse(where, value, "rows that add up to 1 at most, with 0 for the hypothesis itself")
    return found


def _listed(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
