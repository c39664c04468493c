// The gates as a graph: a column per step of needs.  Gates that need nothing and that nothing needs stand in a grid below.

const BOX = { width: 186, height: 50, across: 52, down: 14, most: 300 };

// Without what follows from the other needs: of a -> b -> c and a -> c only the first two are drawn.
function reduced(needs) {
  const reach = new Map(); // all that a gate needs, by any way
  const reached = (index) => {
    if (!reach.has(index)) reach.set(index, new Set(needs[index].flatMap((need) => [need, ...reached(need)])));
    return reach.get(index);
  };
  return needs.map((list) => list.filter((need) => !list.some((other) => other !== need && reached(other).has(need))));
}

// Columns of gate numbers, the left one needs nothing; and those outside of the graph.
function layered(gates) {
  const needs = reduced(gates.map((gate) => gate.needs.map((name) => gateIndex.get(name)).filter((index) => index !== undefined)));
  const needed = new Set(needs.flat());
  const depths = new Array(gates.length).fill(-1);
  const depth = (index) => {
    if (depths[index] < 0) depths[index] = needs[index].reduce((most, need) => Math.max(most, depth(need) + 1), 0);
    return depths[index];
  };
  const columns = [];
  const alone = [];
  gates.forEach((_, index) => {
    if (!needs[index].length && !needed.has(index)) alone.push(index);
    else (columns[depth(index)] = columns[depth(index)] || []).push(index);
  });
  // each column in the order of what it needs: fewer edges cross
  const rows = new Map();
  columns.forEach((column) => {
    const middle = (index) => needs[index].reduce((sum, need) => sum + (rows.get(need) || 0), 0) / (needs[index].length || 1);
    column.sort((a, b) => middle(a) - middle(b) || a - b);
    column.forEach((index, row) => rows.set(index, row));
  });
  return { columns, alone, needs };
}

function gateBox(gate, index, x, y) {
  const room = 20;
  const name = gate.name.length > room ? `${gate.name.slice(0, room - 1)}…` : gate.name;
  const time = gate.started_s === null ? "" : ` · ${duration(gate.wall_s)}`;
  const state = `${wordOf(gate.state)}${time}`;
  return svg("a", {
    href: `#gate-${index}`, class: `${critical.has(gate.name) ? "critical" : ""}${gate.required ? "" : " optional"}`,
    "aria-label": `${gate.name}: ${state}${gate.required ? "" : ", optional"}${gate.needs.length ? `, needs ${gate.needs.join(", ")}` : ""}`,
  },
  svg("g", { transform: `translate(${x} ${y})`, class: toneOf(gate.state) },
    svg("rect", { class: "box", width: BOX.width, height: BOX.height, rx: 9 }),
    svg("rect", { class: "rim", x: 0, y: 12, width: 3, height: BOX.height - 24, rx: 1.5 }),
    svg("text", { class: "sign-of", x: 14, y: 22 }, glyphOf(gate.state)),
    svg("text", { class: "name", x: 34, y: 22 }, name),
    svg("text", { class: "state", x: 34, y: 39 }, state)),
  svg("title", null, `${gate.name}${gate.reason ? `: ${gate.reason}` : ""}`));
}

function drawGraph(holder) {
  const { columns, alone, needs } = layered(run.gates);
  const at = new Map();
  const tallest = Math.max(0, ...columns.map((column) => column.length));
  const stepX = BOX.width + BOX.across;
  const stepY = BOX.height + BOX.down;
  columns.forEach((column, layer) => {
    const top = ((tallest - column.length) * stepY) / 2;
    column.forEach((index, row) => at.set(index, [layer * stepX, top + row * stepY]));
  });
  const style = getComputedStyle(holder);
  const inner = holder.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const gap = 14;
  const abreast = Math.max(1, Math.floor((inner + gap) / (BOX.width + gap)));
  const below = tallest * stepY + (tallest && alone.length ? 12 : 0);
  alone.forEach((index, place) =>
    at.set(index, [(place % abreast) * (BOX.width + gap), below + Math.floor(place / abreast) * stepY]));
  const width = Math.max(columns.length * stepX - BOX.across, Math.min(abreast, alone.length) * (BOX.width + gap) - gap, 1);
  const height = below + Math.ceil(alone.length / abreast) * stepY - BOX.down;

  const edges = [];
  needs.forEach((list, index) => list.forEach((need) => {
    const [fromX, fromY] = at.get(need);
    const [toX, toY] = at.get(index);
    const startX = fromX + BOX.width;
    const bend = (toX - startX) / 2;
    const isCritical = critical.has(run.gates[need].name) && critical.has(run.gates[index].name);
    const isBroken = !run.gates[need].good && run.gates[index].state === "skipped";
    edges.push(svg("path", {
      class: `edge${isCritical ? " critical" : ""}${isBroken ? " broken" : ""}`,
      d: `M${startX} ${fromY + BOX.height / 2}C${startX + bend} ${fromY + BOX.height / 2} ${toX - bend} ${toY + BOX.height / 2} ${toX} ${toY + BOX.height / 2}`,
    }));
  }));
  const boxes = [...at.keys()].sort((a, b) => at.get(a)[0] - at.get(b)[0] || at.get(a)[1] - at.get(b)[1])
    .map((index) => gateBox(run.gates[index], index, ...at.get(index)));
  holder.replaceChildren(svg("svg", {
    width: width + 4, height: height + 4, viewBox: `-2 -2 ${width + 4} ${height + 4}`, role: "group", "aria-label": "Gates and what they need",
  }, edges, boxes));
}
