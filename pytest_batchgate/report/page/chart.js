// A benchmark: speedup by number of workers, measured beside the model max(critical path, work / workers) and the
// fitted law of Amdahl.  The model is drawn beside itself in turn: what the graph allows, without start-up.

function projected(measured, levels) {
  const points = (measured.projection && measured.projection.points) || [];
  const model = points.length ? points.map((point) => [point.workers, point.model_s]) : levels.map((level) => [level.workers, level.lower_bound_s]);
  const law = points.map((point) => [point.workers, point.fit_s]);
  const asSpeedup = (pairs) => {
    const known = pairs.filter(([, seconds]) => seconds > 0).sort((a, b) => a[0] - b[0]);
    return known.length && known[0][0] === 1 ? known.map(([workers, seconds]) => [workers, known[0][1] / seconds]) : [];
  };
  return { model: asSpeedup(model), law: asSpeedup(law) };
}

function chart(levels, { model, law }, width) {
  const size = { width, height: Math.max(230, Math.min(340, width / 2)), left: 44, right: 24, top: 18, bottom: 44 };
  const measured = levels.map((level) => [level.workers, level.speedup]);
  const all = [...measured, ...model, ...law];
  const most = Math.max(...all.map(([workers]) => workers));
  const least = Math.min(...all.map(([workers]) => workers));
  const highest = Math.max(1, ...all.map(([, speedup]) => speedup));
  const step = [0.5, 1, 2, 5, 10, 20, 50].find((each) => highest / each <= 6) || 100;
  const top = Math.ceil((highest * 1.05) / step) * step;
  const x = (workers) => size.left + 14 + ((workers - least) / (most - least || 1)) * (size.width - size.left - size.right - 28);
  const y = (speedup) => size.height - size.bottom - (speedup / top) * (size.height - size.top - size.bottom);
  const line = (kind, pairs) => svg("polyline", { class: kind, points: pairs.map(([workers, speedup]) => `${x(workers)},${y(speedup)}`).join(" ") });
  const grid = [];
  for (let value = 0; value <= top + 1e-9; value += step) {
    grid.push(svg("line", { class: "grid", x1: size.left, x2: size.width - size.right, y1: y(value), y2: y(value) }),
      svg("text", { x: size.left - 8, y: y(value) + 4, "text-anchor": "end" }, `${value}×`));
  }
  const ticks = [...new Set(all.map(([workers]) => workers))].map((workers) =>
    svg("text", { x: x(workers), y: size.height - 22, "text-anchor": "middle" }, workers));
  const alone = levels[0].wall_s * levels[0].speedup;
  const spreads = levels.filter((level) => Array.isArray(level.middle_s) && level.middle_s[0] > 0 && level.workers > 1).map((level) =>
    svg("line", { class: "spread", x1: x(level.workers), x2: x(level.workers), y1: y(alone / level.middle_s[0]), y2: y(alone / level.middle_s[1]) }));
  const end = Math.min(most, top);
  return svg("svg", {
    width: size.width, height: size.height, role: "img",
    "aria-label": `Speedup by workers: ${levels.map((level) => `${level.workers}: ${level.speedup.toFixed(2)}`).join(", ")}`,
  }, grid, ticks,
  end > least ? svg("line", { class: "ideal", x1: x(least), y1: y(least), x2: x(end), y2: y(end) }) : null,
  model.length > 1 ? line("model", model) : null, law.length > 1 ? line("law", law) : null,
  spreads, line("measured", measured),
  levels.map((level) => [
    svg("circle", { cx: x(level.workers), cy: y(level.speedup), r: 4.5 }),
    svg("text", { class: "value", x: x(level.workers) + 9, y: y(level.speedup) + 20 }, `${level.speedup.toFixed(2)}×`),
  ]),
  svg("text", { x: (size.left + size.width - size.right) / 2, y: size.height - 4, "text-anchor": "middle" }, "workers"));
}

function benchmarkSection() {
  const measured = run.benchmark;
  if (!measured || !Array.isArray(measured.levels)) return null;
  const levels = measured.levels.filter((level) => level && level.workers > 0 && level.wall_s > 0 && level.speedup > 0)
    .sort((a, b) => a.workers - b.workers);
  if (!levels.length) return null;
  const lines = projected(measured, levels);
  const holder = el("div", { class: "plot" });
  const advice = (Array.isArray(measured.advice) ? measured.advice : []).filter((one) => one && one.saves_s > 0).slice(0, 8);
  const cell = (text) => el("td", { class: "number" }, text);
  const head = ["Workers", "Wall time", "Speedup", "Efficiency", "Lower bound", "Tests/s", "CPU", "Memory"];
  const known = (value, shown) => (typeof value === "number" ? shown(value) : "–");
  return {
    id: "benchmark", title: "Benchmark",
    about: measured.outcomes_equal === false ? "Outcomes differ between the numbers of workers: do not trust the speedup."
      : measured.outcomes_equal ? "Every number of workers gave the same outcomes as the run in turn." : "",
    parts: [
      el("div", { class: "card chart" }, holder,
        legend(["fill-accent", "measured"], lines.model.length > 1 ? ["fill-path", "model: what max(critical path, work / workers) allows"] : null,
          lines.law.length > 1 ? ["fill-good", "Amdahl's law, fitted"] : null, ["fill-none", "ideal: one per worker"])),
      el("div", { class: "card scroll more", tabindex: "0", role: "region", "aria-label": "Benchmark figures" },
        el("table", { class: "levels" },
          el("thead", null, el("tr", null, head.map((text, index) => el("th", { class: index ? "number" : "", scope: "col" }, text)))),
          el("tbody", null, levels.map((level) => el("tr", null,
            el("td", null, level.workers), cell(duration(level.wall_s)), cell(`${level.speedup.toFixed(2)}×`),
            cell(known(level.efficiency, percent)), cell(known(level.lower_bound_s, duration)),
            cell(known(level.tests_per_s, (value) => number(Math.round(value * 10) / 10))),
            cell(known(level.cpu_s, duration)), cell(known(level.peak_rss_bytes, bytes))))))),
      advice.length ? [el("h3", null, "What would shorten the run"), el("ul", { class: "card notices" }, advice.map((one) =>
        el("li", null, el("b", null, `up to ${duration(one.saves_s)}`), ` · ${one.text}`)))] : null,
    ],
    redraw: () => holder.replaceChildren(chart(levels, lines, Math.max(240, Math.min(680, holder.clientWidth)))),
  };
}
