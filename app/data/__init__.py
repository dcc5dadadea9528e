"""What pages show, cached and by plain values only: mixes, the corpus, runs, sweeps and tags."""
