import { shortId } from "@/lib/format";
import classes from "./text.module.css";

/** The ends of an identifier; the whole of it in the title, and to assistive technology. */
export function Identifier({ id }: { id: string }) {
  return (
    <span className={classes["id"]} title={id} aria-label={id}>
      {shortId(id)}
    </span>
  );
}

/** Words for those who cannot see the page. */
export function Unseen({ children }: { children: React.ReactNode }) {
  return <span className={classes["unseen"]}>{children}</span>;
}
