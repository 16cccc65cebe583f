import { createLazyRoute } from "@tanstack/react-router";
import { NothingHere } from "@/components/NothingHere";

/** The page is not there yet, and looks like any other unknown address (`isShown` in index.ts). */
export const Route = createLazyRoute("/shell/rules")({ component: NothingHere });
