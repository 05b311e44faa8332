// The timeline of one cell under a fault: a lane for each replica and server, on one clock.

const laneHeight = 84, barHeight = 18;

// Spans behind the others fill their lane; those of a lock are bars in it.
const bands = new Set(["paused", "cut off", "down"]);

function timeline(data) {
  return (colours, width) => {
    const lanes = data.lanes, marks = data.marks || [];
    // Those that fill their lane come first, so that the others are drawn over them.
    const spans = (data.spans || []).toSorted((a, b) => bands.has(b.kind) - bands.has(a.kind));
    const axis = stretch([...spans.flatMap((span) => [span.from_ms, span.to_ms]), ...marks.map((mark) => mark.at_ms)]);
    const lane = (name) => lanes.indexOf(name);
    const narrow = width < 560;
    const placed = placeLabels(marks, lanes, (at) => axis.place(at) / axis.end * (width - (narrow ? 90 : 150)));
    const twice = sameUnit(marks), inside = together(spans);
    const series = (items, value, render) => ({
      type: "custom", clip: false, data: items.map(value).map(([from, to, lane]) => [axis.place(from), axis.place(to), lane]), encode: { x: [0, 1], y: 2 },
      renderItem: (params, api) => {
        const on = { coord: ([at, lane]) => api.coord([axis.place(at), lane]) };
        return { type: "group", children: render(items[params.dataIndex], on, params.coordSys, params.dataIndex) };
      },
    });
    return {
      height: 74 + laneHeight * lanes.length,
      label: describe(data),
      grid: { left: narrow ? 70 : 120, right: 24, top: 26, bottom: 44 },
      tooltip: { ...tooltip(colours), formatter: ({ seriesIndex, dataIndex }) => seriesIndex === 1 ? spanWords(spans[dataIndex]) : seriesIndex === 3 ? markWords(marks[dataIndex]) : "" },
      xAxis: {
        type: "value", min: 0, max: axis.end * 1.03, name: axis.name, nameLocation: "middle", nameGap: 28, splitNumber: narrow ? 3 : 8,
        nameTextStyle: { color: colours.faint }, axisTick: { customValues: axis.ticks }, splitLine: { lineStyle: { color: colours.line } },
        axisLabel: { color: colours.faint, showMaxLabel: false, hideOverlap: true, customValues: axis.ticks, formatter: axis.words },
      },
      yAxis: {
        type: "category", data: lanes, inverse: true, axisTick: { show: false }, axisLine: { show: false }, splitLine: { show: true, lineStyle: { color: colours.line } },
        axisLabel: { color: colours.ink, fontSize: 13, fontWeight: 600, width: narrow ? 64 : 112, overflow: "break", interval: 0 },
      },
      series: [
        series(inside, (s) => [s.from, s.to, 0], (s, api, plot) => drawInside(s, api, plot, colours)),
        series(spans, (s) => [s.from_ms, s.to_ms, lane(s.lane)], (s, api) => drawSpan(s, lane(s.lane), api, colours, firstIn(s, marks))),
        series(twice, (pair) => [pair[0].at_ms, pair[1].at_ms, 0], (pair, api, plot) => drawTwice(pair, lane, api, plot, colours)),
        series(marks, (m) => [m.at_ms, m.at_ms, lane(m.lane)], (m, api, plot, i) => drawMark(m, lane(m.lane), api, plot, colours, placed[i])),
      ],
    };
  };
}

// stretch makes the axis of some moments. A schedule waits for a lease to end, and then all
// happens within milliseconds: so the longer the time between two moments, the more it is
// compressed. With many moments, as under load, the axis is linear.
function stretch(moments) {
  const sorted = [...new Set([0, ...moments])].sort((a, b) => a - b), last = Math.max(1, sorted[sorted.length - 1]);
  if (sorted.length > 40) return { place: (at) => at, end: last, name: "milliseconds since the run began" };
  const places = [0];
  for (let i = 1; i < sorted.length; i++) places.push(places[i - 1] + Math.max(sorted[i] - sorted[i - 1], 0.5) ** 0.4);
  const place = (at) => {
    const i = sorted.findLastIndex((moment) => moment <= at);
    if (i < 0 || i === sorted.length - 1) return places[Math.max(i, 0)];
    return places[i] + (at - sorted[i]) / (sorted[i + 1] - sorted[i]) * (places[i + 1] - places[i]);
  };
  return {
    place, end: Math.max(places[places.length - 1], 0.001), ticks: places,
    words: (at) => String(Math.round(sorted[places.findLastIndex((other) => other <= at + 1e-9)])),
    name: "milliseconds since the run began (a long while is drawn shorter than it was)",
  };
}

// together finds when two lanes were in their critical sections at once.
function together(spans) {
  const inside = spans.filter((span) => span.kind === "holds" || span.kind === "expired");
  const found = [];
  inside.forEach((a, i) => inside.slice(i + 1).forEach((b) => {
    const from = Math.max(a.from_ms, b.from_ms), to = Math.min(a.to_ms, b.to_ms);
    if (a.lane !== b.lane && from < to) found.push({ from, to });
  }));
  found.sort((a, b) => a.from - b.from);
  return found.reduce((merged, next) => {
    const last = merged[merged.length - 1];
    if (last && next.from <= last.to) last.to = Math.max(last.to, next.to);
    else merged.push(next);
    return merged;
  }, []);
}

// sameUnit pairs each sale of a unit that was not there with the last sale before it of one
// that was.
function sameUnit(marks) {
  const inOrder = [...marks].sort((a, b) => a.at_ms - b.at_ms);
  return inOrder.flatMap((mark, i) => {
    const first = mark.kind === "oversold" && inOrder.slice(0, i).filter((before) => before.kind === "sold").pop();
    return first ? [[first, mark]] : [];
  });
}

// placeLabels gives each mark the lower of two rows above its lane's bar if that is free
// there, else the upper one.
function placeLabels(marks, lanes, x) {
  const ends = lanes.map(() => [-Infinity, -Infinity]);
  const rowOf = new Array(marks.length).fill(0);
  [...marks.keys()].sort((a, b) => marks[a].at_ms - marks[b].at_ms).forEach((i) => {
    const half = labelWidth(markLabel(marks[i])) / 2, rowEnds = ends[lanes.indexOf(marks[i].lane)];
    if (!rowEnds) return;
    rowOf[i] = x(marks[i].at_ms) - half > rowEnds[0] + 4 ? 0 : 1;
    rowEnds[rowOf[i]] = x(marks[i].at_ms) + half;
  });
  return rowOf;
}

const labelWidth = (text) => text.length * 6.4;
const markLabel = (mark) => ({ sold: "sold", oversold: "SOLD AGAIN", refused: "refused: ", event: "" })[mark.kind] +
  (mark.kind === "sold" || mark.kind === "oversold" ? "" : mark.label);
const spanLabel = (span) => ({ holds: "holds the lock", expired: "lease ended, works on", waits: "waits", "left behind": "lock left behind" })[span.kind] || [span.kind, span.label].filter(Boolean).join(": ");
const spanWords = (span) => `<b>${escape(span.lane)}</b> ${escape(spanLabel(span))}${span.token ? `, token ${span.token}` : ""}<br>${number(span.from_ms)} to ${number(span.to_ms)} ms`;
const markWords = (mark) => `<b>${escape(mark.lane)}</b> ${escape(markLabel(mark))} ${mark.kind === "sold" || mark.kind === "oversold" ? escape(mark.label) : ""}<br>at ${number(mark.at_ms)} ms`;

const words = (text, x, y, colours, more) => ({ type: "text", silent: true, style: { text, x, y, fill: colours.ink, fontSize: 12, fontFamily: getComputedStyle(document.body).fontFamily, verticalAlign: "middle", ...more } });

// stripes are slanted lines in a rectangle, for paper and for readers who cannot tell its
// colour.
function stripes(x, y, width, height, gap, style) {
  const lines = [];
  for (let at = x - height; at < x + width; at += gap) {
    const from = Math.max(at, x), to = Math.min(at + height, x + width);
    if (to > from) lines.push({ type: "line", silent: true, shape: { x1: from, y1: y + height - (from - at), x2: to, y2: y + height - (to - at) }, style });
  }
  return lines;
}

function drawInside(span, api, plot, colours) {
  const x = api.coord([span.from, 0])[0], width = Math.max(2, api.coord([span.to, 0])[0] - x);
  const text = `two inside: ${number(span.to - span.from)} ms`;
  const middle = Math.min(Math.max(x + width / 2, plot.x + labelWidth(text) / 2), plot.x + plot.width - labelWidth(text) / 2);
  return [
    { type: "rect", silent: true, shape: { x, y: plot.y, width, height: plot.height }, style: { fill: colours.broke, opacity: 0.13 } },
    words(text, middle, plot.y - 12, colours, { fill: colours.broke, align: "center", fontWeight: 700 }),
  ];
}

// firstIn is the moment of the first mark in a span, or its end: up to there is room for
// words.
function firstIn(span, marks) {
  return Math.min(span.to_ms, ...marks.filter((mark) => mark.lane === span.lane && mark.at_ms > span.from_ms).map((mark) => mark.at_ms));
}

function drawSpan(span, lane, api, colours, free) {
  const [x, middle] = api.coord([span.from_ms, lane]);
  const width = Math.max(1.5, api.coord([span.to_ms, lane])[0] - x);
  const y = middle + 6 - barHeight / 2, label = spanLabel(span);
  if (bands.has(span.kind)) {
    const top = middle - laneHeight / 2 + 1, height = laneHeight - 2;
    const down = span.kind === "down", cut = span.kind === "cut off";
    return [
      { type: "rect", shape: { x, y: top, width, height }, style: { fill: colours.faint, opacity: down ? 0.42 : 0.14 } },
      ...(down ? [] : stripes(x, top, width, height, cut ? 14 : 8, { stroke: colours.faint, lineWidth: 1, opacity: 0.4, lineDash: cut ? [5, 4] : undefined })),
      ...(labelWidth(label) > width + 60 ? [] : [words(label, x + 5, top + height - 9, colours, { fontWeight: 600, backgroundColor: colours.paper, padding: [1, 3], borderRadius: 2 })]),
    ];
  }
  if (span.kind === "waits") {
    return [
      { type: "line", shape: { x1: x, y1: middle + 6, x2: x + width, y2: middle + 6 }, style: { stroke: colours.ink, lineWidth: 2, lineDash: [2, 4] } },
      ...(labelWidth(label) + 8 > width ? [] : [words(label, x + width / 2, middle + 20, colours, { align: "center", fill: colours.faint })]),
    ];
  }
  if (span.kind === "left behind") {
    return [
      { type: "rect", shape: { x, y, width, height: barHeight, r: 2 }, style: { fill: "none", stroke: colours.faint, lineWidth: 1.5, lineDash: [3, 3] } },
      ...(labelWidth(label) + 8 > width ? [] : [words(label, x + width / 2, middle + 6.5, colours, { align: "center", fill: colours.faint })]),
    ];
  }
  const ended = span.kind === "expired";
  const long = label + (span.token ? `, token ${span.token}` : "");
  const until = api.coord([free, lane])[0], room = until - x - (free < span.to_ms ? 12 : 0);
  const text = [long, label, ended ? "" : "holds"].find((choice) => 1.15 * labelWidth(choice) + 8 <= room) || "";
  return [
    { type: "rect", shape: { x, y, width, height: barHeight, r: 2 }, style: { fill: ended ? colours.paper : colours.held, stroke: ended ? colours.broke : colours.held, lineWidth: 2 } },
    ...(ended ? stripes(x, y, width, barHeight, 6, { stroke: colours.broke, lineWidth: 1.5 }) : []),
    ...(ended && text !== long && text !== label ? [words(label, x + Math.min(width, 24), middle + 25, colours, { align: "right", fill: colours.broke, backgroundColor: colours.paper, padding: [1, 3] })] : []),
    words(text, x + room / 2, middle + 6.5, colours, { align: "center", fontWeight: 600, fill: ended ? colours.ink : colours.paper, ...(ended && text ? { backgroundColor: colours.paper, padding: [0, 3] } : {}) }),
  ];
}

function drawTwice([first, second], lane, api, plot, colours) {
  const [x1, y1] = api.coord([first.at_ms, lane(first.lane)]), [x2, y2] = api.coord([second.at_ms, lane(second.lane)]);
  const middle = [(x1 + x2) / 2, (y1 + y2) / 2 + 6];
  const style = { stroke: colours.broke, lineWidth: 2, lineDash: [6, 4], fill: "none" };
  const atRight = middle[0] > plot.x + plot.width - 110;
  const dip = first.lane === second.lane ? 40 : 0;
  return [
    { type: "bezierCurve", silent: true, shape: { x1, y1: y1 + 6, x2, y2: y2 + 6, cpx1: middle[0], cpy1: middle[1] + dip }, style },
    words("the same unit", atRight ? middle[0] - 8 : middle[0] + 8, middle[1] + dip / 2, colours, { align: atRight ? "right" : "left", fill: colours.broke, fontWeight: 700, backgroundColor: colours.paper, padding: [1, 4], borderRadius: 3 }),
  ];
}

const signs = {
  sold: (x, y, colours) => [{ type: "circle", shape: { cx: x, cy: y, r: 7 }, style: { fill: colours.sold, stroke: colours.paper, lineWidth: 2 } }],
  oversold: (x, y, colours) => [
    { type: "circle", shape: { cx: x, cy: y, r: 10 }, style: { fill: colours.paper, stroke: colours.broke, lineWidth: 3 } },
    ...[-1, 1].map((way) => ({ type: "line", shape: { x1: x - 5, y1: y - 5 * way, x2: x + 5, y2: y + 5 * way }, style: { stroke: colours.broke, lineWidth: 3 } })),
  ],
  refused: (x, y, colours) => [{ type: "rect", shape: { x: x - 6, y: y - 6, width: 12, height: 12 }, style: { fill: colours.paper, stroke: colours.ink, lineWidth: 2.5 } }],
  event: (x, y, colours) => [{ type: "polygon", shape: { points: [[x - 7, y - 7], [x + 7, y - 7], [x, y + 6]] }, style: { fill: colours.wrong, stroke: colours.paper, lineWidth: 1.5 } }],
};

function drawMark(mark, lane, api, plot, colours, row) {
  const [x, middle] = api.coord([mark.at_ms, lane]);
  const text = markLabel(mark), half = labelWidth(text) / 2;
  const at = Math.min(Math.max(x, plot.x + half), plot.x + plot.width - half);
  const sold = mark.kind === "oversold";
  return [
    ...(signs[mark.kind] || signs.event)(x, middle + 6, colours),
    words(text, at, middle - 15 - 14 * row, colours, { align: "center", fontWeight: sold ? 700 : 400, fill: sold ? colours.broke : colours.ink }),
  ];
}

// describe says in words what the timeline shows, for readers who cannot see it.
function describe(data) {
  const spans = (data.spans || []).map((span) => `${span.lane} ${spanLabel(span)} from ${number(span.from_ms)} to ${number(span.to_ms)} ms`);
  const marks = (data.marks || []).map((mark) => `${mark.lane} ${markLabel(mark)} at ${number(mark.at_ms)} ms`);
  return "Timeline: " + [...spans, ...marks].join("; ");
}
