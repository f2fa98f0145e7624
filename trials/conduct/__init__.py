"""The conduct of a trial: who is dosed how, what happens on the way, what is measured, and what the data base holds."""

from trials.conduct.conducting import Conduct
from trials.conduct.course import Course
from trials.conduct.measuring import follow_up, noise

__all__ = ["Conduct", "Course", "follow_up", "noise"]
