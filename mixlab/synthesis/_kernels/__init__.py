"""Inner loops of the players, compiled by numba when first imported; their callers are documented."""
