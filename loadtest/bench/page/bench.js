// The charts of a benchmark: each element carries its own figures.

function axis(colours, name, log, more) {
  return {
    type: log ? "log" : "value", logBase: 10, name, nameLocation: "middle", nameGap: 28, nameTextStyle: { color: colours.faint },
    axisLabel: { color: colours.faint, fontSize: 12, hideOverlap: true, formatter: (value) => `${+value.toPrecision(3)}` },
    axisLine: { lineStyle: { color: colours.faint } }, splitLine: { lineStyle: { color: colours.line } }, ...more,
  };
}

// Lines are told apart by their dashes and symbols too, for paper.
const strokes = [["held", "solid", "circle"], ["broke", "dashed", "diamond"], ["sold", "dotted", "triangle"], ["faint", [8, 3, 2, 3], "rect"]];

function lines(chart) {
  const last = (line) => line.points[line.points.length - 1];
  return (colours) => ({
    height: 300,
    label: `${chart.title}: ` + chart.lines.map((line) => `${line.name} ${line.points.map(([x, y]) => `${number(y)} at ${x}`).join(", ")}`).join("; "),
    grid: { left: 12, right: 20, top: 34, bottom: 40, containLabel: true },
    legend: { top: 0, left: 0, textStyle: { color: colours.ink, fontSize: 13 }, data: chart.lines.map((line) => line.name) },
    tooltip: { ...tooltip(colours), formatter: ({ seriesName, value }) => `<b>${escape(seriesName)}</b><br>${value[0]}: ${number(value[1])} ${escape(chart.y || "")}` },
    xAxis: axis(colours, chart.x, chart.log_x, { logBase: chart.log_x ? 2 : 10, min: chart.lines[0].points[0][0], max: Math.max(...chart.lines.map((line) => last(line)[0])) }),
    yAxis: axis(colours, chart.y, chart.log_y, { nameGap: 46 }),
    series: chart.lines.map((line, i) => {
      const [colour, type, symbol] = strokes[i % strokes.length];
      return { type: "line", name: line.name, data: line.points, symbol, symbolSize: 7, color: colours[colour], lineStyle: { color: colours[colour], type, width: 2 } };
    }),
  });
}

// Rows are bars from zero, or, on an axis that has none, marks with a line from
// the first to the last.
function chartRows(chart) {
  const colour = (colours, row) => row.other ? colours.faint : colours.held;
  return (colours) => ({
    height: 54 + 24 * chart.rows.length,
    label: `${chart.title}: ` + chart.rows.map((row) => `${row.name} ${row.values.map(number).join(", ")}`).join("; "),
    grid: { left: 4, right: 70, top: 6, bottom: 40, containLabel: true },
    tooltip: { ...tooltip(colours), formatter: ({ dataIndex: i }) => `<b>${escape(chart.rows[i].name)}</b><br>${chart.rows[i].values.map(number).join(" – ")} ${escape(chart.x)}` },
    xAxis: axis(colours, chart.x, chart.log_x),
    yAxis: { type: "category", inverse: true, data: chart.rows.map((row) => row.name), axisTick: { show: false }, axisLine: { lineStyle: { color: colours.faint } }, axisLabel: { color: colours.ink, fontSize: 13, interval: 0 } },
    series: chart.log_x ? [{ type: "custom", encode: { x: chart.rows[0].values.map((_, i) => i + 1), y: 0 }, data: chart.rows.map((row, i) => [i, ...row.values]), renderItem: (_, api) => marks(chart, colours, colour, api) }] : [{
      type: "bar", barWidth: 14, label: { show: true, position: "right", color: colours.ink, fontSize: 13, formatter: ({ value }) => number(value) },
      data: chart.rows.map((row) => ({ value: row.values[0], itemStyle: { color: colour(colours, row) } })),
    }],
  });
}

function marks(chart, colours, colour, api) {
  const row = chart.rows[api.value(0)], stroke = colour(colours, row);
  const at = row.values.map((value) => api.coord([value, api.value(0)]));
  const children = [{ type: "line", shape: { x1: at[0][0], y1: at[0][1], x2: at[at.length - 1][0], y2: at[0][1] }, style: { stroke, lineWidth: 3 } }];
  at.forEach(([x, y], i) => children.push(i === 0
    ? { type: "circle", shape: { cx: x, cy: y, r: 5 }, style: { fill: colours.paper, stroke, lineWidth: 2 } }
    : { type: "polygon", shape: { points: [[x, y - 7], [x + 6, y], [x, y + 7], [x - 6, y]] }, style: { fill: i === 1 ? stroke : colours.paper, stroke, lineWidth: 2 } }));
  return { type: "group", children };
}

for (const element of document.querySelectorAll("[data-chart]")) {
  const chart = JSON.parse(element.dataset.chart);
  element.dataset.print = 485;
  draw(element, chart.lines ? lines(chart) : chartRows(chart));
}
