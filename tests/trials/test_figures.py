"""Figures: that they show the numbers they were given, are the same bytes twice, and leave matplotlib alone."""

import dataclasses
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import cohorts
from engine.dosing.regimen import Regimen
from engine.models.loading import load_model
from trials.figures import forest, of_outcomes, posterior, power, style, whatif
from trials.figures.example import Group, Profiles, Ratios, Target, crossover, distributions, responses
from trials.figures.gallery import draw
from trials.figures.of_example import by_arm
from trials.figures.of_posterior import reported
from trials.figures.picture import clock, labelled, write


def texts(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text)]


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_every_picture_of_a_result_is_written_twice_with_the_same_bytes(synthetic, tmp_path):
    first = write(draw(synthetic), tmp_path / "one")
    second = write(draw(synthetic), tmp_path / "two")
    assert first.keys() == second.keys()
    assert {"power", "characteristics"} <= first.keys()
    assert any(name.startswith("example_") for name in first)
    for name in first:
        assert first[name].read_bytes() == second[name].read_bytes()
        png = [(tmp_path / folder / f"{name}.png").read_bytes() for folder in ("one", "two")]
        assert png[0] == png[1]
        assert png[0].startswith(b"\x89PNG")
        assert b"<dc:date>" not in first[name].read_bytes()


def test_every_picture_of_virtual_subjects_says_so(synthetic):
    for picture in draw(synthetic):
        assert any("virtual" in text for text in texts(picture.figure)), picture.name


def test_drawing_leaves_settings_and_pyplot_alone(synthetic, tmp_path):
    before = dict(mpl.rcParams)
    write(draw(synthetic), tmp_path)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


def test_importing_trials_does_not_import_matplotlib():
    code = "import sys, trials.report, trials.packaging, trials.verification; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0


def test_predictive_check_shows_every_observation_and_the_bands(calibrated):
    bands = cohorts.predictive_check(calibrated.posterior)
    figure = next(picture.figure for picture in draw(calibrated) if picture.name == "predictive_check")
    axes = figure.axes[0]
    points = next(line for line in axes.get_lines() if line.get_marker() == "o")
    np.testing.assert_array_equal(points.get_ydata(), calibrated.posterior["observed_data"]["concentration"])
    drawn = [line.get_ydata() for line in axes.get_lines() if line.get_marker() != "o"]
    np.testing.assert_allclose(drawn, bands["observed"].transpose("quantile", "bin"))
    edges = [collection.get_paths()[0].vertices[:, 1] for collection in axes.collections]
    for row, edge in enumerate(edges):
        assert np.isin(bands["upper"].values[:, row], edge).all()
        assert np.isin(bands["lower"].values[:, row], edge).all()
    assert axes.get_xlabel() == "time (h)"
    assert axes.get_ylabel() == "concentration (mg/L)"


def test_posterior_pictures_have_every_reported_number(calibrated):
    pictures = {picture.name: picture.figure for picture in draw(calibrated)}
    assert {"predictive_check", "posterior", "chains"} <= pictures.keys()
    titles = {axes.get_title("left") for axes in pictures["posterior"].axes}
    assert {"ka (1/h)", "ω ka", "cl (L/h)", "ω cl"} <= titles
    assert len(pictures["chains"].axes) == 2 * len(cohorts.diagnose(calibrated.posterior))


def test_levels_of_a_covariate_are_told_apart(calibrated):
    posterior = calibrated.posterior.copy()
    for group, shape in (("posterior", (4, 300, 2)), ("prior", (1, 400, 2))):
        draws = np.random.default_rng(1).normal([0.7, 0.4], 0.1, shape)
        effect = xr.DataArray(draws, {"level": ["*1/*2", "*1/*3"]}, ("chain", "draw", "level"))
        posterior[group] = xr.DataTree(posterior[group].to_dataset().assign(beta_cl_gene=effect))
    found = {draws.name: draws for draws in reported(posterior, calibrated.trial.protocol.model, {"cl_pop": 2.9})}
    assert found["beta_cl_gene[*1/*3]"].values.mean() == pytest.approx(0.4, abs=0.02)
    assert found["cl_pop"].reference == 2.9
    assert found["ka_pop"].reference is None
    assert found["beta_cl_gene[*1/*2]"].label == "β cl gene[*1/*2]"


def test_density_integrates_to_one_and_does_not_leak_below_zero(rng):
    values = np.abs(rng.normal(0, 1, 4000))
    grid = np.linspace(-1, 6, 4000)
    height = posterior.density(values, grid)
    assert np.trapezoid(height, grid) == pytest.approx(1, abs=0.01)
    assert (height[grid < 0] == 0).all()
    assert height[grid >= 0][0] == pytest.approx(np.sqrt(2 / np.pi), rel=0.08)


def test_posterior_panels_show_mean_interval_and_reference(rng):
    values = rng.normal(2.0, 0.1, (4, 500))
    figure = posterior.densities([posterior.Draws("omega_ka", "1", values, rng.normal(2, 1, 500), 2.1)])
    axes = figure.axes[0]
    assert axes.get_title("left") == "ω ka"
    drawn = [line.get_xdata() for line in axes.get_lines()]
    assert any(np.allclose(x, np.quantile(values, [0.05, 0.95])) for x in drawn if len(x) == 2)
    assert any(np.allclose(x, values.mean()) for x in drawn if len(x) == 1)
    assert any(np.allclose(x, 2.1) for x in drawn if len(x) == 2)


def test_rank_plot_shows_a_chain_that_disagrees(rng):
    good = rng.normal(0, 1, (4, 500))
    bad = good + np.array([3.0, 0, 0, 0])[:, None]
    tops = []
    for values in (good, bad):
        panel = posterior.chains([posterior.Draws("cl_pop", "L/h", values)]).axes[1]
        tops.append(panel.get_ylim()[1])
        np.testing.assert_allclose(np.mean([patch.get_data().values.mean() for patch in panel.patches[1:]]), 1)
    assert tops[0] == 2.0
    assert tops[1] > 3.0


def test_power_points_and_bars_are_the_numbers():
    point = power.Point("null", 1.25, 0.05, 0.04, 0.07, truth_mcse=0.01)
    exact = power.Curve("exact", np.array([0.8, 1.0, 1.25]), np.array([0.05, 0.9, 0.05]))
    figure = power.power([power.Panel("auc", (point,), (exact,))], power.EffectAxis("ratio", (0.8, 1.25), True, 0.05))
    axes = figure.axes[0]
    bars = [segment for collection in axes.collections for segment in collection.get_segments()]
    assert any(np.allclose(segment, [[1.25, 0.04], [1.25, 0.07]]) for segment in bars)
    assert any(np.allclose(segment, [[1.25 - 0.0196, 0.05], [1.25 + 0.0196, 0.05]]) for segment in bars)
    assert any(np.array_equal(line.get_ydata(), exact.power) for line in axes.get_lines())
    assert "1 null" in " ".join(texts(figure))
    assert axes.get_xscale() == "log"


def test_power_numbers_close_points_together():
    points = tuple(power.Point(name, 1.0, 0.9, 0.88, 0.92) for name in ("a", "b"))
    figure = power.power([power.Panel("auc", points)], power.EffectAxis("difference"))
    assert "1, 2" in texts(figure)


def test_many_analyses_stand_in_rows_of_two():
    panels = [power.Panel(str(i), (power.Point("a", 0.1 * i, 0.5, 0.4, 0.6),)) for i in range(3)]
    figure = power.power(panels, power.EffectAxis("true difference (%)"))
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]
    assert [axes.get_title("left") for axes in figure.axes[:3]] == ["0", "1", "2"]


def test_range_of_an_endpoint_is_behind_the_responses(synthetic):
    for picture in draw(synthetic):
        if picture.name == "example_concentration":
            assert "range 4-8" in texts(picture.figure)
            break
    else:
        assert synthetic.trial.protocol.design.periods == 2


def test_power_of_a_result_has_its_shares_and_curve(synthetic, synthetic_characteristics):
    figure = next(picture.figure for picture in draw(synthetic) if picture.name == "power")
    first = next(iter(synthetic.trial.protocol.analyses)).name
    for by in synthetic_characteristics.values():
        share = by[first].get("power", by[first].get("type_1_error"))["value"]
        drawn = np.concatenate([np.atleast_1d(line.get_ydata()) for line in figure.axes[0].get_lines()])
        assert np.isclose(drawn.astype(float), share).any()
    exact = any("within-subject CV" in text for text in texts(figure))
    assert exact == (synthetic.power_curve is not None)


def test_power_over_what_leaves_the_effect_alone_has_its_own_axis(synthetic, synthetic_characteristics):
    """A curve over the number of patients would be a vertical line over effects."""
    assert "curve" not in {picture.name for picture in draw(synthetic)}
    if synthetic.power_curve is None:
        return
    walked = synthetic.power_curve.copy(deep=True)
    walked["effect"][:] = 0.05
    pictures = {one.name: one.figure for one in of_outcomes.power_pictures(
        dataclasses.replace(synthetic, power_curve=walked), synthetic_characteristics)}  # fmt: skip
    name = synthetic.trial.protocol.analyses[0].name
    (line,) = [line for line in pictures["curve"].axes[0].get_lines() if len(line.get_xdata()) == walked.sizes["value"]]
    np.testing.assert_allclose(line.get_xdata(), walked["value"].values)
    shares = walked["decision"].sel(analysis=name).mean("replicate").values
    np.testing.assert_allclose(line.get_ydata(), shares)
    assert not any("simulated trials a point" in text for text in texts(pictures["power"]))


def test_forest_draws_what_there_is():
    rows = [forest.Row("s1", "auc", {"success": (0.9, 0.01)}), forest.Row("s1", "cmax"), forest.Row("s2", "auc")]
    figure = forest.forest(rows, [forest.Column("success", "Success", 0.5), forest.Column("bias", "Bias")])
    segments = [segment for collection in figure.axes[0].collections for segment in collection.get_segments()]
    assert any(np.allclose(segment[:, 0], [0.9 - 0.0196, 0.9 + 0.0196]) for segment in segments)
    assert len(figure.axes[0].containers) == 1
    assert len(figure.axes[1].containers) == 0
    assert {"s1", "s2", "auc", "cmax"} <= set(texts(figure))


def test_endpoints_by_arm_of_the_example(synthetic):
    name = synthetic.trial.protocol.endpoints[0].name
    example = synthetic.example.isel(scenario=0)
    found = by_arm(example, name)
    values, arm = example[f"endpoint_{name}"].values, example["arm"].values
    for index, got in enumerate(found.values()):
        subjects = np.flatnonzero((arm == index).any(axis=1))
        np.testing.assert_allclose(got[subjects], values[arm == index])
        assert np.isnan(np.delete(got, subjects)).all()


def test_crossover_panels(rng):
    profile = Profiles("test", np.arange(4.0), rng.uniform(1, 2, (6, 4)))
    ratios = Ratios("auc", np.array([0.9, 1.0, 1.1]), 0.99, 0.93, 1.05)
    figure = crossover([profile, profile], [ratios], labels=("t", "c"), limits=Target(0.8, 1.25, "80-125 %"))
    assert len(figure.axes) == 3
    np.testing.assert_allclose(figure.axes[0].get_lines()[-1].get_ydata(), profile.values.mean(axis=0))
    segments = [segment for collection in figure.axes[2].collections for segment in collection.get_segments()]
    assert any(np.allclose(segment[:, 1], [0.93, 1.05]) for segment in segments)


def test_responses_and_distributions(rng):
    values = rng.normal(2.5, 0.5, (100, 5))
    figure = responses([Profiles("a", np.arange(5.0), values)], labels=("t", "y"), target=Target(2, 3, "range"))
    bold = max(figure.axes[0].get_lines(), key=lambda line: line.get_linewidth())
    np.testing.assert_allclose(bold.get_ydata(), np.median(values, axis=0))
    figure = distributions([Group("a", values[:, 0], (("KNOWN", 2.7),))], label="y")
    assert f"{values[:, 0].mean():.3g}" in texts(figure)
    assert "KNOWN 2.7" in texts(figure)


@pytest.fixture
def simulated():
    times = np.linspace(0, 240, 50)
    model = load_model("warfarin_inr")
    return model, times, {o.name: times + index for index, o in enumerate(model.outputs)}


def test_whatif_shows_the_patient_and_every_dose(simulated):
    model, times, outputs = simulated
    dosing = Regimen.parse("10 mg into depot every 1 day, 3 times; 5 mg into depot at 72 h every 24 h, 90 times; "
                           "24 mg into central at 1 day rate 1 mg/h")  # fmt: skip
    figure = whatif.typical(model, whatif.administered(model, dosing), times, outputs, title="a patient")
    assert len(figure.axes) == len(model.outputs) + 1
    for axes, values in zip(figure.axes, outputs.values(), strict=False):
        np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), values)
        np.testing.assert_allclose(axes.get_lines()[0].get_xdata()[-1], 10.0)
    strip = figure.axes[-1]
    marks = [line.get_xdata()[0] for line in strip.get_lines() if line.get_marker() == "^"]
    np.testing.assert_allclose(marks, np.arange(11))
    bars = [line.get_xdata() for line in strip.get_lines() if line.get_marker() != "^"]
    np.testing.assert_allclose(bars, [[1.0, 2.0]])
    assert {"a patient", "10 mg", "5 mg", "24 mg", "depot", "central"} <= set(texts(figure))
    assert figure.axes[1].get_ylabel() == "inr"
    assert strip.get_xlabel() == "time (days)"


def test_whatif_shows_what_a_policy_chose(simulated):
    model, times, outputs = simulated
    given = whatif.chosen(model, "depot", np.array([0.0, 24.0, 48.0]), np.array([5.0, 0.0, 7.5]))
    figure = whatif.typical(model, given, times, outputs, title="policy")
    marks = [line.get_xdata()[0] for line in figure.axes[-1].get_lines()]
    np.testing.assert_allclose(marks, [0.0, 2.0])
    assert {"5 mg", "7.5 mg"} <= set(texts(figure))


def test_ends_of_curves_do_not_overlap():
    _, ((axes,),) = style.canvas((4, 3))
    axes.set_ylim(0, 1)
    style.label_ends(axes, [(1, 0.5, "b", "k"), (1, 0.49, "a", "k"), (1, 0.51, "c", "k")], gap=0.1)
    heights = sorted(text.xy[1] for text in axes.texts)
    assert np.diff(heights).min() >= 0.1 - 1e-12


def test_clock_and_labels():
    times, unit = clock(np.array([0.0, 240.0]), "h")
    assert (times[-1], unit) == (10.0, "days")
    assert clock(np.array([0.0, 24.0]), "h")[1] == "h"
    assert clock(np.array([0.0, 240.0]), "min")[1] == "min"
    assert labelled("time_in_range", "%") == "time in range (%)"
    assert labelled("inr", "INR") == "inr"
    assert labelled("ratio", "1") == "ratio"


@pytest.mark.parametrize("values", [[], [3.0]])
def test_an_arm_with_hardly_any_values_is_drawn_without_a_warning(values):
    groups = [Group("placebo", np.array(values), (("THEIRS", 2.0),)), Group("drug", np.array([1.0, 2.0, 4.0]))]
    figure = distributions(groups, label="half-life (h)")
    drawn = [text.get_text() for text in figure.get_axes()[0].texts]
    assert "THEIRS 2" in drawn
    assert ("3" in drawn) == bool(values)
