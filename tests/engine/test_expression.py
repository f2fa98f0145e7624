"""Expressions: what is read, what is refused, that text and tree agree, that every algebra gives the same numbers."""

import contextlib
import math

import heyoka as hy
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from pytensor.compile.mode import Mode

from engine.errors import ModelError
from engine.models.algebras.arrays import ARRAYS
from engine.models.algebras.symbols import SYMBOLS
from engine.models.algebras.taylor import TAYLOR
from engine.models.algebras.tensors import TENSORS
from engine.models.calculus import differentiate, simplify
from engine.models.expression import Algebra, Apply, Expression, Name, Number, evaluate, parse, substitute, walk
from engine.models.operations import OPERATIONS

PLAIN = Mode(linker="py", optimizer=None)
POINTS = [(0.7, 2.5), (2.5, 0.7), (1.3, 1.3), (0.05, 3.0)]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("-ka*depot", "-ka * depot"),
        ("a-(b-c)", "a - (b - c)"),
        ("(a-b)-c", "a - b - c"),
        ("a/(b*c)", "a / (b * c)"),
        ("a**-b**c", "a**-b**c"),
        ("(a**b)**c", "(a**b)**c"),
        ("(-a)**2", "(-a)**2"),
        ("(-2)**a", "(-2)**a"),
        ("-2**2", "-2**2"),
        ("+a", "a"),
        ("1e-3 * a", "0.001 * a"),
        ("pi", repr(math.pi)),
        ("max(a, b, c)", "max(max(a, b), c)"),
        ("pow(a, 2)", "a**2"),
        ("a if t > 3 else b", "where(t > 3, a, b)"),
        ("where(0 < t <= 3 and not (a == b), 1, 0)", "where(0 < t and t <= 3 and not a == b, 1, 0)"),
    ],
)
def test_text_is_read_as_python_reads_it(text, printed):
    assert str(parse(text)) == printed
    assert parse(printed) == parse(text)


@pytest.mark.parametrize(
    "text", ["1 - 2 - 3", "2 / 3 / 4", "2 ** 3 ** 2", "-2 ** 2", "2 * -3 + 4", "7 - -2", "(1 + 2) * 3"]
)
def test_values_are_pythons(text):
    assert evaluate(parse(text), {}, ARRAYS) == pytest.approx(eval(text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a ^ b", r"write a power as a \*\* b"),
        ("a(b)", r"a\(\) is not a function here; there are abs,"),
        ("a.b", "Attribute is not allowed"),
        ("a[0]", "Subscript is not allowed"),
        ("'a'", "is not a number"),
        ("True", "True is not a number"),
        ("1j", "is not a number"),
        ("a // b", "FloorDiv is not allowed"),
        ("a is b", "Is is not allowed"),
        ("~a", "not allowed"),
        ("exp(a, b)", r"exp\(\) takes 1 argument\(s\), got 2"),
        ("exp(x=a)", "Call is not allowed"),
        ("exp(*a)", "Starred is not allowed"),
        ("(a < b) * 2", r"mul wants a number, got a < b; write where\(a < b, 1, 0\)"),
        ("where(a, 1, 2)", "where wants a comparison"),
        ("a and b", "and wants a comparison"),
        ("lambda * 2", "name it lambda_"),
        ("1e999", "too large"),
        ("1" + "0" * 400, "too large"),
        ("", "not an expression"),
        ("a = 1", "not an expression"),
        ("1if a>0else 2", "not an expression"),
        ("(" * 300 + "a" + ")" * 300, "not an expression"),
        ("-" * 200 + "a", "nested deeper than 100"),
        ("a + " * 2000 + "a", "longer than 4000"),
        ("__import__('os')", "is not a function here"),
        ("[a for a in b]", "ListComp is not allowed"),
    ],
)
def test_anything_else_is_refused_with_a_reason(text, reason):
    with pytest.raises(ModelError, match=reason) as caught:
        parse(text, "drug.yaml line 7, let.x")
    assert str(caught.value).startswith("drug.yaml line 7, let.x: ")


@pytest.mark.parametrize("value", [True, None, [1], {"a": 1}])
def test_only_text_and_numbers_are_expressions(value):
    with pytest.raises(ModelError, match="text or a number"):
        parse(value)


def test_nothing_is_executed(tmp_path):
    target = tmp_path / "touched"
    with pytest.raises(ModelError):
        parse(f"open('{target}', 'w')")
    assert not target.exists()


leaves = st.sampled_from(["a", "b", "c", "t", "lambda_"]).map(Name) | st.floats(
    allow_nan=False, allow_infinity=False
).map(Number)


@st.composite
def trees(draw: st.DrawFn, depth: int = 4, condition: bool = False) -> Expression:
    """A tree of every operation, its arguments of the kind it takes."""
    if depth == 0 and not condition:
        return draw(leaves)
    fitting = [name for name, row in OPERATIONS.items() if row.gives_condition == condition]
    if depth == 0:
        fitting = ["lt", "ne"]
    name = draw(st.sampled_from(fitting))
    below = max(depth - draw(st.integers(1, 3)), 0)
    return Apply(name, tuple(draw(trees(below, wanted)) for wanted in OPERATIONS[name].takes))


def _canonical(expression: Expression) -> Expression:
    """A minus before a literal is the literal's sign."""
    if not isinstance(expression, Apply):
        return expression
    arguments = tuple(_canonical(argument) for argument in expression.arguments)
    if expression.operation == "neg" and isinstance(arguments[0], Number):
        return Number(-arguments[0].value)
    return Apply(expression.operation, arguments)


@settings(deadline=None, max_examples=300)
@given(trees())
def test_a_tree_prints_to_text_that_reads_back(tree):
    assert parse(str(tree)) == _canonical(tree)
    assert hash(parse(str(_canonical(tree)))) == hash(_canonical(tree))


@settings(deadline=None, max_examples=500)
@given(st.text() | st.text(alphabet="ab1.e+-*/()<>=&|^ ,not\n\\'\"#:{}[]exp", max_size=40))
def test_any_text_is_an_expression_or_a_model_error(text):
    with contextlib.suppress(ModelError):
        assert isinstance(parse(text), Expression)


def _call(name: str) -> Expression:
    """The operation on a and b, as a number."""
    takes = OPERATIONS[name].takes
    a, b = Name("a"), Name("b")
    if name == "where":
        return Apply(name, (Apply("lt", (a, b)), a, b))
    condition = (Apply("lt", (a, b)), Apply("lt", (a, Number(1.0))))
    arguments = condition[: len(takes)] if takes[0] else (a, b)[: len(takes)]
    made = Apply(name, arguments)
    return Apply("where", (made, a, Number(7.0))) if made.is_condition else made


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_algebra_computes_the_same(name):
    expression = _call(name)
    a, b = hy.make_vars("a", "b")
    compiled = hy.cfunc([evaluate(expression, {"a": a, "b": b}, TAYLOR)], vars=[a, b])
    s = {n: sp.Symbol(n, real=True) for n in "ab"}
    symbolic = evaluate(expression, s, SYMBOLS)
    tensors = {n: pt.dscalar(n) for n in "ab"}
    graph = evaluate(expression, tensors, TENSORS)
    for x, y in POINTS:
        wanted = float(evaluate(expression, {"a": x, "b": y}, ARRAYS))
        assert compiled([x, y])[0] == pytest.approx(wanted, rel=1e-14)
        assert float(symbolic.subs({s["a"]: x, s["b"]: y})) == pytest.approx(wanted, rel=1e-13)
        values = {tensors["a"]: np.float64(x), tensors["b"]: np.float64(y)}
        assert float(graph.eval(values, on_unused_input="ignore", mode=PLAIN)) == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("by", ["a", "b"])
def test_derivatives_are_those_of_finite_differences(name, by):
    expression = _call(name)
    slope = differentiate(expression, by)
    for x, y in POINTS[:2]:
        at = {"a": x, "b": y}
        step = 1e-6
        above, below = ({**at, by: at[by] + sign * step} for sign in (1, -1))
        numeric = (evaluate(expression, above, ARRAYS) - evaluate(expression, below, ARRAYS)) / (2 * step)
        assert float(evaluate(slope, at, ARRAYS)) == pytest.approx(float(numeric), rel=1e-7, abs=1e-8)


def test_arrays_broadcast_and_out_of_range_is_silent():
    values = evaluate(parse("where(a > 0, log(a), 1 / a)"), {"a": np.array([[1.0, 0.0, -2.0]])}, ARRAYS)
    np.testing.assert_array_equal(values, [[0.0, np.inf, -0.5]])


def test_an_algebra_must_have_every_operation_and_no_other():
    table = dict(ARRAYS.operations)
    del table["tanh"]
    with pytest.raises(ModelError, match="algebra odd: operations missing or unknown: erf, tanh"):
        Algebra("odd", float, {**table, "erf": math.erf})


def test_substitution_and_simplification():
    expression = parse("a * x + b * y - c * 0")
    assert str(simplify(substitute(expression, {"x": Number(0), "y": Number(1)}))) == "b"
    assert {str(node) for node in walk(parse("a + exp(b)"))} == {"a + exp(b)", "a", "exp(b)", "b"}
    assert parse("a + b * t").names == {"a", "b", "t"}


def test_pytensor_gradient_is_the_symbolic_derivative():
    expression = parse("where(a > b, exp(-a) * b**2, tanh(a / b)) + min(a, 2 * b)")
    tensors = {n: pt.dscalar(n) for n in "ab"}
    gradient = pytensor.grad(evaluate(expression, tensors, TENSORS), tensors["a"])
    for x, y in POINTS[:2]:
        wanted = float(evaluate(differentiate(expression, "a"), {"a": x, "b": y}, ARRAYS))
        values = {tensors["a"]: np.float64(x), tensors["b"]: np.float64(y)}
        assert float(gradient.eval(values, mode=PLAIN)) == pytest.approx(wanted, rel=1e-13)
