"""The figure that every picture is: one that a notebook shows by itself."""

from io import BytesIO

from matplotlib.figure import Figure


class Picture(Figure):
    """A matplotlib figure made without pyplot, whose backend would otherwise have to be loaded for it to be seen."""

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        written = BytesIO()
        self.savefig(written, format="png", dpi=120)
        return written.getvalue()
