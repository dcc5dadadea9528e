"""What becomes of a paper's claim here: it shows, it does not, or it cannot be told; by intervals alone."""

import math
from typing import Literal

from mixlab.studies.findings import difference_line
from mixlab.studies.statistics import Estimate

__all__ = ["Verdict", "claim_line", "no_difference", "told", "untold", "verdict"]

Verdict = Literal["shows here", "does not show here", "cannot be told here"]


def verdict(e: Estimate, *, sign: int = 1) -> Verdict:
    """Return what a difference says of a claim that it has a sign.

    It must be significant over songs (or groups of clips) and, with several seeds, over seeds. A difference
    that is not says nothing: it may be there and too small to be seen with so few of either.

    Args:
        e: The difference.
        sign: 1 where the claim is that it is above 0, -1 below.
    """
    if not math.isfinite(e.value) or not e.significant:
        return "cannot be told here"
    return "shows here" if e.value * sign > 0 else "does not show here"


def claim_line(claim: str, what: str, e: Estimate, *, sign: int = 1) -> str:
    """Return a paper's claim, what becomes of it here, and the difference that decides.

    Args:
        claim: The claim, in a few words: ``Adam trains it better than AdaDelta``.
        what: What the difference is of: ``'Adam' minus 'AdaDelta', accuracy``.
        e: The difference.
        sign: As for ``verdict``.
    """
    return f"{claim}: {verdict(e, sign=sign)}. {difference_line(what, e)}"


def untold(claim: str, why: str) -> str:
    """Return a claim that no difference of this study could decide, and why."""
    return f"{claim}: cannot be told here. {why}"


def told(claim: str, holds: bool | None, why: str) -> str:
    """Return a claim that more than one difference decides, and why.

    Args:
        claim: The claim, in a few words.
        holds: True where it shows here, False where it does not, None where it cannot be told.
        why: The numbers that say so.
    """
    if holds is None:
        return untold(claim, why)
    return f"{claim}: {'shows here' if holds else 'does not show here'}. {why}"


def no_difference(e: Estimate, margin: float, n_items: int) -> bool | None:
    """Say whether a difference is none: True where its intervals lie within a margin, False where it is some.

    None where it cannot be told: an interval leaves the margin, or one of so few items is more than it.

    Args:
        e: The difference.
        margin: What counts as none, to both sides of 0.
        n_items: Mixes or clips that it was measured on.
    """
    intervals = [i for i in (e.songs, e.seeds) if i is not None]
    within = e.songs is not None and all(-margin < i.low and i.high < margin for i in intervals)
    if within and n_items * margin >= 1:
        return True
    return False if e.significant and not within else None
