import { defineConfig, mergeConfig } from "vitest/config";
import base from "./vite.config.ts";

export default mergeConfig(
  base,
  defineConfig({
    test: {
      include: ["src/**/*.test.{ts,tsx}"],
      environment: "node", // tests of components say `// @vitest-environment happy-dom`
      restoreMocks: true,
      unstubGlobals: true,
    },
  }),
);
