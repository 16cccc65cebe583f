import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * The operations that the server of this tree has, as "GET /api/v1/jobs": module `virtual:operations`.
 * The page and the server are packed together, so the document need not be asked for at run time.
 */
function operations(): Plugin {
  const name = "virtual:operations";
  return {
    name: "grid-operations",
    resolveId: (id) => (id === name ? `\0${name}` : undefined),
    load(id) {
      if (id !== `\0${name}`) return undefined;
      const document = JSON.parse(readFileSync(here("openapi.json"), "utf8")) as {
        info: { version: string };
        paths: Record<string, Record<string, unknown>>;
      };
      const methods = ["get", "put", "post", "delete", "patch"];
      const list = Object.entries(document.paths).flatMap(([path, item]) =>
        methods.filter((method) => method in item).map((method) => `${method.toUpperCase()} ${path}`),
      );
      return `export const version = ${JSON.stringify(document.info.version)};\nexport const list = ${JSON.stringify(list)};`;
    },
  };
}

/** Sets the colour scheme before anything is painted: the only classic script, from this server as all others. */
function themeScript(): Plugin {
  const path = "src/app/theme.js";
  let isBuild = false;
  return {
    name: "grid-theme-script",
    configResolved(config) {
      isBuild = config.command === "build";
    },
    buildStart() {
      if (isBuild) this.emitFile({ type: "asset", name: "theme.js", source: readFileSync(here(path), "utf8") });
    },
    transformIndexHtml: {
      order: "post",
      handler(_html, { bundle }) {
        const file = Object.values(bundle ?? {}).find((item) => item.type === "asset" && item.names.includes("theme.js"));
        return [{ tag: "script", attrs: { src: `/${file?.fileName ?? path}` }, injectTo: "head-prepend" }];
      },
    },
  };
}

/** Writes `.br` and `.gz` beside each asset that gets smaller by it; the server chooses by what a browser takes. */
function precompress(): Plugin {
  return {
    name: "grid-precompress",
    apply: "build",
    writeBundle(options, bundle) {
      for (const name of Object.keys(bundle).filter((name) => /^assets\/.*\.(js|css|svg)$/.test(name))) {
        const path = join(options.dir ?? "", name);
        const plain = readFileSync(path);
        const size = { [constants.BROTLI_PARAM_SIZE_HINT]: plain.length };
        const small = { br: brotliCompressSync(plain, { params: size }), gz: gzipSync(plain, { level: 9 }) };
        for (const [ending, bytes] of Object.entries(small)) {
          if (bytes.length < plain.length) writeFileSync(`${path}.${ending}`, bytes);
        }
      }
    },
  };
}

/** What of uPlot's file is replaced, each where it stands once; a minifier leaves out what is not reached then. */
const UNUSED: readonly (readonly [string, string])[] = [
  ["\nconst [ timeIncrsMs, _timeAxisStampsMs, timeAxisSplitsMs ] = genTimeStuffs(1);", ""],
  ["\nconst [ timeIncrsS,  _timeAxisStampsS,  timeAxisSplitsS  ] = genTimeStuffs(1e-3);", ""],
  ["const days3 = days.map(slice3);", "const days3 = [];"],
  ["const months3 = months.map(slice3);", "const months3 = [];"],
  ["const localTz = new Intl.DateTimeFormat().resolvedOptions().timeZone;", "const localTz = 0;"],
  ["const _timeAxisSplits = (ms == 1 ? timeAxisSplitsMs(_tzDate) : timeAxisSplitsS(_tzDate));", ""],
  ["const _timeAxisVals   = timeAxisVals(_tzDate, timeAxisStamps((ms == 1 ? _timeAxisStampsMs : _timeAxisStampsS), _fmtDate));", ""],
  ["const _timeSeriesVal  = timeSeriesVal(_tzDate, timeSeriesStamp(_timeSeriesStamp, _fmtDate));", ""],
  ["const _tzDate  = (opts.tzDate || (ts => new Date(round(ts / ms))));", ""],
  ["const _fmtDate = (opts.fmtDate || fmtDate);", ""],
  ["let isTime = mode == 1 && scales[s.scale].time;", "const isTime = false;"],
  ["\t\t\tlet isTime = sc.time;\n\n\t\t\taxis.size", "\t\t\tconst isTime = false;\n\n\t\t\taxis.size"],
  ["const showLegend = legend.show;", "const showLegend = false;"],
  ["(isTime && sc.distr == 1 ? _timeAxisSplits : sc.distr == 3 ? logAxisSplits : sc.distr == 4 ? asinhAxisSplits : numAxisSplits)", "numAxisSplits"],
  ["(          sc.distr >= 3 && sc.log == 10 ? log10AxisValsFilt : sc.distr == 3 && sc.log == 2 ? log2AxisValsFilt : retArg1)", "retArg1"],
];

/**
 * Leaves out what uPlot has and the page does not use: axes of dates (its trends are over simulated seconds) and of
 * logarithms, its legend (the page shows its own), and what it offers as members of its class: bars, steps, splines, joins.
 */
function smallPlots(): Plugin {
  return {
    name: "grid-small-plots",
    apply: "build",
    transform(code, id) {
      if (!id.endsWith("/uplot/dist/uPlot.esm.js")) return undefined;
      const refuse = (what: string) => this.error(`uPlot is another one than the page was made with: see smallPlots(), ${what}`);
      const [start, end] = [code.indexOf("\nuPlot.assign = assign;"), code.lastIndexOf("\nexport {")];
      if (start < 0 || end < start) refuse("its members");
      let small = code.slice(0, start) + code.slice(end);
      for (const [from, to] of UNUSED) {
        if (small.split(from).length !== 2) refuse(from.trim());
        small = small.replace(from, () => to);
      }
      return { code: small, map: null };
    },
  };
}

export default defineConfig({
  plugins: [react(), operations(), themeScript(), precompress(), smallPlots()],
  resolve: { alias: { "@": here("src") } },
  worker: { format: "es" }, // a module of this server; the policy refuses workers from blob: addresses
  html: { cspNonce: "GRID-NONCE" }, // replaced for each document by the server
  build: {
    outDir: process.env["GRID_PAGE_OUT"] ?? here("../src/grid/api/page"),
    emptyOutDir: true,
    assetsDir: "assets",
    assetsInlineLimit: 0, // no data: addresses; the policy refuses them
    modulePreload: { polyfill: false },
    manifest: "manifest.json",
    sourcemap: false,
    target: "es2023",
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
  },
  server: {
    proxy: {
      "/api": { target: `http://127.0.0.1:${process.env["GRID_PORT"] ?? "8000"}`, ws: true },
      "^/(health|ready|live|docs|openapi.json)": `http://127.0.0.1:${process.env["GRID_PORT"] ?? "8000"}`,
    },
  },
});
