// The workers over time, a canvas each: busy is filled, idle stays hatched.  Arrow keys go from slice to slice.

function colours() {
  const probe = el("span", { hidden: true });
  document.body.append(probe);
  const found = {};
  for (const name of ["test", "collect", "command", "skip", "failed", "again", "path", "ink"]) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

function colourOfSlice(lane, index, palette) {
  const kind = lane.kinds[index];
  if (kind === KIND.collect) return palette.collect;
  if (kind === KIND.earlier) return palette.again;
  if (kind === KIND.gate) {
    const tone = toneOf(run.slices[lane.refs[index]][5]);
    return tone === "bad" ? palette.failed : palette.command;
  }
  const outcome = outcomeOf(lane.refs[index]);
  if (hasFailed(outcome)) return palette.failed;
  return outcome === "passed" ? palette.test : palette.skip;
}

function prepared(canvas) {
  const scale = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  return [pen, width, height];
}

function drawLane(canvas, lane, palette, selected) {
  const [pen, width, height] = prepared(canvas);
  const scale = width / run.wall_s;
  const loud = [];
  const band = (index, colour, least) => {
    const x = lane.starts[index] * scale;
    const long = (lane.tails[index] - lane.starts[index]) * scale;
    pen.fillStyle = colour;
    pen.fillRect(x, 0, Math.max(least, long > 4 ? long - 0.75 : long), height); // a seam between long ones
    if (critical.has(gateOfSlice(lane, index))) {
      pen.fillStyle = palette.path;
      pen.fillRect(x, height - 4, Math.max(least, long), 4);
    }
  };
  for (let index = 0; index < lane.starts.length; index += 1) {
    const colour = colourOfSlice(lane, index, palette);
    if (colour === palette.failed || colour === palette.again) loud.push([index, colour]);
    else band(index, colour, 0.6);
  }
  for (const [index, colour] of loud) band(index, colour, 2); // seen among thousands
  pen.fillStyle = palette.failed;
  for (const mark of lane.marks) if (lane.isWorker) pen.fillRect(mark.at * scale - 1, 0, 2, height);
  if (selected >= 0) {
    const x = lane.starts[selected] * scale;
    const long = Math.max(3, (lane.ends[selected] - lane.starts[selected]) * scale);
    pen.strokeStyle = palette.ink;
    pen.lineWidth = 2;
    pen.strokeRect(Math.min(width - 4, x + 1), 1, Math.max(2, long - 2), height - 2);
  }
}

function drawPath(canvas, palette) {
  const [pen, width, height] = prepared(canvas);
  const scale = width / run.wall_s;
  const font = getComputedStyle(document.documentElement).fontFamily;
  pen.font = `600 11px ${font}`;
  pen.textBaseline = "middle";
  for (const name of critical) {
    const gate = run.gates[gateIndex.get(name)];
    if (!gate || gate.started_s === null) continue;
    const x = gate.started_s * scale;
    const long = Math.max(2, gate.wall_s * scale - 1);
    pen.fillStyle = palette.path;
    pen.fillRect(x, height - 5, long, 4);
    if (pen.measureText(name).width < long) {
      pen.fillStyle = palette.ink;
      pen.fillText(name, x, height / 2 - 3);
    }
  }
}

function axis() {
  const steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200];
  const holder = svg("svg", { class: "axis", "aria-hidden": "true" });
  const redraw = () => {
    const width = holder.clientWidth;
    const step = steps.find((each) => (width * each) / run.wall_s > 62) || 36000;
    const ticks = [];
    for (let at = 0; at <= run.wall_s + 1e-9 && ticks.length < 100; at += step) {
      const x = (at / run.wall_s) * width;
      if (x > width - 34 && at > 0) break;
      const label = step < 1 ? `${at.toFixed(step < 0.01 ? 3 : step < 0.1 ? 2 : 1)} s` : duration(at).replace(/\.0+ s$/, " s");
      ticks.push(svg("line", { x1: x, x2: x, y1: 0, y2: 4 }), svg("text", { x, y: 16 }, at ? label : "0"));
    }
    holder.replaceChildren(...ticks);
  };
  return { holder, redraw };
}

function timeline() {
  const readout = el("div", { class: "readout", role: "status" });
  const hint = "Point at a slice, or focus a worker and use the arrow keys.";
  readout.textContent = hint;
  const grid = el("div", { class: "lanes" });
  const path = el("canvas", { class: "path-lane", role: "img", "aria-label": `Critical path: ${[...critical].join(", ") || "none"}` });
  if (critical.size) grid.append(el("span", { class: "label" }, "critical"), path, el("span", { class: "busy" }, duration(run.schedule.critical_path_s)));
  const views = lanes.map((lane) => {
    const canvas = el("canvas", { tabindex: "0", role: "img" });
    const idle = Math.max(0, run.wall_s - lane.busy);
    const share = Math.min(1, lane.busy / run.wall_s);
    canvas.setAttribute("aria-label", lane.isWorker
      ? `${lane.name}: busy ${percent(share)}, idle ${duration(idle)}, ${plural(lane.starts.length, "slice")}`
      : `${lane.name}: a service`);
    grid.append(el("span", { class: "label", title: lane.name }, lane.name), canvas,
      el("span", { class: "busy", title: `idle ${duration(idle)}` }, lane.isWorker ? `${percent(share)} busy` : "service"));
    return { lane, canvas, selected: -1 };
  });
  const scale = axis();
  grid.append(el("span"), scale.holder, el("span"));

  let palette = colours();
  const redraw = () => {
    palette = colours();
    if (critical.size) drawPath(path, palette);
    for (const view of views) drawLane(view.canvas, view.lane, palette, view.selected);
    scale.redraw();
  };
  const tell = (view) => {
    const { lane, selected } = view;
    const [what, state] = wordsOfSlice(lane, selected);
    const took = lane.ends[selected] - lane.starts[selected];
    const gate = gateOfSlice(lane, selected);
    readout.replaceChildren(el("b", { class: "mono" }, what),
      ` · ${[state, duration(took), `${lane.name} from ${duration(lane.starts[selected])}`, gate && gate !== what ? gate : "",
        critical.has(gate) ? "on the critical path" : ""].filter(Boolean).join(" · ")}`);
  };
  const select = (view, index) => {
    for (const other of views) {
      if (other.selected >= 0 && other !== view) {
        other.selected = -1;
        drawLane(other.canvas, other.lane, palette, -1);
      }
    }
    view.selected = index;
    drawLane(view.canvas, view.lane, palette, index);
    if (index >= 0) tell(view);
    else readout.textContent = hint;
  };
  for (const view of views) {
    const { lane, canvas } = view;
    canvas.addEventListener("pointermove", (event) => {
      const seconds = (event.offsetX / canvas.clientWidth) * run.wall_s;
      const near = (2 / canvas.clientWidth) * run.wall_s;
      const index = sliceAt(lane, seconds + near);
      const hit = index >= 0 && lane.ends[index] >= seconds - near ? index : -1;
      if (hit >= 0 && hit !== view.selected) select(view, hit);
      if (hit < 0) {
        const next = lane.starts[index + 1] === undefined ? run.wall_s : lane.starts[index + 1];
        const before = index < 0 ? 0 : lane.ends[index];
        if (view.selected >= 0) select(view, -1);
        readout.textContent = lane.isWorker ? `${lane.name} was idle for ${duration(Math.max(0, next - before))}` : hint;
      }
    });
    canvas.addEventListener("keydown", (event) => {
      const last = lane.starts.length - 1;
      const to = { ArrowRight: view.selected + 1, ArrowLeft: view.selected - 1, Home: 0, End: last }[event.key];
      if (to === undefined || last < 0) return;
      event.preventDefault();
      select(view, Math.max(0, Math.min(last, to)));
    });
  }
  return { parts: [el("div", { class: "card" }, grid, readout)], redraw };
}
