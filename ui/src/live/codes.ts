/** The loops of the decoder over bytes and codes: checksum, byte planes, prediction, extremes. */

/** How the codes of a field lie in a payload. */
export interface Layout {
  readonly shape: readonly number[];
  readonly bits: number;
  /** Byte planes of folded differences from a prediction; else the codes themselves. */
  readonly isFiltered: boolean;
}

/** Least and largest code with their cells; code -1 where no cell has a value. */
export interface CodeExtremes {
  readonly least: number;
  readonly leastCell: number;
  readonly most: number;
  readonly mostCell: number;
}

/** What a payload has become: whether cells have no value, what its extremes are, which lines are others than before. */
export interface Decoded {
  /** Largest code, that of cells without a value included. */
  readonly top: number;
  readonly extremes: CodeExtremes;
  /** First and end of the lines that differ from those before; equal where none does. */
  readonly first: number;
  readonly end: number;
  /** Whether there was a field of this layout before. */
  readonly isNext: boolean;
}

/**
 * Codes of one field after the other, held between them: a line whose bytes, and whose line above, are those of the field
 * before is neither decoded nor searched anew. A line runs along the last axis.
 */
export class CodeDecoder {
  codes = new Uint16Array(0);
  private key = "";
  private raw: Uint8Array | null = null;
  private tops = new Uint16Array(0); // of each line
  private least = new Int32Array(0); // code and cell of each line; -1 where none has a value
  private most = new Int32Array(0);

  /** Take the bytes of a field; they are kept until the next. */
  decode(raw: Uint8Array, layout: Layout): Decoded {
    const columns = layout.shape.at(-1) as number;
    const cells = layout.shape.reduce((product, count) => product * count, 1);
    const lines = cells / columns;
    const isNext = this.begin(`${layout.shape.join()} ${layout.bits} ${layout.isFiltered}`, cells, lines);
    const before = isNext ? this.raw : null;
    const rows = layout.isFiltered ? (layout.shape.at(-2) ?? 1) : 1; // lines of a plane; without a filter they are alone
    const missing = 2 ** layout.bits - 1;
    const compare = before === null ? null : makeComparer(raw, before, columns, cells, layout);
    let [first, end, isAboveSame] = [lines, 0, true];
    for (let line = 0; line < lines; line += 1) {
      const isTop = line % rows === 0;
      if (compare !== null && (isTop || isAboveSame) && compare(line)) {
        isAboveSame = true;
        continue;
      }
      const from = line * columns;
      const isChanged = layout.isFiltered
        ? this.predictLine(raw, from, columns, isTop, cells)
        : this.readLine(raw, from, columns, layout.bits);
      isAboveSame = !isChanged && before !== null;
      if (isAboveSame) continue;
      this.search(line, from, columns, missing);
      if (line < first) first = line;
      end = line + 1;
    }
    this.raw = raw;
    return { ...this.sum(lines), first: Math.min(first, end), end, isNext };
  }

  /** Forget the field before: the next one is decoded as a whole. */
  forget(): void {
    this.raw = null;
    this.key = "";
  }

  private begin(key: string, cells: number, lines: number): boolean {
    if (this.key === key) return this.raw !== null;
    this.key = key;
    this.codes = new Uint16Array(cells);
    this.tops = new Uint16Array(lines);
    this.least = new Int32Array(2 * lines);
    this.most = new Int32Array(2 * lines);
    return false;
  }

  /** Undo byte planes, zigzag and the prediction from left, up and upper left, modulo 2^16; tell whether it differs. */
  private predictLine(raw: Uint8Array, from: number, columns: number, isTop: boolean, cells: number): boolean {
    const { codes } = this;
    const to = from + columns;
    let [left, differs] = [0, 0];
    if (isTop) {
      for (let cell = from; cell < to; cell += 1) {
        const folded = (raw[cell] as number) | ((raw[cells + cell] as number) << 8);
        left += (folded >> 1) ^ -(folded & 1);
        const code = left & 0xffff;
        differs |= code ^ (codes[cell] as number);
        codes[cell] = code;
      }
    } else {
      for (let cell = from; cell < to; cell += 1) {
        const folded = (raw[cell] as number) | ((raw[cells + cell] as number) << 8);
        left += (folded >> 1) ^ -(folded & 1);
        const code = (left + (codes[cell - columns] as number)) & 0xffff;
        differs |= code ^ (codes[cell] as number);
        codes[cell] = code;
      }
    }
    return differs !== 0;
  }

  private readLine(raw: Uint8Array, from: number, columns: number, bits: number): boolean {
    const { codes } = this;
    let differs = 0;
    for (let cell = from; cell < from + columns; cell += 1) {
      const code = bits === 8 ? (raw[cell] as number) : (raw[2 * cell] as number) | ((raw[2 * cell + 1] as number) << 8);
      differs |= code ^ (codes[cell] as number);
      codes[cell] = code;
    }
    return differs !== 0;
  }

  private search(line: number, from: number, columns: number, missing: number): void {
    const { codes } = this;
    let [least, leastCell, most, mostCell, top] = [missing, -1, -1, -1, 0];
    for (let cell = from; cell < from + columns; cell += 1) {
      const code = codes[cell] as number;
      if (code < least) {
        least = code;
        leastCell = cell;
      }
      if (code > most) {
        if (code < missing) {
          most = code;
          mostCell = cell;
        } else if (code > top) top = code;
      }
    }
    this.tops[line] = Math.max(top, most);
    this.least[2 * line] = leastCell < 0 ? -1 : least;
    this.least[2 * line + 1] = leastCell;
    this.most[2 * line] = most;
    this.most[2 * line + 1] = mostCell;
  }

  private sum(lines: number): { top: number; extremes: CodeExtremes } {
    let [least, leastCell, most, mostCell, top] = [0x10000, -1, -1, -1, 0];
    for (let line = 0; line < lines; line += 1) {
      const low = this.least[2 * line] as number;
      const high = this.most[2 * line] as number;
      if ((this.tops[line] as number) > top) top = this.tops[line] as number;
      if (low >= 0 && low < least) [least, leastCell] = [low, this.least[2 * line + 1] as number];
      if (high > most) [most, mostCell] = [high, this.most[2 * line + 1] as number];
    }
    return { top, extremes: { least: leastCell < 0 ? -1 : least, leastCell, most, mostCell } };
  }
}

/** Make what tells whether the bytes of a line are the same in two payloads; by words of 32 bits where lines allow it. */
function makeComparer(
  raw: Uint8Array, before: Uint8Array, columns: number, cells: number, { isFiltered, bits }: Layout,
): (line: number) => boolean {
  const size = !isFiltered && bits > 8 ? 2 * columns : columns; // bytes of a line in a plane
  const second = isFiltered ? cells : -1; // where the plane of the high bytes begins
  const isEven = [raw.byteOffset, before.byteOffset, size, cells].every((count) => count % 4 === 0);
  const [now, then] = isEven ? [words(raw), words(before)] : [raw, before];
  const unit = isEven ? 4 : 1;
  const isSame = (from: number) => {
    const end = (from + size) / unit;
    for (let at = from / unit; at < end; at += 1) if (now[at] !== then[at]) return false;
    return true;
  };
  return (line) => isSame(line * size) && (second < 0 || isSame(second + line * size));
}

function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
}

const WORD = 8; // bytes that the checksum takes at once
const TABLES = makeTables();

/** Tables of the checksum: entry 256 k + b is byte b followed by k bytes of zero. */
function makeTables(): Int32Array {
  const tables = new Int32Array(256 * WORD);
  for (let byte = 0; byte < 256; byte += 1) {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    tables[byte] = value;
  }
  for (let at = 256; at < tables.length; at += 1) {
    const value = tables[at - 256] as number;
    tables[at] = (tables[value & 0xff] as number) ^ (value >>> 8);
  }
  return tables;
}

/** CRC-32 of some bytes, as zlib has it. */
export function checksum(bytes: Uint8Array): number {
  let [crc, at] = [-1, 0];
  if (bytes.byteOffset % 4 === 0) {
    const pairs = words(bytes);
    for (let word = 0; word + 1 < pairs.length; word += 2, at += WORD) {
      const low = crc ^ (pairs[word] as number);
      const high = pairs[word + 1] as number;
      crc =
        (TABLES[1792 + (low & 0xff)] as number) ^ (TABLES[1536 + ((low >>> 8) & 0xff)] as number) ^
        (TABLES[1280 + ((low >>> 16) & 0xff)] as number) ^ (TABLES[1024 + (low >>> 24)] as number) ^
        (TABLES[768 + (high & 0xff)] as number) ^ (TABLES[512 + ((high >>> 8) & 0xff)] as number) ^
        (TABLES[256 + ((high >>> 16) & 0xff)] as number) ^ (TABLES[high >>> 24] as number);
    }
  }
  for (; at < bytes.length; at += 1) crc = (TABLES[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}
