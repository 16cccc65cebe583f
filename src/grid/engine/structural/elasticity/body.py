"""Elastic body on the grid: materials, supports, and the nodes of its elements."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.problem.domain import AXES, Domain
from grid.engine.structural.elasticity.rigid import find_parts
from grid.engine.structural.elasticity.system import Mesh

Plane = Literal["stress", "strain"]
SUPPORTS = ("free", "symmetry", "fixed")


@dataclass(frozen=True)
class ElasticBody:
    """Elastic body of materials with its supports.

    Args:
        domain: The grid; `active` is not used, `material` is.
        material: Number of the material of each cell, -1 outside the body, shape `cells`.
        young_modulus: Of each material [Pa].
        poisson_ratio: Of each material.
        supports: `free`, `symmetry` (no normal displacement) or `fixed` for each face by name; free where not named.
        plane: In 2D, `stress` or `strain`.
        yield_stress: Of each material [Pa], for safety factors.

    Raises:
        FieldError: A property or a support is outside its limits.
    """

    domain: Domain
    material: NDArray[np.intp]
    young_modulus: tuple[float, ...]
    poisson_ratio: tuple[float, ...]
    supports: Mapping[str, str] = field(default_factory=dict)
    plane: Plane | None = None
    yield_stress: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        d = self.domain.dimension
        if d not in (2, 3):
            raise FieldError("domain.size", "two or three lengths; bars and plates have closed forms")
        if (d == 2) != (self.plane is not None):
            raise FieldError("plane", "stress or strain in 2D, nothing in 3D")
        for nu in self.poisson_ratio:
            if not -1.0 < nu < 0.5:
                raise FieldError("material.poisson_ratio", "greater than -1 and less than 0.5")
        if not all(e > 0.0 and np.isfinite(e) for e in self.young_modulus):
            raise FieldError("material.young_modulus", "a finite number greater than 0 [Pa]")
        if not np.any(self.material >= 0):
            raise FieldError("domain.active", "true in at least one cell")
        for face, support in self.supports.items():
            if face not in [f"{axis}_{end}" for axis in AXES[:d] for end in ("min", "max")]:
                raise FieldError("supports", "faces of the box")
            if support not in SUPPORTS:
                raise FieldError(f"supports.{face}", f"one of {', '.join(SUPPORTS)}")


def make_mesh(body: ElasticBody, cells: NDArray[np.intp], order: int) -> tuple[Mesh, NDArray[np.intp]]:
    """Nodes of the body alone, and for each node of the whole box its number or -1."""
    domain, d = body.domain, body.domain.dimension
    shape = tuple(order * count + 1 for count in domain.cells)
    first = np.stack(np.unravel_index(cells, domain.cells), axis=1) * order
    offsets = np.stack(np.meshgrid(*[np.arange(order + 1)] * d, indexing="ij"), axis=-1).reshape(-1, d)
    whole = np.ravel_multi_index(tuple(np.moveaxis(first[:, None, :] + offsets, -1, 0)), shape)
    used, elements = np.unique(whole, return_inverse=True)
    elements = elements.reshape(whole.shape)
    index = np.stack(np.unravel_index(used, shape), axis=1)
    coordinates = np.asarray(domain.origin) + index * np.asarray(domain.spacing) / order
    parts = find_parts(body.material >= 0).reshape(-1)[cells]
    part = np.zeros(used.size, dtype=np.intp)
    part[elements.reshape(-1)] = np.repeat(parts, elements.shape[1])
    numbers = np.full(int(np.prod(shape)), -1, dtype=np.intp)
    numbers[used] = np.arange(used.size)
    return Mesh(coordinates, elements, part), numbers


def find_held(body: ElasticBody, mesh: Mesh) -> NDArray[np.bool_]:
    """Freedoms that the supports hold."""
    held = np.zeros(mesh.coordinates.shape, bool)
    domain = body.domain
    for face, support in body.supports.items():
        axis, end = AXES.index(face[0]), face[2:]
        plane = domain.origin[axis] + (domain.size[axis] if end == "max" else 0.0)
        on_face = np.abs(mesh.coordinates[:, axis] - plane) <= 1e-6 * domain.spacing[axis]
        if support == "fixed":
            held[on_face] = True
        elif support == "symmetry":
            held[on_face, axis] = True
    return held.reshape(-1)
