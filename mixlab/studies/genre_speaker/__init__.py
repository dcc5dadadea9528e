"""Parts of the study of genre and speaker: conditions, tables, claims, figures, the paper's numbers."""
