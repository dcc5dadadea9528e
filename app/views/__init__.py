"""The pages, one module each: read the controls, ask ``app.data``, draw."""
