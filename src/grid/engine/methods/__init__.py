"""The methods that the planner chooses from, see `grid.engine.methods.method`."""

from grid.engine.methods.adi_method import AdiMethod
from grid.engine.methods.euler import ExplicitMethod
from grid.engine.methods.exponential_method import ExponentialMethod
from grid.engine.methods.forced_method import ForcedMethod
from grid.engine.methods.method import Cost, Facts, Method
from grid.engine.methods.modal_method import ModalMethod
from grid.engine.methods.rational_krylov_method import KrylovMethod
from grid.engine.methods.rkl2_method import Rkl2Method
from grid.engine.methods.spectral_method import SpectralMethod
from grid.engine.methods.tr_bdf2 import ImplicitMethod

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

__all__ = ["METHODS", "Cost", "Facts", "Method"]
