"""What is to be solved, frozen, in SI units: the problem, its case format, and the checks that need no grid."""
