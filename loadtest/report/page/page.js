"use strict";

// What all parts of a page share: the colours, and charts that are redrawn when the window,
// the colour scheme or the medium changes.

let printing = false;

// Paper is light, whatever the screen is.
const light = { ink: "#000", faint: "#444", line: "#bbb", paper: "#fff", soft: "#f5f5f3", held: "#0072b2", broke: "#c14f00", wrong: "#a3347a", sold: "#00805c" };

function palette() {
  if (printing) return light;
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(Object.keys(light).map((name) => [name, style.getPropertyValue("--" + name).trim()]));
}

// node makes an element with text or children.
function node(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const drawn = new Map(); // element -> its chart, and the function that makes its option for colours and a width

function draw(element, make) {
  element.setAttribute("role", "img");
  drawn.set(element, { chart: echarts.init(element, null, { renderer: "svg", width: 600, height: 300 }), make });
  watcher.observe(element);
  refresh(element);
}

function erase(element) {
  watcher.unobserve(element);
  drawn.get(element)?.chart.dispose();
  drawn.delete(element);
}

function refresh(element) {
  const { chart, make } = drawn.get(element);
  const width = printing ? Number(element.dataset.print || 1000) : element.clientWidth;
  if (width === 0) return;
  const { height, label, ...option } = make(palette(), width);
  element.setAttribute("aria-label", label);
  element.style.height = height + "px";
  chart.resize({ width, height });
  chart.setOption({ animation: false, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily }, ...option }, true);
}

function refreshAll() {
  for (const element of drawn.keys()) refresh(element);
}

const watcher = new ResizeObserver((changes) => {
  if (!printing) for (const change of changes) if (drawn.has(change.target)) refresh(change.target);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refreshAll);
addEventListener("beforeprint", () => { printing = true; refreshAll(); });
addEventListener("afterprint", () => { printing = false; refreshAll(); });

function tooltip(colours) {
  return {
    confine: true, backgroundColor: colours.paper, borderColor: colours.faint, textStyle: { color: colours.ink, fontSize: 13 },
    extraCssText: "max-width: 26rem; white-space: normal; box-shadow: none;",
  };
}

function escape(text) {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function number(value) {
  return value >= 100 ? String(Math.round(value)) : value >= 10 ? value.toFixed(1) : value >= 1 ? value.toFixed(1) : value.toFixed(2);
}
