"""Benchmarks: ratios against named alternatives, measured in one run on the same work."""
