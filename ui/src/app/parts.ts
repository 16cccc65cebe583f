/** Hands parts of features to features that show them (`components/parts.ts`), each loaded when first shown. */
import { lazy } from "react";
import type { Parts } from "@/components/parts";

export const parts: Parts = {
  FieldView: lazy(() => import("@/features/fields/JobFieldView")),
};
