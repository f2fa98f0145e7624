"""Work that takes a moment, for processes that need to know little else."""

import time


class Doubling:
    """In which other threads go on; unwilling where the first number is below 0."""

    def found(self, theta, *, derive):
        time.sleep(0.002)
        if theta[0, 0] < 0.0:
            raise ValueError("below 0")
        return (2.0 * theta, theta) if derive else (2.0 * theta,)
