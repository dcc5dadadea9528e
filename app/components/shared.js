// What several components use: these lines are put before those of each of them.

const CEILING = 10 ** (-1 / 20); // full scale comes out at -1 dBFS

function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node && name !== "role") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

