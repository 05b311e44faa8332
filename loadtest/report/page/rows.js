// The cells of a run, and the charts of drives without a fault: a row for each.

const cells = JSON.parse(document.getElementById("cells").textContent) || [];
const rows = cells.filter((cell) => cell.fault === "" && cell.clients > 1);

const rowName = (cell) => `${cell.lock} × ${cell.replicas}` + (cell.guard === "none" ? "" : `, ${cell.guard}`);
const oversells = (cell) => cell.oversold > 0;
const hatch = (colour) => ({ symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: -Math.PI / 4, color: colour });

function rowAxis(colours) {
  return {
    type: "category", inverse: true, data: rows.map(rowName), axisTick: { show: false },
    axisLine: { lineStyle: { color: colours.faint } }, axisLabel: { color: colours.ink, fontSize: 13, interval: 0 },
  };
}

function valueAxis(colours, more) {
  return {
    type: "value", axisLabel: { color: colours.faint, fontSize: 12, hideOverlap: true }, splitLine: { lineStyle: { color: colours.line } }, splitNumber: 4,
    nameLocation: "middle", nameGap: 26, nameTextStyle: { color: colours.faint }, ...more,
  };
}

// bars shows one figure of each row.
function bars(title, figure, words) {
  return (colours) => ({
    height: 50 + (printing ? 19 : 26) * rows.length,
    label: `${title}: ` + rows.map((cell) => `${rowName(cell)} ${words(cell)}`).join(", "),
    grid: { left: 4, right: 64, top: 6, bottom: 26, containLabel: true },
    tooltip: { ...tooltip(colours), formatter: ({ dataIndex: i }) => `<b>${escape(rowName(rows[i]))}</b><br>${escape(words(rows[i]))}` },
    aria: { enabled: true, label: { enabled: false }, decal: { show: true } },
    xAxis: valueAxis(colours), yAxis: rowAxis(colours),
    series: [{
      type: "bar", barWidth: 15,
      label: { show: true, position: "right", color: colours.ink, fontSize: 13, formatter: ({ dataIndex: i }) => words(rows[i]) },
      data: rows.map((cell) => ({
        value: figure(cell),
        itemStyle: { color: oversells(cell) ? colours.broke : colours.held, decal: oversells(cell) ? hatch(colours.paper) : { symbol: "none" } },
      })),
    }],
  });
}

// mix returns a colour between two, a share of the way from the first.
function mix(from, to, share) {
  const parts = (hex) => [1, 2, 3].map((i) => parseInt(hex.length === 4 ? hex[i] + hex[i] : hex.slice(2 * i - 1, 2 * i + 1), 16));
  const [a, b] = [parts(from), parts(to)];
  return `rgb(${a.map((part, i) => Math.round(part + (b[i] - part) * share)).join(",")})`;
}

const decade = Math.pow(10, 0.1); // from one bucket of the histogram to the next

// latencies shows the distribution of each row's latencies, on a logarithmic scale.
function latencies(colours, width) {
  const known = rows.map((cell) => cell.latency_histogram || []);
  const most = known.map((buckets) => Math.max(1, ...buckets.map((bucket) => bucket.orders)));
  const bands = known.flatMap((buckets, row) => buckets.map((bucket) => [bucket.up_to_ms / decade, row, bucket.up_to_ms, bucket.orders]));
  const points = rows.flatMap((cell, row) => [[cell.latency_ms.p50, row, "p50"], [cell.latency_ms.p99, row, "p99"]]);
  const high = Math.max(...bands.map((band) => band[2]), ...points.map((point) => point[0]));
  const low = Math.max(1e-3, Math.min(high / 12, ...bands.map((band) => band[0]), ...points.map((point) => point[0])));
  return {
    height: 64 + (printing ? 26 : 30) * rows.length,
    label: "Time to the answer: " + rows.map((cell) => `${rowName(cell)} p50 ${number(cell.latency_ms.p50)} ms, p99 ${number(cell.latency_ms.p99)} ms`).join("; "),
    grid: { left: 4, right: 30, top: 6, bottom: 40, containLabel: true },
    tooltip: { ...tooltip(colours), formatter: ({ seriesIndex, value }) => seriesIndex === 0
      ? `<b>${escape(rowName(rows[value[1]]))}</b><br>${value[3]} orders took ${number(value[0])} to ${number(value[2])} ms`
      : `<b>${escape(rowName(rows[value[1]]))}</b><br>${value[2]}: ${number(value[0])} ms` },
    xAxis: valueAxis(colours, {
      type: "log", min: low, max: high, name: "milliseconds",
      axisLabel: { color: colours.faint, fontSize: 12, showMinLabel: false, showMaxLabel: false, formatter: (value) => `${+value.toPrecision(3)}` },
    }),
    yAxis: rowAxis(colours),
    series: [
      { type: "custom", encode: { x: [0, 2], y: 1 }, data: bands, renderItem: (_, api) => band(colours, most, api) },
      { type: "custom", encode: { x: 0, y: 1 }, data: points, z: 3, renderItem: (_, api) => point(colours, api, points) },
    ],
  };
}

function band(colours, most, api) {
  const row = api.value(1), from = api.coord([api.value(0), row]), to = api.coord([api.value(2), row]);
  return {
    type: "rect", shape: { x: from[0], y: from[1] - 10, width: Math.max(1, to[0] - from[0] + 0.5), height: 20 },
    style: { fill: mix(colours.paper, oversells(rows[row]) ? colours.broke : colours.held, 0.12 + 0.78 * Math.sqrt(api.value(3) / most[row])) },
  };
}

function point(colours, api, points) {
  const [x, y] = api.coord([api.value(0), api.value(1)]);
  const style = { fill: colours.paper, stroke: colours.ink, lineWidth: 1.6 };
  // A dimension that holds words is looked up in the data: the axis does not return it.
  if (points.some((p) => p[0] === api.value(0) && p[1] === api.value(1) && p[2] === "p50")) {
    return { type: "circle", shape: { cx: x, cy: y, r: 5 }, style };
  }
  return { type: "polygon", shape: { points: [[x, y - 8], [x + 7, y], [x, y + 8], [x - 7, y]] }, style: { fill: colours.ink, stroke: colours.paper, lineWidth: 1.6 } };
}

if (rows.length > 0) {
  for (const [id, make, print] of [
    ["chart-oversold", bars("Oversold units", (cell) => cell.oversold, (cell) => cell.oversold === 0 ? "none" : `${cell.oversold}`), 485],
    ["chart-rate", bars("Orders per second", (cell) => cell.orders_per_second, (cell) => `${Math.round(cell.orders_per_second)}`), 485],
    ["chart-latency", latencies, 1000],
  ]) {
    const element = document.getElementById(id);
    element.dataset.print = print;
    draw(element, make);
  }
}
