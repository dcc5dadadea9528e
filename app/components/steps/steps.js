// One entry of the browser's history per click or key. Streamlit adds one for every parameter of the address
// that the server changes, and on the way to another page one that has that page's parameters on this one: Back
// had to be pressed once for each of them, and came to a page that had forgotten what was open. Here all that
// follow one click or key become one. Parameters that merely go, as those of a tab that was closed, are no step.

const DONE = Symbol.for("mixlab.steps");

function onlyLoses(now, before) {
  return [...now.searchParams].every(([name, value]) => before.searchParams.getAll(name).includes(value));
}

export default function () {
  if (window[DONE]) return;
  window[DONE] = true;
  let acts = 0, pushed = 0, leaving = false;
  const act = (event) => {
    acts += 1;
    leaving = event.composedPath().some((node) => node.tagName === "A") || document.activeElement?.tagName === "A";
  };
  window.addEventListener("pointerdown", act, true);
  window.addEventListener("keydown", act, true);
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  history.pushState = (state, title, url) => {
    const before = new URL(location.href), now = new URL(url ?? "", location.href);
    const closed = now.pathname === before.pathname && !leaving && onlyLoses(now, before);
    if (acts === pushed || closed) replace(state, title, url);
    else push(state, title, url);
    pushed = acts;
  };
}
