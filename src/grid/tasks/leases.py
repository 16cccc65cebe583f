"""The claims that this worker holds, shared by the loop, the ledger writer and the heartbeat that renews them."""

import threading
from collections.abc import Iterable

from grid.schemas.jobs import Claim
from grid.services.renders import RenderClaim


def fence_margin_s(lease_s: float) -> float:
    """Return how long before the end of a lease its holder gives up: 5 s of the usual 30, less of a short one."""
    return min(5.0, lease_s / 4)


class Leases:
    """The claims to renew, from the commit of the claim to the commit of the conclusion."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: set[Claim] = set()
        self._renders: set[RenderClaim] = set()

    def hold(self, claims: Iterable[Claim]) -> None:
        """Renew these from now on."""
        with self._lock:
            self._jobs.update(claims)

    def hold_render(self, claim: RenderClaim) -> None:
        """Renew the claim of a request for files from now on."""
        with self._lock:
            self._renders.add(claim)

    def release(self, claims: Iterable[Claim]) -> None:
        """Renew these no more."""
        with self._lock:
            self._jobs.difference_update(claims)

    def release_render(self, claim: RenderClaim) -> None:
        """Renew the claim of a request for files no more."""
        with self._lock:
            self._renders.discard(claim)

    def count(self) -> int:
        """Return how many claims of both kinds are held."""
        return len(self._jobs) + len(self._renders)

    def jobs(self) -> list[Claim]:
        """Return the claims of jobs held now."""
        with self._lock:
            return list(self._jobs)

    def renders(self) -> list[RenderClaim]:
        """Return the claims of requests for files held now."""
        with self._lock:
            return list(self._renders)
