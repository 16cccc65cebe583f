import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, memo, type ReactNode, useEffect, useRef, useState } from "react";
import classes from "./DataTable.module.css";
import { useKeys } from "./keyboard";

export const ROW_HEIGHT = 32;

export interface Column<Row> {
  readonly key: string;
  readonly title: ReactNode;
  /** A track of a CSS grid: `120px`, `minmax(160px, 2fr)`. */
  readonly width: string;
  /** Numbers stand at the right. */
  readonly align?: "right";
  readonly render: (row: Row, index: number) => ReactNode;
  /** Absent: the column cannot be sorted by. */
  readonly sort?: "ascending" | "descending" | "none";
}

interface Props<Row> {
  /** What the table lists, for assistive technology: "Jobs". */
  readonly label: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly rowKey: (row: Row) => string;
  /** Enter or a click on a row. */
  readonly onOpen?: (row: Row) => void;
  /** What opens a row beside Enter: a click, or where a click shows a preview, a double click. */
  readonly opensBy?: "click" | "double click";
  /** The row that the keyboard is on has changed; for a preview. */
  readonly onCurrent?: (row: Row | undefined) => void;
  readonly onSort?: (key: string) => void;
  /** Rows that are ticked, by key; present: each row has a box, and `x` ticks the current one. */
  readonly ticked?: ReadonlySet<string>;
  readonly onTick?: (row: Row) => void;
  /** The last row is in sight: time to fetch more. */
  readonly onEnd?: () => void;
  /** How many there are in all, where not all are loaded. */
  readonly total?: number;
  /** Attributes of a row, as `severityRow()` returns them. */
  readonly rowProps?: (row: Row) => Record<string, string>;
  /** Shown where there is no row. */
  readonly empty?: ReactNode;
  /** Height of the table; default: all that its parent has. */
  readonly height?: number | string;
}

/** A list of any length in rows of one height: only what is in sight is in the document. */
export function DataTable<Row>(props: Props<Row>) {
  const { rows, columns, rowKey, onOpen, onCurrent, onEnd, ticked } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState<string>();
  const index = current === undefined ? -1 : rows.findIndex((row) => rowKey(row) === current);
  // eslint-disable-next-line react-hooks/incompatible-library -- its functions are used here alone, never handed on
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 8,
    scrollPaddingStart: ROW_HEIGHT,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? -1;
  useEffect(() => {
    if (last >= 0 && last >= rows.length - 1) onEnd?.();
  }, [last, rows.length, onEnd]);

  const goTo = (next: number) => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, next))];
    if (row === undefined) return;
    setCurrent(rowKey(row));
    onCurrent?.(row);
    virtual.scrollToIndex(rows.indexOf(row), { align: "auto" });
  };
  const enter = (move: number) => {
    scroller.current?.focus();
    goTo(index < 0 ? 0 : index + move);
  };
  // A list whose rows open is what its page is for: its keys act from anywhere, and are listed.
  useKeys(onOpen === undefined ? [] : [
    { keys: "j", does: `${props.label}: next row`, run: () => enter(1) },
    { keys: "k", does: `${props.label}: row before`, run: () => enter(-1) },
    { keys: "Enter", does: `${props.label}: open the row` },
    ...(ticked === undefined ? [] : [{ keys: "x", does: `${props.label}: tick the row` }]),
  ]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / ROW_HEIGHT) - 2);
    const moves: Record<string, number> = {
      j: index + 1, ArrowDown: index + 1, k: index - 1, ArrowUp: index - 1,
      PageDown: index + page, PageUp: index - page, Home: 0, End: rows.length - 1,
    };
    const row = rows[index];
    const move = moves[event.key];
    if (move !== undefined) goTo(move);
    else if (event.key === "Enter" && row !== undefined && event.target === scroller.current) onOpen?.(row);
    else if (event.key === "x" && row !== undefined && ticked !== undefined) props.onTick?.(row);
    else return;
    event.preventDefault();
  };

  const tracks = (ticked === undefined ? "" : "32px ") + columns.map((column) => column.width).join(" ");
  const leastWidth = columns.reduce((sum, { width }) => sum + (Number(/(\d+)px/.exec(width)?.[1]) || 0), ticked === undefined ? 0 : 32);
  const rowId = (key: string) => `row-${key}`;
  return (
    <div
      ref={scroller}
      className={classes["table"]}
      style={{ height: props.height ?? "100%" }}
      role="grid"
      aria-label={props.label}
      aria-rowcount={(props.total ?? rows.length) + 1}
      aria-colcount={columns.length + (ticked === undefined ? 0 : 1)}
      aria-multiselectable={ticked === undefined ? undefined : true}
      aria-activedescendant={index >= 0 && current !== undefined ? rowId(current) : undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <div className={classes["head"]} role="row" aria-rowindex={1} style={{ gridTemplateColumns: tracks, minWidth: leastWidth }}>
        {ticked !== undefined && <span role="columnheader" aria-label="Chosen" />}
        {columns.map((column) => (
          <Head key={column.key} column={column} onSort={props.onSort} />
        ))}
      </div>
      {rows.length === 0 ? (
        <div role="row"><div role="gridcell">{props.empty}</div></div>
      ) : (
        <div role="rowgroup" className={classes["rows"]} style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            const key = rowKey(row);
            const extra = props.rowProps?.(row);
            return (
              <div
                {...extra}
                key={key}
                id={rowId(key)}
                role="row"
                aria-rowindex={item.index + 2}
                aria-selected={ticked === undefined ? undefined : ticked.has(key)}
                data-current={key === current || undefined}
                data-opens={onOpen === undefined ? undefined : true}
                className={`${classes["row"]} ${extra?.["className"] ?? ""}`}
                style={{ gridTemplateColumns: tracks, minWidth: leastWidth, transform: `translateY(${item.start}px)` }}
                onClick={(event) => {
                  if ((event.target as HTMLElement).closest("a, button, input") !== null) return;
                  if (String(window.getSelection()) !== "") return; // text is being marked
                  setCurrent(key);
                  onCurrent?.(row);
                  if (props.opensBy !== "double click") onOpen?.(row);
                }}
                onDoubleClick={() => props.opensBy === "double click" && onOpen?.(row)}
              >
                {ticked !== undefined && (
                  <span role="gridcell" className={classes["cell"]}>
                    <input
                      type="checkbox"
                      tabIndex={-1}
                      className={classes["tick"]}
                      checked={ticked.has(key)}
                      aria-label={`Choose row ${item.index + 1}`}
                      onChange={() => props.onTick?.(row)}
                    />
                  </span>
                )}
                <Cells row={row} index={item.index} columns={columns} />
              </div>
            );
          })}
        </div>
      )}
    </div>
  );
}

function CellsOf<Row>({ row, index, columns }: { row: Row; index: number; columns: readonly Column<Row>[] }): ReactNode {
  return columns.map((column) => (
    <span key={column.key} role="gridcell" className={classes["cell"]} data-align={column.align}>
      {column.render(row, index)}
    </span>
  ));
}

/** Made anew only where the row or the columns are others: a list that scrolls makes those that come into sight alone. */
const Cells = memo(CellsOf) as typeof CellsOf;

function Head<Row>({ column, onSort }: { column: Column<Row>; onSort: ((key: string) => void) | undefined }) {
  const arrow = column.sort === "ascending" ? " ▲" : column.sort === "descending" ? " ▼" : "";
  return (
    <span role="columnheader" className={classes["cell"]} data-align={column.align} aria-sort={column.sort}>
      {column.sort === undefined || onSort === undefined ? (
        column.title
      ) : (
        <button type="button" className={classes["sort"]} onClick={() => onSort(column.key)}>
          {column.title}
          <span aria-hidden="true">{arrow}</span>
        </button>
      )}
    </span>
  );
}
