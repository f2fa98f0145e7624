"""Subjects of a linear model along their nodes in time, as one compiled kernel.

With dx/dt = A x + b + u a step of length h is x -> exp(A h) x + G(h) (b + u), G the integral of exp(A s) over the step;
both are entries of one exponential, of A with a column appended for each input. The exponential is found as in
:mod:`engine.solvers.exponential` and kept for the next steps of the same length, of which regimens and sampling times
have few.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from llvmlite import ir

from engine.solvers.machine import BYTE, INDEX, INDICES, LANES, NUMBER, NUMBERS, Kernel, Vector, Writer

type Place = tuple[int, int]
type Entries = dict[Place, Vector]

FIELDS = (
    "subjects", "nodes", "samples", "matrix", "forcing", "initial", "state", "finite", "steps", "steps_row",
    "jump", "jump_row", "rate", "rate_row", "resets", "resets_row", "slot", "slot_row", "settling", "settle_node",
    "settle_adds", "settled", "kept", "sampled",
)  # fmt: skip
KEPT = 64
"""Exponentials kept for each group of subjects, each at the place its length of step hashes to."""
_LARGE = 100
"""Entries of an exponential from which on compiling it well would take longer than a second."""
_HASH, _HASHED = 0x9E3779B97F4A7C15, 64 - 6
_RADIUS = 0.5
_DOUBLINGS = 60
_BIAS, _MANTISSA = 1023, 52


@dataclass(frozen=True, slots=True)
class Pattern:
    """What of a linear system and its doses is compiled.

    Attributes
    ----------
    states
        How many.
    matrix
        Places of the entries between states that can differ from 0, sorted by row and column.
    inputs
        States that something constant or an infusion flows into.
    into
        States of the columns of the timeline's jumps and rates.
    infused
        Positions in ``into`` of those that something flows into.
    observed
        States whose samples are kept.
    """

    states: int
    matrix: tuple[Place, ...]
    inputs: tuple[int, ...]
    into: tuple[int, ...]
    infused: tuple[int, ...]
    observed: tuple[int, ...]

    @property
    def reached(self) -> tuple[Place, ...]:
        """Places of the entries of the exponential that can differ from 0, sorted; inputs after the states."""
        between = {*self.matrix, *((n, n) for n in range(self.states))}
        for middle in range(self.states):
            before = {i for i, j in between if j == middle}
            between |= {(i, j) for i in before for k, j in between if k == middle}
        fed = {(i, self.states + n) for n, row in enumerate(self.inputs) for i, j in between if j == row}
        return tuple(sorted(between | fed))


@lru_cache(maxsize=64)
def kernel(pattern: Pattern) -> Kernel:
    """Compiled march of the systems of this pattern; its arguments are ``FIELDS``."""
    writer = Writer(FIELDS)
    groups = writer.builder.sdiv(writer.builder.add(writer.whole("subjects"), INDEX(LANES - 1)), INDEX(LANES))
    with writer.loop(groups) as group:
        _March(writer, pattern, group).write()
    return writer.compiled(effort=int(len(pattern.reached) <= _LARGE))


class _March:
    """Code that takes one group of subjects from its first node to its last."""

    def __init__(self, writer: Writer, pattern: Pattern, group: Any) -> None:
        builder = writer.builder
        last = builder.sub(writer.whole("subjects"), INDEX(1))
        places = [builder.add(builder.mul(group, INDEX(LANES)), INDEX(lane)) for lane in range(LANES)]
        # Lanes beyond the last subject do its work once more and write the same numbers.
        self.subjects = [builder.select(builder.icmp_signed("<", one, last), one, last) for one in places]
        self.writer, self.builder, self.pattern = writer, builder, pattern
        self.matrix = {place: self._input("matrix", number) for number, place in enumerate(pattern.matrix)}
        self.forcing = [self._input("forcing", number) for number in range(len(pattern.inputs))]
        self.state = [writer.variable() for _ in range(pattern.states)]
        self.rates = [writer.variable() for _ in pattern.inputs]
        self.finite = writer.variable()
        self.power = {place: writer.variable() for place in pattern.reached}
        self.shift = _shift(writer, self.matrix, pattern.states)
        self.norm = _norm(writer, self.matrix, pattern.states, self.shift)

    def write(self) -> None:
        """Write everything from the first node to the last."""
        writer = self.writer
        for number, state in enumerate(self.state):
            writer.put(state, self._input("state", number))
        for rate, forcing in zip(self.rates, self.forcing, strict=True):
            writer.put(rate, forcing)
        writer.put(self.finite, writer.vector(0.0))
        with writer.loop(INDEX(KEPT)) as place:
            writer.put(self._kept(place, 0), writer.vector(-1.0))
        with writer.loop(writer.whole("nodes")) as node:
            self._advance(Vector(writer, self._row("steps", node)))
            self._reset(node)
            self._settle(node)
            self._dose(node)
            self._record(node)
        for number, state in enumerate(self.state):
            self._output("state", number, writer.get(state))
        self._output("finite", 0, writer.get(self.finite))

    def _advance(self, step: Vector) -> None:
        """Take a step, unless no subject of the group moves."""
        writer, builder = self.writer, self.builder
        moves = builder.fcmp_unordered("!=", step.value, writer.vector(0.0).value)
        with builder.if_then(writer.any(moves)):
            bits = builder.extract_element(builder.bitcast(step.value, INDICES), INDEX(0))
            place = builder.lshr(builder.mul(bits, INDEX(_HASH)), INDEX(_HASHED))
            kept = {entry: self._kept(place, number) for number, entry in enumerate(self.power, start=1)}
            known = writer.all(writer.get(self._kept(place, 0)).compare("==", step))
            with builder.if_then(builder.not_(known)):
                writer.put(self._kept(place, 0), step)
                self._exponential(step)
                for entry, variable in self.power.items():
                    writer.put(kept[entry], writer.get(variable))
            before = [writer.get(variable) for variable in (*self.state, *self.rates)]
            after: dict[int, Vector] = {}
            for (row, column), address in kept.items():
                term = writer.get(address) * before[column]
                after[row] = after[row] + term if row in after else term
            for row, value in after.items():
                writer.put(self.state[row], value.where(moves, before[row]))

    def _exponential(self, step: Vector) -> None:
        """Set ``power`` to the exponential of the matrix times the step."""
        writer, builder, states = self.writer, self.builder, self.pattern.states
        length = self.norm * step
        usable = length.compare("<", _RADIUS * 2.0**_DOUBLINGS)
        doublings = self._doublings(length, usable)
        scale = builder.shl(builder.sub(_indices(_BIAS), doublings), _indices(_MANTISSA))
        small = step * Vector(writer, builder.bitcast(scale, NUMBERS))
        shifted = self.shift * small
        scaled = {place: entry * small for place, entry in self.matrix.items()}
        scaled |= {(n, n): scaled[n, n] + shifted if (n, n) in scaled else shifted for n in range(states)}
        scaled |= {(row, states + n): small for n, row in enumerate(self.pattern.inputs)}
        self._series(scaled, shifted, usable)
        most = INDEX(0)
        for lane in range(LANES):
            one = builder.extract_element(doublings, INDEX(lane))
            most = builder.select(builder.icmp_signed(">", one, most), one, most)
        with writer.loop(most) as number:
            again = builder.icmp_signed(">", doublings, writer.splat(number))
            power = self._entries()
            for place, entry in product(power, power).items():
                if place in self.power:
                    writer.put(self.power[place], entry.where(again, power[place]))

    def _doublings(self, length: Vector, usable: Any) -> Any:
        """How often to halve the step until the matrix times the step is at most the radius; 0 where not usable."""
        builder = self.builder
        bits = builder.bitcast((length * (1 / _RADIUS)).value, INDICES)
        exponent = builder.sub(builder.lshr(bits, _indices(_MANTISSA)), _indices(_BIAS - 1))
        wanted = builder.and_(usable, builder.icmp_signed(">", exponent, _indices(0)))
        return builder.select(wanted, exponent, _indices(0))

    def _series(self, scaled: Entries, shifted: Vector, usable: Any) -> None:
        """Set ``power`` to the Taylor series of the exponential of a matrix of norm at most 1/2, by Horner's rule."""
        writer, builder, states = self.writer, self.builder, self.pattern.states
        inputs = range(states, states + len(self.pattern.inputs))
        carried, decay = writer.variable(), writer.variable()  # of the inputs' own diagonal; exp(-shifted) - 1
        for (row, column), variable in self.power.items():
            writer.put(variable, writer.vector(float(row == column)))
        writer.put(carried, writer.vector(1.0))
        writer.put(decay, writer.vector(0.0))
        terms = 14 + states
        with writer.loop(INDEX(terms)) as number:
            term = builder.sitofp(builder.sub(INDEX(terms), number), NUMBER)
            share = Vector(writer, writer.splat(builder.fdiv(NUMBER(1.0), term)))
            power = self._entries() | {(n, n): writer.get(carried) for n in inputs}
            found = product(scaled, power)
            for place, variable in self.power.items():
                entry = found[place] * share
                writer.put(variable, entry + 1.0 if place[0] == place[1] else entry)
            writer.put(carried, shifted * writer.get(carried) * share + 1.0)
            writer.put(decay, (writer.get(decay) + 1.0) * shifted * share * -1.0)
        less = writer.get(decay).where(usable, float("nan"))
        for variable in self.power.values():
            entry = writer.get(variable)
            writer.put(variable, entry + entry * less)

    def _entries(self) -> Entries:
        """Entries of ``power``, those of the inputs' own diagonal too."""
        states = self.pattern.states
        own = {(n, n): self.writer.vector(1.0) for n in range(states, states + len(self.pattern.inputs))}
        return {place: self.writer.get(variable) for place, variable in self.power.items()} | own

    def _reset(self, node: Any) -> None:
        resets = self.builder.icmp_unsigned("!=", self._row("resets", node, BYTE), self.writer.splat(BYTE(0)))
        with self.builder.if_then(self.writer.any(resets)):
            for number, state in enumerate(self.state):
                initial = self._input("initial", number)
                self.writer.put(state, initial.where(resets, self.writer.get(state)))

    def _settle(self, node: Any) -> None:
        """Put the subjects whose steady-state dose is recorded at this node at their steady state."""
        writer, builder = self.writer, self.builder
        with writer.loop(writer.whole("settling")) as number:
            here = builder.icmp_signed("==", self._column("settle_node", number, INDEX), writer.splat(node))
            with builder.if_then(writer.any(here)):
                adds = builder.icmp_unsigned("!=", self._column("settle_adds", number, BYTE), writer.splat(BYTE(0)))
                for row, state in enumerate(self.state):
                    place = builder.add(builder.mul(number, INDEX(self.pattern.states)), INDEX(row))
                    value = writer.get(state)
                    found = value.where(adds, 0.0) + Vector(writer, self._column("settled", place))
                    writer.put(state, found.where(here, value))

    def _dose(self, node: Any) -> None:
        """Give what jumps at this node, and set what flows from it to the next."""
        writer, pattern = self.writer, self.pattern
        for number, row in enumerate(pattern.into):
            jump = Vector(writer, self._row("jump", self._of(node, number)))
            writer.put(self.state[row], writer.get(self.state[row]) + jump)
        for state in self.state:
            writer.put(self.finite, writer.get(self.finite) + writer.get(state) * 0.0)
        for number in pattern.infused:
            flow = Vector(writer, self._row("rate", self._of(node, number)))
            position = pattern.inputs.index(pattern.into[number])
            writer.put(self.rates[position], self.forcing[position] + flow)

    def _record(self, node: Any) -> None:
        """Keep the states of the subjects that are sampled at this node."""
        writer, builder = self.writer, self.builder
        address, row = writer.numbers("slot", INDEX), writer.whole("slot_row")
        with builder.if_else(builder.icmp_signed("==", row, INDEX(0))) as (alike, own):
            with alike:
                slot = builder.load(builder.gep(address, [node]))
                with builder.if_then(builder.icmp_signed(">=", slot, INDEX(0))):
                    for lane in range(LANES):
                        self._keep(lane, slot)
            with own:
                for lane, subject in enumerate(self.subjects):
                    slot = builder.load(builder.gep(address, [builder.add(builder.mul(subject, row), node)]))
                    with builder.if_then(builder.icmp_signed(">=", slot, INDEX(0))):
                        self._keep(lane, slot)

    def _keep(self, lane: int, slot: Any) -> None:
        writer, builder = self.writer, self.builder
        for number, state in enumerate(self.pattern.observed):
            value = builder.extract_element(writer.get(self.state[state]).value, INDEX(lane))
            line = builder.add(builder.mul(INDEX(number), writer.whole("subjects")), self.subjects[lane])
            place = builder.add(builder.mul(line, writer.whole("samples")), slot)
            builder.store(value, builder.gep(writer.numbers("sampled"), [place]))

    def _kept(self, place: Any, number: int) -> Any:
        """Address of a vector among those kept: the step at 0, then the entries of its exponential."""
        first = self.builder.mul(place, INDEX(1 + len(self.power)))
        return self.builder.gep(self.writer.numbers("kept", NUMBERS), [self.builder.add(first, INDEX(number))])

    def _of(self, node: Any, number: int) -> Any:
        """Place of a column in a row of jumps or rates."""
        return self.builder.add(self.builder.mul(node, INDEX(len(self.pattern.into))), INDEX(number))

    def _places(self, number: Any) -> list[Any]:
        first = self.builder.mul(number, self.writer.whole("subjects"))
        return [self.builder.add(first, subject) for subject in self.subjects]

    def _column(self, name: str, number: Any, kind: ir.Type = NUMBER) -> Any:
        """Vector of the group's subjects from an array (number, subject)."""
        return self.writer.gather(self.writer.numbers(name, kind), self._places(number))

    def _input(self, name: str, number: int) -> Vector:
        return Vector(self.writer, self._column(name, INDEX(number)))

    def _output(self, name: str, number: int, value: Vector) -> None:
        for lane, place in enumerate(self._places(INDEX(number))):
            one = self.builder.extract_element(value.value, INDEX(lane))
            self.builder.store(one, self.builder.gep(self.writer.numbers(name), [place]))

    def _row(self, name: str, place: Any, kind: ir.Type = NUMBER) -> Any:
        """Vector from an array with one row for all subjects or one each, at this place of the row."""
        writer, builder = self.writer, self.builder
        address, row = writer.numbers(name, kind), writer.whole(f"{name}_row")
        result = writer.variable(ir.VectorType(kind, LANES))
        with builder.if_else(builder.icmp_signed("==", row, INDEX(0))) as (alike, own):
            with alike:
                builder.store(writer.splat(builder.load(builder.gep(address, [place]))), result)
            with own:
                places = [builder.add(builder.mul(subject, row), place) for subject in self.subjects]
                builder.store(writer.gather(address, places), result)
        return builder.load(result)


def product(a: Mapping[Place, Vector], b: Mapping[Place, Vector]) -> Entries:
    """Entries of the product of two matrices; a sum runs over the middle index in order."""
    columns: dict[int, list[tuple[int, Vector]]] = {}
    for (row, column), entry in sorted(b.items(), key=_place):
        columns.setdefault(row, []).append((column, entry))
    found: Entries = {}
    for (row, middle), entry in sorted(a.items(), key=_place):
        for column, other in columns.get(middle, ()):
            term = entry * other
            found[row, column] = found[row, column] + term if (row, column) in found else term
    return found


def _place(item: tuple[Place, Vector]) -> Place:
    return item[0]


def _shift(writer: Writer, matrix: Mapping[Place, Vector], states: int) -> Vector:
    """Most negative diagonal entry, sign changed; 0 where an off-diagonal entry is negative."""
    lowest = writer.vector(0.0)
    for n in range(states):
        if (n, n) in matrix:
            lowest = lowest.larger(matrix[n, n] * -1.0)
    for (row, column), entry in matrix.items():
        if row != column:
            lowest = lowest.where(entry.compare(">=", 0.0), 0.0)
    return lowest


def _norm(writer: Writer, matrix: Mapping[Place, Vector], states: int, shift: Vector) -> Vector:
    """Largest row sum of the shifted matrix, and at least the shift; NaN where an entry is."""
    largest, poison = shift, writer.vector(0.0)
    for row in range(states):
        total = writer.vector(0.0)
        for column in range(states):
            entry = matrix.get((row, column))
            if row == column:
                total = total + _size(shift if entry is None else entry + shift)
            elif entry is not None:
                total = total + _size(entry)
        poison = poison + total * 0.0
        largest = largest.larger(total)
    return largest + poison


def _size(value: Vector) -> Vector:
    return value.where(value.compare(">=", 0.0), value * -1.0)


def _indices(value: int) -> ir.Constant:
    return INDICES([INDEX(value)] * LANES)
