"""Parts of the study of preprocessing: what excerpts hold, biases, claims, figures, the thesis's numbers."""
