/**
 * Letters for a drawing of pixels, three wide and five high: five digits of base eight for each, a row in each digit.
 * Small letters are drawn as large ones; what is not here is drawn as a block.
 */
const GLYPHS: Readonly<Record<string, string>> = {
  ...{ "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711" },
  ...{ "5": "74717", "6": "74757", "7": "71122", "8": "75757", "9": "75717" },
  ...{ A: "25755", B: "65656", C: "34443", D: "65556", E: "74647", F: "74644", G: "34553" },
  ...{ H: "55755", I: "72227", J: "11152", K: "55655", L: "44447", M: "57755", N: "65555" },
  ...{ O: "25552", P: "65644", Q: "25573", R: "65655", S: "34216", T: "72222", U: "55557" },
  ...{ V: "55552", W: "55775", X: "55255", Y: "55222", Z: "71247", " ": "00000" },
  ...{ ".": "00002", ",": "00024", ":": "02020", ";": "02024", "-": "00700", "+": "02720" },
  ...{ _: "00007", "=": "07070", "/": "11244", "\\": "44211", "|": "22222", "~": "03600" },
  ...{ "(": "12221", ")": "42224", "[": "32223", "]": "62226", "{": "32623", "}": "62326" },
  ...{ "<": "12421", ">": "42124", '"': "55000", "'": "22000", "`": "42000", "^": "25000" },
  ...{ "%": "51245", "*": "05250", "#": "57575", "!": "22202", "?": "71202", "@": "25543" },
  ...{ "&": "25253", $: "36236", "≥": "42170", "≤": "12470", "≠": "17270" },
};
const BLOCK = "77777";

/** Five rows of three bits, the highest bit at the left. */
export function glyphRows(letter: string): readonly number[] {
  const large = letter.toUpperCase();
  const rows = Object.hasOwn(GLYPHS, large) ? GLYPHS[large] : undefined;
  return [...(rows ?? BLOCK)].map(Number);
}
