// Copies a link to exactly this view; where the browser forbids it, shows the link to be copied by hand.

export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  const status = parentElement.querySelector("[role=status]");
  const link = `${window.location.origin}${window.location.pathname}?${data.query}`;
  if (button.dataset.link !== link) status.textContent = "";
  button.dataset.link = link;
  button.title = link;
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(link);
      status.textContent = "Copied";
    } catch {
      const field = document.createElement("input");
      field.value = link;
      field.readOnly = true;
      field.setAttribute("aria-label", "Link to this mix");
      status.replaceChildren(field);
      field.select();
    }
  };
}
