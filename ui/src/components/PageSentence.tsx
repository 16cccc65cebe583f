import { type ReactNode, useEffect } from "react";
import classes from "./PageSentence.module.css";

/**
 * The head of a page: one sentence that answers its question, and what can be done about it.
 *
 * @param title The page's name in the browser's tab, and to assistive technology.
 * @param children The sentence; it is the page's first heading.
 * @param actions Buttons at the right.
 */
export function PageSentence(props: { title: string; children: ReactNode; actions?: ReactNode }) {
  useEffect(() => {
    document.title = `${props.title} · Grid`;
  }, [props.title]);
  return (
    <header className={classes["head"]}>
      <h1 className={classes["sentence"]}>{props.children}</h1>
      {props.actions !== undefined && <div className={classes["actions"]}>{props.actions}</div>}
    </header>
  );
}
