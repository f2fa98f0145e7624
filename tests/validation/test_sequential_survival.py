"""Group-sequential survival trials simulated through the whole platform against simulations by rpact."""

from pathlib import Path

import numpy as np
import pytest

import trials
from tests.trials.small import SMALL

pytestmark = pytest.mark.slow
HERE = Path(__file__).parents[1] / "trials" / "conf"
OTHERS = [word for word in SMALL if not word.startswith("replicates")]


def agree(mine, theirs, mcse):
    """Within three standard errors of both simulations together."""
    assert mine["value"] == pytest.approx(theirs, abs=3 * np.hypot(mine["mcse"], mcse))


def test_power_and_type_1_error_are_those_of_a_million_trials_of_rpact():
    """rpact 4.3.0, getSimulationSurvival: power 0.70905 (0.00045), type I error 0.02540 (0.00016).

    300 patients 1:1 in 12 months, control median 12 months, hazard ratio 0.7, 5 % drop out in a year; looks at 100 and
    200 events at 2.962588 and 1.968596.
    """
    trial = trials.load("exponential_survival", [*OTHERS, "replicates=10000", "block=500"], config_dir=HERE)
    bounds = trial.protocol.design.looks.critical(np.empty(0))[0]
    np.testing.assert_allclose(bounds, [2.962588, 1.968596], atol=1e-6)
    found = trials.characteristics(trials.run(trial))
    agree(found["effect"]["primary"]["power"], 0.70905, 0.00045)
    agree(found["no_effect"]["primary"]["type_1_error"], 0.02540, 0.00016)


RPACT = {
    0.65: {"reject": 0.9229, "stops": (0.2847, 0.4373), "n": 396.42889, "events": 187.2998, "duration": 19.67524},
    0.75: {"reject": 0.6176, "stops": (0.0872, 0.2726), "n": 398.14675, "events": 222.1988, "duration": 21.91614},
    1.0: {"reject": 0.0257, "stops": (0.0018, 0.0081), "n": 399.92302, "events": 249.2728, "duration": 22.22905},
}
"""rpact 3.3.4, getSimulationSurvival, 10,000 iterations: 400 patients in 15 months, control median 10 months,
O'Brien-Fleming spending at 125, 188 and 250 events."""


@pytest.mark.parametrize("ratio", RPACT)
def test_stops_subjects_events_and_duration_are_those_of_rpact(ratio):
    more = [
        "seed=2", "replicates=4000", "block=500", "design.n=400", "design.at=[125,188,250]",
        "enrolment.rates=[26.6666666667]",
        "population.parameters.hazard.typical=0.069314718056", "intercurrent.dropout.cause.rate=0",
        f"arms.test.modify.hazard={ratio}", "~scenarios.no_effect",
    ]  # fmt: skip
    made = trials.run(trials.load("exponential_survival", [*OTHERS, *more], config_dir=HERE))
    found, wanted = trials.characteristics(made)["effect"]["primary"], RPACT[ratio]
    share = wanted["reject"]
    agree(found["power"], share, np.sqrt(share * (1 - share) / 10_000))
    for look, stop in enumerate(wanted["stops"], 1):
        agree(found[f"stop_{look}"], stop, np.sqrt(stop * (1 - stop) / 10_000))
    for name in ("n", "events", "duration"):
        agree(found[name], wanted[name], found[name]["mcse"] * np.sqrt(0.4))
