"""Machine code for eight subjects at a time, written while the program runs and compiled by LLVM in some 0.1 s.

A kernel is written once, as Python that computes with :class:`Vector` (eight numbers, one a subject) and loops with
:class:`Writer`; what it computes with becomes straight-line code for the pattern of one model. Nothing is kept on disk,
so there is nothing that could be out of date. Operations are never reordered, and fused only where it is written: a
subject's bits are the same in any lane, beside any neighbours and on any processor.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import CFUNCTYPE, c_void_p
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numpy.typing import NDArray

LANES = 8
NUMBER, INDEX, BYTE = ir.DoubleType(), ir.IntType(64), ir.IntType(8)
NUMBERS, INDICES, FLAGS = (ir.VectorType(kind, LANES) for kind in (NUMBER, INDEX, ir.IntType(1)))


@dataclass(frozen=True, slots=True)
class Vector:
    """Eight numbers that Python's operators compute with; comparisons give a flag for each lane."""

    writer: "Writer"
    value: Any

    def _with(self, operation: str, other: "Vector | float") -> "Vector":
        return Vector(self.writer, getattr(self.writer.builder, operation)(self.value, self.writer.vector(other).value))

    def __add__(self, other: "Vector | float") -> "Vector":
        """Sum, lane by lane."""
        return self._with("fadd", other)

    def __sub__(self, other: "Vector | float") -> "Vector":
        """Difference, lane by lane."""
        return self._with("fsub", other)

    def __mul__(self, other: "Vector | float") -> "Vector":
        """Product, lane by lane."""
        return self._with("fmul", other)

    def compare(self, sign: str, other: "Vector | float") -> Any:
        """Flags of an ordered comparison: False where a number is NaN."""
        return self.writer.builder.fcmp_ordered(sign, self.value, self.writer.vector(other).value)

    def where(self, flags: Any, other: "Vector | float") -> "Vector":
        """Keep this where the flags are set, else take the other."""
        return Vector(self.writer, self.writer.builder.select(flags, self.value, self.writer.vector(other).value))

    def larger(self, other: "Vector") -> "Vector":
        """Take the larger, lane by lane."""
        return self.where(self.compare(">", other), other)

    def __truediv__(self, other: "Vector | float") -> "Vector":
        """Quotient, lane by lane."""
        return self._with("fdiv", other)

    def __neg__(self) -> "Vector":
        """Opposite, lane by lane."""
        return Vector(self.writer, self.writer.builder.fneg(self.value))

    def fma(self, factor: "Vector | float", term: "Vector | float") -> "Vector":
        """Product with a factor and a term added, rounded once."""
        given = [self.value, *(self.writer.vector(one).value for one in (factor, term))]
        return self._call("llvm.fma", given)

    def sqrt(self) -> "Vector":
        """Square root, lane by lane."""
        return self._call("llvm.sqrt", [self.value])

    def magnitude(self) -> "Vector":
        """Absolute value, lane by lane."""
        return self._call("llvm.fabs", [self.value])

    def rounded(self) -> "Vector":
        """Nearest whole number, the even one of two."""
        return self._call("llvm.rint", [self.value])

    def signed(self, other: "Vector") -> "Vector":
        """With the signs of the other."""
        return self._call("llvm.copysign", [self.value, other.value])

    def but(self, flags: Any, other: "Vector | float") -> "Vector":
        """Take the other where the flags are set, else keep this."""
        return self.writer.vector(other).where(flags, self)

    def unlike(self, other: "Vector | float") -> Any:
        """Flags of what differs; a NaN differs from itself."""
        return self.writer.builder.fcmp_unordered("!=", self.value, self.writer.vector(other).value)

    def _call(self, name: str, arguments: list[Any]) -> "Vector":
        builder = self.writer.builder
        module, full = builder.module, f"{name}.v{LANES}f64"
        kind = ir.FunctionType(NUMBERS, [NUMBERS] * len(arguments))
        function = module.globals[full] if full in module.globals else ir.Function(module, kind, full)
        return Vector(self.writer, builder.call(function, arguments))


class Writer:
    """Writes the code of one kernel: a function of a table of addresses and whole numbers, by name."""

    def __init__(self, fields: Sequence[str]) -> None:
        """Begin a kernel whose table has these fields."""
        module = ir.Module("kernel")
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), [INDEX.as_pointer()]), "kernel")
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        table = self.function.args[0]
        self._table = {
            name: self.builder.load(self.builder.gep(table, [INDEX(place)])) for place, name in enumerate(fields)
        }

    def whole(self, name: str) -> Any:
        """Whole number the table has under this name."""
        return self._table[name]

    def numbers(self, name: str, kind: ir.Type = NUMBER) -> Any:
        """Address the table has under this name."""
        return self.builder.inttoptr(self._table[name], kind.as_pointer())

    def vector(self, value: "Vector | float") -> Vector:
        """Eight times this number."""
        return value if isinstance(value, Vector) else Vector(self, NUMBERS([NUMBER(float(value))] * LANES))

    def variable(self, kind: ir.Type = NUMBERS) -> Any:
        """Place for a value that changes; LLVM keeps it in a register."""
        with self.builder.goto_entry_block():
            return self.builder.alloca(kind)

    def get(self, variable: Any) -> Vector:
        """Vector in a variable or at an address."""
        return Vector(self, self.builder.load(variable, align=8))

    def put(self, variable: Any, value: Vector) -> None:
        """Set a variable, or what is at an address."""
        self.builder.store(value.value, variable, align=8)

    def splat(self, value: Any) -> Any:
        """Vector that has this value in every lane."""
        kind = ir.VectorType(value.type, LANES)
        first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, INDEX(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)

    def gather(self, address: Any, places: Sequence[Any]) -> Any:
        """Vector of what is found at these places, one a lane."""
        kind = address.type.pointee
        result = ir.Constant(ir.VectorType(kind, LANES), ir.Undefined)
        for lane, place in enumerate(places):
            found = self.builder.load(self.builder.gep(address, [place]))
            result = self.builder.insert_element(result, found, INDEX(lane))
        return result

    def any(self, flags: Any) -> Any:
        """Whether a flag is set in one lane at least."""
        return self.builder.icmp_unsigned("!=", self.builder.bitcast(flags, BYTE), BYTE(0))

    def all(self, flags: Any) -> Any:
        """Whether the flag is set in every lane."""
        return self.builder.icmp_unsigned("==", self.builder.bitcast(flags, BYTE), BYTE(255))

    @contextmanager
    def loop(self, count: Any) -> Iterator[Any]:
        """Repeat what is written inside ``count`` times; gives the number of the round, from 0."""
        builder, place = self.builder, self.variable(INDEX)
        builder.store(INDEX(0), place)
        head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        builder.cbranch(builder.icmp_signed("<", builder.load(place), count), body, after)
        builder.position_at_end(body)
        number = builder.load(place)
        yield number
        builder.store(builder.add(number, INDEX(1)), place)
        builder.branch(head)
        builder.position_at_end(after)

    @contextmanager
    def endless(self) -> Iterator[Callable[[Any], None]]:
        """Repeat what is written inside until a flag given to the function this yields is set."""
        builder = self.builder
        head, after = builder.append_basic_block("again"), builder.append_basic_block("left")

        def leave(flag: Any) -> None:
            on = builder.append_basic_block("on")
            builder.cbranch(flag, after, on)
            builder.position_at_end(on)

        builder.branch(head)
        builder.position_at_end(head)
        yield leave
        builder.branch(head)
        builder.position_at_end(after)

    def compiled(self, *, effort: int = 1) -> "Kernel":
        """End the kernel and compile it for this processor; ``effort`` 0 leaves the code as it is written."""
        self.builder.ret_void()
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        machine = binding.Target.from_default_triple().create_target_machine(
            cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=1, jit=True
        )
        module = binding.parse_assembly(str(self.function.module))
        if effort:
            # Loops are written as they are to be: over lanes.
            tuning = binding.create_pipeline_tuning_options(speed_level=effort)
            tuning.loop_unrolling = tuning.loop_vectorization = tuning.slp_vectorization = False
            builder = binding.create_pass_builder(machine, tuning)
            builder.getModulePassManager().run(module, builder)
        engine = binding.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        return Kernel(engine, engine.get_function_address("kernel"))


@dataclass(frozen=True, slots=True)
class Kernel:
    """Compiled code, where it stands, and what owns its memory."""

    owner: Any
    address: int

    def __call__(self, *arguments: "NDArray[Any] | int") -> None:
        """Run on these arguments, in the order of the writer's fields; other threads go on meanwhile."""
        # A name keeps the table while the kernel runs.
        given = np.asarray([one if isinstance(one, int) else address(one) for one in arguments], np.int64)
        _FUNCTION(self.address)(address(given))


_FUNCTION = CFUNCTYPE(None, c_void_p)


def address(values: NDArray[Any]) -> int:
    """Where an array lies, which has to be kept while a kernel reads it."""
    if not values.flags.c_contiguous:
        raise ValueError("a kernel reads arrays in the order of C")
    found: int = values.__array_interface__["data"][0]  # a third of the time of its `ctypes`
    return found
