import { MISSING, formatNumber } from "@/lib/format";
import { printUnit } from "@/lib/units";
import classes from "./text.module.css";

/**
 * A value with its unit. All its digits are in the title, and are what is copied with the whole of it.
 *
 * @param digits Significant digits: 4 of what is computed, 2 of an estimate.
 * @param why Why there is no value, for the dash that stands for it.
 */
export function Quantity(props: {
  value: number | null | undefined;
  unit?: string | null | undefined;
  digits?: number;
  why?: string;
}) {
  const { value, unit, digits = 4, why } = props;
  const text = formatNumber(value, digits);
  if (text === MISSING) {
    return <span className={classes["muted"]} title={why ?? "There is no value."}>{MISSING}</span>;
  }
  const printed = printUnit(unit);
  return (
    <span className={classes["quantity"]} title={`${value} ${printed}`.trim()}>
      {text}
      {printed !== "" && <span className={classes["unit"]}>{"\u2009"}{printed}</span>}
    </span>
  );
}
