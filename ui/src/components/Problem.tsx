import { Button } from "@mantine/core";
import { asProblem } from "@/api/problems";
import classes from "./Problem.module.css";

/**
 * What went wrong, in the server's words, with the request's id for the log; never in place of data that are there.
 *
 * @param error Whatever was thrown.
 * @param onRetry Asks again; absent where that cannot help.
 */
export function Problem(props: { error: unknown; onRetry?: (() => void) | undefined }) {
  const problem = asProblem(props.error);
  return (
    <div className={classes["problem"]} role="alert">
      <p className={classes["title"]}>
        <span aria-hidden="true" className={classes["mark"]}>◆</span>
        {problem.title}
      </p>
      <p className={classes["detail"]}>{problem.detail}</p>
      {problem.errors.length > 0 && (
        <ul className={classes["fields"]}>
          {problem.errors.slice(0, 10).map((item, index) => (
            <li key={index}>
              <code>{item.field}</code>: {item.message}
            </li>
          ))}
          {problem.errors.length > 10 && <li>and {problem.errors.length - 10} more</li>}
        </ul>
      )}
      <p className={classes["foot"]}>
        {problem.requestId !== undefined && (
          <span>
            Request <code>{problem.requestId}</code>
          </span>
        )}
        {props.onRetry !== undefined && (
          <Button size="compact-sm" onClick={props.onRetry}>
            Try again
          </Button>
        )}
      </p>
    </div>
  );
}
