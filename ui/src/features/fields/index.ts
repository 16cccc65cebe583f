/** Fields of finished jobs: a part that other features show (`FieldView` in components/parts.ts), no page of its own. */

/** Whether there is a viewer; `app/parts.ts` hands it over then. */
export const isShown = true;
