"""Components of our own, in plain JavaScript and CSS, and the Python that feeds them."""
