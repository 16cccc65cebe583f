"""The figures of README's performance table. `python -m benchmarks` prints them, each beside a peer of the same run."""
