"""``mixlab clips``: say what a corpus of labelled clips holds."""

from collections.abc import Sequence

from mixlab.corpora.clips.config import ClipsConfig
from mixlab.errors import CorpusError

__all__ = ["clips"]

_CLIPS = ClipsConfig()
_SHOWN = 20


def clips(clips: ClipsConfig = _CLIPS, check: bool = False, workers: int | None = None) -> int:
    """Say what a corpus of labelled clips holds, as a training on it would see it: mixlab clips CORPUS ROOT.

    Classes with their clips in each part, groups (recordings, artists, speakers), what was divided, left out
    or is missing, and what must be known to read results. Without CORPUS, the corpora and their tasks.

    Args:
        clips: Which clips, and how they are divided; the first two words are clips.corpus and clips.root.
        check: Also decode every clip, and list those that cannot be read or whose channels cancel each other,
            those without sound, and files that are the same as another one in another class, group or part.
        workers: Processes that read files; by default one per processor.

    Returns:
        Exit code: 0, or 1 when the check found something.
    """
    from mixlab.corpora.clips.describing import check_audio, describe_clips, identical
    from mixlab.corpora.clips.opening import open_clips, read_clips

    if not clips.root:
        print("\n".join(_corpora()))
        return 0
    try:
        found = open_clips(clips)
    except CorpusError as error:
        if error.code == "too-few-groups":
            print(f"{describe_clips(read_clips(clips))}\n")
        raise
    print(describe_clips(found))
    if not check:
        return 0
    (unusable, doubtful), same = check_audio(found, workers), identical(found, workers)
    _list(f"{len(unusable)} of {len(found)} clips cannot be used", unusable)
    _list(f"{len(doubtful)} hold no sound, or end before their end in the table", doubtful)
    _list(f"{len(same)} recordings are there twice, in other classes, groups or parts", same)
    return 1 if unusable or doubtful or same else 0


def _list(head: str, lines: Sequence[str]) -> None:
    print(f"\n{head}{':' if lines else '.'}")
    print("".join(f"- {line}\n" for line in lines[:_SHOWN]), end="")
    if len(lines) > _SHOWN:
        print(f"- and {len(lines) - _SHOWN} more")


def _corpora() -> list[str]:
    from mixlab.corpora.clips.registry import clip_corpora
    from mixlab.utils.tables import align

    rows = [
        (name, ", ".join(corpus.tasks), ", ".join(corpus.values)) for name, corpus in clip_corpora().items()
    ]
    header = ("corpus", "tasks", "numbers")
    return [*align([header, *rows]), "", "What a tree holds: mixlab clips CORPUS ROOT"]
