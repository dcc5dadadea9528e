"""The exceptions mixlab raises on purpose, as one tree.

MixlabError
├── MissingDependencyError   an optional package (an extra) is not installed
├── ConfigError              a setting is out of range or contradicts another
│   └── OutOfRangeError      no item, batch or epoch has that number (it is an IndexError, too)
├── TaxonomyError            a taxonomy, label-map or label-set file is inconsistent
│   └── UnknownLabelError    a corpus uses labels that its map does not list
├── AudioError               a file cannot be read as audio, or written
│   └── AudioRangeError      its rate, channels or samples are beyond what audio has
├── CorpusError              a corpus tree is missing, or not laid out as documented
├── CatalogError             a catalog folder is missing, damaged or of another version
│   └── CatalogMismatchError a recipe, a state or a run belongs to another catalog
├── RecipeError              a recipe is malformed, or nothing can be sampled
├── OutputError              a result cannot be written: read-only, no permission, no space
├── RemoteError              a file at a URL cannot be read: no answer, no permission, no parts of files
├── RunError                 a run folder is missing, damaged or incomplete
└── WeightsError             published weights are missing, not fetched, or not those meant

Every message says what was expected, what was found, where, and what to do next. It is for people, and its
words may change. Programs tell errors apart by class and ``code``, which stay: docs/errors.md lists them.
"""

import re

__all__ = [
    "AudioError",
    "AudioRangeError",
    "CatalogError",
    "CatalogMismatchError",
    "ConfigError",
    "CorpusError",
    "MissingDependencyError",
    "MixlabError",
    "OutOfRangeError",
    "OutputError",
    "RecipeError",
    "RemoteError",
    "RunError",
    "TaxonomyError",
    "UnknownLabelError",
    "WeightsError",
]

_CODE_NOTE = re.compile(r"^code: ([a-z-]+)$", re.MULTILINE)


class MixlabError(Exception):
    """Base class of every error that mixlab raises on purpose.

    Attributes:
        code: The kind of fault in words that stay, such as ``catalog-not-found``; tracebacks show it. An
            error made without one, by a plug-in, has that of its class.

    Example:
        >>> from mixlab import MixConfig, MixlabError
        >>> try:
        ...     MixConfig(p_musical=4)
        ... except MixlabError as error:
        ...     print(error.code, "-", error)
        invalid-setting - mix.p_musical: expected a number from 0 to 1, found 4.0.
    """

    code: str = "unspecified"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        """Take a message for people, and the kind of fault where the class alone does not say it."""
        super().__init__(message)
        if code is not None:
            self.code = code
            if hasattr(self, "add_note"):  # from Python 3.11 on
                self.add_note(f"code: {code}")
        elif message.startswith("Caught ") and (noted := _CODE_NOTE.findall(message)):
            # torch makes an error of a DataLoader's worker anew, of its class and the text of its traceback.
            self.code = noted[-1]


class MissingDependencyError(MixlabError):
    """An optional package is needed and not installed; the message names the extra."""

    code = "missing-dependency"


class ConfigError(MixlabError):
    """A setting is out of range or contradicts another one."""


class OutOfRangeError(ConfigError, IndexError):
    """No item, batch or epoch has that number."""

    code = "index-out-of-range"


class TaxonomyError(MixlabError):
    """A taxonomy, label-map or label-set file is inconsistent."""


class UnknownLabelError(TaxonomyError):
    """A corpus uses labels that its map does not list; the message holds the rows to add."""

    code = "unknown-label"


class AudioError(MixlabError):
    """A file cannot be read as audio, or audio cannot be written."""


class AudioRangeError(AudioError):
    """A file's sample rate, number of channels or samples are beyond what audio has."""


class CorpusError(MixlabError):
    """A corpus tree is missing or not laid out as documented."""


class CatalogError(MixlabError):
    """A catalog folder is missing, damaged or written by another schema version."""


class CatalogMismatchError(CatalogError):
    """A recipe, a loader state or a run belongs to another catalog or configuration."""


class RecipeError(MixlabError):
    """A recipe is malformed, or the configuration leaves nothing to sample."""


class OutputError(MixlabError):
    """A result cannot be written: its target is read-only, not permitted, or full."""

    code = "output-not-writable"


class RemoteError(MixlabError):
    """A file at a URL cannot be read: no answer, no permission, or no parts of files."""


class RunError(MixlabError):
    """A run folder is missing, damaged or incomplete."""


class WeightsError(MixlabError):
    """Published weights are missing, could not be fetched, or are another file than the one meant."""
