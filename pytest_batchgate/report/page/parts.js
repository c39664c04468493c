// The smaller parts: the overview under the verdict, the table of gates, the slowest tests, the theme.

function overview() {
  const present = ["passed", "failed", "error", "xpassed", "skipped", "xfailed", "not_run"].filter((outcome) => tests.counts[outcome]);
  const holder = byId("overview");
  if (present.length) {
    let at = 0;
    // a single failure among thousands is still to be seen
    const widths = present.map((outcome) => Math.max(0.6, (tests.counts[outcome] / tests.total) * 100));
    const sum = widths.reduce((all, width) => all + width, 0);
    const bars = present.map((outcome, index) => {
      const width = (widths[index] / sum) * 100;
      const bar = svg("rect", { x: at, width: Math.max(0.2, width - 0.15), y: 0, height: 8, class: `fill-${toneOf(outcome)}` });
      at += width;
      return bar;
    });
    holder.append(
      el("div", { class: "bar", "aria-hidden": "true" }, svg("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none" }, bars)),
      el("ul", { class: "tallies", "aria-label": "Tests" }, present.map((outcome) =>
        el("li", null, el("span", { class: `dot fill-${toneOf(outcome)}`, "aria-hidden": "true" }), el("b", null, number(tests.counts[outcome])), ` ${wordOf(outcome)}`))));
  }
  const schedule = run.schedule;
  if (schedule && schedule.work_s > 0 && run.wall_s > 0) {
    const path = schedule.critical_path;
    holder.append(el("p", { class: "path" },
      el("b", null, duration(schedule.work_s)), " of work in ", el("b", null, duration(run.wall_s)), ", efficiency ",
      el("b", null, percent(schedule.efficiency)), ". Critical path ", el("b", null, duration(schedule.critical_path_s)),
      path.length ? `: ${path.slice(0, 12).join(" → ")}${path.length > 12 ? " → …" : ""}` : ""));
  }
}

function countsOf(gate) {
  const found = Object.entries(gate.counts).filter(([, count]) => count);
  if (found.length) return found.map(([outcome, count]) => `${number(count)} ${wordOf(outcome)}`).join(", ");
  const findings = gate.findings.length + gate.more_findings;
  return findings ? plural(findings, "finding") : "";
}

function gateRow(gate, index) {
  const costs = [
    gate.cpu_s ? `CPU ${duration(gate.cpu_s)}` : "", gate.peak_rss_bytes ? `memory ${bytes(gate.peak_rss_bytes)}` : "",
    gate.attempts > 1 ? plural(gate.attempts, "attempt") : "",
  ].filter(Boolean).join(" · ");
  return el("tr", { id: `gate-${index}` },
    el("td", null, el("span", { class: "gate-name" }, gate.name),
      gate.required ? null : el("span", { class: "note" }, "optional"),
      gate.needs.length ? el("span", { class: "note" }, `needs ${gate.needs.join(", ")}`) : null),
    el("td", null, tag(gate.state)),
    el("td", { class: "wide" }, countsOf(gate) ? el("span", null, countsOf(gate)) : null,
      gate.reason ? el("span", { class: "reason" }, gate.reason) : null,
      gate.command ? el("code", { class: "note" }, gate.command) : null),
    el("td", { class: "number" }, gate.started_s === null ? "–" : duration(gate.wall_s)),
    el("td", { class: "number soft" }, costs));
}

function gatesSection() {
  if (!run.gates.length) return null;
  const holder = el("div", { class: "card graph scroll", tabindex: "0", role: "region", "aria-label": "Graph of the gates" });
  const isDrawn = run.gates.length <= BOX.most;
  const head = ["Gate", "State", "What it came to", "Time", "Cost"];
  return {
    id: "gates", title: "Gates", count: run.gates.length,
    parts: [
      isDrawn ? holder : null,
      isDrawn && (critical.size || run.gates.some((gate) => !gate.required)) ? legend(critical.size ? ["fill-path", "critical path"] : null,
        run.gates.some((gate) => !gate.required) ? ["dashed", "optional: cannot fail the run"] : null) : null,
      el("div", { class: "card" }, el("table", { class: "gates" },
        el("thead", null, el("tr", null, head.map((text, index) => el("th", { scope: "col", class: index > 2 ? "number" : "" }, text)))),
        el("tbody", null, run.gates.map(gateRow)))),
    ],
    redraw: isDrawn ? () => drawGraph(holder) : null,
  };
}

function timelineSection() {
  if (!(run.wall_s > 0) || !lanes.some((lane) => lane.starts.length)) return null;
  const made = timeline();
  const workers = lanes.filter((lane) => lane.isWorker);
  const idle = workers.reduce((sum, lane) => sum + Math.max(0, run.wall_s - lane.busy), 0);
  return {
    id: "timeline", title: "Timeline",
    about: `${plural(workers.length, "worker")} over ${duration(run.wall_s)}; together idle for ${duration(idle)}.`,
    parts: [made.parts, legend(["fill-test", "tests"], ["fill-command", "commands"], ["fill-collect", "collecting"],
      tests.counts.failed + tests.counts.error || run.gates.some((gate) => !gate.good) ? ["fill-bad", "failed"] : null,
      run.earlier.length ? ["fill-again", "tried again"] : null,
      ["hatched", "idle"], critical.size ? ["fill-path", "critical path"] : null), moments()],
    redraw: made.redraw,
  };
}

// When a worker was lost, or a service was ready: the drawing shows where, this says what.
function moments() {
  if (!run.marks.length) return null;
  const list = el("ul", { class: "card notices more", id: "moments" });
  const portions = inPortions(list, run.marks.length, 20, (index) => {
    const [, at, text] = run.marks[index];
    return el("li", null, el("b", null, `at ${duration(at / 1e6)}`), ` · ${text}`);
  });
  return [list, portions.button];
}

function slowestSection() {
  if (!tests.total) return null;
  const slowest = [];
  for (let test = 0; test < tests.total; test += 1) {
    if (slowest.length < 15 || tests.took[test] > tests.took[slowest[14]]) {
      slowest.push(test);
      slowest.sort((a, b) => tests.took[b] - tests.took[a]);
      slowest.length = Math.min(15, slowest.length);
    }
  }
  const longest = tests.took[slowest[0]];
  if (!(longest > 0)) return null;
  const sum = slowest.reduce((all, test) => all + tests.took[test], 0);
  const total = tests.took.reduce((all, took) => all + took, 0);
  return {
    id: "slowest", title: "Slowest tests",
    about: `These ${number(slowest.length)} take ${percent(sum / total)} of the time of all tests.`,
    parts: [el("ol", { class: "card slow" }, slowest.map((test) => el("li", null, testName(test),
      svg("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("rect", { width: Math.max(0.5, (tests.took[test] / longest) * 100), height: 8, rx: 1 })),
      el("span", { class: "number" }, duration(tests.took[test])))))],
  };
}

function noticesSection() {
  if (!run.notices.length) return null;
  return {
    id: "notices", title: "Notices", count: run.notices.length,
    parts: [el("ul", { class: "card notices" }, run.notices.map((text) => el("li", null, text)))],
  };
}

// Follows the system until somebody chooses; the choice is remembered where the browser allows it.
function theme(redraw) {
  const root = document.documentElement;
  const button = byId("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
  };
  try {
    const kept = localStorage.getItem("batchgate-theme");
    if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  } catch { /* a browser may keep nothing for files */ }
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("batchgate-theme", root.dataset.theme);
    } catch { /* as above */ }
    label();
    redraw();
  });
  system.addEventListener("change", () => {
    label();
    redraw();
  });
  label();
}
