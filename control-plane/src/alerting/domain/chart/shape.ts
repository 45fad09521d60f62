/** What a drawing is made of, whatever it becomes: pixels from the upper left corner. */

/** Few and fixed, so that a drawing of pixels needs four bits for each. */
export const COLORS = {
  paper: "#ffffff",
  ink: "#1f2328",
  faint: "#8b949e",
  grid: "#e6e8eb",
  firing: "#fde0dd",
  pending: "#fff3cd",
  threshold: "#c62828",
  series0: "#1565c0",
  series1: "#2e7d32",
  series2: "#6a1b9a",
  series3: "#ef6c00",
  series4: "#00838f",
  series5: "#4e342e",
  series6: "#ad1457",
  series7: "#558b2f",
} as const;

export type Color = keyof typeof COLORS;

export interface Point {
  readonly x: number;
  readonly y: number;
}

export type Shape =
  | {
      readonly kind: "box";
      readonly x: number;
      readonly y: number;
      readonly width: number;
      readonly height: number;
      readonly color: Color;
    }
  | {
      readonly kind: "line";
      readonly points: readonly Point[];
      readonly color: Color;
      readonly dashed: boolean;
      readonly width: number;
    }
  /** `y` is the base line; letters are 6 wide. */
  | {
      readonly kind: "text";
      readonly x: number;
      readonly y: number;
      readonly text: string;
      readonly color: Color;
      readonly anchor: "start" | "end" | "middle";
    };

export interface Drawing {
  readonly width: number;
  readonly height: number;
  /** Read aloud to who cannot see it. */
  readonly title: string;
  readonly shapes: readonly Shape[];
}

/** Width of one letter of a text. */
export const LETTER = 6;
