/** A drawing as SVG: no script, nothing from elsewhere, every text escaped. */
import { COLORS, type Drawing, type Point, type Shape } from "./shape.js";

export function toSvg({ width, height, title, shapes }: Drawing): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="monospace" font-size="10">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="${COLORS.paper}"/>`,
    ...shapes.map(element),
    "</svg>\n",
  ].join("\n");
}

function element(shape: Shape): string {
  const color = COLORS[shape.color];
  switch (shape.kind) {
    case "box":
      return `<rect x="${short(shape.x)}" y="${short(shape.y)}" width="${short(shape.width)}" height="${short(shape.height)}" fill="${color}"/>`;
    case "line": {
      const dashes = shape.dashed ? ' stroke-dasharray="5 3"' : "";
      return `<polyline points="${shape.points.map(pair).join(" ")}" fill="none" stroke="${color}" stroke-width="${shape.width}"${dashes}/>`;
    }
    case "text":
      return `<text x="${short(shape.x)}" y="${short(shape.y)}" fill="${color}" text-anchor="${shape.anchor}">${escaped(shape.text)}</text>`;
  }
}

const pair = ({ x, y }: Point): string => `${short(x)},${short(y)}`;
const short = (value: number): string => String(Math.round(value * 10) / 10);

/** XML takes no control characters and no halves of letters, escaped or not. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\p{Cc}\uFFFE\uFFFF]/gu, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
