"""Report of the models that a run used, and of the error of the lumped one."""

import math

import numpy as np

from grid.engine.lumped.certificates import Certificate
from grid.engine.lumped.fidelity import Log
from grid.engine.lumped.method import ModelMethod
from grid.engine.methods.state import State
from grid.engine.problem.boundaries import Convection, Flux
from grid.engine.results.audits import Audit, Verdict
from grid.engine.results.model_report import ModelReport
from grid.engine.run.spec import RunSpec
from grid.engine.run.time_loop import Recorder
from grid.engine.values.value import Constant

C1 = "the mean lies between exp(-t/tau) and exp(-t/(kappa tau)); over the initial excess"
C3 = "largest distance of the surface from the mean, as the heat exchanged sees it; over the span"
C4 = "root of the mean square error of the field at any time, by the energy of what is unbalanced; over the span"


def tell_models(plan: RunSpec, recorder: Recorder, state: State) -> ModelReport:
    """The report of a run that has ended."""
    if plan.summary.model == "diffusive":
        return ModelReport()
    log = Log.unpack(state.controller)
    first = log.model
    if log.switches:
        first = "diffusive" if log.switches[0].model == "lumped" else "lumped"
    share = min(log.lumped_time / state.time, 1.0) if state.time > 0.0 else 0.0  # a sum of many steps
    certificate = _certify(plan, recorder, state, log) if share > 0.0 else None
    metrics = {"lumped_share": share, "model_switches": float(len(log.switches))}
    if certificate is not None:
        metrics["model_error_bound"] = certificate.bound
    audits = () if certificate is None else (_audit(plan, certificate),)
    return ModelReport(first, log.switches, share, certificate, metrics, audits)


def _audit(plan: RunSpec, certificate: Certificate) -> Audit:
    """Audit of the lumped model: its expected error against the tolerance, where there is one."""
    tolerance = plan.method.tolerance if isinstance(plan.method, ModelMethod) else None
    detail = f"expected error of the lumped model; certificate {certificate.name}, {certificate.bound:.2g} at most"
    if plan.summary.model == "auto" and plan.problem.adaptive is not None:
        return Audit("model_error", "not_applicable", certificate.estimate, None, "the case sets a measure of its own")
    if tolerance is None:
        return Audit("model_error", "not_applicable", certificate.estimate, None, detail)
    verdict: Verdict = "passed" if certificate.estimate <= tolerance else "failed"
    return Audit("model_error", verdict, certificate.estimate, tolerance, detail)


def _certify(plan: RunSpec, recorder: Recorder, state: State, log: Log) -> Certificate:
    """C1 where its conditions hold, C4 for Newton's law under other loads, else C3 of the steps that were taken."""
    from grid.engine.lumped.grid_certificates import BodyShape  # loads SciPy

    space = recorder.spaces[0]
    mean = float((space.capacity * recorder.fields[0].reshape(-1)).sum() / space.capacity.sum())
    shape = BodyShape.at(space, 0.0, mean)
    phi = shape.internal_resistance_phi() if shape is not None else None
    biot = shape.biot_number if shape is not None else None
    is_lumped = not log.switches and log.model == "lumped"
    if shape is not None and phi is not None and is_lumped and _has_one_ambient(plan, recorder):
        expected = phi / math.e if plan.summary.model == "lumped" else 0.5 * phi**2
        return Certificate("C1", shape.gap(), True, expected, biot, phi, C1)
    span = state.bounds.highest - state.bounds.lowest
    if plan.summary.model == "lumped" and math.isfinite(log.worst_energy) and span > 0.0:
        bound = math.sqrt(log.worst_energy / float(space.capacity.sum())) / span
        return Certificate("C4", bound, True, log.certificate, biot, phi, C4)
    return Certificate("C3", log.certificate, False, log.certificate, biot, phi, C3)


def _has_one_ambient(plan: RunSpec, recorder: Recorder) -> bool:
    """Tell whether the body starts uniform in a constant ambient, with constant films and nothing else."""
    problem = plan.problem
    if not problem.is_linear or problem.source_term != Constant(0.0):
        return False
    ambients = set()
    for law in problem.boundaries.values():
        if isinstance(law, Convection):
            if "t" in law.coefficient.variables or not isinstance(law.ambient, Constant):
                return False
            ambients.add(law.ambient.value)
        elif isinstance(law, Flux) or law.values:
            return False
    field_ = recorder.fields[0].reshape(-1)[recorder.spaces[0].capacity > 0.0]
    return len(ambients) == 1 and float(np.ptp(field_)) <= 1e-12 * float(np.abs(field_).max())
