import type { ReactNode } from "react";
import classes from "./Page.module.css";

/** The content of a page: parts below each other, 12 px apart; a part of the class `grow` takes what height is left. */
export function Page({ children }: { children: ReactNode }) {
  return <div className={classes["page"]}>{children}</div>;
}
