"""The paper's experiments and three more: one module each, with its conditions and its findings."""
