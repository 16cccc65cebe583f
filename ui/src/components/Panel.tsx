import type { ReactNode } from "react";
import classes from "./Panel.module.css";

/**
 * A part of a page with its heading: one surface, one border. Panels are never put into panels.
 *
 * @param isFlush Whether the content reaches the border, as tables and fields do.
 */
export function Panel(props: { title?: ReactNode; actions?: ReactNode; isFlush?: boolean; className?: string; children: ReactNode }) {
  return (
    <section className={`${classes["panel"]} ${props.className ?? ""}`}>
      {(props.title !== undefined || props.actions !== undefined) && (
        <div className={classes["head"]}>
          <h2 className={classes["title"]}>{props.title}</h2>
          {props.actions}
        </div>
      )}
      <div className={classes["body"]} data-flush={props.isFlush || undefined}>
        {props.children}
      </div>
    </section>
  );
}
