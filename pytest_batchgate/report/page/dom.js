// Elements and words.  Texts become text nodes, whatever they hold: there is no way here to make markup of a string.

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

function built(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === "") continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}
const el = (tag, attributes, ...children) => built(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => built(document.createElementNS(SVG, tag), attributes, children);

const number = (value) => value.toLocaleString("en-US");
const plural = (value, word) => `${number(value)} ${word}${value === 1 ? "" : "s"}`;
const percent = (share) => `${Math.round(share * 100)} %`;

// As the terminal and the summary say it.
function duration(seconds) {
  if (seconds <= 0) return "0 ms";
  if (seconds < 0.0005) return "< 1 ms";
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 9.95 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

function bytes(size) {
  if (size < 1e6) return `${Math.round(size / 1e3)} kB`;
  return size < 1e9 ? `${Math.round(size / 1e6)} MB` : `${(size / 1e9).toFixed(1)} GB`;
}

// Sign and tone of each outcome and state: colour alone tells nothing.
const TONES = {
  passed: ["good", "✓"], flaky: ["warn", "↻"], cached: ["good", "✓"], carried: ["good", "✓"],
  unaffected: ["good", "✓"], deselected: ["none", "–"], failed: ["bad", "✕"], error: ["bad", "✕"],
  "timed-out": ["bad", "✕"], crashed: ["bad", "✕"], broken: ["bad", "✕"], empty: ["bad", "✕"],
  skipped: ["none", "–"], cancelled: ["none", "–"], xfailed: ["none", "–"], xpassed: ["warn", "!"],
  not_run: ["none", "○"], "not run": ["none", "○"], warning: ["warn", "!"], note: ["none", "·"],
};
const toneOf = (state) => (TONES[state] || ["none", "·"])[0];
const glyphOf = (state) => (TONES[state] || ["none", "·"])[1];
const wordOf = (state) => state.replace("_", " ");

const tag = (state) =>
  el("span", { class: `tag ${toneOf(state)}` },
    el("span", { class: "glyph", "aria-hidden": "true" }, glyphOf(state)), el("span", { class: "word" }, wordOf(state)));

const legend = (...entries) =>
  el("ul", { class: "legend" }, entries.filter(Boolean).map(([fill, text]) =>
    el("li", null, el("span", { class: `swatch ${fill}`, "aria-hidden": "true" }), text)));

// The first `size` of many, and a button for the next ones.  Returns a function that shows all up to an index.
function inPortions(list, count, size, make) {
  let shown = 0;
  const button = el("button", { type: "button", class: "quiet more", click: () => show(shown + size - 1) });
  function show(index) {
    const end = Math.min(count, Math.max(shown, index + 1));
    const fresh = document.createDocumentFragment();
    for (; shown < end; shown += 1) fresh.append(make(shown));
    list.append(fresh);
    button.hidden = shown >= count;
    button.textContent = `Show ${number(Math.min(size, count - shown))} more of ${number(count)}`;
  }
  show(size - 1);
  return { button, show };
}
