"""Demo trees of labelled clips in the true layouts: a module per corpus, which ends in ``TREE``."""
