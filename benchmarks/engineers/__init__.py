"""Problems as engineers bring them, each beside a peer by hand in NumPy and SciPy; see docs/performance.md."""
