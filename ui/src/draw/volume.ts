/**
 * A field of three axes as a volume: rays through a texture of three axes, coloured by the same tables as the slices.
 * Values are 8 bits here, as many as a colour table has entries; slices and probe read the codes themselves.
 */
import { type Frame, scaleOf } from "@/lib/frame";
import { basisOf, type BoxView, pixelsOf, type Vector } from "./boxView";
import { onColours, pageColours } from "./colours";
import { lutOf, type MapName } from "./luts";

export interface VolumeLook {
  readonly map: MapName;
  readonly low: number;
  readonly high: number;
  /** Share of the scale below which the body is transparent, 0 to 1. */
  readonly floor: number;
  /** Sides of the body, the longest 1. */
  readonly sides: Vector;
  readonly view: BoxView;
}

export interface VolumePainter {
  draw(frame: Frame, look: VolumeLook): void;
  /** Set the size in CSS pixels. */
  resize(width: number, height: number): void;
  destroy(): void;
}

const STEPS = 192; // along the longest diagonal
const DENSITY = 9; // of what is opaque, for the length of the longest side
const MOST_RATIO = 1.5;

const VERTEX = `#version 300 es
in vec2 place;
out vec2 at;
void main() { at = place; gl_Position = vec4(place, 0.0, 1.0); }`;

// The texture's rows run along z, since z is the fastest axis of the codes; the shader swaps.
const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler3D;
uniform sampler3D field;    // r: place on the scale, times g; g: 1 within the body
uniform sampler2D colours;
uniform vec3 sides, right, up, ahead, page;
uniform vec2 room;          // half the picture, in units of the longest side
uniform float least, density, stride;
in vec2 at;
out vec4 colour;
void main() {
  vec3 eye = at.x * room.x * right + at.y * room.y * up - 2.0 * ahead;
  vec3 one = (-0.5 * sides - eye) / ahead, other = (0.5 * sides - eye) / ahead;
  vec3 near = min(one, other), far = max(one, other);
  float begin = max(max(near.x, near.y), near.z), end = min(min(far.x, far.y), far.z);
  vec3 rgb = vec3(0.0);
  float left = 1.0;
  float noise = fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715))));
  float t = begin + stride * noise;
  for (int i = 0; i < ${STEPS}; i++) {
    if (t >= end || left < 0.02) break;
    vec2 found = texture(field, ((eye + t * ahead) / sides + 0.5).zyx).rg;
    if (found.g > 0.5) {
      float value = found.r / found.g;
      float above = clamp((value - least) / max(1.0 - least, 0.004), 0.0, 1.0);
      float opaque = 1.0 - exp(-density * stride * (0.04 * step(least + 0.002, value) + above * above));
      rgb += left * opaque * texture(colours, vec2(value * 255.0 / 256.0 + 0.5 / 256.0, 0.5)).rgb;
      left *= 1.0 - opaque;
    }
    t += stride;
  }
  colour = vec4(rgb + left * page, 1.0);
}`;

/** Make the painter, or return null where there is no WebGL 2. */
export function makeVolume(canvas: HTMLCanvasElement): VolumePainter | null {
  const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, preserveDrawingBuffer: true });
  if (gl === null) return null;
  let scene = makeScene(gl);
  if (scene === null) return null;
  let [width, height] = [1, 1];
  let shown: { readonly frame: Frame; readonly look: VolumeLook } | null = null;
  const redraw = () => {
    if (shown !== null && scene !== null) paint(gl, scene, shown.frame, shown.look, width, height);
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
    draw(frame, look) {
      shown = { frame, look };
      redraw();
    },
    resize(wide, high) {
      const ratio = Math.min(MOST_RATIO, window.devicePixelRatio || 1);
      [width, height] = [Math.max(1, Math.round(wide)), Math.max(1, Math.round(high))];
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
      redraw();
    },
    destroy() {
      stop();
      canvas.removeEventListener("webglcontextlost", onLost);
      canvas.removeEventListener("webglcontextrestored", onRestored);
      gl.getExtension("WEBGL_lose_context")?.loseContext();
      shown = scene = null;
    },
  };
}

/** Places on the scale and masks of all cells, two bytes for each, in the order of the codes. */
export function toTexels(frame: Frame, low: number, high: number): Uint8Array {
  const table = new Uint8Array(2 ** frame.bits);
  const [step, span] = [scaleOf(frame), high - low];
  for (let code = 0; code < table.length; code += 1) {
    const share = span > 0 ? (frame.low + step * code - low) / span : 0.5;
    table[code] = Math.round(255 * Math.max(0, Math.min(1, share)));
  }
  const texels = new Uint8Array(2 * frame.codes.length);
  frame.codes.forEach((code, cell) => {
    if (code === frame.masked) return;
    texels[2 * cell] = table[code] as number;
    texels[2 * cell + 1] = 255;
  });
  return texels;
}

interface Scene {
  readonly program: WebGLProgram;
  readonly field: WebGLTexture;
  readonly colours: WebGLTexture;
  readonly uniform: (name: string) => WebGLUniformLocation | null;
  map: MapName | null;
  /** What the texture was made from. */
  filled: string;
  from: Frame | null;
}

function makeScene(gl: WebGL2RenderingContext): Scene | null {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(kind);
    if (shader === null) return null;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "place");
  gl.linkProgram(program);
  if (gl.getProgramParameter(program, gl.LINK_STATUS) !== true) return null;
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  const known = new Map<string, WebGLUniformLocation | null>();
  const uniform = (name: string) => {
    if (!known.has(name)) known.set(name, gl.getUniformLocation(program, name));
    return known.get(name) ?? null;
  };
  return {
    program, uniform, field: texture(gl, 0, gl.TEXTURE_3D), colours: texture(gl, 1, gl.TEXTURE_2D), map: null, filled: "", from: null,
  };
}

function texture(gl: WebGL2RenderingContext, unit: number, target: GLenum): WebGLTexture {
  const made = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(target, made);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(target, name, gl.LINEAR);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R]) {
    if (target === gl.TEXTURE_3D || name !== gl.TEXTURE_WRAP_R) gl.texParameteri(target, name, gl.CLAMP_TO_EDGE);
  }
  return made;
}

function paint(gl: WebGL2RenderingContext, scene: Scene, frame: Frame, look: VolumeLook, width: number, height: number): void {
  const [nx = 1, ny = 1, nz = 1] = frame.shape;
  const filled = [nx, ny, nz, look.low, look.high].join();
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  if (scene.from !== frame || scene.filled !== filled) {
    gl.activeTexture(gl.TEXTURE0);
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.RG8, nz, ny, nx, 0, gl.RG, gl.UNSIGNED_BYTE, toTexels(frame, look.low, look.high));
    [scene.from, scene.filled] = [frame, filled];
  }
  if (scene.map !== look.map) {
    gl.activeTexture(gl.TEXTURE1);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, lutOf(look.map));
    scene.map = look.map;
  }
  const { uniform } = scene;
  const { right, up, ahead } = basisOf(look.view);
  const scale = pixelsOf(look.sides, look.view, width, height);
  const { surface } = pageColours();
  gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
  gl.useProgram(scene.program);
  gl.uniform1i(uniform("field"), 0);
  gl.uniform1i(uniform("colours"), 1);
  gl.uniform3f(uniform("sides"), ...look.sides);
  gl.uniform3f(uniform("right"), ...right);
  gl.uniform3f(uniform("up"), ...up);
  gl.uniform3f(uniform("ahead"), ...(ahead.map(awayFromZero) as unknown as Vector));
  gl.uniform3f(uniform("page"), surface[0] / 255, surface[1] / 255, surface[2] / 255);
  gl.uniform2f(uniform("room"), width / 2 / scale, height / 2 / scale);
  gl.uniform1f(uniform("least"), look.floor);
  gl.uniform1f(uniform("density"), DENSITY);
  gl.uniform1f(uniform("stride"), Math.hypot(...look.sides) / STEPS);
  gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
}

/** A ray along a face would divide by nothing. */
function awayFromZero(part: number): number {
  return Math.abs(part) < 1e-5 ? 1e-5 : part;
}
