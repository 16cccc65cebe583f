import type { Schemas } from "@/api/client";

export type SimulationOut = Schemas["SimulationOut"];
export type Audit = Schemas["AuditOut"];
