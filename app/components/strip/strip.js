// The kinds of neighbouring indices: shape, letter and colour say which they are. A click goes there.

const KINDS = {
  musical: { name: "Musical", mark: "●", letter: "M" },
  non_musical: { name: "Non-musical", mark: "△", letter: "N" },
  matched: { name: "Matched", mark: "◐", letter: "T" },
};

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".strip");
  const before = root.kinds ?? {};
  const focus = parentElement.activeElement?.dataset.index;
  root.kinds = Object.fromEntries(data.items.map((item) => [`${data.stream}/${item.index}`, item.kind]));
  const list = document.createElement("ol");
  for (const item of data.items) {
    const { name, mark: shape, letter } = KINDS[item.kind];
    const entry = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.index = item.index;
    button.dataset.kind = item.kind;
    const known = before[`${data.stream}/${item.index}`];
    button.classList.toggle("flipped", known !== undefined && known !== item.kind);
    button.title = `${name}: ${item.about}`;
    // One tab stop for all of them: the arrows move within the strip.
    button.tabIndex = item.index === data.current ? 0 : -1;
    if (item.index === data.current) button.setAttribute("aria-current", "true");
    const mark = document.createElement("span");
    mark.className = "mark";
    mark.textContent = shape;
    const number = document.createElement("span");
    number.className = "number";
    number.textContent = `${letter} ${item.index}`;
    mark.setAttribute("aria-hidden", "true");
    const said = document.createElement("span");
    said.className = "hidden";
    said.textContent = `, ${name.toLowerCase()}: ${item.about}`;
    button.append(mark, number, said);
    button.onclick = (event) => {
      setTriggerValue("go", item.index);
      if (event.detail) button.blur(); // by the pointer: the player's keys then work at once
    };
    button.onkeydown = (event) => {
      const to = { ArrowLeft: entry.previousSibling, ArrowRight: entry.nextSibling,
        Home: list.firstChild, End: list.lastChild }[event.key];
      if (!to) return;
      event.preventDefault();
      to.firstChild.focus();
    };
    entry.append(button);
    list.append(entry);
  }
  const count = data.items.filter((item) => item.kind === "musical").length;
  const matched = data.items.some((item) => item.kind === "matched") ? " ◐ T matched." : "";
  const legend = document.createElement("p");
  legend.textContent = `● M musical: ${count} of ${data.items.length} here. △ N non-musical.${matched} ${data.note}`;
  root.replaceChildren(list, legend);
  root.querySelector(`[data-index="${focus}"]`)?.focus({ preventScroll: true });
}
