/** A drawing as pixels, each an index into {@link PALETTE}. */
import { glyphRows } from "./glyphs.js";
import { COLORS, type Color, type Drawing, LETTER, type Point, type Shape } from "./shape.js";

const NAMES = Object.keys(COLORS) as readonly Color[];
/** The colours by index; the first is the paper's. */
export const PALETTE: readonly string[] = NAMES.map((name) => COLORS[name]);

export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly indexes: Uint8Array;
}

/** Pixels of the picture for one of the drawing: letters of three by five want room. */
const SCALE = 2;
const DOT = (LETTER * SCALE) / 4;
const DASH = 8 * SCALE;

export function toPixels({ width, height, shapes }: Drawing): Raster {
  const canvas = new Canvas(width * SCALE, height * SCALE);
  for (const shape of shapes) draw(canvas, shape);
  return canvas;
}

class Canvas implements Raster {
  readonly indexes: Uint8Array;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.indexes = new Uint8Array(width * height);
  }

  /** Fills a box; what lies outside is left out. */
  fill(x: number, y: number, width: number, height: number, index: number): void {
    const [left, right] = [Math.max(0, Math.round(x)), Math.min(this.width, Math.round(x + width))];
    const [top, bottom] = [Math.max(0, Math.round(y)), Math.min(this.height, Math.round(y + height))];
    for (let row = top; row < bottom; row++)
      if (right > left) this.indexes.fill(index, row * this.width + left, row * this.width + right);
  }
}

function draw(canvas: Canvas, shape: Shape): void {
  const index = NAMES.indexOf(shape.color);
  switch (shape.kind) {
    case "box":
      canvas.fill(shape.x * SCALE, shape.y * SCALE, shape.width * SCALE, shape.height * SCALE, index);
      return;
    case "line":
      for (let at = 1; at < shape.points.length; at++)
        stroke(canvas, shape.points[at - 1] as Point, shape.points[at] as Point, shape, index);
      return;
    case "text":
      write(canvas, shape, index);
  }
}

function stroke(
  canvas: Canvas,
  from: Point,
  to: Point,
  { width, dashed }: { readonly width: number; readonly dashed: boolean },
  index: number,
): void {
  const pen = width * SCALE;
  const [dx, dy] = [(to.x - from.x) * SCALE, (to.y - from.y) * SCALE];
  const steps = Math.ceil(Math.max(Math.abs(dx), Math.abs(dy), 1));
  for (let step = 0; step <= steps; step++) {
    if (dashed && Math.floor(step / DASH) % 2 === 1) continue;
    const x = from.x * SCALE + (dx * step) / steps;
    const y = from.y * SCALE + (dy * step) / steps;
    canvas.fill(x - pen / 2, y - pen / 2, pen, pen, index);
  }
}

function write(canvas: Canvas, shape: Shape & { readonly kind: "text" }, index: number): void {
  const letters = [...shape.text];
  const before = { start: 0, middle: 0.5, end: 1 }[shape.anchor] * letters.length * LETTER;
  letters.forEach((letter, position) => {
    const left = (shape.x - before + position * LETTER) * SCALE;
    glyphRows(letter).forEach((row, down) => {
      const top = shape.y * SCALE - (5 - down) * DOT;
      for (const bit of [0, 1, 2])
        if ((row & (4 >> bit)) !== 0) canvas.fill(left + bit * DOT, top, DOT, DOT, index);
    });
  });
}
