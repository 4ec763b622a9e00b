"""Benchmarks: `python -m bench NAME`. Each writes its last figures to bench/RESULTS.md."""
