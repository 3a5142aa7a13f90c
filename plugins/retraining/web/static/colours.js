// How a verdict looks: a shape and a colour, and a sign where only text fits.

export const VERDICTS = {
  pass: { label: "passed", shape: "circle", sign: "●" },
  reject: { label: "rejected", shape: "triangle", sign: "▲" },
  undecidable: { label: "undecidable", shape: "rectRot", sign: "◆" },
  failed: { label: "failed", shape: "crossRot", sign: "✕" },
  running: { label: "running", shape: "star", sign: "✱" },
  none: { label: "no decision", shape: "line", sign: "–" },
  unknown: { label: "not readable", shape: "dash", sign: "?" },
};

const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

// A canvas does not know the style sheet's variables.
export function colour(name, alpha = 1) {
  probe.style.color = `var(--${name})`;
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g);
  return `rgb(${red} ${green} ${blue} / ${alpha})`;
}

const redraws = new Set();

export function onThemeChange(redraw) {
  redraws.add(redraw);
}

function redrawAll() {
  for (const redraw of redraws) redraw();
}

// The system's choice counts, unless the person chose otherwise in Airflow's page around this one.
export function followTheme() {
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
  if (window.parent === window) return;
  try {
    const outer = window.parent.document.documentElement;
    const take = () => {
      const theme = ["dark", "light"].find((name) => outer.classList.contains(name));
      if (theme === document.documentElement.dataset.theme) return;
      if (theme) document.documentElement.dataset.theme = theme;
      else delete document.documentElement.dataset.theme;
      redrawAll();
    };
    take();
    new MutationObserver(take).observe(outer, { attributeFilter: ["class"] });
  } catch {
    // A frame of another origin: the system's choice has to do.
  }
}

export function axis(title, more = {}) {
  return {
    title: { display: Boolean(title), text: title, color: colour("quiet") },
    grid: { color: colour("line") },
    ...more,
    ticks: { color: colour("quiet"), ...more.ticks },
  };
}
