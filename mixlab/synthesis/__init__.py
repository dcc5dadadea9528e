"""Demo corpora: generated songs in the true layouts of the real corpora.

>>> from pathlib import Path
>>> from mixlab.synthesis import make_demo_corpora
>>> made = make_demo_corpora(Path("demo"))  # doctest: +SKIP
>>> made.roots["medleydb"]  # doctest: +SKIP
PosixPath('demo/medleydb')
"""

from mixlab.synthesis.build import DEFAULT_SECONDS, DEFAULT_SONGS, DemoCorpora, make_demo_corpora

__all__ = ["DEFAULT_SECONDS", "DEFAULT_SONGS", "DemoCorpora", "make_demo_corpora"]
