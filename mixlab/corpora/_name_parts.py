"""The words of a file name: camel case, punctuation and digits part them.

No labels here but one name for all models of synthesizers; :mod:`mixlab.corpora._vocabulary` knows labels.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from mixlab.corpora._name_words import SYNTHESIZERS

__all__ = ["MINUS", "Word", "one_name", "split_words", "words_of"]

MINUS = "\u2212"
"""The word that stands for a minus sign in a name."""

# Numbers that belong to an instrument: "12 String", "808 Kick".
_OWN_NUMBER = re.compile(
    r"^(?:808|909|707|606|303)(?!\d)|^(?:[4-9]|1[0-2])[\s_.-]*str(?:ing|\b)", re.IGNORECASE
)
_LEADING_NUMBER = re.compile(r"^\d+[\s_.-]+(?=\D)")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)(?![^\W\d_])", re.IGNORECASE)
_RUN = re.compile(r"[^\W\d_]+|\d+|[&+\u2212]")
_CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# " - ", brackets and commas: the words on both sides are no phrase.
_APART = re.compile(r"\s[-\u2013\u2014]+\s|[()\[\]{},;:/|\u2013\u2014]|__")
# No file name may hold a slash: "w_o bass". It counts only before an instrument.
_W_O = re.compile(r"(?<![^\W_])w[_. -]o(?:ut)?(?=[\W_])", re.IGNORECASE)
_WITHOUT = re.compile(r"(?<![^\W_])w[/\u2215\u2044:]\s*o(?:ut)?(?![^\W_])[.]?", re.IGNORECASE)
# "(-drums)" and "Song -drums" take something away; "Song - drums" does not.
_MINUS_ONE = re.compile(r"^-1(?=[\s_-]+[^\W\d_])")
_MINUS = re.compile(r"(?:^|(?<=[\s(\[]))[-\u2212](?=[^\W\d_])")


class Word(NamedTuple):
    """A word of a name in lower case, and whether punctuation sets it apart from the one before."""

    text: str
    apart: bool = False


def words_of(name: str) -> list[Word]:
    """Return the words and numbers of a file name without suffix.

    A track number in front (``08_``) is dropped: it never belongs to the name. A minus that takes
    something away and ``w/o`` become words.
    """
    text = unicodedata.normalize("NFC", name)
    text = _MINUS_ONE.sub("minus one", text.strip())
    text = _MINUS.sub(f" {MINUS} ", _W_O.sub(" wo ", _WITHOUT.sub(" without ", text)))
    text = _ORDINAL.sub("", text)
    if not _OWN_NUMBER.match(text):
        text = _LEADING_NUMBER.sub("", text)
    words: list[Word] = []
    end = 0
    for run in _RUN.finditer(text):
        apart = bool(_APART.search(text[end : run.start()]))
        parts = [part.casefold() for part in _CAMEL.split(run[0]) if part]
        words += [Word(part, apart and i == 0) for i, part in enumerate(parts)]
        end = run.end()
    return words


def split_words(name: str) -> list[str]:
    """Return the lower-case words and numbers of a file name without suffix; see :func:`words_of`."""
    return [word.text for word in words_of(name)]


def one_name(words: Sequence[Word]) -> list[Word]:
    """Return the words with one name for what has many: models of synthesizers become "synth"."""
    result = list(words)
    start = 0
    while start < len(result):
        texts = tuple(word.text for word in result[start : start + 3])
        model = next((m for m in _SYNTHESIZERS if texts[: len(m)] == m), None)
        if model is not None:
            result[start : start + len(model)] = [Word("synth", result[start].apart)]
        start += 1
    return result


_SYNTHESIZERS = sorted(SYNTHESIZERS, key=len, reverse=True)
