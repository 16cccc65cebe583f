"""The cost model: operations of runs, their seconds, and the calibration to a machine."""
