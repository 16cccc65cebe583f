import classes from "./Severity.module.css";

export type SeverityName = "critical" | "high" | "medium" | "low";

const WORDS: Record<SeverityName, string> = { critical: "CRITICAL", high: "HIGH", medium: "MEDIUM", low: "LOW" };

/**
 * The mark and the word of a severity: three ways to tell (colour, shape, word), of which two survive grey.
 *
 * @param isRinging Whether nobody has acknowledged it: a ring blinks for five seconds, then stands still.
 */
export function Severity(props: { name: SeverityName; isRinging?: boolean; hidesWord?: boolean }) {
  const { name, isRinging = false, hidesWord = false } = props;
  return (
    <span className={classes["severity"]} data-severity={name}>
      <span className={classes["ring"]} data-ringing={isRinging || undefined}>
        <SeverityMark name={name} />
      </span>
      {hidesWord ? <span className={classes["unseen"]}>{WORDS[name]}</span> : WORDS[name]}
    </span>
  );
}

/** The shape alone: a filled square with a bang, a filled triangle, an outlined diamond, a small outlined circle. */
function SeverityMark({ name }: { name: SeverityName }) {
  return (
    <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" focusable="false">
      {name === "critical" && (
        <>
          <rect x="0.5" y="0.5" width="11" height="11" fill="currentColor" />
          <path d="M6 2.2v4.6M6 8.4v1.6" stroke="var(--severity-inner)" strokeWidth="1.8" />
        </>
      )}
      {name === "high" && <path d="M6 0.8 11.6 11H0.4z" fill="currentColor" />}
      {name === "medium" && <path d="M6 1 11 6 6 11 1 6z" fill="none" stroke="currentColor" strokeWidth="1.6" />}
      {name === "low" && <circle cx="6" cy="6" r="3.4" fill="none" stroke="currentColor" strokeWidth="1.4" />}
    </svg>
  );
}
