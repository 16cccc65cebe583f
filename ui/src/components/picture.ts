/**
 * A part of the page as a PNG: what stands there, with its legend, as it is seen. Canvases are copied, shapes and words
 * are drawn again from their styles; the policy of the page forbids the way over an image of markup. Left out are parts
 * marked with `data-unsaved` (see `UNSAVED`) and what only acts: fields, lists of choices, menus.
 */
import { css, pageColours } from "@/draw/colours";

/** Attributes of a part that no picture shows, as controls. */
export const UNSAVED = { "data-unsaved": true } as const;

const MARGIN = 16; // pixels around the part
const HEAD = 28; // pixels of the title
const LEAST_RATIO = 2; // pixels of the picture for one of the page: fit for print
const MOST_SIDE = 8_192; // pixels, less than the largest canvas of any browser
const ACTING = "[data-unsaved], defs, title, input, select, textarea, [role=menu], [role=tooltip], progress";

/** Draw an element under a title; null where the browser has no room for it. */
export async function takePicture(element: HTMLElement, title: string): Promise<Blob | null> {
  const box = element.getBoundingClientRect();
  const [width, height] = [box.width + 2 * MARGIN, box.height + 2 * MARGIN + HEAD];
  const ratio = Math.min(Math.max(LEAST_RATIO, window.devicePixelRatio || 1), MOST_SIDE / Math.max(width, height));
  const sheet = document.createElement("canvas");
  sheet.width = Math.round(width * ratio);
  sheet.height = Math.round(height * ratio);
  const context = sheet.getContext("2d");
  if (context === null) return null;
  const { surface, text } = pageColours();
  context.scale(ratio, ratio);
  context.fillStyle = css(surface);
  context.fillRect(0, 0, width, height);
  context.fillStyle = css(text);
  context.font = `600 14px ${getComputedStyle(document.body).fontFamily}`;
  context.fillText(title, MARGIN, MARGIN + 12);
  context.translate(MARGIN - box.left, MARGIN + HEAD - box.top);
  paint(context, element);
  return new Promise((resolve) => sheet.toBlob(resolve, "image/png"));
}

function paint(context: CanvasRenderingContext2D, element: Element): void {
  const style = getComputedStyle(element);
  if (style.display === "none" || style.visibility === "hidden" || style.opacity === "0" || element.matches(ACTING)) return;
  const box = element.getBoundingClientRect();
  context.save();
  context.globalAlpha *= Number(style.opacity);
  if (element instanceof SVGElement && !(element instanceof SVGSVGElement)) paintShape(context, element, style);
  else if (element instanceof HTMLElement) paintBox(context, box, style);
  if (element instanceof HTMLCanvasElement) context.drawImage(element, box.left, box.top, box.width, box.height);
  if (element instanceof HTMLElement && style.overflowX !== "visible" && box.width > 0) {
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
  }
  const isSticky = (node: Node) => node instanceof HTMLElement && getComputedStyle(node).position === "sticky";
  const nodes = [...element.childNodes];
  for (const node of [...nodes.filter((one) => !isSticky(one)), ...nodes.filter(isSticky)]) {
    if (node instanceof Element) paint(context, node);
    else if (node instanceof Text && element instanceof HTMLElement) paintWords(context, node, style);
  }
  context.restore();
}

const SIDES = ["Top", "Right", "Bottom", "Left"] as const;

/** Ground and borders of a box. */
function paintBox(context: CanvasRenderingContext2D, box: DOMRect, style: CSSStyleDeclaration): void {
  const gradient = readGradient(style.backgroundImage);
  if (gradient !== null) {
    const [from, to] = gradient.isUpright ? [box.bottom, box.top] : [box.left, box.right];
    const fill = gradient.isUpright ? context.createLinearGradient(0, from, 0, to) : context.createLinearGradient(from, 0, to, 0);
    gradient.colours.forEach((colour, at) => fill.addColorStop(at / Math.max(1, gradient.colours.length - 1), colour));
    context.fillStyle = fill;
    context.fillRect(box.left, box.top, box.width, box.height);
  } else if (!/^transparent$|, 0\)$/.test(style.backgroundColor)) {
    context.fillStyle = style.backgroundColor;
    context.fillRect(box.left, box.top, box.width, box.height);
  }
  for (const side of SIDES) {
    const size = Number.parseFloat(style[`border${side}Width`]);
    if (!(size > 0) || style[`border${side}Style`] === "none") continue;
    context.fillStyle = style[`border${side}Color`];
    if (side === "Top") context.fillRect(box.left, box.top, box.width, size);
    else if (side === "Bottom") context.fillRect(box.left, box.bottom - size, box.width, size);
    else context.fillRect(side === "Left" ? box.left : box.right - size, box.top, size, box.height);
  }
}

/** Read a gradient of evenly spaced colours, upwards or to the right; null for anything else. */
export function readGradient(image: string): { isUpright: boolean; colours: string[] } | null {
  const match = /^linear-gradient\((to top|to right|0deg|90deg), (.*)\)$/.exec(image);
  if (match === null) return null;
  const colours = match[2]?.match(/rgba?\([^)]*\)|#[0-9a-f]+/gi) ?? [];
  return colours.length < 2 ? null : { isUpright: match[1] === "to top" || match[1] === "0deg", colours };
}

/** Words one by one where the browser has put them, so that lines break as they do there. */
function paintWords(context: CanvasRenderingContext2D, node: Text, style: CSSStyleDeclaration): void {
  const range = document.createRange();
  context.fillStyle = style.color;
  context.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  for (const match of node.data.matchAll(/\S+/g)) {
    range.setStart(node, match.index);
    range.setEnd(node, match.index + match[0].length);
    const box = range.getBoundingClientRect();
    if (box.width === 0 || box.height === 0) continue;
    const word = style.textTransform === "uppercase" ? match[0].toUpperCase() : match[0];
    const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = context.measureText(word);
    if (style.writingMode.startsWith("vertical")) {
      context.save();
      context.translate(box.left + (box.width + up - down) / 2, box.bottom);
      context.rotate(-Math.PI / 2);
      context.fillText(word, 0, 0);
      context.restore();
    } else context.fillText(word, box.left, box.top + (box.height + up - down) / 2);
  }
}

/** A shape of a drawing by its attributes, moved to where it stands on the page. */
function paintShape(context: CanvasRenderingContext2D, shape: SVGElement, style: CSSStyleDeclaration): void {
  const matrix = shape instanceof SVGGraphicsElement ? shape.getScreenCTM() : null;
  if (matrix === null || shape instanceof SVGGElement) return;
  context.save();
  context.transform(matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f);
  if (shape instanceof SVGTextElement) {
    context.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    context.fillStyle = style.fill;
    context.textAlign = style.textAnchor === "middle" ? "center" : style.textAnchor === "end" ? "right" : "left";
    const words = [...shape.childNodes].filter((node) => node instanceof Text).map((node) => node.data).join("");
    context.fillText(words, number(shape, "x"), number(shape, "y"));
  } else {
    const path = pathOf(shape);
    context.globalAlpha *= Number(style.fillOpacity);
    if (style.fill !== "none") {
      context.fillStyle = style.fill;
      context.fill(path);
    }
    if (style.stroke !== "none") {
      context.strokeStyle = style.stroke;
      context.lineWidth = Number.parseFloat(style.strokeWidth) || 1;
      context.setLineDash(style.strokeDasharray === "none" ? [] : style.strokeDasharray.split(/[\s,]+/).map(Number.parseFloat));
      context.stroke(path);
    }
  }
  context.restore();
}

function pathOf(shape: SVGElement): Path2D {
  const at = (name: string) => number(shape, name);
  const path = new Path2D(shape.tagName === "path" ? (shape.getAttribute("d") ?? "") : undefined);
  if (shape.tagName === "line") {
    path.moveTo(at("x1"), at("y1"));
    path.lineTo(at("x2"), at("y2"));
  } else if (shape.tagName === "rect") path.rect(at("x"), at("y"), at("width"), at("height"));
  else if (shape.tagName === "circle") path.arc(at("cx"), at("cy"), at("r"), 0, 2 * Math.PI);
  else if (shape.tagName === "polyline" || shape.tagName === "polygon") {
    const places = (shape.getAttribute("points") ?? "").trim().split(/[\s,]+/).map(Number);
    for (let place = 0; place + 1 < places.length; place += 2) path.lineTo(places[place] ?? 0, places[place + 1] ?? 0);
    if (shape.tagName === "polygon") path.closePath();
  }
  return path;
}

function number(shape: SVGElement, name: string): number {
  return Number.parseFloat(shape.getAttribute(name) ?? "0");
}
