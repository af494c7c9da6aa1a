// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs the scripts of a view page without a browser and prints, for the first
// attention, a line "batch head row: keys..." for each query row with pairs, and
// of the first batch and head "# kept visited full partial" for each component.
// Everything that the page derives is checked on the way: components are
// disjoint, listed keys are the tested ones, full tiles are kept whole, kept
// pairs lie in visited tiles, and counts count them.
//
//   node view-pairs.js page.html
'use strict';
const fs = require('fs');
const vm = require('vm');
const assert = require('assert');

const html = fs.readFileSync(process.argv[2], 'utf8');
const scripts = [...html.matchAll(/<script>([^]*?)<\/script>/g)].map((m) => m[1]);
assert.equal(scripts.length, 2);
const [attentions, Plan] = vm.runInThisContext(
  `${scripts.join('\n')}\n[attentions, Plan]`);

/// Kept keys of component k at position i, three ways.
function keptOf(plan, k, i) {
  const {kBegin, kEnd} = plan.context, kept = [];
  for (let j = kBegin; j < kEnd; ++j) {
    const keeps = plan.keeps(k, i, j);
    assert.notStrictEqual(keeps, undefined, 'a test that cannot be made');
    if (keeps)
      kept.push(j);
    const tile = plan.tileClass(k, i, j);
    assert(tile !== 'full' || keeps, `full tile without (${i}, ${j})`);
    assert(!keeps || tile || !plan.components[k].tiles,
      `(${i}, ${j}) is kept outside every tile`);
  }
  if (plan.span(k, i) && plan.sparseTest(k)) {
    const listed = plan.keptKeys(k, i, plan.lo, plan.hi, Infinity);
    assert.deepEqual(listed.sort((a, b) => a - b), kept, `list at ${i}`);
  }
  return kept;
}

function countOf(plan, k) {
  const steps = plan.count(k);
  for (;;) {
    const {done, value} = steps.next();
    if (done)
      return value;
  }
}

const attention = attentions[0], plan = new Plan(attention);
for (let batch = 0; batch < attention.batches.length; ++batch)
  for (let head = 0; head < attention.heads; ++head) {
    plan.setBatchAndHead(batch, head);
    const {qBegin, qEnd, kBegin} = plan.context;
    const rows = new Map();
    for (let k = 0; k < plan.components.length; ++k) {
      let count = 0;
      for (let i = qBegin; i < qEnd; ++i) {
        const kept = keptOf(plan, k, i), row = rows.get(i) || [];
        count += kept.length;
        for (const j of kept)
          assert(!row.includes(j), `(${i}, ${j}) is kept twice`);
        rows.set(i, row.concat(kept));
      }
      const counted = countOf(plan, k);
      assert(counted.exact);
      assert.equal(counted.kept, count, `count of component ${k}`);
      if (batch === 0 && head === 0)
        console.log(`# ${counted.kept} ${plan.components[k].tiles
            ? `${counted.visited} ${counted.full} ${counted.partial}` : ''}`);
    }
    for (const [i, keys] of rows)
      if (keys.length)
        console.log(`${batch} ${head} ${i - qBegin}: ${
          keys.map((j) => j - kBegin).sort((a, b) => a - b).join(' ')}`);
  }
