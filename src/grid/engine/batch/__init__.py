"""Many problems that differ in numbers."""
