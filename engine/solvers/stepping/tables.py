"""One-step methods as tables of their coefficients; the methods themselves are a file each."""

from dataclasses import dataclass

type Row = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ExplicitTable:
    """An explicit Runge-Kutta pair with dense output.

    Parameters
    ----------
    name, citation
        What it is called and where it is from, with DOI.
    order
        Of the error estimate: the step follows the error to the power -1 / ``order``.
    nodes, stages
        Of each stage, c, and the weights of the stages before it, a; the last stage is at the end of the step.
    errors
        Weights of the two error estimates, of order 5 and 3.
    dense_nodes, dense_stages
        Of the stages the dense output adds.
    dense
        Weights of its coefficients of higher degree, over all stages.
    stability
        Length of the stability region on the negative axis, above which a step is limited by stability.
    """

    name: str
    citation: str
    order: int
    nodes: Row
    stages: tuple[Row, ...]
    errors: tuple[Row, Row]
    dense_nodes: Row
    dense_stages: tuple[Row, ...]
    dense: tuple[Row, ...]
    stability: float


@dataclass(frozen=True, slots=True)
class RosenbrockTable:
    """A Rosenbrock method, stiffly accurate, in the variables U = gamma k, with dense output.

    Parameters
    ----------
    name, citation
        What it is called and where it is from, with DOI.
    order
        Of the error estimate plus 1.
    gamma
        On the diagonal.
    nodes, slopes
        Of each stage: c, and d, the weight of the derivative in time.
    stages
        Weights a of the stages before each; the last two stages go on from the one before.
    coupling
        Weights C of the stages before each in its right-hand side.
    dense
        Weights of the coefficients of the dense output.
    """

    name: str
    citation: str
    order: int
    gamma: float
    nodes: Row
    slopes: Row
    stages: tuple[Row, ...]
    coupling: tuple[Row, ...]
    dense: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """Taylor's method: the series of the solution to some order, its step chosen from the last coefficients.

    Parameters
    ----------
    name, citation
        What it is called and where it is from, with DOI.
    order
        Of the series.
    """

    name: str
    citation: str
    order: int


type Table = ExplicitTable | RosenbrockTable | SeriesTable
