"""Grid: a simulation-native backend. Heat, lumped models and structural integrity, and the service around them."""

__version__ = "0.1.0"
