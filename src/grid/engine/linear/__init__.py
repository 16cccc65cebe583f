"""Systems of equations: factorisations, multigrid, and Newton's iteration."""
