r"""Response of a linear model to an input, as a PyTensor graph in which no rate divides by its difference to another.

With eigenvalues :math:`\lambda_k` of A in any order, Newton's form of the matrix exponential (Moler and Van Loan, SIAM
Rev. 2003;45:3, method 8, doi:10.1137/S00361445024180) holds whether or not some of them are equal:

.. math:: e^{At} e_j = \sum_k t^k \exp[\lambda_0 t, \dots, \lambda_k t]\, v_k,
          \quad v_0 = e_j, \quad v_{k+1} = (A - \lambda_k) v_k
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytensor.tensor as pt

from engine.errors import ModelError
from engine.gradients.differences import divided_difference
from engine.models.algebras.tensors import TENSORS
from engine.models.calculus import ZERO
from engine.models.expression import evaluate
from engine.models.structure import Linear


@dataclass(frozen=True, slots=True, eq=False)
class Propagator:
    """Exponential of the matrix of a linear model and its integral, entry by entry.

    Attributes
    ----------
    linear
        The model's matrix as expressions; its entries that are 0 give the order in which states feed each other.
    parameters
        Tensors that broadcast against the times asked for.
    """

    linear: Linear
    parameters: Mapping[str, Any]

    def phi(self, target: int, source: int, t: Any) -> Any:
        """Amount in state ``target`` a time ``t`` after a unit amount was put into state ``source``."""
        return _series(t, *self._expand(target, source), integrate=False)

    def gamma(self, target: int, source: int, t: Any) -> Any:
        """Amount in ``target`` after a unit amount a unit of time has flowed into ``source`` for a time ``t``."""
        return _series(t, *self._expand(target, source), integrate=True)

    def feeds(self, source: int, target: int) -> bool:
        """Whether anything put into ``source`` can arrive in ``target``."""
        return bool(between(self.linear, target, source))

    def _expand(self, target: int, source: int) -> tuple[list[Any], list[Any]]:
        """Eigenvalues and, for the same ``k``, the target's part of :math:`v_k`, None where it is always 0."""
        states = between(self.linear, target, source)
        eigenvalues: list[Any] = []
        weights: list[Any] = []
        vector: dict[int, Any] = {source: 1.0}
        for block in _blocks(self.linear, states):
            for eigenvalue in self._eigenvalues(block):
                weights.append(vector.get(target))
                eigenvalues.append(eigenvalue)
                vector = self._advance(vector, eigenvalue, states)
            # A block's own eigenvalues annihilate it; leaving it out also spares computing that 0.
            vector = {state: value for state, value in vector.items() if state not in block}
        return eigenvalues, weights

    def _entry(self, row: int, column: int) -> Any:
        return evaluate(self.linear.matrix[row][column], self.parameters, TENSORS)

    def _eigenvalues(self, block: tuple[int, ...]) -> list[Any]:
        """Eigenvalues of a block, the fastest first, which keeps the weights of compartments positive."""
        if len(block) == 1:
            return [self._entry(block[0], block[0])]
        i, j = block
        a, b, c, d = self._entry(i, i), self._entry(i, j), self._entry(j, i), self._entry(j, j)
        fast = (a + d) / 2 - pt.sqrt(((a - d) / 2) ** 2 + b * c)
        return [fast, (a * d - b * c) / fast]

    def _advance(self, vector: Mapping[int, Any], eigenvalue: Any, states: tuple[int, ...]) -> dict[int, Any]:
        result: dict[int, Any] = {}
        for column, value in vector.items():
            for row in states:
                if row == column:
                    term = (self._entry(row, column) - eigenvalue) * value
                elif self.linear.matrix[row][column] == ZERO:
                    continue
                else:
                    term = self._entry(row, column) * value
                result[row] = result[row] + term if row in result else term
        return result


def between(linear: Linear, target: int, source: int) -> tuple[int, ...]:
    """States on a way from ``source`` to ``target``, those that feed others first; empty when there is no way."""
    ahead, behind = _reached(linear, source), {state for state in range(len(linear.states))
                                               if target in _reached(linear, state)}  # fmt: skip
    feeders = {state: sum(state in _reached(linear, other) for other in range(len(linear.states))) for state in ahead}
    return tuple(sorted(ahead & behind, key=lambda state: (feeders[state], state)))


def has_closed_form(linear: Linear) -> bool:
    """Whether no more than two states exchange with each other."""
    try:
        _blocks(linear, tuple(range(len(linear.states))))
    except ModelError:
        return False
    return True


def _reached(linear: Linear, source: int) -> set[int]:
    reached, fresh = {source}, [source]
    while fresh:
        column = fresh.pop()
        rows = {row for row in range(len(linear.states)) if linear.matrix[row][column] != ZERO} - reached
        reached |= rows
        fresh.extend(rows)
    return reached


def _blocks(linear: Linear, states: tuple[int, ...]) -> list[tuple[int, ...]]:
    """States that feed each other, grouped; ModelError for a circle of more than two."""
    blocks: list[tuple[int, ...]] = []
    for state in states:
        block = tuple(
            other for other in states if other in _reached(linear, state) and state in _reached(linear, other)
        )
        if len(block) > 2:
            names = ", ".join(linear.states[member] for member in block)
            raise ModelError(f"more than two states that exchange with each other ({names}) have no closed form here")
        if block not in blocks:
            blocks.append(block)
    return blocks


def _series(t: Any, eigenvalues: list[Any], weights: list[Any], *, integrate: bool) -> Any:
    """Newton's sum; its integral from 0 is the same with one more eigenvalue, 0, and one more power of t."""
    points = [*([t * 0.0] if integrate else []), *(eigenvalue * t for eigenvalue in eigenvalues)]
    total: Any = 0.0
    for k, weight in enumerate(weights, start=int(integrate)):
        if weight is not None:
            total = total + weight * (t**k if k else 1.0) * divided_difference(points[: k + 1])
    return total
