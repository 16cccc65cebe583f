/** Hands parts of features to features that show them (`components/parts.ts`), each loaded when first shown. */
import type { Parts } from "@/components/parts";

export const parts: Parts = {};
