// Builds ../echarts.min.js, with the licences of what is in it at its head.
import { build } from "esbuild";
import { readFileSync } from "node:fs";

const read = (path) => readFileSync(new URL(`node_modules/${path}`, import.meta.url), "utf8").trim();
const version = (name) => `${name} ${JSON.parse(read(`${name}/package.json`)).version}`;

// ECharts' own licence is the Apache License 2.0, whose full text stands beside
// the bundle; the others ask to be repeated with it.
const licences = [
  `${version("echarts")}, in part: licensed under the Apache License, Version 2.0, https://www.apache.org/licenses/LICENSE-2.0`,
  read("echarts/NOTICE"),
  read("echarts/licenses/LICENSE-d3"),
  `${version("zrender")}: ${read("zrender/LICENSE")}`,
  `${version("tslib")}: ${read("tslib/LICENSE.txt")}`,
].join("\n\n").replaceAll("*/", "* /");

await build({
  entryPoints: ["charts.js"],
  outfile: "../echarts.min.js",
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "echarts",
  target: "es2020",
  charset: "utf8",
  legalComments: "none",
  banner: { js: `/*!\n${licences}\n*/` },
});
