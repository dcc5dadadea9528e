"""Inner loops, compiled by numba when they are first imported; their callers are documented."""
