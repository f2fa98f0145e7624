"""What the engine raises when it is asked for something it cannot do."""


class ModelError(ValueError):
    """A model's text is wrong: its names, its equations, or their units."""


class DosingError(ValueError):
    """A dose, a regimen or a policy is wrong, or does not fit the model."""


class DataError(ValueError):
    """An event table (NONMEM data set) is wrong, or lacks a column."""


class SolverError(RuntimeError):
    """A solver cannot take this model, or was set up wrongly."""


class ClusterError(RuntimeError):
    """Work cannot be done where it was asked to be: no scheduler, no workers, an impossible number of them."""


class SizeError(MemoryError):
    """A result does not fit into the memory, or onto the disk, there is."""


class StoreError(RuntimeError):
    """A store on disk cannot be written or continued: it is in use, or holds something else."""
