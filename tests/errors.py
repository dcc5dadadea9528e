"""What a test expects of an error: its class, its code, and the values that its message must hold.

The words of a message may change. What it must hold for whoever reads it are names, numbers, paths, commands.
"""

import re
from types import TracebackType

import pytest

from mixlab.errors import MixlabError

Kind = type[MixlabError] | tuple[type[MixlabError], ...]


class raises:  # noqa: N801 - used as pytest.raises is
    """Expect an error of mixlab in the block below.

    Args:
        kind: Its class, or several of which it is one.
        code: Its code, one of ``docs/errors.md``.
        mentions: A value that its message must hold as it is, not within a longer word or number; or a list
            or tuple of them.
    """

    def __init__(self, kind: Kind, *, code: str, mentions: object = ()) -> None:
        self.expected = pytest.raises(kind)
        self.code = code
        self.mentions = mentions if isinstance(mentions, list | tuple) else (mentions,)

    def __enter__(self) -> pytest.ExceptionInfo[MixlabError]:
        return self.expected.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        __tracebackhide__ = True
        if not self.expected.__exit__(kind, error, trace):
            return False
        assert isinstance(error, MixlabError)
        assert error.code == self.code, f"expected the code {self.code}, found {error.code}: {error}"
        for value in self.mentions:
            assert holds(str(error), str(value)), f"expected {value} in: {error}"
        return True


def holds(message: str, value: str) -> bool:
    """Return whether a value stands in a message: 1 does not in "10", nor "bass" in "basses"."""
    before = r"(?<!\w)" if re.match(r"\w", value) else ""
    after = r"(?!\w)" if re.search(r"\w$", value) else ""
    return re.search(before + re.escape(value) + after, message) is not None
