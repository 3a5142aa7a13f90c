// A table that may be wider than the window: it scrolls, and says so at the edge that hides a part.

import { el } from "./elements.js";

export function scrollRegion(label, content) {
  const inner = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, content);
  const hint = el("p", { class: "hint quiet", hidden: true });
  const frame = el("div", { class: "scrolled" }, inner);

  function look() {
    const left = inner.scrollLeft > 1;
    const right = inner.scrollLeft + inner.clientWidth < inner.scrollWidth - 1;
    frame.classList.toggle("more-left", left);
    frame.classList.toggle("more-right", right);
    hint.hidden = !left && !right;
    hint.textContent = right && left ? "← → more columns on both sides" : right ? "more columns to the right →" : "← more columns to the left";
  }

  inner.addEventListener("scroll", look, { passive: true });
  const observer = new ResizeObserver(look);
  observer.observe(inner);
  if (inner.firstElementChild) observer.observe(inner.firstElementChild);
  return el("div", {}, hint, frame);
}
