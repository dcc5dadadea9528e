// The next mixes of a stream as a table. A row plays where it stands: the button asks Python for its audio, which
// comes back with the rows and starts on the Web Audio clock. Nothing else is rendered, and nothing plays by itself.

const KINDS = {
  musical: { name: "musical", mark: "●", letter: "M" },
  non_musical: { name: "non-musical", mark: "△", letter: "N" },
  matched: { name: "matched", mark: "◐", letter: "T" },
  noise: { name: "without instruments", mark: "○", letter: "–" },
};
const SMOOTH_S = 0.01;
const MOST_UNKNOWN = 3; // classes that are named; more are counted

class Mixes {
  constructor(root) {
    this.root = root;
    this.wanted = null; // index whose audio was asked for
    this.playing = null; // index that sounds
    this.kinds = {};
    this.onwards = false;
  }

  destroy() {
    this.silence();
    this.context?.close();
    this.context = null;
  }

  show(data, trigger) {
    const sameStream = data.stream === this.stream;
    const focus = this.root.getRootNode().activeElement?.dataset?.focus;
    if (!sameStream) this.silence();
    [this.data, this.trigger] = [data, trigger];
    const before = this.family === data.family ? this.kinds : {};
    [this.stream, this.family] = [data.stream, data.family];
    this.kinds = Object.fromEntries(data.rows.map((row) => [row.index, row.kind]));
    const body = make("tbody", {}, ...data.rows.map((row) => this.buildRow(row, before[row.index])));
    const head = make("thead", {}, make("tr", {}, ...["", "Mix", "Classes", "Sources", "Song", ""].map((name, i) =>
      make("th", { scope: "col" }, name || make("span", { className: "hidden" }, i ? "Open" : "Play")))));
    this.status = make("p", { className: "hidden", role: "status" });
    this.onwardsBox = make("input", { type: "checkbox", checked: this.onwards, "data-focus": "onwards",
      onchange: () => { this.onwards = this.onwardsBox.checked; } });
    const legend = make("p", { className: "legend" },
      make("label", {}, this.onwardsBox, " play one after another"),
      make("span", {}, "● M musical, △ N non-musical, ◐ T matched; classes in italics are unknown."));
    this.table = make("table", {}, make("caption", { className: "hidden" }, data.caption), head, body);
    this.table.addEventListener("keydown", (event) => this.pressed(event));
    this.root.replaceChildren(make("div", { className: "scroll" }, this.table), legend, this.status);
    this.root.querySelector(`[data-focus="${focus}"]`)?.focus({ preventScroll: true });
    if (data.sound && data.sound.stream === this.stream && data.sound.index === this.wanted) this.start(data.sound);
    this.mark();
  }

  buildRow(row, known) {
    const kind = KINDS[row.kind];
    const play = make("button", { type: "button", className: "play", "data-index": row.index,
      "data-focus": `play${row.index}`, onclick: () => this.toggle(row.index) });
    const open = make("button", { type: "button", className: "open", "data-focus": `open${row.index}`,
      title: `Open mix ${row.index} in Audition`, "aria-label": `Open mix ${row.index} in Audition`,
      onclick: () => this.trigger("open", row.index) }, "Audition");
    const unknown = row.unknown.length > MOST_UNKNOWN
      ? [make("em", { title: row.unknown.join(", ") }, `${row.unknown.length} unknown`)]
      : row.unknown.map((name) => make("em", {}, name));
    const names = [...row.present.map((name) => make("span", {}, name)), ...unknown];
    const classes = names.flatMap((node, i) => (i ? [", ", node] : [node]));
    const line = make("tr", { "data-index": row.index, "data-kind": row.kind },
      make("td", {}, play),
      make("th", { scope: "row", title: kind.name }, make("span", { className: "mark", "aria-hidden": true }, kind.mark),
        ` ${kind.letter} ${row.index}`, make("span", { className: "hidden" }, `, ${kind.name}`)),
      make("td", {}, ...(classes.length ? classes : ["none"]),
        make("small", {}, `${row.sources.length} source${row.sources.length === 1 ? "" : "s"} of ${row.song || "none"}`)),
      make("td", { title: row.sources.join(", ") }, `${row.sources.length}`),
      make("td", { title: row.song }, row.song),
      make("td", {}, open));
    if (known !== undefined && known !== row.kind) line.classList.add("flipped");
    return line;
  }

  // ---- what sounds ----

  toggle(index) {
    if (this.playing === index || this.wanted === index) {
      this.silence();
      this.mark();
      return;
    }
    this.silence();
    // Made while a button is pressed, as browsers ask for.
    this.context ??= new AudioContext();
    this.context.resume();
    this.wanted = index;
    const { sound } = this.data;
    if (sound && sound.stream === this.stream && sound.index === index) this.start(sound);
    else this.trigger("play", index);
    this.mark();
  }

  async start(sound) {
    const bytes = Uint8Array.from(atob(sound.wav), (letter) => letter.charCodeAt(0));
    const context = this.context;
    const buffer = await context.decodeAudioData(bytes.buffer);
    if (this.wanted !== sound.index || context !== this.context) return; // another one was chosen meanwhile
    const source = new AudioBufferSourceNode(context, { buffer });
    this.gain = new GainNode(context, { gain: CEILING });
    source.connect(this.gain).connect(context.destination);
    source.onended = () => this.source === source && this.ended(sound.index);
    source.start();
    [this.source, this.playing, this.wanted] = [source, sound.index, null];
    this.status.textContent = `Mix ${sound.index} plays.`;
    this.mark();
  }

  ended(index) {
    [this.source, this.playing] = [null, null];
    const rows = this.data.rows.map((row) => row.index);
    const next = rows[rows.indexOf(index) + 1];
    if (this.onwards && next !== undefined) this.toggle(next);
    this.mark();
  }

  silence() {
    if (this.source) {
      const { source } = this;
      this.gain.gain.setTargetAtTime(0, this.context.currentTime, SMOOTH_S);
      source.onended = null;
      source.stop(this.context.currentTime + 5 * SMOOTH_S);
    }
    [this.source, this.playing, this.wanted] = [null, null, null];
  }

  mark() {
    const current = this.playing ?? this.wanted ?? this.last ?? this.data.rows[0]?.index;
    if (this.playing ?? this.wanted) this.last = this.playing ?? this.wanted;
    for (const line of this.table.tBodies[0].rows) {
      const index = +line.dataset.index, button = line.querySelector(".play");
      const state = index === this.playing ? "playing" : index === this.wanted ? "coming" : "";
      line.dataset.state = state;
      button.textContent = { playing: "■", coming: "…", "": "▶" }[state];
      button.setAttribute("aria-label", state ? `Stop mix ${index}` : `Play mix ${index}`);
      button.title = button.getAttribute("aria-label");
      // One stop for Tab in each column; arrows go on from there.
      for (const one of line.querySelectorAll("button")) one.tabIndex = index === current ? 0 : -1;
    }
  }

  pressed(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const line = event.target.closest?.("tr[data-index]");
    if (!step || !line) return;
    const next = step > 0 ? line.nextElementSibling : line.previousElementSibling;
    event.preventDefault();
    next?.querySelector(`.${event.target.className}`)?.focus();
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".mixes");
  root.mixes ??= new Mixes(root);
  root.mixes.show(data, setTriggerValue);
  return () => root.mixes?.destroy();
}
