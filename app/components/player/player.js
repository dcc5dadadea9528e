// A multitrack player on the Web Audio clock. One blob comes in: the length of a JSON header (uint32,
// little-endian), the header padded to a multiple of 4 bytes, samples (of each take its lanes, then what it
// brings as a whole, channel after channel; float32, or int16 where the header's encoding says so), and at the
// end, for a tagged file, a byte per class and moment.
// The mixer lives here alone: nothing is sent back, so solo, mute and gain cause no rerun. Waveform and
// spectrogram are made here too, of what the mixer lets through.

const COLUMNS = 600; // of a waveform
const SMOOTH_S = 0.006; // time constant of gain changes: no clicks, yet at once
const LEAD_S = 0.03; // all sources are started together this far ahead of the clock
const STEPS_S = [0.25, 1]; // of the arrow keys, in mixes and in whole songs
const LONG_S = 30;
const HEAT_COLUMNS = 1200;
const TOLD = 4; // classes that are told at the cursor
const LOWEST_DB = -60; // the lower end of a gain slider is silence
// Dark to bright in even steps of lightness (after viridis), so that it also reads in grey.
const COLOURS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

const amplitude = (db) => (db <= LOWEST_DB ? 0 : 10 ** (db / 20));
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const minutes = (time) => `${Math.floor(time / 60)}:${String(Math.round(time % 60)).padStart(2, "0")}`;
const said = (db) => (db <= LOWEST_DB ? "−∞ dB" : `${db > 0 ? "+" : ""}${db.toFixed(1).replace("-", "−")} dB`);

function readHeader(blob) {
  const length = new DataView(blob.buffer, blob.byteOffset).getUint32(0, true);
  return { header: JSON.parse(new TextDecoder().decode(blob.subarray(4, 4 + length))), offset: 4 + length };
}

function readAudio(blob, header, offset) {
  // Copied once: a message's bytes need not lie on a multiple of four, as floats must.
  const bytes = blob.slice(offset);
  const size = header.channels * header.samples;
  const count = header.takes.reduce((sum, take) => sum + take.lanes.length + (take.audio ? 1 : 0), 0);
  let floats;
  if (header.encoding === "int16") {
    const short = new Int16Array(bytes.buffer, 0, count * size);
    floats = new Float32Array(short.length);
    for (let n = 0; n < short.length; n++) floats[n] = short[n] / 32767;
  } else {
    floats = new Float32Array(bytes.buffer, 0, count * size);
  }
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: header.channels }, (_, c) =>
      floats.subarray(i * size + c * header.samples, i * size + (c + 1) * header.samples)));
}

function readHeat(blob, header) {
  // Copied, so that the whole blob is not kept for a few scores.
  return header.heat ? blob.slice(blob.length - header.heat.classes.length * header.heat.starts.length) : null;
}

function colour(level) {
  const place = clamp(level, 0, 1) * (COLOURS.length - 1);
  const first = Math.min(Math.floor(place), COLOURS.length - 2);
  return [0, 1, 2].map((c) => COLOURS[first][c] + (place - first) * (COLOURS[first + 1][c] - COLOURS[first][c]));
}
const PALETTE = Array.from({ length: 256 }, (_, value) => colour(value / 255));

function sumOf(signals, weights = signals.map(() => 1)) {
  return signals[0].map((first, c) => {
    const out = new Float32Array(first.length);
    signals.forEach((signal, i) => {
      const channel = signal[c], weight = weights[i];
      if (weight) for (let n = 0; n < out.length; n++) out[n] += weight * channel[n];
    });
    return out;
  });
}

// ---- spectrograms ----

const toMel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
const toHertz = (mel) => 700 * (10 ** (mel / 2595) - 1);

function transform(real, imaginary) {
  // In place, of a length that is a power of two (Cooley and Tukey).
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2, angle = (-2 * Math.PI) / size;
    for (let k = 0; k < half; k++) {
      const c = Math.cos(angle * k), s = Math.sin(angle * k);
      for (let i = k; i < n; i += size) {
        const j = i + half;
        const re = real[j] * c - imaginary[j] * s, im = real[j] * s + imaginary[j] * c;
        [real[j], imaginary[j]] = [real[i] - re, imaginary[i] - im];
        real[i] += re;
        imaginary[i] += im;
      }
    }
  }
}

function melBank(front, rate) {
  // Triangles equally wide in mel: of area 1 and a bin wide at least for the eye, of height 1 for a network.
  const { window, bands, low_hz: low, high_hz: high, area } = front;
  const centres = Array.from({ length: bands + 2 }, (_, i) =>
    toHertz(toMel(low) + (i * (toMel(high) - toMel(low))) / (bands + 1)));
  return Array.from({ length: bands }, (_, band) => {
    const middle = centres[band + 1], least = area ? rate / window : 0;
    const rise = Math.max(middle - centres[band], least), fall = Math.max(centres[band + 2] - middle, least);
    const bins = [];
    let sum = 0;
    for (let bin = 0; bin <= window / 2; bin++) {
      const hertz = (bin * rate) / window;
      const weight = Math.min((hertz - (middle - rise)) / rise, (middle + fall - hertz) / fall);
      if (weight > 0) {
        bins.push([bin, weight]);
        sum += weight;
      }
    }
    return area ? bins.map(([bin, weight]) => [bin, weight / sum]) : bins;
  });
}

function melPicture(channels, front, rate) {
  // Power by band and frame, Float32Array of bands times frames.
  const samples = channels[0].length, { window, bands } = front;
  const hop = Math.max(front.hop, Math.ceil(samples / front.frames));
  const frames = Math.floor(samples / hop) + 1;
  const bank = melBank(front, rate), power = new Float32Array(bands * frames);
  const taper = Float32Array.from({ length: window }, (_, n) =>
    0.5 - 0.5 * Math.cos((2 * Math.PI * n) / (front.area ? window - 1 : window)));
  const real = new Float64Array(window), imaginary = new Float64Array(window);
  const at = (n) => {
    const place = front.area ? n : n < 0 ? -n : n >= samples ? 2 * samples - 2 - n : n; // zeros, or reflected
    if (place < 0 || place >= samples) return 0;
    let sum = 0;
    for (const channel of channels) sum += channel[place];
    return sum / channels.length;
  };
  for (let frame = 0; frame < frames; frame++) {
    const start = frame * hop - window / 2;
    for (let n = 0; n < window; n++) real[n] = at(start + n) * taper[n];
    imaginary.fill(0);
    transform(real, imaginary);
    bank.forEach((bins, band) => {
      let sum = 0;
      for (const [bin, weight] of bins) sum += weight * (real[bin] ** 2 + imaginary[bin] ** 2);
      power[band * frames + frame] = sum;
    });
  }
  return { power, bands, frames, top: power.reduce((most, value) => Math.max(most, value), 0) };
}

function paint(canvas, { power, bands, frames, top }, loudest = top) {
  // 80 dB from the loudest cell down; silence is dark.
  canvas.width = frames;
  canvas.height = bands;
  const context = canvas.getContext("2d"), image = context.createImageData(frames, bands);
  for (let band = 0; band < bands; band++) {
    for (let frame = 0; frame < frames; frame++) {
      const value = loudest > 1e-12 ? power[band * frames + frame] / loudest : 0;
      const level = value > 0 ? clamp(1 + Math.log10(value) / 8, 0, 1) : 0;
      image.data.set([...PALETTE[Math.round(255 * level)], 255], 4 * ((bands - 1 - band) * frames + frame));
    }
  }
  context.putImageData(image, 0, 0);
}

// ---- files ----

function wavOf(channels, rate) {
  // 24 bits, as the page's other downloads are; what lies beyond full scale is cut.
  const samples = channels[0].length, width = 3 * channels.length;
  const view = new DataView(new ArrayBuffer(44 + samples * width));
  const text = (at, word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + samples * width, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, channels.length, true);
  view.setUint32(24, rate, true); view.setUint32(28, rate * width, true);
  view.setUint16(32, width, true); view.setUint16(34, 24, true);
  text(36, "data"); view.setUint32(40, samples * width, true);
  for (let n = 0, at = 44; n < samples; n++) {
    for (const channel of channels) {
      const value = Math.round(clamp(channel[n], -1, 1) * 8388607);
      view.setUint16(at, value & 0xffff, true);
      view.setUint8(at + 2, (value >> 16) & 0xff);
      at += 3;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}

function outline(channels, scale) {
  const samples = channels[0].length;
  const top = [], bottom = [];
  for (let column = 0; column < COLUMNS; column++) {
    const from = Math.floor((column * samples) / COLUMNS);
    const to = Math.max(Math.floor(((column + 1) * samples) / COLUMNS), from + 1);
    let low = 0, high = 0;
    for (const channel of channels) {
      for (let n = from; n < to && n < samples; n++) {
        if (channel[n] < low) low = channel[n];
        else if (channel[n] > high) high = channel[n];
      }
    }
    top.push(`${column},${(-Math.max(high * scale, 0.006)).toFixed(3)}`);
    bottom.push(`${column},${(-Math.min(low * scale, -0.006)).toFixed(3)}`);
  }
  return `M${top.join("L")}L${bottom.reverse().join("L")}Z`;
}

function waveform(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", `0 -1 ${COLUMNS} 2`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", name);
  const path = document.createElementNS(space, "path");
  svg.append(path);
  return { svg, path };
}

class Player {
  constructor(root) {
    this.root = root;
    this.position = 0;
    this.loop = false;
    this.region = null; // [start, end] in seconds, or null for all of it
    this.matched = true;
    this.frontAt = 0; // the spectrogram that was chosen
    this.playOn = true; // whether the next mix plays where this one did
    this.send = () => {}; // tells the page what was asked for
    this.nodes = null; // of what is playing now
    this.onKey = (event) => this.pressed(event);
    // Whether it played when something was last asked for, here or anywhere on the page.
    this.onAct = () => { this.stepped = this.playing; };
    document.addEventListener("pointerdown", this.onAct, true);
    document.addEventListener("keydown", this.onAct, true);
    // Keys work in the player, and anywhere while nothing else has the focus.
    this.onPageKey = (event) => document.activeElement === document.body && this.pressed(event);
    root.addEventListener("keydown", this.onKey);
    document.addEventListener("keydown", this.onPageKey);
  }

  destroy() {
    this.halt();
    cancelAnimationFrame(this.frame);
    this.root.removeEventListener("keydown", this.onKey);
    document.removeEventListener("keydown", this.onPageKey);
    document.removeEventListener("pointerdown", this.onAct, true);
    document.removeEventListener("keydown", this.onAct, true);
    this.context?.close();
    this.context = null;
  }

  load(blob) {
    const { header, offset } = readHeader(blob);
    // What a mix is compared with may change while it stays.
    const takes = (one) => JSON.stringify(one?.takes.map((take) => [take.key, take.about, take.missing, take.lufs]));
    if (header.id === this.header?.id && takes(header) === takes(this.header)) {
      this.header.scores = header.scores; // they come after the sound
      this.drawScores();
      return;
    }
    if (header.audio && header.audio === this.header?.audio) {
      this.header = header; // only what is said of the same sound has changed: it plays on
      this.heat = readHeat(blob, header);
      this.drawHeat();
      return;
    }
    const sameItem = header.item === this.header?.item;
    const wasPlaying = this.playing, position = this.time, focus = this.focused();
    const mixer = sameItem && this.hasLanesOf(header) ? this.mixer : null;
    const takeKey = this.takes?.[this.mixer.take]?.key;
    this.halt();
    if (header.sample_rate !== this.header?.sample_rate) {
      this.context?.close();
      this.context = null;
    }
    // A take without lanes of its own sounds as a whole.
    header.takes.forEach((take) => { take.lanes ??= []; });
    const signals = readAudio(blob, header, offset);
    this.header = header;
    this.heat = readHeat(blob, header);
    this.duration = header.samples / header.sample_rate;
    this.step = STEPS_S[+(this.duration > LONG_S)];
    let next = 0;
    this.takes = header.takes.map((take) => {
      const sources = take.lanes.map(() => signals[next++]);
      const whole = take.audio ? signals[next++] : null;
      return { ...take, sources, whole, signal: whole ?? (sources.length ? sumOf(sources) : null) };
    });
    this.front = this.header.fronts[this.frontAt] ? this.frontAt : 0;
    this.buffers = null;
    // Other lanes need another graph; the old one first fades out.
    const old = this.graph;
    [this.graph, this.levels] = [null, null];
    if (old) setTimeout(() => old.out.disconnect(), 100);
    this.mixer = mixer ?? this.freshMixer();
    if (sameItem) this.mixer.take = Math.max(this.takes.findIndex((take) => take.key === takeKey), 0);
    if (!this.takes[this.mixer.take]?.signal) this.mixer.take = 0;
    this.position = sameItem ? Math.min(position, this.duration) : 0;
    if (!sameItem) this.region = null;
    // Also where it came to its end while the next mix was waited for. It sounds first, and is drawn then.
    const goesOn = header.steps && this.playOn && (wasPlaying || (this.stepped && !sameItem));
    if (goesOn) this.play();
    this.build();
    this.apply();
    this.show();
    this.root.querySelector(`[data-focus="${focus}"]`)?.focus({ preventScroll: true });
    this.stepped = false;
    if (!goesOn && wasPlaying && sameItem) this.play();
  }

  hasLanesOf(header) {
    // With other settings the same item may have other sources, to which no solo or gain belongs.
    const lanes = (take) => JSON.stringify((take.lanes ?? []).map((lane) => [lane.name, lane.detail]));
    return header.takes.every((take) => {
      const old = this.takes.find((one) => one.key === take.key);
      return !old || lanes(old) === lanes(take);
    });
  }

  freshMixer() {
    // Lanes by take; those of the dry mix are the mix's own, so they share its settings.
    const byKey = {};
    const of = (i) => {
      const { key, mixer, lanes } = this.takes[i];
      return (byKey[mixer ?? key] ??= lanes.map(() => ({ db: 0, mute: false, solo: false })));
    };
    return { take: 0, main: { db: 0, mute: false }, of, get lanes() { return of(this.take); } };
  }

  get sources() {
    return this.takes[this.mixer.take].sources;
  }

  weights(i) {
    // What the mixer lets through of each lane of a take.
    const lanes = this.mixer.of(i), soloed = lanes.some((lane) => lane.solo);
    return lanes.map((lane) => (lane.mute || (soloed && !lane.solo) ? 0 : amplitude(lane.db)));
  }

  focused() {
    return this.root.getRootNode().activeElement?.dataset?.focus;
  }

  // ---- what is seen ----

  build() {
    this.mainView = this.buildMain();
    this.laneBox = make("div", { className: "lanes" });
    this.labelBox = make("div", { className: "labels", role: "group", "aria-label": "Labels" });
    this.keys = make("p", { className: "keys" }, this.header.keys);
    this.status = make("p", { className: "hidden", role: "status" });
    this.root.replaceChildren(
      this.buildBar(),
      make("div", { className: this.takes.some((take) => take.labels) ? "body labelled" : "body" }, this.labelBox,
        make("div", { className: "grid" }, this.buildRuler(), this.mainView.row, this.laneBox,
          ...this.buildHeat(), this.buildSpectrogram())),
      this.keys, this.status,
    );
    this.drawTake();
  }

  buildLanes() {
    // One scale for a mixture and its sources, so that their heights compare.
    const take = this.takes[this.mixer.take];
    let peak = Math.max(take.peak, 1e-3);
    for (const channel of take.sources.flat()) for (const value of channel) peak = Math.max(peak, Math.abs(value));
    this.scale = 0.96 / peak;
    this.laneViews = take.lanes.map((lane, i) => this.buildLane(lane, i));
    const whole = !take.lanes.length && this.takes.some((one) => one.lanes.length);
    this.laneBox.replaceChildren(...this.laneViews.map((view) => view.row),
      ...(whole ? [make("p", { className: "legend" }, "One sound: what is done to the mixture as a whole has no lanes.")] : []));
  }

  buildLabels() {
    const { labels } = this.takes[this.mixer.take];
    this.labelBox.hidden = !labels;
    if (!labels) return;
    const MARKS = { present: "✓", unknown: "?" };
    const chip = (label) => {
      const one = make("button", { type: "button", className: `chip ${label.state}`, title: label.why,
        "data-focus": `chip-${label.name}`, onclick: () => this.soloLabel(label) },
        make("span", {}, `${MARKS[label.state]} ${label.name}`), make("small", {}, label.why));
      one.lanes = label.lanes;
      return one;
    };
    const of = (state) => labels.filter((label) => label.state === state);
    const absent = of("absent");
    this.chips = [...of("present"), ...of("unknown")].map(chip);
    const known = this.chips.length ? this.chips : [make("span", {}, "no class is present")];
    const rest = absent.length ? [make("details", {}, make("summary", {}, `${absent.length} absent`),
      make("span", {}, absent.map((label) => label.name).join(", ")))] : [];
    const uncertain = of("unknown").length ? ", ? uncertain" : "";
    this.labelBox.replaceChildren(make("span", { className: "legend" }, `Labels (✓ present${uncertain})`), ...known, ...rest);
  }

  soloLabel(label) {
    // Hear what a label is due to, and nothing else; once more: everything.
    const { lanes } = this.mixer;
    if (!label.lanes.length) return;
    const same = lanes.every((lane, i) => lane.solo === label.lanes.includes(i));
    lanes.forEach((lane, i) => { lane.solo = !same && label.lanes.includes(i); });
    this.changed(same ? "All sources" : `Solo: ${label.name}`);
  }

  buildBar() {
    const button = (name, className, text, click) =>
      make("button", { type: "button", className, onclick: click, "data-focus": name }, text);
    this.playButton = button("play", "play", "▶ Play", () => this.toggle());
    this.loopButton = button("loop", "loop", "Loop", () => this.setLoop(!this.loop));
    this.clock = make("span", { className: "clock", role: "timer", "aria-live": "off" });
    this.takeButtons = this.takes.map((take, i) => {
      const [first, ...rest] = take.name.split(" counterpart");
      const one = button(`take${i}`, "take", first, () => this.choose(i));
      if (rest.length) one.append(make("span", { className: "long" }, " counterpart")); // where there is room
      one.setAttribute("aria-label", take.name);
      one.disabled = !take.signal;
      one.title = take.missing || take.about;
      return one;
    });
    this.matchBox = make("input", { type: "checkbox", checked: this.matched, "data-focus": "match",
      onchange: () => { this.matched = this.matchBox.checked; this.apply(); this.show(); } });
    this.loudness = make("span", { className: "loudness" });
    const step = (name, text, title) => {
      const one = button(`step-${name}`, "step", text, () => this.go(name));
      [one.disabled, one.title] = [!this.header.steps?.[name], title];
      return one;
    };
    const steps = "next" in (this.header.steps ?? {}) ? [step("previous", "‹ Previous", "Previous (key P)"),
      step("next", "Next ›", "Next (key N)"), ...("random" in this.header.steps ? [step("random", "Random", "A random one")] : [])] : [];
    this.playOnBox = make("input", { type: "checkbox", checked: this.playOn, "data-focus": "play-on",
      onchange: () => { this.playOn = this.playOnBox.checked; } });
    const playOn = make("label", { title: "What plays goes on playing in the next mix, from its start" }, this.playOnBox, " play on");
    const transport = make("div", { className: "group", role: "group", "aria-label": "Transport" },
      this.playButton, ...steps, this.loopButton, this.clock, ...(this.header.steps ? [playOn] : []));
    if (this.takes.length === 1 && !this.takes[0].lanes.length) return make("div", { className: "bar" }, transport, this.loudness);
    const save = button("save", "save", "Save what I hear", () => this.save());
    save.title = "A WAV file of this take with solo, mute, gain and loudness as they are now";
    const compare = make("div", { className: "group", role: "group", "aria-label": "Compare at the same position" },
      make("div", { className: "takes" }, ...this.takeButtons));
    const match = make("label", { title: "The others are brought to the loudness of this mix" },
      this.matchBox, " match loudness");
    const others = this.takes.length > 1;
    return make("div", { className: "bar" }, transport, ...(others ? [compare] : []),
      make("div", { className: "group end" }, ...(others ? [match] : []),
        button("reset", "reset", "Reset mixer", () => this.reset()), save));
  }

  buildRuler() {
    const step = [0.5, 1, 2, 5, 10, 30, 60].find((s) => this.duration / s <= 8) ?? 120;
    this.ruler = make("div", { className: "ruler", role: "slider", tabIndex: 0, "aria-label": "Position",
      "aria-valuemin": 0, "aria-valuemax": this.duration, "data-focus": "ruler" });
    for (let t = 0; t <= this.duration + 1e-6; t += step) {
      const tick = make("span", {}, this.duration > 90 ? minutes(t) : `${+t.toFixed(1)}`);
      tick.style.left = `${(100 * t) / this.duration}%`;
      tick.classList.toggle("last", t > 0.94 * this.duration); // its text would stand beyond the edge
      this.ruler.append(tick);
    }
    this.listenTo(this.ruler);
    // The loudness stands here, where its change from take to take moves nothing.
    const inBar = this.takes.length === 1 && !this.takes[0].lanes.length;
    return make("div", { className: "row ruler-row" }, make("div", { className: "head" }, ...(inBar ? [] : [this.loudness]),
      make("span", { className: "unit" }, this.duration > 90 ? "minutes" : "seconds")), this.ruler);
  }

  buildLane(lane, i) {
    const view = this.buildRow(`lane${i}`, `${i + 1}`, lane.name, lane.detail);
    const state = () => this.mixer.lanes[i];
    view.mute.onclick = () => { state().mute = !state().mute; this.changed(); };
    view.solo.onclick = (event) => this.solo(i, event.shiftKey);
    view.solo.title = `Solo ${lane.name} (key ${i + 1}; with Shift: this one only)`;
    view.gain.oninput = () => { state().db = +view.gain.value; this.changed(); };
    for (const [start, end] of lane.spans) {
      const span = make("div", { className: "span" });
      span.style.left = `${(100 * start) / this.duration}%`;
      span.style.width = `${(100 * (end - start)) / this.duration}%`;
      view.wave.prepend(span);
    }
    if (this.perLane) {
      view.canvas = make("canvas", { role: "img", "aria-label": `Spectrogram of ${lane.name}` });
      view.svg.replaceWith(view.canvas);
      view.wave.classList.add("picture");
    } else {
      view.path.setAttribute("d", outline(this.sources[i], this.scale));
    }
    view.svg.setAttribute("aria-label", `Waveform of ${lane.name}. ${lane.spoken}`);
    return view;
  }

  buildMain() {
    const single = this.takes.every((take) => !take.lanes.length);
    const view = single ? this.buildRow("main", "♪", this.takes[0].name, "") : this.buildRow("main", "Σ", "Mixture", "");
    view.row.classList.add("main");
    view.solo.hidden = single;
    view.mute.onclick = () => { this.mixer.main.mute = !this.mixer.main.mute; this.changed(); };
    view.solo.onclick = () => this.unsolo();
    view.solo.title = "Hear every source again: switches all solos off (key 0)";
    view.solo.textContent = "All";
    view.solo.setAttribute("aria-label", "Hear every source: switch all solos off");
    view.gain.oninput = () => { this.mixer.main.db = +view.gain.value; this.changed(); };
    view.clip = make("span", { className: "clip", hidden: true }, "clip");
    view.wave.append(view.clip);
    return view;
  }

  buildRow(id, number, name, detail) {
    const { svg, path } = waveform(name);
    const mute = make("button", { type: "button", className: "mute", "aria-label": `Mute ${name}`,
      title: `Mute ${name}`, "data-focus": `${id}-mute` }, "M");
    const solo = make("button", { type: "button", className: "solo", "aria-label": `Solo ${name}`,
      "data-focus": `${id}-solo` }, "S");
    const gain = make("input", { type: "range", min: LOWEST_DB, max: 12, step: 0.5, value: 0,
      "aria-label": `Gain of ${name}`, "data-focus": `${id}-gain` });
    const output = make("output", {});
    const title = make("strong", {}, name), small = make("small", { title: detail }, detail);
    const score = make("small", { className: "score" });
    const note = make("em", {});
    const meter = make("i", {});
    const wave = make("div", { className: "wave" }, svg, make("div", { className: "region" }),
      make("div", { className: "cursor" }));
    const head = make("div", { className: "head" },
      make("div", { className: "name" }, make("span", { className: "number" }, number),
        make("span", { className: "text" }, make("span", {}, title, note), small, score)),
      make("div", { className: "mixer" }, mute, solo, gain, output));
    const row = make("div", { className: "row", role: "group", "aria-label": name, "data-lane": id }, head, wave,
      make("div", { className: "meter", "aria-hidden": true }, meter));
    this.listenTo(wave);
    return { row, title, small, score, note, mute, solo, gain, output, wave, svg, path, meter };
  }

  buildSpectrogram() {
    this.canvas = make("canvas", { role: "img" });
    this.hertz = make("div", { className: "hertz", "aria-hidden": true });
    const wave = make("div", { className: "wave picture" }, this.canvas, this.hertz,
      make("div", { className: "region" }), make("div", { className: "cursor" }));
    this.listenTo(wave);
    const { fronts } = this.header;
    const choice = make("select", { "aria-label": "Spectrogram", "data-focus": "front",
      onchange: () => { this.frontAt = this.front = choice.selectedIndex; this.drawTake(); } },
      ...fronts.map((front) => make("option", {}, front.name)));
    choice.selectedIndex = this.front;
    const lanes = make("input", { type: "checkbox", checked: !!this.perLane, "data-focus": "per-lane",
      onchange: () => { this.perLane = lanes.checked; this.drawTake(); this.show(); } });
    this.frontSmall = make("small", {});
    const head = make("div", { className: "head" },
      make("div", { className: "text" }, make("strong", {}, "Spectrogram"), this.frontSmall),
      ...(fronts.length > 1 ? [choice] : []),
      ...(this.takes[0].lanes.length ? [make("label", {}, lanes, " of each lane, too")] : []));
    return make("div", { className: "row" }, head, wave);
  }

  drawHertz() {
    const { low_hz: low, high_hz: high } = this.header.fronts[this.front];
    this.hertz.replaceChildren(...[500, 1000, 2000, 4000, 8000, 16000].filter((f) => f <= high * 0.95).map((hertz) => {
      const label = make("span", {}, hertz >= 1000 ? `${hertz / 1000}k` : `${hertz}`);
      label.style.bottom = `${(100 * (toMel(hertz) - toMel(low))) / (toMel(high) - toMel(low))}%`;
      return label;
    }));
  }

  // ---- scores of classes over time ----

  buildHeat() {
    if (!this.header.heat) return [];
    this.told = make("p", { className: "told" });
    this.heatBox = make("div", { className: "heat", role: "group", "aria-label": "Scores of classes over time" });
    this.drawHeat();
    const scale = make("i", { className: "scale" });
    // Without a threshold the class with the highest score is detected.
    const free = this.header.heat.classes.every((one) => one.threshold === null);
    const legend = make("p", { className: "legend" }, "score 0 ", scale,
      free ? " 1" : " 1, the threshold in the middle", ` · line below: detected, ${free ? "the highest score" : "at or above the threshold"} · hatched: silent`);
    const columns = free ? "highest score" : "highest score | threshold";
    const head = make("div", { className: "head" }, make("strong", {}, "Classes"), make("small", {}, columns));
    const row = make("div", { className: "row told-row" }, head, make("div", {}, this.told, legend));
    return [row, this.heatBox];
  }

  drawHeat() {
    const { classes, starts, silent } = this.header.heat;
    const hidden = new Set(silent);
    this.heatBox.replaceChildren(...classes.map((one, c) => {
      const scores = this.heat.subarray(c * starts.length, (c + 1) * starts.length);
      return this.buildHeatRow(one, scores, hidden);
    }));
    this.toldAt = null;
    this.tell();
  }

  buildHeatRow(one, scores, hidden) {
    const canvas = make("canvas", { role: "img", "aria-label": one.spoken, width: HEAT_COLUMNS, height: 1 });
    const { starts } = this.header.heat;
    const picture = canvas.getContext("2d"), image = picture.createImageData(HEAT_COLUMNS, 1);
    const column = (time) => Math.round((time / this.duration) * HEAT_COLUMNS);
    // By the class's own threshold, which lies in the middle of the colours: bright is detected.
    const at = one.threshold === null ? 127.5 : clamp(255 * one.threshold, 1, 254);
    const shade = (score) => PALETTE[Math.round(score < at ? (127.5 * score) / at : 255 - (127.5 * (255 - score)) / (255 - at))];
    scores.forEach((score, k) => {
      if (hidden.has(k)) return; // left clear: the hatching below shows
      for (let x = column(starts[k]); x < column(starts[k + 1] ?? this.duration); x++) {
        image.data.set([...shade(score), 255], 4 * x);
      }
    });
    picture.putImageData(image, 0, 0);
    const wave = make("div", { className: "wave strip" }, canvas);
    for (const [start, end] of one.spans) {
      const span = make("div", { className: "detected" });
      span.style.left = `${(100 * start) / this.duration}%`;
      span.style.width = `${(100 * (end - start)) / this.duration}%`;
      wave.append(span);
    }
    wave.append(make("div", { className: "region" }), make("div", { className: "cursor" }));
    this.listenTo(wave);
    wave.addEventListener("pointermove", (event) => {
      const box = wave.getBoundingClientRect();
      const time = clamp((event.clientX - box.left) / box.width, 0, 1) * this.duration;
      const k = this.momentAt(time);
      const score = hidden.has(k) ? "silent" : (scores[k] / 255).toFixed(2);
      const threshold = one.threshold === null ? "" : `, threshold ${one.threshold.toFixed(2)}`;
      this.told.textContent = `${one.name} at ${time.toFixed(1)} s: ${score}${threshold}`;
    });
    wave.addEventListener("pointerleave", () => { this.toldAt = null; this.tell(); });
    const name = make("span", { className: "class" }, one.name + (one.note ? " *" : ""));
    name.style.paddingLeft = `${one.depth * 14}px`;
    const threshold = one.threshold === null ? "" : ` | ${one.threshold.toFixed(2)}`;
    const figures = one.max === null ? "–" : `${one.max.toFixed(2)}${threshold}`;
    const head = make("div", { className: "head", title: one.note },
      make("span", { className: "mark", "aria-hidden": true }, one.detected ? "✓" : "–"), name,
      make("span", { className: "figures" }, figures));
    return make("div", { className: `row heat-row${one.detected ? "" : " undetected"}` }, head, wave);
  }

  momentAt(time) {
    const { starts } = this.header.heat;
    let low = 0, high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle] <= time) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  tell() {
    // The strongest classes at the cursor, in numbers.
    const k = this.momentAt(this.time);
    if (k === this.toldAt) return;
    this.toldAt = k;
    const { classes, starts, silent } = this.header.heat;
    const time = starts[k];
    const at = `From ${time.toFixed(1)} s: `;
    if (silent.includes(k)) {
      this.told.textContent = `${at}silent`;
      return;
    }
    const best = classes.map((one, c) => [this.heat[c * starts.length + k] / 255, one]);
    best.sort((a, b) => b[0] - a[0]);
    const detected = (one) => one.spans.some(([start, end]) => start <= time + 1e-3 && time + 1e-3 < end);
    this.told.textContent = at + (best.slice(0, TOLD)
      .map(([score, one]) => `${one.name} ${score.toFixed(2)}${detected(one) ? " ✓" : ""}`).join(", ") || "no class");
  }

  drawScores() {
    // Of the class that is looked at: of the mix, of each lane alone, and of the mix without it.
    const { scores } = this.header, shown = scores && this.mixer.take === 0;
    const told = (score) => `${score.toFixed(2)}${scores.threshold !== null && score >= scores.threshold ? " ✓" : ""}`;
    const say = (view, text, title) => [view.score.textContent, view.score.title] = shown ? [text(), title()] : ["", ""];
    const at = () => (scores.threshold === null ? "" : `, threshold ${scores.threshold.toFixed(2)}`);
    this.laneViews.forEach((view, i) => say(view,
      () => `alone ${told(scores.alone[i])} · mix without it ${told(scores.without[i])}`,
      () => `Score of ${scores.label}: of this source alone, and of the mix without it${at()}`));
    say(this.mainView, () => `${scores.label} ${told(scores.mix)}${at()}`, () => `Score of ${scores.label}: of the mix${at()}`);
  }

  drawTake() {
    const take = this.takes[this.mixer.take];
    const focus = this.focused();
    this.buildLanes();
    this.buildLabels();
    this.mainView.title.textContent = take.lanes.length ? "Mixture" : take.name;
    this.mainView.small.textContent = take.about;
    this.mainView.svg.setAttribute("aria-label", `Waveform: ${take.name}, ${take.about}`);
    const front = this.header.fronts[this.front];
    this.canvas.setAttribute("aria-label", `Mel spectrogram, ${front.bands} bands: ${take.name}`);
    this.frontSmall.textContent = front.about;
    this.drawHertz();
    this.drawHeard();
    this.drawScores();
    this.root.querySelector(`[data-focus="${focus}"]`)?.focus({ preventScroll: true });
  }

  heard() {
    // What the mixer lets through of the take, without the gain of the whole.
    const take = this.takes[this.mixer.take];
    if (!take.sources.length) return take.signal;
    const weights = this.weights(this.mixer.take);
    return weights.every((weight) => weight === 1) ? take.signal : sumOf(take.sources, weights);
  }

  drawHeard() {
    const heard = this.heard(), front = this.header.fronts[this.front], rate = this.header.sample_rate;
    this.drawn = this.weights(this.mixer.take).join();
    this.mainView.path.setAttribute("d", outline(heard, this.scale));
    const picture = melPicture(heard, front, rate);
    paint(this.canvas, picture);
    this.picture = picture;
    if (!this.perLane) return;
    const pictures = this.sources.map((source) => melPicture(source, front, rate));
    const loudest = Math.max(...pictures.map((one) => one.top));
    this.laneViews.forEach((view, i) => paint(view.canvas, pictures[i], loudest));
  }

  redraw() {
    // Not at each step of a slider that moves.
    if (this.weights(this.mixer.take).join() === this.drawn) return;
    clearTimeout(this.drawing);
    this.drawing = setTimeout(() => this.drawHeard(), 60);
  }

  show() {
    const { lanes, main, take } = this.mixer;
    const soloed = lanes.some((lane) => lane.solo);
    this.laneViews.forEach((view, i) => {
      const lane = lanes[i];
      this.showRow(view, lane, main.mute || lane.mute || (soloed && !lane.solo));
      view.solo.setAttribute("aria-pressed", lane.solo);
      view.note.textContent = lane.mute ? "muted"
        : soloed ? (lane.solo ? "solo" : "silenced by solo") : main.mute ? "mixture muted" : "";
    });
    this.showRow(this.mainView, main, main.mute);
    this.mainView.solo.disabled = !soloed;
    this.mainView.note.textContent = main.mute ? "muted" : soloed ? "solo on" : "";
    this.takeButtons.forEach((button, i) => button.setAttribute("aria-pressed", i === take));
    for (const chip of this.chips ?? []) {
      chip.setAttribute("aria-pressed", soloed && lanes.every((lane, i) => lane.solo === chip.lanes.includes(i)));
    }
    this.loudness.textContent = this.loudnessText();
    this.loopButton.setAttribute("aria-pressed", this.loop);
    const [start, end] = this.region ?? [0, 0];
    this.root.style.setProperty("--from", start / this.duration);
    this.root.style.setProperty("--to", end / this.duration);
    this.showTransport();
  }

  showRow(view, state, silent) {
    view.row.classList.toggle("silent", silent);
    view.mute.setAttribute("aria-pressed", state.mute);
    view.gain.value = state.db;
    view.gain.setAttribute("aria-valuetext", said(state.db));
    view.output.textContent = said(state.db);
  }

  showTransport() {
    this.playButton.textContent = this.playing ? "❚❚ Pause" : "▶ Play";
    this.showTime();
  }

  showTime() {
    const time = this.time;
    this.root.style.setProperty("--at", time / this.duration);
    const text = `${time.toFixed(2)} / ${this.duration.toFixed(2)} s`;
    this.clock.textContent = this.region
      ? `${text} · loop ${this.region[0].toFixed(2)}–${this.region[1].toFixed(2)}` : text;
    if (this.heat) this.tell();
    const now = time.toFixed(1);
    if (this.ruler.getAttribute("aria-valuenow") !== now) {
      this.ruler.setAttribute("aria-valuenow", now);
      this.ruler.setAttribute("aria-valuetext", `${now} of ${this.duration.toFixed(1)} seconds`);
    }
  }

  loudnessText() {
    const text = (take) => (take.lufs === null ? "silent" : `${take.lufs.toFixed(1).replace("-", "−")} LUFS`);
    const take = this.takes[this.mixer.take];
    const change = this.mixer.take > 0 && this.matched && Math.abs(take.match_db) >= 0.05 ? `, played ${said(take.match_db)}` : "";
    return text(take) + change;
  }

  meter() {
    if (!this.graph) return;
    const size = (analyser) => {
      analyser.getFloatTimeDomainData(this.scratch);
      let peak = 0;
      for (const value of this.scratch) peak = Math.max(peak, Math.abs(value));
      return peak;
    };
    // A meter covers 48 dB; linear amplitude would hide all but the loudest.
    const height = (peak) => (peak > 0 ? clamp(1 + (20 * Math.log10(peak)) / 48, 0, 1) : 0);
    const { lanes } = this.graph.takes[this.mixer.take];
    this.levels = { lanes: lanes.map((lane) => size(lane.analyser)), master: size(this.graph.meter) };
    this.laneViews.forEach((view, i) => view.meter.style.setProperty("--level", height(this.levels.lanes[i])));
    this.mainView.meter.style.setProperty("--level", height(this.levels.master));
    if (this.levels.master > 1.0005) this.clippedAt = performance.now();
    this.mainView.clip.hidden = !(performance.now() - this.clippedAt < 1500);
  }

  // ---- what is heard ----

  get playing() {
    return this.nodes !== null;
  }

  get time() {
    if (!this.nodes) return this.position;
    const elapsed = Math.max(this.context.currentTime - this.startedAt, 0);
    const at = this.position + elapsed;
    if (!this.loop) return Math.min(at, this.duration);
    const [start, end] = this.region ?? [0, this.duration];
    return at < end ? at : start + ((at - end) % (end - start));
  }

  prepare() {
    if (!this.context) {
      // At the mix's own rate: between rates a buffer source only interpolates linearly, which is heard.
      this.context = new AudioContext({ sampleRate: this.header.sample_rate, latencyHint: "interactive" });
      this.graph = null;
      this.buffers = null;
    }
    if (this.buffers) return;
    const buffer = (channels) => {
      const made = this.context.createBuffer(channels.length, this.header.samples, this.header.sample_rate);
      channels.forEach((channel, c) => made.copyToChannel(channel, c));
      return made;
    };
    this.buffers = this.takes.map((take) => ({
      lanes: take.sources.map(buffer), whole: take.whole ? buffer(take.whole) : null,
    }));
    this.graph?.out.disconnect();
    this.graph = this.buildGraph();
    this.scratch = new Float32Array(this.graph.meter.fftSize);
    this.apply(true);
  }

  buildGraph() {
    const context = this.context;
    const out = context.createGain(), meter = context.createAnalyser(), limit = context.createWaveShaper();
    meter.fftSize = 2048;
    // Straight within full scale and flat beyond it: nothing louder than the ceiling leaves the player.
    limit.curve = new Float32Array([-CEILING, 0, CEILING]);
    out.connect(meter).connect(limit).connect(context.destination);
    const takes = this.takes.map((take) => {
      const bus = context.createGain();
      bus.connect(out);
      const lanes = take.sources.map(() => {
        const gain = context.createGain(), analyser = context.createAnalyser();
        analyser.fftSize = 2048;
        gain.connect(analyser).connect(bus);
        return { gain, analyser };
      });
      return { bus, lanes };
    });
    return { out, meter, takes };
  }

  apply(atOnce = false) {
    this.redraw();
    if (!this.graph) return;
    const now = this.context.currentTime;
    const set = (node, value) => {
      if (atOnce) node.gain.setValueAtTime(value, now);
      else node.gain.setTargetAtTime(value, now, SMOOTH_S);
    };
    const { take } = this.mixer;
    this.graph.takes.forEach(({ bus, lanes }, i) => {
      this.weights(i).forEach((weight, n) => set(lanes[n].gain, weight));
      set(bus, take === i ? this.gainOf(i) : 0);
    });
  }

  gainOf(i) {
    const { main } = this.mixer;
    return (main.mute ? 0 : amplitude(main.db)) * (i > 0 && this.matched ? 10 ** (this.takes[i].match_db / 20) : 1);
  }

  save() {
    const gain = this.gainOf(this.mixer.take);
    const channels = this.heard().map((channel) => channel.map((value) => gain * value));
    const link = make("a", { href: URL.createObjectURL(wavOf(channels, this.header.sample_rate)),
      download: `${this.header.file ?? "mixlab"}_${this.takes[this.mixer.take].key}.wav` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    this.status.textContent = "Saved what is heard";
  }

  async play() {
    this.prepare();
    if (this.context.state !== "running") await this.context.resume();
    this.halt();
    const [start, end] = this.region ?? [0, this.duration];
    if (this.position >= this.duration - 0.005) this.position = 0;
    if (this.loop && (this.position < start || this.position >= end)) this.position = start;
    this.startedAt = this.context.currentTime + LEAD_S;
    const begin = (buffer, gain) => {
      const node = this.context.createBufferSource();
      node.buffer = buffer;
      node.loop = this.loop;
      [node.loopStart, node.loopEnd] = [start, end];
      node.connect(gain);
      node.start(this.startedAt, this.position);
      return node;
    };
    this.nodes = this.buffers.flatMap(({ lanes, whole }, i) => [
      ...lanes.map((buffer, n) => begin(buffer, this.graph.takes[i].lanes[n].gain)),
      ...(whole ? [begin(whole, this.graph.takes[i].bus)] : []),
    ]);
    const volume = this.graph.out.gain;
    volume.cancelScheduledValues(0);
    volume.setValueAtTime(1, this.startedAt);
    this.showTransport();
    this.tick();
  }

  halt() {
    if (!this.nodes) return;
    this.position = this.time;
    const now = this.context.currentTime;
    this.graph.out.gain.setTargetAtTime(0, now, SMOOTH_S / 2);
    this.nodes.forEach((node) => node.stop(now + 0.02));
    this.nodes = null;
  }

  tick() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      if (!this.root.isConnected) return this.destroy();
      if (this.nodes && !this.loop && this.time >= this.duration) {
        this.halt();
        this.position = 0;
        this.showTransport();
      }
      this.showTime();
      this.meter();
      const sounds = this.levels && Math.max(this.levels.master, ...this.levels.lanes) > 1e-3;
      if (this.nodes || sounds) this.tick();
      return undefined;
    });
  }

  // ---- what people do ----

  toggle() {
    this.stepped = false;
    if (this.playing) {
      this.halt();
      this.showTransport();
    } else {
      this.play();
    }
  }

  seek(time) {
    const playing = this.playing;
    this.halt();
    this.position = clamp(time, 0, this.duration);
    if (playing) this.play();
    this.showTransport();
  }

  go(name) {
    // Previous, next, random: the page decides what that is. The focus leaves the button, so that keys work.
    if (!this.header.steps?.[name]) return;
    this.root.focus({ preventScroll: true });
    this.send("step", name);
  }

  setLoop(on, region = null) {
    const playing = this.playing;
    this.halt();
    this.loop = on;
    this.region = on ? region : null;
    if (playing) this.play();
    this.show();
  }

  changed(words = "") {
    this.apply();
    this.show();
    if (words) this.status.textContent = words;
  }

  solo(i, exclusive) {
    const { lanes } = this.mixer;
    const on = exclusive ? !(lanes[i].solo && lanes.filter((lane) => lane.solo).length === 1) : !lanes[i].solo;
    if (exclusive) lanes.forEach((lane) => { lane.solo = false; });
    lanes[i].solo = on;
    const names = this.takes[this.mixer.take].lanes.filter((_, n) => lanes[n].solo).map((lane) => lane.name);
    this.changed(names.length ? `Solo: ${names.join(", ")}` : "All sources");
  }

  unsolo() {
    this.mixer.lanes.forEach((lane) => { lane.solo = false; });
    this.changed("All sources");
  }

  choose(i) {
    if (!this.takes[i]?.signal || i === this.mixer.take) return;
    this.before = this.mixer.take;
    this.mixer.take = i;
    this.drawTake();
    this.changed(`Now: ${this.takes[i].name}`);
  }

  reset() {
    this.mixer.main = { db: 0, mute: false };
    this.takes.forEach((_, i) =>
      this.mixer.of(i).forEach((lane) => Object.assign(lane, { db: 0, mute: false, solo: false })));
    this.changed("Mixer reset");
  }

  listenTo(element) {
    // Click to seek, drag to loop; a finger still scrolls the page up and down.
    let from = null, dragged = false;
    const at = (event) => {
      const box = element.getBoundingClientRect();
      return clamp((event.clientX - box.left) / box.width, 0, 1) * this.duration;
    };
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      [from, dragged] = [at(event), false];
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      if (from === null) return;
      const to = at(event);
      dragged ||= Math.abs(to - from) * element.clientWidth > 6 * this.duration;
      if (!dragged) return;
      this.root.style.setProperty("--from", Math.min(from, to) / this.duration);
      this.root.style.setProperty("--to", Math.max(from, to) / this.duration);
    });
    element.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const region = [Math.min(from, at(event)), Math.max(from, at(event))];
      from = null;
      if (dragged && region[1] - region[0] >= 0.05) this.setLoop(true, region);
      else this.seek(region[0]);
    });
    element.addEventListener("pointercancel", () => { from = null; this.show(); });
  }

  pressed(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.composedPath()[0];
    const range = target.type === "range";
    const digit = /^Digit([0-9])$/.exec(event.code)?.[1];
    // Buttons and boxes keep their space bar, sliders their arrows.
    if (event.code === "Space" && !["BUTTON", "INPUT"].includes(target.tagName)) this.toggle();
    else if (event.key === "ArrowLeft" && !range) this.seek(this.time - (event.shiftKey ? 4 : 1) * this.step);
    else if (event.key === "ArrowRight" && !range) this.seek(this.time + (event.shiftKey ? 4 : 1) * this.step);
    else if (event.key === "Home" && !range) this.seek(0);
    else if (event.key === "Escape" && this.loop) this.setLoop(false);
    else if (digit === "0") this.unsolo();
    else if (digit && +digit <= this.laneViews.length) this.solo(+digit - 1, event.shiftKey);
    else if (event.key === "b" && this.takes.length > 1) this.choose(this.mixer.take === 0 ? this.before || 1 : 0);
    else if (event.key === "l") this.setLoop(!this.loop);
    else if (event.key === "n" && "next" in (this.header.steps ?? {})) this.go("next");
    else if (event.key === "p" && "next" in (this.header.steps ?? {})) this.go("previous");
    else return;
    event.preventDefault();
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".player");
  // Called again after every rerun of the page, mostly with the same bytes.
  root.player ??= new Player(root);
  root.player.send = setTriggerValue;
  root.player.load(data);
  return () => root.player.destroy();
}
