import { defineConfig } from "vitest/config";

// In a real browser, against a real server: one after the other.
export default defineConfig(({ mode }) => ({
  test: {
    environment: "node",
    include: [mode === "lighthouse" ? "scripts/lighthouse.ts" : "e2e/**/*.e2e.ts"],
    fileParallelism: false,
    testTimeout: 120_000,
  },
}));
