"""All modes of a small body, or those of a Krylov space, driven by linear loads."""
