"""The problem on its grid, by finite volumes: mesh, coefficients, loads and heat balance."""
