"""The heat problem, frozen, in SI units; methods of solution are elsewhere.

    rho c dT/dt = div(K grad T) + q

Field names are those of the case format (docs/case-format.md). A `HeatProblem` that exists has passed every check that
needs no field; values that must be evaluated on the grid (a conductivity that is an expression, say) are checked by
`prepare`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from grid.engine.arguments import as_tuple
from grid.engine.problem.case import read_problem
from grid.engine.problem.fields import ProblemFields
from grid.engine.problem.limit_checks import require_valid
from grid.engine.values.read import as_expression, as_value


@dataclass(frozen=True)
class HeatProblem(ProblemFields):
    """A heat problem on a box; see `from_case` for the JSON form.

    Args:
        domain: The box and its grid.
        materials: One material, or several with `where`.
        initial: Temperature at t = 0, value of place; required unless `steady`.
        boundaries: Conditions by face name (`x_min` ... `z_max`); a face not named is insulated.
        source_term: q [W/m3], value of place and time.
        steady: True for the steady state instead of a transient.
        end_time: Length of a transient [s].
        steps: Equal steps from 0 to `end_time` with which an implicit method should meet its tolerance.
        velocity: Constant velocity of the medium along each axis [m/s], carrying rho c T; empty for none.
        contacts: Planes of imperfect contact.
        breakpoints: Times at which a load jumps; a step ends exactly there [s].
        temperature_unit: Unit of all temperatures of the problem.
        exact: The exact field, where it is known; for measuring errors.
        guess: Start of an iteration for a steady problem.
        initial_phase: `liquid` or `solid`: a body that starts exactly at its melting temperature has all its latent
            heat, or none.
        adaptive: Automatic choice of model, from this measure.
        pins: Levels of the parts of a steady body whose heat balances, and which exchange heat with nothing that has a
            temperature.

    Raises:
        FieldError, InvalidFieldsError: A field is outside its limits.
        UnsupportedError: A valid feature that this version does not have.
    """

    def __post_init__(self) -> None:
        for name in ("initial", "source_term", "guess"):
            object.__setattr__(self, name, as_value(getattr(self, name)))
        for name in ("materials", "velocity", "contacts", "breakpoints", "pins"):
            object.__setattr__(self, name, as_tuple(getattr(self, name)))
        object.__setattr__(self, "exact", as_expression(self.exact))
        if isinstance(self.boundaries, Mapping):
            object.__setattr__(self, "boundaries", dict(self.boundaries))
        require_valid(self)

    @classmethod
    def from_case(cls, case: Mapping[str, Any]) -> Self:
        """Read a case of the format; `expected` and prose are ignored, other unknown fields are refused.

        Raises:
            FieldError, InvalidFieldsError: Fields are missing, unknown, of the wrong type or outside their limits.
            UnsupportedError: The case is valid, but not supported by this version; names the feature.
        """
        return cls(**read_problem(case))
