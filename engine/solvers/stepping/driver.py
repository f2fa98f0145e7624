"""Taking subjects from stop to stop in compiled code: eight at a time, each in a lane of its own.

A lane whose subject has arrived, or needs to be looked after, takes the next of the queue, so that no lane waits for
another. Samples that a step passed are worked out eight at a time. What a stop does is done here where it is a dose or
an infusion; a stop at which more happens is left to :mod:`engine.solvers.stepping.march`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from llvmlite import ir

from engine.solvers.machine import INDEX, INDICES, LANES, NUMBER, NUMBERS, Kernel, Vector, Writer
from engine.solvers.stepping.columns import SHORT, START
from engine.solvers.stepping.symbols import EXTRA, FIRST, FRESH, LENGTH, STIFF, TIME

ARRIVED, DOUBTFUL, FINISHED = 1, 2, 3
"""Why a subject left its lane: at a stop to be looked after, not getting on, at its end."""
EACH = 8
"""Steps between looks at whether a subject gets on."""
TINY, VANISHING = 4e-16, 1e-30
"""Lengths of step, as part of the time and of the way that is left, with which no subject gets on."""
SURE = 12.0
"""So many steps in a row that stability limits make a subject stiff."""

FIELDS: Final = (
    # addresses of the step and of what is within it, and tables of their arguments
    "step", "within", "forth", "back", "asks",
    # registers: two of carried rows, in turn; parameters; subject, next sample and steps taken of each lane
    "one", "other", "given", "who", "due", "taken",
    # samples asked for: what the steps kept, times, places, the states found, and how many rows a step keeps
    "asked", "asked_time", "asked_place", "answered", "kept",
    # columns: how many, their rows, and whom to take
    "columns", "states", "rows", "carried", "parameters", "all_taken", "all_due", "stop", "sample", "until",
    "queue", "queued", "outcome",
    # itinerary
    "stop_time", "stop_node", "stop_before", "stop_afresh", "stop_hard", "last", "sample_last", "largest",
    "sample_time", "slot",
    # doses
    "into", "doses", "jump", "jump_row", "rate", "rate_row", "infused", "infusions", "flow_row",
    # results and limits
    "seen", "seen_count", "samples", "samples_row", "width", "ended", "limits",
)  # fmt: skip


@lru_cache(maxsize=1)
def driver() -> Kernel:
    """Compiled driver, the same for every model and method; its arguments are ``FIELDS``."""
    writer = Writer(FIELDS)
    _Driver(writer).write()
    return writer.compiled()


class _Driver:
    """Code of the driver."""

    def __init__(self, writer: Writer) -> None:
        self.writer, self.builder = writer, writer.builder
        self.next, self.busy, self.filled, self.turn = (self._whole() for _ in range(4))
        self.code, self.came, self.final, self.hard = (self._whole() for _ in range(4))
        self.here, self.there = (writer.variable(NUMBER.as_pointer()) for _ in range(2))

    # ---- small change
    def _whole(self) -> Any:
        place = self.writer.variable(INDEX)
        self.builder.store(INDEX(0), place)
        return place

    def _set(self, place: Any, value: Any) -> None:
        self.builder.store(value if isinstance(value, ir.Value) else INDEX(value), place)

    def _more(self, place: Any, by: int) -> Any:
        found = self.builder.add(self.builder.load(place), INDEX(by))
        self.builder.store(found, place)
        return found

    def _at(self, name: str, place: Any, kind: ir.Type = NUMBER) -> Any:
        return self.builder.gep(self.writer.numbers(name, kind), [place])

    def _get(self, name: str, place: Any, kind: ir.Type = NUMBER) -> Any:
        return self.builder.load(self._at(name, place, kind))

    def _put(self, name: str, place: Any, value: Any) -> None:
        self.builder.store(value, self._at(name, place, value.type))

    def _of(self, row: Any, width: Any, column: Any) -> Any:
        return self.builder.add(self.builder.mul(row, width), column)

    def _lane(self, row: Any, lane: Any) -> Any:
        return self._of(row, INDEX(LANES), lane)

    def _row(self, extra: int) -> Any:
        """Row of what is carried beside the states."""
        return self.builder.add(self.writer.whole("states"), INDEX(extra))

    def _register(self, which: Any, row: Any, lane: Any) -> Any:
        """Address of a number in the registers before (``here``) or after (``there``) the step."""
        return self.builder.gep(self.builder.load(which), [self._lane(row, lane)])

    def _vector(self, address: Any) -> Vector:
        return self.writer.get(self.builder.bitcast(address, NUMBERS.as_pointer()))

    def _carried(self, extra: int) -> Vector:
        return self._vector(self._register(self.there, self._row(extra), INDEX(0)))

    @contextmanager
    def _if(self, sign: str, a: Any, b: Any) -> Iterator[None]:
        with self.builder.if_then(self._holds(sign, a, b)):
            yield

    def _holds(self, sign: str, a: Any, b: Any) -> Any:
        if a.type == NUMBER:
            return self.builder.fcmp_ordered(sign, a, b)
        return self.builder.icmp_signed(sign, a, b)

    def _call(self, name: str, arguments: Any) -> None:
        kind = ir.FunctionType(ir.VoidType(), [INDEX.as_pointer()])
        function = self.builder.inttoptr(self.writer.whole(name), kind.as_pointer())
        self.builder.call(function, [self.builder.inttoptr(arguments, INDEX.as_pointer())])

    # ---- the rounds
    def write(self) -> None:
        """Write everything."""
        writer, builder = self.writer, self.builder
        with writer.loop(INDEX(LANES)) as lane:
            self._put("who", lane, INDEX(-1))
        with writer.endless() as leave:
            turned = self._holds("==", builder.load(self.turn), INDEX(0))
            one, other = writer.numbers("one"), writer.numbers("other")
            builder.store(builder.select(turned, one, other), self.here)
            builder.store(builder.select(turned, other, one), self.there)
            with self._if("<", builder.load(self.busy), INDEX(LANES)):
                self._fill()
            leave(self._holds("==", builder.load(self.busy), INDEX(0)))
            self._call("step", builder.select(turned, writer.whole("forth"), writer.whole("back")))
            self._look()
            self._set(self.turn, builder.sub(INDEX(1), builder.load(self.turn)))
        self._answer(builder.load(self.filled))

    def _fill(self) -> None:
        """Put subjects of the queue into lanes that have none."""
        writer, builder = self.writer, self.builder
        with writer.loop(INDEX(LANES)) as lane, self._if("<", self._get("who", lane, INDEX), INDEX(0)):
            place = builder.load(self.next)
            with self._if("<", place, writer.whole("queued")):
                column = self._get("queue", place, INDEX)
                self._more(self.next, 1)
                self._more(self.busy, 1)
                self._put("who", lane, column)
                with writer.loop(self._row(EXTRA)) as row:
                    value = self._get("carried", self._of(row, writer.whole("columns"), column))
                    builder.store(value, self._register(self.here, row, lane))
                with writer.loop(writer.whole("rows")) as row:
                    value = self._get("parameters", self._of(row, writer.whole("columns"), column))
                    self._put("given", self._lane(row, lane), value)
                self._put("due", lane, self._get("all_due", column))
                self._put("taken", lane, builder.sitofp(self._get("all_taken", column, INDEX), NUMBER))

    def _look(self) -> None:
        """Find the lanes where something is due, and do it."""
        writer, builder = self.writer, self.builder
        time, goal = self._carried(TIME), self._goals()
        taken = self._vector(self._at("taken", INDEX(0))) + 1.0
        writer.put(builder.bitcast(self._at("taken", INDEX(0)), NUMBERS.as_pointer()), taken)
        doubtful = self._doubtful(time, goal, taken)
        due = self._vector(self._at("due", INDEX(0))).compare("<=", time)
        who = builder.load(builder.bitcast(self._at("who", INDEX(0), INDEX), INDICES.as_pointer()), align=8)
        busy = builder.icmp_signed(">=", who, INDICES([INDEX(0)] * LANES))
        flags = builder.and_(busy, builder.or_(builder.or_(due, time.compare("==", goal)), doubtful))
        here = builder.extract_element
        with builder.if_then(writer.any(flags)), writer.loop(INDEX(LANES)) as lane, builder.if_then(here(flags, lane)):
            self._serve(lane, here(doubtful, lane))

    def _goals(self) -> Vector:
        return self._vector(self._at("given", self._lane(self._stop_row(), INDEX(0))))

    def _stop_row(self) -> Any:
        return self.builder.sub(self.writer.whole("rows"), INDEX(1))

    def _doubtful(self, time: Vector, goal: Vector, taken: Vector) -> Any:
        """Which lanes do not get on, are late, or look stiff; asked every so many steps."""
        builder, length, left = self.builder, self._carried(LENGTH), goal - time
        most, stiff = (
            Vector(self.writer, self.writer.splat(self._get("limits", INDEX(number)))) for number in range(2)
        )  # fmt: skip
        stuck = builder.or_(
            length.compare("<=", time.magnitude() * TINY), length.compare("<=", left * VANISHING)
        )  # fmt: skip
        stuck = builder.and_(stuck, length.compare("<", left))
        limited = builder.and_(self._carried(STIFF).compare(">", SURE), left.compare(">", stiff * length))
        asked = (taken * (1 / EACH)).compare("==", (taken * (1 / EACH)).rounded())
        return builder.and_(asked, builder.or_(builder.or_(stuck, limited), taken.compare(">", most)))

    def _serve(self, lane: Any, doubtful: Any) -> None:
        """Take the samples a lane passed, stop where it has arrived, and let it go on or out."""
        builder = self.builder
        column = self._get("who", lane, INDEX)
        now = builder.load(self._register(self.there, self._row(TIME), lane))
        for place in (self.came, self.final):
            self._set(place, 0)
        self._set(self.code, builder.select(doubtful, INDEX(DOUBTFUL), INDEX(0)))
        with self.writer.endless() as leave:
            self._take(lane, column, now)
            goal = self._get("given", self._lane(self._stop_row(), lane))
            leave(builder.not_(self._holds("==", now, goal)))
            self._set(self.came, 1)
            stop = self._get("stop", column, INDEX)
            hard = self._hard(stop, column)
            self._set(self.code, builder.select(hard, INDEX(ARRIVED), INDEX(0)))
            leave(hard)
            self._stop(lane, column, stop)
        with self._if("!=", builder.load(self.final), INDEX(0)):
            with self.writer.loop(self.writer.whole("states")) as row:
                value = builder.load(self._register(self.there, row, lane))
                self._put("ended", self._of(column, self.writer.whole("states"), row), value)
            self._set(self.code, FINISHED)
        still = self._holds("==", builder.load(self.code), INDEX(0))
        with builder.if_then(builder.and_(still, self._holds("!=", builder.load(self.came), INDEX(0)))):
            self._set_off(lane, now)
        with builder.if_then(builder.not_(still)):
            self._release(lane, column)

    def _release(self, lane: Any, column: Any) -> None:
        """Let a subject out of its lane."""
        writer, builder = self.writer, self.builder
        with writer.loop(self._row(EXTRA)) as row:
            value = builder.load(self._register(self.there, row, lane))
            self._put("carried", self._of(row, writer.whole("columns"), column), value)
        with writer.loop(writer.whole("rows")) as row:
            value = self._get("given", self._lane(row, lane))
            self._put("parameters", self._of(row, writer.whole("columns"), column), value)
        self._put("all_due", column, self._get("due", lane))
        self._put("all_taken", column, builder.fptosi(self._get("taken", lane), INDEX))
        self._put("outcome", column, builder.load(self.code))
        self._put("who", lane, INDEX(-1))
        self._more(self.busy, -1)

    # ---- samples
    def _take(self, lane: Any, column: Any, now: Any) -> None:
        """Take the samples due until now: at the end of the step at once, others are asked for."""
        writer, builder = self.writer, self.builder
        with writer.endless() as leave:
            due = self._get("due", lane)
            leave(builder.not_(self._holds("<=", due, now)))
            sample = self._get("sample", column, INDEX)
            place = self._of(column, writer.whole("width"), self._get("slot", sample, INDEX))
            with builder.if_else(self._holds("<", due, now)) as (before, at):
                with before:
                    self._ask(lane, due, place)
                with at, writer.loop(writer.whole("seen_count")) as number:
                    state = self._get("seen", number, INDEX)
                    value = builder.load(self._register(self.there, state, lane))
                    self._put("samples", self._of(number, writer.whole("samples_row"), place), value)
            following = builder.add(sample, INDEX(1))
            self._put("sample", column, following)
            self._point(lane, column, following)

    def _point(self, lane: Any, column: Any, sample: Any) -> None:
        """Set when the next sample is due; never when it comes after the stop."""
        more = self._holds("<", sample, self._get("until", column, INDEX))
        time = self._get("sample_time", sample)
        self._put("due", lane, self.builder.select(more, time, NUMBER(float("inf"))))

    def _ask(self, lane: Any, time: Any, place: Any) -> None:
        writer, builder = self.writer, self.builder
        number = builder.load(self.filled)
        with writer.loop(writer.whole("kept")) as row:
            value = builder.load(self._register(self.there, builder.add(self._row(EXTRA), row), lane))
            self._put("asked", self._lane(row, number), value)
        self._put("asked_time", number, time)
        self._put("asked_place", number, place)
        with self._if("==", self._more(self.filled, 1), INDEX(LANES)):
            self._answer(INDEX(LANES))
            self._set(self.filled, 0)

    def _answer(self, count: Any) -> None:
        """Work out the samples asked for and put them in their places."""
        writer = self.writer
        self._call("within", writer.whole("asks"))
        with writer.loop(count) as number:
            place = self._get("asked_place", number, INDEX)
            with writer.loop(writer.whole("seen_count")) as state:
                value = self._get("answered", self._lane(state, number))
                self._put("samples", self._of(state, writer.whole("samples_row"), place), value)

    # ---- stops
    def _dosed(self, name: str, column: Any, node: Any, number: Any) -> Any:
        """Number from the jumps or rates, which have one row for all or one a subject."""
        writer = self.writer
        place = self._of(node, writer.whole("doses"), number)
        return self._get(name, self._of(column, writer.whole(f"{name}_row"), place))

    def _hard(self, stop: Any, column: Any) -> Any:
        """Whether more happens at a stop than is done here: a reset, a steady state, a dose larger than any before."""
        builder, writer = self.builder, self.writer
        node = self._get("stop_node", stop, INDEX)
        self._set(self.hard, self._get("stop_hard", stop, INDEX))
        with writer.loop(writer.whole("doses")) as number:
            self._compare(self._dosed("jump", column, node, number), column)
        with self._if(">", writer.whole("infusions"), INDEX(0)):
            following = builder.add(stop, INDEX(1))
            inside = self._holds("<", stop, self._get("last", column, INDEX))
            end = self._get("stop_time", builder.select(inside, following, stop))
            length = builder.fsub(end, self._get("stop_time", stop))
            with writer.loop(writer.whole("doses")) as number:
                self._compare(builder.fmul(self._dosed("rate", column, node, number), length), column)
        return self._holds("!=", builder.load(self.hard), INDEX(0))

    def _compare(self, amount: Any, column: Any) -> None:
        """A stop is hard where an amount would, rounded up to a power of 2, be the largest so far."""
        builder = self.builder
        reaches = self._holds(">=", amount, self._get("largest", column))
        larger = builder.and_(self._holds(">", amount, NUMBER(0.0)), reaches)
        self._set(self.hard, builder.or_(builder.load(self.hard), builder.zext(larger, INDEX)))

    def _stop(self, lane: Any, column: Any, stop: Any) -> None:
        """Give the doses of a stop, and point to the next."""
        builder = self.builder
        with self._if("!=", self._get("stop_afresh", stop, INDEX), INDEX(0)):
            builder.store(NUMBER(-1.0), self._register(self.there, self._row(LENGTH), lane))
            builder.store(NUMBER(float("inf")), self._register(self.there, self._row(FIRST), lane))
        self._dose(lane, column, self._get("stop_node", stop, INDEX))
        last = self._holds("==", stop, self._get("last", column, INDEX))
        following = builder.select(last, stop, builder.add(stop, INDEX(1)))
        self._put("stop", column, following)
        goal = builder.select(last, NUMBER(float("nan")), self._get("stop_time", following))
        self._put("given", self._lane(self._stop_row(), lane), goal)
        until = builder.select(
            last, self._get("sample_last", column, INDEX), self._get("stop_before", following, INDEX)
        )  # fmt: skip
        self._put("until", column, until)
        self._point(lane, column, self._get("sample", column, INDEX))
        self._set(self.final, builder.zext(last, INDEX))

    def _dose(self, lane: Any, column: Any, node: Any) -> None:
        writer, builder = self.writer, self.builder

        with writer.loop(writer.whole("doses")) as number:
            place = self._register(self.there, self._get("into", number, INDEX), lane)
            builder.store(builder.fadd(builder.load(place), self._dosed("jump", column, node, number)), place)
        with writer.loop(writer.whole("infusions")) as number:
            row = builder.add(writer.whole("flow_row"), number)
            self._put(
                "given", self._lane(row, lane), self._dosed("rate", column, node, self._get("infused", number, INDEX))
            )

    def _set_off(self, lane: Any, now: Any) -> None:
        """Choose the length of the first step after a stop; one that starts afresh has length -1."""
        builder = self.builder
        length, first = (
            builder.load(self._register(self.there, self._row(row), lane)) for row in (LENGTH, FIRST)
        )  # fmt: skip
        left = builder.fsub(self._get("given", self._lane(self._stop_row(), lane)), now)
        clock = builder.select(self._holds("<", now, NUMBER(0.0)), builder.fneg(now), now)
        short = self._holds("<", left, builder.fmul(clock, NUMBER(SHORT)))
        begin = builder.select(short, left, builder.fmul(left, NUMBER(START)))
        length = builder.select(
            self._holds("<", length, NUMBER(0.0)), begin,
            builder.select(self._holds("<", first, length), first, length),
        )  # fmt: skip
        for row, value in ((LENGTH, length), (STIFF, NUMBER(0.0)), (FRESH, NUMBER(1.0))):
            builder.store(value, self._register(self.there, self._row(row), lane))
        self._put("taken", lane, NUMBER(0.0))
