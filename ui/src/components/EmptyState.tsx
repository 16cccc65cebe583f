import type { ReactNode } from "react";
import classes from "./EmptyState.module.css";

/** What stands where nothing is yet: what would be here, and how it gets here. */
export function EmptyState(props: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={classes["empty"]}>
      <p className={classes["title"]}>{props.title}</p>
      {props.children !== undefined && <div className={classes["body"]}>{props.children}</div>}
      {props.action !== undefined && <div className={classes["action"]}>{props.action}</div>}
    </div>
  );
}
