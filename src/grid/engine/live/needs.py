"""Features of a scene that one live method alone computes, and what else they rule out. NumPy only."""

from grid.core.errors import FieldError
from grid.engine.live.scene import Scene
from grid.engine.problem.problem import HeatProblem

IMPLICIT_CELLS = 65_536  # [-] cells of a scene with the method `implicit`
# [-] cells of a body in 2D or 3D that melts while films, sources or conductivities depend on temperature otherwise than
# by its phase: each turn of a stage factorises a matrix
FACTORED_CELLS = 4_096


def find_features(problem: HeatProblem) -> tuple[str, ...]:
    """List what super-steps and explicit steps do not compute, in words."""
    properties = [value for material in problem.materials for value in material.values]
    laws = [value for law in problem.boundaries.values() for value in law.values.values()]
    features = {
        "a flow of the medium": problem.has_flow,
        "a phase change": problem.has_phase_change,
        "a full conductivity tensor": bool(problem.coupled_axes),
        "a property that depends on temperature": any("T" in value.variables for value in properties),
        "a source that depends on temperature": "T" in problem.source_term.variables,
        "a face whose law depends on its temperature": any("T" in value.variables for value in laws),
    }
    return tuple(feature for feature, is_there in features.items() if is_there)


def has_general_melting(problem: HeatProblem) -> bool:
    """Tell whether a body melts in 2D or 3D with more that depends on temperature than its phase."""
    from grid.engine.methods.implicit.phase_conduction import find_ratio

    if not problem.has_phase_change or problem.dimension == 1:
        return False
    laws = list(problem.boundaries.values())
    if not all(law.is_linear for law in laws) or any("T" in value.variables for value in problem.loads):
        return True
    conductivities = [value for material in problem.materials for value in material.conductivity]
    varies = any("T" in value.variables for value in conductivities)
    return varies and find_ratio(problem) is None


def require_live(scene: Scene) -> None:
    """Refuse a scene that is too large for the one method that computes it.

    Raises:
        FieldError: Names the feature and the limit.
    """
    problem, features = scene.problem, find_features(scene.problem)
    cells = problem.domain.cell_count
    if features and cells > IMPLICIT_CELLS:
        raise FieldError(
            "case.resolution.cells",
            f"at most {IMPLICIT_CELLS} cells in all in a live run with {features[0]}: its method, implicit, solves "
            "systems over all cells several times a tick",
        )
    if has_general_melting(problem) and cells > FACTORED_CELLS:
        raise FieldError(
            "case.resolution.cells",
            f"at most {FACTORED_CELLS} cells in all in a live run of a body that melts while faces, sources or "
            "conductivities depend on its temperature: every turn factorises a matrix of all cells",
        )
    obstacle = find_lumped_obstacle(scene)
    if obstacle is not None and scene.fidelity is not None and scene.fidelity.policy == "lumped":
        raise FieldError("fidelity.policy", f"auto or diffusive: {obstacle}")


def find_lumped_obstacle(scene: Scene) -> str | None:
    """Tell why a scene has no lumped model in a live run, in words; None where it has one."""
    features = find_features(scene.problem)
    if not features:
        return None
    return f"with {features[0]} no fixed shapes make the field of a lumped model, so no certificate holds"
