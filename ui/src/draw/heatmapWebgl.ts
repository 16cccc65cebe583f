/** The painter for graphics processors: codes as a 16-bit texture, the colour table and iso-lines in the shader. */
import { type Frame, scaleOf } from "@/lib/frame";
import { onColours, pageColours } from "./colours";
import type { HeatmapPainter, Look } from "./heatmap";
import { lutOf, type MapName } from "./luts";
import { HALO_WIDTH, LINE_WIDTH, markPlace, markSegments } from "./marks";
import { pickCell } from "./pick";
import { planeSize } from "./planes";

const MOST_ISOLINES = 8;

const VERTEX = `#version 300 es
in vec2 place;
out vec2 at;
void main() { at = 0.5 * place + 0.5; gl_Position = vec4(place, 0.0, 1.0); }`;

// The texture's rows run along x, since x is the slowest axis of the codes; the shader swaps.
const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
uniform usampler2D codes;
uniform sampler2D colours;
uniform ivec2 cells;
uniform vec2 scale;        // place in the colour table = scale.x * code + scale.y
uniform float slack;       // half a code, as a share of the scale
uniform uint masked;
uniform vec3 page, surface, ink;
uniform int isolines;
uniform vec2 iso[${MOST_ISOLINES}]; // code, and 1 where it is drawn double
uniform float ratio;       // pixels of the canvas for one of CSS
in vec2 at;
out vec4 colour;
float code(ivec2 cell) {
  cell = clamp(cell, ivec2(0), cells - 1);
  return float(texelFetch(codes, cell.yx, 0).r);
}
void main() {
  ivec2 cell = min(ivec2(at * vec2(cells)), cells - 1);
  uint own = texelFetch(codes, cell.yx, 0).r;
  vec2 place = at * vec2(cells) - 0.5;
  ivec2 first = ivec2(floor(place));
  vec2 share = fract(place);
  vec4 near = vec4(code(first), code(first + ivec2(1, 0)), code(first + ivec2(0, 1)), code(first + ivec2(1, 1)));
  float mixed = mix(mix(near.x, near.y, share.x), mix(near.z, near.w, share.x), share.y);
  float slope = max(fwidth(mixed), 1e-6);
  if (own == masked) { colour = vec4(page, 1.0); return; }
  float t = scale.x * float(own) + scale.y;
  vec3 rgb = texelFetch(colours, ivec2(clamp(int(floor(t * 256.0)), 0, 255), 0), 0).rgb;
  bool isBeyond = t < -slack || t > 1.0 + slack;
  if (isBeyond && mod(gl_FragCoord.x - gl_FragCoord.y, 6.0 * ratio) < 2.0 * ratio) rgb = vec3(0.502);
  bool isWhole = !any(greaterThanEqual(near, vec4(float(masked))));
  for (int line = 0; line < isolines; line++) {
    float away = abs(mixed - iso[line].x) / slope / ratio;
    if (!isWhole) continue;
    if (iso[line].y > 0.5) {
      if (away < 3.5) rgb = surface;
      if (away < 2.5) rgb = ink;
      if (away < 1.0) rgb = surface;
    } else {
      if (away < 1.75) rgb = surface;
      if (away < 0.75) rgb = ink;
    }
  }
  colour = vec4(rgb, 1.0);
}`;

const LINE_FRAGMENT = `#version 300 es
precision mediump float;
uniform vec3 ink;
out vec4 colour;
void main() { colour = vec4(ink, 1.0); }`;

/** Make the painter, or return null where there is no WebGL 2. */
export function makeWebglPainter(canvas: HTMLCanvasElement): HeatmapPainter | null {
  const gl = canvas.getContext("webgl2", { alpha: false, antialias: true, preserveDrawingBuffer: true });
  if (gl === null) return null;
  let scene: Scene | null = makeScene(gl);
  if (scene === null) return null;
  let [width, height] = [canvas.width, canvas.height];
  let shown: { frame: Frame; look: Look } | null = null;

  const draw = (frame: Frame, look: Look) => {
    shown = { frame, look };
    if (scene !== null && width >= 1 && height >= 1) paint(gl, scene, frame, look, width, height);
  };
  const redraw = () => {
    if (shown !== null) draw(shown.frame, shown.look);
  };
  const onLost = (event: Event) => {
    event.preventDefault(); // a context that is lost comes back
    scene = null;
  };
  const onRestored = () => {
    scene = makeScene(gl);
    redraw();
  };
  canvas.addEventListener("webglcontextlost", onLost);
  canvas.addEventListener("webglcontextrestored", onRestored);
  const stop = onColours(redraw);
  return {
    kind: "webgl2",
    draw,
    resize(wide, high) {
      const ratio = Math.min(2, window.devicePixelRatio || 1);
      [width, height] = [Math.max(1, Math.round(wide)), Math.max(1, Math.round(high))];
      const size = [Math.round(width * ratio), Math.round(height * ratio)] as const;
      if (canvas.width === size[0] && canvas.height === size[1]) return;
      [canvas.width, canvas.height] = size;
      redraw();
    },
    pick: (x, y) => pickCell(shown?.frame.shape, width, height, x, y),
    destroy() {
      stop();
      canvas.removeEventListener("webglcontextlost", onLost);
      canvas.removeEventListener("webglcontextrestored", onRestored);
      if (scene !== null) dispose(gl, scene); // the context stays the canvas's, which may get a painter again
      shown = scene = null;
    },
  };
}

interface Scene {
  readonly cells: WebGLProgram;
  readonly lines: WebGLProgram;
  readonly codes: WebGLTexture;
  readonly colours: WebGLTexture;
  readonly square: WebGLBuffer;
  readonly strips: WebGLBuffer;
  readonly uniform: (name: string) => WebGLUniformLocation | null;
  readonly lineInk: WebGLUniformLocation | null;
  map: MapName | null;
  size: string;
  serial: number; // of the frame that the texture holds
}

function makeScene(gl: WebGL2RenderingContext): Scene | null {
  const cells = link(gl, FRAGMENT);
  const lines = link(gl, LINE_FRAGMENT);
  if (cells === null || lines === null) return null;
  const square = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, square);
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
  const known = new Map<string, WebGLUniformLocation | null>();
  const uniform = (name: string) => {
    if (!known.has(name)) known.set(name, gl.getUniformLocation(cells, name));
    return known.get(name) ?? null;
  };
  return {
    cells, lines, square, uniform, codes: texture(gl, 0), colours: texture(gl, 1), strips: gl.createBuffer(),
    lineInk: gl.getUniformLocation(lines, "ink"), map: null, size: "", serial: 0,
  };
}

function dispose(gl: WebGL2RenderingContext, scene: Scene): void {
  for (const made of [scene.codes, scene.colours]) gl.deleteTexture(made);
  for (const made of [scene.square, scene.strips]) gl.deleteBuffer(made);
  for (const made of [scene.cells, scene.lines]) gl.deleteProgram(made);
}

function link(gl: WebGL2RenderingContext, fragment: string): WebGLProgram | null {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, fragment]] as const) {
    const shader = gl.createShader(kind);
    if (shader === null) return null;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "place");
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) === true ? program : null;
}

function texture(gl: WebGL2RenderingContext, unit: number): WebGLTexture {
  const made = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, made);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
  return made;
}

function paint(gl: WebGL2RenderingContext, scene: Scene, frame: Frame, look: Look, width: number, height: number): void {
  gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
  uploadCodes(gl, scene, frame);
  if (scene.map !== look.map) {
    gl.activeTexture(gl.TEXTURE1);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, lutOf(look.map));
    scene.map = look.map;
  }
  gl.useProgram(scene.cells);
  setUniforms(gl, scene, frame, look, gl.drawingBufferWidth / width);
  drawStrip(gl, scene.square, 4, gl.TRIANGLE_STRIP);
  drawMarks(gl, scene, frame, look, width, height);
}

function uploadCodes(gl: WebGL2RenderingContext, scene: Scene, frame: Frame): void {
  const [columns, rows] = planeSize(frame.shape);
  gl.activeTexture(gl.TEXTURE0);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
  const size = `${columns} ${rows}`;
  const { changed = null, serial = 0, codes } = frame;
  const isSame = scene.size === size && serial > 0 && scene.serial === serial;
  const isNext = scene.size === size && scene.serial > 0 && changed?.since === scene.serial;
  scene.serial = serial;
  if (isSame || (isNext && changed.first >= changed.end)) return;
  if (isNext) {
    const { first, end } = changed;
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, first, rows, end - first, gl.RED_INTEGER, gl.UNSIGNED_SHORT, codes, first * rows);
  } else if (scene.size === size) {
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, rows, columns, gl.RED_INTEGER, gl.UNSIGNED_SHORT, codes);
  } else {
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16UI, rows, columns, 0, gl.RED_INTEGER, gl.UNSIGNED_SHORT, codes);
    scene.size = size;
  }
}

function setUniforms(gl: WebGL2RenderingContext, scene: Scene, frame: Frame, look: Look, ratio: number): void {
  const { uniform } = scene;
  const step = scaleOf(frame);
  const span = look.high - look.low;
  const toScale = span > 0 ? [step / span, (frame.low - look.low) / span] as const : [0, 0.5] as const;
  const colours = pageColours();
  gl.uniform1i(uniform("codes"), 0);
  gl.uniform1i(uniform("colours"), 1);
  gl.uniform2i(uniform("cells"), ...planeSize(frame.shape));
  gl.uniform2f(uniform("scale"), ...toScale);
  gl.uniform1f(uniform("slack"), 0.5 * toScale[0] + 1e-6);
  gl.uniform1ui(uniform("masked"), frame.masked ?? 0x10000);
  gl.uniform1f(uniform("ratio"), ratio);
  for (const [name, value] of [["page", colours.page], ["surface", colours.surface], ["ink", colours.text]] as const) {
    gl.uniform3f(uniform(name), value[0] / 255, value[1] / 255, value[2] / 255);
  }
  const lines = step > 0 ? look.isolines.slice(0, MOST_ISOLINES) : [];
  gl.uniform1i(uniform("isolines"), lines.length);
  const codes = lines.flatMap(({ value, double = false }) => [(value - frame.low) / step, double ? 1 : 0]);
  if (codes.length > 0) gl.uniform2fv(uniform("iso"), codes);
}

function drawMarks(gl: WebGL2RenderingContext, scene: Scene, frame: Frame, look: Look, width: number, height: number): void {
  if (look.marks.length === 0) return;
  const [columns, rows] = planeSize(frame.shape);
  const { surface, text } = pageColours();
  gl.useProgram(scene.lines);
  for (const [ink, thickness] of [[surface, HALO_WIDTH], [text, LINE_WIDTH]] as const) {
    const corners = look.marks.flatMap((mark) => {
      const [x, y] = [markPlace(mark.x, columns, width), markPlace(mark.y, rows, height)];
      return thicken(markSegments(mark.kind), x, y, thickness);
    });
    const places = corners.map((value, at) => (at % 2 === 0 ? (2 * value) / width - 1 : (2 * value) / height - 1));
    gl.bindBuffer(gl.ARRAY_BUFFER, scene.strips);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(places), gl.DYNAMIC_DRAW);
    gl.uniform3f(scene.lineInk, ink[0] / 255, ink[1] / 255, ink[2] / 255);
    drawStrip(gl, scene.strips, places.length / 2, gl.TRIANGLES);
  }
}

/** Two triangles for each segment around a point, as corners in pixels. */
function thicken(segments: readonly number[], x: number, y: number, thickness: number): number[] {
  const corners: number[] = [];
  for (let at = 0; at < segments.length; at += 4) {
    const [x0, y0, x1, y1] = segments.slice(at, at + 4) as [number, number, number, number];
    const length = Math.hypot(x1 - x0, y1 - y0) || 1;
    const along = [((x1 - x0) / length) * (thickness / 2), ((y1 - y0) / length) * (thickness / 2)] as const;
    const [a, b] = [[x + x0 - along[0], y + y0 - along[1]], [x + x1 + along[0], y + y1 + along[1]]] as const;
    const corner = ([px, py]: readonly number[], side: number) => [
      (px as number) - side * along[1], (py as number) + side * along[0],
    ];
    corners.push(...corner(a, 1), ...corner(a, -1), ...corner(b, 1), ...corner(b, 1), ...corner(a, -1), ...corner(b, -1));
  }
  return corners;
}

function drawStrip(gl: WebGL2RenderingContext, buffer: WebGLBuffer, corners: number, mode: number): void {
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  gl.drawArrays(mode, 0, corners);
}
