/** What draws on this machine: a graphics processor, or software, for which a plain canvas costs a quarter of WebGL. */

export type PainterKind = "webgl2" | "canvas2d";

let found: { readonly name: string; readonly kind: PainterKind } | null = null;

/** Name of the renderer behind WebGL, and the painter that suits it. */
export function findRenderer(): { readonly name: string; readonly kind: PainterKind } {
  if (found === null) {
    const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: false });
    const debug = gl?.getExtension("WEBGL_debug_renderer_info") ?? null;
    const name = gl === null ? "" : String(gl.getParameter(debug === null ? gl.RENDERER : debug.UNMASKED_RENDERER_WEBGL));
    gl?.getExtension("WEBGL_lose_context")?.loseContext();
    found = { name, kind: suits(name) };
  }
  return found;
}

/** The painter for a renderer of some name; empty where there is no WebGL. */
export function suits(name: string): PainterKind {
  return name === "" || /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name) ? "canvas2d" : "webgl2";
}

const CHOICE = "grid-painter"; // in localStorage: the kind that a measurement or a test asks for

/** The painter that was asked for, or undefined. */
export function chosenKind(): PainterKind | undefined {
  const kind = localStorage.getItem(CHOICE);
  return kind === "webgl2" || kind === "canvas2d" ? kind : undefined;
}

/** Tell whether volumes are drawn here: with a graphics processor, or where WebGL is asked for in software. */
export function canDrawVolumes(): boolean {
  return findRenderer().name !== "" && (chosenKind() ?? findRenderer().kind) === "webgl2";
}
