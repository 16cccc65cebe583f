"""TR-BDF2, for every problem; with phase change for the enthalpy of each cell."""
