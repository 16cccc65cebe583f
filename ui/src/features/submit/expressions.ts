/**
 * Expressions of the case format (docs/case-format.md, section 2), computed at single places: so that the picture of the
 * box shows regions, holes and sources. What is right is decided by the server alone; what cannot be read is not drawn.
 */

export interface Place {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly t: number;
  readonly T: number;
}

export type Compiled = (place: Place) => number;

const MOST_LETTERS = 4_000; // as on the server
const MOST_DEPTH = 100;
const TOKEN = /\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(\*\*|<=|>=|==|!=|[-+*/()<>&|,]))/y;

const FUNCTIONS: Readonly<Record<string, (...values: number[]) => number>> = {
  sin: Math.sin, cos: Math.cos, tan: Math.tan, exp: Math.exp, log: Math.log, sqrt: Math.sqrt, sinh: Math.sinh, cosh: Math.cosh,
  tanh: Math.tanh, abs: Math.abs, minimum: Math.min, maximum: Math.max, erf, erfc: (value = 0) => 1 - erf(value),
  where: (condition = 0, yes = 0, no = 0) => (condition !== 0 ? yes : no),
};
const COUNTS: Readonly<Record<string, number>> = { minimum: 2, maximum: 2, where: 3 };
const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b, "==": (a, b) => a === b, "!=": (a, b) => a !== b,
};

/** Return what computes an expression, a truth value as 1 or 0; undefined where it cannot be read. */
export function compile(text: string): Compiled | undefined {
  if (text.length > MOST_LETTERS) return undefined;
  const tokens = tokenise(text);
  if (tokens === undefined) return undefined;
  try {
    const reader = new Reader(tokens);
    const whole = reader.comparison();
    return reader.isAtEnd ? whole : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function tokenise(text: string): string[] | undefined {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  let end = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    tokens.push(match[0].trim());
    end = TOKEN.lastIndex;
  }
  return text.slice(end).trim() === "" ? tokens : undefined;
}

/** Reads by recursive descent, each rule of the grammar one method. */
class Reader {
  #at = 0;
  #depth = 0;

  constructor(readonly tokens: readonly string[]) {}

  get isAtEnd(): boolean {
    return this.#at === this.tokens.length;
  }

  comparison(): Compiled {
    if (++this.#depth > MOST_DEPTH) throw new SyntaxError("too deep");
    const left = this.#chain(["|"], () => this.#chain(["&"], () => this.#sum(), (a, b) => Number(a !== 0 && b !== 0)), (a, b) => Number(a !== 0 || b !== 0));
    const compare = COMPARISONS[this.tokens[this.#at] ?? ""];
    this.#depth -= 1;
    if (compare === undefined) return left;
    this.#at += 1;
    const right = this.#sum();
    return (place) => Number(compare(left(place), right(place)));
  }

  #sum(): Compiled {
    return this.#chain(["+", "-"], () => this.#product(), (a, b, sign) => (sign === "+" ? a + b : a - b));
  }

  #product(): Compiled {
    return this.#chain(["*", "/"], () => this.#unary(), (a, b, sign) => (sign === "*" ? a * b : a / b));
  }

  #unary(): Compiled {
    if (this.#take("-")) {
      const value = this.#unary();
      return (place) => -value(place);
    }
    if (this.#take("+")) return this.#unary();
    const base = this.#atom();
    if (!this.#take("**")) return base;
    const power = this.#unary();
    return (place) => base(place) ** power(place);
  }

  #atom(): Compiled {
    const token = this.tokens[this.#at] ?? "";
    this.#at += 1;
    if (/^[\d.]/.test(token)) {
      const value = Number(token);
      return () => value;
    }
    if (token === "(") {
      const [inner] = this.#list();
      if (inner === undefined) throw new SyntaxError("nothing in brackets");
      return inner;
    }
    if (token === "pi") return () => Math.PI;
    if (["x", "y", "z", "t", "T"].includes(token)) return (place) => place[token as keyof Place];
    const compute = FUNCTIONS[token];
    if (compute === undefined || !this.#take("(")) throw new SyntaxError(token);
    const parts = this.#list();
    if (parts.length !== (COUNTS[token] ?? 1)) throw new SyntaxError(token);
    return (place) => compute(...parts.map((part) => part(place)));
  }

  /** Expressions up to the closing bracket. */
  #list(): Compiled[] {
    const found = [this.comparison()];
    while (this.#take(",")) found.push(this.comparison());
    if (!this.#take(")")) throw new SyntaxError("a bracket is open");
    return found;
  }

  #chain(signs: readonly string[], next: () => Compiled, join: (a: number, b: number, sign: string) => number): Compiled {
    let left = next();
    for (let sign = this.tokens[this.#at]; sign !== undefined && signs.includes(sign); sign = this.tokens[this.#at]) {
      this.#at += 1;
      const [first, second, by] = [left, next(), sign];
      left = (place) => join(first(place), second(place), by);
    }
    return left;
  }

  #take(token: string): boolean {
    if (this.tokens[this.#at] !== token) return false;
    this.#at += 1;
    return true;
  }
}

/** The error function, to 2e-7 (Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, 7.1.26). */
function erf(value = 0): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(value));
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(value) * (1 - series * Math.exp(-value * value));
}

/** An expression that holds where another one does not: comparisons turned round, anything else by `where`. */
export function complement(text: string): string {
  const plain = text.trim();
  const match = /^([^<>=!&|(),]+)(<=|>=|<|>)([^<>=!&|(),]+)$/.exec(plain);
  const turned: Readonly<Record<string, string>> = { "<": ">=", "<=": ">", ">": "<=", ">=": "<" };
  if (match !== null) return `${match[1]?.trim()} ${turned[match[2] ?? "<"]} ${match[3]?.trim()}`;
  return `where(${plain}, 0, 1) > 0.5`;
}
