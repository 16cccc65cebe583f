/**
 * Parts of one feature that another shows, as a job's page shows a field. A feature never imports a feature; `app`
 * hands the parts over, each loaded when it is first shown.
 */
import { createContext, useContext, type ComponentType } from "react";

export interface FieldViewProps {
  readonly jobId: string;
  /** Whether the job has ended, so that its fields never change again. */
  readonly isFinal: boolean;
  /** Name of the field, and index of its time; absent: the first field, its last time. */
  readonly field?: string | undefined;
  readonly time?: number | undefined;
  /** The viewer has chosen another field or time: into the address. */
  readonly onChoose?: (choice: { field?: string; time?: number }) => void;
}

/** A part is absent while its feature has none. */
export interface Parts {
  readonly FieldView?: ComponentType<FieldViewProps>;
}

export const PartsContext = createContext<Parts>({});

export function usePart<Name extends keyof Parts>(name: Name): Parts[Name] {
  return useContext(PartsContext)[name];
}
