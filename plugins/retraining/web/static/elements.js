// Makes elements. Text only ever becomes a text node, so nothing that is shown can be markup.

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function number(value, digits = 4) {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  return size >= 10 ** digits && size < 1e9 ? whole(Math.round(value)) : Number(value).toPrecision(digits);
}

// So many digits that it does not look like another value, such as a limit, unless it is that.
export function apart(value, other, digits = 4) {
  return value !== other && Number(Number(value).toPrecision(digits)) === other ? String(value) : number(value, digits);
}

export function whole(value) {
  return value === null || value === undefined ? "" : Number(value).toLocaleString("en");
}

export function approval(status) {
  return status === "PendingManualApproval" ? "pending" : status;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return `${Math.round(seconds / 60)} min`;
}

function reload(event) {
  event.preventDefault();
  window.location.reload();
}

export function notices(sentences) {
  const unique = [...new Set(sentences)];
  if (unique.length === 0) return null;
  return el(
    "div",
    { class: "notice", role: "status" },
    el("strong", {}, "Not all could be read; what is known is shown."),
    el("ul", {}, unique.map((sentence) => el("li", {}, sentence))),
    el("a", { href: window.location.href, onclick: reload }, "Try again"),
  );
}
