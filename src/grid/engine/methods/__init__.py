"""The methods that the planner chooses from, see `grid.engine.methods.method`."""

from grid.engine.methods.adi.method import AdiMethod
from grid.engine.methods.explicit.method import ExplicitMethod
from grid.engine.methods.exponential.method import ExponentialMethod
from grid.engine.methods.forced.method import ForcedMethod
from grid.engine.methods.implicit.method import ImplicitMethod
from grid.engine.methods.inputs import MethodInputs
from grid.engine.methods.krylov.method import KrylovMethod
from grid.engine.methods.method import Cost, Method
from grid.engine.methods.modal.method import ModalMethod
from grid.engine.methods.rkl2.method import Rkl2Method
from grid.engine.methods.spectral.method import SpectralMethod

METHODS: tuple[Method, ...] = (
    AdiMethod(),
    ExplicitMethod(),
    ExponentialMethod(),
    ForcedMethod(),
    ImplicitMethod(),
    KrylovMethod(),
    ModalMethod(),
    Rkl2Method(),
    SpectralMethod(),
)

__all__ = ["METHODS", "Cost", "Method", "MethodInputs"]
