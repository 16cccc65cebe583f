"""The heat problem, frozen, in SI units; its case format, and the checks that need no grid."""
