// The kinds of neighbouring indices: shape, letter and colour say which are musical. A click goes there.

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".strip");
  const before = root.kinds ?? {};
  const focus = parentElement.activeElement?.dataset.index;
  root.kinds = Object.fromEntries(data.items.map((item) => [`${data.stream}/${item.index}`, item.kind]));
  const list = document.createElement("ol");
  for (const item of data.items) {
    const musical = item.kind === "musical";
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.index = item.index;
    button.dataset.kind = item.kind;
    const known = before[`${data.stream}/${item.index}`];
    button.classList.toggle("flipped", known !== undefined && known !== item.kind);
    button.title = `${musical ? "Musical" : "Non-musical"}: ${item.about}`;
    button.setAttribute("aria-label", `Index ${item.index}, ${musical ? "musical" : "non-musical"}: ${item.about}`);
    if (item.index === data.current) button.setAttribute("aria-current", "true");
    const mark = document.createElement("span");
    mark.className = "mark";
    mark.textContent = musical ? "●" : "△";
    const number = document.createElement("span");
    number.className = "number";
    number.textContent = `${musical ? "M" : "N"} ${item.index}`;
    button.append(mark, number);
    button.onclick = () => setTriggerValue("go", item.index);
    const entry = document.createElement("li");
    entry.append(button);
    list.append(entry);
  }
  const count = data.items.filter((item) => item.kind === "musical").length;
  const legend = document.createElement("p");
  legend.textContent = `● M musical: ${count} of ${data.items.length} here. △ N non-musical. ${data.note}`;
  root.replaceChildren(list, legend);
  root.querySelector(`[data-index="${focus}"]`)?.focus({ preventScroll: true });
}
