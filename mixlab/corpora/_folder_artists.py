"""Who plays a song, as far as the folders above it say.

Folders of songs are taken for their artists only where that leaves three good splits. The rule, level
by level from the root down, over the songs whose artist nothing else says:

* at least half of the level's folders may be names of artists: not genres, numbers, years, letters or
  words such as "Album", "CD 2", "Various", nor the way to a single song further down;
* there are at least five folders, and more songs than folders;
* dealing the folders out, the largest first, each to the split that lacks most, gives training 50 to
  80 % of all songs of the tree and validation and test at least 10 % each.

The first level that passes is taken, so ``Genre/Artist/Song`` and ``Artist/Album/Song`` both give the
artist. A single ``stems/`` or four genres never do.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mixlab.corpora._folder_tree import Parts
from mixlab.corpora._folder_words import may_be_artist

__all__ = ["FolderArtists", "artists_of_folders"]

_SHARES = {"train": 0.65, "validation": 0.175, "test": 0.175}
_LEAST_FOLDERS = 5
_TRAIN_AT_LEAST, _TRAIN_AT_MOST, _OTHERS_AT_LEAST = 0.5, 0.8, 0.1


@dataclass(frozen=True)
class FolderArtists:
    """Which folders were taken for artists.

    Attributes:
        names: Song -> the folder's name, for the songs that it gives an artist.
        note: What was done, or ''.
    """

    names: Mapping[str, str]
    note: str = ""


def artists_of_folders(above: Mapping[str, Sequence[Parts]], known: Collection[str]) -> FolderArtists:
    """Take folders of songs for their artists where they are many and small enough.

    Args:
        above: Song -> the folders above it, from the root down, each as its path; all songs of the tree.
        known: Songs whose artist is known from elsewhere.
    """
    open_songs = {song: folders for song, folders in above.items() if song not in known}
    for level in range(max(map(len, open_songs.values()), default=0)):
        at_level = {song: folders[level] for song, folders in open_songs.items() if len(folders) > level}
        folders = Counter(at_level.values())
        deeper = {folder for song, folder in at_level.items() if len(open_songs[song]) > level + 1}
        artists = {
            folder
            for folder, count in folders.items()
            if may_be_artist(folder[-1]) and (count > 1 or folder not in deeper)
        }
        names = {song: folder[-1] for song, folder in at_level.items() if folder in artists}
        sizes = Counter({folder: folders[folder] for folder in artists})
        if 2 * len(artists) >= len(folders) and _leaves_splits(sizes, len(above)):
            note = (
                f"took {len(artists)} folders of songs as their artists, for {len(names)} songs "
                f"(such as {min(names.values())!r}); if they are not, give the column artist in stems.csv."
            )
            return FolderArtists(names, note)
    return FolderArtists({})


def _leaves_splits(sizes: Counter[Parts], songs: int) -> bool:
    """Return whether folders of these sizes, and single songs beside them, make three good splits."""
    inside = sizes.total()
    if len(sizes) < _LEAST_FOLDERS or inside <= len(sizes):
        return False
    have = dict.fromkeys(_SHARES, 0)
    for size in [*sorted(sizes.values(), reverse=True), *[1] * (songs - inside)]:
        lacking = max(_SHARES, key=lambda split: _SHARES[split] - have[split] / songs)
        have[lacking] += size
    others = min(have["validation"], have["test"])
    return (
        _TRAIN_AT_LEAST * songs <= have["train"] <= _TRAIN_AT_MOST * songs
        and others >= _OTHERS_AT_LEAST * songs
    )
