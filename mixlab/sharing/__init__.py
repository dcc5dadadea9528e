"""Sets of mixes for others: exported shards with a dataset card, and files of recipes."""
