// What the run left in the page, and its tests in columns: a test is its number, an object for each would cost too much.

const run = JSON.parse(byId("data").textContent);
for (const name of ["gates", "claims", "lanes", "slices", "earlier", "marks", "files", "notes", "failures", "broken", "notices"]) {
  run[name] = run[name] || [];
}

const CODES = { p: "passed", f: "failed", e: "error", s: "skipped", x: "xfailed", X: "xpassed", n: "not_run" };
const ORDER = ["failed", "error", "xpassed", "not_run", "skipped", "xfailed", "passed"];  // worst first

const tests = (() => {
  const total = run.files.reduce((sum, block) => sum + block.names.length, 0);
  const columns = {
    total,
    first: new Int32Array(run.files.length), // the number of each file's first test
    file: new Int32Array(total),
    outcome: new Uint8Array(total), // index into ORDER
    start: new Float64Array(total), // seconds, as all times from here on
    took: new Float64Array(total),
    lane: new Int32Array(total), // -1: nobody ran it
    gate: new Int32Array(total), // index into run.claims, -1: none
    counts: Object.fromEntries(ORDER.map((outcome) => [outcome, 0])),
  };
  const ranks = Object.fromEntries(Object.entries(CODES).map(([code, outcome]) => [code, ORDER.indexOf(outcome)]));
  let at = 0;
  run.files.forEach((block, file) => {
    columns.first[file] = at;
    for (let place = 0; place < block.names.length; place += 1, at += 1) {
      columns.file[at] = file;
      columns.outcome[at] = ranks[block.outcomes[place]];
      columns.counts[ORDER[columns.outcome[at]]] += 1;
      columns.start[at] = block.starts[place] / 1e6;
      columns.took[at] = block.durations[place] / 1e6;
      columns.lane[at] = typeof block.lanes === "number" ? block.lanes : block.lanes[place];
      columns.gate[at] = typeof block.gates === "number" ? block.gates : block.gates[place];
    }
  });
  return columns;
})();

const placeOf = (test) => test - tests.first[tests.file[test]];
const blockOf = (test) => run.files[tests.file[test]];
const outcomeOf = (test) => ORDER[tests.outcome[test]];
const gateOf = (test) => (tests.gate[test] < 0 ? "" : run.claims[tests.gate[test]]);
const laneOf = (test) => (tests.lane[test] < 0 ? "" : run.lanes[tests.lane[test]]);

// [name, file]; the file is empty for a test that is not called after its file
function partsOf(test) {
  const block = blockOf(test);
  const whole = block.elsewhere && block.elsewhere[placeOf(test)];
  return whole === undefined ? [block.names[placeOf(test)], block.file] : [whole, ""];
}
function nodeidOf(test) {
  const [name, file] = partsOf(test);
  return file ? `${file}::${name}` : name;
}
function attemptsOf(test) {
  const counts = blockOf(test).attempts;
  const count = counts && counts[placeOf(test)];
  return count === undefined ? 1 : count;
}
function noteOf(test) {
  const notes = blockOf(test).notes;
  const note = notes && notes[placeOf(test)];
  return note === undefined ? "" : run.notes[note];
}

const failureOfTest = new Map();
run.failures.forEach((failure, index) => {
  failure.number = tests.first[failure.file] + failure.test;
  failureOfTest.set(failure.number, index);
});
const hasFailed = (outcome) => outcome === "failed" || outcome === "error";

const gateIndex = new Map(run.gates.map((gate, index) => [gate.name, index]));
const critical = new Set(run.schedule ? run.schedule.critical_path : []);

function testName(test) {
  const [name, file] = partsOf(test);
  return el("span", { class: "test-name mono", title: nodeidOf(test) }, el("span", { class: "name" }, name),
    file ? el("span", { class: "file" }, file) : null);
}
