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

/**
 * Leaves out what uPlot offers as members of its class, and the page does not use: bars, steps, splines, dates, joins.
 * They are at the end of its file, where nothing in it needs them; without them their functions are left out too.
 */
function smallPlots(): Plugin {
  return {
    name: "grid-small-plots",
    apply: "build",
    transform(code, id) {
      if (!id.endsWith("/uplot/dist/uPlot.esm.js")) return undefined;
      const [start, end] = [code.indexOf("\nuPlot.assign = assign;"), code.lastIndexOf("\nexport {")];
      if (start < 0 || end < start) this.error("uPlot is another one than the page was made with: see smallPlots()");
      return { code: code.slice(0, start) + code.slice(end), map: null };
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
