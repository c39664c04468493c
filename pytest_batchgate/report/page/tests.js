// Every test of the run: search, filter, and a list of which only the visible rows exist.

const SORTS = {
  worst: ["Not passed first", (a, b) => tests.outcome[a] - tests.outcome[b] || a - b],
  file: ["By file", (a, b) => a - b],
  slow: ["Slowest first", (a, b) => tests.took[b] - tests.took[a] || a - b],
  start: ["As they ran", (a, b) => tests.start[a] - tests.start[b] || a - b],
};

// Words that must all occur, "-word" must not.  Texts are made when somebody first searches.
let haystack = null;
function matcher(query) {
  const words = query.toLowerCase().split(/\s+/).filter((word) => word && word !== "-");
  if (!words.length) return () => true;
  if (!haystack) {
    haystack = new Array(tests.total);
    for (let test = 0; test < tests.total; test += 1) haystack[test] = nodeidOf(test).toLowerCase();
  }
  const wanted = words.filter((word) => word[0] !== "-");
  const unwanted = words.filter((word) => word[0] === "-").map((word) => word.slice(1));
  return (test) => wanted.every((word) => haystack[test].includes(word)) && !unwanted.some((word) => haystack[test].includes(word));
}

function testList(onActive) {
  const rows = el("div", { class: "rows", role: "presentation" });
  const list = el("div", { class: "list", tabindex: "0", role: "listbox", "aria-label": "Tests" }, rows);
  let chosen = [];
  let active = -1;
  let drawn = "";
  const heightOf = () => (window.matchMedia("(max-width: 640px)").matches ? 54 : 36);

  function row(place, height) {
    const test = chosen[place];
    const made = el("div", {
      class: "row", role: "option", id: `test-${place}`, "aria-selected": String(place === active),
      "aria-posinset": place + 1, "aria-setsize": chosen.length, click: () => activate(place),
    },
    tag(outcomeOf(test)), testName(test),
    el("span", { class: "cell wide" }, gateOf(test)),
    el("span", { class: "cell wide" }, laneOf(test)),
    el("span", { class: "cell number" }, duration(tests.took[test])));
    made.style.top = `${place * height}px`;
    return made;
  }
  function draw(force) {
    const height = heightOf();
    const begin = Math.max(0, Math.floor(list.scrollTop / height) - 6);
    const end = Math.min(chosen.length, Math.ceil((list.scrollTop + list.clientHeight) / height) + 6);
    const now = `${begin} ${end} ${height}`;
    if (!force && now === drawn) return;
    drawn = now;
    rows.style.height = `${chosen.length * height}px`;
    list.classList.toggle("short", chosen.length * height < 560);
    const fresh = [];
    for (let place = begin; place < end; place += 1) fresh.push(row(place, height));
    rows.replaceChildren(...fresh);
  }
  function activate(place) {
    active = place;
    if (place >= 0) {
      const height = heightOf();
      const top = place * height;
      if (top < list.scrollTop) list.scrollTop = top;
      else if (top + height > list.scrollTop + list.clientHeight) list.scrollTop = top + height - list.clientHeight;
    }
    draw(true);
    if (place >= 0) list.setAttribute("aria-activedescendant", `test-${place}`);
    else list.removeAttribute("aria-activedescendant");
    onActive(place < 0 ? -1 : chosen[place]);
  }
  list.addEventListener("scroll", () => draw(false));
  list.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(list.clientHeight / heightOf()) - 1);
    const to = {
      ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: chosen.length - 1,
    }[event.key];
    if (to !== undefined && chosen.length) {
      event.preventDefault();
      activate(Math.max(0, Math.min(chosen.length - 1, to)));
    } else if (event.key === "Enter" && active >= 0) {
      event.preventDefault(); // it would fold what takes the focus
      showFailure(chosen[active]);
    }
  });
  new ResizeObserver(() => draw(true)).observe(list);
  return {
    list,
    show: (found) => {
      chosen = found;
      list.scrollTop = 0;
      activate(-1);
    },
  };
}

function detailOf(test) {
  if (test < 0) return [el("span", { class: "soft" }, "Choose a test to see more of it.")];
  const tried = attemptsOf(test);
  const facts = [
    wordOf(outcomeOf(test)), duration(tests.took[test]), gateOf(test), laneOf(test),
    tests.lane[test] >= 0 ? `started at ${duration(tests.start[test])}` : "",
    tried > 1 ? plural(tried, "attempt") : "", tried === 0 && outcomeOf(test) !== "skipped" ? "carried from the run before" : "",
  ];
  return [
    el("code", null, nodeidOf(test)),
    el("p", { class: "facts" }, facts.filter(Boolean).join(" · ")),
    noteOf(test) ? el("p", { class: "facts" }, noteOf(test)) : null,
    failureOfTest.has(test)
      ? el("button", { type: "button", class: "quiet more", click: () => showFailure(test) }, "Show the failure") : null,
  ].filter(Boolean);
}

function testsSection() {
  if (!tests.total) return null;
  const search = el("input", {
    type: "search", id: "search", placeholder: "Search: words of a node id, -word leaves out", "aria-label": "Search tests", autocomplete: "off", spellcheck: "false",
  });
  const wanted = new Set();
  const present = ORDER.filter((outcome) => tests.counts[outcome]);
  const chips = present.map((outcome) => el("button", {
    type: "button", class: "chip", "aria-pressed": "false",
    click: (event) => {
      const on = !wanted.has(outcome);
      if (on) wanted.add(outcome);
      else wanted.delete(outcome);
      event.currentTarget.setAttribute("aria-pressed", String(on));
      apply();
    },
  }, `${wordOf(outcome)} ${number(tests.counts[outcome])}`));
  const used = run.claims.map((name, index) => [name, index]).filter(([, index]) => tests.gate.includes(index));
  const gate = el("select", { "aria-label": "Gate" }, el("option", { value: "" }, "All gates"),
    used.map(([name, index]) => el("option", { value: index }, name)));
  const sort = el("select", { "aria-label": "Order" }, Object.entries(SORTS).map(([key, [text]]) => el("option", { value: key }, text)));
  const matches = el("span", { role: "status", id: "matches" });
  const detail = el("div", { class: "detail", "aria-live": "polite" });
  const view = testList((test) => detail.replaceChildren(...detailOf(test)));
  function apply() {
    const fits = matcher(search.value);
    const found = [];
    for (let test = 0; test < tests.total; test += 1) {
      if (wanted.size && !wanted.has(outcomeOf(test))) continue;
      if (gate.value !== "" && tests.gate[test] !== Number(gate.value)) continue;
      if (fits(test)) found.push(test);
    }
    found.sort(SORTS[sort.value][1]);
    matches.textContent = found.length === tests.total ? plural(found.length, "test") : `${number(found.length)} of ${plural(tests.total, "test")}`;
    view.show(found);
  }
  let pending = 0;
  search.addEventListener("input", () => {
    clearTimeout(pending);
    pending = setTimeout(apply, 60);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      view.list.focus();
    }
  });
  gate.addEventListener("change", apply);
  sort.addEventListener("change", apply);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    search.focus();
  });
  return {
    id: "tests", title: "Tests", count: tests.total,
    parts: [el("div", { class: "card" },
      el("div", { class: "filters" }, search, el("div", { class: "chips", role: "group", "aria-label": "Outcomes" }, chips),
        used.length > 1 ? gate : null, sort),
      el("div", { class: "matches" }, matches, el("span", { class: "keys" }, el("kbd", null, "/"), " search ", el("kbd", null, "↓"), " into the list")),
      view.list, detail)],
    ready: apply,
  };
}
