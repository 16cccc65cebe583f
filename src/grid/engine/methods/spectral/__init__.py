"""Exact modes of a homogeneous box."""
