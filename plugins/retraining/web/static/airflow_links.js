// Links that leave this page. Inside Airflow it is a sandboxed frame, which may not open them
// itself; the page around it, of the same origin, may.

import { el } from "./elements.js";

export function airflowLink(label, ...path) {
  const href = new URL(`../${path.map(encodeURIComponent).join("/")}`, document.baseURI).href;
  return leaving(label, href, "_top");
}

export function outerLink(label, href) {
  if (!href.startsWith("https://")) return el("span", {}, label);
  return leaving(label, href, "_blank");
}

function leaving(label, href, target) {
  return el("a", { href, target, rel: "noopener", onclick: (event) => go(event, href, target) }, label);
}

function go(event, href, target) {
  if (window.parent === window) return;
  try {
    const outer = window.parent.document;
    const anchor = outer.createElement("a");
    Object.assign(anchor, { href, target, rel: "noopener" });
    outer.body.append(anchor);
    anchor.click();
    anchor.remove();
    event.preventDefault();
  } catch {
    // A frame of another origin: the browser decides what the link does.
  }
}
