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
  /** Ends of a locked scale, as `0:100`; absent: those of the run. */
  readonly scale?: string | undefined;
  /** Value of an iso-line. */
  readonly iso?: number | undefined;
  readonly height?: number;
  /** The viewer has chosen something else: into the address. A member that is undefined is taken away. */
  readonly onChoose?: (choice: {
    field?: string; time?: number; scale?: string | undefined; iso?: number | undefined;
  }) => void;
}

/** A part is absent while its feature has none. */
export interface Parts {
  readonly FieldView?: ComponentType<FieldViewProps>;
}

export const PartsContext = createContext<Parts>({});

export function usePart<Name extends keyof Parts>(name: Name): Parts[Name] {
  return useContext(PartsContext)[name];
}
