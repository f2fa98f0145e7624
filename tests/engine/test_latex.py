"""LaTeX of expressions."""

import pytest

from engine.models.expression import parse
from engine.models.latex import latex, symbol, write
from engine.models.loading import load_model


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a - (b - c)", r"a - \left(b - c\right)"),
        ("a * (b / c)", r"a\,\frac{b}{c}"),
        ("(a / b)**c", r"\left(\frac{a}{b}\right)^{c}"),
        ("a**b**c", "a^{b^{c}}"),
        ("(a**b)**c", r"\left(a^{b}\right)^{c}"),
        ("-(a + b) * c", r"-\left(a + b\right)\,c"),
        ("a * -2", r"a\,\left(-2\right)"),
        ("2.5e-7 * a", r"2.5 \times 10^{-7}\,a"),
        ("exp(-k * t)", r"\exp\left(-k\,t\right)"),
        ("sqrt(a) + log(b)", r"\sqrt{a} + \ln\left(b\right)"),
        ("where(t >= 3, a, 0)", r"\begin{cases} a & \text{if } t \ge 3 \\ 0 & \text{otherwise} \end{cases}"),
    ],
)
def test_an_expression_reads_as_it_was_written(text, written):
    assert write(parse(text)) == written


@pytest.mark.parametrize(
    ("name", "written"),
    [("v1", "v_{1}"), ("lambda_", r"\lambda"), ("ec50", r"\mathrm{ec}_{50}"), ("k", "k"), ("gamma_2", r"\gamma_{2}")],
)
def test_a_name_has_its_index_and_greek(name, written):
    assert symbol(name) == written


def test_a_model_is_one_aligned_block():
    assert latex(load_model("one_compartment_iv")) == "\n".join(
        [
            r"\begin{aligned}",
            r"\frac{d\,\mathrm{central}}{dt} &= \frac{-\mathrm{cl}\,\mathrm{central}}{v} \\",
            r"\mathrm{concentration} &= \frac{\mathrm{central}}{v}",
            r"\end{aligned}",
        ]
    )
