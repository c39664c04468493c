// What each worker did when: slices in the order of their starts, and how long it had nothing to do.

// Seconds between two slices that are no idleness: pytest has to do between tests too.
const BREATH = 0.01;
const KIND = { collect: 0, gate: 1, test: 2, earlier: 3 };

const lanes = (() => {
  const made = run.lanes.map((name) => ({
    name, isWorker: /^gw\d+$/.test(name), starts: [], ends: [], kinds: [], refs: [], busy: 0, marks: [],
  }));
  const add = (lane, start, took, kind, ref) => {
    const target = made[lane];
    target.starts.push(start);
    target.ends.push(start + took);
    target.kinds.push(kind);
    target.refs.push(ref);
  };
  run.slices.forEach(([lane, kind, start, took], index) => add(lane, start / 1e6, took / 1e6, KIND[kind], index));
  run.earlier.forEach(([lane, start, took], index) => add(lane, start / 1e6, took / 1e6, KIND.earlier, index));
  for (let test = 0; test < tests.total; test += 1) {
    if (tests.lane[test] >= 0) add(tests.lane[test], tests.start[test], tests.took[test], KIND.test, test);
  }
  run.marks.forEach(([lane, at, text]) => made[lane].marks.push({ at: at / 1e6, text }));
  for (const lane of made) {
    const order = Array.from(lane.starts.keys()).sort((a, b) => lane.starts[a] - lane.starts[b]);
    for (const column of ["starts", "ends", "kinds", "refs"]) lane[column] = order.map((index) => lane[column][index]);
    lane.tails = lane.ends.map((end, index) => { // what is drawn: up to the next slice, if that follows at once
      const next = lane.starts[index + 1];
      return next > end && next - end < BREATH ? next : end;
    });
    let until = 0;
    lane.starts.forEach((start, index) => {
      lane.busy += Math.max(0, lane.tails[index] - Math.max(start, until));
      until = Math.max(until, lane.tails[index]);
    });
  }
  return made.filter((lane) => lane.isWorker || lane.starts.length || lane.marks.length);
})();

const gateOfSlice = (lane, index) => {
  if (lane.kinds[index] === KIND.test) return gateOf(lane.refs[index]);
  return lane.kinds[index] === KIND.gate ? run.slices[lane.refs[index]][4] : "";
};

// [what, state] of a slice, in words
function wordsOfSlice(lane, index) {
  const ref = lane.refs[index];
  switch (lane.kinds[index]) {
    case KIND.test: return [nodeidOf(ref), wordOf(outcomeOf(ref))];
    case KIND.earlier: return ["an attempt that another one followed", wordOf(run.earlier[ref][3])];
    case KIND.gate: return [run.slices[ref][4], wordOf(run.slices[ref][5])];
    default: return [`collecting ${run.slices[ref][4]}`, ""];
  }
}

// The last slice that begins before the time, or -1.
function sliceAt(lane, seconds) {
  let low = 0;
  let high = lane.starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lane.starts[middle] <= seconds) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
