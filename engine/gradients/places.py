"""Where the numbers of a fit come from and go to: the same for every solution, and therefore found once."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from engine.dosing.schedule import Floats, Integers


class Entries(NamedTuple):
    """Where the parameters of courses come from: a matrix of them, (subject, column), numbers, and columns of the data.

    Attributes
    ----------
    subject
        Of each course.
    steady, column
        Parameters that do not change within a course, and their columns, (name, course).
    changing, columns
        Those that do, and their columns, (name, course, stretch).
    known, data
        Values that are known, (course), and (course, stretch).
    """

    subject: Integers
    steady: Sequence[str]
    column: Integers
    changing: Sequence[str]
    columns: Integers
    known: Mapping[str, Floats]
    data: Mapping[str, Floats]

    @classmethod
    def of(
        cls, subject: Integers, occasion: Integers, columns: Mapping[str, tuple[int, bool]],
        numbers: Mapping[str, float], data: Mapping[str, Floats],
    ) -> "Entries":  # fmt: skip
        """Entries of courses of these subjects.

        Parameters
        ----------
        subject, occasion
            Of each course, and of each of its stretches, (course, stretch).
        columns
            First column of each parameter, and whether it has one for each occasion.
        numbers, data
            Parameters that are numbers, and those that are columns of the data, (course, stretch).
        """
        count, width = occasion.shape
        changing = [name for name, (_, several) in columns.items() if several and width > 1]
        steady = [name for name in columns if name not in changing]
        column = [columns[name][0] + occasion[:, 0] * columns[name][1] for name in steady]
        known = {name: np.full(count, value) for name, value in numbers.items()}
        if width == 1:
            known |= {name: values[:, 0] for name, values in data.items()}
        columns_of = [columns[name][0] + occasion for name in changing]
        return cls(
            subject, steady, np.reshape(np.asarray(column, dtype=np.int64), (len(steady), count)), changing,
            np.reshape(np.asarray(columns_of, dtype=np.int64), (len(changing), count, width)), known,
            data if width > 1 else {},
        )  # fmt: skip

    def read(self, theta: Floats) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Parameters, (course), and those that change within a course, (course, stretch)."""
        steady = dict(zip(self.steady, theta[self.subject, self.column], strict=True))
        if not self.changing:
            return {**self.known, **steady}, dict(self.data)
        found = theta[self.subject[:, None], self.columns]
        return {**self.known, **steady}, {**self.data, **dict(zip(self.changing, found, strict=True))}


class Results(NamedTuple):
    """Where values asked for are found: courses and slots of each output; the rows they are for, how many in all."""

    course: tuple[Integers, ...]
    slot: tuple[Integers, ...]
    row: tuple[Integers, ...]
    rows: int

    @classmethod
    def of(cls, course: Integers, slot: Integers, kind: Integers, outputs: int) -> "Results":
        """Rows of these courses and slots, ``kind`` which of the outputs each is of."""
        rows = tuple(np.flatnonzero(kind == number) for number in range(outputs))
        return cls(tuple(course[one] for one in rows), tuple(slot[one] for one in rows), rows, len(course))

    def pick(self, values: Sequence[Floats]) -> Floats:
        """Give values, (row, ...), out of those of each output, (course, slot, ...)."""
        each = [one[course, slot] for one, course, slot in zip(values, self.course, self.slot, strict=True)]
        if len(each) == 1:
            return np.ascontiguousarray(each[0])
        found = np.empty((self.rows, *each[0].shape[1:]))
        for row, one in zip(self.row, each, strict=True):
            found[row] = one
        return found
