"""Equations as MathML: brackets where they are needed, and markup a parser accepts."""

import re
from xml.etree import ElementTree as ET

import pytest

from engine.models.expression import OPERATIONS, parse
from engine.models.loading import library, load_model
from trials.mathml import equation, equations, markup


def flat(text):
    """What is read aloud: fractions as {a|b}, powers as ^{}, subscripts as _{}."""
    return said(ET.fromstring(f"<m>{markup(parse(text)).text}</m>"))


def said(node):
    inner = [said(child) for child in node] or [node.text or ""]
    if node.tag == "mfrac":
        return f"{{{inner[0]}|{inner[1]}}}"
    if node.tag in ("msup", "msub"):
        return f"{inner[0]}{'^' if node.tag == 'msup' else '_'}{{{inner[1]}}}"
    return ("√" if node.tag == "msqrt" else "") + "".join(inner)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a - (b - c)", "a−(b−c)"),
        ("a - b - c", "a−b−c"),
        ("(a + b) * c", "(a+b)⋅c"),
        ("-ka * depot", "−ka⋅depot"),
        ("a * -b", "a⋅(−b)"),
        ("a - -2", "a−(−2)"),
        ("-(a + b)", "−(a+b)"),
        ("(-2)**x", "(−2)^{x}"),
        ("(a / b)**c", "({a|b})^{c}"),
        ("a**b**c", "a^{b^{c}}"),
        ("(a**b)**c", "(a^{b})^{c}"),
        ("a / (b / c)", "{a|{b|c}}"),
        ("a * (b / c)", "a⋅{b|c}"),
        ("exp(-k * t)**2", "(e^{−k⋅t})^{2}"),
        ("1e-8 * x", "1×10^{-8}⋅x"),
        ("sqrt(a + b) * c", "√a+b⋅c"),
        ("lambda_ + ec50 + cl_renal + v1", "λ+ec_{50}+cl_{renal}+v_{1}"),
        ("where(t > 1 and x <= 2, a, b)", "{aif\u00a0t>1∧x≤2belse"),
        ("max(0, a)", "max(0,a)"),
    ],
)
def test_brackets(text, shown):
    assert flat(text) == shown


def test_every_operation_is_written():
    for name, row in OPERATIONS.items():
        if row.symbol is None:
            call = f"{name}({', '.join('a > 1' if wants else 'a' for wants in row.takes)})"
            assert flat(call)


@pytest.mark.parametrize("name", library())
def test_equations_of_every_model_are_well_formed_and_complete(name):
    model = load_model(name)
    groups = dict(equations(model))
    assert len(groups["Rates of change"]) == len(model.states)
    assert len(groups["Outputs"]) == len(model.outputs)
    for rows in groups.values():
        for row in rows:
            assert ET.fromstring(row).tag == "math"


def test_text_is_escaped():
    assert not re.search(r"<mo><</mo>", equation("<mi>y</mi>", parse("where(a < b, 1, 0)")))
