"""What makes a site of the pages in ``docs``: ``make docs`` (not a part of the package)."""
