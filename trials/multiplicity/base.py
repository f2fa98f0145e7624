"""What a multiplicity procedure promises: p-values of several hypotheses to adjusted ones."""

from abc import ABC, abstractmethod

import numpy as np

from trials.checks import Number, refuse


class Procedure(ABC):
    """A closed test procedure, of which a hypothesis is rejected when its adjusted p-value is at most alpha.

    Members are frozen dataclasses. Hypotheses come in the order in which they were named.
    """

    __slots__ = ()

    @abstractmethod
    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return adjusted p-values (..., hypothesis), each the smallest alpha at which the procedure rejects.

        Parameters
        ----------
        p
            p-values (..., hypothesis) between 0 and 1.

        Raises
        ------
        TrialError
            When the procedure is for another number of hypotheses.
        """


def check_count(where: str, given: tuple[object, ...], p: np.ndarray) -> None:
    """Refuse a field with another number of entries than there are hypotheses."""
    if len(given) != p.shape[-1]:
        raise refuse(f"multiplicity.{where}", given, f"{p.shape[-1]} entries, one for each hypothesis")


def weights(where: str, value: object) -> tuple[float, ...]:
    """Return weights of hypotheses: numbers of 0 or more that add up to 1 at most, at least one above 0."""
    if isinstance(value, str) or not isinstance(value, tuple | list):
        raise refuse(where, value, "a list of numbers, one a hypothesis")
    found = tuple(Number(least=0, most=1)(where, part) for part in value)
    if found and not 0 < sum(found) <= 1 + 1e-9:
        raise refuse(where, value, "numbers that add up to 1 at most, at least one of them above 0")
    return found


def shares(given: tuple[float, ...], p: np.ndarray) -> np.ndarray:
    """Return the weights, equal ones when none are given."""
    if not given:
        return np.full(p.shape[-1], 1 / p.shape[-1])
    check_count("weights", given, p)
    return np.asarray(given)


def divided(p: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return p / weight; a hypothesis without weight cannot be rejected and gets infinity."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: np.ndarray = np.where(weight > 0, p / weight, np.inf)
    return ratio
