"""Steps from the errors of steps: one rule for every method that chooses its steps.

The local error of a scheme of second order is proportional to the cube of the step, so an error of `excess` times what
is allowed needs a step of excess^(-1/3) times the length (E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary
Differential Equations I, 2nd ed., 1993, II.4). The proportional-integral form takes the error of the step before into
account and so oscillates less (K. Gustafsson, ACM TOMS 17, 1991). The error at an output time is a sum of those of the
steps and is proportional to the square of the step.
"""

from dataclasses import dataclass

ORDER = 3.0  # [-] power of the step in a local error
PROPORTIONAL, INTEGRAL = 0.9 / ORDER, 0.3 / ORDER  # [-] powers of this error and of the last one (Gustafsson)
LEAST_EXCESS = 1e-9  # [-] error over the allowed one, below which it carries no information


@dataclass(frozen=True)
class StepRule:
    """Rule for the length of the next step.

    Args:
        safety: Share of the length at which the error would be just allowed [-].
        growth: Largest ratio of a step to the one before [-].
        shrinkage: Least ratio of a step to a rejected one [-].
    """

    safety: float
    growth: float
    shrinkage: float

    def find_ratio(self, excess: float, previous: float | None = None) -> float:
        """Length of the next step over that of the last one, not limited in growth.

        Args:
            excess: Error of the last step over what it might be; anything but a finite number shrinks the step by all
                that the rule allows.
            previous: The same of the step before, for the proportional-integral form.
        """
        if not excess < float("inf"):
            return self.shrinkage
        excess = max(excess, LEAST_EXCESS)
        if previous is None:
            return float(max(self.safety * excess ** (-1.0 / ORDER), self.shrinkage))
        return float(max(self.safety * excess**-PROPORTIONAL * previous**INTEGRAL, self.shrinkage))


def shrink_aim(aim: float, share: float, allowed: float, error: float) -> float:
    """Compute the allowed error of a step for a run that begins again, as its errors came to more than is allowed.

    Args:
        aim: What a step might add in the run that ended [share of the tolerance].
        share: Of what is allowed, that the next run is to come to [-].
        allowed, error: What the sum may be, and what it was, in one unit.
    """
    return float(aim * (share * allowed / error) ** (ORDER / (ORDER - 1.0)))
