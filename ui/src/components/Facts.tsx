import { Fragment, type ReactNode } from "react";
import classes from "./Facts.module.css";

/** Names and values in two columns: what one thing is. Rows that are false, null or undefined are left out. */
export function Facts({ rows }: { rows: readonly (readonly [string, ReactNode] | false | null | undefined)[] }) {
  return (
    <dl className={classes["facts"]}>
      {rows.map(
        (row) =>
          row && (
            <Fragment key={row[0]}>
              <dt>{row[0]}</dt>
              <dd>{row[1]}</dd>
            </Fragment>
          ),
      )}
    </dl>
  );
}
