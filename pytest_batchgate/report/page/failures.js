// What failed, folded; a text becomes elements only when it is opened.

function traceback(text) {
  const block = el("pre", { tabindex: "0", role: "region", "aria-label": "Text of the failure" });
  const plain = [];
  const flush = () => {
    if (plain.length) block.append(`${plain.splice(0).join("\n")}\n`);
  };
  const whole = /^(async def |def |@)/.test(text) ? `    ${text}` : text; // pytest strips the first line alone
  for (const line of whole.split("\n")) {
    const kind = /^E(\s|$)/.test(line) ? "e" : /^>/.test(line) ? "at" : "";
    if (!kind) plain.push(line);
    else {
      flush();
      block.append(el("span", { class: kind }, line), "\n");
    }
  }
  flush();
  return block;
}

function folded(summary, make) {
  const body = el("div", { class: "body" });
  const details = el("details", {
    toggle: () => {
      if (details.open && !body.hasChildNodes()) body.append(...make().filter(Boolean));
    },
  }, el("summary", null, summary), body);
  return details;
}

function failureCard(failure) {
  const test = failure.number;
  const facts = [gateOf(test), laneOf(test), duration(tests.took[test]),
    attemptsOf(test) > 1 ? plural(attemptsOf(test), "attempt") : ""].filter(Boolean).join(" · ");
  const recovered = !hasFailed(outcomeOf(test));
  return folded([
    tag(recovered ? "flaky" : failure.outcome),
    el("span", { class: "grow" }, testName(test), el("span", { class: "what" }, failure.message.split("\n")[0])),
  ], () => [
    el("p", { class: "facts" }, el("code", null, nodeidOf(test))),
    el("p", { class: "facts" }, facts),
    failure.text || failure.message ? traceback(failure.text || failure.message) : null,
    ...failure.output.flatMap(([heading, said]) => [el("h3", null, heading), traceback(said)]),
    failure.cut ? el("p", { class: "facts" }, `${plural(failure.cut, "character")} left out here; junit.xml has more.`) : null,
  ]);
}

let showFailure = () => {};

function failuresSection() {
  const failed = run.failures.filter((failure) => hasFailed(outcomeOf(failure.number)));
  const flaky = run.failures.filter((failure) => !hasFailed(outcomeOf(failure.number)));
  const total = tests.counts.failed + tests.counts.error;
  if (!total && !flaky.length && !run.broken.length) return null;
  const optional = new Set(run.gates.filter((gate) => !gate.required).map((gate) => gate.name));
  failed.sort((a, b) => optional.has(gateOf(a.number)) - optional.has(gateOf(b.number)));
  const cards = new Map();
  const shelves = [];
  const shelf = (list) => {
    const card = el("div", { class: "card" });
    const portions = inPortions(card, list.length, 25, (index) => {
      const made = failureCard(list[index]);
      cards.set(list[index].number, made);
      return made;
    });
    list.forEach((failure, index) => shelves.push([failure.number, portions, index]));
    return [card, portions.button];
  };
  showFailure = (test) => {
    const found = shelves.find(([each]) => each === test);
    if (!found) return;
    found[1].show(found[2]);
    const card = cards.get(test);
    card.open = true;
    card.scrollIntoView({ block: "start" });
    card.querySelector("summary").focus({ preventScroll: true });
  };
  const broken = run.broken.length ? [
    el("h3", null, "Files that could not be collected"),
    el("div", { class: "card" }, run.broken.map((file) =>
      folded([tag("error"), el("code", { class: "grow" }, file.file)], () => [traceback(file.text)]))),
    run.more_broken ? el("p", { class: "soft more" }, `and ${number(run.more_broken)} more`) : null,
  ] : [];
  return {
    id: "failures", title: "Failures", count: total + run.broken.length + (run.more_broken || 0),
    parts: [
      ...broken,
      failed.length && broken.length ? el("h3", null, "Tests") : null,
      failed.length ? shelf(failed) : null,
      total > failed.length ? el("p", { class: "soft more" }, `${number(total - failed.length)} more failed; they stand among the tests below.`) : null,
      flaky.length ? [el("h3", null, "Passed on a retry"), shelf(flaky)] : null,
    ],
  };
}

function findingsSection() {
  const byPath = new Map();
  let total = 0;
  let more = 0;
  for (const gate of run.gates) {
    more += gate.more_findings;
    for (const [path, line, column, rule, severity, message] of gate.findings) {
      if (!byPath.has(path)) byPath.set(path, []);
      byPath.get(path).push({ gate: gate.name, line, column, rule, severity, message });
      total += 1;
    }
  }
  if (!total && !more) return null;
  const files = [...byPath].sort((a, b) => b[1].length - a[1].length);
  const card = el("div", { class: "card" });
  const portions = inPortions(card, files.length, 25, (index) => {
    const [path, findings] = files[index];
    findings.sort((a, b) => (a.line || 0) - (b.line || 0) || (a.column || 0) - (b.column || 0));
    const gates = [...new Set(findings.map((finding) => finding.gate))].join(", ");
    const worst = ["error", "warning", "note"].find((severity) => findings.some((finding) => finding.severity === severity));
    const made = folded([
      el("span", { class: `tag ${toneOf(worst)}`, title: worst }, number(findings.length), el("span", { class: "unseen" }, ` ${worst}`)),
      el("span", { class: "grow" }, el("code", null, path || "without a place"), el("span", { class: "what" }, gates)),
    ], () => [el("div", { class: "found" }, findings.map((finding) => [
      el("span", { class: "place" }, finding.line ? `${finding.line}${finding.column ? `:${finding.column}` : ""}` : "–"),
      el("span", { class: `rule ${toneOf(finding.severity)}`, title: finding.severity }, finding.rule || finding.severity),
      el("span", { class: "message" }, finding.message),
    ]))]);
    made.open = files.length <= 3 && total <= 40;
    return made;
  });
  return {
    id: "findings", title: "Findings", count: total + more,
    parts: [card, portions.button, more ? el("p", { class: "soft more" }, `${number(more)} more are not in this page.`) : null],
  };
}
