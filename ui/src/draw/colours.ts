/** The page's colours for painters, which know no style sheet: read once, and anew when the scheme changes. */

export interface PageColours {
  readonly page: readonly [number, number, number];
  readonly surface: readonly [number, number, number];
  readonly text: readonly [number, number, number];
}

let known: PageColours | null = null;
const listeners = new Set<() => void>();
let observer: MutationObserver | null = null;

export function pageColours(): PageColours {
  if (known === null) {
    const style = getComputedStyle(document.documentElement);
    const read = (name: string, spare: string) => parseHex(style.getPropertyValue(name).trim() || spare);
    known = {
      page: read("--grid-page", "#eef0f2"),
      surface: read("--grid-surface", "#ffffff"),
      text: read("--grid-text", "#1b1f23"),
    };
  }
  return known;
}

/** Call back after the colour scheme has changed. */
export function onColours(listener: () => void): () => void {
  listeners.add(listener);
  if (observer === null) {
    observer = new MutationObserver(() => {
      known = null;
      for (const each of [...listeners]) each();
    });
    observer.observe(document.documentElement, { attributeFilter: ["data-mantine-color-scheme"] });
  }
  return () => listeners.delete(listener);
}

export function parseHex(text: string): readonly [number, number, number] {
  const digits = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(text)?.[1] ?? "808080";
  const long = digits.length === 3 ? [...digits].map((digit) => digit + digit).join("") : digits;
  return [0, 2, 4].map((at) => Number.parseInt(long.slice(at, at + 2), 16)) as [number, number, number];
}

export function css([red, green, blue]: readonly [number, number, number]): string {
  return `rgb(${red} ${green} ${blue})`;
}
