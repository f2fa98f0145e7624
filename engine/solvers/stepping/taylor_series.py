"""Taylor's method of order 13, for tolerances about 1e-8."""

from typing import Final

from engine.solvers.stepping.tables import SeriesTable

TAYLOR_13: Final = SeriesTable(
    name="Taylor 13",
    citation=(
        "Jorba A, Zou M. A software package for the numerical integration of ODEs by means of high-order Taylor "
        "methods. Experimental Mathematics 2005;14:99-117. doi:10.1080/10586458.2005.10128904"
    ),
    order=13,
)
