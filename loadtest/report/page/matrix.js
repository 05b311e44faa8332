// The matrix of faults: choosing a cell opens its details below its fault. Only the open cell
// is drawn.

const matrix = document.getElementById("matrix");
let opened = null;

function close() {
  if (!opened) return;
  for (const chart of opened.body.querySelectorAll(".chart")) erase(chart);
  opened.body.remove();
  opened.link.removeAttribute("aria-current");
  opened = null;
}

function open(number) {
  const link = matrix?.querySelector(`a[href="#cell-${number}"]`);
  if (!link) return;
  close();
  const cell = cells[number];
  const panel = node("div", { class: "opened", role: "region", "aria-label": `${cell.fault}, ${cell.lock}, guard ${cell.guard}` });
  const columns = matrix.tHead.rows[0].cells.length;
  const body = node("tbody", {}, node("tr", { class: "detail" }, node("td", { colspan: columns }, panel)));
  link.closest("tbody").after(body);
  link.setAttribute("aria-current", "true");
  opened = { body, link, panel };
  fit();
  fill(panel, cell);
}

// fit keeps the panel as wide as the visible part of the table.
function fit() {
  if (opened) opened.panel.style.maxWidth = printing ? "none" : matrix.parentElement.clientWidth + "px";
}

function fill(panel, cell) {
  const shut = node("button", { type: "button" }, "close");
  shut.addEventListener("click", () => { const { link } = opened; close(); link.focus(); });
  const list = (tag, items) => items?.length ? node(tag, {}, ...items.map((text) => node("li", {}, text))) : null;
  panel.append(shut, node("h3", {}, `${cell.fault}: ${cell.lock} × ${cell.replicas}, guard ${cell.guard}`), node("p", {}, outcome(cell)));
  const what = opened.link.closest("tbody").querySelector(".what");
  if (what) panel.append(node("p", { class: "what" }, `The fault: ${what.textContent}.`));
  panel.append(...[list("ol", cell.story)].filter(Boolean));
  if (cell.timeline) {
    const chart = node("div", { class: "chart" });
    chart.dataset.print = 960;
    panel.append(node("figure", {}, node("figcaption", {}, lockHeld(cell.timeline) ? "Who held the lock, and when" : "What was down, and when"), chart));
    panel.append(node("details", {}, node("summary", {}, "The same as a table"), asTable(cell.timeline)));
    draw(chart, timeline(cell.timeline));
  }
  if (cell.invariants?.length) {
    const line = (i, attributes, before) => node("li", attributes, `${before}${i.verdict}: ${i.name} (${i.evidence})`);
    const checks = cell.invariants.map((i) => line(i, i.verdict === "held" ? {} : { class: "bad" }, ""));
    const counted = (cell.counted || []).map((i) => line(i, {}, "informational, "));
    panel.append(node("details", {}, node("summary", {}, "What was checked"), node("ul", { class: "checks" }, ...checks, ...counted)));
  }
}

// lockHeld tells whether the timeline shows who held the lock: under load it shows only what
// was down.
const lockHeld = (data) => (data.spans || []).some((span) => span.kind === "holds" || span.kind === "expired");

function outcome(cell) {
  const what = { held: "Sold no more than there was", violated: `Sold ${cell.oversold || "what was"} that ${cell.oversold === 1 || !cell.oversold ? "was" : "were"} not there`, undecided: "Undecided" }[cell.verdict];
  const caught = !cell.caught_by ? "" : cell.caught_by === "nothing" ? "; nothing stopped the second sale" : `; stopped by: ${cell.caught_by}`;
  const total = cell.tries ? cell.tries.held + cell.tries.violated + cell.tries.undecided : 1;
  const tries = total > 1 ? `. Of ${total} tries ${cell.tries.held} held, ${cell.tries.violated} oversold, ${cell.tries.undecided} were undecided` : "";
  const expected = { hold: "it had to hold", break: "it had to oversell", either: "either was possible" }[cell.expectation];
  return `${what}${caught}${tries}. Expected: ${expected}${cell.met ? "." : " – NOT MET."}`;
}

function asTable(data) {
  const rows = [
    ...(data.spans || []).map((span) => [span.from_ms, span.to_ms, span.lane, spanLabel(span), span.token || ""]),
    ...(data.marks || []).map((mark) => [mark.at_ms, mark.at_ms, mark.lane, [markLabel(mark), mark.order_id && `order ${mark.order_id}`].filter(Boolean).join(", "), ""]),
  ].sort((a, b) => a[0] - b[0]);
  const head = ["from ms", "to ms", "who", "what", "token"].map((name) => node("th", {}, name));
  const body = rows.map(([from, to, who, what, token]) => node("tr", {}, ...[number(from), number(to), who, what, token].map((text) => node("td", {}, String(text)))));
  return node("div", { class: "scroll" }, node("table", {}, node("thead", {}, node("tr", {}, ...head)), node("tbody", {}, ...body)));
}

// wanted is the cell that the address names, or the first of those that show most: best an
// oversell with a pause, a cut or a crash.
function wanted() {
  const named = /^#cell-(\d+)$/.exec(location.hash);
  if (named) return Number(named[1]);
  const drawable = (cell) => cell.fault !== "" && cell.timeline;
  const broke = (cell) => drawable(cell) && cell.verdict === "violated";
  const paused = (cell) => broke(cell) && cell.timeline.spans.some((span) => bands.has(span.kind));
  return [paused, broke, drawable].map((what) => cells.findIndex(what)).find((number) => number >= 0) ?? -1;
}

if (matrix) {
  addEventListener("hashchange", () => { open(wanted()); opened?.panel.scrollIntoView({ block: "nearest" }); });
  addEventListener("resize", fit);
  addEventListener("beforeprint", fit);
  addEventListener("afterprint", fit);
  open(wanted());
  if (/^#cell-/.test(location.hash)) opened?.link.scrollIntoView({ block: "start" });
}
