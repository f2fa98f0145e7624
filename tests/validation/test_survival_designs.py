"""Simulated group-sequential survival designs have the characteristics others found for them by simulation."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from trials.analyses.survival.cutting import cut_at, time_of_event
from trials.analyses.survival.ranks import log_rank

HERE = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = json.loads((HERE / "survival.json").read_text(encoding="utf-8"))
REPLICATES, BLOCK = 20_000, 100


@dataclass(frozen=True)
class Design:
    """Exponential times under two arms, accrual at a constant rate, looks after so many events."""

    subjects: int
    accrual: float
    control: float
    ratio: float
    looks: dict
    lost: float = 0.0
    random_arrival: bool = True

    def block(self, rng):
        """Return statistics, calendar times and subjects enrolled at each look: (look, replicate)."""
        shape = (BLOCK, self.subjects)
        test = np.broadcast_to(np.arange(self.subjects) % 2 == 0, shape)
        even = np.broadcast_to((np.arange(self.subjects) + 1) / self.subjects, shape)
        enrolled = self.accrual * (np.sort(rng.uniform(size=shape), axis=1) if self.random_arrival else even)
        event = rng.exponential(size=shape) / (self.control * np.where(test, self.ratio, 1.0))
        lost = rng.exponential(size=shape) / self.lost if self.lost else np.full(shape, np.inf)
        time, happened = np.minimum(event, lost), event <= lost
        found = []
        for events in self.looks:
            calendar = time_of_event(enrolled, time, happened, events)
            known, seen = cut_at(enrolled, time, happened, calendar)
            assert (seen.sum(axis=1) == events).all()
            there = np.isfinite(known)
            score = log_rank(known, seen, there, test & there)
            found.append((-score.score / np.sqrt(score.variance), calendar, there.sum(axis=1)))
        return np.stack(found, axis=1)

    def run(self, seed):
        """Return which look rejects (or -1), calendar times and subjects, each (look, replicate) but the first."""
        rng = np.random.default_rng(seed)
        z, calendar, subjects = np.concatenate([self.block(rng) for _ in range(REPLICATES // BLOCK)], axis=2)
        over = z > np.array(list(self.looks.values()))[:, None]
        return np.where(over.any(axis=0), over.argmax(axis=0), -1), calendar, subjects


@pytest.mark.parametrize(("ratio", "wanted", "error"), [(0.7, 0.70905, 0.00045), (1.0, 0.02540, 0.00016)])
def test_two_looks_with_losses(ratio, wanted, error):
    """A million replicates of rpact 4.3.0; the boundary is that of O'Brien-Fleming spending."""
    looks = {100: 2.962588, 200: 1.968596}
    design = Design(300, 12.0, np.log(2) / 12, ratio, looks, lost=-np.log(0.95) / 12)
    share = (design.run(1)[0] >= 0).mean()
    assert share == pytest.approx(wanted, abs=3 * np.hypot(error, np.sqrt(wanted * (1 - wanted) / REPLICATES)))


@pytest.mark.slow
@pytest.mark.parametrize("scenario", range(3))
def test_three_looks_of_rpact(scenario):
    simulated, analytic = REFERENCE["rpact_sim_surv"], REFERENCE["rpact_power_surv_gs"]["outputs"]
    given, wanted = simulated["inputs"], simulated["outputs"]
    ratios = np.array(analytic["criticalValuesEffectScale"])[:, 0]
    boundary = -np.log(ratios) * np.sqrt(np.array(analytic["eventsPerStage"])[:, 0]) / 2
    looks = dict(zip(given["plannedEvents"], boundary, strict=True))
    ratio = given["hazardRatio"][scenario]
    design = Design(given["maxNumberOfSubjects"], 15.0, given["lambda2"], ratio, looks, random_arrival=False)
    look, calendar, subjects = design.run(2 + scenario)
    for stage, share in enumerate(np.array(wanted["rejectPerStage"])[:, scenario]):
        error = np.sqrt(share * (1 - share) * (1 / REPLICATES + 1 / given["maxNumberOfIterations"]))
        assert (look == stage).mean() == pytest.approx(share, abs=3.5 * error), stage
        reached = (look == -1) | (look >= stage)
        time, theirs = calendar[stage, reached], wanted["analysisTime"][stage][scenario]
        spread = time.std() * np.sqrt(1 / time.size + 1 / (given["maxNumberOfIterations"] * reached.mean()))
        assert time.mean() == pytest.approx(theirs, abs=3.5 * spread), stage
    last = np.where(look < 0, len(looks) - 1, look)
    expected = subjects[last, np.arange(REPLICATES)]
    error = expected.std() * np.sqrt(1 / REPLICATES + 1 / given["maxNumberOfIterations"])
    assert expected.mean() == pytest.approx(wanted["expectedNumberOfSubjects"][scenario], abs=3.5 * error)
    # the analytic power rests on the asymptotic drift of the score, half a per cent or so off
    assert (look >= 0).mean() == pytest.approx(analytic["overallReject"][scenario], abs=0.012)
