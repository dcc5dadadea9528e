// One entry of the browser's history per click or key. Streamlit adds one for every parameter of the address
// that the server changes, and on the way to another page one that has that page's parameters on this one: Back
// had to be pressed once for each of them, and came to a page that had forgotten what was open. Here all that
// follow one click or key become one. Parameters that merely go, as those of a tab that was closed, are no step.

const DONE = Symbol.for("mixlab.steps");

function onlyLoses(now, before) {
  return [...now.searchParams].every(([name, value]) => before.searchParams.getAll(name).includes(value));
}

// Of a part that a page no longer has, as of differences without a second run, Streamlit opens the first one
// instead and leaves the name in the address.
function forgetParts(replace) {
  const url = new URL(location.href);
  for (const place of document.querySelectorAll("[class*=st-key-parts_]")) {
    const names = [...place.querySelectorAll("[role=radio]")].map((part) => part.textContent.trim());
    const key = [...place.classList].find((name) => name.startsWith("st-key-parts_")).slice("st-key-parts_".length);
    const named = url.searchParams.get(key);
    if (names.length && named !== null && !names.includes(named)) url.searchParams.delete(key);
  }
  if (url.href !== location.href) replace(history.state, "", url);
}

export default function ({ setTriggerValue }) {
  if (window[DONE]) {
    window[DONE].rerun = setTriggerValue;
    return;
  }
  const page = (window[DONE] = { rerun: setTriggerValue });
  // Charts have colours that the server chose for the scheme; after a moment, so that it is told the new one.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    setTimeout(() => page.rerun("scheme", performance.now()), 100));
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
  const app = document.querySelector("[data-test-script-state]");
  // Another Streamlit may say in another way when a page is complete; names of parts then stay in the address.
  if (!app) return;
  new MutationObserver(() => {
    if (app.dataset.testScriptState === "notRunning") forgetParts(replace);
  }).observe(app, { attributeFilter: ["data-test-script-state"] });
}
