// A benchmark: speedup by number of workers, measured beside the model max(critical path, work / workers).

function chart(levels) {
  const size = { width: 640, height: 320, left: 44, right: 20, top: 18, bottom: 44 };
  const workers = levels.map((level) => level.workers);
  // What the run in turn takes, by any level: speedup is that over wall time.
  const alone = levels[0].wall_s * levels[0].speedup;
  const model = levels.map((level) => (level.lower_bound_s > 0 ? alone / level.lower_bound_s : null));
  const highest = Math.max(1, ...levels.map((level) => level.speedup), ...model.filter((value) => value !== null));
  const step = [0.5, 1, 2, 5, 10, 20, 50].find((each) => highest / each <= 6) || 100;
  const top = Math.ceil((highest * 1.05) / step) * step;
  const least = Math.min(...workers);
  const span = Math.max(...workers) - least || 1;
  const x = (value) => size.left + ((value - least) / span) * (size.width - size.left - size.right);
  const y = (value) => size.height - size.bottom - (value / top) * (size.height - size.top - size.bottom);
  const line = (values) => values.map((value, index) => (value === null ? "" : `${x(workers[index])},${y(value)}`)).filter(Boolean).join(" ");
  const grid = [];
  for (let value = 0; value <= top + 1e-9; value += step) {
    grid.push(svg("line", { class: "grid", x1: size.left, x2: size.width - size.right, y1: y(value), y2: y(value) }),
      svg("text", { x: size.left - 8, y: y(value) + 4, "text-anchor": "end" }, `${value}×`));
  }
  const end = Math.min(Math.max(...workers), top);
  return svg("svg", {
    viewBox: `0 0 ${size.width} ${size.height}`, role: "img",
    "aria-label": `Speedup by workers: ${levels.map((level) => `${level.workers}: ${level.speedup.toFixed(2)}`).join(", ")}`,
  }, grid,
  end > least ? svg("line", { class: "ideal", x1: x(least), y1: y(least), x2: x(end), y2: y(end) }) : null,
  svg("polyline", { class: "model", points: line(model) }),
  svg("polyline", { class: "measured", points: line(levels.map((level) => level.speedup)) }),
  levels.map((level) => [
    svg("circle", { cx: x(level.workers), cy: y(level.speedup), r: 4.5 }),
    svg("text", { class: "value", x: x(level.workers), y: y(level.speedup) + 20, "text-anchor": level.workers === least ? "start" : level.workers === least + span ? "end" : "middle" }, `${level.speedup.toFixed(2)}×`),
    svg("text", { x: x(level.workers), y: size.height - 22, "text-anchor": "middle" }, level.workers),
  ]),
  svg("text", { x: (size.left + size.width - size.right) / 2, y: size.height - 4, "text-anchor": "middle" }, "workers"));
}

function benchmarkSection() {
  const measured = run.benchmark;
  if (!measured || !Array.isArray(measured.levels)) return null;
  const levels = measured.levels.filter((level) => level && level.workers > 0 && level.wall_s > 0 && level.speedup > 0)
    .sort((a, b) => a.workers - b.workers);
  if (!levels.length) return null;
  const cell = (text) => el("td", { class: "number" }, text);
  const head = ["Workers", "Wall time", "Speedup", "Efficiency", "Lower bound", "Tests/s", "CPU", "Memory"];
  const known = (value, shown) => (typeof value === "number" ? shown(value) : "–");
  return {
    id: "benchmark", title: "Benchmark",
    about: measured.outcomes_equal === false ? "Outcomes differ between the numbers of workers: do not trust the speedup."
      : measured.outcomes_equal ? "Every number of workers gave the same outcomes as the run in turn." : "",
    parts: [
      el("div", { class: "card chart" }, chart(levels),
        legend(["fill-accent", "measured"], ["fill-path", "model: max(critical path, work / workers)"], ["fill-none", "ideal: one per worker"])),
      el("div", { class: "card scroll more", tabindex: "0", role: "region", "aria-label": "Benchmark figures" },
        el("table", { class: "levels" },
          el("thead", null, el("tr", null, head.map((text, index) => el("th", { class: index ? "number" : "", scope: "col" }, text)))),
          el("tbody", null, levels.map((level) => el("tr", null,
            el("td", null, level.workers), cell(duration(level.wall_s)), cell(`${level.speedup.toFixed(2)}×`),
            cell(known(level.efficiency, percent)), cell(known(level.lower_bound_s, duration)),
            cell(known(level.tests_per_s, (value) => number(Math.round(value * 10) / 10))),
            cell(known(level.cpu_s, duration)), cell(known(level.peak_rss_bytes, bytes))))))),
    ],
  };
}
